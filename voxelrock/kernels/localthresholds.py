"""Thresholds from the mean and the standard deviation of a box around each voxel.

Integers of up to 16 bits are added exactly, in running sums that any order gives; floats directly, z before y before x and from the lowest index to
the highest, so that no sum depends on where a block begins.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.kernels.backend import jit, kernel, namespace
from voxelrock.kernels.convolution import uniform_halo
from voxelrock.kernels.rows import check_real, fixed, inner_shape
from voxelrock.typing import Block, HostArray, Triple

_WIDE = 2.0**62


def _narrow(dtype: Any, isdtype: Any) -> bool:
    return bool(isdtype(dtype, "bool")) or (bool(isdtype(dtype, "integral")) and np.dtype(str(dtype).rsplit(".", 1)[-1]).itemsize <= 2)


def _exact(narrow: bool, dtype: Any, size: Triple) -> bool:
    """Whether the variance too can be made of integers: products of sums fit into 64 bits."""
    if not narrow:
        return False
    name = str(dtype).rsplit(".", 1)[-1]
    largest = 1 if name == "bool" else max(abs(int(np.iinfo(name).min)), int(np.iinfo(name).max))
    return (math.prod(size) * largest) ** 2 < _WIDE


@kernel(cost=12.0, workspace=0.5)
def local_threshold(block: Block, /, *mask: Block, size: Triple, k: float, dynamic: float | None, base: float = 1.0) -> Block:
    """The mean minus ``k`` standard deviations (Niblack), or with ``dynamic`` the mean times ``1 + k (deviation / dynamic - 1)`` (Sauvola), over a box.

    Parameters
    ----------
    block
        (z, y, x) with a halo of half the box; any real dtype.
    mask
        As large as the block, True where voxels count.
    size
        Odd edges of the box along (z, y, x), in voxels.
    k, dynamic, base
        The factors of the formulas; ``base`` is that of Niblack's mean: 0 with ``k = -1`` gives the deviation alone.

    Returns
    -------
    Block
        (z, y, x) without the halo: float64 for float64, else float32; NaN where no voxel counts, or one that does is NaN.

    Notes
    -----
    Memory: the host body holds four planes of 64 bits; the reference six blocks.
    """
    halo = uniform_halo(size=size)
    inner_shape(block, halo)
    check_real(block)
    xp = namespace(block)
    narrow = _narrow(block.dtype, getattr(xp, "isdtype", np.isdtype))
    kind = xp.int64 if narrow else xp.float64
    values = xp.astype(block, kind)
    count = xp.ones_like(values)
    if mask:
        count = xp.astype(mask[0], kind)
        values = xp.where(mask[0], values, xp.zeros_like(values))
    first, second, number = (_boxes(part, size) for part in (values, values * values, count))
    empty = number == 0
    number = xp.where(empty, xp.ones_like(number), number)
    total = xp.astype(number, xp.float64)
    mean = xp.astype(first, xp.float64) / total
    if _exact(narrow, block.dtype, size):
        variance = xp.astype(number * second - first * first, xp.float64) / xp.astype(number * number, xp.float64)
    else:
        variance = xp.astype(second, xp.float64) / total - mean * mean
        variance = xp.where(variance < 0, xp.zeros_like(variance), variance)
    deviation = xp.sqrt(variance)
    found = base * mean - k * deviation if dynamic is None else mean * (1.0 + k * (deviation / dynamic - 1.0))
    found = xp.where(empty, xp.full_like(found, math.nan), found)
    return xp.astype(found, xp.float64 if block.dtype == xp.float64 else xp.float32)


def _boxes(block: Block, size: Triple) -> Block:
    for axis in range(3):
        kept = block.shape[axis] - size[axis] + 1
        total = block[tuple(slice(0, kept) if a == axis else slice(None) for a in range(3))]
        for j in range(1, size[axis]):
            total = total + block[tuple(slice(j, j + kept) if a == axis else slice(None) for a in range(3))]
        block = total
    return block


@local_threshold.host
def _local_threshold_host(block: HostArray, /, *mask: HostArray, size: Triple, k: float, dynamic: float | None, base: float = 1.0) -> HostArray:
    shape = inner_shape(block, uniform_halo(size=size))
    check_real(block)
    out = np.empty(shape, np.float64 if block.dtype == np.float64 else np.float32)
    narrow = _narrow(block.dtype, np.isdtype)
    exact = _exact(narrow, block.dtype, size)
    values = fixed(block.astype(np.float32) if block.dtype == np.float16 else block)
    keep = fixed(mask[0]) if mask else np.zeros((1, 1, 1), np.uint8)
    planes = np.zeros((3 if mask else 2, *block.shape[1:]), np.int64 if narrow else np.float64)
    facts = np.array([k, math.nan if dynamic is None else dynamic, base])
    _slices((values, keep), bool(mask), np.array(size), (narrow, exact), facts, planes, out)
    return out


@jit
def _slices(
    blocks: tuple[HostArray, HostArray], masked: bool, size: HostArray, ways: tuple[bool, bool], facts: HostArray, planes: HostArray, out: HostArray
) -> None:
    """Slice by slice: sums over z of whole planes, of these over y, of these over x."""
    values, keep = blocks
    row = np.zeros((planes.shape[0], planes.shape[2]), planes.dtype)
    line = np.zeros((planes.shape[0], out.shape[2]), planes.dtype)
    one = planes.dtype.type(1)
    for z in range(out.shape[0]):
        if ways[0] and z:
            _add_plane(values[z - 1], keep[(z - 1) if masked else 0], masked, -one, planes)
            _add_plane(values[z + size[0] - 1], keep[(z + size[0] - 1) if masked else 0], masked, one, planes)
        else:
            planes[:] = 0
            for j in range(size[0]):
                _add_plane(values[z + j], keep[(z + j) if masked else 0], masked, one, planes)
        for y in range(out.shape[1]):
            if ways[0] and y:
                for p in range(planes.shape[0]):
                    _add_row(planes[p, y - 1], -one, row[p])
                    _add_row(planes[p, y + size[1] - 1], one, row[p])
            else:
                row[:] = 0
                for p in range(planes.shape[0]):
                    for j in range(size[1]):
                        _add_row(planes[p, y + j], one, row[p])
            for p in range(planes.shape[0]):
                if ways[0]:
                    _run(row[p], size[2], line[p])
                else:
                    line[p] = 0
                    for j in range(size[2]):
                        _add_row(row[p, j : j + line.shape[1]], one, line[p])
            _finish(line, size[0] * size[1] * size[2], ways[1], facts, out[z, y])


@jit
def _add_plane(plane: HostArray, keep: HostArray, masked: bool, sign: Any, planes: HostArray) -> None:
    number = planes.dtype.type
    for y in range(plane.shape[0]):
        if masked:
            for x in range(plane.shape[1]):
                if keep[y, x]:
                    value = number(plane[y, x])
                    planes[0, y, x] += sign * value
                    planes[1, y, x] += sign * (value * value)
                    planes[2, y, x] += sign
        else:
            for x in range(plane.shape[1]):
                value = number(plane[y, x])
                planes[0, y, x] += sign * value
                planes[1, y, x] += sign * (value * value)


@jit
def _add_row(source: HostArray, sign: Any, row: HostArray) -> None:
    for x in range(row.size):
        row[x] += sign * source[x]


@jit
def _run(row: HostArray, size: int, line: HostArray) -> None:
    total = row[0] - row[0]
    for x in range(size - 1):
        total += row[x]
    for x in range(line.size):
        total += row[x + size - 1]
        line[x] = total
        total -= row[x]


@jit
def _finish(line: HostArray, size: int, exact: bool, facts: HostArray, out: HostArray) -> None:
    k, dynamic, base = facts
    for x in range(out.size):
        first, second = line[0, x], line[1, x]
        number = line[2, x] if line.shape[0] > 2 else line.dtype.type(size)
        if number == 0:
            out[x] = np.nan
            continue
        mean = np.float64(first) / np.float64(number)
        if exact:
            variance = np.float64(number * second - first * first) / np.float64(number * number)
        else:
            variance = max(np.float64(second) / np.float64(number) - mean * mean, np.float64(0.0))
        deviation = np.sqrt(variance)
        if dynamic == dynamic:
            out[x] = mean * (1.0 + k * (deviation / dynamic - 1.0))
        else:
            out[x] = base * mean - k * deviation
