"""Voxels of one grid from those of another: the nearest, or interpolated between them.

Where an output voxel lies in the input follows from its index in the whole image, by the same operations in the same order wherever blocks
are cut; the box of the input that a block needs follows from its corners, exactly, for each of these operations is monotone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import beside, jit, kernel, namespace
from voxelrock.typing import Block, HostArray, Triple

TIE = 1e-9
"""Voxels by which a point between two voxels is moved up before the nearest is taken, so that rounding does not toss a coin."""
RIM = 1e-6
"""Voxels by which a point may lie beyond the faces of the outermost voxels and still count as inside."""
REACH = {"nearest": (0, 0), "linear": (0, 1), "cubic": (1, 2)}
"""Voxels before and after the one at or below a point that its value is made of, along each axis."""


@dataclass(frozen=True)
class IndexMap:
    """Where the voxel (z, y, x) of an output lies in an input of a shape, in voxels: ``offset + matrix · (z, y, x)``; the matrix by rows.

    ``order`` is what is made of the voxels there: a key of :data:`REACH`.
    """

    matrix: tuple[float, ...]
    offset: tuple[float, float, float]
    shape: Triple
    order: str

    def bounds(self, box: VoxelBox) -> list[tuple[float, float]]:
        """The lowest and the highest coordinate along each axis that a voxel of a box of the output has."""
        found = []
        for axis in range(3):
            row = self.matrix[3 * axis : 3 * axis + 3]
            low = high = self.offset[axis]
            for m, a, b in zip(row, box.start, box.stop):
                low, high = low + m * (a if m >= 0 else b - 1), high + m * (b - 1 if m >= 0 else a)
            found.append((low, high))
        return found

    def leaves(self, box: VoxelBox) -> bool:
        """Whether a voxel of a box of the output may lie outside the input."""
        return any(low < -0.5 - RIM or high > n - 0.5 + RIM for (low, high), n in zip(self.bounds(box), self.shape))

    def misses(self, box: VoxelBox) -> bool:
        """Whether all voxels of a box of the output lie beyond one face of the input."""
        return any(high < -0.5 - RIM or low > n - 0.5 + RIM for (low, high), n in zip(self.bounds(box), self.shape))


def needed(box: VoxelBox, *, to: IndexMap, **_: Any) -> list[VoxelBox]:
    """The box of the input that a box of the output is made of; empty where it lies outside."""
    before, after = REACH[to.order]
    start, stop = [], []
    for (low, high), n in zip(to.bounds(box), to.shape):
        first, last = (_cell(min(max(c, 0.0), n - 1.0), to.order) for c in (low, high))
        outside = high < -0.5 - RIM or low > n - 0.5 + RIM
        start.append(max(0, first - before))
        stop.append(start[-1] if outside else min(n, last + after + 1))
    return [VoxelBox((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))]


def _cell(coordinate: float, order: str) -> int:
    return math.floor(coordinate + (0.5 + TIE)) if order == "nearest" else math.floor(coordinate)


@kernel(cost=5.0, workspace=0.2)
def nearest(block: Block, /, *, to: IndexMap, fill: Any, unused: bool, start: Triple, shape: Triple, xp: Any) -> Block:
    """The voxel that is nearest to each point, ``fill`` outside the input; ``unused`` says that no voxel may have that value.

    Memory: six planes of float64 beside the result.

    Raises
    ------
    DataError
        A voxel has the value that was to be unused.
    """
    xp = namespace(block)
    (box,) = needed(VoxelBox(start, _stop(start, shape)), to=to)
    blank = xp.asarray(fill, dtype=block.dtype, **beside(block))
    planes = []
    for inside, coordinates in _planes(xp, block, to, start, shape):
        index = [xp.astype(xp.floor(c + (0.5 + TIE)), xp.int64) - a for c, a in zip(coordinates, box.start)]
        values = _taken(xp, block, index)
        if unused:
            _check(bool(xp.any(inside & (values == blank))), fill)
        planes.append(xp.where(inside, values, blank))
    return _stacked(xp, block, planes, blank, shape)


@kernel(cost=14.0, workspace=0.5)
def interpolated(block: Block, /, *, to: IndexMap, fill: float, dtype: str, start: Triple, shape: Triple, xp: Any) -> Block:
    """Linear interpolation, or cubic convolution over 4 × 4 × 4 voxels; ``fill`` outside the input, NaN where a NaN weighs anything.

    Between the centres and the faces of the outermost voxels their value stands. In float64, rounded once. Memory: some twenty planes of
    float64 beside the result.
    """
    xp = namespace(block)
    (box,) = needed(VoxelBox(start, _stop(start, shape)), to=to)
    blank = xp.asarray(fill, dtype=xp.float64, **beside(block))
    planes = []
    for inside, coordinates in _planes(xp, block, to, start, shape):
        floors = [xp.floor(c) for c in coordinates]
        parts = [c - f for c, f in zip(coordinates, floors)]
        index = [xp.astype(f, xp.int64) for f in floors]
        if to.order == "linear":
            values = _linear(xp, block, box, index, parts)
        else:
            values = _cubic(xp, block, (box, to.shape), index, parts)
        planes.append(xp.astype(xp.where(inside, values, blank), getattr(xp, dtype)))
    return _stacked(xp, block, planes, xp.astype(blank, getattr(xp, dtype)), shape)


def _stop(start: Triple, shape: Triple) -> Triple:
    a, b, c = (s + n for s, n in zip(start, shape))
    return a, b, c


def _check(found: bool, fill: Any) -> None:
    if found:
        raise DataError(f"{fill} was to stand for no data outside the image, and is a value of the image: give fill= (a value), or assign(nodata=…) before")


def _planes(xp: Any, block: Block, to: IndexMap, start: Triple, shape: Triple) -> Iterator[tuple[Block, list[Block]]]:
    """For each plane of the output that may see the input, which of its points lie inside, and their coordinates, moved inside."""
    where = beside(block)
    z, y, x = (xp.arange(a, a + n, dtype=xp.float64, **where) for a, n in zip(start, shape))
    y, x = xp.reshape(y, (1, -1, 1)), xp.reshape(x, (1, 1, -1))
    if 0 in block.shape:
        return
    for k in range(shape[0]):
        inside, coordinates = None, []
        for axis, n in enumerate(to.shape):
            a, b, c = to.matrix[3 * axis : 3 * axis + 3]
            at = ((to.offset[axis] + a * z[k : k + 1]) + b * y) + c * x
            here = (at >= -0.5 - RIM) & (at <= n - 0.5 + RIM)
            inside = here if inside is None else inside & here
            coordinates.append(xp.minimum(xp.maximum(at, xp.zeros_like(at)), xp.full_like(at, n - 1.0)))
        yield inside, coordinates


def _taken(xp: Any, block: Block, index: list[Block]) -> Block:
    """The voxels of a block at indices; those outside it are only read where they do not count."""
    a, b, c = (xp.minimum(xp.maximum(i, xp.zeros_like(i)), xp.full_like(i, n - 1)) for i, n in zip(index, block.shape))
    flat = (a * block.shape[1] + b) * block.shape[2] + c
    return xp.reshape(xp.take(xp.reshape(block, (-1,)), xp.reshape(flat, (-1,)), axis=0), flat.shape)


def _linear(xp: Any, block: Block, box: VoxelBox, index: list[Block], parts: list[Block]) -> Block:
    low = [i - a for i, a in zip(index, box.start)]
    high = [i + xp.astype(f > 0, xp.int64) for i, f in zip(low, parts)]
    u, v, w = parts

    def along_x(z: Block, y: Block) -> Block:
        first, second = (xp.astype(_taken(xp, block, [z, y, x]), xp.float64) for x in (low[2], high[2]))
        return first + w * (second - first)

    def along_y(z: Block) -> Block:
        first, second = along_x(z, low[1]), along_x(z, high[1])
        return first + v * (second - first)

    first, second = along_y(low[0]), along_y(high[0])
    return first + u * (second - first)


def _cubic(xp: Any, block: Block, where: tuple[VoxelBox, Triple], index: list[Block], parts: list[Block]) -> Block:
    box, shape = where
    taps, weights = [], []
    for i, f, a, n in zip(index, parts, box.start, shape):
        four = [xp.where(f > 0, i + j, i) for j in (-1, 0, 1, 2)]
        taps.append([xp.minimum(xp.maximum(t, xp.zeros_like(t)), xp.full_like(t, n - 1)) - a for t in four])
        weights.append([((-0.5 * f + 1.0) * f - 0.5) * f, (1.5 * f - 2.5) * f * f + 1.0, ((-1.5 * f + 2.0) * f + 0.5) * f, (0.5 * f - 0.5) * f * f])

    def summed(values: list[Block], weight: list[Block]) -> Block:
        total = weight[0] * values[0]
        for w, v in zip(weight[1:], values[1:]):
            total = total + w * v
        return total

    def row(z: Block, y: Block) -> Block:
        return summed([xp.astype(_taken(xp, block, [z, y, x]), xp.float64) for x in taps[2]], weights[2])

    return summed([summed([row(z, y) for y in taps[1]], weights[1]) for z in taps[0]], weights[0])


def _stacked(xp: Any, block: Block, planes: list[Block], blank: Block, shape: Triple) -> Block:
    return xp.concat(planes, axis=0) if planes else xp.full(shape, blank, dtype=blank.dtype, **beside(block))


@nearest.host
def _nearest_host(block: HostArray, /, *, to: IndexMap, fill: Any, unused: bool, start: Triple, shape: Triple, xp: Any) -> HostArray:
    (box,) = needed(VoxelBox(start, _stop(start, shape)), to=to)
    out = np.full(shape, np.asarray(fill).astype(block.dtype))
    bits = np.dtype(f"u{block.dtype.itemsize}")
    if block.size:
        unwanted = out.reshape(-1)[:1].view(bits).copy() if unused else np.empty(0, bits)
        found = _copy(np.ascontiguousarray(block).view(bits), np.array(box.start), *_numbers(to), np.array(start), unwanted, out.view(bits))
        _check(bool(found), fill)
    return out


@interpolated.host
def _interpolated_host(block: HostArray, /, *, to: IndexMap, fill: float, dtype: str, start: Triple, shape: Triple, xp: Any) -> HostArray:
    (box,) = needed(VoxelBox(start, _stop(start, shape)), to=to)
    out = np.full(shape, fill, dtype)
    if block.size:
        values = np.ascontiguousarray(block.view(np.uint8) if block.dtype.kind == "b" else block)
        body = _interpolate_linear if to.order == "linear" else _interpolate_cubic
        body(values, np.array(box.start), *_numbers(to), np.array(start), out)
    return out


def _numbers(to: IndexMap) -> tuple[HostArray, HostArray, HostArray]:
    return np.array(to.matrix), np.array(to.offset), np.array(to.shape)


@jit
def _copy(block: HostArray, first: HostArray, m: HostArray, b: HostArray, n: HostArray, start: HostArray, unwanted: HostArray, out: HostArray) -> bool:
    flat, (p, q) = block.reshape(-1), block.shape[1:]
    shift = (first[0] * p + first[1]) * q + first[2]
    low, tops = -0.5 - RIM, (n[0] - 0.5 + RIM, n[1] - 0.5 + RIM, n[2] - 0.5 + RIM)
    ends = (n[0] - 1.0, n[1] - 1.0, n[2] - 1.0)
    found = False
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            z, y = float(start[0] + k), float(start[1] + j)
            base = ((b[0] + m[0] * z) + m[1] * y, (b[1] + m[3] * z) + m[4] * y, (b[2] + m[6] * z) + m[7] * y)
            for i in range(out.shape[2]):
                x = float(start[2] + i)
                c0, c1, c2 = base[0] + m[2] * x, base[1] + m[5] * x, base[2] + m[8] * x
                if c0 >= low and c1 >= low and c2 >= low and c0 <= tops[0] and c1 <= tops[1] and c2 <= tops[2]:
                    a0 = math.floor(min(max(c0, 0.0), ends[0]) + (0.5 + TIE))
                    a1 = math.floor(min(max(c1, 0.0), ends[1]) + (0.5 + TIE))
                    a2 = math.floor(min(max(c2, 0.0), ends[2]) + (0.5 + TIE))
                    value = flat[np.uint64((a0 * p + a1) * q + a2 - shift)]
                    if unwanted.size and value == unwanted[0]:
                        found = True
                    out[k, j, i] = value
    return found


@jit
def _interpolate_linear(block: HostArray, first: HostArray, m: HostArray, b: HostArray, n: HostArray, start: HostArray, out: HostArray) -> None:
    flat, (p, q) = block.reshape(-1), block.shape[1:]
    shift = (first[0] * p + first[1]) * q + first[2]
    low, tops = -0.5 - RIM, (n[0] - 0.5 + RIM, n[1] - 0.5 + RIM, n[2] - 0.5 + RIM)
    ends = (n[0] - 1.0, n[1] - 1.0, n[2] - 1.0)
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            z, y = float(start[0] + k), float(start[1] + j)
            base = ((b[0] + m[0] * z) + m[1] * y, (b[1] + m[3] * z) + m[4] * y, (b[2] + m[6] * z) + m[7] * y)
            for i in range(out.shape[2]):
                x = float(start[2] + i)
                c0, c1, c2 = base[0] + m[2] * x, base[1] + m[5] * x, base[2] + m[8] * x
                if c0 >= low and c1 >= low and c2 >= low and c0 <= tops[0] and c1 <= tops[1] and c2 <= tops[2]:
                    c0, c1, c2 = min(max(c0, 0.0), ends[0]), min(max(c1, 0.0), ends[1]), min(max(c2, 0.0), ends[2])
                    f0, f1, f2 = math.floor(c0), math.floor(c1), math.floor(c2)
                    u, v, w = c0 - f0, c1 - f1, c2 - f2
                    at = (int(f0) * p + int(f1)) * q + int(f2) - shift
                    to_z, to_y, to_x = p * q * (u > 0), q * (v > 0), int(w > 0)
                    g0 = _between(flat, at, to_x, w)
                    g0 = g0 + v * (_between(flat, at + to_y, to_x, w) - g0)
                    g1 = _between(flat, at + to_z, to_x, w)
                    g1 = g1 + v * (_between(flat, at + to_z + to_y, to_x, w) - g1)
                    out[k, j, i] = g0 + u * (g1 - g0)


@jit
def _between(flat: HostArray, at: int, step: int, part: float) -> float:
    first = float(flat[np.uint64(at)])
    return first + part * (float(flat[np.uint64(at + step)]) - first)


@jit
def _weigh(f: float, at: int, n: int, taps: HostArray, weights: HostArray) -> None:
    """The four voxels along an axis and their weights: Keys's cubic convolution with a = -1/2."""
    for j in range(4):
        taps[j] = min(max(at + j - 1, 0), n - 1) if f > 0 else at
    weights[0] = ((-0.5 * f + 1.0) * f - 0.5) * f
    weights[1] = (1.5 * f - 2.5) * f * f + 1.0
    weights[2] = ((-1.5 * f + 2.0) * f + 0.5) * f
    weights[3] = (0.5 * f - 0.5) * f * f


@jit
def _interpolate_cubic(block: HostArray, first: HostArray, m: HostArray, b: HostArray, n: HostArray, start: HostArray, out: HostArray) -> None:
    flat, (p, q) = block.reshape(-1), block.shape[1:]
    shift = (first[0] * p + first[1]) * q + first[2]
    taps, weights = np.empty((3, 4), np.int64), np.empty((3, 4))
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            z, y = float(start[0] + k), float(start[1] + j)
            base = ((b[0] + m[0] * z) + m[1] * y, (b[1] + m[3] * z) + m[4] * y, (b[2] + m[6] * z) + m[7] * y)
            for i in range(out.shape[2]):
                x = float(start[2] + i)
                inside = True
                for axis in range(3):
                    at = base[axis] + m[3 * axis + 2] * x
                    inside = inside and at >= -0.5 - RIM and at <= n[axis] - 0.5 + RIM
                    at = min(max(at, 0.0), n[axis] - 1.0)
                    whole = math.floor(at)
                    _weigh(at - whole, int(whole), n[axis], taps[axis], weights[axis])
                if inside:
                    total = 0.0
                    for r in range(4):
                        plane = 0.0
                        for s in range(4):
                            row = (taps[0, r] * p + taps[1, s]) * q - shift
                            line = _weighted(flat, row, taps[2], weights[2])
                            plane = weights[1, s] * line if s == 0 else plane + weights[1, s] * line
                        total = weights[0, r] * plane if r == 0 else total + weights[0, r] * plane
                    out[k, j, i] = total


@jit
def _weighted(flat: HostArray, at: int, taps: HostArray, weights: HostArray) -> float:
    total = weights[0] * float(flat[np.uint64(at + taps[0])])
    for j in range(1, 4):
        total = total + weights[j] * float(flat[np.uint64(at + taps[j])])
    return total
