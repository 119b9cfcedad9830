"""MetaImage: a text header (.mhd) with a file of voxels beside it, or both in one file (.mha). Its axes are written (x, y, z)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voxelrock.errors import ExistsError, FormatError, MissingFileError, ParameterError, UnitError
from voxelrock.geometry import ZYX
from voxelrock.geometry.units import VOXEL, canonical_unit, conversion
from voxelrock.graph.sources import Source
from voxelrock.io.files import FileStamp, read_bytes
from voxelrock.io.flat import flat_source
from voxelrock.io.formats import Format, ReadOptions, Scan
from voxelrock.io.inflate import InflateSource
from voxelrock.io.targets import Export, flat_export
from voxelrock.io.writing import Header, WriteOptions
from voxelrock.typing import Triple

_HEADER_BYTES = 65536
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NAMES = {name: met for met, name in _TYPES.items() if met not in ("MET_LONG", "MET_ULONG")}
_COMMENT = re.compile(r"voxelrock unit=(\S+)(?: dtype=(\S+))?")

Fields = Mapping[str, str]


def read_metaimage(path: Path, options: ReadOptions) -> Scan:
    """A MetaImage of two or three dimensions; zlib-compressed voxels are read too.

    Lengths without ``DistanceUnits`` are millimetres, as ITK has it, and a note says so.

    Memory: the block that is read; whole planes where compressed.

    Raises
    ------
    MissingFileError, StorageError
        The header or the file of voxels cannot be read.
    FormatError
        The header is incomplete, says something that is not supported, or does not fit the size of the file.
    """
    options.only(path)
    said, end = _header(path)
    shape = _shape(path, said)
    stored = _stored(path, said)
    _supported(path, said)
    source = _source(path, said, end, shape, stored)
    spacing, origin, unit, notes = _where(path, said)
    description = said.get("Comment", "")
    match = _COMMENT.search(description)
    if match and match[2] == "bool":
        notes = (*notes, "written from a boolean image: 1 is True")
    return Scan(source, spacing, origin, unit, isinstance(source, InflateSource), _COMMENT.sub("", description).strip(), notes)


def _header(path: Path) -> tuple[Fields, int]:
    stamp = FileStamp.of(path)
    with stamp.opened() as descriptor:
        start = read_bytes(descriptor, min(stamp.size, _HEADER_BYTES), 0, stamp.name)
    said: dict[str, str] = {}
    end = 0
    for line in start.splitlines(keepends=True):
        end += len(line)
        key, equals, value = line.decode("utf-8", "replace").partition("=")
        if not equals:
            if line.strip():
                break
            continue
        said[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            return said, end
    raise FormatError(f"{path} is no MetaImage header: no line says ElementDataFile = …")


def _need(path: Path, said: Fields, key: str) -> str:
    if key not in said:
        raise FormatError(f"{path} has no {key}; a MetaImage header needs NDims, DimSize, ElementType and ElementDataFile")
    return said[key]


def _numbers(path: Path, said: Fields, key: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in said[key].split())
    except ValueError:
        raise FormatError(f"{path} has {key} = {said[key]}; numbers were expected") from None


def _shape(path: Path, said: Fields) -> Triple:
    _need(path, said, "DimSize")
    sizes = _numbers(path, said, "DimSize")
    dimensions = said.get("NDims", str(len(sizes)))
    if dimensions not in ("2", "3") or len(sizes) != int(dimensions):
        raise FormatError(f"{path} has NDims = {dimensions} and DimSize = {said['DimSize']}; two or three dimensions (x, y, z) are read")
    if not all(n >= 1 and n == int(n) for n in sizes):
        raise FormatError(f"{path} has DimSize = {said['DimSize']}; whole numbers from 1 on were expected")
    x, y, z = (int(n) for n in (*sizes, 1)[:3])
    return z, y, x


def _stored(path: Path, said: Fields) -> np.dtype[Any]:
    name = _need(path, said, "ElementType")
    if name not in _TYPES:
        raise FormatError(f"{path} has ElementType = {name}; the types that are read are {', '.join(_TYPES)}")
    big = _true(said, "BinaryDataByteOrderMSB") or _true(said, "ElementByteOrderMSB")
    return np.dtype((">" if big else "<") + _TYPES[name])


def _true(said: Fields, key: str) -> bool:
    return said.get(key, "False").lower() in ("true", "1")


def _supported(path: Path, said: Fields) -> None:
    if said.get("ElementNumberOfChannels", "1") != "1":
        raise FormatError(f"{path} has {said['ElementNumberOfChannels']} channels per voxel; images of one channel are read: save the channel that is needed")
    if said.get("BinaryData", "True").lower() not in ("true", "1"):
        raise FormatError(f"{path} holds its voxels as text (BinaryData = False); save it as binary data")
    file = said["ElementDataFile"]
    if file.split()[:1] == ["LIST"] or "%" in file:
        raise FormatError(f"{path} spreads its voxels over several files (ElementDataFile = {file}); save it as one file")


def _source(path: Path, said: Fields, end: int, shape: Triple, stored: np.dtype[Any]) -> Source:
    local = said["ElementDataFile"] in ("LOCAL", "Local", "local")
    data = path if local else path.parent / said["ElementDataFile"]
    if not data.exists():
        raise MissingFileError(f"{path} says that its voxels are in {data}, which does not exist; put both files side by side")
    stamp = FileStamp.of(data)
    skipped = int(_numbers(path, said, "HeaderSize")[0]) if "HeaderSize" in said else 0
    compressed = _true(said, "CompressedData")
    size = shape[0] * shape[1] * shape[2] * stored.itemsize
    # -1 means that the voxels are the last bytes of the file.
    offset = stamp.size - size if skipped < 0 and not compressed else max(skipped, 0) + (end if local else 0)
    if compressed:
        return InflateSource(stamp, shape, stored.str, offset)
    return flat_source(stamp, shape, stored, max(offset, 0))


def _where(path: Path, said: Fields) -> tuple[ZYX[float] | None, ZYX[float] | None, str | None, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    spacing = next((_zyx(path, said, key, 1.0) for key in ("ElementSpacing", "ElementSize") if key in said), None)
    origin = next((_zyx(path, said, key, 0.0) for key in ("Offset", "Position", "Origin") if key in said), None)
    rotation = next((key for key in ("TransformMatrix", "Orientation", "Rotation") if key in said), None)
    if rotation is not None and not _identity(_numbers(path, said, rotation)):
        notes = (f"the rotation {rotation} = {said[rotation]} was ignored",)
    match = _COMMENT.search(said.get("Comment", ""))
    plain = spacing in (None, ZYX.of(1.0)) and "DistanceUnits" not in said
    if match and match[1] == VOXEL and not (plain and origin in (None, ZYX.of(0.0))):
        return spacing, origin, VOXEL, notes
    if spacing is None or plain:
        return None, None, None, notes
    unit, assumed = _unit(said)
    target = canonical_unit(match[1]) if match else unit
    factor = conversion(unit, target)
    return spacing.map(lambda s: s * factor), None if origin is None else origin.map(lambda o: o * factor), target, notes + assumed


def _identity(matrix: tuple[float, ...]) -> bool:
    side = round(len(matrix) ** 0.5)
    return all(abs(value - (i % (side + 1) == 0)) < 1e-6 for i, value in enumerate(matrix))


def _unit(said: Fields) -> tuple[str, tuple[str, ...]]:
    named = said.get("DistanceUnits", "?")
    try:
        return canonical_unit(named), ()
    except UnitError:
        return "mm", ("the file states no unit; its lengths were taken as mm, the format's usual unit: give spacing= if they are not",)


def _zyx(path: Path, said: Fields, key: str, missing: float) -> ZYX[float]:
    x, y, z = (*_numbers(path, said, key), missing, missing, missing)[:3]
    return ZYX(z, y, x)


def write_metaimage(path: Path, header: Header, options: WriteOptions) -> Export:
    """A MetaImage for ParaView, Fiji, 3D Slicer and ITK: ``.mha`` in one file, ``.mhd`` with ``<stem>.raw`` beside it.

    Lengths are written in millimetres, as these programs expect; the image's own unit stands in the comment. Booleans are bytes 0 and 1.

    Raises
    ------
    ParameterError
        A type that the format does not know, or an order other than x fastest, little endian.
    ExistsError
        The ``.raw`` file that would be written exists and does not belong to this header.
    """
    options.plain("MetaImage")
    kind = "u1" if header.dtype.kind == "b" else f"{header.dtype.kind}{header.dtype.itemsize}"
    if kind not in _NAMES:
        raise ParameterError(f"MetaImage has no type for {header.dtype}; convert the image to float32 or float64, or write .npy or .raw")
    stored = np.dtype("<" + kind)
    shape = (*header.shape,)
    if path.suffix.lower() == ".mha":
        return flat_export(path, shape, stored, options, around=(_text(header, kind, "LOCAL"), b""))
    beside = path.with_suffix(".raw")
    if beside.exists() and not _belongs(beside, path):
        raise ExistsError(f"{beside} exists and does not belong to {path.name}; choose another name, or write .mha")
    companions = ((path.name, _text(header, kind, beside.name)),)
    return flat_export(beside, shape, stored, options, companions=companions)


def _belongs(data: Path, header: Path) -> bool:
    try:
        return _header(header)[0]["ElementDataFile"] == data.name
    except (OSError, ValueError):
        return False


def _text(header: Header, kind: str, file: str) -> bytes:
    factor = 1.0 if header.unit == VOXEL else conversion(header.unit, "mm")
    boolean = " dtype=bool" if header.dtype.kind == "b" else ""
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        f"Comment = {' '.join(header.description.split())} voxelrock unit={header.unit}{boolean}",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = False",
        "TransformMatrix = 1 0 0 0 1 0 0 0 1",
        f"Offset = {_xyz(header.origin, factor)}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_xyz(header.spacing, factor)}",
        f"DimSize = {header.shape.x} {header.shape.y} {header.shape.z}",
        f"ElementType = {_NAMES[kind]}",
        f"ElementDataFile = {file}",
    ]
    if header.unit != VOXEL:
        lines.insert(3, "DistanceUnits = mm")
    return ("\n".join(lines) + "\n").encode()


def _xyz(values: ZYX[float], factor: float) -> str:
    return " ".join(repr(float(v * factor)) for v in reversed(values))


FORMAT = Format("MetaImage", (".mhd", ".mha"), read_metaimage, write_metaimage)
