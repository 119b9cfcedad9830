"""The one safe writer of Zarr stores."""

from __future__ import annotations

import errno
import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from dask.base import get_scheduler
from zarr.abc.store import Store
from zarr.storage import LocalStore, MemoryStore

from voxelrock.errors import ExistsError, ParameterError, StorageError, UnfinishedError
from voxelrock.geometry import VoxelBox
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.scratch import staged
from voxelrock.graph.sinks import Sink
from voxelrock.image import VoxelImage
from voxelrock.storage import attributes, codecs, layout, opening
from voxelrock.storage.records import Record, check_target, fsync_path, partial_path, publish
from voxelrock.typing import HostArray, Json, Triple

LAYOUTS = ("voxelrock", "zarr2", "rockverse")


@dataclass(frozen=True)
class ZarrTarget:
    """Write units of a Zarr array under construction; opened anew in each process."""

    record: Record
    identity: str
    reverse: bool

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store one unit, flush it, and record it.

        Raises
        ------
        StorageError
            The disk is full, or the folder cannot be written.
        """
        place = self.record.partial
        array = zarr.open_array(store=LocalStore(place), mode="r+")
        with zarr.config.set({"array.write_empty_chunks": True}):
            put(array, box, block, self.reverse, str(place))
        for file in _files(array, place, box, self.reverse):
            fsync_path(file)
        self.record.mark(index)


@dataclass(frozen=True)
class MemoryTarget:
    """Write units of a Zarr array in this process's memory."""

    array: zarr.Array[Any]
    identity: str
    reverse: bool

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store one unit."""
        put(self.array, box, block, self.reverse, "memory")


def put(array: zarr.Array[Any], box: VoxelBox, block: HostArray, reverse: bool, place: str) -> None:
    """Write whole units of an array; errors of the system become ours."""
    try:
        if reverse:
            array[box.slices[::-1]] = np.ascontiguousarray(block.transpose())
        else:
            array[box.slices] = block
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageError(f"no space left on the disk of {place}; free some and save again with resume=True") from error
        raise StorageError(f"cannot write to {place}: {error.strerror or error}") from error


def _files(array: zarr.Array[Any], place: Path, box: VoxelBox, reverse: bool) -> list[Path]:
    """The files that hold a box: one for each shard, or chunk."""
    shape = array.shards or array.chunks
    start, stop = (box.start[::-1], box.stop[::-1]) if reverse else (box.start, box.stop)
    ranges = [range(a // n, -(-b // n)) for a, b, n in zip(start, stop, shape)]
    keys = [array.metadata.encode_chunk_key((i, j, k)) for i in ranges[0] for j in ranges[1] for k in ranges[2]]
    return [place / key for key in keys]


@dataclass(frozen=True)
class Request:
    """What a save was asked to do, beside the image."""

    kind: str = "voxelrock"
    codec: str = "auto"
    chunks: Any = None
    shards: Any = None
    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        if self.kind not in LAYOUTS:
            raise ParameterError(f"the layout is one of {', '.join(LAYOUTS)}; got {self.kind!r}")
        if self.codec not in codecs.CODECS:
            raise ParameterError(f"the codec is one of {', '.join(codecs.CODECS)}; got {self.codec!r}")


def save_zarr(image: VoxelImage, target: Any, request: Request) -> VoxelImage:
    """Compute an image into a Zarr store, and give the stored image.

    The store appears when it is complete, in one step; see :mod:`voxelrock.storage.records`. Memory: one write unit for each thread,
    with the halos of what is computed on the way.

    Raises
    ------
    ExistsError
        The path exists (``overwrite=True`` replaces it).
    UnfinishedError
        A partial save of the path exists (``resume=True`` goes on, ``overwrite=True`` starts anew), or somebody is writing it.
    StorageError
        The disk is full or read-only.
    """
    if isinstance(target, Store):
        return _save_memory(image, target, request)
    path = Path(target).absolute()
    check_target(path)
    if path.exists() and not request.overwrite:
        raise ExistsError(f"{path} exists; pass overwrite=True to replace it")
    plan = layout.choose(image.shape, image.dtype, chunks=request.chunks, shards=request.shards, sharded=request.kind == "voxelrock")
    record = Record(partial_path(path))
    identity = _fingerprint(image, plan, request)
    done = _prepare(record, identity, image, plan, request)
    with record.owned():
        units = plan.tiling(image.shape)
        try:
            data, scratch = staged(image.data, units, record.folder / "scratch", path.name)
            Sink(ZarrTarget(record, str(identity["image"]), request.kind == "rockverse"), units, done).store(data, f"saving {path.name}")
        except KeyboardInterrupt as stop:
            stop.add_note(f"{len(record.done())} of {len(units)} blocks are safe in {record.partial}; save again with resume=True to go on")
            raise
        for item in scratch:
            item.remove()
        record.check_still_owned()
    publish(record.partial, path, overwrite=request.overwrite)
    return opening.open_zarr(path)


def _fingerprint(image: VoxelImage, plan: layout.Layout, request: Request) -> Json:
    return {
        "image": image.fingerprint,
        "grid": fingerprint(repr(image.grid)),
        "type": image.dtype.str,
        "chunks": list(plan.chunks),
        "shards": list(plan.shards or ()),
        "unit": list(plan.unit),
        "codec": codecs.resolve(request.codec, image.dtype, labels=bool(image.phases)),
        "layout": request.kind,
    }


def _prepare(record: Record, identity: Json, image: VoxelImage, plan: layout.Layout, request: Request) -> frozenset[Triple]:
    """Make the partial store, or take over one that was left; gives the units that are stored already."""
    partial = record.partial
    if partial.exists() and record.alive():
        raise UnfinishedError(f"{partial} is being written by {record.describe_owner()}; wait for it, or stop it first")
    if partial.exists() and request.resume:
        before = record.fingerprint()
        different = [name for name in identity if before.get(name) != identity[name]]
        if not different:
            return record.done()
        what = ", ".join(different)
        raise UnfinishedError(f"{partial} was begun with another {what}, so it cannot be resumed; pass overwrite=True to start anew")
    if partial.exists():
        if not request.overwrite:
            state = f"{len(record.done())} of {len(plan.tiling(image.shape))} blocks"
            raise UnfinishedError(f"{partial} was left unfinished ({state}): pass resume=True to go on, or overwrite=True to start anew")
        shutil.rmtree(partial)
    try:
        create(LocalStore(partial), image, plan, request, str(identity["codec"]))
        record.begin(identity)
    except OSError as error:
        raise StorageError(f"cannot write to {partial.parent}: {error.strerror or error}") from error
    return frozenset()


def create(store: Store, image: VoxelImage, plan: layout.Layout, request: Request, codec: str) -> zarr.Array[Any]:
    """An empty Zarr array with an image's layout and metadata."""
    reverse = request.kind == "rockverse"
    own = attributes.encode(image) | {"id": uuid.uuid4().hex, "complete": True}
    common: dict[str, Any] = {
        "store": store,
        "shape": tuple(image.shape)[::-1] if reverse else tuple(image.shape),
        "chunks": plan.chunks[::-1] if reverse else plan.chunks,
        "dtype": image.dtype,
        "config": {"write_empty_chunks": True},
        "attributes": attributes.encode_rockverse(image) if reverse else {attributes.KEY: own},
        "fill_value": 0,
    }
    common["attributes"] = json.loads(json.dumps(common["attributes"]))
    if request.kind == "zarr2":
        return zarr.create_array(**common, zarr_format=2, compressors=codecs.v2_codec(codec, image.dtype))
    shards = None if plan.shards is None else plan.shards
    names = ("x", "y", "z") if reverse else ("z", "y", "x")
    return zarr.create_array(**common, zarr_format=3, shards=shards, compressors=codecs.v3_codecs(codec, image.dtype), dimension_names=names)


def _save_memory(image: VoxelImage, store: Store, request: Request) -> VoxelImage:
    if not isinstance(store, MemoryStore):
        raise ParameterError(f"save to a path, or to a zarr.storage.MemoryStore; got {type(store).__name__}")
    if getattr(get_scheduler(), "__self__", None) is not None:
        raise ParameterError("a MemoryStore lives in one process, and the workers of a cluster are others; save to a path that they all see")
    plan = layout.choose(image.shape, image.dtype, chunks=request.chunks, shards=request.shards, sharded=request.kind == "voxelrock")
    if store._store_dict and not request.overwrite:
        raise ExistsError("the store is not empty; pass overwrite=True to replace its contents")
    fresh = MemoryStore()
    codec = codecs.resolve(request.codec, image.dtype, labels=bool(image.phases))
    array = create(fresh, image, plan, request, codec)
    Sink(MemoryTarget(array, uuid.uuid4().hex, request.kind == "rockverse"), plan.tiling(image.shape)).store(image.data, "saving")
    store._store_dict.clear()
    store._store_dict.update(fresh._store_dict)
    return opening.open_zarr(store)


__all__ = ["LAYOUTS", "Request", "save_zarr"]
