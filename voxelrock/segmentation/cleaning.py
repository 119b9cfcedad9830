"""Labels made smoother: each voxel takes what most of its neighbours have."""

from __future__ import annotations

from typing import Any

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.filters.reach import reach_of, within_memory
from voxelrock.graph.patterns import Stencil, same_dtype
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted
from voxelrock.kernels.majority import majority
from voxelrock.kernels.ranks import median_halo
from voxelrock.labels.restriction import Where, refuse_grey

_MAJORITY = Stencil(majority, median_halo, same_dtype)

Length = float | str | None


@operation
def majority_vote(image: VoxelImage, /, *, radius: Length = None, radius_vx: Any = None, footprint: str = "ball", where: Where = None) -> VoxelImage:
    """Give each voxel the most frequent label of its neighbourhood: specks and fringes between phases go, phases stay.

    Of equally frequent labels the voxel keeps its own, where that is one of them, and else takes the smallest.

    Parameters
    ----------
    image
        Labels or booleans.
    radius
        Reach of the neighbourhood, in the grid's unit or as text; rounded down to whole voxels along each axis.
    radius_vx
        Instead, in whole voxels: one number, or three along (z, y, x).
    footprint
        ``"ball"`` or ``"cube"``.
    where
        True = used. Voxels outside, and those without data, have no vote and keep what they are.

    Returns
    -------
    VoxelImage
        The type, phases and no-data of the image. Labels are reflected beyond its border.

    Raises
    ------
    ParameterError
        Neither or both of radius and radius_vx, one of less than a voxel or beyond the image, or an unknown footprint.
    ParameterTypeError
        An image of floats.

    Notes
    -----
    Bitwise at any chunking. Booleans: the median. Up to 64 labels in a block are counted in windows that move, more are sorted in each. Halo: the radius.
    Connected specks of any size: :func:`voxelrock.labels.remove_small`.

    Examples
    --------
    >>> import voxelrock as vr
    >>> labels = vr.from_function(lambda z, y, x: 1 + (x > 3) + 5 * ((z == 2) & (y == 2) & (x == 2)), shape=6, dtype="u1")
    >>> majority_vote(labels, radius_vx=1).compute()[2, 2].tolist()
    [1, 1, 1, 1, 2, 2]
    """
    refuse_grey(image, "a vote of labels")
    if image.dtype.kind not in "biu":
        raise ParameterTypeError(f"a vote is among labels or booleans; got {image.dtype}")
    if footprint not in ("cube", "ball"):
        raise ParameterError(f"the footprint is 'cube' or 'ball'; got {footprint!r}")
    radii = reach_of(image, "radius", radius, radius_vx)
    if not any(radii):
        raise ParameterError(f"a radius of {radius if radius_vx is None else radius_vx} is less than one voxel: it would change nothing")
    within_memory(image, "radius", radii)
    return image.with_data(_MAJORITY(image.data, *counted(image, where), radius=radii, footprint=footprint), nodata=image.nodata)
