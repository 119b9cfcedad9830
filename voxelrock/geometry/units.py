"""Lengths with units: text such as ``"8 um"`` or numbers in a given unit."""

from __future__ import annotations

import math
import re

from voxelrock.errors import ParameterTypeError, UnitError

_METRES = {"nm": 1e-9, "um": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "in": 0.0254}
_ALIASES = {
    "µm": "um",
    "μm": "um",
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "micrometre": "um",
    "\\u00b5m": "um",
    "nanometer": "nm",
    "nanometre": "nm",
    "millimeter": "mm",
    "millimetre": "mm",
    "centimeter": "cm",
    "centimetre": "cm",
    "meter": "m",
    "metre": "m",
    "inch": "in",
    "inches": "in",
    "voxels": "voxel",
    "pixel": "voxel",
    "pixels": "voxel",
    "vx": "voxel",
    "px": "voxel",
}
_TEXT = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*$")

VOXEL = "voxel"
"""The unit of a grid whose physical scale is unknown."""


def canonical_unit(unit: str) -> str:
    """The short name of a unit: um, nm, mm, cm, m, in or voxel.

    Raises
    ------
    UnitError
        An unknown unit.
    """
    if not isinstance(unit, str):
        raise ParameterTypeError(f"a unit is text, such as 'um'; got {unit!r}")
    name = _ALIASES.get(unit.strip(), unit.strip())
    name = _ALIASES.get(name.lower(), name)
    if name != VOXEL and name not in _METRES:
        raise UnitError(f"unknown unit {unit!r}; the units are nm, um (µm, micron), mm, cm, m, in, voxel")
    return name


def conversion(source: str, target: str) -> float:
    """The factor that turns a length in ``source`` into one in ``target``.

    Raises
    ------
    UnitError
        One of them is ``"voxel"`` and the other is not: the scale is unknown.
    """
    source, target = canonical_unit(source), canonical_unit(target)
    if source == target:
        return 1.0
    if VOXEL in (source, target):
        raise UnitError(f"cannot convert {source} to {target}: the physical size of a voxel is unknown; give the image a spacing, such as spacing='8 um'")
    return _METRES[source] / _METRES[target]


def parse_length(value: float | str) -> tuple[float, str | None]:
    """A number and its unit, or None where the text (or the plain number) names none.

    Raises
    ------
    UnitError
        The text is no length.
    """
    if isinstance(value, str):
        match = _TEXT.match(value)
        if match is None:
            raise UnitError(f"cannot read {value!r} as a length; write a number and a unit, such as '8 um'")
        number, unit = float(match[1]), match[2]
        return number, canonical_unit(unit) if unit else None
    if isinstance(value, bool) or not hasattr(value, "__float__") or getattr(value, "ndim", False):
        raise ParameterTypeError(f"a length is a number or text with a unit; got {value!r}")
    return float(value), None


def length_in(value: float | str, unit: str) -> float:
    """A length as a number in ``unit``; plain numbers are in it already.

    Raises
    ------
    UnitError
        The text is no length, or cannot be converted; or the number is not finite.
    """
    number, own = parse_length(value)
    result = number if own is None else number * conversion(own, unit)
    if not math.isfinite(result):
        raise UnitError(f"a length must be finite; got {value!r}")
    return result
