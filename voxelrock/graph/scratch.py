"""What one pass leaves for the next: plain files of voxels, in a folder that all workers see.

Sources that decode whole pages (TIFF) are read in slabs, each page once, into a scratch file; the second pass reads any box of that.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from voxelrock import options
from voxelrock.errors import StorageError, VoxelrockError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import from_source, lift, tiling_of, to_array
from voxelrock.graph.expressions import Read, leaves, replaced
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.overseers import check_folder
from voxelrock.graph.sinks import Sink
from voxelrock.graph.sources import is_paged
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
        need = prod(self.shape) * self.dtype.itemsize
        if place.exists() and place.stat().st_size == need:
            return
        self.remove()  # marks without their file
        with self._explained():
            place.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(place.parent).free
            if free < need:
                raise StorageError(f"the scratch folder {place.parent} has {free / 1e9:.3g} GB free and {need / 1e9:.3g} GB are needed; set options.scratch")
            with open(place, "wb") as file:
                file.truncate(need)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except VoxelrockError:
            raise
        except OSError as error:
            what = "has no space left" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"cannot be used ({error.strerror})"
            raise StorageError(f"the scratch folder {Path(self.file).parent} {what}; set options.scratch to another, or mend it and go on") from error

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store one slab."""
        offset = box.start[0] * prod(self.shape[1:]) * self.dtype.itemsize
        with self._explained():
            handle = os.open(self.file, os.O_WRONLY)
            try:
                view = memoryview(np.ascontiguousarray(block, self.dtype).reshape(-1).view(np.uint8).data)
                while view:
                    written = os.pwrite(handle, view[: 2**30], offset)
                    view, offset = view[written:], offset + written
                os.fsync(handle)
            finally:
                os.close(handle)
            Path(f"{self.file}.{index[0]}").touch()

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box, page by page."""
        out = np.empty(box.shape, self.dtype)
        if not box.size:
            return out
        rows, width = box.shape[1], self.shape[2]
        page = np.empty((rows, width), self.dtype)
        with self._explained(), open(self.file, "rb", buffering=0) as file:
            for z in range(box.start[0], box.stop[0]):
                self._fill(page, file, ((z * self.shape[1] + box.start[1]) * width) * self.dtype.itemsize)
                out[z - box.start[0]] = page[:, box.start[2] : box.stop[2]]
        return out

    def _fill(self, page: HostArray, file: Any, offset: int) -> None:
        view = memoryview(page.reshape(-1).view(np.uint8).data)
        while view:
            got = os.preadv(file.fileno(), [view[: 2**30]], offset)
            if not got:
                raise StorageError(f"the scratch file {self.file} is shorter than it was; save again")
            view, offset = view[got:], offset + got

    def remove(self) -> None:
        """Delete the file and its marks, and the folder if it is empty then."""
        folder, name = Path(self.file).parent, Path(self.file).name
        for path in list(folder.iterdir()) if folder.is_dir() else ():
            if path.name == name or path.name.startswith(f"{name}."):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


@dataclass(frozen=True)
class _Filling:
    """A scratch file being filled by one run; runs that fill two files with the same voxels share no task."""

    scratch: Scratch
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def identity(self) -> str:
        return f"{self.scratch.file} {self.token}"

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        self.scratch.write(index, box, block)


def paged_sources(array: da.Array, units: Tiling) -> list[Read]:
    """The sources of whole pages that the units would decode more than once."""
    if units.blocks[1] * units.blocks[2] == 1:
        return []
    return [leaf for leaf in leaves(lift(array)) if isinstance(leaf, Read) and is_paged(leaf.source)]


def scratch_bytes(array: da.Array, units: Tiling) -> int:
    """What saving an array in these units puts into scratch, in bytes."""
    return sum(prod(leaf.source.shape) * leaf.source.dtype.itemsize for leaf in paged_sources(array, units))


def staged(array: da.Array, units: Tiling, folder: Path, label: str) -> tuple[da.Array, list[Scratch]]:
    """The array with each paged source that the units would decode more than once replaced by a scratch copy, made here and now.

    The copies lie in ``options.scratch`` where that is set, else in ``folder``.
    """
    chosen = options.get().scratch
    place, whose = (Path(chosen), f"-{fingerprint(str(folder))[:8]}") if chosen else (folder, "")
    made: dict[str, Scratch] = {}
    for leaf in paged_sources(array, units):
        source = leaf.source
        scratch = Scratch(str(place / f"{leaf.identity[:16]}{whose}.raw"), source.shape, source.dtype, source.identity)
        scratch.begin()
        check_folder(place)
        Sink(_Filling(scratch), scratch.slabs, scratch.marks()).store(from_source(source, scratch.slabs), f"{label}: decoding pages")
        made[leaf.identity] = scratch
    if not made:
        return array, []
    return to_array(replaced(lift(array), {identity: Read(item) for identity, item in made.items()}), tiling_of(array)), list(made.values())
