"""Windows of cells by look-ups: a table of sums from the first cell on, and cubes of cells, side by side or at every place."""

from __future__ import annotations

import numpy as np

from voxelrock.typing import HostArray


def summed(counts: HostArray) -> HostArray:
    """Sums over all cells before each corner of the lattice: one more along each axis than there are cells; further axes are left alone."""
    table = np.zeros([n + 1 for n in counts.shape[:3]] + list(counts.shape[3:]), np.int64)
    inner = table[1:, 1:, 1:]
    inner[...] = counts
    for axis in range(3):
        np.cumsum(inner, axis=axis, out=inner)
    return table


def between(table: HostArray, edge: int, step: int) -> HostArray:
    """Sums over cubes of ``edge`` cells that begin at every ``step``-th cell and lie within the table."""
    n = [max(0, (m - 1 - edge) // step + 1) for m in table.shape[:3]]
    found = np.zeros([*n, *table.shape[3:]], np.int64)
    for corner in np.ndindex(2, 2, 2):
        index = tuple(slice(c * edge, c * edge + (k - 1) * step + 1 if k else 0, step) for c, k in zip(corner, n))
        if sum(corner) % 2:
            found += table[index]
        else:
            found -= table[index]
    return found


def central(table: HostArray, edge: int) -> HostArray:
    """The sum over the cube of ``edge`` cells in the middle of the table (half a cell before it, where there is no middle)."""
    low = [(m - 1 - edge) // 2 for m in table.shape[:3]]
    total = np.zeros(table.shape[3:], np.int64)
    for corner in np.ndindex(2, 2, 2):
        total = total + (-1) ** (3 - sum(corner)) * table[tuple(a + c * edge for a, c in zip(low, corner))]
    return total
