"""The value of a rank in windows of any shape, by a search bit by bit: how many voxels of a window lie below a candidate is counted for a whole
row of windows at once, without a branch.

Keys of up to sixteen bits are searched as two of eight, so that a vector instruction compares as many voxels as can be: first the upper halves; then
the lower ones of those voxels whose upper half is the one found, all others raised out of the way. Values of more bits become keys of sixteen in
tiles of the block that hold no more voxels than that: their places in order, so that equal values are parted, and give the same value.

Source of the search: P. E. Danielsson, "Getting the median faster", Comput. Graph. Image Process. 17 (1981), doi:10.1016/S0146-664X(81)80010-3.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.kernels.orderstatistics import ordered_keys
from voxelrock.kernels.rows import as_rows
from voxelrock.typing import HostArray, Triple

_LANES = 256
"""Windows that are searched together: the lower halves of 343 voxels for each of them stay in a second-level cache. They follow one another in memory,
from the end of a row to the next one's beginning: what lies between, in the halo, is searched too, and never read."""
_WIDTH = 256
"""Voxels along x of a column."""
_PLACES = 2**16
"""Voxels of a tile, with its halo."""
_THINNEST = 4
"""Rows and slices that a tile gives at least; wider windows are searched by all bits of their values."""


def search_ranks(block: HostArray, halo: Triple, offsets: HostArray, rank: int, out: HostArray) -> None:
    """Write the values of a rank (0 the lowest of the window) into ``out``; windows with NaN hold anything."""
    bounds = _bounds(block)
    if bounds is None:
        out.fill(math.nan)
        return
    bits = (bounds[1] - bounds[0]).bit_length()
    tile = _tile(halo, out.shape[2]) if bits > 16 else None
    if bits <= 16 and len(offsets) < 2**16:
        _search_columns(block, halo, offsets, rank, out, bounds)
    elif tile is not None:
        _search_tiles(block, halo, offsets, rank, out, tile)
    else:
        _search_wide(block, halo, offsets, rank, out, bounds)


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


def _tile(halo: Triple, width: int) -> Triple | None:
    """What a tile gives along (z, y, x), so that with its halo it holds no more than 2¹⁶ voxels; None where that is too thin."""
    lanes = min(width, 64)
    side = math.isqrt(_PLACES // (lanes + 2 * halo[2]))
    depth, height = side - 2 * halo[0], side - 2 * halo[1]
    return (depth, height, lanes) if min(depth, height) >= _THINNEST else None


def _search_columns(block: HostArray, halo: Triple, offsets: HostArray, rank: int, out: HostArray, bounds: tuple[int, int, int, int]) -> None:
    """Columns of slices along z; keys of one slice are made once per column."""
    low, high, flip, mask = bounds
    flat, step_z, step_y = as_rows(block)
    raw, raw_out = flat.view(f"i{flat.itemsize}"), out.view(f"i{flat.itemsize}")
    slices, height, width = 2 * halo[0] + 1, block.shape[1], min(_WIDTH, out.shape[2]) + 2 * halo[2]
    bench = _Bench(out.shape[1], width, len(offsets), (high - low).bit_length(), rank)
    for x in range(0, out.shape[2], _WIDTH):
        count = min(width, block.shape[2] - x)
        keys = np.zeros((2, slices * height * width + 2 * halo[2] + _LANES), np.uint8)
        upper, lower = (half[: slices * height * width].reshape(slices, height, width) for half in keys)
        for z in range(block.shape[0]):
            _fill(raw[z * step_z + x :], step_y, count, (low, flip, mask), upper[z % slices], lower[z % slices])
            if z >= slices - 1:
                rows = ((z - halo[0] + offsets[:, 0]) % slices * height + halo[1] + offsets[:, 1]) * width
                found = bench.search(keys[0], keys[1], rows + halo[2] + offsets[:, 2])
                _write(found, (low, flip, mask), raw_out[z - slices + 1, :, x : x + _WIDTH])


def _search_tiles(block: HostArray, halo: Triple, offsets: HostArray, rank: int, out: HostArray, tile: Triple) -> None:
    """Tiles whose voxels are put in order: keys are their places."""
    upper, lower = np.zeros((2, _PLACES + 2 * halo[2] + _LANES), np.uint8)
    for z, y, x in ((z, y, x) for z in range(0, out.shape[0], tile[0]) for y in range(0, out.shape[1], tile[1]) for x in range(0, out.shape[2], tile[2])):
        here = out[z : z + tile[0], y : y + tile[1], x : x + tile[2]]
        part = block[tuple(slice(a, a + n + 2 * h) for a, n, h in zip((z, y, x), here.shape, halo))]
        values = part.reshape(-1)
        order = _order(values)
        _place(order, upper, lower)
        ranked = values[order]
        _, height, width = part.shape
        shifts = ((halo[0] + offsets[:, 0]) * height + halo[1] + offsets[:, 1]) * width + halo[2] + offsets[:, 2]
        bench = _Bench(here.shape[1], width, len(offsets), 16, rank)
        for k in range(here.shape[0]):
            here[k] = ranked[bench.search(upper, lower, shifts + k * height * width)[:, : here.shape[2]]]
    if out.dtype.kind == "f":
        out += 0  # no negative zeros


def _order(values: HostArray) -> HostArray:
    """The places of up to 2¹⁶ values in their order."""
    places = np.arange(values.size, dtype=np.uint16)
    return _sorted(ordered_keys(values).astype(np.uint64), 8 * values.itemsize, places, np.empty_like(places))


@jit
def _sorted(keys: HostArray, bits: int, places: HostArray, spare: HostArray) -> HostArray:
    """Places by their keys, eleven bits at a time from the lowest."""
    counts, digits = np.zeros(2049, np.int64), np.uint64(2047)
    for shift in range(0, bits, 11):
        counts[:] = 0
        for i in range(keys.size):
            counts[np.int64((keys[i] >> np.uint64(shift)) & digits) + 1] += 1
        for k in range(2048):
            counts[k + 1] += counts[k]
        for i in range(places.size):
            place = places[i]
            digit = np.int64((keys[place] >> np.uint64(shift)) & digits)
            spare[counts[digit]] = place
            counts[digit] += 1
        places, spare = spare, places
    return places


class _Bench:
    """What a search in the rows of a slice works on."""

    def __init__(self, height: int, width: int, voxels: int, bits: int, rank: int) -> None:
        self._shape, self._sought = (height, width), (bits, rank)
        self._rows, self._counts = np.zeros((3, _LANES), np.uint8), np.zeros((2, _LANES), np.uint16)
        self._chosen = np.zeros(voxels * _LANES if bits > 8 else 0, np.uint8)
        self._found = np.empty(-(-height * width // _LANES) * _LANES, np.uint16)

    def search(self, upper: HostArray, lower: HostArray, shifts: HostArray) -> HostArray:
        """The keys of a rank, for rows as wide as those that are searched."""
        height, width = self._shape
        _search_slice(upper, lower, shifts, self._sought, self._chosen, self._rows, self._counts, self._found)
        return self._found[: height * width].reshape(height, width)


def _search_wide(block: HostArray, halo: Triple, offsets: HostArray, rank: int, out: HostArray, bounds: tuple[int, int, int, int]) -> None:
    """Values of many bits in windows that no tile holds: all bits, one after the other."""
    low, high, flip, mask = bounds
    bits = (high - low).bit_length()
    dtype = next(t for t in (np.uint32, np.uint64) if max(bits, len(offsets).bit_length()) <= 8 * np.dtype(t).itemsize)
    flat, step_z, step_y = as_rows(block)
    raw, raw_out = flat.view(f"i{flat.itemsize}"), out.view(f"i{flat.itemsize}")
    lanes = min(_WIDTH, (out.shape[2] + 63) // 64 * 64)
    slices, height, width = 2 * halo[0] + 1, block.shape[1], lanes + 2 * halo[2]
    found = np.empty((out.shape[1], lanes), dtype)
    for x in range(0, out.shape[2], lanes):
        count = min(width, block.shape[2] - x)
        keys = np.zeros((slices, height, width), dtype)
        for z in range(block.shape[0]):
            _fill_wide(raw[z * step_z + x :], step_y, count, (low, flip, mask), keys[z % slices])
            if z >= slices - 1:
                rows = ((z - halo[0] + offsets[:, 0]) % slices * height + halo[1] + offsets[:, 1]) * width
                _search_slice_wide(keys.reshape(-1), width, rows + halo[2] + offsets[:, 2], (bits, rank), found)
                _write(found, (low, flip, mask), raw_out[z - slices + 1, :, x : x + lanes])


@jit
def _place(order: HostArray, upper: HostArray, lower: HostArray) -> None:
    for k in range(order.size):
        upper[order[k]], lower[order[k]] = k >> 8, k & 255


@jit
def _fill(flat: HostArray, step: int, count: int, code: Triple, upper: HostArray, lower: HostArray) -> None:
    """Write the keys of one slice, counted from the lowest."""
    low, flip, mask = code
    for y in range(upper.shape[0]):
        row, high_half, low_half = flat[y * step : y * step + count], upper[y, :count], lower[y, :count]
        for i in range(count):
            key = np.int64(row[i]) ^ flip
            key ^= (key >> 63) & mask
            key += (mask != 0 and key == -1) - low  # -1 is the float -0.0
            high_half[i], low_half[i] = key >> 8, key & 255


@jit
def _write(found: HostArray, code: Triple, out: HostArray) -> None:
    """Turn keys back into values."""
    low, flip, mask = code
    for y in range(out.shape[0]):
        row, values = found[y], out[y]
        for i in range(values.size):
            key = np.int64(row[i]) + low
            values[i] = key ^ ((key >> 63) & mask) ^ flip


@jit
def _search_slice(
    upper: HostArray,
    lower: HostArray,
    shifts: HostArray,
    sought: tuple[int, int],
    chosen: HostArray,
    rows: HostArray,
    counts: HostArray,
    out: HostArray,
) -> None:
    """Search the rows of a slice: the upper halves of keys if there are any, then the lower ones."""
    bits, rank = sought
    nearby = np.arange(shifts.size) * _LANES
    top, candidate, count, ranks, total = rows[0], rows[1], rows[2], counts[0], counts[1]
    for start in range(0, out.size, _LANES):
        ranks[:] = rank
        if bits > 8:
            _search(upper, start, shifts, bits - 8, ranks, top, count, total)
            for k in range(shifts.size):
                _choose(upper, lower, start + shifts[k], top, ranks, chosen, k * _LANES)
            _search(chosen, 0, nearby, 8, ranks, candidate, count, total)
            _join(top, candidate, out[start : start + _LANES])
        else:
            _search(lower, start, shifts, bits, ranks, candidate, count, total)
            top[:] = 0
            _join(top, candidate, out[start : start + _LANES])


@jit
def _join(top: HostArray, bottom: HostArray, out: HostArray) -> None:
    for i in range(out.size):
        out[i] = np.uint16(top[i]) << 8 | bottom[i]


@jit
def _choose(upper: HostArray, lower: HostArray, start: int, top: HostArray, ranks: HostArray, chosen: HostArray, place: int) -> None:
    """Lower halves of voxels whose upper half is ``top``; 255, below which nothing is sought, of others. Those that lie lower count no more."""
    n = top.size
    high_half, low_half, out = upper[start : start + n], lower[start : start + n], chosen[place : place + n]
    for i in range(n):
        out[i] = low_half[i] if high_half[i] == top[i] else 255
    for i in range(n):
        ranks[i] -= high_half[i] < top[i]


@jit
def _search(source: HostArray, start: int, shifts: HostArray, bits: int, ranks: HostArray, candidate: HostArray, count: HostArray, total: HostArray) -> None:
    """The highest number of which at most ``ranks`` voxels of the window lie below has that rank: find its bits from the highest down."""
    candidate[:] = 1 << (bits - 1) if bits else 0
    for bit in range(bits - 1, -1, -1):
        total[:] = 0
        for first in range(0, shifts.size, 248):  # as many as eight bits can count
            last = min(shifts.size, first + 248)
            count[:] = 0
            k = first
            while k + 8 <= last:
                _count_eight(source, start, shifts, k, candidate, count)
                k += 8
            for m in range(k, last):
                _count(source, start + shifts[m], candidate, count)
            _add(count, total)
        _settle(candidate, total, ranks, 1 << bit, (1 << bit) >> 1)


@jit
def _add(count: HostArray, total: HostArray) -> None:
    for i in range(total.size):
        total[i] += count[i]


@jit
def _settle(candidate: HostArray, total: HostArray, ranks: HostArray, bit: int, following: int) -> None:
    """Take a bit back where it was too much, and propose the following one."""
    for i in range(total.size):
        candidate[i] = (candidate[i] ^ np.uint8(bit if total[i] > ranks[i] else 0)) | np.uint8(following)


@jit
def _count(source: HostArray, start: int, candidate: HostArray, count: HostArray) -> None:
    row = source[start : start + count.size]
    for i in range(count.size):
        count[i] += row[i] < candidate[i]


@jit
def _count_eight(source: HostArray, start: int, shifts: HostArray, k: int, candidate: HostArray, count: HostArray) -> None:
    """Eight voxels of the window at a time, so that the counts go to memory an eighth as often."""
    n, a, b, c, d = count.size, start + shifts[k], start + shifts[k + 1], start + shifts[k + 2], start + shifts[k + 3]
    e, f, g, h = start + shifts[k + 4], start + shifts[k + 5], start + shifts[k + 6], start + shifts[k + 7]
    row0, row1, row2, row3 = source[a : a + n], source[b : b + n], source[c : c + n], source[d : d + n]
    row4, row5, row6, row7 = source[e : e + n], source[f : f + n], source[g : g + n], source[h : h + n]
    for i in range(n):
        value = candidate[i]
        some = (row0[i] < value) + (row1[i] < value) + (row2[i] < value) + (row3[i] < value)
        count[i] += some + (row4[i] < value) + (row5[i] < value) + (row6[i] < value) + (row7[i] < value)


@jit
def _fill_wide(flat: HostArray, step: int, count: int, code: Triple, keys: HostArray) -> None:
    """Write the keys of one slice, counted from the lowest."""
    low, flip, mask = code
    for y in range(keys.shape[0]):
        row, out = flat[y * step : y * step + count], keys[y, :count]
        for i in range(count):
            key = np.int64(row[i]) ^ flip
            key ^= (key >> 63) & mask
            out[i] = key + (mask != 0 and key == -1) - low  # -1 is the float -0.0


@jit
def _search_slice_wide(keys: HostArray, step: int, shifts: HostArray, sought: tuple[int, int], medians: HostArray) -> None:
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
            _settle_wide(candidate, count, number(rank), number(1 << bit), number(1 << (bit - 1) if bit else 0))


@jit
def _settle_wide(candidate: HostArray, count: HostArray, rank: Any, bit: Any, following: Any) -> None:
    """Take a bit back where it was too much, and propose the following one."""
    zero = bit ^ bit
    for i in range(count.size):
        candidate[i] = candidate[i] ^ (bit if count[i] > rank else count.dtype.type(zero)) | following
        count[i] = 0


@jit
def _count_four(plane: HostArray, shifts: HostArray, k: int, candidate: HostArray, count: HostArray) -> None:
    """Four voxels of the window at a time, so that the counts go to memory a fourth as often."""
    n, a, b, c, d = count.size, shifts[k], shifts[k + 1], shifts[k + 2], shifts[k + 3]
    row0, row1, row2, row3 = plane[a : a + n], plane[b : b + n], plane[c : c + n], plane[d : d + n]
    for i in range(n):
        value = candidate[i]
        count[i] += (row0[i] < value) + (row1[i] < value) + (row2[i] < value) + (row3[i] < value)
