"""Rank filters beside the median: any percentile, the lowest and the highest value of a box or a ball."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import beside, kernel, namespace, to_host
from voxelrock.kernels.rank_search import search_ranks
from voxelrock.kernels.ranks import DEVICE_WINDOW, median_halo, rank_on_device, spread_nan, window_offsets, window_voxels
from voxelrock.kernels.rows import as_rows, check_real, inner_shape, ordered
from voxelrock.typing import Block, HostArray, Triple


def _rank(percentile: float, count: int) -> int:
    """The place of a percentile among ``count`` ascending values, as in SciPy."""
    if not 0 <= percentile <= 100:
        raise ParameterError(f"a percentile is from 0 to 100; got {percentile}")
    return min(int(count * percentile / 100.0), count - 1)


@kernel(cost=70.0, exact=True, workspace=0.5)
def percentile(block: Block, /, *, radius: Triple, percentile: float, footprint: str = "cube") -> Block:
    """Take the value below which ``percentile`` per cent of the window's voxels lie: the ``int(count · percentile / 100)``-th, from 0, of the ascending ones.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`voxelrock.kernels.ranks.median_halo`; bool, integers or floats.
    radius, footprint
        As in :func:`voxelrock.kernels.ranks.median`.
    percentile
        From 0, the lowest, to 100, the highest.

    Returns
    -------
    Block
        (z, y, x) without the halo, in the block's dtype. NaN anywhere in a window makes its value NaN; a zero is returned as +0.0.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the block has no voxel inside its halo.

    Notes
    -----
    Memory and source: the search of :mod:`voxelrock.kernels.ranks`; the reference two blocks for each voxel of the window.
    """
    halo = median_halo(radius=radius)
    shape = inner_shape(block, halo)
    xp = namespace(block)
    check_real(block)
    dtype = block.dtype
    block, floating = _plain(block)
    starts = [tuple(h + k for h, k in zip(halo, d)) for d in window_offsets(halo, footprint)]
    window = xp.stack([block[tuple(slice(s, s + n) for s, n in zip(start, shape))] for start in starts], axis=0)
    result = xp.sort(window, axis=0)[_rank(percentile, len(starts)), ...]
    if floating:
        result = xp.where(xp.any(xp.isnan(window), axis=0), xp.asarray(math.nan, dtype=dtype, **beside(block)), result)
    return xp.astype(result, dtype)


@percentile.costs
def _percentile_costs(*, radius: Triple, footprint: str = "cube", **_: Any) -> float:
    return 8.0 + 0.5 * window_voxels(radius, footprint)


def _plain(block: Block) -> tuple[Block, bool]:
    """Bytes for booleans, no negative zeros; and whether values are floats."""
    xp = namespace(block)
    isdtype = getattr(xp, "isdtype", np.isdtype)
    floating = bool(isdtype(block.dtype, "real floating"))
    return (xp.astype(block, xp.uint8) if isdtype(block.dtype, "bool") else block + 0.0 if floating else block), floating


@percentile.device
def _percentile_device(block: Block, /, *, radius: Triple, percentile: float, footprint: str = "cube") -> Block:
    halo = median_halo(radius=radius)
    offsets = window_offsets(halo, footprint)
    if len(offsets) > DEVICE_WINDOW:
        return namespace(block).asarray(_percentile_host(to_host(block), radius=radius, percentile=percentile, footprint=footprint))
    return rank_on_device(block, halo, offsets, _rank(percentile, len(offsets)))


@percentile.host
def _percentile_host(block: HostArray, /, *, radius: Triple, percentile: float, footprint: str = "cube") -> HostArray:
    halo = median_halo(radius=radius)
    offsets = np.array(window_offsets(halo, footprint))
    shape = inner_shape(block, halo)
    check_real(block)
    dtype = block.dtype
    block, flip = ordered(block.astype(np.float32) if dtype == np.float16 else block)
    out = np.empty(shape, block.dtype.newbyteorder("="))
    search_ranks(block, halo, offsets, _rank(percentile, len(offsets)), out)
    if out.dtype.kind == "f" and np.isnan(np.min(block)):
        spread_nan(as_rows(block), offsets, np.array(halo), out)
    if flip:
        out ^= flip
    return out.astype(dtype) if dtype == np.float16 else out.view(dtype.newbyteorder("="))


@kernel(cost=4.0, exact=True, workspace=4.0)
def extreme(block: Block, /, *, radius: Triple, footprint: str = "cube", highest: bool = False) -> Block:
    """Take the lowest, or the highest, value of the window.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`voxelrock.kernels.ranks.median_halo`; bool, integers or floats.
    radius, footprint
        As in :func:`voxelrock.kernels.ranks.median`.
    highest
        Whether the highest is wanted.

    Returns
    -------
    Block
        (z, y, x) without the halo, in the block's dtype. NaN anywhere in a window makes its value NaN; a zero is returned as +0.0.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the block has no voxel inside its halo.

    Notes
    -----
    A box axis by axis, a ball by rows along x; windows along an axis grow by doubling. Memory: a box two blocks, a ball one for each length of its rows.
    """
    halo = median_halo(radius=radius)
    shape = inner_shape(block, halo)
    check_real(block)
    xp = namespace(block)
    dtype = block.dtype
    choose = xp.maximum if highest else xp.minimum
    values, _ = _plain(block)
    if footprint == "cube":
        for axis in range(3):
            values = _widest(values, axis, halo[axis], choose)
        return xp.astype(values, dtype)
    reach: dict[tuple[int, int], int] = {}
    for z, y, x in window_offsets(halo, footprint):
        reach[z, y] = max(reach.get((z, y), 0), x)
    rows = {width: _widest(values[:, :, halo[2] - width : values.shape[2] - halo[2] + width], 2, width, choose) for width in sorted(set(reach.values()))}
    found: Any = None
    for (z, y), width in reach.items():
        part = rows[width][halo[0] + z : halo[0] + z + shape[0], halo[1] + y : halo[1] + y + shape[1], :]
        found = part if found is None else choose(found, part)
    return xp.astype(found, dtype)


def _widest(values: Block, axis: int, radius: int, choose: Any) -> Block:
    """The extreme of windows of ``2 * radius + 1`` voxels along an axis: of two that overlap, of half the width."""
    width, have = 2 * radius + 1, 1
    while have < width:
        step = min(have, width - have)
        n = values.shape[axis] - step
        low, high = (values[tuple(slice(s, s + n) if a == axis else slice(None) for a in range(3))] for s in (0, step))
        values = choose(low, high)
        have += step
    return values
