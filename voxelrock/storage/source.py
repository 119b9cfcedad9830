"""Reading boxes of a Zarr array: the source behind stored images."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore, WrapperStore

from voxelrock.errors import CorruptChunkError, StorageError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.sources import Counts
from voxelrock.storage.attributes import KEY
from voxelrock.storage.shards import Files
from voxelrock.typing import HostArray, Triple


class StrictStore(WrapperStore[Any]):
    """A store whose chunks must all be there: Zarr alone reads a missing chunk as fill values."""

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """As the store's, but a missing chunk is an error."""
        found = await self._store.get(key, prototype, byte_range)
        if found is None and "zarr.json" not in key and not key.rsplit("/", 1)[-1].startswith("."):
            raise CorruptChunkError(f"chunk {key} is missing from the store")
        return found


def identify(array: zarr.Array[Any], location: str) -> str:
    """Which voxels an array holds: the id that we gave the store, else its metadata file's size and time."""
    own = array.attrs.get(KEY)
    if isinstance(own, dict) and own.get("id"):
        return f"store {own['id']}"
    folder = Path(location) / array.path
    for name in ("zarr.json", ".zarray"):
        if (folder / name).exists():
            facts = (folder / name).stat()
            return f"zarr {folder.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    return f"zarr {location} {array.path}"


@dataclass(frozen=True)
class ZarrSource:
    """A Zarr array on a local path; opened anew in each process, so it pickles to a path.

    ``strict`` sources are complete: a missing chunk is an error.
    """

    location: str
    path: str
    shape: Triple
    dtype: np.dtype[Any]
    tile: Triple
    identity: str
    strict: bool

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box.

        Raises
        ------
        CorruptChunkError
            A chunk is missing or fails its checksum; names it.
        StorageError
            The store changed since it was opened, or cannot be read.
        """
        with self._unchanged() as (array, files):
            if files is None:
                return read_box(array, box, self.tile, self.location)
            return _read_files(files, box, self.strict, self.location)

    def counts(self, box: VoxelBox) -> Counts | None:
        """How often each value of the type occurs in a box, where the files tell it; errors as :meth:`read`."""
        with self._unchanged() as (_, files):
            return None if files is None else files.counts(box)

    @contextmanager
    def _unchanged(self) -> Iterator[tuple[zarr.Array[Any], Files | None]]:
        stamp = self._stamp()
        found = _opened(self, stamp)
        try:
            yield found
        finally:
            if self._stamp() != stamp:  # another store has this name by now: what was read may be of either
                _opened(self, self._stamp())

    def store(self) -> Store:
        """The store, for zarr-python."""
        return LocalStore(self.location, read_only=True)

    def files(self, array: zarr.Array[Any]) -> Files | None:
        """The array's files, where they are read directly."""
        return Files.of(array, self.location)

    def identify(self, array: zarr.Array[Any]) -> str:
        """Which voxels the array holds now."""
        return identify(array, self.location)

    def _stamp(self) -> tuple[Any, ...]:
        """Which metadata file is there; the exchange of a store, and any change of its metadata, makes another."""
        folder = os.path.join(self.location, self.path)
        for name in ("zarr.json", ".zarray"):
            with suppress(OSError):
                facts = os.stat(os.path.join(folder, name))
                return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
        return ()


@dataclass(frozen=True, eq=False)
class StoreSource:
    """A Zarr array in a store object (in memory, say), which travels with the graph."""

    array: zarr.Array[Any]
    identity: str

    @property
    def shape(self) -> Triple:
        """Number of voxels along the array's axes."""
        a, b, c = self.array.shape
        return a, b, c

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return np.dtype(self.array.dtype).newbyteorder("=")

    @property
    def tile(self) -> Triple:
        """The shape of the inner chunks."""
        a, b, c = self.array.chunks
        return a, b, c

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box; errors as :meth:`ZarrSource.read`."""
        return read_box(self.array, box, self.tile, "the store")


_lock = threading.Lock()


@lru_cache(maxsize=64)
def _open_once(source: ZarrSource, stamp: tuple[Any, ...]) -> tuple[zarr.Array[Any], Files | None]:
    store: Store = StrictStore(source.store()) if source.strict else source.store()
    try:
        array = zarr.open_array(store=store, path=source.path or None, mode="r")
    except StorageError:
        raise
    except Exception as error:  # zarr raises whatever its parsers meet
        raise StorageError(f"the store {source.location} is gone or damaged since it was opened ({_brief(error)}); open it again") from None
    if source.identify(array) != source.identity:
        raise StorageError(f"the store {source.location} changed since it was opened; open it again")
    return array, source.files(array)


def _opened(source: ZarrSource, stamp: tuple[Any, ...]) -> tuple[zarr.Array[Any], Files | None]:
    with _lock:
        return _open_once(source, stamp)


def _read_files(files: Files, box: VoxelBox, strict: bool, place: str) -> HostArray:
    try:
        return files.read(box, strict=strict)
    except CorruptChunkError as error:
        raise CorruptChunkError(f"{place}: {error}; restore it from a copy") from None
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{place} cannot be read: {error.strerror or error}; check the disk and the permissions") from error


def read_box(array: zarr.Array[Any], box: VoxelBox, tile: Triple, place: str) -> HostArray:
    """A box of a Zarr array in native byte order, with errors that name the chunk."""
    try:
        block = np.asarray(array[box.slices])
    except CorruptChunkError as error:
        raise CorruptChunkError(f"{place}: {error}; restore it from a copy") from None
    except (MemoryError, StorageError):
        raise
    except Exception as error:  # a damaged chunk makes codecs raise anything
        raise _blame(array, box, tile, place, error) from error
    return block.astype(block.dtype.newbyteorder("="), copy=False)


def _blame(array: zarr.Array[Any], box: VoxelBox, tile: Triple, place: str, error: Exception) -> StorageError:
    """Find the first chunk of the box that cannot be read."""
    tiling = Tiling.regular(array.shape, tile)
    for index in tiling.touched(box):
        try:
            array[tiling.box(index).slices]
        except Exception as cause:
            where = f"chunk {'.'.join(map(str, index))} (voxels {tiling.box(index)})"
            if isinstance(cause, OSError) and cause.errno is not None:
                return StorageError(f"{place}: {where} cannot be read: {cause.strerror}; check the disk and the permissions")
            return CorruptChunkError(f"{place}: {where} is corrupt: {_brief(cause)}; restore it from a copy")
    return StorageError(f"{place} cannot be read: {_brief(error)}; try again, or open it again")


def _brief(error: Exception) -> str:
    return (str(error).strip().split("\n") or [""])[0] or type(error).__name__
