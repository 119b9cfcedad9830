"""Blocks of a few codes, two bits a voxel, that a first pass leaves for a second one: in memory while they are small, else in files.

The files lie in a folder of their own in ``options.scratch``, ``$SLURM_TMPDIR`` or the system's temporary folder. They go when the pass
that read them is done, where that ran in this process, and at the end of this process otherwise.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from voxelrock import options
from voxelrock.errors import StorageError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.overseers import check_folder
from voxelrock.typing import HostArray, Triple

_SHARE = 8  # packed blocks stay in memory while all of them take at most this part of what one task may


class _Folder:
    """A folder of this process, removed at its end."""

    def __init__(self, parent: str) -> None:
        self.path = tempfile.mkdtemp(prefix="voxelrock-", dir=parent)
        weakref.finalize(self, _remove_folder, self.path, os.getpid())


def _remove_folder(path: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


@cache
def _folder(parent: str, process: int) -> _Folder:
    return _Folder(parent)


@dataclass(frozen=True)
class Place:
    """Where packed blocks go: memory, or a folder. No part of any identity."""

    folder: str = ""
    process: int = field(default_factory=os.getpid)
    identity: str = "packed"

    @classmethod
    def of(cls, shape: Triple) -> Place:
        """Memory for an image that is small when packed, else a folder that all workers see.

        Raises
        ------
        StorageError
            There can be no such folder.
        """
        if np.prod(shape, dtype=float) / 4 <= options.get().memory / _SHARE:
            return cls()
        parent = options.get().scratch or os.environ.get("SLURM_TMPDIR") or tempfile.gettempdir()
        try:
            Path(parent).mkdir(parents=True, exist_ok=True)
            folder = _folder(parent, os.getpid()).path
        except OSError as error:
            raise StorageError(f"the scratch folder {parent} cannot be used ({error.strerror}); set options.scratch to another") from error
        check_folder(Path(folder))
        return cls(folder)

    def put(self, box: VoxelBox, codes: HostArray) -> Packed:
        """Pack the codes (0 to 3) of a box.

        Raises
        ------
        StorageError
            The folder is full, or gone.
        """
        bits = np.stack([np.packbits(codes & 1, axis=-1), np.packbits(codes & 2, axis=-1)])
        if not self.folder:
            return Packed(box, bits)
        path = Path(self.folder) / f"{uuid.uuid4().hex}.bits"
        try:
            bits.tofile(path)
        except OSError as error:
            raise StorageError(f"the scratch folder {self.folder} cannot be written ({error.strerror}); set options.scratch to another") from error
        return Packed(box, str(path))


@dataclass(frozen=True, eq=False)
class Packed:
    """The codes of one block: as bits, or the file that has them."""

    box: VoxelBox
    bits: HostArray | str

    def read(self, box: VoxelBox) -> HostArray:
        """The codes of a box inside the block.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        (a, b, c), (d, e, f) = (box.within(self.box).start, box.within(self.box).stop)
        bits = self._bits()[:, a:d, b:e, c // 8 : -(-f // 8)]
        low, high = np.unpackbits(np.ascontiguousarray(bits), axis=-1)[..., c % 8 : c % 8 + f - c]
        return low | high << 1

    def _bits(self) -> HostArray:
        if not isinstance(self.bits, str):
            return self.bits
        depth, height, width = self.box.shape
        try:
            return np.memmap(self.bits, np.uint8, "r", shape=(2, depth, height, -(-width // 8)))
        except (OSError, ValueError) as error:
            raise StorageError(f"the scratch file {self.bits} cannot be read ({error}); set options.scratch to a folder that all workers see") from error


class Catalogue:
    """All packed blocks of an image: any box of it can be read."""

    def __init__(self, blocks: Iterable[Packed], tiling: Tiling, place: Place) -> None:
        self.blocks = {packed.box.start: packed for packed in blocks if packed.box.size}
        self.tiling = tiling
        if place.folder and os.getpid() == place.process:
            weakref.finalize(self, _remove_files, [str(p.bits) for p in self.blocks.values()])

    def read(self, box: VoxelBox) -> HostArray:
        """The codes of a box inside the image."""
        out = np.zeros(box.shape, np.uint8)
        for index in self.tiling.touched(box):
            block = self.tiling.box(index)
            part = block & box
            out[part.within(box).slices] = self.blocks[block.start].read(part)
        return out


def _remove_files(paths: list[str]) -> None:
    for path in paths:
        Path(path).unlink(missing_ok=True)
