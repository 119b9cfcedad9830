"""Where the dark and the bright class of a histogram lie; values in fixed point, so that sums are exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit
from voxelrock.kernels.thresholds import otsu
from voxelrock.typing import HostArray

DARK, CUT, BRIGHT, SPREAD, TOP = range(5)
"""What :func:`levels` gives: median of the dark class, Otsu's threshold, median and robust deviation of the bright class, the largest value."""
BINS = 1024
"""Of the histograms of shells and slices."""
_BITS = 30


def levels(counts: HostArray, values: HostArray) -> HostArray:
    """The classes of a histogram parted by Otsu's threshold; deviations are 1.4826 medians of the absolute deviation.

    Raises
    ------
    DataError
        Fewer than two different values were counted.
    """
    cut = otsu(counts, values)
    dark, bright = values <= cut, values > cut
    level = weighted_median(counts[bright], values[bright])
    spread = 1.4826 * weighted_median(counts[bright], np.abs(values[bright] - level))
    return np.array([weighted_median(counts[dark], values[dark]), cut, level, spread, values[np.flatnonzero(counts)[-1]]], float)


def weighted_median(counts: HostArray, values: HostArray) -> float:
    """The lower median of values that occur so many times."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(total, (total[-1] + 1) // 2)])


def fixed_point(dtype: Any, limits: Any) -> float:
    """What values between limits are multiplied by before they are rounded and added as integers: 1 for integers of up to 16 bits, else a power of two
    that keeps 30 bits of the largest; 2**33 of them fit in 64 bits."""
    kind = np.dtype(dtype)
    if kind.kind == "b" or (kind.kind in "iu" and kind.itemsize <= 2):
        return 1.0
    most = max(abs(float(limits[0])), abs(float(limits[1])))
    return math.ldexp(1.0, min(_BITS - math.frexp(most)[1], 1023)) if most > 0 else 1.0  # 2**1024 is no float64


def refuse_nan(block: HostArray, *mask: HostArray) -> None:
    """Raise ``DataError`` where a counted voxel is NaN."""
    if block.dtype.kind == "f" and bool(np.any(np.isnan(block) & mask[0] if mask else np.isnan(block))):
        raise DataError("NaN among the voxels of the fit: declare it with image.assign(nodata=float('nan')), or leave it out with where=")


Span = tuple[float, float]


def finite_ends(limits: Any) -> Span:
    """Two limits, between which and about which float64 can count.

    Raises
    ------
    DataError
        One is infinite, or they are so far apart, or so close to each other, that their distance or its inverse is.
    """
    low, high = float(limits[0]), float(limits[1])
    if not math.isfinite(2 * (abs(low) + abs(high))):
        raise DataError(f"the grey values lie between {low} and {high}: leave infinite ones out with where=, and divide those that are too large")
    if 0 < high - low < 1e-290:
        raise DataError(f"the grey values lie between {low} and {high}, too close to each other for float64: multiply them")
    return low, high


def span_of(limits: HostArray) -> Span:
    """From a fifth of their distance below two limits to as much above: so far the bins of histograms reach."""
    low, high = finite_ends(limits)
    return low - (high - low) / 5, high + (high - low) / 5


def lower_limit(span: Span) -> float:
    """The lower of the two limits of which :func:`span_of` made a span."""
    return span[0] + (span[1] - span[0]) / 7


def join_tables(partials: list[tuple[Span, HostArray]]) -> tuple[Span, HostArray]:
    """The histograms of several blocks."""
    table = partials[0][1]
    for _, more in partials[1:]:
        table = table + more
    return partials[0][0], table


def middles(span: Span) -> HostArray:
    """The middles of the bins."""
    low, high = span
    return low + (high - low) * (np.arange(BINS) + 0.5) / BINS


def solid_means(table: HostArray, span: Span, solid: Span | None) -> HostArray:
    """Two rows: for each group of a table (group, bin) the mean of the values between two limits, NaN where there are none, and their number.

    Without limits the solid lies within three robust deviations about the median of the class above Otsu's threshold, and above this.

    Raises
    ------
    DataError
        Without limits, fewer than two different values.
    """
    values = middles(span)
    if solid is None:
        known = levels(table.sum(axis=0), values)
        solid = max(float(np.nextafter(known[CUT], math.inf)), known[BRIGHT] - 3 * known[SPREAD]), known[BRIGHT] + 3 * known[SPREAD]
    chosen = np.where((values >= solid[0]) & (values <= solid[1]), table, 0)
    counts = chosen.sum(axis=1)
    return np.array([np.where(counts > 0, (chosen @ values) / np.maximum(counts, 1), np.nan), counts])


@jit
def count_binned(values: HostArray, chosen: HostArray, masked: bool, group: HostArray, limits: tuple[float, float], table: HostArray) -> None:
    """Count the values of a plane in the bins between the limits, in the row of the table that each voxel's group names."""
    low, high = limits
    scale = BINS / (high - low) if high > low else 0.0
    for j in range(values.shape[0]):
        for k in range(values.shape[1]):
            if masked and not chosen[j, k]:
                continue
            value = np.float64(values[j, k])
            if value >= low and value <= high:
                table[group[j, k], min(int((value - low) * scale), BINS - 1)] += 1
