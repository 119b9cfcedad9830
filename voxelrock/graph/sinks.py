"""The pattern that stores an image: one task per write unit, each evaluating the whole chain for its box and writing it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Protocol

import dask.array as da
import numpy as np
from dask.array.optimization import optimize
from dask.base import get_scheduler
from dask.highlevelgraph import HighLevelGraph
from dask.threaded import get as threaded_get

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph import progress
from voxelrock.graph.arrays import lift, tiling_of
from voxelrock.graph.execution import schedule
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.layers import BlockLayer
from voxelrock.kernels.backend import to_host
from voxelrock.typing import Block, HostArray, Triple

_WAITING = 2


class Target(Protocol):
    """Where boxes are written. Picklable; ``write`` is called once for each unit of the tiling, by one task each."""

    @property
    def identity(self) -> str:
        """Which target this is."""
        ...

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store one unit, and record that it is stored once its bytes are safe."""
        ...


@dataclass(frozen=True)
class _Write:
    target: Target
    tiling: Tiling

    def __call__(self, box: VoxelBox, blocks: list[Block], lazy: dict[str, Any]) -> None:
        index = tuple(starts.index(a) for starts, a in zip(self.tiling.starts, box.start))
        self.target.write(index, box, to_host(blocks[0]))  # type: ignore[arg-type]
        progress.advance()


@dataclass(frozen=True)
class Sink:
    """Stores an array in write units of ``tiling``; units in ``done`` are stored already."""

    target: Target
    tiling: Tiling
    done: Set[Triple] = frozenset()

    def graph(self, array: da.Array) -> tuple[HighLevelGraph, list[Any]]:
        """The tasks, one per missing unit, and their keys. Blocks of other shapes are re-tiled inside the tasks."""
        expression = lift(array)
        name = "write-" + fingerprint(expression.identity, self.target.identity)[:32]
        layer = BlockLayer(name, (expression,), self.tiling, _Write(self.target, self.tiling), skip=self.done)
        graph = HighLevelGraph.from_collections(name, layer, dependencies=layer.upstream())
        return graph, [(name, *index) for index in self.tiling if index not in self.done]

    def store(self, array: da.Array, label: str) -> None:
        """Compute and write every missing unit, on the scheduler in force."""
        graph, keys = self.graph(array)
        if keys:
            with progress.bar(len(keys), label, names=frozenset(key[0] for key in keys)):
                schedule(optimize(graph, keys), keys, waiting=_WAITING)


class _Memory:
    """An array of this process as a target: blocks are written where they belong."""

    identity = "memory"

    def __init__(self, array: HostArray) -> None:
        self.array = array

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store one block."""
        self.array[box.slices] = block


def local_scheduler() -> bool:
    """Whether tasks run in threads of this process."""
    return get_scheduler() in (None, threaded_get)


def gathered(array: da.Array) -> HostArray:
    """The whole array in memory, each block written straight into its place; for threads of this process."""
    out = np.empty(array.shape, array.dtype)
    Sink(_Memory(out), tiling_of(array)).store(array, "computing")
    return out
