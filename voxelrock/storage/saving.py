"""The one safe writer of Zarr stores."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from dask.base import get_scheduler
from dask.local import get_sync
from dask.threaded import get as threaded_get
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore, MemoryStore

from voxelrock import __version__
from voxelrock.errors import ExistsError, ParameterError, UnfinishedError
from voxelrock.geometry import VoxelBox
from voxelrock.graph.devices import device_of
from voxelrock.graph.overseers import check_folder
from voxelrock.graph.scratch import staged
from voxelrock.graph.sinks import Sink
from voxelrock.image import VoxelImage
from voxelrock.image.selection import refuse_mask
from voxelrock.image.validity import is_mask
from voxelrock.storage import attributes, codecs, layout, opening
from voxelrock.storage.files import check_target, explained
from voxelrock.storage.records import Record, partial_path, publish, sweep
from voxelrock.storage.shards import Files
from voxelrock.typing import HostArray, Json, Triple

LAYOUTS = ("voxelrock", "zarr2", "rockverse")


@dataclass(frozen=True)
class ZarrTarget:
    """Write units of a Zarr array under construction; each file appears whole, and is recorded once it is on the disk."""

    record: Record
    reverse: bool
    files: Files | None

    @property
    def identity(self) -> str:
        """Each run's own: runs that store one image in two places at once share no task."""
        return f"{self.record.partial} {self.record.token}"

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store one unit, flush it, and record it.

        Raises
        ------
        StorageError
            The disk is full, or the folder cannot be written.
        UnfinishedError
            Another run took over.
        """
        if self.reverse:
            box, block = VoxelBox(box.start[::-1], box.stop[::-1]), block.transpose()
        with explained(self.record.partial):
            self.record.mark(index, dict(self._write(box, block)))

    def _write(self, box: VoxelBox, block: HostArray) -> Iterator[tuple[str, int]]:
        if self.files is None:
            yield from self._write_by_zarr(box, block)
            return
        for index in self.files.tiling.touched(box):
            key = self.files.key(index)
            part = block[self.files.tiling.box(index).within(box).slices]
            yield key, self.record.place(key, self.files.encode(index, part))

    def _write_by_zarr(self, box: VoxelBox, block: HostArray) -> Iterator[tuple[str, int]]:
        """Have zarr-python encode the unit in memory, and put the files in place."""
        encoded = MemoryStore()
        for name in ("zarr.json", ".zarray", ".zattrs"):
            if (self.record.partial / name).exists():
                encoded._store_dict[name] = default_buffer_prototype().buffer.from_bytes((self.record.partial / name).read_bytes())
        known = set(encoded._store_dict)
        array = zarr.open_array(store=encoded, mode="r+").with_config({"write_empty_chunks": True})
        array[box.slices] = block
        for key, buffer in encoded._store_dict.items():
            if key not in known:
                yield key, self.record.place(key, [buffer.to_bytes()])


@dataclass(frozen=True)
class MemoryTarget:
    """Write units of a Zarr array in this process's memory."""

    array: zarr.Array[Any]
    identity: str
    reverse: bool

    def write(self, index: Triple, box: VoxelBox, block: HostArray) -> None:
        """Store one unit."""
        if self.reverse:
            self.array[box.slices[::-1]] = np.ascontiguousarray(block.transpose())
        else:
            self.array[box.slices] = block


@dataclass(frozen=True)
class Request:
    """What a save was asked to do, beside the image; ``mask`` says that its bytes stand for a boolean image with no-data voxels."""

    kind: str = "voxelrock"
    codec: str = "auto"
    chunks: Any = None
    shards: Any = None
    overwrite: bool = False
    resume: bool = False
    mask: bool = False

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
    image, request = _as_bytes(image, request)
    if isinstance(target, Store):
        return _save_memory(image, target, request)
    path = Path(target).resolve()
    check_target(path)
    _check_replaceable(path, request.overwrite)
    plan = layout.choose(image.shape, image.dtype, chunks=request.chunks, shards=request.shards, sharded=request.kind == "voxelrock")
    record = Record(partial_path(path))
    with record.owned():
        sweep(path)
        _check_replaceable(path, request.overwrite)  # another run may have completed it before this one owned the partial
        _store(image, record, plan, request, path.name)
        record.check_still_owned()
        with explained(path):
            publish(record, path, overwrite=request.overwrite)
    stored = opening.open_zarr(path)
    return stored.assign(nodata=image.nodata) if request.kind == "rockverse" else stored  # RockVerse has no place for the value


def _as_bytes(image: VoxelImage, request: Request) -> tuple[VoxelImage, Request]:
    """A mask with no-data voxels as bytes that tell them (255); anything else as it is.

    Raises
    ------
    ParameterError
        The layout has no place for what the bytes mean.
    """
    if not is_mask(image.nodata):
        return image, request
    if request.kind == "rockverse":
        refuse_mask(image, "RockVerse's layout")
    return image.astype("u1"), replace(request, mask=True)


def _check_replaceable(path: Path, overwrite: bool) -> None:
    """Raise ``ExistsError`` where something is in the way; only stores, files and empty folders are ever replaced."""
    if not path.exists():
        return
    if not overwrite:
        raise ExistsError(f"{path} exists; pass overwrite=True (--overwrite) to replace it")
    if path.is_dir() and not opening.is_store(path) and any(path.iterdir()):
        raise ExistsError(f"{path} is a folder that holds no Zarr store, so it is not replaced; choose another path, or remove it yourself")


def _store(image: VoxelImage, record: Record, plan: layout.Layout, request: Request, name: str) -> None:
    """Compute and write every unit that is not stored yet."""
    device = device_of(image.data)
    image = _computed(image, device)
    identity = _fingerprint(image, plan, request) | ({} if device is None else {"device": device})
    units = plan.tiling(image.shape)
    with explained(record.partial):
        done = _prepare(record, identity, image, plan, request)
    check_folder(record.partial)
    array = zarr.open_array(store=LocalStore(record.partial), mode="r")
    target = ZarrTarget(record, request.kind == "rockverse", Files.of(array, str(record.partial)))
    try:
        data, scratch = staged(image.data, units, record.folder / "scratch", name)
        Sink(target, units, done).store(data, f"saving {name}")
    except KeyboardInterrupt as stop:
        stop.add_note(f"{record.marked()} of {len(units)} blocks are safe in {record.partial}; save again with resume=True (--resume) to go on")
        raise
    for item in scratch:
        item.remove()


def _computed(image: VoxelImage, device: str | None) -> VoxelImage:
    """The image with the kind of device in its history, where its last digits depend on that."""
    return image if device is None else image.recorded("compute", {"device": device}, before=image)


def _fingerprint(image: VoxelImage, plan: layout.Layout, request: Request) -> Json:
    return {
        "image": image.fingerprint,
        "shape": list(image.shape),
        "type": image.dtype.str,
        "grid": str(image.grid),
        "chunks": list(plan.chunks),
        "shards": list(plan.shards or ()),
        "codec": codecs.resolve(request.codec, image.dtype, labels=bool(image.phases)),
        "layout": request.kind,
        "unit": list(plan.unit),
        "voxelrock": __version__,
    }


def _prepare(record: Record, identity: Json, image: VoxelImage, plan: layout.Layout, request: Request) -> frozenset[Triple]:
    """Make the partial store, or take over one that was left; gives the units that are stored already."""
    before = record.fingerprint()
    if before and request.resume:
        different = [_difference(name, before.get(name), now) for name, now in identity.items() if before.get(name) != now]
        if different:
            what = ", ".join(different)
            raise UnfinishedError(f"{record.partial} was begun with another {what}, so it cannot be resumed; pass overwrite=True to start anew")
        record.place("zarr.json" if request.kind != "zarr2" else ".zattrs", [_metadata(image, plan, request, str(identity["codec"]))])
        return record.done()
    if before and not request.overwrite:
        state = f"{record.marked()} of {len(plan.tiling(image.shape))} blocks"
        raise UnfinishedError(f"{record.partial} was left unfinished ({state}): pass resume=True to go on, or overwrite=True to start anew")
    record.clear()
    create(LocalStore(record.partial), image, plan, request, str(identity["codec"]))
    record.begin(identity)
    return frozenset()


def _difference(name: str, before: Any, now: Any) -> str:
    return name if name == "image" else f"{name} ({before} then, {now} now)"


def _metadata(image: VoxelImage, plan: layout.Layout, request: Request, codec: str) -> bytes:
    """The file of an image's metadata; its field, phases and history may be others than when the store was begun."""
    store = MemoryStore()
    create(store, image, plan, request, codec)
    return store._store_dict["zarr.json" if request.kind != "zarr2" else ".zattrs"].to_bytes()


def create(store: Store, image: VoxelImage, plan: layout.Layout, request: Request, codec: str) -> zarr.Array[Any]:
    """An empty Zarr array with an image's layout and metadata."""
    reverse = request.kind == "rockverse"
    own = attributes.encode(image) | ({"mask": True} if request.mask else {}) | {"id": uuid.uuid4().hex, "complete": True}
    common: dict[str, Any] = {
        "store": store,
        "shape": tuple(image.shape)[::-1] if reverse else tuple(image.shape),
        "chunks": plan.chunks[::-1] if reverse else plan.chunks,
        "dtype": image.dtype.newbyteorder("="),
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
    if get_scheduler() not in (None, threaded_get, get_sync):
        raise ParameterError("a MemoryStore lives in one process, and the workers of a cluster are others; save to a path that they all see")
    plan = layout.choose(image.shape, image.dtype, chunks=request.chunks, shards=request.shards, sharded=request.kind == "voxelrock")
    if store._store_dict and not request.overwrite:
        raise ExistsError("the store is not empty; pass overwrite=True to replace its contents")
    fresh = MemoryStore()
    codec = codecs.resolve(request.codec, image.dtype, labels=bool(image.phases))
    array = create(fresh, _computed(image, device_of(image.data)), plan, request, codec)
    Sink(MemoryTarget(array, uuid.uuid4().hex, request.kind == "rockverse"), plan.tiling(image.shape)).store(image.data, "saving")
    store._store_dict.clear()
    store._store_dict.update(fresh._store_dict)
    return opening.open_zarr(store)


__all__ = ["LAYOUTS", "Request", "save_zarr"]
