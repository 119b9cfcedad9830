"""Opening stores: ours, RockVerse's, OME-Zarr, and plain Zarr arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from voxelrock.errors import FormatError, MissingFileError, ParameterError, UnfinishedError
from voxelrock.geometry import ZYX, Tiling, VoxelGrid
from voxelrock.graph.arrays import from_source
from voxelrock.graph.sources import Permuted, Source
from voxelrock.image import VoxelImage
from voxelrock.storage import attributes, layout
from voxelrock.storage.records import Record, partial_path
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
        A path, a ``zarr.Array``, or a Zarr store in memory.
    path
        The array inside a group; chosen where only one fits.

    Raises
    ------
    MissingFileError
        Nothing is there.
    UnfinishedError
        Only a partial store is there.
    FormatError
        No array of two or three axes is there, or the attributes are newer than this version.
    """
    array, location = _array(place, path)
    if array.ndim not in (2, 3):
        raise FormatError(f"{location or 'the store'} holds an array of {array.ndim} axes; a voxel image has three (z, y, x)")
    if np.dtype(array.dtype).kind not in "biuf":
        raise FormatError(f"{location or 'the store'} holds {array.dtype}; voxels are booleans, integers or real numbers")
    if array.ndim == 2:
        raise FormatError(f"{location or 'the store'} holds a 2-D array; open it with vr.from_array(zarr.open_array(…)) as one slice")
    return _image(array, location)


def _array(place: Any, path: str) -> tuple[zarr.Array[Any], str]:
    if isinstance(place, zarr.Array):
        return place, ""
    if isinstance(place, Store):
        return _pick(zarr.open(store=place, mode="r", path=path or None), path, "the store"), ""
    folder = Path(place).absolute()
    if not is_store(folder):
        partial = partial_path(folder)
        if partial.exists():
            record = Record(partial)
            state = f"is being written by {record.describe_owner()}" if record.alive() else "was never completed; save it again with resume=True"
            raise UnfinishedError(f"{folder} {state} ({len(record.done())} blocks are in {partial})")
        raise MissingFileError(f"{folder} is no Zarr store" if folder.exists() else f"{folder} does not exist")
    node = zarr.open(store=LocalStore(folder, read_only=True), mode="r", path=path or None)
    return _pick(node, path, str(folder)), str(folder)


def _pick(node: Any, path: str, place: str) -> zarr.Array[Any]:
    if isinstance(node, zarr.Array):
        return node
    scales = node.attrs.get("multiscales") or node.attrs.get("ome", {}).get("multiscales")
    if scales:
        return _pick(node[scales[0]["datasets"][0]["path"]], path, place)
    arrays = sorted(name for name, item in node.members() if isinstance(item, zarr.Array))
    if len(arrays) != 1:
        found = ", ".join(arrays) or "none"
        raise FormatError(f"{place} is a group; name one of its arrays with path=: {found}")
    return _pick(node[arrays[0]], path, place)


def _source(array: zarr.Array[Any], location: str, strict: bool) -> Source:
    if not location:
        return StoreSource(array, identify(array, "") + f" {id(array.store)}")
    a, b, c = array.shape
    tile: Triple = tuple(array.chunks)
    dtype = np.dtype(array.dtype).newbyteorder("=")
    return ZarrSource(location, array.path, (a, b, c), dtype, tile, identify(array, location), strict)


def _image(array: zarr.Array[Any], location: str) -> VoxelImage:
    facts = dict(array.attrs)
    own = isinstance(facts.get(attributes.KEY), dict)
    source = _source(array, location, strict=own and bool(facts[attributes.KEY].get("complete")))
    unit: Triple = tuple(array.shards or array.chunks)
    if facts.get(attributes.ROCKVERSE) == "VoxelImage":
        source, unit = Permuted(source, (2, 1, 0)), unit[::-1]  # RockVerse's axes are (x, y, z)
        fields = attributes.decode_rockverse(facts, source.shape)
    elif facts.get(attributes.ROCKVERSE):
        raise FormatError(f"{location} is a RockVerse {facts[attributes.ROCKVERSE]}; open one of its arrays with path=")
    elif own:
        fields = attributes.decode(facts, source.shape)
    else:
        fields = attributes.decode_plain(facts, source.shape) | _ome_grid(array, location, source.shape)
    tiling = Tiling.regular(source.shape, layout.block_of(source.shape, unit))
    return VoxelImage(from_source(source, tiling), **fields)


def _ome_grid(array: zarr.Array[Any], location: str, shape: Triple) -> dict[str, Any]:
    """The grid that the multiscales of OME-Zarr state for an array, if they do."""
    parent = "/".join(array.path.split("/")[:-1])
    if not location or not array.path:
        return {}
    group = zarr.open(store=LocalStore(location, read_only=True), mode="r", path=parent or None)
    scales = group.attrs.get("multiscales") or group.attrs.get("ome", {}).get("multiscales")
    if not scales:
        return {}
    for dataset in scales[0]["datasets"]:
        scale = next((t["scale"] for t in dataset.get("coordinateTransformations", []) if t["type"] == "scale"), None)
        if dataset["path"] == array.path.split("/")[-1] and scale is not None and len(scale) == 3:
            unit = {a.get("unit") for a in scales[0].get("axes", []) if a.get("type") == "space"} - {None}
            return {"grid": VoxelGrid(ZYX(*shape), ZYX(*scale), unit=unit.pop() if len(unit) == 1 else "voxel")}
    return {}


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
