"""Helpers for tests of operations, ours and users': stored images without a store, guards against computing, a foreign device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import numpy as np

from voxelrock import extras
from voxelrock.geometry import Tiling, VoxelBox, VoxelGrid
from voxelrock.geometry.tiling import Chunks
from voxelrock.graph.arrays import from_source, lift
from voxelrock.graph.evaluation import evaluate
from voxelrock.graph.expressions import Expression, leaves
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.reductions import ReductionLayer
from voxelrock.image import VoxelImage
from voxelrock.typing import HostArray, Triple


class MemorySource:
    """A source over a NumPy array that counts the voxels read from it."""

    def __init__(self, array: HostArray, tile: Triple | None = None) -> None:
        self.array = array
        self.tile = tile or tuple(max(1, n) for n in array.shape)
        self.identity = "memory " + fingerprint(array)
        self.voxels_read = 0
        self._lock = threading.Lock()

    @property
    def shape(self) -> Triple:
        """Number of voxels along (z, y, x)."""
        a, b, c = self.array.shape
        return a, b, c

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return self.array.dtype

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box, read-only: a kernel that writes to its input fails."""
        with self._lock:
            self.voxels_read += box.size
        block = self.array[box.slices].copy()
        block.flags.writeable = False
        return block

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def stored(array: HostArray, chunks: Chunks | None = None, **grid: Any) -> VoxelImage:
    """An image that counts as stored: its blocks are read by the tasks that need them."""
    tiling = Tiling(chunks) if chunks is not None else Tiling.compute(array.shape)
    return VoxelImage(from_source(MemorySource(array), tiling), VoxelGrid.of(shape=array.shape, **grid))


@contextmanager
def raise_if_computed() -> Iterator[None]:
    """Fail when anything computes inside the block."""

    def refuse(graph: Any, keys: Any, **options: Any) -> None:
        raise AssertionError("something was computed that should have stayed lazy")

    with dask.config.set(scheduler=refuse):
        yield


class ForeignNamespace:
    """``array_api_strict`` on a device that is not the host's: any hidden transfer or use of NumPy fails."""

    __name__ = "foreign"

    def __init__(self) -> None:
        self._xp = extras.require("array_api_strict", extra="test")
        self.device = self._xp.Device("device1")

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._xp, name)
        if name in ("asarray", "zeros", "ones", "full", "empty", "arange", "linspace", "eye"):
            return lambda *args, **keywords: function(*args, **({"device": self.device} | keywords))
        return function

    def to_host(self, array: Any) -> HostArray:
        """A NumPy copy of a foreign array."""
        return np.asarray(array.to_device(self._xp.Device("CPU_DEVICE")))


def evaluate_foreign(image: VoxelImage) -> HostArray:
    """The voxels of an image over stored ones, computed by the reference bodies on a foreign device."""
    return foreign_voxels(lift(image.data))


def foreign_voxels(expression: Expression) -> HostArray:
    """The voxels of an expression over stored images, computed by the reference bodies on a foreign device."""
    foreign = ForeignNamespace()
    if any(not hasattr(leaf, "source") for leaf in leaves(expression)):
        raise AssertionError("only images over stored ones can be evaluated on a foreign device")
    (result,) = evaluate([(expression, VoxelBox.whole(expression.shape))], {}, {}, xp=foreign)
    return foreign.to_host(result)


def reduce_foreign(layer: ReductionLayer) -> list[HostArray]:
    """The results of a layer of reductions over stored images, their partial results made by the reference bodies on a foreign device."""
    foreign = ForeignNamespace()
    whole = VoxelBox.whole(layer.tiling.shape)
    found = []
    for member in layer.members:
        blocks = evaluate([(root, whole) for root in member.roots], {}, {}, xp=foreign)
        partial = member.reduction.chunk(*blocks, **dict(member.parameters), **member.place(whole))
        result = member.reduction.finalize(member.reduction.combine([partial]), **dict(member.finish))
        found.append(np.asarray(result, dtype=member.dtype).reshape(member.shape))
    return found


__all__ = ["ForeignNamespace", "MemorySource", "evaluate_foreign", "foreign_voxels", "raise_if_computed", "reduce_foreign", "stored"]
