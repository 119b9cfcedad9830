"""Trees over blocks: neighbours join first, so that what a node holds is a box, and its surface stays small."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

from voxelrock.typing import Triple

FAN_IN = 8


def _steps(counts: Triple) -> Triple:
    """How many neighbours join along each axis, at least eight in all where there are as many: cubes first, then what there is."""
    steps = [1, 1, 1]
    while prod(steps) < FAN_IN:
        able = [axis for axis in range(3) if counts[axis] // steps[axis] > 1]
        if not able:
            break
        steps[min(able, key=lambda axis: steps[axis])] *= 2
    return steps[0], steps[1], steps[2]


def grown(counts: Triple) -> Triple:
    """The nodes along each axis of the level above one of ``counts`` nodes; at most an eighth as many, unless that one is the root."""
    return tuple(max(1, n // s) for n, s in zip(counts, _steps(counts)))  # type: ignore[return-value]


def below(index: Triple, above: Triple, counts: Triple) -> list[Triple]:
    """The nodes of a level of ``counts`` that join in node ``index`` of the level above."""
    a, b, c = (range(i * n // m, (i + 1) * n // m) for i, m, n in zip(index, above, counts))
    return list(product(a, b, c))


def nodes(counts: Triple) -> Iterator[Triple]:
    """The indices of a level's nodes, the last axis fastest."""
    a, b, c = map(range, counts)
    return product(a, b, c)


def levels(counts: Triple, *, least: int = 1) -> Iterator[tuple[Triple, Triple]]:
    """The levels of a tree from the blocks up, each as the counts of its nodes and those of the level above, until ``least`` nodes are left."""
    while prod(counts) > least:
        above = grown(counts)
        yield counts, above
        counts = above
