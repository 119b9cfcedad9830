"""Writing voxels one after another into a file: sized beforehand under another name, filled by many tasks, renamed when complete."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from voxelrock.errors import DataError, ExistsError, MissingFileError, StorageError, UnfinishedError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.io.files import human
from voxelrock.io.flat import as_bytes, file_order, runs
from voxelrock.io.writing import WriteOptions
from voxelrock.typing import HostArray, Triple

_UNIT_BYTES = 64 * 2**20
_U2_MAX = 65535


@dataclass(frozen=True)
class FlatTarget:
    """Stores blocks in a file of uncompressed voxels; each block is written once, by one task, in any order.

    Parameters
    ----------
    path
        The file that is being filled.
    shape
        Number of voxels along (z, y, x).
    stored
        NumPy's name of the type in the file, with its byte order.
    offset, order
        As in :class:`voxelrock.io.flat.FlatSource`.
    encoding
        ``"cast"`` (lossless), ``"0/255"`` (booleans) or ``"labels"`` (integers that must fit into 16 bits, checked block by block).
    """

    path: str
    shape: Triple
    stored: str
    offset: int = 0
    order: str = "C"
    encoding: str = "cast"

    @property
    def identity(self) -> str:
        """Path and layout."""
        return f"flat({self.path}, {self.shape}, {self.stored}, {self.offset}, {self.order}, {self.encoding})"

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store the voxels of a box.

        Raises
        ------
        DataError
            Labels that the format cannot hold.
        StorageError
            The disk is full, or cannot be written.
        """
        there = VoxelBox(file_order(box.start, self.order), file_order(box.stop, self.order))
        values = np.ascontiguousarray(_encode(block, self.encoding, box).T if self.order == "F" else _encode(block, self.encoding, box))
        values = values.astype(self.stored, copy=False)
        try:
            descriptor = os.open(self.path, os.O_WRONLY)
            try:
                for part, first, _ in runs(file_order(self.shape, self.order), there):
                    _write_all(descriptor, as_bytes(values[part]), self.offset + first * values.dtype.itemsize)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _disk_error(self.path, error) from None


def _encode(block: HostArray, encoding: str, box: VoxelBox) -> HostArray:
    if encoding == "0/255":
        return block.astype(np.uint8) * np.uint8(255)
    if encoding == "labels" and block.size:
        low, high = int(block.min()), int(block.max())
        if low < 0 or high > _U2_MAX:
            worst = low if low < 0 else high
            error = DataError(f"TIFF holds labels from 0 to {_U2_MAX}, but {worst} occurs; write .mhd, .npy, .raw or .zarr instead, or relabel")
            raise error.at(box)
    return block


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)


def _disk_error(path: str | Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"no space left while writing {path}; free some space or choose another place")
    return StorageError(f"{path} cannot be written: {error.strerror}; choose another place")


def slabs(shape: Triple, itemsize: int, order: str, planes: int | None) -> Tiling:
    """Write units that are contiguous in the file: whole planes, about 64 MiB together; parts of a plane where one is larger."""
    slow, middle, fast = file_order(shape, order)
    plane = middle * fast * itemsize
    thick = planes if planes is not None else max(1, _UNIT_BYTES // max(1, plane))
    rows = middle if plane <= 4 * _UNIT_BYTES or planes is not None else max(1, _UNIT_BYTES // (fast * itemsize))
    return Tiling.regular(shape, file_order((min(thick, slow), rows, fast), order))


@dataclass(frozen=True)
class Export:
    """One file on its way: ``with export: Sink(export.target, export.tiling).store(data, "…")``.

    Nothing appears under the final name before everything is written; what was there stays whole until then.

    Parameters
    ----------
    path
        The file of voxels under its final name.
    target, tiling
        What tasks write to, and in which units.
    head, tail
        Bytes before and after the voxels.
    companions
        Small files beside it: name and content; an empty one only removes what an earlier export left. They are renamed last, so that none
        ever describes voxels that are not there.
    overwrite
        Replace what exists.
    """

    path: Path
    target: FlatTarget
    tiling: Tiling
    head: bytes = b""
    tail: bytes = b""
    companions: tuple[tuple[str, bytes], ...] = ()
    overwrite: bool = False

    @property
    def size(self) -> int:
        """Bytes of the file of voxels when complete."""
        return self._tail_at + len(self.tail)

    @property
    def _tail_at(self) -> int:
        return self.target.offset + prod(self.target.shape) * np.dtype(self.target.stored).itemsize

    @property
    def _finals(self) -> list[Path]:
        return [self.path, *(self.path.parent / name for name, _ in self.companions)]

    def __enter__(self) -> Export:
        self.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()

    def begin(self) -> None:
        """Create the file at its full size under the name ``.<name>.partial``.

        Raises
        ------
        ExistsError, UnfinishedError
            The path exists, or an earlier export was interrupted, without ``overwrite``.
        MissingFileError, StorageError
            No such folder, no space, or no permission.
        """
        folder, partial = self.path.parent, Path(self.target.path)
        if not folder.is_dir():
            raise MissingFileError(f"the folder {folder} does not exist; create it first")
        for final in self._finals:
            if final.exists() and not self.overwrite:
                raise ExistsError(f"{final} exists already; choose another name, or pass overwrite=True (--overwrite)")
            if final.is_dir():
                raise ExistsError(f"{final} is a folder and cannot be replaced by a file; choose another name")
        if partial.exists() and not self.overwrite:
            raise UnfinishedError(f"{partial} is there: another export is at work or was interrupted; delete it, or pass overwrite=True (--overwrite)")
        try:
            partial.unlink(missing_ok=True)
            free = shutil.disk_usage(folder).free
            if free < self.size:
                raise StorageError(f"{self.path} needs {human(self.size)}, but {human(free)} are free in {folder}; free some space or choose another place")
            self._allocate(partial)
        except StorageError:
            raise
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _disk_error(self.path, error) from None

    def _allocate(self, partial: Path) -> None:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            _reserve(descriptor, self.size)
            _write_all(descriptor, memoryview(self.head), 0)
            _write_all(descriptor, memoryview(self.tail), self._tail_at)
        finally:
            os.close(descriptor)

    def finish(self) -> None:
        """Flush the voxels to the disk and put everything in place under its final name.

        Raises
        ------
        StorageError
            The disk refuses.
        """
        finals = self._finals
        try:
            _flush(Path(self.target.path))
            new = [(final, content) for final, (_, content) in zip(finals[1:], self.companions) if content]
            for final, content in new:
                _partial(final).write_bytes(content)
                _flush(_partial(final))
            for final in finals[1:]:
                final.unlink(missing_ok=True)
            os.replace(self.target.path, self.path)
            for final, _ in new:
                os.replace(_partial(final), final)
            _flush(self.path.parent)
        except OSError as error:
            raise _disk_error(self.path, error) from None

    def abort(self) -> None:
        """Remove what was begun; what existed before stays."""
        for final in self._finals:
            _partial(final).unlink(missing_ok=True)


def _reserve(descriptor: int, size: int) -> None:
    os.ftruncate(descriptor, size)
    try:
        # A full disk or quota is met now, not after hours of computing.
        os.posix_fallocate(descriptor, 0, size)
    except AttributeError:
        pass
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flat_export(
    path: Path,
    shape: Triple,
    stored: np.dtype[Any],
    options: WriteOptions,
    *,
    around: tuple[bytes, bytes] = (b"", b""),
    companions: tuple[tuple[str, bytes], ...] = (),
    encoding: str = "cast",
) -> Export:
    """An export of voxels of type ``stored`` between the bytes ``around`` them."""
    path = Path(os.path.abspath(path))
    head, tail = around
    target = FlatTarget(str(_partial(path)), shape, stored.str, len(head), options.order, encoding)
    return Export(path, target, slabs(shape, stored.itemsize, options.order, options.planes), head, tail, companions, options.overwrite)
