"""What one pass leaves for the next: plain files of voxels, in a folder that all workers see.

Sources that decode whole pages (TIFF) are read in slabs, each page once, into a scratch file; the second pass reads any box of that.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from voxelrock.errors import StorageError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import from_source, lift, tiling_of, to_array
from voxelrock.graph.expressions import Apply, Expression, Read, leaves
from voxelrock.graph.sinks import Sink
from voxelrock.graph.sources import Source, is_paged
from voxelrock.typing import HostArray, Triple

_SLAB = 128 * 2**20


@dataclass(frozen=True)
class Scratch:
    """A file of voxels in C order: a target for slabs of whole pages, then a source for any box."""

    file: str
    shape: Triple
    dtype: np.dtype[Any]
    identity: str

    @property
    def tile(self) -> Triple:
        """One row."""
        return 1, 1, self.shape[2]

    @property
    def slabs(self) -> Tiling:
        """The units that are written: whole pages, about 128 MiB."""
        page = max(1, prod(self.shape[1:]) * self.dtype.itemsize)
        return Tiling.regular(self.shape, (max(1, min(max(self.shape[0], 1), _SLAB // page)), *(max(n, 1) for n in self.shape[1:])))

    def marks(self) -> frozenset[Triple]:
        """The slabs that are written already."""
        return frozenset((i, 0, 0) for i in range(self.slabs.blocks[0]) if Path(f"{self.file}.{i}").exists())

    def begin(self) -> None:
        """Make the file, sized.

        Raises
        ------
        StorageError
            The disk has no room for it.
        """
        place = Path(self.file)
        place.parent.mkdir(parents=True, exist_ok=True)
        need = prod(self.shape) * self.dtype.itemsize
        if not place.exists():
            free = shutil.disk_usage(place.parent).free
            if free < need:
                raise StorageError(f"the scratch folder {place.parent} has {free / 1e9:.3g} GB free and {need / 1e9:.3g} GB are needed; set options.scratch")
            with open(place, "wb") as file:
                file.truncate(need)

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store one slab."""
        offset = box.start[0] * prod(self.shape[1:]) * self.dtype.itemsize
        handle = os.open(self.file, os.O_WRONLY)
        try:
            view = memoryview(np.ascontiguousarray(block).view(np.uint8).reshape(-1).data)
            while view:
                written = os.pwrite(handle, view[: 2**30], offset)
                view, offset = view[written:], offset + written
            os.fsync(handle)
        finally:
            os.close(handle)
        Path(f"{self.file}.{index[0]}").touch()

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box, page by page."""
        rows = box.stop[1] - box.start[1]
        width, size = self.shape[2], self.dtype.itemsize
        out = np.empty(box.shape, self.dtype)
        handle = os.open(self.file, os.O_RDONLY)
        try:
            for z in range(box.start[0], box.stop[0]):
                data = os.pread(handle, rows * width * size, ((z * self.shape[1] + box.start[1]) * width) * size)
                page = np.frombuffer(data, self.dtype).reshape(rows, width)
                out[z - box.start[0]] = page[:, box.start[2] : box.stop[2]]
        finally:
            os.close(handle)
        return out

    def remove(self) -> None:
        """Delete the file and its marks."""
        for path in Path(self.file).parent.glob(Path(self.file).name + "*"):
            path.unlink(missing_ok=True)


def staged(array: da.Array, units: Tiling, folder: Path, label: str) -> tuple[da.Array, list[Scratch]]:
    """The array with each paged source that the units would decode more than once replaced by a scratch copy, made here and now."""
    made: dict[str, Scratch] = {}
    for leaf in leaves(lift(array)):
        if isinstance(leaf, Read) and is_paged(leaf.source) and _readings(leaf.source, units) > 1:
            source = leaf.source
            scratch = Scratch(str(folder / f"{leaf.identity[:16]}.raw"), source.shape, source.dtype, source.identity)
            scratch.begin()
            Sink(scratch, scratch.slabs, scratch.marks()).store(from_source(source, scratch.slabs), f"{label}: decoding pages")
            made[leaf.identity] = scratch
    if not made:
        return array, []
    return to_array(_replace(lift(array), made), tiling_of(array)), list(made.values())


def _readings(source: Source, units: Tiling) -> int:
    """How often each tile of a source would be read for units of this shape."""
    return prod(max(1, -(-tile // unit)) for tile, unit in zip(source.tile, units.typical()))


def _replace(node: Expression, made: dict[str, Scratch]) -> Expression:
    if isinstance(node, Read):
        return Read(made[node.identity]) if node.identity in made else node
    if not isinstance(node, Apply):
        return node
    inputs = tuple(_replace(i, made) for i in node.inputs)
    return Apply(node.kernel, node.parameters, inputs, node.footprint, node.shape, node.dtype, node.located)
