"""Two-point functions in three dimensions, and their radial mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve
from voxelrock.kernels.lags import lag_counts, lag_margin
from voxelrock.statistics.counting import add
from voxelrock.structure.correlation import or_nan, pair_of
from voxelrock.structure.restriction import Where, bulk_of, each_label, refuse_grey
from voxelrock.structure.steps import box_pairs, in_large_blocks, lag_box, offsets
from voxelrock.typing import HostArray, Triple


def whole_box(found: HostArray, *, half: bool, denominator: bool = False) -> HostArray:
    """Counts of all steps; the opposite of a step has as many."""
    box = np.concatenate([found[:0:-1, ::-1, ::-1], found]) if half else found
    return or_nan(box) if denominator else box


def _counted(voxels: tuple[Any, ...], lag: Triple, periodic: bool, *, denominator: bool = False) -> Any:
    half = len(voxels) == 1
    finish = {"half": half, "denominator": denominator}
    shape = tuple(2 * n + 1 for n in lag)
    reduction = Reduction(lag_counts, add, whole_box, margin=lag_margin)
    blocks = in_large_blocks(voxels, periodic)
    return reduction(*blocks, lag=lag, half=half, periodic=periodic, shape=shape, dtype="f8" if denominator else "i8", finish=finish)


def _map(image: VoxelImage, lag: Triple, other: VoxelImage | None, where: Where, periodic: bool) -> Any:
    voxels, keep = pair_of(image, other, where)
    hits = _counted(voxels, lag, periodic)
    z, y, x = image.shape
    return hits / (_counted(keep, lag, periodic, denominator=True) if keep else box_pairs((z, y, x), lag, periodic=periodic))


def two_point_map(image: VoxelImage, /, *, lag: float | str, other: VoxelImage | None = None, where: Where = None, by: VoxelImage | None = None,
                  periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """The two-point correlation S₂ for every step in three dimensions, up to a lag along each axis.

    Parameters
    ----------
    image, other, where, by, periodic
        As in :func:`two_point`.
    lag
        The longest lag along each axis, a length.

    Returns
    -------
    xarray.DataArray
        float64 over ``dz``, ``dy`` and ``dx`` (from the first voxel of a pair to the second, in the grid's unit). Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`two_point`; a lag that reaches beyond the image.

    Notes
    -----
    Bitwise: counts by Fourier transforms in double precision, rounded to the integers that they are (the error is less than a hundredth),
    summed over blocks and divided once. Smaller blocks than 200 voxels are read as larger ones: then it does not share the reading of other
    results. About 5 million voxels a second and core for 100 lags, half with ``where``; margin: the lag; about
    a gigabyte of memory in a task, and 8 bytes for each step and block on the way. It runs on the host.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z % 2 == 0, shape=8, dtype=bool)
    >>> two_point_map(layers, lag=2).sel(dy=0, dx=1).values.tolist()
    [0.5, 0.0, 0.5, 0.0, 0.5]
    """
    if by is not None:
        refuse_grey(image, "the two-point correlation")
        return each_label(image, by, where, lambda part: two_point_map(image, lag=lag, other=other, where=part, periodic=periodic))
    box = lag_box(image, lag)
    unit = image.grid.unit
    axes = {f"d{a}": (o * s, {"units": unit}) for a, o, s in zip("zyx", offsets(box), image.grid.spacing)}
    definition = "pairs with both voxels in the phase divided by pairs whose voxels both exist"
    data = _map(image, box, other, where, periodic)
    return curve(data, tuple(axes), axes, "two_point_map", definition=definition, bulk=bulk_of(image, where), periodic=int(periodic))


def two_point_radial(image: VoxelImage, /, *, lag: float | str, other: VoxelImage | None = None, where: Where = None, by: VoxelImage | None = None,
                     periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """The radial mean of the two-point correlation S₂: over all steps of about one length, in every direction.

    Parameters
    ----------
    image, lag, other, where, by, periodic
        As in :func:`two_point_map`; ``lag`` is the longest radius.

    Returns
    -------
    xarray.DataArray
        float64 over ``lag``: shell 𝑖 holds the steps with a length from (𝑖 - ½) to (𝑖 + ½) times the smallest spacing, each with equal weight; its
        ``lag`` is their mean length. The coordinate ``steps`` counts them. NaN where no pair exists. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`two_point_map`.

    Notes
    -----
    As :func:`two_point_map`; the mean is taken once, over the table of lags.

    Examples
    --------
    >>> import voxelrock as vr
    >>> full = vr.ones(shape=8, dtype=bool)
    >>> two_point_radial(full, lag=3).values.tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if by is not None:
        refuse_grey(image, "the two-point correlation")
        return each_label(image, by, where, lambda part: two_point_radial(image, lag=lag, other=other, where=part, periodic=periodic))
    box = lag_box(image, lag)
    shells, radii, counts = _shells(image, box, image.grid.length(lag))
    mean = _map(image, box, other, where, periodic).map_blocks(shell_means, shells=shells, dtype="f8", drop_axis=[1, 2], chunks=((radii.size,),))
    lags = {"lag": (radii, {"units": image.grid.unit, "long_name": "lag"})}
    definition = "mean of the two-point correlation over all steps in a shell one smallest spacing thick"
    result = curve(mean, ("lag",), lags, "two_point_radial", definition=definition, bulk=bulk_of(image, where), periodic=int(periodic))
    return result.assign_coords(steps=("lag", counts))


def _shells(image: VoxelImage, box: Triple, longest: float) -> tuple[HostArray, HostArray, HostArray]:
    """The number of the shell of each step (-1 beyond the last), the mean length of each shell's steps, and how many there are."""
    z, y, x = np.ix_(*(o * s for o, s in zip(offsets(box), image.grid.spacing)))
    length = np.sqrt(z * z + y * y + x * x)
    shells = np.rint(length / min(image.grid.spacing)).astype(np.int64)
    shells[length > longest * (1 + 1e-9)] = -1
    inside = shells >= 0
    counts = np.bincount(shells[inside])
    with np.errstate(invalid="ignore"):
        return shells, np.bincount(shells[inside], length[inside]) / counts, counts


def shell_means(table: HostArray, *, shells: HostArray) -> HostArray:
    """The mean of the steps in each shell for which pairs exist."""
    known = (shells >= 0) & np.isfinite(table)
    size = int(shells.max()) + 1
    with np.errstate(invalid="ignore"):
        return np.bincount(shells[known], table[known], minlength=size) / np.bincount(shells[known], minlength=size)
