"""Mixtures of Gaussians: classes that overlap, and how likely each voxel belongs to each."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.graph.patterns import Pointwise, afresh
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels import mixtures as kernels
from voxelrock.parameters import whole
from voxelrock.segmentation.thresholds import Where, histogram_of, of_histogram
from voxelrock.typing import HostArray

_PROBABILITY = Pointwise(kernels.class_probability, lambda *_, **__: np.dtype("f4"))
_MOST = 32


def mixture_of(found: Any, *, classes: int, low: int | None = None) -> HostArray:
    """The mixture of a histogram."""
    return kernels.gaussian_mixture(*histogram_of(found, low), classes)


def gaussian_mixture(image: VoxelImage, /, *, classes: int = 2, where: Where = None, bins: int = 256) -> xr.Dataset:
    """Fit a mixture of Gaussians to the grey values, lazily: of each class its mean, standard deviation and weight, and the thresholds between them.

    Parameters
    ----------
    image, where, bins
        As in :func:`otsu_threshold`.
    classes
        2 to 32.

    Returns
    -------
    xarray.Dataset
        ``mean``, ``standard_deviation`` and ``weight`` (they add to 1) over ``class``, ascending by mean from 0; ``threshold`` over ``boundary``: where
        neighbours are equally likely, between their means, and NaN where they are nowhere; ``iterations``.

    Raises
    ------
    ParameterError
        Fewer than two classes, or more than 32.
    DataError
        Fewer different values than classes, NaN, or no convergence (raised when computed).

    Notes
    -----
    Expectation and maximization on the exact histogram, from the classes of :func:`multi_otsu` until the mean log-likelihood grows by less than 1e-10:
    no random start, so that it is the same at every call and chunking. It is a local optimum, as every fit of this kind. One reading (two for
    floats). Dempster, Laird, Rubin 1977, doi:10.1111/j.2517-6161.1977.tb01600.x.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.generators.ct_scan(vr.generators.sandstone(shape=48, seed=1), seed=1)
    >>> found = gaussian_mixture(rock)
    >>> 17000 < float(found["threshold"][0]) < 24000
    True
    """
    classes = whole(classes, "classes")
    if not 2 <= classes <= _MOST:
        raise ParameterError(f"a mixture has 2 to {_MOST} classes; got {classes}")
    data = of_histogram(an_image(image), where, bins, mixture_of, (kernels.FACTS, classes), {"classes": classes})
    units = image.field.unit or "1"
    words = f"of {classes} Gaussians fitted to the exact histogram by expectation and maximization"
    parts = {
        "mean": (("class",), data[0], units, f"mean {words}"),
        "standard_deviation": (("class",), data[1], units, f"standard deviation {words}"),
        "weight": (("class",), data[2], "1", f"weight {words}"),
        "threshold": (("boundary",), data[3, : classes - 1], units, "where neighbouring classes are equally likely; class k holds t[k-1] < value <= t[k]"),
        "iterations": ((), data[3, classes - 1], "1", "steps of the fit"),
    }
    return xr.Dataset({k: (dims, v, {"units": unit, "definition": text}) for k, (dims, v, unit, text) in parts.items()}, coords={"class": range(classes)})


@operation
def class_probability(image: VoxelImage, /, *, mixture: xr.Dataset, number: int, where: Where = None) -> VoxelImage:
    """How likely each voxel belongs to one class of a mixture of Gaussians.

    Parameters
    ----------
    image
        Grey values.
    mixture
        What :func:`gaussian_mixture` gives, of this image or of one like it; lazy or computed.
    number
        The class: 0 is the darkest.
    where
        True = used; NaN elsewhere, and where the image holds no data.

    Returns
    -------
    VoxelImage
        float32, lazy; those of all classes add to 1.

    Raises
    ------
    ParameterTypeError, ParameterError
        It is no mixture, or has no such class.

    Notes
    -----
    Weight times density over the sum of all classes', voxel by voxel, without regard to neighbours. The exponentials of devices differ in the last
    bits.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.generators.ct_scan(vr.generators.sandstone(shape=48, seed=1), seed=1)
    >>> found = class_probability(rock, mixture=gaussian_mixture(rock), number=0)
    >>> bool((found.compute() <= 1).all())
    True
    """
    if not isinstance(mixture, xr.Dataset) or not {"mean", "standard_deviation", "weight"} <= set(mixture):
        raise ParameterTypeError("mixture is the Dataset that vr.segmentation.gaussian_mixture gives")
    classes, number = mixture.sizes["class"], whole(number, "number")
    if not 0 <= number < classes:
        raise ParameterError(f"the mixture has the classes 0 to {classes - 1}; got {number}")
    fit = _stacked(mixture)
    data, *keep = afresh((an_image(image).data, *counted(image, where)), (fit,))
    found = image.with_data(
        _PROBABILITY(data, fit=fit, number=number), field=Field("probability", "1", f"of class {number} of {classes}"), phases={}, nodata=None
    )
    return found if not keep else found.where(found.with_data(keep[0]), other=float("nan")).assign(nodata=float("nan"))


def _stacked(mixture: xr.Dataset) -> Any:
    """Means, standard deviations and weights as one array, lazy where they are."""
    rows = [mixture[name].data for name in ("mean", "standard_deviation", "weight")]
    if any(hasattr(row, "dask") for row in rows):
        stacked = xr.concat([mixture[name] for name in ("mean", "standard_deviation", "weight")], "fact", coords="minimal", compat="override").data
        return stacked.rechunk(-1)
    return tuple(tuple(np.asarray(row, float).tolist()) for row in rows)
