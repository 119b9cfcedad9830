"""Exact squares of distances to the nearest site, axis by axis.

Along z two sweeps count the voxels since the last site; along y and x each voxel takes the smallest of what its line holds at k voxels plus
the cost of k, nearest first, and stops when the cost alone is no better. All steps work on 128 lines at once, without a branch
per voxel. Squares are computed in the narrowest type that holds the largest that matters: u2 up to 181 voxels.

With integer weights every square is exact. With floats the sum is rounded in one order, ((z + y) + x), and as rounding never
changes the order of two numbers, the smallest is the same however a line was cut.

Sources: T. Saito, J. Toriwaki, Pattern Recognit. 27 (1994), doi:10.1016/0031-3203(94)90133-3 (axis by axis); A. Meijster, J. Roerdink,
W. Hesselink, "A general algorithm for computing distance transforms in linear time" (2000), doi:10.1007/0-306-47025-X_36 (the first
axis by two sweeps).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.typing import HostArray, Triple

Weights = tuple[float, float, float]

LANES = 128
"""Lines that are worked on together."""
_NARROW, _HEAVY = 2**15 - 1, 4096
_INTEGERS = {"int32": 2**30, "int64": 2**62}


def far(dtype: Any) -> float:
    """The square that stands for "there is no site": twice it still fits the type."""
    return _INTEGERS.get(np.dtype(dtype).name, math.inf)


def square_dtype(weights: Weights, farthest: float) -> np.dtype[Any]:
    """The type of squares below ``farthest``: int32 or int64 for integer weights, else float64."""
    if not all(isinstance(w, int) for w in weights):
        return np.dtype("f8")
    return np.dtype("i4") if farthest < _INTEGERS["int32"] else np.dtype("i8")


def working_dtype(weights: Weights, limit: float) -> np.dtype[Any]:
    """The narrowest type in which squares up to ``limit`` are added without overflow."""
    narrow = limit <= _NARROW and max(weights) <= _HEAVY and all(isinstance(w, int) for w in weights)
    return np.dtype("u2") if narrow else square_dtype(weights, limit - 1)


def squared_distance(sites: HostArray, /, *, weights: Weights, before: Triple, after: Triple, limit: float) -> HostArray:
    """The squares of the distances to the nearest site.

    Parameters
    ----------
    sites
        (z, y, x), bool: the voxels to which distances are measured, with ``before`` and ``after`` more voxels than the result on each axis.
    weights
        Squares of the spacings along (z, y, x), integers or floats.
    before, after
        Halos on the low and on the high side of each axis.
    limit
        Squares from here on come back as ``limit``; a smaller one makes a faster call.

    Returns
    -------
    HostArray
        (z, y, x) without the halos, in :func:`working_dtype`. Memory beside it: the result extended by the halos along y and x, in
        that type.
    """
    dtype = working_dtype(weights, limit)
    a, b, c = (n - p - q for n, p, q in zip(sites.shape, before, after))
    out = np.empty((a, b, c), dtype)
    if out.size:
        lines = np.empty((a, *sites.shape[1:]), dtype)
        steps = [_costs(w, n, limit, dtype) for w, n in zip(weights, sites.shape)]
        _first_axis(np.ascontiguousarray(sites).view(np.uint8), before[0], steps[0], lines)
        _last_axes(lines, before[1], before[2], steps[1], steps[2], out)
    return out


def _costs(weight: float, length: int, limit: float, dtype: np.dtype[Any]) -> HostArray:
    """The squares of 0, 1, … voxels along an axis up to ``limit``, which ends them."""
    squares = weight * np.arange(length + 1, dtype="f8" if isinstance(weight, float) else "i8") ** 2
    below = squares[squares < limit]
    return np.append(below, limit).astype(dtype)


@jit
def _first_axis(sites: HostArray, first: int, costs: HostArray, out: HostArray) -> None:
    """Squares along z, by a sweep forwards and one backwards over each row of lines."""
    depth, height, width = sites.shape
    count, ceiling = out.shape[0], costs.size - 1
    steps = np.empty(width, np.int32)
    forwards = np.empty((count, width), np.int32)
    for y in range(height):
        steps[:] = ceiling
        for z in range(first + count):
            _advance(sites[z, y], steps, ceiling)
            if z >= first:
                forwards[z - first] = steps
        steps[:] = ceiling
        for z in range(depth - 1, first - 1, -1):
            _advance(sites[z, y], steps, ceiling)
            if z < first + count:
                _lowest_cost(forwards[z - first], steps, costs, out[z - first, y])


@jit
def _advance(row: HostArray, steps: HostArray, ceiling: int) -> None:
    for x in range(row.size):
        more = min(steps[x] + np.int32(1), np.int32(ceiling))
        steps[x] = np.int32(0) if row[x] else more


@jit
def _lowest_cost(forwards: HostArray, backwards: HostArray, costs: HostArray, out: HostArray) -> None:
    for x in range(out.size):
        out[x] = costs[min(forwards[x], backwards[x])]


@jit
def _last_axes(lines: HostArray, first_y: int, first_x: int, costs_y: HostArray, costs_x: HostArray, out: HostArray) -> None:
    """Squares along y and then x, slice by slice."""
    depth, height, width = lines.shape
    count_y, count_x = out.shape[1:]
    along_y, found_y = np.zeros((height, LANES), lines.dtype), np.zeros((count_y, LANES), lines.dtype)
    along_x, found_x = np.zeros((width, LANES), lines.dtype), np.zeros((count_x, LANES), lines.dtype)
    plane = np.zeros(((count_y + LANES - 1) // LANES * LANES, width), lines.dtype)
    for z in range(depth):
        for x in range(0, width, LANES):
            count = min(LANES, width - x)
            along_y[:, :count] = lines[z, :, x : x + count]
            along_y[:, count:] = 0
            lowest(along_y, first_y, costs_y, found_y)
            plane[:count_y, x : x + count] = found_y[:, :count]
        for y in range(0, count_y, LANES):
            _turn(plane[y : y + LANES], along_x)
            lowest(along_x, first_x, costs_x, found_x)
            _turn_back(found_x, out[z, y : y + LANES])


@jit
def lowest(lines: HostArray, first: int, costs: HostArray, out: HostArray) -> None:
    """For each of the results along axis 0, the lowest of the values at k steps plus the cost of k; ``costs`` never fall."""
    length, best = lines.shape[0], np.zeros(LANES, lines.dtype)
    for i in range(out.shape[0]):
        place = first + i
        best[:] = lines[place]
        largest = _largest(best)
        for k in range(1, min(costs.size, max(place, length - 1 - place) + 1)):
            if costs[k] >= largest:
                break
            low, high = place - k, place + k
            _take_lower(lines[low if low >= 0 else high], lines[high if high < length else low], costs[k], best)
            largest = _largest(best)
        out[i] = best


@jit
def _largest(best: HostArray) -> Any:
    largest = best[0]
    for j in range(LANES):
        largest = best[j] if best[j] > largest else largest
    return largest


@jit
def _take_lower(one: HostArray, other: HostArray, cost: Any, best: HostArray) -> None:
    for j in range(LANES):
        a, b = one[j], other[j]
        value = best.dtype.type((a if a < b else b) + cost)
        best[j] = value if value < best[j] else best[j]


@jit
def _turn(rows: HostArray, out: HostArray) -> None:
    for x in range(0, out.shape[0], 16):
        for y in range(rows.shape[0]):
            for i in range(x, min(x + 16, out.shape[0])):
                out[i, y] = rows[y, i]


@jit
def _turn_back(columns: HostArray, out: HostArray) -> None:
    for x in range(0, out.shape[1], 16):
        for y in range(out.shape[0]):
            for i in range(x, min(x + 16, out.shape[1])):
                out[y, i] = columns[i, y]
