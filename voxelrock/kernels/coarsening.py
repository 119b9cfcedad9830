"""Blocks of voxels to one voxel: mean, majority, fraction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.kernels.backend import beside, jit, kernel, namespace
from voxelrock.typing import Block, HostArray, Triple


def _views(block: Block, factor: Triple) -> list[Block]:
    """The voxels of each coarse voxel, one array for each place in it, in C order."""
    a, b, c = factor
    return [block[i::a, j::b, k::c] for i in range(a) for j in range(b) for k in range(c)]


def _good(xp: Any, view: Block, nodata: float) -> Block:
    return ~xp.isnan(view) if math.isnan(nodata) else view != nodata


@kernel(cost=2.0, workspace=2.0)
def coarse_mean(block: Block, /, *, factor: Triple, nodata: float | None, dtype: str) -> Block:
    """Mean of each coarse voxel, added in float64 in C order; of its valid voxels where there is a no-data value (NaN if none).

    Memory: two coarse blocks of float64.
    """
    xp = namespace(block)
    total = count = None
    for view in _views(block, factor):
        value = xp.astype(view, xp.float64)
        good = None
        if nodata is not None:
            good = _good(xp, view, nodata)
            value = xp.where(good, value, xp.zeros_like(value))
            good = xp.astype(good, xp.float64)
        total = value if total is None else total + value
        if good is not None:
            count = good if count is None else count + good
    assert total is not None
    if count is None:
        return xp.astype(total / math.prod(factor), getattr(xp, dtype))
    none = count == 0
    mean = xp.where(none, xp.full_like(total, math.nan), total / xp.where(none, xp.ones_like(count), count))
    return xp.astype(mean, getattr(xp, dtype))


@kernel(cost=2.0, workspace=1.0)
def coarse_fraction(block: Block, /, *, factor: Triple, values: tuple[float, ...], nodata: float | None = None) -> Block:
    """Fraction (float32) of each coarse voxel that has one of the values; of its valid voxels where there is a no-data value (NaN if none)."""
    xp = namespace(block)
    total = count = None
    for view in _views(block, factor):
        inside = xp.zeros(view.shape, dtype=xp.bool, **beside(view))
        for value in values:
            inside = inside | (view == value)
        if nodata is not None:
            good = _good(xp, view, nodata)
            inside = inside & good
            count = xp.astype(good, xp.int32) if count is None else count + xp.astype(good, xp.int32)
        found = xp.astype(inside, xp.int32)
        total = found if total is None else total + found
    if count is None:
        return xp.astype(xp.astype(total, xp.float64) / math.prod(factor), xp.float32)
    share = xp.astype(total, xp.float64) / xp.astype(xp.where(count == 0, xp.ones_like(count), count), xp.float64)
    return xp.astype(xp.where(count == 0, xp.full_like(share, math.nan), share), xp.float32)


@kernel(cost=8.0, workspace=8.0)
def coarse_majority(block: Block, /, *, factor: Triple, nodata: float | None = None) -> Block:
    """The most frequent value of each coarse voxel; of equally frequent ones the smallest.

    The no-data value counts for nothing, and stands where there is no other. Memory: one more copy of the block.
    """
    xp = namespace(block)
    ordered = xp.sort(xp.stack([_sortable(xp, v) for v in _views(block, factor)], axis=0), axis=0)
    run = xp.ones(ordered.shape[1:], dtype=xp.int32, **beside(block))
    best, best_run = ordered[0, ...], run
    if nodata is not None:
        best_run = xp.astype(_good(xp, best, nodata), xp.int32)  # any run is longer than none
    for i in range(1, ordered.shape[0]):
        run = xp.where(ordered[i, ...] == ordered[i - 1, ...], run + 1, xp.ones_like(run))
        longer = run > best_run
        if nodata is not None:
            longer = longer & _good(xp, ordered[i, ...], nodata)
        best, best_run = xp.where(longer, ordered[i, ...], best), xp.where(longer, run, best_run)
    return xp.astype(best, block.dtype)


def _sortable(xp: Any, view: Block) -> Block:
    return xp.astype(view, xp.uint8) if xp.isdtype(view.dtype, "bool") else view


@jit
def _majority(block: HostArray, out: HostArray, a: int, b: int, c: int, blank: HostArray) -> None:
    seen = np.empty(a * b * c, block.dtype)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                n = 0
                for i in range(a):
                    for j in range(b):
                        for k in range(c):
                            value = block[z * a + i, y * b + j, x * c + k]
                            if len(blank) and (value == blank[0] or (value != value and blank[0] != blank[0])):
                                continue
                            seen[n] = value
                            n += 1
                if n == 0:
                    out[z, y, x] = blank[0]
                    continue
                best, most = seen[0], 0
                for i in range(n):
                    count = 0
                    for j in range(n):
                        count += seen[j] == seen[i]
                    if count > most or (count == most and seen[i] < best):
                        best, most = seen[i], count
                out[z, y, x] = best


@coarse_majority.host
def _majority_host(block: HostArray, /, *, factor: Triple, nodata: float | None = None) -> HostArray:
    out = np.empty(tuple(n // f for n, f in zip(block.shape, factor)), block.dtype)
    _majority(block, out, *factor, _blank(block.dtype, nodata))
    return out


def _blank(dtype: np.dtype[Any], nodata: float | None) -> HostArray:
    """The no-data value in the block's type; nothing where no voxel can have it."""
    if nodata is None or (dtype.kind != "f" and not (np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max)):
        return np.empty(0, dtype)
    return np.array([nodata]).astype(dtype)
