"""Contrast: grey values stretched by what the whole image holds, or evened out in tiles of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.filters.reach import Length
from voxelrock.geometry import Region
from voxelrock.graph.patterns import Pointwise, afresh, smooth_dtype
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted, physical_or_voxels
from voxelrock.kernels import equalising as kernels
from voxelrock.parameters import real, several, whole
from voxelrock.statistics import quantile, summary
from voxelrock.statistics.counting import add, value_limits

Where = VoxelImage | Region | None

_STRETCHED = Pointwise(kernels.stretched, smooth_dtype)
_STANDARDISED = Pointwise(kernels.standardised, smooth_dtype)
_EQUALISED = Pointwise(kernels.equalised, smooth_dtype, located=True)
_CURVES = Reduction(kernels.tile_counts, add, kernels.tile_curves, located=True)
_MOST_TILES = 4096


def _pair(values: Any, name: str) -> tuple[float, float]:
    found = [real(v, f"each item of {name}") for v in several(values, name)]
    if len(found) != 2 or not all(map(math.isfinite, found)):
        raise ParameterError(f"{name} is two finite numbers; got {values}")
    return found[0], found[1]


def _result(image: VoxelImage, data: Any, keep: Sequence[Any]) -> VoxelImage:
    return image.with_data(data, nodata=math.nan if keep else None, phases={})


@operation
def rescale(
    image: VoxelImage, /, *, percentiles: Sequence[float] = (0.0, 100.0), to: Sequence[float] = (0.0, 1.0), clip: bool = True, where: Where = None
) -> VoxelImage:
    """Stretch grey values so that two percentiles of the whole image become two given values.

    Parameters
    ----------
    image
        Grey values.
    percentiles
        Which, from 0 (the lowest value) to 100 (the highest), the first below the second: (1, 99) leaves outliers out.
    to
        What they become; the second may be the lower one, which inverts.
    clip
        Whether values beyond the two percentiles become those of the ends; otherwise they go on in proportion.
    where
        The voxels whose percentiles are found (True = used); all voxels are stretched.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64); lazy, percentiles too. No-data voxels take no part, and are NaN, which is the result's no-data value then.

    Raises
    ------
    ParameterError
        Numbers out of range.
    DataError
        NaN among the voxels, none of them counts, or both percentiles are one value (raised when computed).

    Notes
    -----
    Percentiles are exact: bitwise at any chunking. Two readings for integers of up to 16 bits, three for 32 bits, five for 64.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rescale(vr.from_function(lambda z, y, x: 10 + x, shape=5, dtype="u1"), to=(0, 8)).compute()[0, 0].tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    low, high = _pair(percentiles, "percentiles")
    if not 0 <= low < high <= 100:
        raise ParameterError(f"percentiles ascend and are from 0 to 100; got {percentiles}")
    target = _pair(to, "to")
    if max(map(abs, target)) > float(np.finfo(smooth_dtype(image.dtype)).max):
        raise ParameterError(f"to= does not fit in {smooth_dtype(image.dtype)}, the type of the result; got {to}")
    ends = quantile(image, q=[low / 100, high / 100], where=where).data
    data, *keep = afresh((image.data, *counted(image, None)), (ends,))
    return _result(image, _STRETCHED(data, *keep, ends=ends, to=target, clip=bool(clip)), keep)


@operation
def normalise(image: VoxelImage, /, *, where: Where = None) -> VoxelImage:
    """Take the mean of the whole image away, and divide by its standard deviation.

    Parameters
    ----------
    image
        Grey values.
    where
        The voxels whose mean and deviation are found (True = used); all voxels are normalised.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64); lazy, mean and deviation too. No-data voxels take no part, and are NaN, which is the result's no-data value then.

    Raises
    ------
    DataError
        NaN among the voxels, none of them counts, or they are all equal (raised when computed).

    Notes
    -----
    Sums are exact: bitwise at any chunking. Two readings.

    Examples
    --------
    >>> import voxelrock as vr
    >>> normalise(vr.from_function(lambda z, y, x: x % 2, shape=4, dtype="u1")).compute()[0, 0].tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """
    facts = summary(image, where=where)
    mean, deviation = facts["mean"].data, facts["std"].data
    data, *keep = afresh((image.data, *counted(image, None)), (mean, deviation))
    return _result(image, _STANDARDISED(data, *keep, mean=mean, deviation=deviation), keep)


@operation
def local_contrast(
    image: VoxelImage,
    /,
    *,
    tile: Length = None,
    tile_vx: Any = None,
    clip: float = 0.01,
    bins: int = 256,
    limits: Sequence[float] | None = None,
    where: Where = None,
) -> VoxelImage:
    """Even out contrast from place to place: each value becomes its rank among those around it, held back where one value prevails.

    Parameters
    ----------
    image
        Grey values.
    tile
        Edge of the tiles that histograms are made of, in the grid's unit or as text with a unit. The image is cut into equal tiles of about that edge.
    tile_vx
        Instead, in voxels: one number, or three along (z, y, x).
    clip
        The largest share of a tile's voxels that one bin counts for, what is above it shared among all bins: small values raise contrast little, 1 most.
    bins
        Number of bins of a histogram.
    limits
        The values that bins lie between. Without it the extremes of the image.
    where
        The voxels that are counted (True = used). Elsewhere the result holds no data.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), from 0 to 1. NaN outside ``where`` and where the image holds no data, which is the result's no-data value then.

    Raises
    ------
    ParameterError
        Neither or both of tile and tile_vx, a number out of range, or more than 4096 tiles.
    DataError
        NaN or infinite values among the voxels without limits, or none of them counts (raised when computed).

    Notes
    -----
    Limited adaptive equalisation (CLAHE): the curve of a tile is its cumulative histogram, linear inside a bin; a voxel's value is looked up in the curves
    of the eight nearest tiles, weighted by nearness. Tiles lie in the image, not in its blocks, and counts are exact: bitwise at any chunking. Three readings,
    two with ``limits``; a table of 8 bytes for each tile and bin in every task. It runs on the host.

    K. Zuiderveld, Graphics Gems IV (1994) 474-485.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.generators.ct_scan(vr.generators.sandstone(shape=32, radius=8, seed=1), seed=1)
    >>> found = local_contrast(scan, tile_vx=16).compute()
    >>> bool(0 <= found.min() < 0.05 and 0.95 < found.max() <= 1)
    True
    """
    edges = physical_or_voxels(image, "tile", tile, tile_vx)
    if any(e < 1 for e in edges):
        raise ParameterError(f"a tile is at least one voxel wide; got {edges} voxels along (z, y, x)")
    tiles = tuple(max(1, round(n / e)) for n, e in zip(image.shape, edges))
    if math.prod(tiles) > _MOST_TILES:
        raise ParameterError(f"there are at most {_MOST_TILES} tiles, as every task holds the curves of all; got {math.prod(tiles)}: take larger tiles")
    share, count = real(clip, "clip"), whole(bins, "bins")
    if not (0 < share <= 1 and 2 <= count <= 65536):
        raise ParameterError(f"clip is above 0 and at most 1, and there are 2 to 65536 bins; got {clip} and {bins}")
    ends: Any = value_limits(image, where) if limits is None else _pair(limits, "limits")
    if limits is not None and not ends[0] < ends[1]:
        raise ParameterError(f"limits ascend; got {limits}")
    masks = counted(image, where)
    facts = {"ends": ends, "image": tuple(image.shape), "tiles": tiles, "bins": count}
    curves = _CURVES(image.data, *masks, shape=(math.prod(tiles), count + 1), dtype=np.float64, finish={"clip": share}, **facts)
    data, *keep = afresh((image.data, *masks), (curves,))
    return _result(image, _EQUALISED(data, *keep, tiles=(tuple(image.shape), tiles), ends=ends, curves=curves), keep)
