"""Rank filters: the median over a box or a ball.

The algorithm is chosen by the footprint alone, and each is exact: minima and maxima of rows for 3 × 3 × 3 voxels and for other windows of
few voxels (:mod:`voxelrock.kernels.median_network`), and for large windows a search bit by bit (:mod:`voxelrock.kernels.rank_search`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.extras import require
from voxelrock.kernels.backend import beside, jit, kernel, namespace, to_host
from voxelrock.kernels.median_network import median_27, median_few
from voxelrock.kernels.rank_search import search_ranks
from voxelrock.kernels.rows import Rows, as_rows, check_real, inner_shape, ordered
from voxelrock.typing import Block, HostArray, Triple

_FEW = 80
"""Voxels in a window up to which dropping the extremes is faster than searching."""
_NETWORK = 27
"""Voxels in a window up to which a network of comparisons takes the median."""
DEVICE_WINDOW = 4096
"""Voxels in a window up to which a device's own filter is used: it keeps a copy of the window for every thread that the device can hold, which for
larger ones exceeds its memory. Those are searched on the host."""


def median_halo(*, radius: Triple, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`median` needs on each side of (z, y, x): the radius."""
    if len(radius) != 3 or not all(int(r) == r and r >= 0 for r in radius):
        raise ParameterError(f"radius must be three whole numbers of voxels (z, y, x), none below 0; got {radius}")
    z, y, x = (int(r) for r in radius)
    return z, y, x


def window_offsets(radius: Triple, footprint: str) -> list[Triple]:
    """The voxels of the window, from its centre. Inside a ball: sum of (d / r)² ≤ 1 over the axes with r > 0, in integers."""
    if footprint not in ("cube", "ball"):
        raise ParameterError(f"footprint must be 'cube' or 'ball', got {footprint!r}")
    scale = [max(r, 1) ** 2 for r in radius]
    whole = math.prod(scale)
    box = [(z, y, x) for z in _reach(radius[0]) for y in _reach(radius[1]) for x in _reach(radius[2])]
    return [d for d in box if footprint == "cube" or sum(k * k * (whole // s) for k, s in zip(d, scale)) <= whole]


def _reach(radius: int) -> range:
    return range(-radius, radius + 1)


@kernel(cost=5.0, exact=True, workspace=0.5)
def median(block: Block, /, *, radius: Triple, footprint: str = "cube") -> Block:
    """Take the median over a box or a ball.

    Every window holds an odd number of voxels, so the median is one of them. It equals ``scipy.ndimage.median_filter``.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`median_halo`; bool, integers or floats.
    radius
        Half-widths of the window along (z, y, x), in voxels, the centre not counted; 0 leaves an axis out.
    footprint
        ``"cube"``: the box of 2 × radius + 1 voxels; ``"ball"``: its voxels with sum of (distance / radius)² ≤ 1.

    Returns
    -------
    Block
        (z, y, x) without the halo, in the block's dtype. NaN anywhere in a window makes its median NaN; a zero is returned as +0.0.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the block has no voxel inside its halo.
    ParameterTypeError
        The block is neither bool nor integer nor real.

    Notes
    -----
    Memory: the host body holds a few rows for 3 × 3 × 3 voxels, else ``2 * radius + 1`` slices of 256 voxels along x, or tiles of 2¹⁶ voxels for values
    of more than 16 bits; the reference two blocks for each voxel of the window. The time of the search grows with the number of voxels in the
    window and, up to 16, with the bits in which the values of the block differ.

    Sources: see :mod:`voxelrock.kernels.median_network` and :mod:`voxelrock.kernels.rank_search`.
    """
    halo = median_halo(radius=radius)
    shape = inner_shape(block, halo)
    xp = namespace(block)
    check_real(block)
    dtype = block.dtype
    isdtype = getattr(xp, "isdtype", np.isdtype)
    floating = isdtype(dtype, "real floating")
    block = xp.astype(block, xp.uint8) if isdtype(dtype, "bool") else block + 0.0 if floating else block
    starts = [tuple(h + k for h, k in zip(halo, d)) for d in window_offsets(halo, footprint)]
    window = xp.stack([block[tuple(slice(s, s + n) for s, n in zip(start, shape))] for start in starts], axis=0)
    result = xp.sort(window, axis=0)[len(starts) // 2, ...]
    if floating:
        result = xp.where(xp.any(xp.isnan(window), axis=0), xp.asarray(math.nan, dtype=dtype, **beside(block)), result)
    return xp.astype(result, dtype)


@median.costs
def _median_costs(*, radius: Triple, footprint: str = "cube") -> float:
    voxels = window_voxels(radius, footprint)
    return 5.0 if voxels <= _NETWORK else 0.55 * voxels


def window_voxels(radius: Triple, footprint: str) -> float:
    """About as many voxels as a window has."""
    cube = math.prod(2.0 * r + 1 for r in radius)
    return cube if footprint == "cube" else max(1.0, math.pi / 6 * cube)


@median.device
def _median_device(block: Block, /, *, radius: Triple, footprint: str = "cube") -> Block:
    halo = median_halo(radius=radius)
    offsets = window_offsets(halo, footprint)
    if len(offsets) > DEVICE_WINDOW:
        return namespace(block).asarray(_median_host(to_host(block), radius=radius, footprint=footprint))
    return rank_on_device(block, halo, offsets, len(offsets) // 2)


def rank_on_device(block: Block, halo: Triple, offsets: list[Triple], rank: int) -> Block:
    """The value of a rank, from 0, in each window: CuPy's own filter, with NaN taken out before and spread afterwards."""
    shape = inner_shape(block, halo)
    check_real(block)
    xp = namespace(block)
    ndimage = require("cupyx.scipy.ndimage", extra="gpu")
    members = np.zeros([2 * r + 1 for r in halo], np.bool_)
    for offset in offsets:
        members[tuple(k + r for k, r in zip(offset, halo))] = True
    window = xp.asarray(members)
    inner = tuple(slice(h, h + n) for h, n in zip(halo, shape))
    if block.dtype.kind != "f":
        values = block.astype(xp.uint8) if block.dtype.kind == "b" else block
        return ndimage.rank_filter(values, rank, footprint=window, mode="nearest")[inner].astype(block.dtype)
    lost = xp.isnan(block)
    values = xp.where(lost, block.dtype.type(0), block) + block.dtype.type(0)
    result = ndimage.rank_filter(values, rank, footprint=window, mode="nearest")[inner]
    spread = ndimage.maximum_filter(lost.astype(xp.uint8), footprint=window, mode="nearest")[inner]
    return xp.where(spread.astype(bool), block.dtype.type(math.nan), result)


@median.host
def _median_host(block: HostArray, /, *, radius: Triple, footprint: str = "cube") -> HostArray:
    halo = median_halo(radius=radius)
    offsets = window_offsets(halo, footprint)
    shape = inner_shape(block, halo)
    check_real(block)
    dtype = block.dtype
    if dtype == np.float16:
        block = block.astype(np.float32)
    block, flip = ordered(block)
    out = np.empty(shape, block.dtype.newbyteorder("="))
    rows, zero = as_rows(block), out.dtype.type(0)
    if len(offsets) == 27 and halo == (1, 1, 1):
        median_27(rows, out, zero)
    elif 1 < len(offsets) <= _FEW:
        median_few(rows, np.array(offsets) + np.array(halo), out, zero)
    else:
        search_ranks(block, halo, np.array(offsets), len(offsets) // 2, out)
    if out.dtype.kind == "f" and np.isnan(np.min(block)):
        spread_nan(rows, np.array(offsets), np.array(halo), out)
    if flip:
        out ^= flip
    return out.astype(dtype) if dtype == np.float16 else out.view(dtype.newbyteorder("="))


@jit
def spread_nan(rows: Rows, offsets: HostArray, halo: HostArray, out: HostArray) -> None:
    """Write NaN wherever the window holds one."""
    flat, step_z, step_y = rows
    depth, height, width = out.shape
    for z in range(depth + 2 * halo[0]):
        for y in range(height + 2 * halo[1]):
            start = z * step_z + y * step_y
            row = flat[start : start + width + 2 * halo[2]]
            for x in range(row.size):
                if np.isnan(row[x]):
                    for k in range(offsets.shape[0]):
                        i, j, l = z - halo[0] - offsets[k, 0], y - halo[1] - offsets[k, 1], x - halo[2] - offsets[k, 2]
                        if 0 <= i < depth and 0 <= j < height and 0 <= l < width:
                            out[i, j, l] = np.nan
