"""Regions of interest as text: what ``--roi`` takes."""

from __future__ import annotations

from pathlib import Path

from voxelrock.errors import ParameterError
from voxelrock.geometry import AXES, Box, Cylinder, Region
from voxelrock.image import VoxelImage
from voxelrock.io.opening import open as open_image

HELP = "none, cylinder[:axis=z,margin=100um | :axis=z,radius=4mm,y=5mm,x=5mm], box:z=0um..800um,y=…, or a mask file (non-zero = used)"


def parse_region(text: str, image: VoxelImage) -> VoxelImage | Region | None:
    """The region of interest that a text names, for an image.

    Parameters
    ----------
    text
        ``"none"``; ``"cylinder"`` (the largest that fits) with ``axis``, ``margin``, or with ``radius`` and its centre; ``"box:"`` with a range
        for each axis that is cut; or the path of a mask, non-zero where used, of the image's shape.

    Raises
    ------
    ParameterError
        The text is none of these.

    Examples
    --------
    >>> import voxelrock as vr
    >>> parse_region("cylinder:axis=z,margin=2voxel", vr.zeros(shape=20)).radius
    8.0
    """
    kind, _, rest = text.partition(":")
    if kind == "none" and not rest:
        return None
    if kind == "cylinder":
        return _cylinder(_pairs(rest, text), image)
    if kind == "box":
        return _box(_pairs(rest, text), text)
    if Path(text).exists():
        return _mask(Path(text), image)
    raise ParameterError(f"cannot read {text!r} as a region; write {HELP}")


def _pairs(rest: str, text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, rest.split(",")):
        name, equal, value = part.partition("=")
        if not equal or not value:
            raise ParameterError(f"cannot read {part!r} in {text!r}: write name=value, separated by commas")
        found[name.strip()] = value.strip()
    return found


def _cylinder(said: dict[str, str], image: VoxelImage) -> Region:
    axis = said.pop("axis", "z")
    if "radius" not in said:
        margin = said.pop("margin", "0")
        _nothing_left(said, "cylinder", "axis, margin, or axis, radius, length and the centre")
        return Cylinder.inscribed(image.grid, axis=axis, margin=image.grid.length(margin))
    radius, length = said.pop("radius"), said.pop("length", None)
    low, high = image.grid.bounds
    center = {a: said.pop(a, (low[i] + high[i]) / 2) for i, a in enumerate(AXES)}
    _nothing_left(said, "cylinder", "axis, radius, length and the centre")
    return Cylinder(axis=axis, radius=radius, center=center, length=length).resolve(image.grid)


def _nothing_left(said: dict[str, str], kind: str, names: str) -> None:
    if said:
        raise ParameterError(f"a {kind} has no {next(iter(said))!r}; it takes {names}")


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
    return mask.with_data((mask != 0).data, grid=image.grid, nodata=None, phases={})
