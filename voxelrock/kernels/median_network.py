"""The median of 3 × 3 × 3 voxels by a network of minima and maxima over rows.

Each step is the same for all voxels of a row along x, without a branch, so that a compiler makes one vector instruction of it. What
neighbouring results have in common is done once: three voxels along z are sorted once per voxel; three such columns along x are joined to
nine sorted values once per voxel; the nines of two rows are merged once for the two results that hold both. 82 minima or maxima per voxel
remain. A minimum only ever moves values, so the result is a value of the window, and the same one in whatever order it was found.

Sources: K. E. Batcher, "Sorting networks and their applications", AFIPS 1968, doi:10.1145/1468075.1468121 (odd-even merging);
A. Adams, "Fast median filters using separable sorting networks", ACM Trans. Graph. 40 (2021), doi:10.1145/3450626.3459773 (sharing).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.kernels.rows import Rows
from voxelrock.typing import HostArray

_Six = tuple[Any, Any, Any, Any, Any, Any]

LANES = 128
"""Voxels along x that are worked on together: the nines of four rows of them stay in the first-level cache."""

_PITCH = LANES + 32  # a row of sorted columns reaches one voxel further on both sides

# Sorted values lie in rows of one flat array, at constant distances: that is what lets a compiler prove that they do not overlap.


@jit
def median_27(rows: Rows, out: HostArray, zero: Any) -> None:
    """Write the medians of 3 × 3 × 3 voxels into ``out``; ``zero`` of the same dtype turns −0.0 into 0.0."""
    flat, step_z, step_y = rows
    depth, height, width = out.shape
    columns = np.zeros(3 * _PITCH, flat.dtype)
    nines = np.zeros((4, 9 * LANES), flat.dtype)
    shared = np.zeros(10 * LANES, flat.dtype)
    line = np.zeros(LANES, flat.dtype)
    for z in range(depth):
        for x in range(0, width, LANES):
            count = min(LANES, width - x)
            for y in range(-2, height, 2):  # the first turn only fills the ring
                for k in range(y + 2, min(y + 4, height + 2)):
                    start = z * step_z + k * step_y + x
                    _sort_columns(flat[start : start + 2 * step_z + count + 2], step_z, count + 2, columns)
                    _sort_nines(columns, nines[k & 3])
                if y >= 0:
                    _merge(nines[(y + 1) & 3], nines[(y + 2) & 3], shared)
                    for k in range(y, min(y + 2, height)):
                        _select(shared, nines[(y if k == y else y + 3) & 3], line)
                        _store(line[:count], zero, out[z, k, x : x + count])


@jit
def _low(a: Any, b: Any) -> Any:
    return a if a < b else b


@jit
def _high(a: Any, b: Any) -> Any:
    return b if a < b else a


@jit
def _sort(a: Any, b: Any) -> tuple[Any, Any]:
    """The lower and the higher of two values; each once, even if they do not compare."""
    return _low(a, b), _high(a, b)


@jit
def _store(row: HostArray, zero: Any, out: HostArray) -> None:
    for i in range(out.size):
        out[i] = row[i] + zero


@jit
def _sort_columns(rows: HostArray, step: int, count: int, columns: HostArray) -> None:
    """Sort three voxels along z."""
    below, here, above = rows[:count], rows[step : step + count], rows[2 * step : 2 * step + count]
    for i in range(count):
        a, b = _sort(below[i], here[i])
        b, columns[2 * _PITCH + i] = _sort(b, above[i])
        columns[i], columns[_PITCH + i] = _sort(a, b)


@jit
def _sort_across(columns: HostArray, i: int) -> tuple[Any, Any, Any]:
    """Sort three values of one rank along x."""
    a, b = _sort(columns[i], columns[i + 1])
    b, c = _sort(b, columns[i + 2])
    a, b = _sort(a, b)
    return a, b, c


@jit
def _sort_nines(columns: HostArray, nine: HostArray) -> None:
    """Join three sorted columns along x: sort across them, then exchange what may still be out of order."""
    for i in range(LANES):
        a, b, c = _sort_across(columns, i)
        d, e, f = _sort_across(columns, i + _PITCH)
        g, h, k = _sort_across(columns, i + 2 * _PITCH)
        c, d = _sort(c, d)
        b, c = _sort(b, c)
        e, d = _sort(e, d)
        d, g = _sort(d, g)
        c, d = _sort(c, d)
        f, h = _sort(f, h)
        e, d = _sort(e, d)
        f, g = _sort(f, g)
        nine[i], nine[LANES + i], nine[2 * LANES + i] = a, b, c
        nine[3 * LANES + i], nine[4 * LANES + i], nine[5 * LANES + i] = e, d, f
        nine[6 * LANES + i], nine[7 * LANES + i], nine[8 * LANES + i] = g, h, k


@jit
def _merge(left: HostArray, right: HostArray, shared: HostArray) -> None:
    """The 5th … 14th of two sorted nines: odd-even merging, without what cannot be among them."""
    for i in range(LANES):
        a, c, e, g, k, m = _merge_odd(left, right, i)
        b, d, f, h, l, n = _merge_even(left, right, i)
        shared[i], shared[9 * LANES + i] = _high(a, b), _low(m, n)
        shared[LANES + i], shared[2 * LANES + i] = _sort(c, d)
        shared[3 * LANES + i], shared[4 * LANES + i] = _sort(e, f)
        shared[5 * LANES + i], shared[6 * LANES + i] = _sort(g, h)
        shared[7 * LANES + i], shared[8 * LANES + i] = _sort(k, l)


@jit
def _select(shared: HostArray, nine: HostArray, out: HostArray) -> None:
    """The 14th of 27 values, from the 5th … 14th of eighteen and the other nine.

    It is the least, over the ways to take j values from the nine and 14 - j from the eighteen, of the highest value taken.
    """
    for i in range(LANES):
        result = _low(shared[9 * LANES + i], _high(shared[8 * LANES + i], nine[i]))
        result = _low(result, _high(shared[7 * LANES + i], nine[LANES + i]))
        result = _low(result, _high(shared[6 * LANES + i], nine[2 * LANES + i]))
        result = _low(result, _high(shared[5 * LANES + i], nine[3 * LANES + i]))
        result = _low(result, _high(shared[4 * LANES + i], nine[4 * LANES + i]))
        result = _low(result, _high(shared[3 * LANES + i], nine[5 * LANES + i]))
        result = _low(result, _high(shared[2 * LANES + i], nine[6 * LANES + i]))
        result = _low(result, _high(shared[LANES + i], nine[7 * LANES + i]))
        result = _low(result, _high(shared[i], nine[8 * LANES + i]))
        out[i] = result


@jit
def _merge_even(left: HostArray, right: HostArray, i: int) -> _Six:
    """The 3rd … 8th of the values of even rank 0, 2, … 8 in two sorted nines."""
    low = _high(left[i], right[i])
    high = _low(left[8 * LANES + i], right[8 * LANES + i])
    a, b = _sort(high, low)
    c, d = _sort(left[4 * LANES + i], right[4 * LANES + i])
    c, a = _sort(c, a)
    d, b = _sort(d, b)
    e, f = _sort(left[2 * LANES + i], right[2 * LANES + i])
    g, h = _sort(left[6 * LANES + i], right[6 * LANES + i])
    g, f = _sort(g, f)
    g, a = _sort(g, a)
    f, d = _sort(f, d)
    return _high(e, c), g, a, f, d, _low(h, b)


@jit
def _merge_odd(left: HostArray, right: HostArray, i: int) -> _Six:
    """The 2nd … 7th of the values of odd rank 1, 3, 5, 7 in two sorted nines."""
    low = _high(left[LANES + i], right[LANES + i])
    high = _low(left[7 * LANES + i], right[7 * LANES + i])
    a, b = _sort(left[5 * LANES + i], right[5 * LANES + i])
    a, low = _sort(a, low)
    c, d = _sort(left[3 * LANES + i], right[3 * LANES + i])
    high, d = _sort(high, d)
    c, a = _sort(c, a)
    high, low = _sort(high, low)
    d, b = _sort(d, b)
    return c, a, high, low, d, b


@jit
def median_few(rows: Rows, offsets: HostArray, out: HostArray, zero: Any) -> None:
    """Write the medians of any odd number, at least 3, of voxels at ``offsets`` from the block's first ones into ``out``.

    The lowest and the highest of just over half the voxels cannot be the median: both are dropped, one voxel is added, and so on.
    """
    flat, step_z, step_y = rows
    depth, height, width = out.shape
    shifts = offsets[:, 0] * step_z + offsets[:, 1] * step_y + offsets[:, 2]
    most = shifts.size // 2 + 2
    pool = np.zeros((most, LANES), flat.dtype)
    for z in range(depth):
        for y in range(height):
            for x in range(0, width, LANES):
                count = min(LANES, width - x)
                here = flat[z * step_z + y * step_y + x :]
                for k in range(most):
                    _copy(here[shifts[k] : shifts[k] + count], pool[k])
                _to_the_ends(pool, most)
                for k in range(most, shifts.size):
                    _copy(here[shifts[k] : shifts[k] + count], pool[0])
                    _to_the_ends(pool, 2 * most - 1 - k)
                _store(pool[1, :count], zero, out[z, y, x : x + count])


@jit
def _to_the_ends(pool: HostArray, size: int) -> None:
    """Move the lowest of the first ``size`` values to the beginning and the highest to the end."""
    for k in range(size // 2):
        _exchange(pool[k], pool[size - 1 - k])
    for k in range(1, (size + 1) // 2):
        _exchange(pool[0], pool[k])
    for k in range(size // 2, size - 1):
        _exchange(pool[k], pool[size - 1])


@jit
def _exchange(low: HostArray, high: HostArray) -> None:
    for i in range(LANES):
        low[i], high[i] = _sort(low[i], high[i])


@jit
def _copy(row: HostArray, out: HostArray) -> None:
    for i in range(row.size):
        out[i] = row[i]
