"""Opening stores: ours, RockVerse's, OME-Zarr, and plain Zarr arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from voxelrock.errors import FormatError, MissingFileError, ParameterError, StorageError, UnfinishedError
from voxelrock.geometry import Tiling
from voxelrock.graph.arrays import from_source
from voxelrock.graph.sources import Permuted, Source, as_voxels
from voxelrock.image import VoxelImage
from voxelrock.image.bridge import NO_DATA
from voxelrock.image.validity import from_codes
from voxelrock.storage import attributes, foreign, layout
from voxelrock.storage.objects import ObjectSource, identify_object
from voxelrock.storage.records import Record, partial_path
from voxelrock.storage.remote import Reached, checked_url, is_url, refuse_remote, stamp, why_empty
from voxelrock.storage.source import StoreSource, ZarrSource, identify
from voxelrock.typing import Json, Triple

_CHECKED = "every chunk is checked when it is read"
_UNCHECKED = "missing or damaged chunks may go unnoticed: save a copy with voxelrock convert"


def is_store(path: Path) -> bool:
    """Whether a folder holds Zarr metadata."""
    return any((path / name).exists() for name in ("zarr.json", ".zarray", ".zgroup"))


def is_store_object(place: Any) -> bool:
    """Whether something is a Zarr array or store already, not a path."""
    return isinstance(place, Store | zarr.Array)


def open_zarr(place: Any, *, path: str = "") -> VoxelImage:
    """Open a Zarr store lazily.

    Parameters
    ----------
    place
        A path, a URL of an object store, a ``zarr.Array``, or a Zarr store in memory.
    path
        The array inside a group; chosen where only one fits.

    Raises
    ------
    MissingFileError
        Nothing is there.
    UnfinishedError
        Only a partial store is there.
    ParameterError
        A URL with credentials, or a store object that holds some: both would travel with the graph.
    StorageError
        An object store cannot be reached, or may not be read.
    FormatError
        No array of two or three axes is there, or the attributes are newer than this version.
    """
    array, location = _array(place, path)
    where = location or "the store"
    if array.ndim == 2:
        raise FormatError(f"{where} holds a 2-D array; open it with vr.from_array(zarr.open_array(…)) as one slice")
    if array.ndim != 3:
        raise FormatError(f"{where} holds an array of {array.ndim} axes; a voxel image has three (z, y, x)")
    if np.dtype(array.dtype).kind not in "biuf":
        raise FormatError(f"{where} holds {array.dtype}; voxels are booleans, integers or real numbers")
    return _image(array, location)


def _array(place: Any, path: str) -> tuple[zarr.Array[Any], str]:
    if isinstance(place, zarr.Array):
        refuse_remote(place.store)
        return place, ""
    if is_url(place):
        return _array_of(checked_url(place), path)
    if isinstance(place, Store):
        refuse_remote(place)
        return _pick(_load(place, path, "the store"), "the store"), ""
    folder = Path(place).absolute()
    if not is_store(folder):
        partial = partial_path(folder.resolve())
        if partial.exists():
            record = Record(partial)
            state = f"is being written by {record.describe_owner()}" if record.alive() else "was never completed; save it again with resume=True"
            raise UnfinishedError(f"{folder} {state} ({record.marked()} blocks are in {partial})")
        raise MissingFileError(f"{folder} is no Zarr store; check the path" if folder.exists() else f"{folder} does not exist; check the path")
    return _pick(_load(LocalStore(folder, read_only=True), path, str(folder)), str(folder)), str(folder)


def _array_of(url: str, path: str) -> tuple[zarr.Array[Any], str]:
    stamp(url, "zarr.json")  # whatever is wrong with the store is plainer here than in zarr-python's many requests at once
    try:
        return _pick(_load(Reached.of(url), path, url), url), url
    except MissingFileError as error:
        raise MissingFileError(str(error) if path else why_empty(url)) from None


def _load(store: Store, path: str, place: str) -> Any:
    """An array or a group; whatever is wrong with its metadata becomes an error of ours."""
    try:
        return zarr.open(store=store, mode="r", path=path or None, use_consolidated=False)
    except FileNotFoundError:
        raise MissingFileError(f"{place} holds no array or group {path!r}" if path else f"{place} is empty; check the path") from None
    except StorageError:
        raise
    except Exception as error:  # zarr raises whatever its parsers meet
        reason = (str(error).strip().split("\n") or [""])[0] or type(error).__name__
        raise FormatError(f"{place} has metadata that cannot be read ({reason}); check what wrote it, or restore it from a copy") from error


def _pick(node: Any, place: str) -> zarr.Array[Any]:
    """The array meant: the finest of a multiscale image, or the only one of three axes."""
    if isinstance(node, zarr.Array):
        return node
    scales = foreign.multiscales(node)
    if scales:
        return _pick(_load(node.store, f"{node.path}/{scales['datasets'][0]['path']}".strip("/"), place), place)
    try:
        arrays = {name: item for name, item in node.members() if isinstance(item, zarr.Array)}
    except StorageError as error:  # plain HTTP servers list nothing
        raise StorageError(f"{error} ({place} is a group whose members cannot be listed: name one of its arrays with path=)") from None
    except Exception as error:
        raise FormatError(f"{place} is a group with an array whose metadata cannot be read ({error}); name another with path=") from error
    solid = {name: item for name, item in arrays.items() if item.ndim == 3 and name != NO_DATA} or arrays
    if len(solid) != 1:
        found = ", ".join(sorted(solid)) or "none"
        raise FormatError(f"{place} is a group; name one of its arrays with path=: {found}")
    return next(iter(solid.values()))


def _source(array: zarr.Array[Any], location: str, strict: bool) -> Source:
    if not location:
        return StoreSource(array, identify(array, "") + f" {id(array.store)}")
    a, b, c = array.shape
    tile: Triple = tuple(array.chunks)
    dtype = np.dtype(array.dtype).newbyteorder("=")
    if is_url(location):
        return ObjectSource(location, array.path, (a, b, c), dtype, tile, identify_object(array, location), strict)
    return ZarrSource(location, array.path, (a, b, c), dtype, tile, identify(array, location), strict)


def _image(array: zarr.Array[Any], location: str) -> VoxelImage:
    facts, place = dict(array.attrs), location or "the store"
    own = facts.get(attributes.KEY)
    source = _source(array, location, strict=isinstance(own, dict) and bool(own.get("complete")))
    kind = facts.get(attributes.ROCKVERSE)
    group = None if own or kind else foreign.parent_of(array)
    order = (2, 1, 0) if kind else foreign.order_of(foreign.dimensions(array, group))  # RockVerse's axes are (x, y, z)
    unit: Any = tuple(max(1, n) for n in array.shards or array.chunks)
    if order != (0, 1, 2):
        source, unit = Permuted(source, order), tuple(unit[axis] for axis in order)
    if kind not in (None, "VoxelImage"):
        raise FormatError(f"{place} is a RockVerse {kind}; open one of its arrays with path=")
    try:
        if kind:
            fields = attributes.decode_rockverse(facts, source.shape)
        elif isinstance(own, dict):
            fields = attributes.decode(facts, source.shape)
        else:
            fields = foreign.describe(array, group, source.shape, place)
    except FormatError as error:
        raise FormatError(str(error) if place in str(error) else f"{place}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{place} has attributes that cannot be used ({type(error).__name__}: {error}); restore its metadata from a copy") from error
    tiling = Tiling.regular(source.shape, layout.block_of(source.shape, unit))
    data = from_source(as_voxels(source), tiling)
    if data.dtype.kind == "b":
        value, beside = fields.pop("nodata", None), foreign.missing_beside(array, group)
        mask = VoxelImage(data, **fields)
        if beside is not None:
            value = mask.with_data(from_source(Permuted(_source(beside, location, strict=False), order), tiling))
        return mask.assign(nodata=value)
    if isinstance(own, dict) and own.get("mask"):
        data, fields["nodata"] = from_codes(data)
    return VoxelImage(data, **fields)


def inspect_store(place: str | Path) -> Json:
    """How a store is laid out and what it promises, for ``voxelrock info``.

    Raises
    ------
    ParameterError
        The path is no Zarr store.
    """
    if not is_store(Path(place)):
        raise ParameterError(f"{place} is no Zarr store")
    array, location = _array(place, "")
    own = array.attrs.get(attributes.KEY)
    stored = sum(file.stat().st_size for file in Path(location).rglob("*") if file.is_file())
    names = [type(c).__name__.removesuffix("Codec") for c in array.compressors]
    checked = "Crc32c" in names
    return {
        "kind": "voxelrock" if own else "RockVerse" if array.attrs.get(attributes.ROCKVERSE) else "Zarr",
        "zarr_format": array.metadata.zarr_format,
        "chunks": list(array.chunks),
        "shards": list(array.shards) if array.shards else None,
        "compression": [n for n in names if n != "Crc32c"],
        "stored_bytes": stored,
        "ratio": array.nbytes / stored if stored else None,
        "checksums": checked,
        "promise": _CHECKED if checked and own else _UNCHECKED,
        "attributes": json.loads(json.dumps(own or dict(array.attrs), default=str)),
    }
