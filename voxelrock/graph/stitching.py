"""The pattern for what neighbouring blocks must agree on: components, basins. Every block is looked at twice, and never kept.

The first pass makes a small piece of each block: what it knows by itself, and what its surface shows to its neighbours. Pieces join in a
tree, eight neighbours at a time, up to the whole image; then messages go down the same tree, each one only what its box must know, and a
second pass, with blocks that are read or made anew, applies them. A node keeps its joint (what the way down needs) and lets its piece go. Joints
of large images lie in files (:mod:`voxelrock.graph.places`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import List, Task, TaskRef
from dask.highlevelgraph import HighLevelGraph

from voxelrock.errors import VoxelrockError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import check_shapes, lift, tiling_of
from voxelrock.graph.expressions import Expression
from voxelrock.graph.fresh import again
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.layers import BESIDE, BlockLayer, LazyLayer
from voxelrock.graph.places import Place, kept
from voxelrock.graph.trees import below, levels
from voxelrock.graph.trees import nodes as nodes_of
from voxelrock.kernels.backend import Kernel, to_host
from voxelrock.typing import Block, HostArray, Triple

Joined = tuple[Any, Any, dict[VoxelBox, Any]]
"""What a node makes: its piece, its joint as it is kept, and the joints of the blocks that it joined."""

Told = tuple[Any, Any]
"""A message, and the block's own joint as it was kept."""


@dataclass(frozen=True)
class Stitching:
    """An operation on blocks that know their neighbours through their surfaces alone.

    Parameters
    ----------
    label
        A kernel from blocks to ``(piece, joint)``; gets ``start`` and ``shape`` of the block, and ``rules``. The joint is what the second pass
        would otherwise have to find once more, or None.
    merge
        ``merge(pieces, rules)``: the piece of a box from those that tile it, and the joint that its messages depend on. It finds the contacts.
    begin
        ``begin(piece, rules)``: the message to the whole image.
    descend
        ``descend(joint, message, rules)``: the messages to the boxes that were joined, by box; of a block's own joint, to that block.
    relabel
        A kernel from blocks and their ``message`` to the result; also gets ``dtype``, ``start``, ``shape`` and ``rules``.
    joints
        Bytes per voxel that joints take in all, roughly: decides between memory and files. 0 where they are small: always memory.
    """

    label: Kernel[Any, Any]
    merge: Callable[[list[Any], Any], tuple[Any, Any]]
    begin: Callable[[Any, Any], Any]
    descend: Callable[[Any, Any, Any], dict[VoxelBox, Any]]
    relabel: Kernel[Any, Any]
    joints: float = 0.0

    def __call__(self, *images: da.Array, rules: Any, dtype: Any) -> da.Array:
        """Lazy; the tiling of the first image. ``rules`` is what all tasks share: a value with an identity.

        Two tasks a block over stored images; where blocks look at their neighbours' borders, two more for each pass that does.

        Raises
        ------
        ParameterError
            The images have different shapes.
        """
        check_shapes(images)
        roots = tuple(lift(image) for image in images)
        layer = StitchedLayer(self, roots, tiling_of(images[0]), rules, np.dtype(dtype))
        graph = HighLevelGraph.from_collections(layer.name, layer, dependencies=layer.upstream())
        return da.Array(graph, layer.name, layer.tiling.chunks, meta=np.empty((0, 0, 0), dtype))


@dataclass(frozen=True)
class _Label:
    """The end of a task of the first pass."""

    kernel: Kernel[Any, Any]
    rules: Any
    place: Place

    def __call__(self, box: VoxelBox, blocks: list[Block], lazy: dict[str, Any]) -> tuple[Any, VoxelBox, Any]:
        try:
            piece, joint = self.kernel(*blocks, rules=self.rules, start=box.start, shape=box.shape)
            return piece, box, self.place.keep(joint)
        except VoxelrockError as error:
            raise error.at(box) from None


@dataclass(frozen=True)
class _Relabel:
    """The end of a task of the second pass."""

    stitching: Stitching
    rules: Any
    dtype: str

    def __call__(self, box: VoxelBox, blocks: list[Block], lazy: dict[str, Any]) -> HostArray:
        if not box.size:
            return np.empty(box.shape, self.dtype)
        message, own = lazy[BESIDE][box]
        if own is not None:
            message = self.stitching.descend(kept(own), message, self.rules)[box]
        return to_host(self.stitching.relabel(*blocks, rules=self.rules, message=message, dtype=self.dtype, start=box.start, shape=box.shape))


def merge_pieces(stitching: Stitching, rules: Any, place: Place, blocks: list[tuple[Any, VoxelBox, Any]]) -> Joined:
    """Join the pieces of neighbours."""
    piece, joint = stitching.merge([piece for piece, _, _ in blocks], rules)
    return piece, place.keep(joint), {box: own for _, box, own in blocks}


def merge_nodes(stitching: Stitching, rules: Any, place: Place, nodes: list[Joined]) -> Joined:
    """Join the pieces of nodes of the level below."""
    piece, joint = stitching.merge([piece for piece, _, _ in nodes], rules)
    return piece, place.keep(joint), {}


def joint_of(node: Joined) -> Any:
    """What a node keeps for the way down; its piece is free once the level above has it."""
    return node[1:]


def _told(found: dict[VoxelBox, Any], owns: dict[VoxelBox, Any]) -> dict[VoxelBox, Told]:
    return {box: (message, owns.get(box)) for box, message in found.items()}


def descend_from(stitching: Stitching, rules: Any, box: VoxelBox, joint: Any, messages: dict[VoxelBox, Told]) -> dict[VoxelBox, Told]:
    """The messages to the boxes below a node, from those of the level above."""
    return _told(stitching.descend(kept(joint[0]), messages[box][0], rules), joint[1])


def descend_from_root(stitching: Stitching, rules: Any, root: Joined) -> dict[VoxelBox, Told]:
    """The messages to the boxes below the whole image."""
    return _told(stitching.descend(kept(root[1]), stitching.begin(root[0], rules), rules), root[2])


@dataclass(frozen=True)
class _Level:
    """One level of the tree: for each node the nodes (or blocks) that it joins, and its box."""

    number: int
    nodes: dict[Triple, list[Triple]]
    boxes: dict[Triple, VoxelBox]

    @property
    def above(self) -> dict[Triple, Triple]:
        """The node that each of the nodes or blocks below belongs to."""
        return {index: node for node, found in self.nodes.items() for index in found}


def _levels(tiling: Tiling) -> list[_Level]:
    found: list[_Level] = []
    boxes = {index: tiling.box(index) for index in tiling}
    for number, (counts, above) in enumerate(list(levels(tiling.blocks)) or [((1, 1, 1), (1, 1, 1))]):
        nodes = {index: below(index, above, counts) for index in nodes_of(above)}
        boxes = {index: reduce(or_, (boxes[i] for i in joined)) for index, joined in nodes.items()}
        found.append(_Level(number, nodes, boxes))
    return found


class StitchedLayer(LazyLayer):
    """Two tasks per block, and three per node of the tree; the blocks of the result are ``(name, z, y, x)``.

    ``meaning`` is the identity of the result whatever its blocks.
    """

    def __init__(self, stitching: Stitching, roots: tuple[Expression, ...], tiling: Tiling, rules: Any, dtype: np.dtype[Any]) -> None:
        super().__init__()
        self.place = Place.of(stitching.joints * np.prod(tiling.shape, dtype=float))
        self.stitching, self.roots, self.tiling, self.rules, self.dtype = stitching, roots, tiling, rules, dtype
        facts = stitching.label, stitching.merge, stitching.begin, stitching.descend, stitching.relabel
        self.meaning = fingerprint("stitching", *facts, [r.identity for r in roots], rules, dtype)
        self.name = f"{stitching.relabel.__name__}-{fingerprint(self.meaning, tiling.chunks)[:32]}"
        second = tuple(again(root, self.meaning) for root in roots)
        self.first = BlockLayer(f"{self.name}-pieces", roots, tiling, _Label(stitching.label, rules, self.place))
        self.second = BlockLayer(self.name, second, tiling, _Relabel(stitching, rules, dtype.str))

    def upstream(self) -> list[Any]:
        """The Dask arrays that both passes get blocks or values from."""
        return [*self.first.upstream(), *self.second.upstream()]

    @property
    def small_keys(self) -> set[Any]:
        """The messages: what is made of the result's blocks a second time uses them as they are."""
        return {self._key("messages", level.number, index) for level in _levels(self.tiling) for index in level.nodes}

    def tasks(self) -> Iterator[Task]:
        """First pass, tree up, tree down, second pass."""
        self.place.watch(self, (self.first.name, *(f"{self.name}-{what}" for what in ("node", "joint", "messages"))))
        yield from self.first.tasks()
        tree = _levels(self.tiling)
        yield from self._up(tree)
        yield from self._down(tree)
        messages = {index: self._key("messages", 0, node) for index, node in tree[0].above.items()}
        yield from self.second.tasks(messages)

    def _key(self, what: str, level: int, index: Triple) -> tuple[Any, ...]:
        return (f"{self.name}-{what}", level, *index)

    def _up(self, tree: list[_Level]) -> Iterator[Task]:
        for level in tree:
            merge = merge_nodes if level.number else merge_pieces
            for index, found in level.nodes.items():
                parts = [self._key("node", level.number - 1, i) if level.number else (self.first.name, *i) for i in found]
                yield Task(self._key("node", level.number, index), merge, self.stitching, self.rules, self.place, List(*map(TaskRef, parts)))
                if level is not tree[-1]:
                    yield Task(self._key("joint", level.number, index), joint_of, TaskRef(self._key("node", level.number, index)))

    def _down(self, tree: list[_Level]) -> Iterator[Task]:
        top = tree[-1].number
        root = (0, 0, 0)
        yield Task(self._key("messages", top, root), descend_from_root, self.stitching, self.rules, TaskRef(self._key("node", top, root)))
        for level, higher in zip(tree[-2::-1], tree[:0:-1]):
            above = higher.above
            for index, box in level.boxes.items():
                joint, messages = self._key("joint", level.number, index), self._key("messages", higher.number, above[index])
                yield Task(self._key("messages", level.number, index), descend_from, self.stitching, self.rules, box, TaskRef(joint), TaskRef(messages))
