"""What computing lazy arrays asks for, predicted from all layers of their graphs: tasks, bytes, and time by the kernels' costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.budget import named_bytes, peak_bytes
from voxelrock.graph.evaluation import evaluate
from voxelrock.graph.execution import merge_readings
from voxelrock.graph.expressions import Apply, Expression, Margin, Read, leaves, required, values, walk, wide
from voxelrock.graph.layers import BlockLayer
from voxelrock.graph.parcels import ParcelLayer
from voxelrock.graph.places import Place
from voxelrock.graph.reductions import ReductionLayer
from voxelrock.graph.stitching import StitchedLayer
from voxelrock.kernels.backend import Kernel

_READING = 1.5
"""Nanoseconds for each byte that is read from a compressed store, on one core."""
_SMALL = 32
"""Edge of the box that compiles a chain's kernels before it is timed."""


@dataclass(frozen=True)
class Demand:
    """What a graph asks for.

    Parameters
    ----------
    tasks
        How many tasks there are.
    bytes_per_task
        The most that one of them holds at once.
    core_seconds
        The time that they take on one core, by the costs that the kernels declare.
    packed
        Bytes that first passes leave in files of scratch, as far as they can be foreseen.
    """

    tasks: int
    bytes_per_task: int
    core_seconds: float
    packed: int


@dataclass(frozen=True)
class _Pass:
    """One task per block: what it evaluates, and the kernels that finish it."""

    roots: tuple[Expression, ...]
    tiling: Tiling
    finishing: tuple[Kernel[Any, Any], ...] = ()
    beside: int = 0
    margins: tuple[Margin, ...] = ()

    @property
    def box(self) -> VoxelBox:
        """An inner block."""
        return self.tiling.box(tuple(n // 2 for n in self.tiling.blocks))  # type: ignore[arg-type]

    @property
    def bytes(self) -> int:
        """What a task holds."""
        if not self.roots:
            return self.beside
        seen = wide(self.roots, self.margins, self.box)
        given = sum(box.size * root.dtype.itemsize for root, box in seen)
        return max(peak_bytes(seen), int(given * (1 + max((k.workspace for k in self.finishing), default=0.0)))) + self.beside

    def nanoseconds(self, box: VoxelBox) -> float:
        """What a box costs on one core."""
        boxes = required(wide(self.roots, self.margins, box))
        work = sum(kernel.cost for kernel in self.finishing) * box.size
        for node in walk(*self.roots):
            size = boxes[node.identity].size
            work += (
                node.kernel.cost_of(node.parameters) * size
                if isinstance(node, Apply)
                else size * node.dtype.itemsize * _READING
                if isinstance(node, Read)
                else 0.0
            )
        return work

    @property
    def core_seconds(self) -> float:
        """What all blocks cost, by that of an inner one."""
        return 1e-9 * self.nanoseconds(self.box) * np.prod(self.tiling.shape, dtype=float) / max(1, self.box.size)

    @property
    def stands_alone(self) -> bool:
        """Whether a block can be evaluated here and now, from stored voxels alone."""
        return bool(self.roots) and not values(*self.roots) and all(isinstance(leaf, Read) for leaf in leaves(*self.roots))


def demand(*arrays: Any) -> Demand:
    """What computing lazy arrays (Dask's, xarray's) together asks for; nothing is computed, and no task is made where a layer can be counted without."""
    graph = merge_readings(HighLevelGraph.merge(*(a.__dask_graph__() for a in arrays)))
    passes = list(_passes(graph))
    counted = sum(len(p.tiling) for p in passes)
    others = sum(len(layer) for layer in graph.layers.values() if not isinstance(layer, BlockLayer | ReductionLayer | StitchedLayer))
    return Demand(
        tasks=counted + others,
        bytes_per_task=max((p.bytes for p in passes), default=0),
        core_seconds=float(sum(p.core_seconds for p in passes)),
        packed=sum(_packed(layer) for layer in graph.layers.values()),
    )


def measured(*arrays: da.Array) -> float:
    """How long the slowest pass over stored voxels takes here, relative to what its kernels declare: an inner block of it is computed.

    NaN where no pass reads stored voxels alone.
    """
    graph = merge_readings(HighLevelGraph.merge(*(a.__dask_graph__() for a in arrays)))
    alone = [p for p in _passes(graph) if p.stands_alone]
    if not alone:
        return float("nan")
    slowest = max(alone, key=lambda p: p.core_seconds)
    box = slowest.box
    small = VoxelBox(box.start, tuple(min(b, a + _SMALL) for a, b in zip(box.start, box.stop)))  # type: ignore[arg-type]
    for part in (small, box):  # the first compiles
        start = time.perf_counter()
        evaluate([(root, part) for root in slowest.roots], {}, {})
        spent = time.perf_counter() - start
    return spent / max(1e-9, 1e-9 * (slowest.nanoseconds(box) - sum(k.cost for k in slowest.finishing) * box.size))


def _passes(graph: HighLevelGraph) -> Iterator[_Pass]:
    for layer in graph.layers.values():
        if isinstance(layer, ReductionLayer):
            roots = tuple(root for m in layer.works for root in m.roots)
            yield _Pass(roots, layer.tiling, tuple(m.reduction.chunk for m in layer.works), 0, layer.blocks.inputs.margins)
        elif isinstance(layer, StitchedLayer):
            yield _Pass(layer.first.roots, layer.tiling, (layer.stitching.label,))
            second = _Pass(layer.second.roots, layer.tiling, (layer.stitching.relabel,))
            yield _Pass(second.roots, layer.tiling, second.finishing, named_bytes(layer, second.box))
        elif isinstance(layer, ParcelLayer):
            last = layer.take.kernel
            blank = _Pass((), layer.tiling, (last,))
            yield _Pass((), layer.tiling, (last,), int(blank.box.size * 4 * (1 + last.workspace)))
        elif isinstance(layer, BlockLayer):
            yield _Pass(layer.roots, layer.tiling)


def _packed(layer: Any) -> int:
    """Bytes that a first pass leaves in files."""
    if isinstance(layer, StitchedLayer):
        return layer.place.size if layer.place.folder else 0
    if not isinstance(layer, ReductionLayer):
        return 0
    places = [v for m in layer.members for _, v in m.parameters if isinstance(v, Place)]
    return sum(place.size for place in places if place.folder)
