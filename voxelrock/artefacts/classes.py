"""What every correction starts from: grey values, and where the solid lies among them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import Region
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.classes import BRIGHT, CUT, SPREAD, TOP, levels
from voxelrock.parameters import real, several
from voxelrock.segmentation.thresholds import join_ranged, ranged_counts
from voxelrock.statistics.counting import counts, value_limits, value_range
from voxelrock.statistics.histograms import quantile
from voxelrock.typing import HostArray

Where = VoxelImage | Region | None
_BINS = 4096


def grey_image(image: VoxelImage, name: str) -> VoxelImage:
    """An image whose grey values can be corrected.

    Raises
    ------
    ParameterTypeError, ParameterError
        It is none, or a segmentation, of 64-bit integers, or without voxels.
    """
    if an_image(image).dtype.kind == "b" or image.phases:
        raise ParameterTypeError(f"{name} corrects grey values; this image is a segmentation: correct the scan that it was made from")
    if image.dtype.kind in "iu" and image.dtype.itemsize == 8:
        raise ParameterTypeError(f"{name} gives floats, which do not hold all integers of 64 bits: convert the image first, image.astype('u4')")
    if image.size == 0:
        raise ParameterError(f"an image without voxels has nothing for {name} to correct")
    return image


def corrected_dtype(dtype: np.dtype[Any], **_: Any) -> np.dtype[Any]:
    """float32, or float64 for float64 and integers of 32 bits, which float32 does not hold."""
    return np.dtype("f8") if dtype.itemsize == 8 or (dtype.kind in "iu" and dtype.itemsize > 2) else np.dtype("f4")


def class_levels(image: VoxelImage, where: Where, finalize: Any, shape: tuple[int, ...]) -> Any:
    """A lazy result of the two classes of the histogram: exact for up to 16 bits, else of 4096 bins. ``finalize`` gets the table and ``low``."""
    known = value_range(image.dtype)
    if known is not None:
        return counts(image, where, finalize, shape=shape, dtype="f8", finish={"low": known[0]})
    reduction = Reduction(ranged_counts, join_ranged, finalize)
    limits = value_limits(image, where)
    return reduction(image.data, *counted(image, where), limits=limits, bins=_BINS, shape=shape, dtype="f8", finish={"low": None})


def levels_of(found: Any, *, low: int | None) -> HostArray:
    """The levels of both classes."""
    return levels(*((found[1], found[0]) if low is None else (found, np.arange(low, low + len(found)))))


def narrow_solid(found: Any, *, low: int | None) -> HostArray:
    """The grey values of the solid alone: three robust deviations about the median of the bright class, above Otsu's threshold."""
    known = levels_of(found, low=low)
    if not known[SPREAD]:
        return np.array([np.nextafter(known[CUT], math.inf), known[TOP]])
    return np.array([max(np.nextafter(known[CUT], math.inf), known[BRIGHT] - 3 * known[SPREAD]), known[BRIGHT] + 3 * known[SPREAD]])


def given_range(solid: Any) -> tuple[float, float] | None:
    """The grey values that are said to be solid.

    Raises
    ------
    ParameterError
        They are not two ascending numbers.
    """
    if solid is None:
        return None
    pair = [float(v) for v in several(solid, "solid")]
    if len(pair) != 2 or not (math.isfinite(pair[0]) and math.isfinite(pair[1]) and pair[0] < pair[1]):
        raise ParameterError(f"solid= is two finite, ascending grey values, such as (20000, 32000); got {solid}")
    return pair[0], pair[1]


def air_level(air: Any, solid: tuple[float, float] | None) -> float | None:
    """The grey of air, as far as it is given.

    Raises
    ------
    ParameterError
        It is not finite, or not below the solid.
    """
    if air is None:
        return None
    level = real(air, "air")
    if not math.isfinite(level) or (solid and level >= solid[0]):
        raise ParameterError(f"air= is a finite grey value below the solid; got {air}" + (f" with solid={solid}" if solid else ""))
    return level


def usual_range(image: VoxelImage, where: Where) -> Any:
    """The lazy quantiles 0.001 and 0.999."""
    return quantile(image, q=[0.001, 0.999], where=where).data
