"""Exact counts of values: what histograms, thresholds and quantiles start from."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.errors import DataError, ParameterError
from voxelrock.graph.reductions import Combine, Finalize, Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.selection import counted
from voxelrock.kernels import histograms
from voxelrock.kernels.histograms import value_range
from voxelrock.typing import HostArray


def add(partials: list[HostArray]) -> HostArray:
    """The sum of partial counts."""
    if len(partials) == 1:
        return partials[0]
    total = partials[0] + partials[1]  # a new one: what other tasks made is not changed
    for partial in partials[2:]:
        total += partial
    return total


def join_extremes(partials: list[list[Any]]) -> list[Any]:
    """Counts, extremes and NaN counts of several blocks."""
    found = [p for p in partials if p[0]]
    low = min((p[1] for p in found), default=None)
    high = max((p[2] for p in found), default=None)
    return [sum(p[0] for p in partials), low, high, sum(p[3] for p in partials)]


def as_is(values: Any) -> HostArray:
    """The last partial result itself."""
    return np.asarray(values)


def limits(partial: list[Any]) -> HostArray:
    """Minimum and maximum as an array of two.

    Raises
    ------
    DataError
        Nothing was counted, or NaN was among the voxels.
    """
    if partial[3]:
        raise DataError(f"{partial[3]} voxels are NaN: declare them with image.assign(nodata=float('nan')), or leave them out with where=")
    if not partial[0]:
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    return np.array([partial[1], partial[2]], float)


_LIMITS = Reduction(histograms.extremes, join_extremes, limits)


def value_limits(image: VoxelImage, where: Any) -> Any:
    """Lazy minimum and maximum (float64, two values) of the voxels that count."""
    return _LIMITS(image.data, *counted(image, where), shape=(2,), dtype="f8")


def counts(image: VoxelImage, where: Any, finalize: Finalize, *, shape: tuple[int, ...], dtype: Any, finish: dict[str, Any] | None = None) -> Any:
    """A lazy result of the exact value counts of an image of up to 16 bits; ``finalize(table, **finish)``.

    Raises
    ------
    ParameterError
        The image has more values than that.
    """
    found = value_range(image.dtype)
    if found is None:
        raise ParameterError(f"exact counts need booleans or integers of up to 16 bits; got {image.dtype}")
    reduction = Reduction(histograms.value_counts, add, finalize)
    return reduction(image.data, *counted(image, where), low=found[0], size=found[1], shape=shape, dtype=dtype, finish=finish)


__all__ = ["Combine", "add", "as_is", "counts", "join_extremes", "limits", "value_limits", "value_range"]
