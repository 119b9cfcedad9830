"""Voxel-by-voxel arithmetic in a type that holds every result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voxelrock.errors import DataError
from voxelrock.kernels.backend import beside, kernel, namespace
from voxelrock.typing import Block

EXACT: dict[str, Callable[..., Block]] = {
    "add": lambda xp, a, b: a + b,
    "subtract": lambda xp, a, b: a - b,
    "multiply": lambda xp, a, b: a * b,
    "true_divide": lambda xp, a, b: a / b,
    "floor_divide": lambda xp, a, b: a // b,
    "remainder": lambda xp, a, b: a % b,
    "minimum": lambda xp, a, b: xp.minimum(a, b),
    "maximum": lambda xp, a, b: xp.maximum(a, b),
    "negative": lambda xp, a: -a,
    "positive": lambda xp, a: +a,
    "absolute": lambda xp, a: xp.abs(a),
    "sign": lambda xp, a: xp.sign(a),
    "sqrt": lambda xp, a: xp.sqrt(a),
    "square": lambda xp, a: a * a,
    "floor": lambda xp, a: xp.floor(a),
    "ceil": lambda xp, a: xp.ceil(a),
    "rint": lambda xp, a: xp.round(a),
}
"""IEEE operations: equal bit for bit on every device."""

INEXACT: dict[str, Callable[..., Block]] = {
    "exp": lambda xp, a: xp.exp(a),
    "log": lambda xp, a: xp.log(a),
    "log2": lambda xp, a: xp.log2(a),
    "log10": lambda xp, a: xp.log10(a),
    "log1p": lambda xp, a: xp.log1p(a),
    "expm1": lambda xp, a: xp.expm1(a),
    "sin": lambda xp, a: xp.sin(a),
    "cos": lambda xp, a: xp.cos(a),
    "tanh": lambda xp, a: xp.tanh(a),
    "power": lambda xp, a, b: a**b,
}
"""Functions of a mathematics library, which differ between devices in the last place."""

LOGICAL: dict[str, Callable[..., Block]] = {
    "equal": lambda xp, a, b: a == b,
    "not_equal": lambda xp, a, b: a != b,
    "less": lambda xp, a, b: a < b,
    "less_equal": lambda xp, a, b: a <= b,
    "greater": lambda xp, a, b: a > b,
    "greater_equal": lambda xp, a, b: a >= b,
    "bitwise_and": lambda xp, a, b: a & b,
    "bitwise_or": lambda xp, a, b: a | b,
    "bitwise_xor": lambda xp, a, b: a ^ b,
    "invert": lambda xp, a: ~a,
    "logical_and": lambda xp, a, b: (a != 0) & (b != 0),
    "logical_or": lambda xp, a, b: (a != 0) | (b != 0),
    "logical_xor": lambda xp, a, b: (a != 0) ^ (b != 0),
    "logical_not": lambda xp, a: a == 0,
    "isnan": lambda xp, a: xp.isnan(a),
    "isfinite": lambda xp, a: xp.isfinite(a),
    "isinf": lambda xp, a: xp.isinf(a),
}
"""Comparisons and logic."""


LAZY = "number"
"""Stands among ``scalars`` for the keyword ``number``, which another task delivers."""


def _prepared(blocks: tuple[Block, ...], scalars: tuple[Any, ...], work: str, number: Any) -> tuple[Any, list[Any]]:
    xp = namespace(*blocks)
    arrays = iter(blocks)
    dtype = getattr(xp, work)
    operands = []
    for scalar in scalars:
        if scalar is None:
            block = next(arrays)
            operands.append(block if block.dtype == dtype else xp.astype(block, dtype))
        else:
            operands.append(xp.asarray(number if scalar == LAZY else scalar, dtype=dtype, **beside(blocks[0])))
    return xp, operands


@kernel(cost=1.0, workspace=2.0)
def arithmetic(*blocks: Block, operator: str, scalars: tuple[Any, ...], work: str, check: bool = False, number: Any = None) -> Block:
    """Apply an IEEE operator in the type ``work``; ``scalars`` holds None for each operand that is a block, ``LAZY`` for ``number``.

    ``check`` looks for overflow of 64-bit integers. Memory: one block for each operand that is converted.

    Raises
    ------
    DataError
        A division of integers by zero, or an overflow of 64-bit integers.
    """
    return _applied(EXACT, blocks, operator, scalars, work, check, number)


def _applied(
    operators: dict[str, Callable[..., Block]], blocks: tuple[Block, ...], operator: str, scalars: tuple[Any, ...], work: str, check: bool, number: Any
) -> Block:
    xp, operands = _prepared(blocks, scalars, work, number)
    if operator in ("floor_divide", "remainder") and not xp.isdtype(operands[1].dtype, "real floating") and bool(xp.any(operands[1] == 0)):
        raise DataError(f"{operator} of integers by zero")
    result = operators[operator](xp, *operands)
    if check and _overflowed(xp, operator, operands, result):
        raise DataError(f"{operator} leaves the range of 64-bit integers; convert to float64 first")
    return result


@arithmetic.device
def _arithmetic_device(*blocks: Block, operator: str, scalars: tuple[Any, ...], work: str, check: bool = False, number: Any = None) -> Block:
    return _applied(EXACT | _DIVISIONS, blocks, operator, scalars, work, check, number)


def quotient(xp: Any, a: Block, b: Block) -> Block:
    """The largest whole number not above a / b, as NumPy finds it: CuPy rounds a / b first, which for 1 // 0.1 gives 10 instead of 9."""
    if not xp.isdtype(a.dtype, "real floating"):
        return a // b
    rest = xp.fmod(a, b)
    whole = (a - rest) / b
    whole = xp.where((rest != 0) & ((b < 0) != (rest < 0)), whole - 1, whole)
    floor = xp.floor(whole)
    floor = xp.where(whole - floor > 0.5, floor + 1, floor)
    floor = xp.where(whole == 0, xp.copysign(xp.zeros_like(whole), a / b), floor)
    return xp.where(b == 0, a / b, floor)


def rest_of(xp: Any, a: Block, b: Block) -> Block:
    """What :func:`quotient` leaves, with the sign of ``b``, as NumPy finds it; CuPy's is the difference of two rounded numbers."""
    if not xp.isdtype(a.dtype, "real floating"):
        return a % b
    rest = xp.fmod(a, b)
    found = xp.where((b < 0) != (rest < 0), rest + b, rest)
    return xp.where((rest == 0) & (b != 0), xp.copysign(xp.zeros_like(rest), b), found)


_DIVISIONS: dict[str, Callable[..., Block]] = {"floor_divide": quotient, "remainder": rest_of}


def _overflowed(xp: Any, operator: str, operands: list[Block], result: Block) -> bool:
    near = EXACT[operator](xp, *(xp.astype(o, xp.float64) for o in operands))
    return bool(xp.any(xp.abs(near - xp.astype(result, xp.float64)) > 2.0**62))


@kernel(cost=8.0, exact=False, workspace=2.0)
def transcendental(*blocks: Block, operator: str, scalars: tuple[Any, ...], work: str, number: Any = None) -> Block:
    """Apply a function of a mathematics library in the type ``work``. Memory: one block for each operand that is converted."""
    xp, operands = _prepared(blocks, scalars, work, number)
    return INEXACT[operator](xp, *operands)


@kernel(cost=0.7, workspace=1.0)
def logical(*blocks: Block, operator: str, scalars: tuple[Any, ...], work: str, number: Any = None) -> Block:
    """Apply a comparison or a logical operator in the type ``work``. Memory: one block for each operand that is converted."""
    xp, operands = _prepared(blocks, scalars, work, number)
    return LOGICAL[operator](xp, *operands)
