"""Gaussian, median and uniform filters; lengths in the unit of the image's grid."""

from __future__ import annotations

from typing import Any

from voxelrock.errors import ParameterError
from voxelrock.filters.reach import reach_of, within_memory
from voxelrock.graph.patterns import Stencil, same_dtype, smooth_dtype
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import physical_or_voxels, refuse_nodata
from voxelrock.kernels import convolution, ranks
from voxelrock.parameters import real

_GAUSSIAN = Stencil(convolution.gaussian, convolution.gaussian_halo, smooth_dtype)
_UNIFORM = Stencil(convolution.uniform, convolution.uniform_halo, smooth_dtype)
_MEDIAN = Stencil(ranks.median, ranks.median_halo, same_dtype)

Length = float | str | None


@operation
def gaussian(image: VoxelImage, /, *, sigma: Length = None, sigma_vx: Any = None, truncate: float = 4.0) -> VoxelImage:
    """Smooth with an isotropic Gaussian.

    Parameters
    ----------
    image
        Any image without no-data voxels.
    sigma
        Standard deviation, in the grid's unit or as text with a unit; along each axis it is that length.
    sigma_vx
        Instead, in voxels: one number, or three along (z, y, x).
    truncate
        Where the kernel ends, in standard deviations.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64). The image is reflected beyond its border (d c b a | a b c d).

    Raises
    ------
    ParameterError
        Neither or both of sigma and sigma_vx, or a negative one.
    TooLargeError
        It looks so far beyond the image that a block with its border exceeds ``options.memory``.

    Notes
    -----
    Separable, axes z, y, x in this order, each rounded once: equal to ``scipy.ndimage.gaussian_filter(a, sigma, output="f4")``.
    Halo ``int(truncate · sigma + 0.5)`` voxels. Bitwise at any chunking.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(gaussian(vr.ones(shape=5), sigma_vx=1).compute().max())
    1.0
    """
    refuse_nodata(image, "gaussian")
    truncate = real(truncate, "truncate")
    if not truncate > 0:
        raise ParameterError(f"truncate is positive; got {truncate}")
    deviations = physical_or_voxels(image, "sigma", sigma, sigma_vx)
    within_memory(image, "sigma", convolution.gaussian_halo(sigma=deviations, truncate=truncate))
    return image.with_data(_GAUSSIAN(image.data, sigma=deviations, truncate=truncate), phases={})


@operation
def uniform(image: VoxelImage, /, *, size: Length = None, size_vx: Any = None) -> VoxelImage:
    """Mean over a box.

    Parameters
    ----------
    image
        Any image without no-data voxels.
    size
        Edge of the box, in the grid's unit or as text; rounded to the nearest odd number of voxels.
    size_vx
        Instead, in voxels: an odd number, or three along (z, y, x).

    Returns
    -------
    VoxelImage
        float32 (float64 for float64). The image is reflected beyond its border.

    Raises
    ------
    ParameterError
        Neither or both of size and size_vx, or an even number of voxels.
    TooLargeError
        It looks so far beyond the image that a block with its border exceeds ``options.memory``.

    Notes
    -----
    Direct sums, no running ones: bitwise at any chunking. Halo: half the box.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(uniform(vr.ones(shape=5), size_vx=3).compute().min())
    1.0
    """
    refuse_nodata(image, "uniform")
    parts = physical_or_voxels(image, "size", size, size_vx)
    edges = tuple(2 * max(0, round((p - 1) / 2)) + 1 for p in parts) if size_vx is None else tuple(int(p) for p in parts)
    if any(e < 1 or e % 2 == 0 for e in edges) or (size_vx is not None and tuple(map(float, edges)) != parts):
        raise ParameterError(f"the box has an odd number of voxels along each axis; got {size_vx}")
    z, y, x = (e // 2 for e in edges)
    within_memory(image, "size", (z, y, x))
    return image.with_data(_UNIFORM(image.data, size=edges), phases={})


@operation
def median(image: VoxelImage, /, *, radius: Length = None, radius_vx: Any = None, footprint: str = "cube") -> VoxelImage:
    """Replace each voxel by the median of its neighbourhood.

    Parameters
    ----------
    image
        Any image without no-data voxels.
    radius
        Reach of the neighbourhood, in the grid's unit or as text; rounded down to whole voxels along each axis.
    radius_vx
        Instead, in whole voxels: one number, or three along (z, y, x). 1 is the neighbourhood of 3 × 3 × 3.
    footprint
        ``"cube"`` or ``"ball"``.

    Returns
    -------
    VoxelImage
        The type of the image. The image is reflected beyond its border. A NaN in the neighbourhood gives NaN.

    Raises
    ------
    ParameterError
        Neither or both of radius and radius_vx, a negative one, one of less than a voxel or beyond the image, or an unknown footprint.
    TooLargeError
        It looks so far beyond the image that a block with its border exceeds ``options.memory``.

    Notes
    -----
    Equal to ``scipy.ndimage.median_filter`` bit for bit. 3 × 3 × 3 runs through a sorting network over rows. Halo: the radius.

    Examples
    --------
    >>> import voxelrock as vr
    >>> median(vr.ones(shape=5), radius_vx=1).dtype
    dtype('uint8')
    """
    refuse_nodata(image, "median")
    if footprint not in ("cube", "ball"):
        raise ParameterError(f"the footprint is 'cube' or 'ball'; got {footprint!r}")
    radii = reach_of(image, "radius", radius, radius_vx)
    within_memory(image, "radius", radii)
    return image.with_data(_MEDIAN(image.data, radius=radii, footprint=footprint), phases=image.phases)
