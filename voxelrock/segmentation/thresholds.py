"""Thresholds: given, or found in the exact histogram."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import Region
from voxelrock.graph.patterns import Pointwise, afresh, boolean
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.results import curve, number
from voxelrock.image.selection import an_image, counted, known_where
from voxelrock.image.validity import inverted
from voxelrock.kernels import thresholds as kernels
from voxelrock.kernels.backend import beside, kernel, namespace
from voxelrock.kernels.classes import finite_ends
from voxelrock.kernels.histograms import binned_counts
from voxelrock.kernels.selection import within
from voxelrock.parameters import whole
from voxelrock.statistics.counting import add, counts, value_limits, value_range
from voxelrock.typing import Block, HostArray

Where = VoxelImage | Region | None

_WITHIN = Pointwise(within, boolean)
_MOST_BINS = 2**20
"""Every task holds their edges."""


@kernel(cost=1.0, workspace=2.0)
def classified(block: Block, /, *, limits: Any) -> Block:
    """How many of the ascending limits lie below each value, as u1."""
    xp = namespace(block)
    total = xp.zeros(block.shape, dtype=xp.uint8, **beside(block))
    for limit in np.atleast_1d(limits).tolist():
        total = total + xp.astype(~within(block, low=None, high=limit), xp.uint8)
    return total


_CLASSIFIED = Pointwise(classified, lambda *_, **__: np.dtype("u1"))


@operation
def threshold(image: VoxelImage, /, *, low: Any = None, high: Any = None, where: Where = None) -> VoxelImage:
    """True where ``low <= value <= high``.

    Parameters
    ----------
    image
        Any image.
    low, high
        Bounds, either of them open when missing; numbers, or lazy ones such as :func:`otsu_threshold` gives.
    where
        True = used. Outside, and where the image holds no data, the result is False and holds no data: nothing counts it.

    Returns
    -------
    VoxelImage
        Boolean. Halo 0; the bounds are compared exactly, never rounded to the image's type.

    Raises
    ------
    ParameterError
        Neither bound, or low above high.

    Examples
    --------
    >>> import voxelrock as vr
    >>> int(threshold(vr.full(shape=3, value=7), low=7).compute().sum())
    27
    """
    if low is None and high is None:
        raise ParameterError("give low=, high= or both")
    first, last = _lazy(low), _lazy(high)
    if any(isinstance(bound, float) and math.isnan(bound) for bound in (first, last)):
        raise ParameterError("a bound is a number; got NaN")
    if isinstance(first, int | float) and isinstance(last, int | float) and first > last:
        raise ParameterError(f"low is not above high; got {low} and {high}")
    return _between(image, where, first, last)


def _between(image: VoxelImage, where: Where, low: Any, high: Any, *, outside: bool = False) -> VoxelImage:
    """Whether the values lie between bounds (or not); known in ``where``."""
    data, *keep = afresh((image.data, *counted(image, where)), (low, high))
    mask = _WITHIN(data, low=low, high=high)
    return known_where(image, inverted(mask) if outside else mask, keep)


def _lazy(bound: Any) -> Any:
    if isinstance(bound, xr.DataArray):
        if bound.ndim:
            raise ParameterTypeError(f"a bound is one number; got an array over {', '.join(map(str, bound.dims))}")
        return bound.data if hasattr(bound.data, "dask") else bound.item()
    if bound is None or isinstance(bound, int | float):
        return bound
    if isinstance(bound, np.generic):
        return bound.item()
    raise ParameterTypeError(f"a bound is a number, or a lazy one; got {type(bound).__name__}")


def of_histogram(image: VoxelImage, where: Where, bins: int, finalize: Any, shape: tuple[int, ...], finish: dict[str, Any]) -> Any:
    """A lazy result of the exact histogram: of single values for integers of up to 16 bits, else of ``bins`` between the extremes."""
    if image.size == 0:
        raise ParameterError("an image without voxels has no threshold")
    bins = whole(bins, "bins")
    known = value_range(image.dtype)
    if known is not None:
        return counts(image, where, finalize, shape=shape, dtype="f8", finish=finish | {"low": known[0]})
    if not 2 <= bins <= _MOST_BINS:
        raise ParameterError(f"a histogram for a threshold has at least two bins, and at most {_MOST_BINS}; got {bins}")
    limits = value_limits(image, where)
    return Reduction(ranged_counts, join_ranged, finalize)(image.data, *counted(image, where), limits=limits, bins=bins, shape=shape, dtype="f8", finish=finish)


@kernel(cost=6.0, workspace=8.0)
def ranged_counts(block: Block, /, *mask: Block, limits: Any, bins: int) -> list[Any]:
    """The middles of equal bins between the limits, and the counts in them."""
    low, high = finite_ends(limits)
    edges = np.linspace(low, high, bins + 1)
    if low == high:
        edges = np.array([low - 0.5, low + 0.5])
    return [(edges[1:] + edges[:-1]) / 2, binned_counts(block, *mask, edges=edges)]


def join_ranged(partials: list[list[Any]]) -> list[Any]:
    """Counts of several blocks."""
    return [partials[0][0], add([p[1] for p in partials])]


def histogram_of(found: Any, low: int | None) -> tuple[HostArray, HostArray]:
    """Counts and values of what :func:`of_histogram` finishes."""
    if low is None:
        return found[1], found[0]
    return found, np.arange(low, low + len(found))


def otsu_of(found: Any, *, low: int | None = None) -> HostArray:
    """Otsu's threshold of a histogram."""
    return np.asarray(kernels.otsu(*histogram_of(found, low)))


def minimum_error_of(found: Any, *, low: int | None = None) -> HostArray:
    """The threshold of least error of a histogram."""
    return np.asarray(kernels.minimum_error(*histogram_of(found, low)))


def multi_otsu_of(found: Any, *, classes: int, low: int | None = None) -> HostArray:
    """The thresholds of multi-Otsu of a histogram."""
    return kernels.multi_otsu(*histogram_of(found, low), classes)


_DARK = "the dark class is value <= threshold"


def otsu_threshold(image: VoxelImage, /, *, where: Where = None, bins: int = 256) -> xr.DataArray:
    """Otsu's threshold, a lazy number: the dark class is ``value <= threshold``.

    Parameters
    ----------
    image
        Grey values.
    where
        The voxels whose histogram is used (True = used); no-data voxels never are.
    bins
        Number of bins between the extremes, for floats and integers of more than 16 bits; smaller integers need none: theirs is exact.

    Returns
    -------
    xarray.DataArray
        A lazy number: the optimum in float64 (scikit-image counts in float32, and can be off by a grey level on large images).

    Raises
    ------
    DataError
        The image is constant, empty or has NaN in ``where`` (raised when computed).

    Notes
    -----
    One reading (two for floats). Otsu 1979, doi:10.1109/TSMC.1979.4310076.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(otsu_threshold(vr.from_function(lambda z, y, x: 10 + 90 * (x > 2), shape=6, dtype="u1")))
    10.0
    """
    data = of_histogram(an_image(image), where, bins, otsu_of, (), {})
    return number(data, "otsu_threshold", definition=f"Otsu 1979 on the exact histogram; {_DARK}", units=image.field.unit or "1")


def minimum_error_threshold(image: VoxelImage, /, *, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The threshold at which two Gaussians misplace the fewest voxels, a lazy number: the dark class is ``value <= threshold``.

    Otsu's threshold is drawn towards classes of equal size; where pores are few, this one is not.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.

    Returns
    -------
    xarray.DataArray
        A lazy number.

    Raises
    ------
    DataError
        As :func:`otsu_threshold`; or the histogram does not part into two classes (raised when computed).

    Notes
    -----
    One reading (two for floats). Kittler & Illingworth 1986, doi:10.1016/0031-3203(86)90030-0.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.generators.ct_scan(vr.generators.sandstone(shape=48, seed=1), seed=1)
    >>> 17000 < float(minimum_error_threshold(rock)) < 24000
    True
    """
    data = of_histogram(an_image(image), where, bins, minimum_error_of, (), {})
    return number(data, "minimum_error_threshold", definition=f"Kittler and Illingworth 1986 on the exact histogram; {_DARK}", units=image.field.unit or "1")


@operation
def otsu(image: VoxelImage, /, *, phase: str, where: Where = None, bins: int = 256) -> VoxelImage:
    """Segment at Otsu's threshold.

    Parameters
    ----------
    image
        Grey values.
    phase
        The class that comes out True: ``"dark"`` (value <= threshold) or ``"bright"``.
    where
        The voxels whose histogram is used. Outside, and where the image holds no data, the result is False and holds no data.
    bins
        As in :func:`otsu_threshold`.

    Returns
    -------
    VoxelImage
        Boolean, lazy: the threshold is found when it is computed, and the second pass reads or recomputes its blocks.

    Raises
    ------
    ParameterError
        An unknown phase.
    DataError
        As :func:`otsu_threshold`.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: 10 + 90 * (x > 2), shape=6, dtype="u1")
    >>> float(vr.statistics.porosity(otsu(image, phase="dark")))
    0.5
    """
    if phase not in ("dark", "bright"):
        raise ParameterError(f"phase is 'dark' or 'bright'; got {phase!r}")
    limit = otsu_threshold(image, where=where, bins=bins).data
    return _between(image, where, None, limit, outside=phase == "bright")


def multi_otsu_thresholds(image: VoxelImage, /, *, classes: int = 3, where: Where = None, bins: int = 256) -> xr.DataArray:
    """The thresholds between ``classes`` classes, lazy: class k holds ``t[k-1] < value <= t[k]``.

    Exact dynamic programming over the exact histogram: 65 536 grey values take well under a second, for any number of classes. The classes are those of
    k-means in one dimension at its global optimum: both leave the least variance inside the classes.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.
    classes
        At least 2.

    Returns
    -------
    xarray.DataArray
        float64 over ``threshold``, ascending.

    Raises
    ------
    ParameterError
        Fewer than two classes.
    DataError
        Fewer different values than classes (raised when computed).

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: 10 * (x // 2), shape=6, dtype="u1")
    >>> multi_otsu_thresholds(image, classes=3).values.tolist()
    [0.0, 10.0]
    """
    classes = whole(classes, "classes")
    if classes < 2 or classes > 255:
        raise ParameterError(f"there are 2 to 255 classes; got {classes}")
    data = of_histogram(an_image(image), where, bins, multi_otsu_of, (classes - 1,), {"classes": classes})
    definition = "multi-level Otsu by dynamic programming on the exact histogram; class k holds t[k-1] < value <= t[k]"
    return curve(data, ("threshold",), {}, "multi_otsu_thresholds", definition=definition, units=image.field.unit or "1")


@operation
def multi_otsu(image: VoxelImage, /, *, classes: int = 3, where: Where = None, bins: int = 256) -> VoxelImage:
    """Segment into classes that ascend with the grey value from 0, at the thresholds of multi-Otsu.

    Parameters
    ----------
    image, classes, where, bins
        As in :func:`multi_otsu_thresholds`.

    Returns
    -------
    VoxelImage
        u1 labels, lazy. Outside ``where`` and where there is no data the label is 255, which is the result's no-data value then.

    Raises
    ------
    ParameterError, DataError
        As :func:`multi_otsu_thresholds`.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: 10 * (x // 2), shape=6, dtype="u1")
    >>> multi_otsu(image, classes=3).compute()[0, 0].tolist()
    [0, 0, 1, 1, 2, 2]
    """
    limits = multi_otsu_thresholds(image, classes=classes, where=where, bins=bins).data
    data, *keep = afresh((image.data, *counted(image, where)), (limits,))
    labels = image.with_data(_CLASSIFIED(data, limits=limits), nodata=None, phases={})
    return labels if not keep else labels.where(labels.with_data(keep[0]), other=255).assign(nodata=255)
