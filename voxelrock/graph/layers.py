"""Task graphs: one layer per pattern, made when Dask asks for it. The only place that writes tasks for blocks.

Over sources a block is one task. Over blocks of other tasks, a block that needs no more than its own voxels is one task; one that looks
further gets copies of its neighbours' borders: each block gives its faces and its edges (two tasks), so no neighbour is sent whole.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.highlevelgraph import Layer, MaterializedLayer

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.evaluation import Given, evaluate
from voxelrock.graph.expressions import Apply, Blocks, Expression, Margin, Value, leaves, reach, required, values, walk, wide
from voxelrock.kernels.backend import is_cupy, to_host
from voxelrock.typing import Block, HostArray, Triple

Border = dict[tuple[Any, ...], HostArray]

BESIDE = "beside"
"""Where a block's task finds what was made for this block alone, among its lazy parameters."""


class Piece(NamedTuple):
    """A part of a leaf that a task gets as an argument: of which block, whole or a border, and which voxels."""

    leaf: str
    block: VoxelBox
    voxels: VoxelBox
    side: tuple[Any, ...]


class LazyLayer(Layer):
    """A layer whose tasks are made when they are first looked at."""

    def __init__(self) -> None:
        super().__init__()

    def tasks(self) -> Iterator[Task]:
        """All tasks of the layer."""
        raise NotImplementedError

    @cached_property
    def mapping(self) -> dict[Any, Task]:
        """Key to task."""
        return {task.key: task for task in self.tasks()}

    def __getitem__(self, key: Any) -> Task:
        return self.mapping[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.mapping)

    def __len__(self) -> int:
        return len(self.mapping)

    def __contains__(self, key: object) -> bool:
        return key in self.mapping

    def is_materialized(self) -> bool:
        """Whether the tasks were made already."""
        return "mapping" in self.__dict__

    def get_output_keys(self) -> Set[Any]:
        """The keys that others may use."""
        return self.mapping.keys()

    def __reduce__(self) -> tuple[Any, ...]:
        return MaterializedLayer, (self.mapping,)


class Inputs:
    """How the tasks of one layer get what they need from other tasks: arguments per block, and the tasks that copy borders."""

    def __init__(self, name: str, roots: tuple[Expression, ...], extra: tuple[Value, ...] = (), margins: tuple[Margin, ...] = ()) -> None:
        self.name, self.roots, self.margins = name, roots, margins
        self.blocks = [leaf for leaf in leaves(*roots) if isinstance(leaf, Blocks)]
        self.values = list({v.identity: v for v in (*values(*roots), *extra)}.values())
        self.halos = reach(*roots, margins=margins)

    def shares_borders(self, leaf: Blocks) -> bool:
        """Whether a block of this leaf needs its neighbours' borders."""
        halo = self.halos[leaf.identity]
        return halo is not None and any(h and n > 1 for h, n in zip(halo, leaf.tiling.blocks))

    def border_tasks(self) -> Iterator[Task]:
        """The copies of faces and edges."""
        for number, leaf in enumerate(self.blocks):
            if self.shares_borders(leaf):
                halo = self.halos[leaf.identity]
                for index in leaf.tiling:
                    block = TaskRef((leaf.name, *index))
                    yield Task((f"{self.name}-faces", number, *index), copy_faces, block, halo)
                    yield Task((f"{self.name}-edges", number, *index), copy_edges, block, halo)

    def arguments(self, box: VoxelBox) -> tuple[tuple[Piece, ...], list[TaskRef]]:
        """For a box of the roots, the pieces that its task gets and the tasks that deliver them."""
        if not self.blocks:
            return (), [TaskRef(v.key) for v in self.values]
        need = required(wide(self.roots, self.margins, box))
        core = required([(root, box) for root in self.roots], halo=False)
        pieces: list[Piece] = []
        refs: list[TaskRef] = []
        for number, leaf in enumerate(self.blocks):
            shared = self.shares_borders(leaf)
            home = core[leaf.identity] if shared else need[leaf.identity]
            for index in leaf.tiling.touched(need[leaf.identity]):
                block = leaf.tiling.box(index)
                side, kind = _side(block, home)
                pieces.append(Piece(leaf.identity, block, block & need[leaf.identity], side))
                refs.append(TaskRef((f"{self.name}-{kind}", number, *index) if kind else (leaf.name, *index)))
        return tuple(pieces), refs + [TaskRef(v.key) for v in self.values]


def _side(block: VoxelBox, home: VoxelBox) -> tuple[tuple[tuple[int, bool], ...], str]:
    """On which sides of ``block`` the voxels lie that ``home`` needs (axis, at its start); none where they share voxels."""
    sides: list[tuple[int, bool]] = []
    for axis in range(3):
        if block.start[axis] >= home.stop[axis]:
            sides.append((axis, True))
        elif block.stop[axis] <= home.start[axis]:
            sides.append((axis, False))
    if not sides:
        return (), ""
    return tuple(sides[:2]), "faces" if len(sides) == 1 else "edges"


def _border(block: HostArray, halo: Triple, sides: tuple[tuple[int, bool], ...]) -> HostArray:
    index = [slice(None)] * 3
    for axis, low in sides:
        n, h = block.shape[axis], min(halo[axis], block.shape[axis])
        index[axis] = slice(0, h) if low else slice(n - h, n)
    return np.array(block[tuple(index)])  # a copy: a view would keep the whole block alive


def copy_faces(block: HostArray, halo: Triple) -> Border:
    """The six faces of a block, as thick as the halo."""
    return {((axis, low),): _border(block, halo, ((axis, low),)) for axis in range(3) if halo[axis] for low in (True, False)}


def copy_edges(block: HostArray, halo: Triple) -> Border:
    """The twelve edges of a block (corners included), as thick as the halo."""
    return {
        ((a, p), (b, q)): _border(block, halo, ((a, p), (b, q)))
        for a in range(3)
        for b in range(a + 1, 3)
        if halo[a] and halo[b]
        for p in (True, False)
        for q in (True, False)
    }


def gather(wanted: list[tuple[Expression, VoxelBox]], pieces: tuple[Piece, ...], delivered: tuple[Any, ...]) -> Given:
    """Put the pieces of each leaf together; a leaf of which no voxel is needed has none."""
    waited = [leaf for leaf in leaves(*(root for root, _ in wanted)) if isinstance(leaf, Blocks)]
    if not waited:
        return {}
    need = required(wanted)
    given: Given = {leaf.identity: (need[leaf.identity], np.empty(need[leaf.identity].shape, leaf.dtype)) for leaf in waited if not need[leaf.identity].size}
    for piece, data in zip(pieces, delivered):
        part, have = (data, piece.block) if not piece.side else (data[piece.side], _border_box(piece, data[piece.side].shape))
        if piece.voxels not in have:
            raise RuntimeError(f"the border {have} of a block does not hold {piece.voxels}")
        part = part[piece.voxels.within(have).slices]
        whole = need[piece.leaf]
        if piece.voxels == whole:
            given[piece.leaf] = whole, part
            continue
        if piece.leaf not in given:
            given[piece.leaf] = whole, np.empty(whole.shape, part.dtype)
        given[piece.leaf][1][piece.voxels.within(whole).slices] = part
    return given


def _border_box(piece: Piece, shape: tuple[int, ...]) -> VoxelBox:
    start, stop = list(piece.block.start), list(piece.block.stop)
    for axis, low in piece.side:
        if low:
            stop[axis] = start[axis] + shape[axis]
        else:
            start[axis] = stop[axis] - shape[axis]
    return VoxelBox((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


@dataclass(frozen=True, eq=False)
class Plan:
    """What every task of a layer shares: what to evaluate, with which margins, what to do with it, and the identities of its lazy parameters.

    It is a task that all of them depend on: on clusters tasks travel one by one, and what they carry costs client, scheduler and workers time.
    """

    roots: tuple[Expression, ...]
    margins: tuple[Margin, ...]
    finish: Callable[..., Any]
    parameters: tuple[str, ...]
    tiling: Tiling

    @cached_property
    def fed(self) -> bool:
        """Whether other tasks deliver blocks."""
        return any(isinstance(leaf, Blocks) for leaf in leaves(*self.roots))

    @cached_property
    def packed(self) -> bytes:
        """All of it as a pickle, functions of notebooks too."""
        packed: bytes = cloudpickle.dumps((self.roots, self.margins, self.finish, self.parameters, self.tiling))
        return packed

    def __reduce__(self) -> tuple[Any, ...]:
        return unpacked, (self.packed,)


@lru_cache(maxsize=64)
def unpacked(packed: bytes) -> Plan:
    """The plan in a pickle; the same object for the same bytes."""
    return Plan(*pickle.loads(packed))


def as_it_is(shared: Any) -> Any:
    """What many tasks share, as a task that they depend on: it travels once to each worker, not with each of them."""
    return shared


def varies(tasks: Mapping[Any, Any]) -> bool:
    """Whether a kernel among the tasks is equal to a tolerance only from device to device."""
    plans = [task.args[0] for task in tasks.values() if getattr(task, "func", None) is as_it_is and isinstance(task.args[0], Plan)]
    return any(inexact(*plan.roots) for plan in plans)


def inexact(*roots: Expression) -> bool:
    """Whether a kernel below the roots is equal to a tolerance only from device to device."""
    return any(isinstance(node, Apply) and not node.kernel.exact for node in walk(*roots))


def run(plan: Plan, index: Triple, pieces: tuple[Piece, ...] | None, *delivered: Any) -> Any:
    """One task: evaluate the roots on a block and finish; or learn from ``finish`` what it knows without any voxel."""
    box, pieces = plan.tiling.box(index), pieces or ()
    count = len(pieces)
    lazy = {identity: v if identity == BESIDE else _plain(v) for identity, v in zip(plan.parameters, delivered[count:])}
    known = plan.finish.known(box, lazy) if hasattr(plan.finish, "known") else None
    if known is not None:
        return known
    wanted = wide(plan.roots, plan.margins, box)
    given = gather(wanted, pieces, delivered[:count]) if plan.fed else {}
    blocks = evaluate(wanted, given, lazy)
    del given, delivered
    return _finished(plan, box, blocks, lazy)


def _finished(plan: Plan, box: VoxelBox, blocks: list[Block], lazy: dict[str, Any]) -> Any:
    """The end of a task; on the host where a device's memory does not hold it."""
    try:
        return plan.finish(box, blocks, lazy)
    except MemoryError:
        if not any(is_cupy(block) for block in blocks):
            raise
    return plan.finish(box, [to_host(block) for block in blocks], lazy)


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array


class BlockLayer(LazyLayer):
    """One task per block of a tiling, with what it needs from other layers; the keys are ``(name, z, y, x)``."""

    def __init__(
        self,
        name: str,
        roots: tuple[Expression, ...],
        tiling: Tiling,
        finish: Callable[..., Any],
        extra: tuple[Value, ...] = (),
        skip: Set[Triple] = frozenset(),
        margins: tuple[Margin, ...] = (),
    ) -> None:
        super().__init__()
        self.name, self.roots, self.tiling, self.finish, self.skip = name, roots, tiling, finish, skip
        self.inputs = Inputs(name, roots, extra, margins)

    def tasks(self, beside: Mapping[Triple, Any] | None = None) -> Iterator[Task]:
        """The blocks' tasks, and those that copy borders for them.

        ``beside`` names a key for each block, whose result ``finish`` finds among the lazy parameters under :data:`BESIDE`.
        """
        parameters = (*(v.identity for v in self.inputs.values), *(() if beside is None else (BESIDE,)))
        shared = f"{self.name}-plan"
        yield Task(shared, as_it_is, Plan(self.roots, self.inputs.margins, self.finish, parameters, self.tiling))
        plan = TaskRef(shared)
        yield from self.inputs.border_tasks()
        for index in self.tiling:
            if index not in self.skip:
                box = self.tiling.box(index)
                pieces, refs = self.inputs.arguments(box)
                if beside is not None:
                    refs.append(TaskRef(beside[index]))
                yield Task((self.name, *index), run, plan, index, pieces or None, *refs)

    def upstream(self) -> list[Any]:
        """The Dask arrays that the layer's tasks get blocks or values from."""
        return [leaf.array for leaf in self.inputs.blocks] + [v.array for v in self.inputs.values]
