"""Denoising by means of what is alike: non-local means, and the bilateral filter."""

from __future__ import annotations

from typing import Any

import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.filters.reach import Length, lazy_or_real, positive, positive_or_lazy, reach_of, within_image
from voxelrock.graph.patterns import Stencil, smooth_dtype
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import physical_or_voxels, refuse_nodata
from voxelrock.kernels import bilateral as near
from voxelrock.kernels import nonlocal_means as kernels
from voxelrock.statistics.noise import noise_level

_NON_LOCAL_MEANS = Stencil(kernels.non_local_means, kernels.non_local_means_halo, smooth_dtype)
_BILATERAL = Stencil(near.bilateral, near.bilateral_halo, smooth_dtype)


@operation
def non_local_means(
    image: VoxelImage,
    /,
    *,
    search: Length = None,
    search_vx: Any = None,
    patch_vx: Any = 1,
    noise: float | xr.DataArray | None = None,
    strength: float = 1.0,
    model: str = "gaussian",
) -> VoxelImage:
    """Replace each voxel by the mean of those around it whose patches look like its own: noise goes, edges and textures stay.

    Parameters
    ----------
    image
        Grey values, without no-data voxels.
    search
        How far voxels are looked for, in the grid's unit or as text with a unit; rounded down to whole voxels along each axis.
    search_vx
        Instead, in voxels: one number, or three along (z, y, x). 3 to 5 are usual.
    patch_vx
        Half-width of the patches that are compared, in voxels (one number, or three): 1 compares 3 × 3 × 3 voxels.
    noise
        Standard deviation of the noise in grey values, a number or a lazy one. Without it
        :func:`voxelrock.statistics.noise_level` finds it in the whole image, which of correlated noise sees a part: give it then, or
        ``noise=vr.statistics.noise_level(image, lag_vx=2)``.
    strength
        Width of the weights in noise levels: more smooths more.
    model
        ``"gaussian"``: additive noise of scans; ``"rician"``: that of magnitudes (magnetic resonance).

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in which it computes. The image is reflected beyond its border. NaN and infinities spread over the search box
        and the patch. An image without any noise comes back as it is.

    Raises
    ------
    ParameterError
        Neither or both of search and search_vx, one that leaves the image, a number out of range, an unknown model, or no-data voxels.
    DataError
        NaN where the noise level is found, or a lazy level that is negative or not finite (raised when computed).

    Notes
    -----
    The weight of a voxel is ``exp(-max(d - 2 noise², 0) / (strength · noise)²)``, with ``d`` the mean squared difference of the patches, within 3e-5 of it;
    the voxel itself weighs 1. scikit-image's ``denoise_nl_means(fast_mode=True, h=strength * noise, sigma=noise)`` has the same weights but for its patches,
    which are a voxel less wide, and that it leaves out weights below exp(-5). Patches are compared by direct sums in one order: bitwise at any
    chunking. Halo: search and patch together.
    There is no ``where=``: patches mix what lies around; restrict what is measured afterwards. Without ``noise`` the image is read three times.

    A. Buades, B. Coll, J.-M. Morel, CVPR 2005, doi:10.1109/CVPR.2005.38; N. Wiest-Daesslé et al., MICCAI 2008, doi:10.1007/978-3-540-85990-1_21 (Rician).

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.generators.ct_scan(vr.generators.sandstone(shape=32, radius=8, seed=1), seed=1)
    >>> quiet = non_local_means(scan, search_vx=3, noise=2500)
    >>> float(vr.statistics.noise_level(quiet)) < 0.5 * float(vr.statistics.noise_level(scan))
    True
    """
    refuse_nodata(image, "non_local_means")
    if model not in ("gaussian", "rician"):
        raise ParameterError(f"the model of the noise is 'gaussian' or 'rician'; got {model!r}")
    reach = reach_of(image, "search", search, search_vx)
    patch = reach_of(image, "patch", None, patch_vx)
    level = lazy_or_real(noise_level(image) if noise is None else noise, "noise")
    if isinstance(level, float) and not 0 <= level < float("inf"):
        raise ParameterError(f"noise is a standard deviation, finite and not negative; got {level}")
    width = positive(strength, "strength")
    data = _NON_LOCAL_MEANS(image.data, search=reach, patch=patch, noise=level, strength=width, rician=model == "rician")
    return image.with_data(data, phases={})


@operation
def bilateral(image: VoxelImage, /, *, sigma: Length = None, sigma_vx: Any = None, contrast: float | xr.DataArray, truncate: float = 3.0) -> VoxelImage:
    """Replace each voxel by the mean of those that are near and of like value: edges above the contrast stay.

    Parameters
    ----------
    image
        Grey values, without no-data voxels.
    sigma
        Standard deviation of the distance, in the grid's unit or as text with a unit; along each axis it is that length.
    sigma_vx
        Instead, in voxels: one number, or three along (z, y, x); 0 leaves an axis out.
    contrast
        Standard deviation of the difference of values, in grey values, a number or a lazy one: two or three times the noise is usual.
    truncate
        Where the box ends, in standard deviations of the distance.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in which it computes. The image is reflected beyond its border. NaN and infinities spread over the box.

    Raises
    ------
    ParameterError
        Neither or both of sigma and sigma_vx, a box that leaves the image, a number out of range, or no-data voxels.
    DataError
        A lazy contrast that is not positive and finite (raised when computed).

    Notes
    -----
    The weight is ``exp(-(distance² / sigma² + difference² / contrast²) / 2)``, within 3e-5 of it, in the box of ``int(truncate · sigma + 0.5)``
    voxels each way, the halo. Direct sums in one order: bitwise at any chunking. There is no ``where=``: restrict what is measured afterwards.

    C. Tomasi, R. Manduchi, ICCV 1998, doi:10.1109/ICCV.1998.710815.

    Examples
    --------
    >>> import voxelrock as vr
    >>> step = vr.from_function(lambda z, y, x: 100 * (x > 4) + (x + y + z) % 2, shape=9, dtype="f4")
    >>> found = bilateral(step, sigma_vx=1, contrast=5).compute()
    >>> bool(found[4, 4, 4] < 1 and found[4, 4, 5] > 99.9)
    True
    """
    refuse_nodata(image, "bilateral")
    truncate = positive(truncate, "truncate")
    deviations = physical_or_voxels(image, "sigma", sigma, sigma_vx)
    within_image(image, "sigma", near.bilateral_halo(sigma=deviations, truncate=truncate))
    data = _BILATERAL(image.data, sigma=deviations, contrast=positive_or_lazy(contrast, "contrast"), truncate=truncate)
    return image.with_data(data, phases={})
