"""What a TIFF file says about lengths: ImageJ's description, OME-XML, resolution tags."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from voxelrock.errors import UnitError
from voxelrock.geometry import ZYX
from voxelrock.geometry.units import VOXEL, canonical_unit, conversion

_SCREENS = (72.0, 96.0)
_TAG_UNITS = {2: "in", 3: "cm"}


@dataclass(frozen=True)
class Lengths:
    """Spacing, origin and unit as a file states them, each None where it does not, and what was ignored or assumed."""

    spacing: ZYX[float] | None = None
    origin: ZYX[float] | None = None
    unit: str | None = None
    notes: tuple[str, ...] = ()


def _ratio(value: Any) -> float:
    """Pixels per unit, from a rational tag; 0 where it makes no sense."""
    try:
        numerator, denominator = value if isinstance(value, tuple) else (value, 1)
        ratio = float(numerator) / float(denominator)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return ratio if math.isfinite(ratio) and ratio > 0 else 0.0


def resolution_lengths(x: Any, y: Any, unit: int) -> Lengths:
    """Lengths from the tags XResolution, YResolution and ResolutionUnit; 72 and 96 dpi are a screen's, not a scanner's."""
    per = _TAG_UNITS.get(int(unit))
    across, down = _ratio(x), _ratio(y)
    if per is None or not across or not down:
        return Lengths()
    dpi = across if per == "in" else across * 2.54
    if any(abs(dpi - screen) < 0.5 for screen in _SCREENS):
        return Lengths(notes=(f"the resolution tag of {dpi:.0f} dpi was ignored: it is a screen's",))
    if across == down == 1:
        return Lengths(notes=(f"the resolution tag of 1 pixel per {per} was ignored",))
    # Micrometres are what rocks are scanned in; inches per voxel help nobody.
    factor = conversion(per, "um")
    spacing = ZYX(factor / across, factor / down, factor / across)
    return Lengths(spacing, None, "um", (f"spacing read from the resolution tag of {across:g} pixels per {per}; along z it was taken as along x",))


def imagej_lengths(said: Mapping[str, Any], x: Any, y: Any, tag_unit: int) -> Lengths:
    """Lengths from ImageJ's description and the resolution tags that go with it."""
    across, down = _ratio(x) or 1.0, _ratio(y) or 1.0
    # The tag's unit is inches unless it is given, so without a resolution it says nothing.
    named = said.get("unit") or (_TAG_UNITS.get(int(tag_unit)) if across != 1 else None)
    depth = said.get("spacing")
    notes: tuple[str, ...] = ()
    try:
        unit = canonical_unit(_unescaped(str(named))) if named is not None else VOXEL
    except UnitError:
        return Lengths(notes=(f"the unit {named!r} is not known, so the spacing was ignored",))
    if not isinstance(depth, (int, float)) or not math.isfinite(depth) or depth == 0:
        depth = 1 / across
        if unit != VOXEL:
            notes = ("the distance between slices is not stated; it was taken as along x",)
    spacing = ZYX(abs(float(depth)), 1 / down, 1 / across)
    if named is None or unit == VOXEL:
        if spacing == ZYX.of(1.0) and not any(said.get(f"{axis}origin") for axis in "zyx"):
            return Lengths()
        if named is None:
            return Lengths(notes=(f"the spacing {tuple(f'{s:g}' for s in spacing)} along (z, y, x) has no unit and was ignored",))
    if unit != VOXEL and not said.get("unit") and any(abs(_dpi(across, unit) - screen) < 0.5 for screen in _SCREENS):
        return Lengths(notes=(f"the resolution tag of {_dpi(across, unit):.0f} dpi was ignored: it is a screen's",))
    return Lengths(spacing, _imagej_origin(said, spacing), unit, notes)


def _dpi(per_unit: float, unit: str) -> float:
    return per_unit * conversion("in", unit)


def _imagej_origin(said: Mapping[str, Any], spacing: ZYX[float]) -> ZYX[float] | None:
    """ImageJ states which pixel is the origin; here it is where the first pixel lies."""
    places = ZYX(said.get("zorigin"), said.get("yorigin"), said.get("xorigin"))
    if not any(isinstance(place, (int, float)) for place in places):
        return None
    return ZYX(*(-float(place) * h if place else 0.0 for place, h in zip(places, spacing)))


def _unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)


def ome_lengths(xml: str, image: int = 0) -> Lengths:
    """Lengths from OME-XML: PhysicalSizeX, Y and Z of one of its images; micrometres where it names no unit."""
    try:
        found = [element for element in ElementTree.fromstring(xml).iter() if element.tag.rsplit("}")[-1] == "Pixels"]
    except ElementTree.ParseError as error:
        return Lengths(notes=(f"the OME-XML cannot be read ({error}) and was ignored",))
    if not found:
        return Lengths()
    said = found[min(image, len(found) - 1)].attrib
    try:
        sizes = [_ome_size(said, axis) for axis in "ZYX"]
    except (UnitError, ValueError) as error:
        return Lengths(notes=(f"the physical size in the OME-XML was ignored: {error}",))
    depth, down, across = sizes
    if across is None or down is None:
        return Lengths()
    notes = () if depth is not None else ("the distance between slices is not stated; it was taken as along x",)
    (z, z_unit), (y, y_unit), (x, unit) = depth or across, down, across
    if VOXEL in (unit, y_unit, z_unit):
        return Lengths()
    return Lengths(ZYX(z * conversion(z_unit, unit), y * conversion(y_unit, unit), x), None, unit, notes)


def _ome_size(said: Mapping[str, str], axis: str) -> tuple[float, str] | None:
    text = said.get(f"PhysicalSize{axis}")
    if text is None:
        return None
    size, unit = float(text), said.get(f"PhysicalSize{axis}Unit", "um")
    if not math.isfinite(size) or size <= 0:
        raise ValueError(f"PhysicalSize{axis} is {text}")
    return size, VOXEL if unit in ("pixel", "reference frame") else canonical_unit(unit)


def bounding_box_notes(description: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """What Avizo's line ``BoundingBox xmin xmax ymin ymax zmin zmax`` (voxel centres) implies; it names no unit, so it is only told."""
    match = re.search(r"BoundingBox((?:\s+[-+0-9.eE]+){6})", description)
    if match is None or len(shape) != 3 or min(shape) < 2:
        return ()
    low_high = [float(word) for word in match[1].split()]
    x, y, z = ((low_high[2 * i + 1] - low_high[2 * i]) / (n - 1) for i, n in enumerate(reversed(shape)))
    return (f"the file's bounding box implies a spacing of {z:.6g}, {y:.6g}, {x:.6g} along (z, y, x) in a unit that it does not name: give spacing=",)


def file_lengths(file: Any, series: int = 0) -> Lengths:
    """Lengths from whatever an open TIFF file has: OME-XML, else ImageJ's description, else resolution tags."""
    tags = file.pages.first.tags
    x, y, unit = (tags.valueof(code, default) for code, default in ((282, None), (283, None), (296, 2)))
    if file.is_ome and file.ome_metadata:
        return ome_lengths(file.ome_metadata, series)
    if file.is_imagej:
        return imagej_lengths(file.imagej_metadata or {}, x, y, unit)
    if file.is_shaped and x == y == (1, 1):
        return Lengths()
    return resolution_lengths(x, y, unit)
