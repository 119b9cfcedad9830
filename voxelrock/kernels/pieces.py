"""Components across blocks: what a block tells of its components, how neighbours join them, how names come back.

A piece stands for a box of the image. Of its components it keeps those that touch a side where the image goes on (open ones, with the
faces' labels); all others are finished, counted and forgotten. Joining pieces of a larger box therefore takes memory in proportion to
surfaces, never to volumes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.basins import index_in_image
from voxelrock.kernels.components import components_of
from voxelrock.kernels.numbering import Choice, Ledger, Members, Message, Naming, Part
from voxelrock.kernels.planes import Plane, assembled, join_planes, meeting, settle
from voxelrock.kernels.runs import Runs, find_runs, paint, paint_face
from voxelrock.kernels.surfaces import INSIDE, SIDES
from voxelrock.typing import Block, HostArray, Triple

_BEST = (0, -1)


@dataclass(frozen=True)
class Rules:
    """What all tasks of one stitching share: the image's shape, the neighbourhood, the axes whose ends join, and how names are given."""

    extent: Triple
    connectivity: int = 6
    periodic: tuple[bool, bool, bool] = (False, False, False)
    naming: Naming = Choice()

    def borders(self, box: VoxelBox) -> int:
        """The sides of a box, as bits, that are sides of the image where it ends."""
        return self._sides(box, border=True)

    def open_sides(self, box: VoxelBox) -> int:
        """The sides of a box, as bits, where the image goes on."""
        return 0 if box.shape == self.extent and not any(self.periodic) else self._sides(box, border=False)

    def _sides(self, box: VoxelBox, *, border: bool) -> int:
        bits = 0
        for i, (axis, low) in enumerate(SIDES):
            ends = box.start[axis] == 0 if low else box.stop[axis] == self.extent[axis]
            bits |= ((ends and not self.periodic[axis]) == border) << i
        return bits


@dataclass(frozen=True)
class Piece:
    """A box: its open components and its faces' labels (from 1, in the order of ``members``), and what was finished inside.

    ``totals[flags]`` are the number of finished components that touch these surfaces and the voxels that they have; ``bulk`` counts the
    voxels of the region, ``best`` is the size and key of the largest finished component.
    """

    box: VoxelBox
    faces: dict[tuple[int, bool], Plane]
    members: Members
    ledger: Ledger
    totals: HostArray
    bulk: int
    best: tuple[int, int] = _BEST


class Joint(NamedTuple):
    """What a node of the tree keeps for the way down: its parts, the component of each of their open ones, and the components."""

    parts: list[Part]
    homes: list[HostArray]
    members: Members
    place: HostArray
    ledger: Ledger


@jit
def _measure(rows: HostArray, start: HostArray, stop: HostArray, numbers: HostArray, shape: Triple, key: HostArray, size: HostArray, sides: HostArray) -> None:
    """First voxel (C-order index in the block), voxels and sides of the block touched, of each component."""
    for r in range(rows.size - 1):
        z, y = r // shape[1], r % shape[1]
        row = (z == 0) | (z == shape[0] - 1) << 1 | (y == 0) << 2 | (y == shape[1] - 1) << 3
        for i in range(rows[r], rows[r + 1]):
            n = numbers[i] - 1
            if size[n] == 0:
                key[n] = r * shape[2] + start[i]
            size[n] += stop[i] - start[i]
            sides[n] |= row | (start[i] == 0) << 4 | (stop[i] == shape[2]) << 5


@jit
def _touched(rows: HostArray, start: HostArray, stop: HostArray, numbers: HostArray, region: HostArray, flags: HostArray) -> None:
    """The surfaces of the region that each component touches."""
    for r in range(rows.size - 1):
        for i in range(rows[r], rows[r + 1]):
            bits = np.uint8(0)
            for x in range(start[i], stop[i]):
                bits |= region[r, x]
            flags[numbers[i] - 1] |= bits & np.uint8(INSIDE - 1)


class _Leaf(NamedTuple):
    """A block's runs and components; ``done`` are those that end inside it."""

    box: VoxelBox
    runs: Runs
    numbers: HostArray
    members: Members
    done: HostArray
    ledger: Ledger


def _leaf(runs: Runs, region: tuple[Block, ...], rules: Rules, start: Triple) -> _Leaf:
    numbers, count = components_of(runs, rules.connectivity)
    box = VoxelBox(start, tuple(a + n for a, n in zip(start, runs.shape)))  # type: ignore[arg-type]
    key, size, sides = (np.zeros(count, np.int64) for _ in range(3))
    _measure(runs.rows, runs.start, runs.stop, numbers, runs.shape, key, size, sides)
    flags = sides & rules.borders(box)
    if region:
        flags = np.zeros(count, np.int64)
        code = np.ascontiguousarray(to_host(region[0])).reshape(runs.shape[0] * runs.shape[1], runs.shape[2])
        _touched(runs.rows, runs.start, runs.stop, numbers, code, flags)
    value = np.zeros(count, np.int64)
    if runs.value.size:
        value[numbers - 1] = runs.value
    done = sides & rules.open_sides(box) == 0
    whole = index_in_image(key, runs.shape, start, rules.extent)
    rank = _rank(whole, done, rules.extent[2])
    members = Members(whole, size, flags, rank, value)
    return _Leaf(box, runs, numbers, members, done, rules.naming.enter(members.only(done)))


def _rank(key: HostArray, done: HostArray, width: int) -> HostArray:
    """For each of the ascending keys, how many finished ones come before it in its row."""
    before = np.cumsum(done) - done
    row = key // max(width, 1)
    begins = np.append(True, row[1:] != row[:-1])[: row.size]
    return before - np.maximum.accumulate(np.where(begins, before, 0))


def _tally(members: Members) -> HostArray:
    totals = np.zeros((64, 2), np.int64)
    np.add.at(totals, members.flags, np.stack([np.ones_like(members.size), members.size], axis=-1))
    return totals


def _best(members: Members, known: list[tuple[int, int]]) -> tuple[int, int]:
    if members.size.size:
        largest = int(members.size.max())
        known = [*known, (largest, int(members.key[members.size == largest].min()))]
    return min(known, key=lambda pair: (-pair[0], pair[1]), default=_BEST)


@kernel(cost=4.0, workspace=4.0, host_only="labels join through a forest, one after the other")
def piece(block: Block, /, *region: Block, rules: Rules, start: Any, shape: Any) -> tuple[Piece, None]:
    """The piece of one block of booleans or integers, and no joint; ``region`` is the :func:`region_code` of what replaces the array's borders, if any.

    It runs on the host: a device's block is copied. Memory: an eighth of a byte per voxel, 20 bytes a run.

    Raises
    ------
    ParameterTypeError
        The block holds floats.
    """
    return _piece(_leaf(find_runs(to_host(block)), region, rules, start), region, rules), None


def _piece(leaf: _Leaf, region: tuple[Block, ...], rules: Rules) -> Piece:
    number = np.zeros(leaf.done.size + 1, np.int32)
    number[1:][~leaf.done] = np.arange(1, np.count_nonzero(~leaf.done) + 1)
    names, sides = number[leaf.numbers], rules.open_sides(leaf.box) if leaf.box.size else 0
    faces = {side: Plane.of(paint_face(leaf.runs, names, *side)) for i, side in enumerate(SIDES) if sides >> i & 1}
    finished = leaf.members.only(leaf.done)
    bulk = int(np.count_nonzero(to_host(region[0]) & INSIDE)) if region else leaf.box.size
    return Piece(leaf.box, faces, leaf.members.only(~leaf.done), leaf.ledger, _tally(finished), bulk, _best(finished, []))


@kernel(cost=8.0, workspace=4.0, host_only="labels join through a forest, one after the other")
def pieces(block: Block, /, *region: Block, rules: tuple[Rules, ...], start: Any, shape: Any) -> list[Piece]:
    """The pieces of one block under several rules; its runs are found once. It runs on the host: a device's block is copied."""
    runs = find_runs(to_host(block))
    return [_piece(_leaf(runs, region, rule, start), region, rule) for rule in rules]


@kernel(cost=4.0, workspace=4.0, host_only="labels join through a forest, one after the other")
def named(block: Block, /, *region: Block, rules: Rules, message: Message, dtype: str, start: Any, shape: Any) -> HostArray:
    """The block with each voxel's component's name, 0 elsewhere; chosen voxels of integers keep their values. It runs on the host."""
    leaf = _leaf(find_runs(to_host(block)), region, rules, start)
    names = np.empty(leaf.done.size, np.int64)
    names[~leaf.done] = message.names
    names[leaf.done] = rules.naming.names(leaf.ledger, message, leaf.members.only(leaf.done))
    if isinstance(rules.naming, Choice) and leaf.runs.value.size:
        names = names * leaf.members.value
    return paint(leaf.runs, names[leaf.numbers - 1], np.dtype(dtype))


def _gathered(pieces: list[Piece], axis: int, low: bool, shifts: list[int]) -> HostArray:
    """The faces on one side of pieces that lie beside each other, as one plane with labels counted through all pieces."""
    across = [a for a in range(3) if a != axis]
    first = [min(p.box.start[a] for p in pieces) for a in across]
    planes = []
    for p, shift in zip(pieces, shifts):
        face = p.faces[axis, low]
        names = np.arange(len(p.members.key) + 1, dtype=np.int32) + np.int32(shift)
        planes.append((face.renamed(names), p.box.start[across[0]] - first[0], p.box.start[across[1]] - first[1]))
    return assembled(planes)


def _contacts(pieces: list[Piece], whole: bool, rules: Rules, parent: HostArray, value: HostArray) -> None:
    """Join labels across all planes between the pieces, and across the image's ends that meet."""
    parts = [p for p in pieces if p.box.size]  # those without voxels have no labels either
    shifts = np.cumsum([0, *(len(p.members.key) for p in parts)]).tolist()
    for axis in range(3):
        cuts = [(before, after, (False, False)) for _, before, after in meeting([p.box for p in parts], axis)]
        if whole and parts and rules.periodic[axis]:
            a, b = (rules.periodic[a] for a in range(3) if a != axis)
            last = [i for i, p in enumerate(parts) if p.box.stop[axis] == rules.extent[axis]]
            first = [i for i, p in enumerate(parts) if p.box.start[axis] == 0]
            cuts.append((last, first, (a, b)))
        for before, after, wrap in cuts:
            planes = [
                _gathered([parts[i] for i in side], axis, low, [shifts[i] for i in side])
                for side, low in ((before, False), (after, True))
            ]  # fmt: skip
            join_planes(parent, value, planes[0], planes[1], rules.connectivity, wrap)


@jit
def _fold(tree: HostArray, key: HostArray, size: HostArray, flags: HostArray, out_size: HostArray, out_flags: HostArray, home: HostArray) -> None:
    """Sizes and flags of components, and the label of each that has the smallest key."""
    for i in range(tree.size):
        n = tree[i]
        out_size[n] += size[i]
        out_flags[n] |= flags[i]
        if home[n] < 0 or key[i] < key[home[n]]:
            home[n] = i


def join(pieces: list[Piece], rules: Rules) -> tuple[Piece, Joint]:
    """The piece of the box that several pieces tile, and what their names depend on.

    Memory: the pieces' open components and two planes.
    """
    box = reduce(lambda a, b: a | b, (p.box for p in pieces))
    whole = box.shape == rules.extent
    merged = Members(*(np.concatenate(columns) for columns in zip(*(p.members for p in pieces))))
    homes, members, whose = _trees(pieces, merged, whole, rules)
    place, faces = _outside(pieces, homes, box, 0 if whole else rules.open_sides(box), len(members.key))
    done = place < 0
    parts = [Part(p.box, p.ledger) for p in pieces]
    members = members._replace(rank=rules.naming.ranks(parts, members, whose, done))
    finished, opened = members.only(done), members.only(~done)
    ledger = rules.naming.join(parts, finished)
    totals = np.sum([p.totals for p in pieces], axis=0) + _tally(finished)
    best = _best(finished, [p.best for p in pieces])
    return Piece(box, faces, opened, ledger, totals, sum(p.bulk for p in pieces), best), Joint(parts, homes, members, place, ledger)


def _trees(pieces: list[Piece], merged: Members, whole: bool, rules: Rules) -> tuple[list[HostArray], Members, HostArray]:
    """The component of each piece's open ones, the components, and the piece in which each begins."""
    parent = np.arange(merged.key.size + 1, dtype=np.int64)
    value = np.append(0, merged.value) if merged.value.any() else np.empty(0, np.int64)
    _contacts(pieces, whole, rules, parent, value)
    count = settle(parent)
    size, flags, home = np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, -1)
    _fold(parent[1:], merged.key, merged.size, merged.flags, size, flags, home)
    counts = [len(p.members.key) for p in pieces]
    whose = np.repeat(np.arange(len(pieces)), counts)[home]
    members = Members(merged.key[home], size, flags, merged.rank[home], merged.value[home])
    return np.split(parent[1:], np.cumsum(counts)[:-1]), members, whose


def _outside(pieces: list[Piece], homes: list[HostArray], box: VoxelBox, sides: int, count: int) -> tuple[HostArray, dict[tuple[int, bool], Plane]]:
    """The number of each component that reaches an open side (-1 for all others), and the faces there."""
    rows = {}
    for i, (axis, low) in enumerate(SIDES):
        if sides >> i & 1:
            limit = (box.start if low else box.stop)[axis]
            rows[axis, low] = [n for n, p in enumerate(pieces) if p.box.size and (p.box.start if low else p.box.stop)[axis] == limit]
    reached = np.zeros(count, bool)
    for side, row in rows.items():
        for n in row:
            labels = pieces[n].faces[side].labels
            reached[homes[n][labels[labels > 0] - 1]] = True
    place = np.full(count, -1, np.int64)
    place[reached] = np.arange(np.count_nonzero(reached))
    faces = {}
    for side, row in rows.items():
        a, b = (axis for axis in range(3) if axis != side[0])
        renamed = [(pieces[n].faces[side].renamed(np.append(0, place[homes[n]] + 1)), pieces[n].box.start) for n in row]
        faces[side] = Plane.of(assembled((plane, start[a] - box.start[a], start[b] - box.start[b]) for plane, start in renamed))
    return place, faces


@dataclass(frozen=True)
class JoinedPieces:
    """Joins lists of pieces, one for each of several rules, for reductions that need no names."""

    rules: tuple[Rules, ...]

    def __call__(self, partials: list[list[Piece]]) -> list[Piece]:
        return [join([p[i] for p in partials], rule)[0] for i, rule in enumerate(self.rules)]


def begin(whole: Piece, rules: Rules) -> Message:
    """The message to the whole image, where everything is finished."""
    return Message(np.empty(0, np.int64), rules.naming.begin(whole.ledger), np.empty(0, np.int64), whole.best)


def descend(joint: Joint, message: Message, rules: Rules) -> dict[VoxelBox, Message]:
    """The message to each part of a box, from the message to the box."""
    done = joint.place < 0
    finished = joint.members.only(done)
    names = np.empty(done.size, np.int64)
    names[~done] = message.names[joint.place[~done]]
    names[done] = rules.naming.names(joint.ledger, message, finished)
    lower = rules.naming.descend(joint.parts, joint.ledger, message, finished)
    return {part.box: Message(names[home], *facts, message.best) for part, home, facts in zip(joint.parts, joint.homes, lower)}
