"""Histograms, quantiles and summaries, exact at any size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError, ParameterError
from voxelrock.geometry import Region
from voxelrock.graph.execution import compute
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve, number
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels import exactsum
from voxelrock.kernels.histograms import binned_counts
from voxelrock.parameters import plain, several, whole
from voxelrock.statistics.counting import add, as_is, counts, value_limits, value_range
from voxelrock.statistics.refinement import refined
from voxelrock.typing import HostArray

Where = VoxelImage | Region | None


def histogram(image: VoxelImage, /, *, bins: int | Sequence[float] | None = None, limits: tuple[float, float] | None = None, where: Where = None,
              by: VoxelImage | None = None) -> xr.DataArray:  # fmt: skip
    """Count voxels by value, exactly.

    Parameters
    ----------
    image
        Any image.
    bins
        Bin edges (ascending; every bin but the last is open on the right, the last includes its right edge), or a number of equal bins
        between ``limits``. Without it, one bin for each value of booleans and integers of up to 16 bits, else 256.
    limits
        The outer edges. Without it the extremes of the values: these must be found first, so then the call computes.
    where
        True = counted. No-data voxels are never counted.
    by
        Labels with ``phases`` (or booleans): one histogram for each, along ``label``.

    Returns
    -------
    xarray.DataArray
        int64 over ``value`` (the integer, or the middle of the bin; edges in the coordinates ``left`` and ``right``). Lazy, except as said.

    Raises
    ------
    ParameterError
        Edges that do not ascend, or labels without phases.
    DataError
        NaN among the counted voxels (raised when computed).

    Notes
    -----
    Bitwise; one task and one table (at most 512 kB) per block.

    Examples
    --------
    >>> import voxelrock as vr
    >>> int(histogram(vr.ones(shape=4)).sel(value=1))
    64
    """
    an_image(image)
    if by is not None:
        return _by_label(image, bins, limits, where, by)
    found = value_range(image.dtype)
    if bins is None and limits is None and found is not None:
        data = counts(image, where, as_is, shape=(found[1],), dtype="i8")
        values = np.arange(found[0], found[0] + found[1])
        return _result(image, data, values, values - 0.5, values + 0.5)
    edges = _edges(image, bins, limits, where)
    if found is not None:
        data = counts(image, where, rebinned, shape=(len(edges) - 1,), dtype="i8", finish={"low": found[0], "edges": edges})
    else:
        data = Reduction(binned_counts, add, as_is)(image.data, *counted(image, where), edges=edges, shape=(len(edges) - 1,), dtype="i8")
    return _result(image, data, (edges[1:] + edges[:-1]) / 2, edges[:-1], edges[1:])


def _result(image: VoxelImage, data: Any, middle: HostArray, left: HostArray, right: HostArray) -> xr.DataArray:
    coordinates = {"value": (middle, {"units": image.field.unit or "1", "long_name": image.field.name or "value"})}
    result = curve(data, ("value",), coordinates, "histogram", definition="number of counted voxels with each value", units="voxels")
    return result.assign_coords(left=("value", left), right=("value", right))


def _edges(image: VoxelImage, bins: int | Sequence[float] | None, limits: tuple[float, float] | None, where: Where) -> HostArray:
    if bins is not None and not isinstance(bins, int | np.integer):
        edges = np.asarray(several(bins, "bins"), float)
        if edges.size < 2 or np.any(np.diff(edges) <= 0) or not np.all(np.isfinite(edges)):
            raise ParameterError("bin edges are at least two finite, ascending numbers")
        return edges
    number_of_bins = 256 if bins is None else whole(bins, "bins")
    if number_of_bins < 1:
        raise ParameterError(f"a histogram has at least one bin; got {bins}")
    sides = several(compute(value_limits(image, where)) if limits is None else limits, "limits")
    if len(sides) != 2:
        raise ParameterError(f"the limits of a histogram are two numbers; got {len(sides)}")
    low, high = map(float, sides)
    if not low <= high or not math.isfinite(high - low):
        raise ParameterError(f"the limits of a histogram ascend and are finite; got {low} and {high}")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, number_of_bins + 1)


def rebinned(table: HostArray, *, low: int, edges: HostArray) -> HostArray:
    """Counts of single integers as counts of bins; the last bin includes its right edge."""
    values = np.arange(low, low + table.size)
    cumulative = np.concatenate([[0], np.cumsum(table)])
    places = np.searchsorted(values, edges, side="left")
    places[-1] = np.searchsorted(values, edges[-1], side="right")
    return np.diff(cumulative[places])


def _by_label(image: VoxelImage, bins: Any, limits: Any, where: Where, labels: VoxelImage) -> xr.DataArray:
    image.same_grid(an_image(labels))
    names = {0: "false", 1: "true"} if labels.dtype.kind == "b" else {k: p.name for k, p in labels.phases.items()}
    if not names:
        raise ParameterError("by= needs labels with phases: labels.assign(phases={0: vr.Phase('pore', 'pore'), …})")
    found = value_range(image.dtype)
    if not isinstance(bins, list | tuple | np.ndarray) and (found is None or bins is not None or limits is not None):
        bins = _edges(image, bins, limits, where)
    parts = [histogram(image, bins=bins, where=_both(labels.isin([label]), where)) for label in names]
    result = xr.concat(parts, xr.Variable("label", list(names)), coords="minimal", compat="override", join="override")
    return result.assign_coords(phase=("label", list(names.values())))


def _both(mask: VoxelImage, where: Where) -> VoxelImage:
    return mask if where is None else mask & mask.with_data(mask.restriction(where))


def quantile(image: VoxelImage, /, *, q: float | Sequence[float], where: Where = None) -> xr.DataArray:
    """Exact quantiles with linear interpolation between order statistics, as ``numpy.quantile``.

    Parameters
    ----------
    image
        Any image; exact for every type (the bits of 32- and 64-bit values are refined sixteen at a time: 2 or 4 readings).
    q
        Fractions from 0 to 1.
    where
        True = counted. No-data voxels are never counted.

    Returns
    -------
    xarray.DataArray
        float64 over ``q`` (0-d for a single fraction), lazy.

    Raises
    ------
    ParameterError
        A fraction outside 0 … 1.
    DataError
        No voxel counted, or NaN among them (raised when computed).

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(quantile(vr.from_function(lambda z, y, x: z, shape=5, dtype="f4"), q=0.5))
    2.0
    """
    fractions = np.asarray(several(q, "q") if isinstance(q, Iterable) and np.ndim(q) else [plain(q, "q")], float)
    if np.any(~((fractions >= 0) & (fractions <= 1))):
        raise ParameterError(f"quantiles are fractions from 0 to 1; got {q}")
    found = value_range(an_image(image).dtype)
    facts = {"fractions": tuple(fractions.tolist())}
    if found is not None:
        data = counts(image, where, quantiles_of_counts, shape=(fractions.size,), dtype="f8", finish=facts | {"low": found[0]})
    else:
        data = refined(image, counted(image, where), fractions)
    definition = "exact quantiles, linear between order statistics"
    result = curve(data, ("q",), {"q": fractions}, "quantile", definition=definition, units=image.field.unit or "1")
    return result if np.ndim(q) else result[0]


def quantiles_of_counts(table: HostArray, *, fractions: tuple[float, ...], low: int) -> HostArray:
    """Quantiles of integers from their counts.

    Raises
    ------
    DataError
        Nothing was counted.
    """
    total = int(table.sum())
    if not total:
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    cumulative = np.cumsum(table)
    found = []
    for fraction in fractions:
        position = fraction * (total - 1)
        below = math.floor(position)
        first, second = (int(np.searchsorted(cumulative, rank, side="right")) + low for rank in (below, min(below + 1, total - 1)))
        found.append(first + (second - first) * (position - below))
    return np.array(found)


def summary(image: VoxelImage, /, *, where: Where = None) -> xr.Dataset:
    """Count, minimum, maximum, mean and standard deviation, in one reading.

    Sums and sums of squares are exact (see :mod:`voxelrock.kernels.exactsum`), so that no chunking can matter and nothing cancels. The
    standard deviation is the population's.

    Parameters
    ----------
    image
        Any image.
    where
        True = counted. No-data voxels are never counted.

    Returns
    -------
    xarray.Dataset
        ``count``, ``min``, ``max``, ``mean``, ``std``: lazy numbers.

    Raises
    ------
    DataError
        No voxel counted, or NaN or infinity among them (raised when computed).

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(summary(vr.full(shape=3, value=2.5))["mean"])
    2.5
    """
    found = value_range(an_image(image).dtype)
    if found is not None:
        data = counts(image, where, summary_of_counts, shape=(5,), dtype="f8", finish={"low": found[0]})
    else:
        moments = Reduction(exactsum.moments, add_moments, summary_of_moments)(image.data, *counted(image, where), shape=(3,), dtype="f8")
        data = _joined(moments, value_limits(image, where))
    names = {
        "count": "number of counted voxels",
        "min": "least value",
        "max": "greatest value",
        "mean": "arithmetic mean",
        "std": "standard deviation of the population",
    }
    units = image.field.unit or "1"
    return xr.Dataset({k: number(data[i], k, definition=d, units="voxels" if k == "count" else units) for i, (k, d) in enumerate(names.items())})


def _joined(moments: Any, extremes: Any) -> list[Any]:
    return [moments[0], extremes[0], extremes[1], moments[1], moments[2]]


def add_moments(partials: list[list[int]]) -> list[int]:
    """Counts and exact sums of several blocks."""
    return [sum(p[i] for p in partials) for i in range(3)]


def _spread(count: int, first: int, second: int) -> tuple[float, float]:
    """Mean and standard deviation from exact sums, each rounded once before the root."""
    mean = exactsum.to_float(first, count)
    variance = max(0, second * count - (first * first << (exactsum.SQUARE_UNIT - 2 * exactsum.UNIT)))
    scale = count * count << exactsum.SQUARE_UNIT
    half = (variance.bit_length() - scale.bit_length()) // 2
    if not variance or abs(half) < 500:
        return mean, math.sqrt(variance / scale)
    return mean, math.ldexp(math.sqrt((variance << max(0, -2 * half)) / (scale << max(0, 2 * half))), half)  # whose square is no float64


def summary_of_moments(partial: list[int]) -> HostArray:
    """Count, mean and standard deviation.

    Raises
    ------
    DataError
        Nothing was counted.
    """
    if not partial[0]:
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    return np.array([partial[0], *_spread(*partial)])


def summary_of_counts(table: HostArray, *, low: int) -> HostArray:
    """Count, extremes, mean and standard deviation of integers from their counts.

    Raises
    ------
    DataError
        Nothing was counted.
    """
    places = np.flatnonzero(table)
    if not places.size:
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    pairs = [(int(table[p]), int(p) + low) for p in places]
    count = sum(n for n, _ in pairs)
    first, second = sum(n * v for n, v in pairs), sum(n * v * v for n, v in pairs)
    mean, spread = _spread(count, first << exactsum.UNIT, second << exactsum.SQUARE_UNIT)
    return np.array([count, pairs[0][1], pairs[-1][1], mean, spread])
