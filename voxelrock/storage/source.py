"""Reading boxes of a Zarr array: the source behind stored images."""

from __future__ import annotations

import threading
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
from voxelrock.storage.attributes import KEY
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
        return read_box(_opened(self.location, self.path, self.identity, self.strict), box, self.tile, self.location)


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
def _open_once(location: str, path: str, identity: str, strict: bool) -> zarr.Array[Any]:
    store: Store = LocalStore(location, read_only=True)
    if strict:
        store = StrictStore(store)
    array = zarr.open_array(store=store, path=path or None, mode="r")
    if identify(array, location) != identity:
        raise StorageError(f"the store {location} changed since it was opened; open it again")
    return array


def _opened(location: str, path: str, identity: str, strict: bool) -> zarr.Array[Any]:
    with _lock:
        return _open_once(location, path, identity, strict)


def read_box(array: zarr.Array[Any], box: VoxelBox, tile: Triple, place: str) -> HostArray:
    """A box of a Zarr array in native byte order, with errors that name the chunk."""
    try:
        block = np.asarray(array[box.slices])
    except CorruptChunkError as error:
        raise CorruptChunkError(f"{place}: {error}; restore it from a copy") from None
    except (ValueError, RuntimeError, OSError) as error:
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
            return CorruptChunkError(f"{place}: {where} is corrupt: {_brief(cause)}; restore it from a copy")
    return StorageError(f"{place} cannot be read: {_brief(error)}")


def _brief(error: Exception) -> str:
    return (str(error).strip().split("\n") or [""])[0] or type(error).__name__
