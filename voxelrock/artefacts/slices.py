"""Slices that went wrong: found, and replaced from their neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.artefacts.classes import Where, grey_image
from voxelrock.errors import ParameterError
from voxelrock.geometry.axes import AXES, axis_number
from voxelrock.graph.patterns import Stencil, same_dtype
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted
from voxelrock.kernels.drift import join_slices
from voxelrock.kernels.slices import following, interpolated, judged_slices, neighbour_halo, slice_facts
from voxelrock.parameters import real, several, whole
from voxelrock.statistics.counting import value_limits, value_range
from voxelrock.typing import Triple

_INTERPOLATED = Stencil(interpolated, neighbour_halo, same_dtype, located=True)


def bad_slices(image: VoxelImage, /, *, axis: str = "z", threshold: float = 8.0, where: Where = None) -> xr.Dataset:
    """Which slices stand out: by their mean, their standard deviation, or by how much they differ from both neighbours.

    Parameters
    ----------
    image
        A scan: grey values.
    axis
        The axis across which slices are compared.
    threshold
        By how many robust deviations from the median of five slices a bad one is off; 8 by default. A deviation is 1.4826 times the median of those from
        this median, or of the steps from slice to slice where these are larger.
    where
        True = counted. No-data voxels never are.

    Returns
    -------
    xarray.Dataset
        Over the positions along the axis: ``mean``, ``std``, ``difference`` (the lesser of the mean absolute differences from the slices before and after,
        NaN for a single slice) and ``bad``; the coordinate ``slice`` numbers them for :func:`interpolate_slices`. Slices without a counted voxel are not bad.
        Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        A segmentation or 64-bit integers; a threshold that is not positive.
    DataError
        A counted voxel is NaN (raised when computed).

    Notes
    -----
    Bitwise at any chunking: sums are integers; floats and integers of 32 bits are rounded to 2**18 steps between their extremes. Readings: extremes (for
    floats and integers of 32 bits), sums. Memory: 40 bytes a slice, and a slice after each block; the adding runs on the host. Runs of more than two bad
    slices pull the median along, and are not found.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 90 + (x * y + z) % 7 + 60 * (z == 9), shape=32, dtype="u1")
    >>> found = bad_slices(scan).compute()
    >>> found["slice"].values[found["bad"].values].tolist()
    [9]
    """
    grey_image(image, "bad_slices")
    number, limit = axis_number(axis), real(threshold, "threshold")
    if not (math.isfinite(limit) and limit > 0):
        raise ParameterError(f"the threshold is finite and positive; got {threshold}")
    sums = Reduction(slice_facts, join_slices, judged_slices, located=True, margin=following)
    limits = None if value_range(image.dtype) is not None else value_limits(image, where)
    length, grid = image.shape[number], image.grid
    data = sums(image.data, *counted(image, where), limits=limits, axis=number, shape=(length, 4), dtype="f8", finish={"threshold": limit})
    units = image.field.unit or "1"
    parts: dict[str, Any] = {
        "mean": (axis, data[:, 0], {"units": units, "definition": "mean of the slice's counted voxels"}),
        "std": (axis, data[:, 1], {"units": units, "definition": "standard deviation of the slice's counted voxels"}),
        "difference": (axis, data[:, 2], {"units": units, "definition": "mean absolute difference from the nearer of both neighbours in value"}),
        "bad": (axis, data[:, 3] > 0, {"definition": f"off by more than {limit:g} robust deviations in one of them"}),
    }
    positions = np.arange(length) * grid.spacing[number] + grid.origin[number]
    return xr.Dataset(parts, coords={axis: (axis, positions, {"units": grid.unit}), "slice": (axis, np.arange(length))})


@operation
def interpolate_slices(image: VoxelImage, /, *, slices: Sequence[int], axis: str = "z") -> VoxelImage:
    """Replace slices by what lies linearly between the nearest others before and after them.

    Takes no ``where=``: a slice is replaced as a whole.

    Parameters
    ----------
    image
        A scan: grey values.
    slices
        The numbers of the slices, from 0, such as :func:`bad_slices` finds them.
    axis
        The axis across which they lie.

    Returns
    -------
    VoxelImage
        Of the image's type: integers are rounded. At an end of the image the nearest other slice is copied. Where one of two slices holds no data, the
        other's voxel stands. All other slices stay bit for bit. Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        A segmentation or 64-bit integers; a slice that the image does not have, or no other left.

    Notes
    -----
    Bitwise at any chunking. Halo: the distance to the farthest slice that is needed, along the axis alone. Memory: two blocks of float64.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 10 * z + 100 * (z == 3), shape=6, dtype="u1")
    >>> interpolate_slices(scan, slices=[3]).compute()[:, 0, 0].tolist()
    [0, 10, 20, 30, 40, 50]
    """
    grey_image(image, "interpolate_slices")
    number = axis_number(axis)
    plan = _plan(image.shape[number], [whole(n, "each item of slices") for n in several(slices, "slices")], AXES[number])
    return image.with_data(_INTERPOLATED(image.data, plan=plan, axis=number, nodata=image.nodata), phases={})


def _plan(length: int, slices: list[int], axis: str) -> tuple[Triple, ...]:
    """Each slice that is replaced, with the good ones before and after it."""
    wrong = [n for n in slices if not 0 <= n < length]
    if wrong:
        raise ParameterError(f"the image has slices 0 to {length - 1} along {axis}; got {wrong[0]}")
    bad = set(slices)
    good = [n for n in range(length) if n not in bad]
    if not good:
        raise ParameterError("no slice is left to make the others from")
    plan = []
    for n in sorted(bad):
        low, high = max((g for g in good if g < n), default=good[0]), min((g for g in good if g > n), default=good[-1])
        plan.append((n, low, high))
    return tuple(plan)
