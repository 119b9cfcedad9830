"""Reading boxes of a Zarr array in an object store; each process opens its own, so the source pickles to a URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import zarr
from zarr.abc.store import Store

from voxelrock.extras import require
from voxelrock.storage.attributes import KEY
from voxelrock.storage.remote import Reached, connect, reached, stamp
from voxelrock.storage.shards import Files, Opened
from voxelrock.storage.source import ZarrSource


@dataclass(frozen=True)
class ObjectFiles(Files):
    """Shards in an object store: of each the index and the chunks that are needed, in three requests (zarr-python makes one for each chunk)."""

    url: str = ""

    @contextmanager
    def opened(self, key: str) -> Iterator[Opened]:
        """One of the objects."""
        with reached(self.url):
            yield _Object(self.url, f"{self.folder}/{key}".lstrip("/"))


class _Object:
    def __init__(self, url: str, key: str) -> None:
        self.client, self.store, self.key = require("obstore", extra="s3"), connect(url), key
        self.size = int(self.client.head(self.store, key)["size"])

    def read(self, ranges: list[tuple[int, int]]) -> list[Any]:
        if not ranges:
            return []
        found: list[Any] = self.client.get_ranges(self.store, self.key, starts=[a for a, _ in ranges], lengths=[n for _, n in ranges])
        return found


@dataclass(frozen=True)
class ObjectSource(ZarrSource):
    """A Zarr array in an object store; ``location`` is its URL. Two requests for each box tell whether it is still the same."""

    def store(self) -> Store:
        """The store, for zarr-python."""
        return Reached.of(self.location)

    def files(self, array: zarr.Array[Any]) -> Files | None:
        """Shards are read directly; single chunks by zarr-python, which asks for many at once."""
        found = ObjectFiles.of(array, "")
        return replace(found, url=self.location) if found is not None and found.sharded else None

    def identify(self, array: zarr.Array[Any]) -> str:
        """Which voxels the array holds now."""
        return identify_object(array, self.location)

    def _stamp(self) -> tuple[Any, ...]:
        found = (stamp(self.location, f"{self.path}/{name}".lstrip("/")) for name in ("zarr.json", ".zarray"))
        return (next(filter(None, found), ""),)


def identify_object(array: zarr.Array[Any], url: str) -> str:
    """Which voxels an array holds: the id that we gave the store, else its metadata's size and tag."""
    own = array.attrs.get(KEY)
    if isinstance(own, dict) and own.get("id"):
        return f"store {own['id']}"
    name = "zarr.json" if array.metadata.zarr_format == 3 else ".zarray"
    return f"zarr {url} {array.path} {stamp(url, f'{array.path}/{name}'.lstrip('/'))}"
