"""Rank filters: percentiles, the lowest and the highest value of a neighbourhood."""

from __future__ import annotations

from typing import Any

from voxelrock.errors import ParameterError
from voxelrock.filters.reach import Length, reach_of
from voxelrock.graph.patterns import Stencil, same_dtype
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import refuse_nodata
from voxelrock.kernels import percentiles as kernels
from voxelrock.kernels.ranks import median_halo
from voxelrock.parameters import real
from voxelrock.typing import Triple

_PERCENTILE = Stencil(kernels.percentile, median_halo, same_dtype)
_EXTREME = Stencil(kernels.extreme, median_halo, same_dtype)


def _reach(image: VoxelImage, name: str, radius: Length, radius_vx: Any, footprint: str) -> Triple:
    refuse_nodata(image, name)
    if footprint not in ("cube", "ball"):
        raise ParameterError(f"the footprint is 'cube' or 'ball'; got {footprint!r}")
    return reach_of(image, "radius", radius, radius_vx)


@operation
def percentile(image: VoxelImage, /, *, percentile: float, radius: Length = None, radius_vx: Any = None, footprint: str = "cube") -> VoxelImage:
    """Replace each voxel by a percentile of its neighbourhood.

    Parameters
    ----------
    image
        Any image without no-data voxels.
    percentile
        From 0, the lowest value, to 100, the highest: of n ascending values the ``int(n · percentile / 100)``-th, counted from 0.
    radius
        Reach of the neighbourhood, in the grid's unit or as text; rounded down to whole voxels along each axis.
    radius_vx
        Instead, in voxels: one number, or three along (z, y, x).
    footprint
        ``"cube"`` or ``"ball"``.

    Returns
    -------
    VoxelImage
        The type of the image, and its phases. The image is reflected beyond its border. A NaN in the neighbourhood gives NaN.

    Raises
    ------
    ParameterError
        Neither or both of radius and radius_vx, one that leaves the image, a percentile or a footprint that is none, or no-data voxels.

    Notes
    -----
    Equal to ``scipy.ndimage.percentile_filter`` bit for bit; for 50 see :func:`voxelrock.filters.median`, which is faster. Halo: the radius. There is no
    ``where=``: restrict what is measured afterwards.

    Examples
    --------
    >>> import voxelrock as vr
    >>> int(percentile(vr.from_function(lambda z, y, x: x, shape=9, dtype="u1"), percentile=25, radius_vx=2).compute()[4, 4, 4])
    3
    """
    share = real(percentile, "percentile")
    if not 0 <= share <= 100:
        raise ParameterError(f"a percentile is from 0 to 100; got {percentile}")
    reach = _reach(image, "percentile", radius, radius_vx, footprint)
    return image.with_data(_PERCENTILE(image.data, radius=reach, percentile=share, footprint=footprint), phases=image.phases)


@operation
def minimum(image: VoxelImage, /, *, radius: Length = None, radius_vx: Any = None, footprint: str = "cube") -> VoxelImage:
    """Replace each voxel by the lowest value of its neighbourhood: the erosion of grey values.

    Parameters
    ----------
    image, radius, radius_vx, footprint
        As in :func:`percentile`.

    Returns
    -------
    VoxelImage
        The type of the image, and its phases. The image is reflected beyond its border. A NaN in the neighbourhood gives NaN.

    Raises
    ------
    ParameterError
        As :func:`percentile`.

    Notes
    -----
    Equal to ``scipy.ndimage.minimum_filter`` bit for bit. Masks are eroded by balls of any physical radius in :func:`voxelrock.morphology.erosion`.
    Halo: the radius. There is no ``where=``: restrict what is measured afterwards.

    Examples
    --------
    >>> import voxelrock as vr
    >>> int(minimum(vr.from_function(lambda z, y, x: x, shape=9, dtype="u1"), radius_vx=2).compute()[4, 4, 4])
    2
    """
    reach = _reach(image, "minimum", radius, radius_vx, footprint)
    return image.with_data(_EXTREME(image.data, radius=reach, footprint=footprint, highest=False), phases=image.phases)


@operation
def maximum(image: VoxelImage, /, *, radius: Length = None, radius_vx: Any = None, footprint: str = "cube") -> VoxelImage:
    """Replace each voxel by the highest value of its neighbourhood: the dilation of grey values.

    Parameters
    ----------
    image, radius, radius_vx, footprint
        As in :func:`percentile`.

    Returns
    -------
    VoxelImage
        The type of the image, and its phases. The image is reflected beyond its border. A NaN in the neighbourhood gives NaN.

    Raises
    ------
    ParameterError
        As :func:`percentile`.

    Notes
    -----
    Equal to ``scipy.ndimage.maximum_filter`` bit for bit. Masks are dilated by balls of any physical radius in :func:`voxelrock.morphology.dilation`.
    Halo: the radius. There is no ``where=``: restrict what is measured afterwards.

    Examples
    --------
    >>> import voxelrock as vr
    >>> int(maximum(vr.from_function(lambda z, y, x: x, shape=9, dtype="u1"), radius_vx=2).compute()[4, 4, 4])
    6
    """
    reach = _reach(image, "maximum", radius, radius_vx, footprint)
    return image.with_data(_EXTREME(image.data, radius=reach, footprint=footprint, highest=True), phases=image.phases)
