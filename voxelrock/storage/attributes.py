"""What a store says of its image: our attributes (versioned), and RockVerse's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from voxelrock.errors import FormatError, UnitError
from voxelrock.geometry import ZYX, VoxelGrid
from voxelrock.geometry.units import VOXEL
from voxelrock.image import Field, VoxelImage
from voxelrock.image.metadata import phases_from_json, phases_to_json
from voxelrock.typing import Json, Triple

KEY = "voxelrock"
VERSION = 1
ROCKVERSE = "_ROCKVERSE_DATATYPE"


def encode(image: VoxelImage) -> Json:
    """An image's metadata as attributes.

    A store whose bytes are a mask says so by ``mask`` beside these; to a version that does not know it they are numbers with the no-data
    value 255, so that needs no other version of the attributes.
    """
    grid, nodata = image.grid, image.nodata
    return {
        "version": VERSION,
        "grid": {"spacing": list(grid.spacing), "origin": list(grid.origin), "unit": grid.unit, "axes": "zyx"},
        "field": asdict(image.field),
        "phases": phases_to_json(image.phases),
        "nodata": "NaN" if nodata is not None and math.isnan(nodata) else nodata,
        "history": list(image.history),
    }


def decode(attributes: Mapping[str, Any], shape: Triple) -> dict[str, Any]:
    """The fields of an image from our attributes.

    Raises
    ------
    FormatError
        They come from a newer version.
    """
    own = attributes[KEY]
    if own["version"] > VERSION:
        newer = f"attributes version {own['version']}, this one reads up to {VERSION}"
        raise FormatError(f"this store was written by a newer voxelrock ({newer}): upgrade voxelrock")
    grid = own["grid"]
    nodata = own.get("nodata")
    return {
        "grid": VoxelGrid(ZYX(*shape), ZYX(*grid["spacing"]), ZYX(*grid["origin"]), grid["unit"]),
        "field": Field(**own.get("field", {})),
        "phases": phases_from_json(own.get("phases", [])),
        "nodata": math.nan if nodata == "NaN" else nodata,
        "history": tuple(own.get("history", ())),
    }


def encode_rockverse(image: VoxelImage) -> Json:
    """An image's metadata as RockVerse 1.2 writes it; axes are (x, y, z)."""
    grid = image.grid
    return {
        ROCKVERSE: "VoxelImage",
        "description": image.field.description,
        "field_name": image.field.name,
        "field_unit": image.field.unit,
        "voxel_unit": "" if grid.unit == VOXEL else grid.unit,
        "voxel_origin": [grid.origin.x, grid.origin.y, grid.origin.z],
        "voxel_length": [grid.spacing.x, grid.spacing.y, grid.spacing.z],
    }


def decode_rockverse(attributes: Mapping[str, Any], shape: Triple) -> dict[str, Any]:
    """The fields of an image from RockVerse's attributes; ``shape`` is along (z, y, x) already."""
    length = attributes.get("voxel_length", [1.0, 1.0, 1.0])
    origin = attributes.get("voxel_origin", [0.0, 0.0, 0.0])
    unit = str(attributes.get("voxel_unit") or VOXEL)
    field = Field(str(attributes.get("field_name", "")), str(attributes.get("field_unit", "")), str(attributes.get("description", "")))
    try:
        grid = VoxelGrid(ZYX(*shape), ZYX(length[2], length[1], length[0]), ZYX(origin[2], origin[1], origin[0]), unit)
    except UnitError:
        raise FormatError(f"the store's voxel_unit {unit!r} is no unit of length that voxelrock knows; open it with spacing= and unit=") from None
    return {"grid": grid, "field": field}
