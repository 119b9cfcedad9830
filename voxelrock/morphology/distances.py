"""Exact Euclidean distances from the voxels of a mask to its surroundings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import Region
from voxelrock.geometry.metric import Metric
from voxelrock.graph.patterns import Pointwise
from voxelrock.graph.survey import Surveyed
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted
from voxelrock.kernels.cells import edge_of, join_surveys, surveyed
from voxelrock.kernels.distances import square_dtype
from voxelrock.kernels.searches import coded, mask_bounds, mask_distance, mask_squares

Where = VoxelImage | Region | None

_CODED = Pointwise(coded, lambda *_, **__: np.dtype("u1"))
_DISTANCE = Surveyed(surveyed, join_surveys, mask_bounds, mask_distance)
_SQUARES = Surveyed(surveyed, join_surveys, mask_bounds, mask_squares)


@operation
def distance(mask: VoxelImage, /, *, border: str = "open", signed: bool = False, where: Where = None) -> VoxelImage:
    """Distance of each True voxel to the nearest False voxel, from centre to centre.

    Parameters
    ----------
    mask
        A boolean image.
    border
        What lies outside the image and outside ``where``: ``"open"``, nothing, so that distances are measured to the False voxels that
        there are; or ``"solid"``, False voxels without end.
    signed
        False voxels get the distance to the nearest True voxel, negative; otherwise 0.
    where
        True = used. Outside, and where the mask holds no data, no voxel exists.

    Returns
    -------
    VoxelImage
        float32, in the grid's unit; NaN, declared as no data, where no voxel exists. Infinite (of its sign) where the image holds no voxel to
        measure to.

    Raises
    ------
    ParameterTypeError
        The image is not boolean.
    ParameterError
        An unknown border.

    Notes
    -----
    Exact: the distance is the root of a square that is found without rounding where the spacings (or their squares) are in the ratio of
    whole numbers up to 1000, else added in float64 in one order. Equal to ``scipy.ndimage.distance_transform_edt(mask, sampling=spacing)``,
    bit for bit at spacing 1. Bitwise at any chunking.

    The halo is found in the data. A first pass notes which cells of 4 × 4 × 4 voxels (larger ones where that would be more than sixteen million)
    hold which voxels; this bounds every distance from above and names the cells that can hold a nearest voxel, and a block's task reads
    those. Memory: what it transforms at once takes at most 24 bytes per voxel of the block, or 128 MiB; beyond, as in a cavern far wider
    than the block, sites come piece by piece. The bounds take 5 bytes per cell in each process.

    Two tasks per block over a stored image, of which little was changed but voxel by voxel. Over any other, the first pass leaves two bits
    a voxel for the second: in memory up to an eighth of ``options.memory``, beyond in files in ``options.scratch``. It runs on the host.

    Sources: T. Saito, J. Toriwaki, Pattern Recognit. 27 (1994), doi:10.1016/0031-3203(94)90133-3; A. Meijster et al. (2000),
    doi:10.1007/0-306-47025-X_36.

    Examples
    --------
    >>> import voxelrock as vr
    >>> grain = vr.from_function(lambda z, y, x: (z + y + x) > 0, shape=3, dtype="bool", spacing="2 um")
    >>> distance(grain).compute()[0, 0].tolist()
    [0.0, 2.0, 4.0]
    """
    keep = existing(mask, border, where)
    metric = Metric.of(mask.grid.spacing)
    facts = _facts(mask.data, metric, border, signed=bool(signed))
    data = _DISTANCE(_CODED(mask.data, *keep), dtype="f4", solid=border == "solid", unit=metric.unit, **facts)
    return mask.with_data(data, nodata=math.nan if keep else None, phases={}, field=Field("distance", mask.grid.unit))


def squared_distance(mask: VoxelImage, /, *, border: str = "open", where: Where = None) -> tuple[VoxelImage, Metric]:
    """The squares behind :func:`distance`, as numbers that can be compared without rounding, and the metric that they are in.

    Parameters
    ----------
    mask, border, where
        As in :func:`distance`.

    Returns
    -------
    tuple
        An image, int32 or int64 where the metric is exact, else float64: 0 at voxels that are False or do not exist, and
        :func:`voxelrock.kernels.distances.far` of the type where the image holds no voxel to measure to. ``metric.square(length)`` is what to
        compare it with.
    """
    keep = existing(mask, border, where)
    metric = Metric.of(mask.grid.spacing)
    data = squares_of(mask.data, keep, metric, border)
    return mask.with_data(data, nodata=None, phases={}, field=Field("squared distance")), metric


def squares_of(data: Any, keep: tuple[Any, ...], metric: Metric, border: str) -> Any:
    """The lazy squares of a lazy boolean array, of the voxels that exist (all, without ``keep``)."""
    dtype = square_dtype(metric.weights, metric.farthest(data.shape))
    return _SQUARES(_CODED(data, *keep), dtype=dtype, solid=border == "solid", **_facts(data, metric, border, signed=False))


def existing(mask: VoxelImage, border: str, where: Where) -> tuple[Any, ...]:
    """A mask of the voxels that exist, or nothing if all do.

    Raises
    ------
    ParameterTypeError, ParameterError
        The image is not boolean; an unknown border.
    """
    if mask.dtype.kind != "b":
        raise ParameterTypeError(f"a phase is given as a boolean image, such as vr.segmentation.otsu or image == label make; got {mask.dtype}")
    if border not in ("open", "solid"):
        raise ParameterError(f"the border is 'open' or 'solid'; got {border!r}")
    return counted(mask, where)


def _facts(data: Any, metric: Metric, border: str, *, signed: bool) -> dict[str, Any]:
    """The parameters of the survey and of its bounds."""
    shape = tuple(map(int, data.shape))
    edge = edge_of(shape)  # type: ignore[arg-type]
    finish = {"shape": shape, "edge": edge, "weights": metric.weights, "solid": border == "solid", "signed": signed}
    return {"survey": {"edge": edge}, "finish": finish}
