"""Rank filters: the median over a box or a ball.

The algorithm is chosen by the footprint alone, and each is exact: minima and maxima of rows for 3 × 3 × 3 voxels and for other windows of
few voxels (:mod:`voxelrock.kernels.median_network`), and for large windows a search bit by bit: how many voxels of the window lie below
a candidate is counted for a whole row of windows at once, without a branch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.extras import require
from voxelrock.kernels.backend import beside, jit, kernel, namespace
from voxelrock.kernels.median_network import median_27, median_few
from voxelrock.kernels.rows import Rows, as_rows, check_real, inner_shape, ordered
from voxelrock.typing import Block, HostArray, Triple

_FEW = 80
"""Voxels in a window up to which dropping the extremes is faster than searching."""
_LANES = 256
"""Voxels along x whose medians are searched together."""


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
    Memory: the host body holds a few rows for 3 × 3 × 3 voxels, else ``2 * radius + 1`` slices of 256 voxels along x; the reference two
    blocks for each voxel of the window. The time of the search grows with the number of voxels in the window and with the bits in which
    the values of the block differ.

    Sources: the network, see :mod:`voxelrock.kernels.median_network`; the search: P. E. Danielsson, "Getting the median faster",
    Comput. Graph. Image Process. 17 (1981), doi:10.1016/S0146-664X(81)80010-3.
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


@median.device
def _median_device(block: Block, /, *, radius: Triple, footprint: str = "cube") -> Block:
    """CuPy's own filter, with NaN taken out before and spread afterwards."""
    halo = median_halo(radius=radius)
    shape = inner_shape(block, halo)
    check_real(block)
    xp = namespace(block)
    ndimage = require("cupyx.scipy.ndimage", extra="gpu")
    members = np.zeros([2 * r + 1 for r in halo], np.bool_)
    for offset in window_offsets(halo, footprint):
        members[tuple(k + r for k, r in zip(offset, halo))] = True
    window = xp.asarray(members)
    inner = tuple(slice(h, h + n) for h, n in zip(halo, shape))
    if block.dtype.kind != "f":
        values = block.astype(xp.uint8) if block.dtype.kind == "b" else block
        return ndimage.median_filter(values, footprint=window, mode="nearest")[inner].astype(block.dtype)
    lost = xp.isnan(block)
    values = xp.where(lost, block.dtype.type(0), block) + block.dtype.type(0)
    result = ndimage.median_filter(values, footprint=window, mode="nearest")[inner]
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


def search_ranks(block: HostArray, halo: Triple, offsets: HostArray, rank: int, out: HostArray) -> None:
    """Search the values of a rank (0 the lowest of the window) bit by bit, in columns of slices along z; keys of one slice are made once per column."""
    bounds = _bounds(block)
    if bounds is None:
        out.fill(math.nan)
        return
    low, high, flip, mask = bounds
    bits = (high - low).bit_length()
    dtype = next(t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if max(bits, len(offsets).bit_length()) <= 8 * np.dtype(t).itemsize)
    flat, step_z, step_y = as_rows(block)
    raw, raw_out = flat.view(f"i{flat.itemsize}"), out.view(f"i{flat.itemsize}")
    lanes = min(_LANES, (out.shape[2] + 63) // 64 * 64)  # whole vectors
    slices, height, width = 2 * halo[0] + 1, block.shape[1], lanes + 2 * halo[2]
    medians = np.empty((out.shape[1], lanes), dtype)
    for x in range(0, out.shape[2], lanes):
        count = min(width, block.shape[2] - x)
        keys = np.zeros((slices, height, width), dtype)
        for z in range(block.shape[0]):
            _fill(raw[z * step_z + x :], step_y, count, (low, flip, mask), keys[z % slices])
            if z >= slices - 1:
                rows = ((z - halo[0] + offsets[:, 0]) % slices * height + halo[1] + offsets[:, 1]) * width
                _search_slice(keys.reshape(-1), width, rows + halo[2] + offsets[:, 2], (bits, rank), medians)
                _write(medians, (low, flip, mask), raw_out[z - slices + 1, :, x : x + lanes])


def _bounds(block: HostArray) -> tuple[int, int, int, int] | None:
    """The lowest and the highest key of a block, and the two numbers that make keys of raw bits; None if all is NaN.

    A key is a signed integer that orders as the values do: floats are stored as sign and magnitude, so the bits ``mask`` of negative ones
    are turned over; unsigned integers, read as signed ones, have their highest bit turned over by ``flip``.
    """
    width = 8 * block.itemsize
    if block.dtype.kind != "f":
        offset = 2 ** (width - 1) if block.dtype.kind == "u" else 0
        return int(block.min()) - offset, int(block.max()) - offset, -offset, 0
    mask = 2 ** (width - 1) - 1
    ends = [np.fmin.reduce(block, axis=None) + 0, np.fmax.reduce(block, axis=None) + 0]
    if np.isnan(ends[0]):
        return None
    low, high = (int(end.view(f"i{block.itemsize}")) for end in ends)
    return low if low >= 0 else low ^ mask, high if high >= 0 else high ^ mask, 0, mask


@jit
def _fill(flat: HostArray, step: int, count: int, code: Triple, keys: HostArray) -> None:
    """Write the keys of one slice, counted from the lowest."""
    low, flip, mask = code
    for y in range(keys.shape[0]):
        row, out = flat[y * step : y * step + count], keys[y, :count]
        for i in range(count):
            key = np.int64(row[i]) ^ flip
            key ^= (key >> 63) & mask
            out[i] = key + (mask != 0 and key == -1) - low  # -1 is the float -0.0


@jit
def _write(medians: HostArray, code: Triple, out: HostArray) -> None:
    """Turn keys back into values."""
    low, flip, mask = code
    for y in range(out.shape[0]):
        row, values = medians[y], out[y]
        for i in range(values.size):
            key = np.int64(row[i]) + low
            values[i] = key ^ ((key >> 63) & mask) ^ flip


@jit
def _search_slice(keys: HostArray, step: int, shifts: HostArray, sought: tuple[int, int], medians: HostArray) -> None:
    """The highest number of which at most ``rank`` voxels of the window lie below has that rank: find its bits from the highest down."""
    bits, rank = sought
    number = medians.dtype.type
    count = np.zeros(medians.shape[1], keys.dtype)
    for y in range(medians.shape[0]):
        plane, candidate = keys[y * step :], medians[y]
        candidate[:] = 1 << (bits - 1) if bits else 0
        for bit in range(bits - 1, -1, -1):
            k = 0
            while k + 4 <= shifts.size:
                _count_four(plane, shifts, k, candidate, count)
                k += 4
            for m in range(k, shifts.size):
                _count(plane, shifts[m], candidate, count)
            _settle(candidate, count, number(rank), number(1 << bit), number(1 << (bit - 1) if bit else 0))


@jit
def _settle(candidate: HostArray, count: HostArray, rank: Any, bit: Any, following: Any) -> None:
    """Take a bit back where it was too much, and propose the following one."""
    zero = bit ^ bit
    for i in range(count.size):
        candidate[i] = candidate[i] ^ (bit if count[i] > rank else count.dtype.type(zero)) | following
        count[i] = 0


@jit
def _count(plane: HostArray, shift: int, candidate: HostArray, count: HostArray) -> None:
    row = plane[shift : shift + count.size]
    for i in range(count.size):
        count[i] += row[i] < candidate[i]


@jit
def _count_four(plane: HostArray, shifts: HostArray, k: int, candidate: HostArray, count: HostArray) -> None:
    """Four voxels of the window at a time, so that the counts go to memory a fourth as often."""
    n, a, b, c, d = count.size, shifts[k], shifts[k + 1], shifts[k + 2], shifts[k + 3]
    row0, row1, row2, row3 = plane[a : a + n], plane[b : b + n], plane[c : c + n], plane[d : d + n]
    for i in range(n):
        value = candidate[i]
        count[i] += (row0[i] < value) + (row1[i] < value) + (row2[i] < value) + (row3[i] < value)


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
