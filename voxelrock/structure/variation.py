"""How grey values of voxels a lag apart go together: autocovariance and variogram."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.correlation import step_margin
from voxelrock.kernels.products import UNIT, scaled_sums, value_sums
from voxelrock.statistics.counting import add, value_limits, value_range
from voxelrock.structure.correlation import over_steps
from voxelrock.structure.restriction import Where, bulk_of, each_label
from voxelrock.structure.steps import Steps, in_one_block
from voxelrock.typing import HostArray


def covariances(found: HostArray, *, unit: int) -> HostArray:
    """The mean product of deviations from the mean of all counted values; sums are whole numbers of parts, ``unit`` of which are one.

    Raises
    ------
    DataError
        Nothing was counted.
    """
    total, mean = int(found[0, 0, 0]), int(found[1, 0, 0])
    if not total:
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    result = np.full(found.shape[1:], np.nan)
    for place in np.ndindex(*result.shape):
        pairs, first, second, product, _ = (int(v) for v in found[(slice(None), *place)])
        if pairs:  # one division of integers, whatever the size of the sums
            result[place] = (product * total * total * unit - mean * total * (first + second) + mean * mean * pairs) / (pairs * total * total * unit * unit)
    return result


def semivariances(found: HostArray, *, unit: int) -> HostArray:
    """Half the mean square of differences; sums are whole numbers of parts, ``unit`` of which are one.

    Raises
    ------
    DataError
        Nothing was counted.
    """
    if not int(found[0, 0, 0]):
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    result = np.full(found.shape[1:], np.nan)
    for place in np.ndindex(*result.shape):
        pairs, _, _, product, squares = (int(v) for v in found[(slice(None), *place)])
        if pairs:
            result[place] = (squares - 2 * product) / (2 * pairs * unit)
    return result


def _reduced(image: VoxelImage, steps: Steps, where: Where, periodic: bool, finalize: Any) -> Any:
    """What ``finalize`` makes of sums over pairs: of the integers themselves up to 16 bits, else of values scaled by their range."""
    exact = value_range(image.dtype) is not None
    voxels = in_one_block((image.data, *counted(image, where)), periodic)
    shape = len(steps.counts), max(steps.counts) + 1
    facts: dict[str, Any] = {"directions": steps.directions, "steps": steps.counts, "periodic": periodic, "shape": shape, "dtype": "f8"}
    if exact:
        return Reduction(value_sums, add, finalize, margin=step_margin)(*voxels, **facts, finish={"unit": 1})
    limits = value_limits(image, where)
    found = Reduction(scaled_sums, add, finalize, margin=step_margin)(*voxels, **facts, limits=limits, finish={"unit": UNIT})
    return found * (limits[1] - limits[0]) ** 2


def autocovariance(image: VoxelImage, /, *, lag: float | str, directions: Any = "axes", where: Where = None, by: VoxelImage | None = None,
                   periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """The mean product of the deviations of two grey values, a lag apart, from the mean.

    Parameters
    ----------
    image
        Grey values: booleans, integers, floats.
    lag
        The longest lag, a length.
    directions
        ``"axes"`` (3), ``"diagonals"`` (10) or ``"all"`` (13) of them, or names such as ``["z", "0 1 -1"]`` (steps along z, y and x).
    where
        True = counted: both voxels of a pair lie inside. No-data voxels are never counted.
    by
        Labels with phases (or booleans): one result for each, along ``label``.
    periodic
        Whether the image continues with its other ends. Then one task holds the whole image.

    Returns
    -------
    xarray.DataArray
        float64 over ``direction`` and ``step`` (the coordinate ``lag`` is its length), in the square of the image's unit; the mean is that of all
        counted voxels. At step 0 it is the variance. NaN where no pair exists. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        An unknown direction, a lag that leaves no pair.
    DataError
        No voxel counted; NaN among the values (raised when computed).

    Notes
    -----
    Bitwise: sums are integers, divided once. 15 million voxels a second and core for 100 lags along the axes; margin: the lag; five bytes of
    memory a voxel seen. Floats, and integers of more than 16 bits, are brought to 0 … 1 by their range, which is found first, and terms rounded to
    2⁻⁴⁸ of it: about half as fast, nine bytes a voxel seen. It runs on the host. Chilès & Delfiner 2012, doi:10.1002/9781118136188.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z % 2 * 2, shape=8, dtype="u1")
    >>> autocovariance(layers, lag=2, directions="z").values[0].tolist()
    [1.0, -1.0, 1.0]
    """
    if by is not None:
        return each_label(an_image(image), by, where, lambda part: autocovariance(image, lag=lag, directions=directions, where=part, periodic=periodic))
    steps = Steps.of(an_image(image), lag, directions)
    data = _reduced(image, steps, where, periodic, covariances)
    facts = {"units": _squared(image), "bulk": bulk_of(image, where), "periodic": int(periodic)}
    definition = "mean over pairs of the product of both deviations from the mean of all counted values"
    return over_steps(data, steps, "autocovariance", image.grid.unit, definition=definition, **facts)


def variogram(image: VoxelImage, /, *, lag: float | str, directions: Any = "axes", where: Where = None, by: VoxelImage | None = None,
              periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """Half the mean square of the difference of two grey values, a lag apart (the semivariogram γ).

    Parameters
    ----------
    image, lag, directions, where, by, periodic
        As in :func:`autocovariance`.

    Returns
    -------
    xarray.DataArray
        float64 over ``direction`` and ``step`` (the coordinate ``lag`` is its length), in the square of the image's unit. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError, DataError
        As :func:`autocovariance`.

    Notes
    -----
    As :func:`autocovariance`. It runs on the host. Matheron 1963, doi:10.2113/gsecongeo.58.8.1246.

    Examples
    --------
    >>> import voxelrock as vr
    >>> ramp = vr.from_function(lambda z, y, x: z * 2, shape=8, dtype="u1")
    >>> variogram(ramp, lag=2, directions="z").values[0].tolist()
    [0.0, 2.0, 8.0]
    """
    if by is not None:
        return each_label(an_image(image), by, where, lambda part: variogram(image, lag=lag, directions=directions, where=part, periodic=periodic))
    steps = Steps.of(an_image(image), lag, directions)
    data = _reduced(image, steps, where, periodic, semivariances)
    facts = {"units": _squared(image), "bulk": bulk_of(image, where), "periodic": int(periodic)}
    definition = "half the mean over pairs of the square of the difference"
    return over_steps(data, steps, "variogram", image.grid.unit, definition=definition, **facts)


def _squared(image: VoxelImage) -> str:
    return f"({image.field.unit})2" if image.field.unit else "1"
