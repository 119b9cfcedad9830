"""What every structural statistic starts from: the set that is looked at, where it is looked at, and one result for each label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.image import VoxelImage
from voxelrock.image.selection import an_image
from voxelrock.labels.restriction import Roles, Where, pores, refuse_grey

__all__ = ["Roles", "Where", "bulk_of", "each_label", "pores", "refuse_grey", "sampled"]


def sampled(image: VoxelImage, where: Where, through: Roles, what: str) -> tuple[Any, ...]:
    """The voxels of a set (True) and, where not every voxel exists, the mask of those that do, as arrays for a reduction."""
    mask, keep = pores(image, where, through, what)
    return (mask.data, *keep)


def bulk_of(image: VoxelImage, where: Where) -> str:
    """The bulk in words."""
    words = "all voxels" + (" in where=" if where is not None else "") + (" that hold data" if image.nodata is not None else "")
    return words + (" that are not of role outside" if any(p.role == "outside" for p in image.phases.values()) else "")


def each_label(image: VoxelImage, by: VoxelImage, where: Where, make: Callable[[VoxelImage], Any], along: str = "label") -> Any:
    """One result for each label of ``by``, as ``make(where)`` gives it, along a new dimension; all in one reading.

    Raises
    ------
    ParameterError
        Labels without phases: which there are would be known only after a reading.
    """
    image.same_grid(an_image(by))
    names = {0: "false", 1: "true"} if by.dtype.kind == "b" else {k: p.name for k, p in by.phases.items()}
    if not names:
        raise ParameterError("by= needs labels with phases: labels.assign(phases={1: vr.Phase('quartz', 'solid'), …})")
    parts = [make(_both(by.isin([label]), where)) for label in names]
    result = xr.concat(parts, xr.Variable(along, list(names)), coords="minimal", compat="override", join="override", combine_attrs="override")
    return result.assign_coords({"phase" if along == "label" else f"{along}_phase": (along, list(names.values()))})


def _both(mask: VoxelImage, where: Where) -> VoxelImage:
    return mask if where is None else mask & mask.with_data(mask.restriction(where))
