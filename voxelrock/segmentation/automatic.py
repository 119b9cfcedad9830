"""Thresholds by the criteria of the literature, each found in the exact histogram."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import number
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels import exactsum
from voxelrock.kernels.criteria import CRITERIA
from voxelrock.segmentation.thresholds import Where, histogram_of, minimum_error_threshold, of_histogram, otsu_threshold
from voxelrock.typing import HostArray


def criterion_of(found: Any, *, criterion: str, low: int | None = None) -> HostArray:
    """The threshold of a histogram by a criterion."""
    return np.asarray(CRITERIA[criterion](*histogram_of(found, low)))


def _threshold(image: VoxelImage, where: Where, bins: int, criterion: str, words: str) -> xr.DataArray:
    data = of_histogram(an_image(image), where, bins, criterion_of, (), {"criterion": criterion})
    definition = f"{words} on the exact histogram; the dark class is value <= threshold"
    return number(data, f"{criterion}_threshold", definition=definition, units=image.field.unit or "1")


def join_sums(partials: list[list[Any]]) -> list[Any]:
    """Counts, exact sums and extremes of several blocks."""
    counted_ones = [p for p in partials if p[0]]
    low, high = min((p[2] for p in counted_ones), default=None), max((p[3] for p in counted_ones), default=None)
    return [sum(p[0] for p in partials), sum(p[1] for p in partials), low, high]


def mean_of_sums(partial: list[Any]) -> HostArray:
    """The mean from exact sums.

    Raises
    ------
    DataError
        Nothing was counted, or nothing but one value.
    """
    count, first, low, high = partial
    if not count:
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    if low == high:
        raise DataError("a threshold between 2 classes needs at least 2 different values: the image is constant")
    return np.asarray(exactsum.to_float(first, count))


_MEAN = Reduction(exactsum.sum_and_extremes, join_sums, mean_of_sums)


def isodata_threshold(image: VoxelImage, /, *, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The lowest grey value that is the mean of the means of its two classes, a lazy number.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.

    Returns
    -------
    xarray.DataArray
        A lazy number: the dark class is ``value <= threshold``.

    Raises
    ------
    DataError
        As :func:`otsu_threshold`; or no value fulfils it (raised when computed).

    Notes
    -----
    One reading (two for floats), in float64; ``skimage.filters.threshold_isodata``, which counts in float32.
    Ridler, Calvard 1978, doi:10.1109/TSMC.1978.4310039.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(isodata_threshold(vr.from_function(lambda z, y, x: 10 + 90 * (x > 2), shape=6, dtype="u1")))
    55.0
    """
    return _threshold(image, where, bins, "isodata", "Ridler and Calvard 1978")


def li_threshold(image: VoxelImage, /, *, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The threshold of least cross entropy between an image and its two classes, a lazy number.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.

    Returns
    -------
    xarray.DataArray
        A lazy number: the dark class is ``value <= threshold``.

    Raises
    ------
    DataError
        As :func:`otsu_threshold` (raised when computed).

    Notes
    -----
    One reading (two for floats). Iterated from the mean until it moves by no more than half a grey value, or half a bin, which is
    ``skimage.filters.threshold_li`` of integers. Li, Tam 1998, doi:10.1016/S0167-8655(98)00057-9.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.generators.ct_scan(vr.generators.sandstone(shape=48, seed=1), seed=1)
    >>> 17000 < float(li_threshold(rock)) < 30000
    True
    """
    return _threshold(image, where, bins, "li", "least cross entropy (Li and Tam 1998)")


def maximum_entropy_threshold(image: VoxelImage, /, *, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The threshold whose two classes have the largest sum of entropies, a lazy number.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.

    Returns
    -------
    xarray.DataArray
        A lazy number: the dark class is ``value <= threshold``.

    Raises
    ------
    DataError
        As :func:`otsu_threshold` (raised when computed).

    Notes
    -----
    One reading (two for floats). Kapur, Sahoo, Wong 1985, doi:10.1016/0734-189X(85)90125-2.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(maximum_entropy_threshold(vr.from_function(lambda z, y, x: 10 * (x // 2), shape=12, dtype="u1")))
    20.0
    """
    return _threshold(image, where, bins, "maximum_entropy", "maximum entropy (Kapur, Sahoo and Wong 1985)")


def mean_threshold(image: VoxelImage, /, *, where: Where = None) -> xr.DataArray:
    """The mean grey value as a threshold, a lazy number.

    Parameters
    ----------
    image, where
        As in :func:`otsu_threshold`.

    Returns
    -------
    xarray.DataArray
        A lazy number: the dark class is ``value <= threshold``.

    Raises
    ------
    DataError
        As :func:`otsu_threshold` (raised when computed).

    Notes
    -----
    One reading. The sum is exact, of floats too. Glasbey 1993, doi:10.1006/cgip.1993.1040.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(mean_threshold(vr.from_function(lambda z, y, x: 10 + 90 * (x > 2), shape=6, dtype="u1")))
    55.0
    """
    data = _MEAN(an_image(image).data, *counted(image, where), shape=(), dtype="f8")
    return number(data, "mean_threshold", definition="the mean; the dark class is value <= threshold", units=image.field.unit or "1")


def minimum_threshold(image: VoxelImage, /, *, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The lowest point between the two peaks of a histogram that is smoothed until it has no more, a lazy number.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.

    Returns
    -------
    xarray.DataArray
        A lazy number: the dark class is ``value <= threshold``.

    Raises
    ------
    DataError
        As :func:`otsu_threshold`; or the histogram never becomes one of two peaks (raised when computed).

    Notes
    -----
    One reading (two for floats). Smoothed over three grey values, or bins, at most 9999 times; noisy histograms of 16 bits may need more: take fewer
    values, as in ``(image // 64).astype("u2")``. ``skimage.filters.threshold_minimum``. Prewitt, Mendelsohn 1966,
    doi:10.1111/j.1749-6632.1965.tb11715.x.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.generators.ct_scan(vr.generators.sandstone(shape=48, seed=1), seed=1)
    >>> 70 < float(minimum_threshold(rock // 256)) < 100
    True
    """
    return _threshold(image, where, bins, "minimum", "the minimum between two peaks (Prewitt and Mendelsohn 1966)")


def triangle_threshold(image: VoxelImage, /, *, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The grey value furthest below the line from the histogram's peak to the end of its longer tail, a lazy number.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.

    Returns
    -------
    xarray.DataArray
        A lazy number: the dark class is ``value <= threshold``.

    Raises
    ------
    DataError
        As :func:`otsu_threshold` (raised when computed).

    Notes
    -----
    One reading (two for floats). ``skimage.filters.threshold_triangle``. Zack, Rogers, Latt 1977, doi:10.1177/25.7.70454.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(triangle_threshold(vr.from_function(lambda z, y, x: x * (x > 3), shape=8, dtype="u1")))
    1.0
    """
    return _threshold(image, where, bins, "triangle", "the triangle method (Zack, Rogers and Latt 1977)")


def yen_threshold(image: VoxelImage, /, *, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The threshold of Yen's largest correlation, a lazy number.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.

    Returns
    -------
    xarray.DataArray
        A lazy number: the dark class is ``value <= threshold``.

    Raises
    ------
    DataError
        As :func:`otsu_threshold` (raised when computed).

    Notes
    -----
    One reading (two for floats), in float64; ``skimage.filters.threshold_yen``, which counts in float32. Yen, Chang, Chang 1995,
    doi:10.1109/83.366472.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(yen_threshold(vr.from_function(lambda z, y, x: 10 * (x // 2), shape=12, dtype="u1")))
    20.0
    """
    return _threshold(image, where, bins, "yen", "Yen, Chang and Chang 1995")


THRESHOLDS: dict[str, Callable[..., xr.DataArray]] = {
    "otsu": otsu_threshold,
    "minimum_error": minimum_error_threshold,
    "isodata": isodata_threshold,
    "li": li_threshold,
    "maximum_entropy": maximum_entropy_threshold,
    "mean": mean_threshold,
    "minimum": minimum_threshold,
    "triangle": triangle_threshold,
    "yen": yen_threshold,
}
"""What finds a threshold, by the name that recipes give it."""


def threshold_by(image: VoxelImage, /, *, method: str, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The threshold that a method of :data:`THRESHOLDS` finds; the mean takes no bins."""
    return mean_threshold(image, where=where) if method == "mean" else THRESHOLDS[method](image, where=where, bins=bins)
