"""The small files beside a raw file: a JSON file that says what it holds, and a macro that opens it in ImageJ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxelrock.errors import FormatError, UnitError
from voxelrock.geometry import ZYX
from voxelrock.geometry.units import VOXEL, canonical_unit
from voxelrock.io.writing import VOXEL_KINDS, Header

_LAYOUT = "voxelrock raw 1"
_IMAGEJ_TYPES = {
    "b1": "8-bit",
    "u1": "8-bit",
    "u2": "16-bit Unsigned",
    "i2": "16-bit Signed",
    "u4": "32-bit Unsigned",
    "i4": "32-bit Signed",
    "f4": "32-bit Real",
    "f8": "64-bit Real",
}


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar says about its raw file."""

    shape: ZYX[int]
    dtype: np.dtype[Any]
    offset: int
    order: str
    spacing: ZYX[float] | None
    origin: ZYX[float] | None
    unit: str | None
    description: str


def sidecar_path(path: Path) -> Path:
    """``scan.raw`` → ``scan.raw.json``."""
    return path.with_name(path.name + ".json")


def sidecar_json(name: str, header: Header, stored: np.dtype[Any], order: str) -> bytes:
    """The sidecar of a raw file."""
    said = {
        "layout": _LAYOUT,
        "file": name,
        "shape": header.shape._asdict(),
        "order": order,
        "fastest_axis": "x" if order == "C" else "z",
        "dtype": "|b1" if header.dtype.kind == "b" else stored.str,
        "offset": 0,
        "spacing": header.spacing._asdict(),
        "origin": header.origin._asdict(),
        "unit": header.unit,
        "name": header.name,
        "field_unit": header.field_unit,
        "description": header.description,
    }
    return json.dumps(said, indent=2, ensure_ascii=False).encode() + b"\n"


def read_sidecar(path: Path) -> Sidecar | None:
    """What the sidecar of a raw file says, or None where there is none; those of RockVerse are read too.

    Raises
    ------
    FormatError
        There is one, and it cannot be understood.
    """
    beside = sidecar_path(path)
    if not beside.is_file():
        return None
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
        return _ours(said) if "layout" in said else _rockverse(said)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"{beside} does not describe {path.name} ({problem}); correct it, or delete it and give shape= and dtype=") from None


def _ours(said: Mapping[str, Any]) -> Sidecar:
    if said["layout"] != _LAYOUT:
        raise ValueError(f"its layout is {said['layout']!r}, this version reads {_LAYOUT!r}")
    unit = canonical_unit(said["unit"])
    spacing, origin = ZYX.of(said["spacing"]).map(float), ZYX.of(said["origin"]).map(float)
    known = unit != VOXEL or spacing != ZYX.of(1.0) or origin != ZYX.of(0.0)
    return Sidecar(
        shape=_shape(ZYX.of(said["shape"])),
        dtype=_dtype(said["dtype"]),
        offset=int(said["offset"]),
        order=_order(said["order"]),
        spacing=spacing if known else None,
        origin=origin if known else None,
        unit=unit if known else None,
        description=str(said.get("description", "")),
    )


def _rockverse(said: Mapping[str, Any]) -> Sidecar:
    """Axes are (x, y, z) there: "F" means that x changes fastest."""
    shape, length, origin = (ZYX(*reversed(said[key])) for key in ("shape", "voxel length", "voxel_origin"))
    try:
        unit = canonical_unit(said["voxel_unit"])
    except UnitError:
        unit = None
    dtype = _dtype("|b1" if said["data type"] == "boolean" else said["Numpy dtype"])
    order = "C" if _order(said["array_order"]) == "F" else "F"
    known = unit is not None
    return Sidecar(_shape(shape), dtype, 0, order, length.map(float) if known else None, origin.map(float) if known else None, unit, str(said["description"]))


def _shape(shape: ZYX[Any]) -> ZYX[int]:
    if not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(f"its shape is {tuple(shape)}")
    return shape


def _order(order: str) -> str:
    if order not in ("C", "F"):
        raise ValueError(f"its order is {order!r}, not 'C' or 'F'")
    return order


def _dtype(name: str) -> np.dtype[Any]:
    dtype = np.dtype(name)
    if dtype.kind not in VOXEL_KINDS:
        raise ValueError(f"its dtype is {name!r}")
    return dtype


def imagej_macro(name: str, header: Header, stored: np.dtype[Any], order: str) -> bytes:
    """A macro that opens a raw file in ImageJ or Fiji; empty where ImageJ cannot read its type or its order of axes."""
    kind = _IMAGEJ_TYPES.get(f"{stored.kind}{stored.itemsize}")
    if kind is None or order != "C":
        return b""
    z, y, x = header.shape
    little = " little-endian" if stored.str[0] == "<" else ""
    lines = [
        f"// Opens {name} in ImageJ or Fiji: Plugins > Macros > Run...",
        f'path = File.getParent(getInfo("macro.filepath")) + File.separator + "{name}";',
        f'if (!File.exists(path)) path = File.openDialog("Where is {name}?");',
        f'run("Raw...", "open=[" + path + "] image=[{kind}] width={x} height={y} number={z} offset=0 gap=0{little}");',
    ]
    if header.unit != VOXEL:
        h = header.spacing
        lines.append(f'setVoxelSize({h.x!r}, {h.y!r}, {h.z!r}, "{header.unit}");')
    return ("\n".join(lines) + "\n").encode()
