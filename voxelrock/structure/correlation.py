"""Two-point functions along directions: of a phase, of two phases, of clusters; what their beginning and their end tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.geometry.crofton import DIRECTIONS, shares
from voxelrock.geometry.crofton import steps as step_lengths
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve, number
from voxelrock.image.selection import an_image
from voxelrock.image.validity import both
from voxelrock.kernels.correlation import pair_counts, step_margin
from voxelrock.kernels.products import cluster_pairs
from voxelrock.labels.restriction import restricted
from voxelrock.statistics.counting import add, as_is
from voxelrock.structure.restriction import Where, bulk_of, each_label, refuse_grey, sampled
from voxelrock.structure.steps import Steps, in_one_block
from voxelrock.typing import HostArray

_S2 = "the two-point correlation"


def or_nan(found: HostArray) -> HostArray:
    """Counts as a denominator: NaN where there are none."""
    counts = found.astype("f8")
    counts[counts == 0] = np.nan
    return counts


def _counted(kernel: Any, voxels: tuple[Any, ...], steps: Steps, periodic: bool, finalize: Any = as_is, dtype: str = "i8") -> Any:
    reduction = Reduction(kernel, add, finalize, margin=step_margin)
    shape = len(steps.counts), max(steps.counts) + 1
    blocks = in_one_block(voxels, periodic)
    return reduction(*blocks, directions=steps.directions, steps=steps.counts, periodic=periodic, shape=shape, dtype=dtype)


def _per_pair(hits: Any, image: VoxelImage, keep: tuple[Any, ...], steps: Steps, periodic: bool) -> Any:
    """Hits divided by the number of pairs whose voxels both exist."""
    if keep:
        return hits / _counted(pair_counts, keep, steps, periodic, or_nan, "f8")
    pairs = steps.pairs(image.shape, periodic=periodic)
    pairs[pairs == 0] = np.nan
    return hits / pairs


def over_steps(data: Any, steps: Steps, name: str, unit: str, **facts: Any) -> xr.DataArray:
    """A result over directions and steps, with the length of each step."""
    result = curve(data, ("direction", "step"), steps.coordinates, name, **facts)
    return result.assign_coords(lag=(("direction", "step"), steps.lags(), {"units": unit, "long_name": "lag"}))


def pair_of(image: VoxelImage, other: VoxelImage | None, where: Where) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The masks of the phases at the two ends of a pair, and the mask of what exists: a voxel that is missing in either image does not."""
    mask, *keep = sampled(image, where, None, _S2)
    if other is None:
        return (mask,), tuple(keep)
    image.same_grid(an_image(other))
    end, *there = sampled(other, where, None, _S2)
    if {a.name for a in keep} != {a.name for a in there}:
        region = image.with_data(both((*keep, *there)[0], (*keep, *there)[-1]), nodata=None, phases={})
        mask, *keep = sampled(image, region, None, _S2)
        end, *_ = sampled(other, region, None, _S2)
    return (mask, end), tuple(keep)


def two_point(image: VoxelImage, /, *, lag: float | str, directions: Any = "axes", other: VoxelImage | None = None, where: Where = None,
              by: VoxelImage | None = None, periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """The two-point correlation S₂: the probability that both voxels of a pair, a lag apart, belong to a phase.

    Parameters
    ----------
    image
        A boolean image (True = the phase asked for), or labels with phases (their pores and fluids).
    lag
        The longest lag, a length.
    directions
        ``"axes"`` (3), ``"diagonals"`` (10) or ``"all"`` (13) of them, or names such as ``["z", "0 1 -1"]`` (steps along z, y and x).
    other
        Another phase, on the same grid: then the first voxel of a pair belongs to ``image`` and the second, further along the direction, to it. What
        does not exist in one of the two (no data, role *outside*) does not exist.
    where
        True = used. Outside nothing exists: both voxels of a pair lie inside. No-data voxels and those of role *outside* do not exist either.
    by
        Labels with phases (or booleans): one result for each, along ``label``; both voxels of a pair have the label.
    periodic
        Whether the image continues with its other ends. Then one task holds the whole image.

    Returns
    -------
    xarray.DataArray
        float64 over ``direction`` and ``step`` (0 to the longest; the coordinate ``lag`` is its length, NaN beyond ``lag``): pairs with both voxels
        in the phase, divided by pairs whose voxels both exist. NaN where there are none. At step 0 it is the volume fraction. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels without roles, an unknown direction, a lag that leaves no pair; images on different grids.

    Notes
    -----
    Bitwise: pairs are counted 64 at a time and divided once. 400 million voxels a second and core for 100 lags along the axes; margin: the lag;
    half a byte of memory a voxel seen. It runs on the host. Torquato 2002, doi:10.1007/978-1-4757-6355-3; Berryman 1985, doi:10.1063/1.526985.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z % 2 == 0, shape=8, dtype=bool)
    >>> two_point(layers, lag=2, directions="z").values[0].tolist()
    [0.5, 0.0, 0.5]
    """
    if by is not None:
        refuse_grey(image, _S2)
        return each_label(image, by, where, lambda part: two_point(image, lag=lag, directions=directions, other=other, where=part, periodic=periodic))
    voxels, keep = pair_of(image, other, where)
    steps = Steps.of(image, lag, directions)
    data = _per_pair(_counted(pair_counts, voxels, steps, periodic), image, keep, steps, periodic)
    definition = "pairs with both voxels in the phase divided by pairs whose voxels both exist"
    if other is not None:
        definition = "pairs with the first voxel in the one phase and the second in the other divided by pairs whose voxels both exist"
    return over_steps(data, steps, "two_point", image.grid.unit, definition=definition, bulk=bulk_of(image, where), periodic=int(periodic))


def cluster_function(image: VoxelImage, /, *, lag: float | str, directions: Any = "axes", where: Where = None, by: VoxelImage | None = None,
                     periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """The two-point cluster function C₂: the probability that both voxels of a pair, a lag apart, belong to one cluster.

    Parameters
    ----------
    image
        Labels of clusters, as from ``labels.label``; 0 belongs to none. A boolean image is one cluster.
    lag, directions, where, by, periodic
        As in :func:`two_point`.

    Returns
    -------
    xarray.DataArray
        float64 over ``direction`` and ``step`` as :func:`two_point`; never more than it. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`two_point`.

    Notes
    -----
    Bitwise counts, divided once. 20 million voxels a second and core for 100 lags along the axes; margin: the lag. It runs on the host. Labels
    that take two passes are better saved first. Torquato, Beasley & Chiew 1988, doi:10.1063/1.454440.

    Examples
    --------
    >>> import voxelrock as vr
    >>> pores = vr.from_function(lambda z, y, x: z % 2 == 0, shape=8, dtype=bool)
    >>> cluster_function(vr.labels.label(pores), lag=2, directions="z").values[0].tolist()
    [0.5, 0.0, 0.0]
    """
    refuse_grey(image, "the cluster function")
    if by is not None:
        return each_label(image, by, where, lambda part: cluster_function(image, lag=lag, directions=directions, where=part, periodic=periodic))
    labels, keep = restricted(image, where)
    steps = Steps.of(image, lag, directions)
    data = _per_pair(_counted(cluster_pairs, (labels.data,), steps, periodic), image, keep, steps, periodic)
    definition = "pairs with both voxels in one cluster divided by pairs whose voxels both exist"
    return over_steps(data, steps, "cluster_function", image.grid.unit, definition=definition, bulk=bulk_of(image, where), periodic=int(periodic))


def integral_scale(image: VoxelImage, /, *, lag: float | str, directions: Any = "axes", where: Where = None, by: VoxelImage | None = None,
                   periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """The integral of the normalised correlation (S₂ - φ²) / (φ - φ²) from 0 to the longest lag, by trapezia.

    Parameters
    ----------
    image, lag, directions, where, by, periodic
        As in :func:`two_point`.

    Returns
    -------
    xarray.DataArray
        float64 over ``direction``, in the grid's unit; NaN for a phase that is everywhere or nowhere. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`two_point`.

    Notes
    -----
    Bitwise; as :func:`two_point`. φ is S₂ at lag 0.

    Examples
    --------
    >>> import voxelrock as vr
    >>> slab = vr.from_function(lambda z, y, x: z < 4, shape=8, dtype=bool)
    >>> integral_scale(slab, lag=2, directions="z", periodic=True).values.tolist()
    [1.0]
    """
    if by is not None:
        refuse_grey(image, "the integral scale")
        return each_label(image, by, where, lambda part: integral_scale(image, lag=lag, directions=directions, where=part, periodic=periodic))
    steps = Steps.of(image, lag, directions)
    s2 = two_point(image, lag=lag, directions=directions, where=where, periodic=periodic)
    scale = s2.data.map_blocks(scales, counts=steps.counts, lengths=steps.lengths, dtype="f8", drop_axis=1)
    names = {"direction": steps.coordinates["direction"]}
    definition = "integral of (S2 - phi2) / (phi - phi2) from 0 to the longest lag, by trapezia"
    longest = float(np.nanmax(steps.lags()))
    return curve(scale, ("direction",), names, "integral_scale", definition=definition, units=image.grid.unit, longest_lag=longest, bulk=bulk_of(image, where))


def scales(s2: HostArray, *, counts: tuple[int, ...], lengths: tuple[float, ...]) -> HostArray:
    """The integral scale along each direction."""
    found = []
    for values, count, length in zip(s2, counts, lengths):
        phi = values[0]
        spread = phi * (1 - phi)
        found.append(np.trapezoid((values[: count + 1] - phi**2) / spread, dx=length) if spread > 0 else np.nan)
    return np.array(found)


def surface_from_correlation(image: VoxelImage, /, *, where: Where = None, by: VoxelImage | None = None, periodic: bool = False) -> xr.DataArray:
    """Specific surface per bulk from the slope of the two-point correlation at the origin: a check of :func:`specific_surface`.

    Parameters
    ----------
    image, where, by, periodic
        As in :func:`two_point`.

    Returns
    -------
    xarray.DataArray
        A lazy number in 1/unit: -4 times the slope over the first step, the mean of 13 directions, each weighted by its share of all directions.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`two_point`; an image less than two voxels wide.

    Notes
    -----
    Bitwise; as :func:`two_point`. It differs from :func:`specific_surface` by what pairs and cells at the border count. Debye, Anderson &
    Brumberger 1957, doi:10.1063/1.1722830.

    Examples
    --------
    >>> import voxelrock as vr
    >>> ball = vr.from_function(lambda z, y, x: (z - 9)**2 + (y - 9)**2 + (x - 9)**2 < 50, shape=19, dtype=bool)
    >>> round(float(surface_from_correlation(ball, periodic=True)) * 19**3 / (4 * 3.14159 * 50), 1)
    1.0
    """
    if by is not None:
        refuse_grey(image, "the specific surface")
        return each_label(image, by, where, lambda part: surface_from_correlation(image, where=part, periodic=periodic))
    voxels, keep = pair_of(image, None, where)
    lengths = tuple(step_lengths(image.grid.spacing).tolist())
    steps = Steps(DIRECTIONS, (1,) * len(DIRECTIONS), lengths)
    s2 = _per_pair(_counted(pair_counts, voxels, steps, periodic), image, keep, steps, periodic)
    weights = 4 * shares(np.array(DIRECTIONS) * np.array(image.grid.spacing)) / np.array(lengths)
    slope = s2.map_blocks(first_slope, weights=tuple(weights.tolist()), dtype="f8", drop_axis=[0, 1])
    definition = "-4 times the slope of the two-point correlation over the first step, mean of 13 directions"
    return number(slope, "specific_surface", definition=definition, units=f"{image.grid.unit}-1", per="bulk", bulk=bulk_of(image, where))


def first_slope(s2: HostArray, *, weights: tuple[float, ...]) -> HostArray:
    """The weighted fall of the correlation over the first step."""
    return np.asarray((s2[:, 0] - s2[:, 1]) @ np.array(weights))
