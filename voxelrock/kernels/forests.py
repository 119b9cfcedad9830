"""The basins of an image as a graph: its spanning forest, and its merge tree.

Nodes are basins, edges the passes between them. Edges are ordered strictly, by the height and index of the higher voxel, then of the lower
one, so that there is one minimum spanning forest (Nešetřil, Milková, Nešetřilová 2001, doi:10.1016/S0012-365X(00)00224-7). It holds all that is asked here:
the lowest way between two basins runs in it, and so does the cut by markers (Cousty, Bertrand, Najman, Couprie 2009,
doi:10.1109/TPAMI.2008.173).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.kernels.components import find
from voxelrock.typing import HostArray

_NOTHING = np.empty(0, np.int64)


class Edges(NamedTuple):
    """Passes: the basins ``a`` and ``b`` (int64), height (float64) and index (int64) of the higher and of the lower voxel."""

    a: HostArray
    b: HostArray
    height: HostArray
    high: HostArray
    foot: HostArray
    low: HostArray

    def only(self, chosen: HostArray) -> Edges:
        """Some of them, or all in another order."""
        return Edges(*(column[chosen] for column in self))


class Basins(NamedTuple):
    """Nodes: ascending ids (int64), the height of each minimum (infinite where not known), the lowest seed (infinite without one)."""

    ids: HostArray
    bottom: HostArray
    seed: HostArray


NO_EDGES = Edges(_NOTHING, _NOTHING, np.empty(0), _NOTHING, np.empty(0), _NOTHING)


@jit
def _before(edges: Edges, e: int, f: int) -> bool:
    """Whether an edge comes before another in the strict order."""
    if edges.high[e] != edges.high[f]:
        return edges.height[e] < edges.height[f] or (edges.height[e] == edges.height[f] and edges.high[e] < edges.high[f])
    return edges.foot[e] < edges.foot[f] or (edges.foot[e] == edges.foot[f] and edges.low[e] < edges.low[f])


@jit
def _lowest_of_each(a: HostArray, b: HostArray, edges: Edges, parent: HostArray, alive: HostArray, best: HostArray) -> int:
    """The lowest edge that leaves each tree, or -1; edges inside of trees are dropped from ``alive``. Gives how many stay."""
    best[:] = -1
    count = 0
    for e in alive:
        i, j = find(parent, a[e]), find(parent, b[e])
        if i == j:
            continue
        alive[count] = e
        count += 1
        if best[i] < 0 or _before(edges, e, best[i]):
            best[i] = e
        if best[j] < 0 or _before(edges, e, best[j]):
            best[j] = e
    return count


@jit
def _span(a: HostArray, b: HostArray, edges: Edges, n: int, keep: HostArray) -> None:
    """Mark the forest's edges: each tree takes its lowest way out, until there is none (Borůvka: no sorting)."""
    parent, best, alive = np.arange(n), np.empty(n, np.int64), np.arange(a.size)
    while alive.size > 0:
        alive = alive[: _lowest_of_each(a, b, edges, parent, alive, best)]
        for tree in range(n):
            e = best[tree]
            if e >= 0:
                i, j = find(parent, a[e]), find(parent, b[e])
                if i != j:
                    keep[e] = True
                    parent[max(i, j)] = min(i, j)


def places(ids: HostArray, wanted: HostArray) -> HostArray:
    """Where ids are in the ascending ids of nodes."""
    return np.searchsorted(ids, wanted)


def spanning(edges: Edges, ids: HostArray) -> Edges:
    """The edges of the minimum spanning forest, ascending.

    What it leaves out is the highest of a circle, and stays so however the graph grows: forests of parts can be joined and spanned again.
    """
    keep = np.zeros(edges.a.size, bool)
    _span(places(ids, edges.a), places(ids, edges.b), edges, ids.size, keep)
    edges = edges.only(keep)
    return edges.only(np.lexsort((edges.low, edges.foot, edges.high, edges.height)))


@jit
def _elders(a: HostArray, b: HostArray, height: HostArray, parent: HostArray, end: HostArray, elder: HostArray, saddle: HostArray) -> None:
    """Nodes are numbered from the lowest minimum up: of two trees that meet, the one with the larger root ends."""
    for e in range(a.size):
        i, j = find(parent, a[e]), find(parent, b[e])
        i, j = min(i, j), max(i, j)
        parent[j] = i
        end[j], elder[j], saddle[j] = height[e], i, e


class MergeTree(NamedTuple):
    """For each node the height where its basin joins that of an elder (infinite for the last of a tree), the elder and the edge (-1: none)."""

    end: HostArray
    elder: HostArray
    edge: HostArray


def merge_tree(basins: Basins, edges: Edges) -> MergeTree:
    """The merge tree (elder rule: of two basins that join, the one with the lower minimum goes on) from a spanning forest."""
    n = basins.ids.size
    order = np.lexsort((basins.ids, basins.bottom))
    age = np.empty(n, np.int64)
    age[order] = np.arange(n)
    end, elder, edge = np.full(n, np.inf), np.full(n, -1), np.full(n, -1)
    _elders(age[places(basins.ids, edges.a)], age[places(basins.ids, edges.b)], edges.height, np.arange(n), end, elder, edge)
    return MergeTree(end[age], np.where(elder >= 0, order[elder], -1)[age], edge[age])


def survives(basins: Basins, tree: MergeTree, depth: float) -> HostArray:
    """Whether each basin is a regional minimum of the given depth at least: above 0 for a depth of 0."""
    deep = np.where(tree.end == basins.bottom, 0.0, tree.end) - np.where(tree.end == basins.bottom, 0.0, basins.bottom)  # of infinite ones too
    return deep > 0 if depth == 0 else deep >= depth
