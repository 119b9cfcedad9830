"""Ring artefacts of reconstructed slices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from voxelrock.artefacts.centers import center_of, found_center
from voxelrock.artefacts.classes import Where, class_levels, corrected_dtype, given_range, grey_image, narrow_solid
from voxelrock.errors import ParameterError
from voxelrock.geometry import VoxelGrid
from voxelrock.geometry.axes import axis_number
from voxelrock.graph.patterns import Pointwise
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted
from voxelrock.kernels.rings import SECTORS, Polar, join_ring_sums, ring_offsets, ring_sums, without_rings
from voxelrock.kernels.tallies import Tallies
from voxelrock.typing import HostArray

_WITHOUT = Pointwise(without_rings, lambda first, *_, **__: corrected_dtype(first), located=True)
_WIDTH_VX = 10
"""Rings of up to so many voxels are removed by default."""
_DEPTH_VX = 31
"""So many slices are taken together by default."""

Length = float | str | None


def offsets_of(found: tuple[float, list[Tallies]], *, polar: Polar, reach: int, depth: int) -> HostArray:
    """The table of offsets, (slice, ring)."""
    scale, tallies = found
    return ring_offsets(tallies[0].counts.reshape(-1, polar.rings, SECTORS, 2), reach=reach, depth=depth) / scale


@operation
def remove_rings(
    image: VoxelImage,
    /,
    *,
    center: Mapping[str, float | str] | None = None,
    axis: str = "z",
    width: Length = None,
    depth: Length = None,
    solid: tuple[float, float] | None = None,
    where: Where = None,
) -> VoxelImage:
    """Remove full rings about the axis of rotation from reconstructed slices.

    In each slice the mean of the solid in every ring, a voxel wide, is compared with the running median over its neighbours; what is left is
    subtracted, lowered by as much as eight sectors of the ring disagree about it. Pores do not count, so that they make no rings.

    Parameters
    ----------
    image
        A scan: grey values.
    center
        Where the axis of rotation meets the slices: the two axes across it by name, such as ``dict(y="2 mm", x="2 mm")``, in the grid's coordinates.
        It is that of the scanner, not of the plug, and may lie outside an image that was cropped. Without it the call computes: the place of the
        strongest rings in a few slices, within 8 voxels of the middle.
    axis
        The axis of rotation.
    width
        The widest ring that is removed, a length; 10 voxels by default.
    depth
        The thickness of the slab that a slice's rings are estimated from, a length; 31 slices by default. Rings that go on along the axis are found
        better with more, and less noise is taken for rings; those that change from slice to slice need fewer (0: one).
    solid
        The least and the largest grey value of the voxels that are compared. By default three robust deviations about the median of the class above
        Otsu's threshold, and not below this.
    where
        The voxels that are compared (True = used); no-data voxels never are. The correction is for all voxels.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64 and integers of 32 bits), unrounded and not clipped: ``.astype("u2", clip=True)`` brings the type back. No-data
        voxels keep their value. Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        A segmentation or 64-bit integers; a centre without both names, or farther outside than the image is wide; a width that is no length.
    DataError
        All counted voxels have one value, or one is NaN (raised when computed).

    Notes
    -----
    Bitwise at any chunking: counts and sums are integers (floats and integers of 32 bits in fixed point, with 30 bits of the largest). Readings: histogram
    (not with ``solid``), sums, sums of what is left, correction. Memory: 128 bytes for each ring of each slice, in one task; the adding runs on the host.
    After Sijbers & Postnov 2004, doi:10.1088/0031-9155/49/14/N06; the comparison of sectors is ours.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 200 + 9 * ((y - 32) ** 2 + (x - 32) ** 2 < 400) * ((y - 32) ** 2 + (x - 32) ** 2 >= 361), shape=64, dtype="u1")
    >>> clean = remove_rings(scan, center=dict(y=32, x=32), solid=(150, 250))
    >>> float(scan.compute().std()) > 5 * float(clean.compute().std())
    True
    """
    grey_image(image, "remove_rings")
    number, limits = axis_number(axis), given_range(solid)
    place = found_center(image, number) if center is None else center_of(image, center, number)
    polar = Polar.of(image.grid.shape, image.grid.spacing, number, place)
    facts = {"polar": polar, "reach": _reach(image.grid, polar, width), "depth": _half(image.grid, number, depth)}
    bounds = class_levels(image, where, narrow_solid, (2,)) if limits is None else limits
    sums = Reduction(ring_sums, join_ring_sums, offsets_of, located=True)
    shared: dict[str, Any] = {"limits": bounds, "polar": polar, "shape": (image.shape[number], polar.rings), "dtype": "f8", "finish": facts}
    first = sums(image.data, *counted(image, where), **shared)
    rest = sums(image.data, *counted(image, where), offsets=first, **shared)  # strong rings push voxels out of the limits: now they are back
    kind = corrected_dtype(image.dtype).name
    return image.with_data(_WITHOUT(image.data, offsets=first, rest=rest, polar=polar, nodata=image.nodata, dtype=kind), phases={})


def _reach(grid: VoxelGrid, polar: Polar, width: Length) -> int:
    wanted = _WIDTH_VX * polar.pitch if width is None else grid.length(width)
    if not (math.isfinite(wanted) and wanted >= polar.pitch):
        raise ParameterError(f"the width of the widest ring is at least that of a voxel, {polar.pitch:g} {grid.unit}; got {width}")
    return max(2, round(wanted / polar.pitch))


def _half(grid: VoxelGrid, axis: int, depth: Length) -> int:
    wanted = _DEPTH_VX * grid.spacing[axis] if depth is None else grid.length(depth)
    if not (math.isfinite(wanted) and wanted >= 0):
        raise ParameterError(f"the depth is a length of at least 0; got {depth}")
    return min(grid.shape[axis], int(round(wanted / grid.spacing[axis]) // 2))
