"""Choosing voxels: regions, labels, ranges, valid data, conversions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.geometry import Region
from voxelrock.kernels.backend import beside, kernel, namespace
from voxelrock.typing import Block, HostArray, Triple


@kernel(cost=3.0, workspace=0.2)
def region_mask(*, start: Triple, shape: Triple, xp: Any, region: Region, origin: tuple[float, ...], spacing: tuple[float, ...]) -> Block:
    """True for voxels whose centres lie in a (resolved) region. Memory: a few float64 planes beside the result."""
    z, y, x = (xp.arange(a, a + n, dtype=xp.float64) * h + o for a, n, o, h in zip(start, shape, origin, spacing))
    y, x = xp.reshape(y, (1, -1, 1)), xp.reshape(x, (1, 1, -1))
    planes = [xp.broadcast_to(region.contains(xp.reshape(z[i : i + 1], (1, 1, 1)), y, x), (1, *shape[1:])) for i in range(shape[0])]
    return xp.concat(planes, axis=0) if planes else xp.zeros(shape, dtype=xp.bool)


@kernel(cost=0.2, workspace=0.0)
def constant(*, start: Triple, shape: Triple, xp: Any, value: Any, dtype: str) -> Block:
    """A block of one value."""
    return xp.full(shape, value, dtype=getattr(xp, dtype))


@kernel(cost=0.2, workspace=0.0, host_only="it asks a region or a function of the user")
def placed(*, start: Triple, shape: Triple, xp: Any, voxels: tuple[Triple, ...]) -> Block:
    """True in some voxels of the image, given by their indices; made on the host."""
    found = np.zeros(shape, np.bool_)
    inside = np.asarray(voxels, np.int64).reshape(-1, 3) - np.asarray(start)
    found[tuple(inside[np.all((inside >= 0) & (inside < np.asarray(shape)), axis=1)].T)] = True
    return found if xp is np else xp.asarray(found)


@kernel(cost=1.0, workspace=0.0, host_only="it asks a region or a function of the user")
def generated(*, start: Triple, shape: Triple, xp: Any, function: Any, dtype: str) -> Block:
    """What a user's function of the voxel indices gives; it runs on the host."""
    z, y, x = np.ogrid[tuple(slice(a, a + n) for a, n in zip(start, shape))]
    values = np.asarray(function(z, y, x))
    block = np.ascontiguousarray(np.broadcast_to(values, shape)).astype(dtype, copy=False)
    return block if xp is np else xp.asarray(block)


@kernel(cost=0.7, workspace=1.0)
def valid(block: Block, /, *, nodata: float) -> Block:
    """True where a voxel is not the no-data value (a NaN stands for every NaN)."""
    xp = namespace(block)
    return ~xp.isnan(block) if math.isnan(nodata) else block != nodata


@kernel(cost=1.0, workspace=1.0)
def blanked(block: Block, /, *, nodata: float, dtype: str) -> Block:
    """The block in a floating type, NaN where it had the no-data value."""
    xp = namespace(block)
    values = xp.astype(block, getattr(xp, dtype))
    if math.isnan(nodata):
        return values
    return xp.where(block != nodata, values, xp.asarray(math.nan, dtype=values.dtype, **beside(block)))


@kernel(cost=0.7, workspace=1.0)
def within(block: Block, /, *, low: float | None, high: float | None) -> Block:
    """True where ``low <= value <= high``; None leaves a side open, NaN is never within.

    Bounds are compared as they are, never rounded to the image's type. Memory: two boolean blocks.

    Raises
    ------
    DataError
        A bound is NaN.
    """
    xp = namespace(block)
    result = None
    for bound, above in ((low, True), (high, False)):
        if bound is None:
            continue
        if math.isnan(bound):
            raise DataError("a threshold is NaN")
        side = _compare(xp, block, bound, above)
        result = side if result is None else result & side
    return xp.ones(block.shape, dtype=xp.bool, **beside(block)) if result is None else result


def _compare(xp: Any, block: Block, bound: float, above: bool) -> Block:
    """``block >= bound`` or ``block <= bound``, exactly: for integers the bound moves to the next integer inside the range."""
    dtype = block.dtype
    if xp.isdtype(dtype, "bool"):
        block, dtype = xp.astype(block, xp.uint8), xp.uint8
    if not xp.isdtype(dtype, "integral"):
        if dtype == xp.float32:  # the smallest float32 not below (the largest not above) the bound: the comparison stays exact
            near = np.float32(bound)
            if above and float(near) < bound:
                near = np.nextafter(near, np.float32(np.inf))
            elif not above and float(near) > bound:
                near = np.nextafter(near, np.float32(-np.inf))
            bound = float(near)
        return block >= bound if above else block <= bound
    info = xp.iinfo(dtype)
    if above:
        if bound > info.max:
            return xp.zeros(block.shape, dtype=xp.bool, **beside(block))
        return block >= max(math.ceil(bound), int(info.min)) if bound > -math.inf else xp.ones(block.shape, dtype=xp.bool, **beside(block))
    if bound < info.min:
        return xp.zeros(block.shape, dtype=xp.bool, **beside(block))
    return block <= min(math.floor(bound), int(info.max)) if bound < math.inf else xp.ones(block.shape, dtype=xp.bool, **beside(block))


_FEW = 6
"""Up to so many values, comparing with each is faster than a table."""


@kernel(cost=1.5, workspace=1.0)
def member(block: Block, /, *, values: tuple[float, ...]) -> Block:
    """True where the voxel equals one of the values."""
    xp = namespace(block)
    result = xp.zeros(block.shape, dtype=xp.bool, **beside(block))
    for value in values:
        result = result | (block == value)
    return result


@member.host
def _member_host(block: HostArray, /, *, values: tuple[float, ...]) -> HostArray:
    if block.dtype.kind in "iu" and len(values) <= _FEW:
        info = np.iinfo(block.dtype)
        wanted = [int(v) for v in values if v == int(v) and info.min <= v <= info.max]
        found = np.equal(block, wanted[0]) if wanted else np.zeros(block.shape, bool)
        for value in wanted[1:]:
            found |= block == value
        return found
    if block.dtype in (np.uint8, np.uint16):
        table = np.zeros(2 ** (8 * block.dtype.itemsize), bool)
        table[[int(v) for v in values if v == int(v) and 0 <= v < table.size]] = True
        return table[block]
    return np.isin(block, np.asarray(values))


@kernel(cost=1.0, workspace=1.0)
def chosen(block: Block, condition: Block, /, *, other: Any, dtype: str) -> Block:
    """The block where the condition holds, ``other`` elsewhere."""
    xp = namespace(block)
    target = getattr(xp, dtype)
    return xp.where(condition, xp.astype(block, target), xp.asarray(other, dtype=target, **beside(block)))


@kernel(cost=1.0, workspace=1.0)
def chosen_image(block: Block, condition: Block, other: Block, /, *, dtype: str) -> Block:
    """The block where the condition holds, another block elsewhere."""
    xp = namespace(block)
    target = getattr(xp, dtype)
    return xp.where(condition, xp.astype(block, target), xp.astype(other, target))


@kernel(cost=2.0, workspace=2.0)
def converted(block: Block, /, *, dtype: str, clip: bool) -> Block:
    """The block in another type: floats to integers rounded to the nearest (ties to even), nothing ever wrapped.

    Memory: up to two blocks of floats.

    Raises
    ------
    DataError
        A value does not fit and ``clip`` is false, or is NaN.
    """
    xp = namespace(block)
    target = getattr(xp, dtype)
    if xp.isdtype(target, "bool"):
        return block != 0
    if xp.isdtype(block.dtype, "bool"):
        return xp.astype(block, target)
    if not xp.isdtype(target, "integral"):
        return _to_float(xp, block, target, dtype, clip)
    low, high = int(xp.iinfo(target).min), int(xp.iinfo(target).max)
    most: float
    if xp.isdtype(block.dtype, "integral"):
        info = xp.iinfo(block.dtype)
        if low <= info.min and info.max <= high:
            return xp.astype(block, target)
        least, most = max(low, int(info.min)), min(high, int(info.max))
    else:
        block = xp.round(block)
        if bool(xp.any(xp.isnan(block))):
            raise DataError(f"NaN cannot be converted to {dtype}")
        least, most = low, _fitting(block, high)  # compared in the float's own type, which may round the limit up
    smallest, largest = xp.min(block), xp.max(block)
    if bool(smallest < least) or bool(largest > most):
        if not clip:
            span = f"values from {float(smallest):g} to {float(largest):g}"
            raise DataError(f"{span} do not fit in {dtype} ({low} to {high}); use astype(..., clip=True) to clip them")
        block = xp.clip(block, least, most)
    return xp.astype(block, target)


def _to_float(xp: Any, block: Block, target: Any, dtype: str, clip: bool) -> Block:
    if not xp.isdtype(block.dtype, "real floating") or xp.finfo(block.dtype).max <= xp.finfo(target).max:
        return xp.astype(block, target)
    most = float(xp.finfo(target).max)
    beyond = xp.isfinite(block) & (xp.abs(block) > most)
    if bool(xp.any(beyond)):
        if not clip:
            raise DataError(f"values beyond {most:g} do not fit in {dtype}; use astype(..., clip=True) to clip them")
        block = xp.where(beyond, xp.sign(block) * most, block)
    return xp.astype(block, target)


def _fitting(block: Block, high: int) -> float:
    """The largest value not above ``high`` that the block's type holds (float32 and float64 round 2**31 - 1 and 2**63 - 1 up)."""
    if np.dtype(str(block.dtype).rsplit(".", 1)[-1]).kind != "f":
        return high
    near = np.asarray(high, dtype=str(block.dtype).rsplit(".", 1)[-1])[()]
    return float(np.nextafter(near, type(near)(0))) if int(near) > high else float(near)
