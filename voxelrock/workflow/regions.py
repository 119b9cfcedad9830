"""Regions of interest as text: what ``--roi`` takes."""

from __future__ import annotations

import math
from pathlib import Path

from voxelrock.errors import ParameterError
from voxelrock.geometry import AXES, ZYX, Box, Cylinder, Region
from voxelrock.geometry.axes import axis_number
from voxelrock.image import VoxelImage
from voxelrock.io.opening import open as open_image

HELP = (
    "auto (the plug that is found), none, cylinder[:axis=z,margin=100um | :axis=z,radius=4mm,y=5mm,x=5mm], box:z=0um..800um,y=…, "
    "or a mask file (non-zero = used)"
)


def parse_region(text: str, image: VoxelImage) -> VoxelImage | Region | None:
    """The region of interest that a text names, for an image.

    Parameters
    ----------
    text
        ``"none"``; ``"cylinder"`` (the largest that fits) with ``axis``, ``margin``, or with ``radius``, ``length`` and its centre, ``direction=z/y/x`` for a
        tilted one; ``"box:"`` with a range for each axis that is cut; or the path of a mask, non-zero where used, of the image's shape.
    image
        Whose grid gives lengths without a unit theirs.

    Raises
    ------
    ParameterError
        The text is none of these, or the region lies outside the image.

    Examples
    --------
    >>> import voxelrock as vr
    >>> parse_region("cylinder:axis=z,margin=2voxel", vr.zeros(shape=20)).radius
    8.0
    """
    kind, _, rest = text.partition(":")
    if kind == "none" and not rest:
        return None
    region: Region
    if kind == "cylinder":
        region = _cylinder(_pairs(rest, text), image)
    elif kind == "box":
        region = _box(_pairs(rest, text), text)
    elif Path(text).exists():
        return _mask(Path(text), image)
    elif Path(text).suffix:
        raise ParameterError(f"the mask {text} of the region does not exist; check the path")
    else:
        raise ParameterError(f"cannot read {text!r} as a region; write {HELP}")
    region.resolve(image.grid).box(image.grid)
    return region


def parse_axis(text: str) -> str:
    """The axis of the plug to look for, from ``"auto"`` or ``"auto:axis=x"``.

    Raises
    ------
    ParameterError
        Something else after ``auto:``.
    """
    said = _pairs(text.partition(":")[2], text)
    axis = said.pop("axis", "z")
    _nothing_left(said, text.partition(":")[0], "axis")
    axis_number(axis)
    return axis


def _pairs(rest: str, text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, rest.split(",")):
        name, equal, value = part.partition("=")
        if not equal or not value:
            raise ParameterError(f"cannot read {part!r} in {text!r}: write name=value, separated by commas")
        found[name.strip()] = value.strip()
    return found


def _cylinder(said: dict[str, str], image: VoxelImage) -> Region:
    axis: str | ZYX[float] = said.pop("axis", "z")
    if "direction" in said:
        axis = _direction(said.pop("direction"))
    if "radius" not in said and isinstance(axis, str):
        margin = said.pop("margin", "0")
        _nothing_left(said, "cylinder", "axis, margin, or axis (or direction), radius, length and the centre")
        return Cylinder.inscribed(image.grid, axis=axis, margin=image.grid.length(margin))
    if "radius" not in said:
        raise ParameterError("a cylinder with a direction needs its radius: cylinder:direction=1/0.03/0,radius=4mm,z=…,y=…,x=…")
    radius, length = said.pop("radius"), said.pop("length", None)
    low, high = image.grid.bounds
    center = {a: said.pop(a, (low[i] + high[i]) / 2) for i, a in enumerate(AXES)}
    _nothing_left(said, "cylinder", "axis (or direction), radius, length and the centre")
    return Cylinder(axis=axis, radius=radius, center=center, length=length).resolve(image.grid)


def _direction(text: str) -> ZYX[float]:
    try:
        z, y, x = (float(part) for part in text.split("/"))
    except ValueError:
        raise ParameterError(f"a direction is three numbers z/y/x, such as 1/0.03/0; got {text!r}") from None
    return ZYX(z, y, x)


def _nothing_left(said: dict[str, str], kind: str, names: str) -> None:
    if said:
        raise ParameterError(f"{kind} has no {next(iter(said))!r}; it takes {names}")


def _box(said: dict[str, str], text: str) -> Region:
    low, high = {}, {}
    for axis, span in said.items():
        start, dots, stop = span.partition("..")
        if axis not in AXES or not dots:
            raise ParameterError(f"cannot read {axis}={span!r} in {text!r}: write box:z=0um..800um,y=1mm..2mm (a missing side is open)")
        if start:
            low[axis] = start
        if stop:
            high[axis] = stop
    return Box(low=low, high=high)


def _mask(path: Path, image: VoxelImage) -> VoxelImage:
    mask = open_image(path)
    if mask.shape != image.shape:
        raise ParameterError(f"the mask {path.name} has shape {tuple(mask.shape)} and the image {tuple(image.shape)} along (z, y, x)")
    if mask.dtype.kind == "f" and mask.nodata is None:
        mask = mask.assign(nodata=math.nan)  # NaN is not used; unsaid it would differ from zero
    return mask.with_data((mask != 0).data, grid=image.grid, nodata=None, phases={})
