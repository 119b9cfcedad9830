"""Grains or pores that touch, parted at their necks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image
from voxelrock.image.validity import both
from voxelrock.kernels.purposes import Minima
from voxelrock.labels.restriction import Where
from voxelrock.morphology.basins import through_basins
from voxelrock.morphology.distances import distance, existing
from voxelrock.morphology.hills import UPSIDE_DOWN
from voxelrock.parameters import real

_DEPTH_VX = 0.7
"""Sides of a voxel: in packings of balls of 4 to 10 voxels, smooth and rough, between 0.5 (rough ones fall apart) and 1 (small ones are joined)."""


@operation
def split_touching(mask: VoxelImage, /, *, depth: Any = None, connectivity: int = 6, border: str = "open", where: Where = None) -> VoxelImage:
    """Part what touches at necks: number the regions around the maxima of the distance to the surroundings.

    The distance of each True voxel to the nearest False one is flooded from its maxima down (watershed); regions meet at the necks. A maximum
    counts if whoever goes from it to a higher one passes a neck that is narrower than its own radius by ``depth``.

    Parameters
    ----------
    mask
        A boolean image: True are the grains, or the pores.
    depth
        The least difference between the radius of the largest ball in a region and that of its widest neck towards a larger one (persistence), a
        length in the grid's unit or text such as ``"4 um"``. By default 0.7 of the shortest side of a voxel; 0 parts at every maximum.
    connectivity
        6, 18 or 26 neighbours.
    border
        ``"open"``: what lies outside the image and outside ``where`` is no surface, so that a region cut there counts as going on;
        ``"solid"``: it is False.
    where
        True = used. Outside nothing exists.

    Returns
    -------
    VoxelImage
        int32 (int64 from 2³¹ voxels), lazy: regions from 1 in the order of the first voxels of their maxima; 0 where the mask is False, and outside
        ``where``. No lines between regions.

    Raises
    ------
    ParameterTypeError
        The image is not boolean.
    ParameterError
        A negative depth, or no length; another connectivity or border.
    GridMismatchError
        ``where`` lies on another grid.

    Notes
    -----
    Bitwise at any chunking: :func:`watershed` of the negative distance, and as exact. In packings of balls without overlap (median radius 4, 6 and 10
    voxels, ln radius ± 0.2) the default finds 1657 of 1661, 497 of 497 and 248 of 248 balls whose centres lie in the image (found: one region and the
    ball share four fifths of both); with a rough surface (± 0.7 voxels) all of 497 and 248, where 0 finds 349 and 138. Grains that are flat or long
    have several maxima: take a larger depth.

    A pipeline of scikit-image (``h_maxima``, ``label``, ``watershed``) finds as many regions, and has 98.9 % of the voxels of a random rock in the same ones,
    where no two distances are equal. Where some are, it keeps equal maxima apart however shallow the dip between them is (71 regions, not 58).

    Three passes over the mask; memory as :func:`voxelrock.morphology.distance` and :func:`watershed`. It runs on the host. Beucher, Lantuéjoul 1979;
    Gostick 2017, doi:10.1103/PhysRevE.96.023307, on what deserves to be parted.

    Examples
    --------
    >>> import voxelrock as vr
    >>> balls = vr.Ball(center=dict(z=6, y=6, x=6), radius=5.5) | vr.Ball(center=dict(z=6, y=6, x=15), radius=5.5)
    >>> mask = vr.full(shape=vr.ZYX(z=13, y=13, x=22), value=True).where(balls, False)
    >>> split_touching(mask).compute()[6, 6].tolist()
    [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0]
    """
    if an_image(mask).dtype.kind != "b":
        raise ParameterTypeError(
            f"split_touching takes a boolean image (True = grains or pores), such as vr.segmentation.otsu(image, phase='bright') makes; got {mask.dtype}"
        )
    least = _DEPTH_VX * min(mask.grid.spacing) if depth is None else mask.grid.length(depth) if isinstance(depth, str) else real(depth, "depth")
    if not (math.isfinite(least) and least >= 0):
        raise ParameterError(f"depth is a length, finite and not negative; got {depth}")
    keep = existing(mask, border, where)
    inside = both(mask.data, keep[0]) if keep else mask.data
    ways = UPSIDE_DOWN(distance(mask, border=border, where=where).data)
    data = through_basins(ways, (inside,), Minima(least), connectivity=connectivity, dtype=np.dtype("i4" if mask.size < 2**31 else "i8"))
    return mask.with_data(
        data, field=Field("region", "", f"parted at necks, {connectivity} neighbours, depth {least:g} {mask.grid.unit}"), phases={}, nodata=None
    )
