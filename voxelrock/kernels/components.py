"""Connected components of one block, by runs and union-find.

Two voxels are connected if they have equal non-zero values and share a face (6 neighbours), a face or an edge (18), or a face, an edge or
a corner (26). Components are numbered from 1 in the order of their first voxels in C order, as ``scipy.ndimage.label`` numbers them.
Runs along x are joined with those of the rows before them (He, Chao, Suzuki 2008, doi:10.1109/TIP.2008.919369, in three dimensions);
the smaller run is always the root, so that numbering takes one pass.
"""

from __future__ import annotations

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.runs import Runs, find_runs, paint
from voxelrock.typing import Block, HostArray

CONNECTIVITIES = (6, 18, 26)


def dual(connectivity: int) -> int:
    """The neighbourhood of the complement: 26 beside 6, 6 beside 18 and 26."""
    return 26 if connectivity == 6 else 6


def check_connectivity(connectivity: object) -> int:
    """6, 18 or 26.

    Raises
    ------
    ParameterError
        Anything else.
    """
    if isinstance(connectivity, bool) or connectivity not in CONNECTIVITIES:
        raise ParameterError(f"connectivity is the number of neighbours: 6 (faces), 18 (and edges) or 26 (and corners); got {connectivity!r}")
    return int(connectivity)


@jit
def find(parent: HostArray, i: int) -> int:
    """The root of a node; halves the path to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@jit
def unite(parent: HostArray, i: int, j: int) -> None:
    """Join two nodes; the smaller root stays."""
    if parent[i] == parent[j]:
        return
    a, b = find(parent, i), find(parent, j)
    if a < b:
        parent[b] = a
    elif b < a:
        parent[a] = b


@jit
def _join_rows(parent: HostArray, start: HostArray, stop: HostArray, value: HostArray, a: int, a_end: int, b: int, b_end: int, reach: int) -> None:
    """Join runs of two rows that overlap, or come within ``reach`` of it."""
    while a < a_end and b < b_end:
        if start[a] < stop[b] + reach and start[b] < stop[a] + reach and (value.size == 0 or value[a] == value[b]):
            unite(parent, a, b)
        if reach and value.size and stop[a] == stop[b] and a + 1 < a_end and start[a + 1] == stop[b] and value[a + 1] == value[b]:
            unite(parent, a + 1, b)  # runs of other values may touch, end to end: b is passed by now, and the next of a still reaches it
        first = stop[a] < stop[b]
        a += first
        b += not first


@jit
def _join(rows: HostArray, start: HostArray, stop: HostArray, value: HostArray, height: int, connectivity: int, parent: HostArray) -> int:
    """Join all runs, then replace each one's parent by the number of its component. Gives the number of components."""
    straight, slanted = int(connectivity > 6), int(connectivity > 18)
    for r in range(rows.size - 1):
        a, end = rows[r], rows[r + 1]
        if a == end:
            continue
        y, above = r % height, r - height
        if y > 0:
            _join_rows(parent, start, stop, value, a, end, rows[r - 1], rows[r], straight)
        if above >= 0:
            _join_rows(parent, start, stop, value, a, end, rows[above], rows[above + 1], straight)
            if connectivity > 6 and y > 0:
                _join_rows(parent, start, stop, value, a, end, rows[above - 1], rows[above], slanted)
            if connectivity > 6 and y + 1 < height:
                _join_rows(parent, start, stop, value, a, end, rows[above + 1], rows[above + 2], slanted)
    count = 0
    for i in range(parent.size):  # a parent comes before its children: its number, kept negative, is known
        if parent[i] == i:
            count += 1
            parent[i] = -count
        else:
            parent[i] = parent[parent[i]]
    for i in range(parent.size):
        parent[i] = -parent[i]
    return count


def components_of(runs: Runs, connectivity: int) -> tuple[HostArray, int]:
    """The number of the component of each run (int32, from 1), and how many components there are."""
    parent = np.arange(len(runs), dtype=np.int32)
    count = _join(runs.rows, runs.start, runs.stop, runs.value, runs.shape[1], connectivity, parent)
    return parent, count


@kernel(cost=3.0, workspace=2.0, host_only="labels join through a forest, one after the other")
def components(block: Block, /, *, connectivity: int = 6) -> HostArray:
    """The components of a block, numbered from 1 in C order of their first voxels (int32); 0 where the block is 0.

    For booleans and integers: a component has one value. It runs on the host: a device's block is copied. Memory: the result, an eighth
    of a byte per voxel and 12 bytes a run (20 for integers).

    Raises
    ------
    ParameterTypeError
        The block holds floats.
    """
    runs = find_runs(to_host(block))
    numbers, _ = components_of(runs, check_connectivity(connectivity))
    return paint(runs, numbers, np.dtype(np.int32))
