"""Arithmetic that never wraps: the type of a result holds every value that the operands' types allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.graph.patterns import Pointwise, afresh
from voxelrock.image.validity import CHOSEN, Nodata, blank, both, is_mask, restricted, valid
from voxelrock.kernels import arithmetic as kernels

Number = bool | int | float
Interval = tuple[int, int]


def _declared(*dtypes: np.dtype[Any], result: str, **_: Any) -> np.dtype[Any]:
    return np.dtype(result)


def _from_work(*dtypes: np.dtype[Any], work: str, **_: Any) -> np.dtype[Any]:
    return np.dtype(work)


def _boolean_or_work(*dtypes: np.dtype[Any], operator: str, work: str, **_: Any) -> np.dtype[Any]:
    return np.dtype(work) if operator in ("bitwise_and", "bitwise_or", "bitwise_xor", "invert") else np.dtype(bool)


_ARITHMETIC = Pointwise(kernels.arithmetic, _from_work)
_TRANSCENDENTAL = Pointwise(kernels.transcendental, _from_work)
_LOGICAL = Pointwise(kernels.logical, _boolean_or_work)

OPERATORS = frozenset(kernels.EXACT) | frozenset(kernels.INEXACT) | frozenset(kernels.LOGICAL)
"""The NumPy functions that images take."""


def combine(operator: str, operands: Sequence[da.Array | Number], nodata: Sequence[Nodata]) -> tuple[da.Array, Nodata]:
    """Apply an operator to arrays and numbers; gives the array and its no-data value or mask.

    Where an operand has no data, results of arithmetic are floats with NaN there; comparisons and masks are False there, and hold no data
    (whatever the other operand is: True or no-data is no data).

    Raises
    ------
    ParameterTypeError
        An operand or operator that images do not take.
    """
    operator = {"divide": "true_divide", "conjugate": "positive", "mod": "remainder", "fabs": "absolute"}.get(operator, operator)
    if operator not in OPERATORS:
        raise ParameterTypeError(f"numpy.{operator} is not defined for images; apply it to image.data or to the computed array")
    scalars = tuple(kernels.LAZY if _is_lazy(o) else None if isinstance(o, da.Array) else _scalar(o) for o in operands)
    lazy = dict(zip((kernels.LAZY,), filter(_is_lazy, operands)))
    arrays = afresh([o for o, s in zip(operands, scalars) if s is None], lazy.values())
    missing = [afresh([n], lazy.values())[0] if is_mask(n) else n for n, s in zip(nodata, scalars) if s is None]
    if operator in kernels.LOGICAL:
        return _logical(operator, arrays, scalars, missing, lazy)
    if any(n is not None for n in missing):
        arrays = [blank(a, n, float_type(a.dtype)) for a, n in zip(arrays, missing)]
    kinds = iter([a.dtype for a in arrays])
    kind, check = _work_type(operator, [next(kinds) if s is None else _typed(s) for s in scalars])
    pattern = _TRANSCENDENTAL if operator in kernels.INEXACT else _ARITHMETIC
    parameters: dict[str, Any] = {"operator": operator, "scalars": scalars, "work": kind.name, **lazy}
    if operator not in kernels.INEXACT:
        parameters["check"] = check
    return pattern(*arrays, **parameters), math.nan if any(n is not None for n in missing) else None


def operand(value: Any) -> Any:
    """A number as operators take it: results of voxelrock (0-d DataArrays) as the lazy numbers, or plain ones, that they hold."""
    if not isinstance(value, xr.DataArray | np.ndarray) or value.ndim:
        return value
    return value.data if isinstance(value, xr.DataArray) and isinstance(value.data, da.Array) else value.item()


def readable(value: Any) -> Any:
    """A number as a history holds it."""
    return {"computed": value.name} if isinstance(value, da.Array) else getattr(value, "item", lambda: value)()


def _is_lazy(value: Any) -> bool:
    return isinstance(value, da.Array) and value.ndim == 0


def _typed(scalar: Number | str) -> Number:
    """A number that stands for its type: a lazy one counts as a float."""
    return 0.0 if isinstance(scalar, str) else scalar


def _scalar(value: Any) -> Number:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    raise ParameterTypeError(f"images combine with images on the same grid and with real numbers; got {type(value).__name__}")


def _logical(operator: str, arrays: list[da.Array], scalars: tuple[Any, ...], missing: list[Nodata], lazy: dict[str, da.Array]) -> tuple[da.Array, Nodata]:
    types = [a.dtype for a in arrays]
    plain = [_typed(s) for s in scalars if s is not None]
    if operator in ("bitwise_and", "bitwise_or", "bitwise_xor", "invert"):
        if any(_is_float(o) for o in (*types, *plain)):
            raise ParameterTypeError(f"numpy.{operator} takes masks and integers; got {', '.join(map(str, (*types, *(s for s in scalars if s is not None))))}")
        numbers = [np.min_scalar_type(s) for s in plain]
        work = np.result_type(*types, *numbers)
        if work.kind == "f":
            raise ParameterTypeError(f"numpy.{operator}: no integer type holds all of {', '.join(map(str, (*types, *numbers)))}")
    else:
        work = _comparable([*types, *plain])
    result = _LOGICAL(*arrays, operator=operator, scalars=scalars, work=work.name, **lazy)
    good = [valid(array, nodata) for array, nodata in zip(arrays, missing) if nodata is not None]
    if not good:
        return result, None
    keep = reduce(both, good)
    if result.dtype.kind == "b":
        return restricted(result, keep)
    return CHOSEN(result, keep, other=math.nan, dtype=float_type(result.dtype).name), math.nan


def _comparable(operands: list[Any]) -> np.dtype[Any]:
    """A type in which every operand is itself, so that comparisons are true to the values."""
    floats = [o for o in operands if _is_float(o)]
    if floats:
        return np.dtype("f8") if any(isinstance(o, float) for o in floats) else np.result_type(*(float_type(_type(o)) for o in operands))
    spans = [_span(o) for o in operands]
    return _holding_or_float((min(s[0] for s in spans), max(s[1] for s in spans)))


def _is_float(operand: Any) -> bool:
    return isinstance(operand, float) or (isinstance(operand, np.dtype) and operand.kind == "f")


def _type(operand: Any) -> np.dtype[Any]:
    return operand if isinstance(operand, np.dtype) else np.min_scalar_type(operand)


def float_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """float32 for booleans, integers of up to 16 bits and float32 (and half); float64 for the rest."""
    if dtype.kind == "f":
        return np.dtype("f8") if dtype.itemsize > 4 else np.dtype("f4")
    return np.dtype("f4") if dtype.itemsize <= 2 else np.dtype("f8")


def _span(operand: Any) -> Interval:
    if isinstance(operand, np.dtype):
        if operand.kind == "b":
            return 0, 1
        info = np.iinfo(operand)
        return int(info.min), int(info.max)
    return int(operand), int(operand)


def _holding(span: Interval) -> np.dtype[Any]:
    """The smallest integer type with the range, unsigned where nothing is negative; 64 bits where none has it."""
    low, high = span
    for name in ("u1", "u2", "u4", "u8") if low >= 0 else ("i1", "i2", "i4", "i8"):
        info = np.iinfo(name)
        if info.min <= low and high <= info.max:
            return np.dtype(name)
    return np.dtype("u8") if low >= 0 else np.dtype("i8")


def _within(kind: np.dtype[Any], span: Interval) -> bool:
    info = np.iinfo(kind)
    return bool(info.min <= span[0] and span[1] <= info.max)


def _holding_or_float(span: Interval) -> np.dtype[Any]:
    """The smallest integer type with the range, float64 where none has it."""
    kind = _holding(span)
    return kind if _within(kind, span) else np.dtype("f8")


def _work_type(operator: str, operands: list[Any]) -> tuple[np.dtype[Any], bool]:
    """The type to work in, and whether values could leave it (only 64-bit integers can)."""
    if operator == "true_divide":
        wide = [o for o in operands if isinstance(o, np.dtype)]
        return np.dtype("f8") if any(t.itemsize == 8 for t in wide) else np.dtype("f4"), False
    if any(_is_float(o) for o in operands) or operator in ("sqrt", "floor", "ceil", "rint") or operator in kernels.INEXACT:
        if operator == "power" and not any(_is_float(o) for o in operands) and isinstance(operands[1], int) and 0 <= operands[1] < 64:
            return _holding_or_float(_power_span(_span(operands[0]), operands[1])), False
        return np.result_type(*(float_type(o) for o in operands if isinstance(o, np.dtype))), False
    spans = [_span(o) for o in operands]
    spans.append(_result_span(operator, spans))  # the operands are converted too, so the type holds them as well as the result
    own = _holding((min(s[0] for s in spans[:-1]), max(s[1] for s in spans[:-1])))
    if not _within(own, (min(s[0] for s in spans[:-1]), max(s[1] for s in spans[:-1]))):
        return np.dtype("f8"), False  # no integer type holds both operands
    low, high = min(s[0] for s in spans), max(s[1] for s in spans)
    kind = _holding((low, high))
    if _within(kind, (low, high)) or np.iinfo(kind).min <= np.iinfo(own).min:
        return kind, not _within(kind, (low, high))
    return np.dtype("f8"), False


def _power_span(base: Interval, exponent: int) -> Interval:
    ends = [base[0] ** exponent, base[1] ** exponent]
    return (min(0, *ends) if base[0] < 0 else ends[0]), max(ends)


def _result_span(operator: str, spans: list[Interval]) -> Interval:
    (a, b), (c, d) = spans[0], spans[-1]
    ends = {
        "add": (a + c, b + d),
        "subtract": (a - d, b - c),
        "multiply": (min(a * c, a * d, b * c, b * d), max(a * c, a * d, b * c, b * d)),
        "minimum": (min(a, c), min(b, d)),
        "maximum": (max(a, c), max(b, d)),
        "negative": (-b, -a),
        "positive": (a, b),
        "absolute": (0, max(abs(a), abs(b))),
        "sign": (-1 if a < 0 else 0, 1),
        "square": (0, max(a * a, b * b)),
        "floor_divide": (min(a, -b, 0) if c < 0 else min(a, 0), max(b, -a) if c < 0 else b),
        "remainder": (min(c, 0) if c < 0 else 0, max(abs(c), abs(d))),
    }
    if operator not in ends:
        raise ParameterError(f"numpy.{operator} is not defined for integer images; convert them with astype('f4') first")
    return ends[operator]
