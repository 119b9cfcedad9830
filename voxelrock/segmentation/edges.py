"""A threshold from the walls of the pores, not from the histogram of the whole: it needs no second peak."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from voxelrock import filters
from voxelrock.errors import ParameterError
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import number
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.edges import cut_of, edge_greys, middle_of, slope_counts
from voxelrock.kernels.gradients import around
from voxelrock.labels.restriction import Where
from voxelrock.morphology import erosion
from voxelrock.parameters import real
from voxelrock.statistics.counting import value_limits
from voxelrock.typing import HostArray

_REACH = 2
"""Voxels from a voxel on a wall to where its phases are looked at, beyond the width of the smoothing."""
_BRIGHTEST = 0.99
_STEEPEST = 0.05


def _added(partials: list[list[HostArray]]) -> list[HostArray]:
    return [np.sum(parts, axis=0) for parts in zip(*partials)]


def _cut(found: list[HostArray], *, brightest: float, steepest: float) -> HostArray:
    return cut_of(found[0], found[1], brightest=brightest, steepest=steepest)


def _middle(found: list[HostArray]) -> HostArray:
    return np.asarray(middle_of(found[0], found[1]))


def edge_threshold(image: VoxelImage, /, *, where: Where = None, scale_vx: float = 1.0) -> xr.DataArray:
    """The grey value in the middle of the walls of the dark phase, a lazy number: the dark class is ``value <= threshold``.

    Half of the way between two phases lies where the scan is steepest, whatever their shares: this threshold finds few pores in tight rock, and pores
    in rock of several minerals, where criteria of the histogram cut between minerals.

    Parameters
    ----------
    image
        Grey values.
    where
        True = counted: voxels as far inside as the filters look. No-data voxels, and those beside them, are never counted.
    scale_vx
        Standard deviation, in voxels, of the Gaussian that smooths before slopes are taken; more for noisier scans.

    Returns
    -------
    xarray.DataArray
        A lazy number: the median of the smoothed greys in the middle of walls, where the slope is highest along its own direction (between voxels, by a
        parabola). Of the walls those count that are among the 5 % steepest voxels, have dark voxels within two voxels (Otsu's threshold of the
        darkest ones says which are dark), and none of the brightest 1 % of greys, the rare heavy minerals.

    Raises
    ------
    ParameterError
        A scale that is not positive.
    DataError
        NaN or infinities among the voxels; none is counted; all are alike (raised when computed).

    Notes
    -----
    Bitwise at any chunking: sums are integers, greys in 1024 steps between the extremes of the smoothed image. Three passes over the image; halo:
    4 ``scale_vx`` + 2 voxels; memory: 24 bytes a voxel of the block with its halo. Mean error of porosity on synthetic scans at a contrast over noise of
    4: see benchmarks/README.md. Walls of rock differ (minerals): where half of them are others, the median jumps from the ones to the others. Katz 1965;
    Weszka, Nagel & Rosenfeld 1974, doi:10.1109/T-C.1974.223780 (slopes); J. Canny 1986, doi:10.1109/TPAMI.1986.4767851 (the middle of a wall).

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.generators.ct_scan(vr.generators.sandstone(shape=48, seed=1), seed=2)
    >>> 19000 < float(edge_threshold(scan)) < 23000  # air has 14000, quartz 29000
    True
    """
    if not 0 < real(scale_vx, "scale_vx") < math.inf:
        raise ParameterError(f"scale_vx is positive and finite; got {scale_vx}")
    keep = _inside(an_image(image), where, math.ceil(4 * scale_vx) + _REACH)
    bare = image.assign(nodata=None, phases={})
    grey = filters.gaussian(bare, sigma_vx=scale_vx)
    slope = filters.gradient_magnitude(bare, sigma_vx=scale_vx)
    reach = tuple(min(_REACH, max(n - 1, 0)) for n in image.shape)
    darkest, brightest = (f(grey, radius_vx=reach) if any(reach) else grey for f in (filters.minimum, filters.maximum))
    masks = () if keep is None else (keep.data,)
    facts: dict[str, Any] = {"limits": value_limits(grey, keep), "slopes": value_limits(slope, keep)}
    first = Reduction(slope_counts, _added, _cut)
    shares = {"brightest": _BRIGHTEST, "steepest": _STEEPEST}
    cut = first(grey.data, slope.data, brightest.data, *masks, **facts, shape=(2,), dtype="f8", finish=shares)
    second = Reduction(edge_greys, _added, _middle, margin=around)
    middle = second(grey.data, slope.data, darkest.data, brightest.data, *masks, **facts, cut=cut, shape=(), dtype="f8")
    low, high = facts["limits"][0], facts["limits"][1]
    definition = "median grey in the middle of the steepest walls beside dark voxels; the dark class is value <= threshold"
    return number(low + (high - low) * middle, "edge_threshold", definition=definition, units=image.field.unit or "1", scale_vx=scale_vx)


def _inside(image: VoxelImage, where: Where, reach: int) -> VoxelImage | None:
    """The voxels that count, and whose surroundings do."""
    keep = counted(image, where)
    if not keep:
        return None
    return erosion(image.with_data(keep[0], nodata=None, phases={}), radius_vx=reach, footprint="cube")
