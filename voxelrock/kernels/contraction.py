"""Graphs of basins made small: what is inside a box is decided there, as far as nothing outside can change it, and leaves the graph.

A basin is open while voxels of it lie on a side where the image goes on: lower passes of it may still be found there. All passes of a closed one
are known. Edges come ascending, so that whoever meets an edge has been through all lower ones: a closed basin goes over the lowest pass that
it has, and no other way out of it can be lower. What stays are the open basins, and few that wait for them: a graph of the box's surface.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.kernels.components import find
from voxelrock.kernels.forests import Basins, Edges, places
from voxelrock.typing import HostArray


class Kept(NamedTuple):
    """What stays of a graph: which nodes (places, ascending), and the graph of these."""

    places: HostArray
    basins: Basins
    edges: Edges


class Folds(NamedTuple):
    """A flood in a box: ``order`` lists the nodes that folded into others, in that order, ``onto`` which and ``height`` over which pass; ``seed``
    is the lowest level that reaches a node from inside."""

    order: HostArray
    onto: HostArray
    height: HostArray
    seed: HostArray


class Homes(NamedTuple):
    """Regions in a box: for each node the one that it goes with (itself, if it is kept or finished), and which are finished (places)."""

    home: HostArray
    finished: HostArray


def _kept(basins: Basins, edges: Edges, stays: HostArray, a: HostArray, b: HostArray) -> Kept:
    where, chosen = np.flatnonzero(stays).astype(np.int32), a >= 0
    left = edges.only(chosen)._replace(a=basins.ids[a[chosen]], b=basins.ids[b[chosen]])
    return Kept(where, Basins(*(column[where] for column in basins)), left)


@jit
def _fold(a: HostArray, b: HostArray, height: HostArray, opened: HostArray, folds: Folds) -> int:
    """Fold what is closed; ``a`` and ``b`` become the ends of the edges between open trees, -1 for all others. Gives how many folded."""
    parent = np.arange(opened.size)
    count = 0
    for e in range(a.size):
        i, j = find(parent, a[e]), find(parent, b[e])
        a[e] = b[e] = -1
        if i == j:
            continue
        if opened[i] and opened[j]:
            a[e], b[e] = i, j
            continue
        if opened[j]:
            i, j = j, i
        parent[j] = i
        folds.order[count], folds.onto[j], folds.height[j] = j, i, height[e]
        folds.seed[i] = min(folds.seed[i], max(height[e], folds.seed[j]))
        count += 1
    return count


def fold_floods(basins: Basins, edges: Edges, opened: HostArray) -> tuple[Kept, Folds]:
    """A graph without its closed nodes, in which all floods of the open ones are what they were; edges ascend.

    A node that folds is reached over its lowest pass, or by its own seeds.
    """
    n = basins.ids.size
    a, b = places(basins.ids, edges.a), places(basins.ids, edges.b)
    folds = Folds(np.empty(n, np.int32), np.full(n, -1, np.int32), np.empty(n), basins.seed.copy())
    count = _fold(a, b, edges.height, opened, folds)
    kept = _kept(basins._replace(seed=folds.seed), edges, opened, a, b)
    return kept, folds._replace(order=folds.order[:count])


@jit
def _unfold(folds: Folds, level: HostArray) -> None:
    for place in range(folds.order.size - 1, -1, -1):
        i = folds.order[place]
        level[i] = min(folds.seed[i], max(folds.height[i], level[folds.onto[i]]))


def unfold_floods(folds: Folds, kept: HostArray, levels: HostArray) -> HostArray:
    """The lowest level that reaches each node, from those of the nodes that were kept."""
    found = folds.seed.copy()
    found[kept] = levels
    _unfold(folds, found)
    return found


@jit
def _deep(height: float, bottom: float, depth: float) -> bool:
    gap = 0.0 if height == bottom else height - bottom
    return gap > 0 if depth == 0 else gap >= depth


@jit
def _part(
    a: HostArray, b: HostArray, height: HostArray, nodes: tuple[HostArray, HostArray, HostArray, HostArray], depth: float, home: HostArray, stays: HostArray
) -> None:
    """Join regions over ascending edges; two that are deep, or marked, stay apart. ``a`` and ``b`` become the ends of edges that must wait, else -1.

    ``nodes``: open or not, age (the lower, the older), bottom, marked or not. A tree that holds an open node is not sure of its depth: it is as deep
    as known at least. Its nodes surely are of one region; nodes are not folded into each other if their age matters at lower edges to come.
    """
    opened, age, bottom, marked = nodes
    tree, unsure, oldest, lowest, deep = np.arange(home.size), opened.copy(), age.copy(), bottom.copy(), marked.copy()
    for e in range(a.size):
        i, j = find(home, a[e]), find(home, b[e])
        s, t = find(tree, i), find(tree, j)
        a[e] = b[e] = -1
        if s == t:
            continue
        deep[s] |= _deep(height[e], lowest[s], depth)
        deep[t] |= _deep(height[e], lowest[t], depth)
        if deep[s] and deep[t]:
            continue
        if unsure[s] and not unsure[t]:
            i, j, s, t = j, i, t, s
        if not unsure[t] and age[j] < age[i]:
            i, j, s, t = j, i, t, s  # both are sure: i is the older, to which j goes
        if not unsure[t] and not unsure[s]:
            home[j] = tree[j] = i
        elif not unsure[s] and not deep[s] and (deep[t] or oldest[t] <= age[i]):
            home[i], tree[i] = j, t
        else:
            a[e], b[e] = i, j
            if not unsure[s]:
                stays[i] = True
            if not unsure[s] and not deep[s]:
                tree[i], oldest[t], lowest[t] = t, age[i], bottom[i]
            elif deep[s] or deep[t]:
                deep[s] = deep[t] = True  # what was shallow goes to the other, or was deep already
    for i in range(home.size):
        home[i] = find(home, i)
        stays[i] |= home[i] == i and unsure[find(tree, i)]


def part_regions(basins: Basins, edges: Edges, opened: HostArray, *, marked: HostArray | None = None, depth: float = 1.0) -> tuple[Kept, Homes]:
    """A graph without the nodes whose region is known, or that of another node; edges ascend.

    Regions are those of marked nodes; without marks those of minima as deep as ``depth`` where they meet an older one, the lower first
    (:func:`~voxelrock.kernels.forests.survives`). All others go over their lowest pass.
    """
    n = basins.ids.size
    if marked is None:
        marked, bottom, age = np.zeros(n, bool), basins.bottom, np.empty(n, np.int64)
        age[np.lexsort((basins.ids, bottom))] = np.arange(n)
    else:
        bottom, age = np.full(n, np.inf), np.where(marked, 0, 1)  # without a mark none is deep, and none is older
    a, b = places(basins.ids, edges.a), places(basins.ids, edges.b)
    home, stays = np.arange(n, dtype=np.int32), opened.copy()
    _part(a, b, edges.height, (opened, age, bottom, marked), depth, home, stays)
    finished = np.flatnonzero((home == np.arange(n)) & ~stays).astype(np.int32)
    return _kept(basins, edges, stays, a, b), Homes(home, finished)
