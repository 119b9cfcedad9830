"""Sums of floats that are exact, so that no order, chunk or device can matter.

Every float is an integer times a power of two. The signed mantissas are added per exponent in 64-bit integers; the total is one Python
integer, in units of 2**-1074 (of 2**-2274 for sums of squares), rounded once when it is read. Equal to ``math.fsum``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit, kernel, namespace
from voxelrock.typing import Block, HostArray

UNIT = 1074
"""Sums are integers in units of 2**-1074, the smallest float64."""


SQUARE_UNIT = UNIT + 1200
"""Sums of squares are integers in units of 2**-2274."""

_SPLIT = 134217729.0  # 2**27 + 1
_BANDS = ((2.0**-400, 2.0**400, 0), (2.0**400, math.inf, -600), (0.0, 2.0**-400, 600))


def to_float(total: int, count: int = 1) -> float:
    """An exact sum divided by a count, rounded once."""
    return total / (count << UNIT)


@jit
def _mantissas_4(bits: HostArray, masks: HostArray, masked: bool, table: HostArray) -> int:
    bad = 0
    for r in range(bits.shape[0]):
        for i in range(bits.shape[1]):
            if masked and not masks[r, i]:
                continue
            b = bits[r, i]
            exponent = (b >> 23) & 0xFF
            mantissa = np.int64(b & 0x7FFFFF)
            if exponent == 255:
                bad += 1
                continue
            if exponent > 0:
                mantissa |= 0x800000
            table[exponent] += -mantissa if b < 0 else mantissa
    return bad


@jit
def _mantissas_8(bits: HostArray, masks: HostArray, masked: bool, table: HostArray) -> int:
    bad = 0
    for r in range(bits.shape[0]):
        for i in range(bits.shape[1]):
            if masked and not masks[r, i]:
                continue
            b = bits[r, i]
            exponent = (b >> 52) & 0x7FF
            mantissa = b & 0xFFFFFFFFFFFFF
            if exponent == 2047:
                bad += 1
                continue
            if exponent > 0:
                mantissa |= 1 << 52
            high, low = mantissa >> 26, mantissa & 0x3FFFFFF  # two parts, so that 2**36 voxels fit in 64 bits
            table[exponent, 0] += -high if b < 0 else high
            table[exponent, 1] += -low if b < 0 else low
    return bad


def _refuse_nonfinite() -> None:
    raise DataError("NaN or infinity among the voxels to be added: declare NaN with image.assign(nodata=float('nan')), or leave them out with where=")


def _total_4(rows: HostArray, masks: HostArray, masked: bool) -> int:
    table = np.zeros(256, np.int64)
    if _mantissas_4(rows.view(np.int32), masks, masked, table):
        _refuse_nonfinite()
    return sum(int(v) << (max(e, 1) - 150 + UNIT) for e, v in enumerate(table) if v)


def _total_8(rows: HostArray, masks: HostArray, masked: bool) -> int:
    table = np.zeros((2048, 2), np.int64)
    if _mantissas_8(rows.view(np.int64), masks, masked, table):
        _refuse_nonfinite()
    return sum((int(high) << 26) + int(low) << (max(e, 1) - 1) for e, (high, low) in enumerate(table) if high or low)


def total(values: HostArray, mask: HostArray | None = None) -> int:
    """The exact sum of a host array, in units of 2**-1074."""
    shape = (math.prod(values.shape[:-1]), values.shape[-1])
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float64)
    masks = np.zeros((1, 1), bool) if mask is None else np.ascontiguousarray(mask).reshape(shape)
    if values.dtype.kind in "biu":
        if values.dtype.itemsize <= 4:
            return int(np.sum(values, dtype=np.int64, where=True if mask is None else mask)) << UNIT
        chosen = values if mask is None else values[mask]
        parts = (chosen >> np.array(32, chosen.dtype)), (chosen & np.array(0xFFFFFFFF, chosen.dtype))
        return (int(parts[0].sum(dtype=np.int64)) << 32) + int(parts[1].sum(dtype=np.int64)) << UNIT
    rows = np.ascontiguousarray(values).reshape(shape)
    return _total_4(rows, masks, mask is not None) if rows.dtype == np.float32 else _total_8(rows, masks, mask is not None)


def _exceeds_floats(values: Block) -> bool:
    xp = namespace(values)
    return values.dtype in (xp.int64, xp.uint64)


def _digits(values: Block) -> list[Block]:
    """64-bit integers in four digits of 16 bits, of which the last has the sign: products of two add up over 2**31 voxels in 64 bits."""
    xp = namespace(values)
    return [xp.astype((values >> 16 * i) & 0xFFFF, xp.int64) for i in range(3)] + [xp.astype(values >> 48, xp.int64)]


def _reference_total(values: Block) -> int:
    if _exceeds_floats(values):
        xp = namespace(values)
        return sum(int(xp.sum(digit)) << 16 * i for i, digit in enumerate(_digits(values))) << UNIT
    return _float_total(values)


def _reference_squares(values: Block) -> int:
    xp = namespace(values)
    if _exceeds_floats(values):
        digits = _digits(values)
        return sum(int(xp.sum(a * b)) << 16 * (i + j) for i, a in enumerate(digits) for j, b in enumerate(digits)) << SQUARE_UNIT
    return _square_total(xp, xp.astype(values, xp.float64), _float_total)


def _float_total(values: Block) -> int:
    """Bands of 26 bits from that of the largest value down to where nothing is left: each is an exact integer, and subtracting it is exact."""
    xp = namespace(values)
    rest = xp.astype(values, xp.float64)
    if bool(xp.any(~xp.isfinite(rest))):
        _refuse_nonfinite()
    found = 0
    above = math.frexp(float(xp.max(xp.abs(rest))))[1] if math.prod(rest.shape) else 0
    for power in range(1000, -1075 - 26, -26):
        if power >= above:
            continue
        floor = max(power, -UNIT)
        scale = 2.0**-floor if floor > -1000 else 2.0**1000
        extra = 1.0 if floor > -1000 else 2.0 ** (-floor - 1000)
        band = xp.trunc(rest * scale * extra)
        count = xp.astype(band, xp.int64)
        found += int(xp.sum(count)) << (floor + UNIT)
        rest = rest - band / extra / scale
        if floor == -UNIT or not bool(xp.any(rest != 0)):
            break
    return found


def _squares(xp: Any, values: Block) -> tuple[Block, Block]:
    """The squares of float64 values as sums of two float64, exact for magnitudes from 2**-450 to 2**500 (Dekker 1971)."""
    wide = values * _SPLIT
    high = wide - (wide - values)
    low = values - high
    square = values * values
    return square, ((high * high - square) + 2.0 * (high * low)) + low * low


def _square_total(xp: Any, values: Block, add: Callable[[Block], int]) -> int:
    """The exact sum of squares of float64 values, in units of 2**-2274; very large and very small ones are scaled by powers of two."""
    found = 0
    size = xp.abs(values)
    for least, most, power in _BANDS:
        chosen = (size >= least) & (size < most)
        if power and not bool(xp.any(chosen & (size > 0))):
            continue
        part = xp.where(chosen, values, xp.zeros_like(values)) * 2.0**power
        found += sum(add(p) for p in _squares(xp, part)) << (1200 - 2 * power)
    return found


@kernel(cost=8.0, workspace=4.0)
def moments(block: Block, /, *mask: Block) -> list[int]:
    """Count, exact sum (units of 2**-1074) and exact sum of squares (units of 2**-2274) of the counted values.

    Memory: a few copies of a plane in float64 (of the block, in the reference).

    Raises
    ------
    DataError
        NaN or infinity among them.
    """
    xp = namespace(block)
    values = xp.reshape(block, (-1,))
    values = values[xp.reshape(mask[0], (-1,))] if mask else values
    return [int(values.shape[0]), _reference_total(values), _reference_squares(values)]


@moments.host
def _moments_host(block: HostArray, /, *mask: HostArray) -> list[int]:
    chosen = mask[0] if mask else None
    count = block.size if chosen is None else int(np.count_nonzero(chosen))
    first, second = 0, 0
    for plane in range(block.shape[0]):  # plane by plane: the squares in float64 never exceed a plane
        values = block[plane] if chosen is None else np.where(chosen[plane], block[plane], block.dtype.type(0))
        first += total(values)
        second += _squares_host(values)
    return [count, first, second]


def _squares_host(values: HostArray) -> int:
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        return sum(v * v * n for v, n in zip(*_distinct(values))) << SQUARE_UNIT
    return _square_total(np, values.astype(np.float64), total)


def _distinct(values: HostArray) -> tuple[list[int], list[int]]:
    """64-bit integers exceed float64: their squares are taken as Python integers, once for each value."""
    found, counts = np.unique(values, return_counts=True)
    return found.tolist(), counts.tolist()


@kernel(cost=1.0, workspace=2.0)
def sum_and_extremes(block: Block, /, *mask: Block) -> list[Any]:
    """Count, exact sum (units of 2**-1074), least and greatest of the counted values (None where there are none).

    Raises
    ------
    DataError
        NaN or infinity among them.
    """
    xp = namespace(block)
    values = xp.reshape(block, (-1,))
    values = values[xp.reshape(mask[0], (-1,))] if mask else values
    if not values.shape[0]:
        return [0, 0, None, None]
    found = _reference_total(values)
    if _exceeds_floats(values):
        return [int(values.shape[0]), found, int(xp.min(values)), int(xp.max(values))]
    wide = xp.astype(values, xp.float64)
    return [int(values.shape[0]), found, float(xp.min(wide)), float(xp.max(wide))]


@sum_and_extremes.host
def _sum_and_extremes_host(block: HostArray, /, *mask: HostArray) -> list[Any]:
    if block.dtype.kind == "b" or (block.dtype.kind in "iu" and block.dtype.itemsize <= 4):
        values = block.view(np.uint8) if block.dtype.kind == "b" else block
        ends = np.array([np.iinfo(values.dtype).max, np.iinfo(values.dtype).min], values.dtype)
        shape = (math.prod(values.shape[:-1]), values.shape[-1])
        chosen = np.ascontiguousarray(mask[0]).view(np.uint8).reshape(shape) if mask else np.zeros((0, 0), np.uint8)
        count, first = _add_integers(np.ascontiguousarray(values).reshape(shape), chosen, ends)
        return [count, first << UNIT, *ends.tolist()] if count else [0, 0, None, None]
    count, first, low, high = 0, 0, math.inf, -math.inf
    for k, plane in enumerate(block):
        values = plane[mask[0][k]] if mask else plane.reshape(-1)
        if values.size:
            count, first = count + values.size, first + total(values)
            low, high = min(low, values.min().item()), max(high, values.max().item())
    return [count, first, low, high] if count else [0, 0, None, None]


@sum_and_extremes.weighted
def _sum_and_extremes_weighted(numbers: HostArray, block: HostArray, /, *mask: HostArray) -> list[Any] | None:
    if block.dtype.kind not in "biu" or block.dtype.itemsize > 2:
        return None
    values, often = block.reshape(-1).astype(np.int64), numbers.reshape(-1)
    if mask:
        values, often = values[mask[0].reshape(-1)], often[mask[0].reshape(-1)]
    if not values.size:
        return [0, 0, None, None]
    return [int(often.sum()), int((values * often).sum()) << UNIT, int(values.min()), int(values.max())]


@jit
def _add_integers(rows: HostArray, masks: HostArray, ends: HostArray) -> tuple[int, int]:
    """Count and sum, which 2**31 voxels of 32 bits do not exceed; the extremes go into ``ends``. An empty mask counts all."""
    low, high = ends[0], ends[1]
    count: Any = 0
    first: Any = 0
    for r in range(rows.shape[0]):
        row = rows[r]
        here: Any = np.int64(0)
        if masks.size:
            mask = masks[r]
            for i in range(row.size):
                here += np.int64(row[i]) * np.int64(mask[i])
                count += np.int64(mask[i])
                low = row[i] if mask[i] and row[i] < low else low
                high = row[i] if mask[i] and row[i] > high else high
        else:
            count += row.size
            for i in range(row.size):
                here += np.int64(row[i])
                low = row[i] if row[i] < low else low
                high = row[i] if row[i] > high else high
        first += here
    ends[0], ends[1] = low, high
    return count, first


@kernel(cost=2.5, workspace=2.0)
def slice_sums(block: Block, /, *mask: Block, axis: int, start: Any, shape: Any) -> dict[int, list[Any]]:
    """For each slice across ``axis``: the number of counted values and their exact sum (units of 2**-1074), by the first slice's index.

    Raises
    ------
    DataError
        NaN or infinity among the counted values.
    """
    xp = namespace(block)
    counts, sums = [], []
    for i in range(block.shape[axis]):
        index = tuple(slice(i, i + 1) if a == axis else slice(None) for a in range(3))
        values = xp.reshape(block[index], (-1,))
        values = values[xp.reshape(mask[0][index], (-1,))] if mask else values
        counts.append(int(values.shape[0]))
        sums.append(_reference_total(values))
    return {int(start[axis]): [counts, sums]}


@slice_sums.host
def _slice_sums_host(block: HostArray, /, *mask: HostArray, axis: int, start: Any, shape: Any) -> dict[int, list[Any]]:
    if block.dtype.kind == "b" or (block.dtype.kind in "iu" and block.dtype.itemsize <= 4):
        counts, sums = np.zeros((2, block.shape[axis]), np.int64)
        whole = block.view(np.uint8) if block.dtype.kind == "b" else block
        _add_slices(whole, mask[0].view(np.uint8) if mask else np.zeros((0, 0, 0), np.uint8), axis, counts, sums)
        return {int(start[axis]): [counts.tolist(), [n << UNIT for n in sums.tolist()]]}
    order = (axis, *(a for a in range(3) if a != axis))
    block, chosen = np.ascontiguousarray(block.transpose(order)), np.ascontiguousarray(mask[0].transpose(order)) if mask else None
    found = [total(plane, None if chosen is None else chosen[i]) for i, plane in enumerate(block)]
    sizes = [block[0].size] * len(block) if chosen is None else [int(np.count_nonzero(plane)) for plane in chosen]
    return {int(start[axis]): [sizes, found]}


@jit
def _add_slices(block: HostArray, mask: HostArray, axis: int, counts: HostArray, sums: HostArray) -> None:
    """Counts and sums of integers for each slice across an axis; an empty mask counts all. Sums of 2**31 voxels of 32 bits fit."""
    depth, height, width = block.shape
    masked = mask.size > 0
    for i in range(depth):
        for j in range(height):
            row = block[i, j]
            if axis == 2:
                if masked:
                    chosen = mask[i, j]
                    for k in range(width):
                        sums[k] += np.int64(row[k]) * np.int64(chosen[k])
                        counts[k] += np.int64(chosen[k])
                else:
                    for k in range(width):
                        sums[k] += np.int64(row[k])
                        counts[k] += 1
                continue
            here, found = np.int64(0), np.int64(width)
            if masked:
                chosen, found = mask[i, j], np.int64(0)
                for k in range(width):
                    here += np.int64(row[k]) * np.int64(chosen[k])
                    found += np.int64(chosen[k])
            else:
                for k in range(width):
                    here += np.int64(row[k])
            sums[i if axis == 0 else j] += here
            counts[i if axis == 0 else j] += found
