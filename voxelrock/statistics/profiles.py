"""Means slice by slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.geometry import Region
from voxelrock.geometry.axes import axis_number
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve
from voxelrock.image.selection import an_image, counted
from voxelrock.image.validity import both
from voxelrock.kernels.exactsum import slice_sums, to_float
from voxelrock.statistics.phases import roles
from voxelrock.typing import HostArray

Where = VoxelImage | Region | None


def profile(image: VoxelImage, /, *, axis: str = "z", where: Where = None, pore: Any = None) -> xr.DataArray:
    """The mean of each slice across an axis: porosity for a segmentation, mean grey value for any other image.

    Parameters
    ----------
    image
        Booleans (True = pore), labels with phases (or ``pore=``), or grey values.
    axis
        ``"z"``, ``"y"`` or ``"x"``.
    where
        True = counted. No-data voxels are never counted.
    pore
        The labels that are pore, for labels without phases.

    Returns
    -------
    xarray.DataArray
        float64 over the positions along the axis, NaN where a slice has no counted voxel; lazy. Sums are exact.

    Raises
    ------
    DataError
        NaN or infinity among the counted voxels (raised when computed).

    Examples
    --------
    >>> import voxelrock as vr
    >>> profile(vr.ones(shape=3, dtype=bool), axis="z").values.tolist()
    [1.0, 1.0, 1.0]
    """
    number = axis_number(axis)
    labels = an_image(image).dtype.kind == "b" or bool(image.phases) or pore is not None
    if labels:
        inside, outside, _, words = roles(image, pore)
        mask = image if image.dtype.kind == "b" else image.isin(inside)
        keep = counted(image, where)
        if outside:
            bulk = ~image.isin(outside)
            keep = (bulk.data, *keep) if not keep else (both(bulk.data, keep[0]),)
        data, name, definition = mask.data, "porosity_profile", f"volume of {words} in the slice divided by its bulk"
    elif image.size == 0:
        raise ParameterError("an image without voxels has no profile")
    else:
        data, keep, name, definition = image.data, counted(image, where), "mean_profile", "mean of the slice's counted voxels"
    length = image.shape[number]
    means = Reduction(slice_sums, join_slices, slice_means, located=True)(data, *keep, axis=number, shape=(length,), dtype="f8", finish={"length": length})
    grid = image.grid
    positions = np.arange(length) * grid.spacing[number] + grid.origin[number]
    units = "1" if labels else image.field.unit or "1"
    return curve(means, (axis,), {axis: (positions, {"units": grid.unit, "long_name": axis})}, name, definition=definition, units=units)


def join_slices(partials: list[dict[int, list[Any]]]) -> dict[int, list[Any]]:
    """Counts and exact sums of slices that lie over each other."""
    found: dict[int, list[Any]] = {}
    for partial in partials:
        for start, (counts, sums) in partial.items():
            if start in found:
                counts = [a + b for a, b in zip(found[start][0], counts)]
                sums = [a + b for a, b in zip(found[start][1], sums)]
            found[start] = [counts, sums]
    return found


def slice_means(partial: dict[int, list[Any]], *, length: int) -> HostArray:
    """The means, in order."""
    means = np.full(length, np.nan)
    for start, (counts, sums) in partial.items():
        for i, (count, total) in enumerate(zip(counts, sums)):
            if count:
                means[start + i] = to_float(total, count)
    return means
