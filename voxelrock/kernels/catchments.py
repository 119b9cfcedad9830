"""Basins across blocks: what a block tells of its basins, how neighbours join them, what each block learns of its own.

A piece stands for a box of the image: the graph of its basins and, on its open sides, the basins' numbers and the voxels' values. A basin
is named by the index in the image of its minimum (a marker's basin by its label, beyond all indices), wherever it is seen. A basin whose
way leaves the box is named by the voxel outside it where it goes, as -1 - index, until the box of that voxel is joined. What is inside a box
is decided there (:mod:`voxelrock.kernels.contraction`): a piece is as large as the surface of its box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any, NamedTuple, Protocol

import numpy as np

from voxelrock.errors import DataError
from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import kernel, to_host
from voxelrock.kernels.basins import Drained, drain, index_in_image, lowest, passes
from voxelrock.kernels.contraction import Kept
from voxelrock.kernels.descent import OUTSIDE
from voxelrock.kernels.forests import Basins, Edges, places, spanning
from voxelrock.kernels.planes import Plane, assembled, meeting, tiled
from voxelrock.kernels.surfaces import SIDES
from voxelrock.typing import Block, HostArray, Triple

Side = tuple[int, bool]
_NONE = np.empty(0, np.int64)


class Purpose(Protocol):
    """What is asked of the graph, and what the voxels of a basin get from the answer."""

    @property
    def takes(self) -> str:
        """What the third image is: ``"markers"``, ``"seeds"``, or nothing (``""``)."""
        ...

    def settle(self, basins: Basins, edges: Edges, opened: HostArray, voxels: int) -> tuple[Kept, HostArray, Any]:
        """What of a box's graph must go on to a larger one, ids of regions that are to be numbered, and how the rest depends on them.

        ``opened`` says which basins reach a side where the image goes on; the edges ascend; ``voxels`` is the size of the image.
        """
        ...

    def resolve(self, log: Any, kept: HostArray, values: HostArray, numbers: HostArray) -> HostArray:
        """The value of each basin of a box: from those of the ones that were kept, and the numbers of regions."""
        ...

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """The result in a block, from its labels, its own voxels and the value of each label (``values[0]`` stands for outside)."""
        ...


@dataclass(frozen=True)
class Rules:
    """What all tasks share: the image's shape, the neighbourhood, and what is asked."""

    extent: Triple
    connectivity: int
    purpose: Purpose

    @property
    def voxels(self) -> int:
        """The size of the image."""
        return int(np.prod(self.extent, dtype=np.int64))

    def open_sides(self, box: VoxelBox) -> list[Side]:
        """The sides of a box where the image goes on."""
        return [(axis, low) for axis, low in SIDES if (box.start[axis] > 0 if low else box.stop[axis] < self.extent[axis])]


@dataclass(frozen=True)
class Catchment:
    """A box: its graph, on each open side the numbers of basins (from 1, of ``opened``, their ids) and the values of voxels that have one.

    ``finished`` are the ids of regions that are to be numbered: those that were finished last, then those of each part.
    """

    box: VoxelBox
    faces: dict[Side, Plane]
    values: dict[Side, HostArray]
    opened: HostArray
    basins: Basins
    edges: Edges
    finished: HostArray


class Part(NamedTuple):
    """A part of a box: the place in the box's graph of each of its basins (of a block: of each label), and how many finished regions it has."""

    box: VoxelBox
    places: HostArray
    finished: int


class Joint(NamedTuple):
    """What stays for the way down: which basins of a graph went on, how the others depend on them, how many regions were finished, and the parts."""

    kept: HostArray
    log: Any
    finished: int
    parts: list[Part]


class Message(NamedTuple):
    """The values of the basins of a box that went on (of a block: of all labels), and the numbers of the regions that were finished in it."""

    values: HostArray
    numbers: HostArray


def _fallen(blocks: tuple[Block, ...], rules: Rules) -> tuple[Drained, HostArray]:
    """The basins of a block, and the block."""
    code, block = to_host(blocks[0]), to_host(blocks[1])
    grey = (block, *blocks[2:]) if rules.purpose.takes == "seeds" else (block,)
    if block.dtype.kind == "f" and any(bool(np.isnan(to_host(values)[code != OUTSIDE]).any()) for values in grey):
        raise DataError("NaN has no place in the order of values: restrict the image (where=), or declare it (image.assign(nodata=float('nan')))")
    return drain(code, to_host(blocks[2]) if rules.purpose.takes == "markers" else None), block


def _drained(blocks: tuple[Block, ...], rules: Rules, start: Triple) -> tuple[Drained, HostArray, HostArray]:
    """The basins of a block, the id of each, and the block."""
    found, block = _fallen(blocks, rules)
    z, y, x = (found.exits + np.array(start)).T
    leaving = -1 - ((z * rules.extent[1] + y) * rules.extent[2] + x)
    marks = found.marks + rules.voxels
    return found, np.concatenate([marks, leaving, index_in_image(found.minima, found.labels.shape, start, rules.extent)]), block


def _nodes(ids: HostArray, bottom: HostArray, seed: HostArray) -> Basins:
    """Nodes from rows that may name one twice."""
    unique, place = np.unique(ids, return_inverse=True)
    nodes = Basins(unique, np.full(unique.size, np.inf), np.full(unique.size, np.inf))
    np.minimum.at(nodes.bottom, place, bottom)
    np.minimum.at(nodes.seed, place, seed)
    return nodes


def _edges(block: HostArray, found: tuple[HostArray, ...], ids: HostArray, start: Triple, extent: Triple) -> Edges:
    """The passes between the basins of a block whose label l has the id ``ids[l - 1]``, as :func:`~voxelrock.kernels.basins.passes` found them."""
    a, b, high, low = found
    flat = block.reshape(-1)
    there = (index_in_image(index, block.shape, start, extent) for index in (high, low))
    return Edges(ids[a - 1], ids[b - 1], flat[high].astype("f8"), next(there), flat[low].astype("f8"), next(there))


def _face(array: HostArray, axis: int, low: bool) -> HostArray:
    return np.array(np.take(array, 0 if low else -1, axis=axis))


@kernel(cost=30.0, workspace=8.0, host_only="it follows ways from voxel to voxel")
def catchment(*blocks: Block, rules: Rules, start: Any, shape: Any) -> tuple[Catchment, Joint]:
    """The piece of one block, from its :func:`~voxelrock.kernels.descent.descent`, its voxels, and markers or seeds.

    It runs on the host: a device's block is copied. Memory: 20 bytes per voxel, 600 for each basin of the block.

    Raises
    ------
    DataError
        NaN among the voxels.
    """
    found, ids, block = _drained(blocks, rules, start)
    box = VoxelBox(start, tuple(a + n for a, n in zip(start, found.labels.shape)))
    block = np.ascontiguousarray(block)
    bottom, seed = np.full(ids.size, np.inf), np.full(ids.size, np.inf)
    bottom[ids.size - found.minima.size :] = block.reshape(-1)[found.minima]
    if rules.purpose.takes == "seeds":
        seeds = np.ascontiguousarray(to_host(blocks[2])).reshape(-1)
        lowest(seeds.view(np.uint8) if seeds.dtype == bool else seeds, found.labels.reshape(-1), seed)
    nodes = _nodes(ids, bottom, seed)
    edges = spanning(_edges(block, passes(block, found.labels, rules.connectivity, code=found.code), ids, start, rules.extent), nodes.ids)
    sides = rules.open_sides(box) if box.size else []
    planes = {side: _face(found.labels, *side) for side in sides}
    values = {side: _face(block, *side)[plane > 0] for side, plane in planes.items()}
    faces, opened = _numbered(planes, ids)
    return _settled(Catchment(box, faces, values, opened, nodes, edges, _NONE), [Part(box, _places(nodes, ids), 0)], rules)


@kernel(cost=30.0, workspace=8.0, host_only="it follows ways from voxel to voxel")
def graph(*blocks: Block, rules: Rules, start: Any, shape: Any) -> Catchment:
    """The piece alone. It runs on the host: a device's block is copied."""
    return catchment(*blocks, rules=rules, start=start, shape=shape)[0]


def _places(nodes: Basins, ids: HostArray) -> HostArray:
    return places(nodes.ids, ids).astype(np.int32)


def _settled(piece: Catchment, parts: list[Part], rules: Rules) -> tuple[Catchment, Joint]:
    """The piece without what is decided inside its box, and what depends on the rest; ``finished`` are the regions of the parts."""
    opened = np.isin(piece.basins.ids, piece.opened, assume_unique=True)
    kept, regions, log = rules.purpose.settle(piece.basins, piece.edges, opened, rules.voxels)
    finished = np.concatenate([regions, piece.finished])
    return replace(piece, basins=kept.basins, edges=kept.edges, finished=finished), Joint(kept.places, log, regions.size, parts)


def _numbered(planes: dict[Side, HostArray], ids: HostArray) -> tuple[dict[Side, Plane], HostArray]:
    """Planes of labels with the labels that occur in them counted from 1, and the ids of these."""
    coded = {side: Plane.of(plane) for side, plane in planes.items()}
    seen = np.unique(np.concatenate([plane.labels for plane in coded.values()])) if coded else np.empty(0, np.int64)
    seen = seen[seen > 0]
    number = np.zeros(ids.size + 1, np.int32)
    number[seen] = np.arange(1, seen.size + 1)
    return {side: plane.renamed(number) for side, plane in coded.items()}, ids[seen - 1]


class _Slab(NamedTuple):
    """Two planes that lie side by side across a cut through a box: numbers and values of their voxels."""

    start: Triple
    axis: int
    labels: HostArray
    values: HostArray

    def edges(self, ids: HostArray, rules: Rules) -> Edges:
        """The passes from one plane to the other."""
        return _edges(self.values, passes(self.values, self.labels, rules.connectivity, across=self.axis), ids, self.start, rules.extent)


def _dense(plane: Plane, values: HostArray) -> HostArray:
    """The values of a face, 0 where there is no basin."""
    there = plane.dense() > 0
    out = np.zeros(there.shape, values.dtype)
    out[there] = values
    return out


def _slabs(pieces: list[Catchment], box: VoxelBox) -> Iterator[_Slab]:
    """One after the other: that of a large box is large."""
    shifts = np.cumsum([0, *(piece.opened.size for piece in pieces)]).tolist()
    for axis in range(3):
        for cut, before, after in meeting([piece.box for piece in pieces], axis):
            a, b = (other for other in range(3) if other != axis)
            labels, values = [], []
            for side, low in ((before, False), (after, True)):
                corner = [(pieces[i].box.start[a] - box.start[a], pieces[i].box.start[b] - box.start[b]) for i in side]
                moved = [pieces[i].faces[axis, low].renamed(np.arange(pieces[i].opened.size + 1) + shifts[i]) for i in side]
                labels.append(assembled((plane, *place) for plane, place in zip(moved, corner)))
                values.append(tiled([(_dense(pieces[i].faces[axis, low], pieces[i].values[axis, low]), *place) for i, place in zip(side, corner)]))
            start = tuple(cut - 1 if other == axis else box.start[other] for other in range(3))
            yield _Slab(start, axis, np.stack(labels, axis), np.stack(values, axis))  # type: ignore[arg-type]


def _contacts(pieces: list[Catchment], box: VoxelBox, opened: HostArray, leaving: HostArray, rules: Rules) -> tuple[list[Edges], HostArray, HostArray]:
    """The passes across all cuts; of the basins that leave their boxes, those whose way is known now, ascending, and the ids that they turn out to be."""
    edges, known = [], np.full(leaving.size, np.iinfo(np.int64).min)
    there = np.stack(np.unravel_index(-1 - leaving, rules.extent), axis=-1) if leaving.size else np.empty((0, 3), np.int64)
    for slab in _slabs(pieces, box):
        edges.append(slab.edges(opened, rules))
        place = there - np.array(slab.start)
        inside = np.flatnonzero(((place >= 0) & (place < np.array(slab.labels.shape))).all(axis=1))
        known[inside] = opened[slab.labels[tuple(place[inside].T)] - 1]
    found = known != np.iinfo(np.int64).min
    names, values = leaving[found], known[found]
    while True:  # a way may go through several boxes
        further = _renamed(values, names, values)
        if np.array_equal(further, values):
            return edges, names, values
        values = further


def _renamed(ids: HostArray, names: HostArray, values: HostArray) -> HostArray:
    """Ids with those among the ascending ``names`` replaced."""
    if not names.size:
        return ids
    place = np.minimum(np.searchsorted(names, ids), names.size - 1)
    return np.where(names[place] == ids, values[place], ids)


def join(pieces: list[Catchment], rules: Rules) -> tuple[Catchment, Joint]:
    """The piece of the box that several pieces tile, and what their basins turned out to be.

    Memory: the pieces' graphs three times, and two planes.
    """
    box = reduce(or_, (piece.box for piece in pieces))
    parts = [piece for piece in pieces if piece.box.size]
    opened = np.concatenate([np.empty(0, np.int64), *(piece.opened for piece in parts)])
    rows = Basins(*(np.concatenate(columns) for columns in zip(*(piece.basins for piece in pieces))))
    contacts, names, values = _contacts(parts, box, opened, np.unique(rows.ids[rows.ids < 0]), rules)
    nodes = _nodes(_renamed(rows.ids, names, values), rows.bottom, rows.seed)
    edges = Edges(*(np.concatenate(columns) for columns in zip(*(piece.edges for piece in pieces), *contacts)))
    edges = spanning(edges._replace(a=_renamed(edges.a, names, values), b=_renamed(edges.b, names, values)), nodes.ids)
    faces, heights, still = _outside(parts, box, _renamed(opened, names, values), rules)
    below = [Part(piece.box, _places(nodes, _renamed(piece.basins.ids, names, values)), piece.finished.size) for piece in pieces]
    finished = np.concatenate([piece.finished for piece in pieces])
    return _settled(Catchment(box, faces, heights, still, nodes, edges, finished), below, rules)


def _outside(parts: list[Catchment], box: VoxelBox, opened: HostArray, rules: Rules) -> tuple[dict[Side, Plane], dict[Side, HostArray], HostArray]:
    """The faces of a joined box: numbers, values, and the ids of the numbers."""
    ids, same = np.unique(opened, return_inverse=True)
    shifts = np.cumsum([0, *(piece.opened.size for piece in parts)]).tolist()
    planes, values = {}, {}
    for axis, low in rules.open_sides(box) if box.size else []:
        limit = (box.start if low else box.stop)[axis]
        a, b = (other for other in range(3) if other != axis)
        row = [(i, p) for i, p in enumerate(parts) if (p.box.start if low else p.box.stop)[axis] == limit]
        corner = [(p.box.start[a] - box.start[a], p.box.start[b] - box.start[b]) for _, p in row]
        moved = [p.faces[axis, low].renamed(np.append(0, same[shifts[i] : shifts[i + 1]] + 1)) for i, p in row]
        planes[axis, low] = assembled((plane, *place) for plane, place in zip(moved, corner))
        whole = tiled([(_dense(p.faces[axis, low], p.values[axis, low]), *place) for (_, p), place in zip(row, corner)])
        values[axis, low] = whole[planes[axis, low] > 0]
    faces, still = _numbered(planes, ids)
    return faces, values, still


@dataclass(frozen=True)
class JoinedCatchments:
    """Joins pieces for reductions that need the graph alone."""

    rules: Rules

    def __call__(self, partials: list[Catchment]) -> Catchment:
        return join(partials, self.rules)[0]


def begin(whole: Catchment, rules: Rules) -> Message:
    """The numbers of all regions, from 1 in the order of their ids; nothing goes on from the whole image."""
    numbers = np.empty(whole.finished.size, np.int64)
    numbers[np.argsort(whole.finished)] = np.arange(1, numbers.size + 1)
    return Message(np.empty(0), numbers)


def descend(joint: Joint, message: Message, rules: Rules) -> dict[VoxelBox, Message]:
    """The message to each part of a box: the values of its basins, and the numbers of its regions."""
    values = rules.purpose.resolve(joint.log, joint.kept, message.values, message.numbers[: joint.finished])
    ends = joint.finished + np.cumsum([0, *(part.finished for part in joint.parts)])
    return {part.box: Message(values[part.places], message.numbers[a:b]) for part, a, b in zip(joint.parts, ends, ends[1:])}


@kernel(cost=15.0, workspace=8.0, host_only="it follows ways from voxel to voxel")
def filled(*blocks: Block, rules: Rules, message: Message, dtype: str, start: Any, shape: Any) -> HostArray:
    """The block with what its basins' values make of its voxels. It runs on the host."""
    found, block = _fallen(blocks, rules)
    values = np.append(np.zeros(1, message.values.dtype), message.values)
    return rules.purpose.voxels(found.labels, block, values, np.dtype(dtype))
