"""Denoising by many small steps: diffusion that stops at edges, and least total variation."""

from __future__ import annotations

from typing import Any

import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.filters.reach import Length, positive, positive_or_lazy, slopes_of, within_memory
from voxelrock.graph.patterns import Stencil, same_dtype, smooth_dtype
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import physical_or_voxels, refuse_nodata
from voxelrock.kernels import convolution, diffusion, enhancing, variation
from voxelrock.parameters import whole

_STEPS = 4
"""Steps that one task takes at once: more would compute more of the border again, fewer would hand more borders on."""
_DIFFUSE = Stencil(diffusion.diffuse, diffusion.diffusion_halo, smooth_dtype)
_SMOOTH = Stencil(convolution.gaussian, convolution.gaussian_halo, smooth_dtype)
_ENHANCE = Stencil(enhancing.enhance_edges, enhancing.enhancing_halo, same_dtype)
_VARIATION = Stencil(variation.total_variation, variation.variation_halo, smooth_dtype, located=True)
_METHODS = (*diffusion.CONDUCTANCES, "edge-enhancing")


@operation
def anisotropic_diffusion(
    image: VoxelImage,
    /,
    *,
    contrast: float | xr.DataArray,
    iterations: int = 10,
    method: str = "exponential",
    step: float | None = None,
    sigma: Length = None,
    sigma_vx: Any = None,
) -> VoxelImage:
    """Let grey values diffuse inside regions and stop at their edges.

    Parameters
    ----------
    image
        Grey values, without no-data voxels.
    contrast
        The difference between neighbours, in grey values, a number or a lazy one, above which they are parted by an edge: three times the noise is usual.
        Where voxels are not cubes it is that along their shortest edge, and counts per length along the others.
    iterations
        How many steps.
    method
        ``"exponential"`` and ``"rational"``: the two conductances of Perona and Malik, exp(-s) and 1 / (1 + s) of ``s = (difference / contrast)²``;
        the first keeps high contrast, the second wide regions. ``"edge-enhancing"``: diffusion along edges goes on while that across them stops,
        the edge's direction taken from the gradient of the image smoothed by ``sigma``; noise on edges goes too.
    step
        Length of a step. By default three quarters of the longest that is stable: 1/8 where voxels are cubes.
    sigma
        For ``"edge-enhancing"``: what is smaller is no edge; a length, one voxel by default.
    sigma_vx
        Instead, in voxels: one number, or three along (z, y, x).

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in which it computes. Nothing flows through the border of the image. NaN and infinities spread with every step.

    Raises
    ------
    ParameterError
        A number out of range, an unknown method, a step that is not stable, sigma where the method takes none, or no-data voxels.
    DataError
        A lazy contrast that is not positive and finite (raised when computed).

    Notes
    -----
    Explicit steps. The first two methods keep the mean and stay within the extremes; the third keeps the mean. Halo one voxel a step, four steps to a
    task; for the third, two and the Gaussian's four sigma every step. Bitwise at any chunking. There is no ``where=``: restrict what is measured
    afterwards.

    P. Perona, J. Malik, IEEE Trans. PAMI 12 (1990), doi:10.1109/34.56205; J. Weickert, Anisotropic Diffusion in Image Processing (Teubner, 1998).

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.generators.ct_scan(vr.generators.sandstone(shape=32, radius=8, seed=1), seed=1)
    >>> quiet = anisotropic_diffusion(scan, contrast=5000, iterations=8)
    >>> float(vr.statistics.noise_level(quiet)) < 0.3 * float(vr.statistics.noise_level(scan))
    True
    """
    refuse_nodata(image, "anisotropic_diffusion")
    if method not in _METHODS:
        raise ParameterError(f"the method is one of {', '.join(_METHODS)}; got {method!r}")
    count, limit = _count(iterations), positive_or_lazy(contrast, "contrast")
    slopes = slopes_of(image)
    length = _step(step, slopes)
    data = image.data
    if method == "edge-enhancing":
        deviations = physical_or_voxels(image, "sigma", sigma, 1 if sigma is None and sigma_vx is None else sigma_vx)
        within_memory(image, "sigma", convolution.gaussian_halo(sigma=deviations))
        data = image.astype(smooth_dtype(image.dtype)).data
        for _ in range(count):
            data = _ENHANCE(data, _SMOOTH(data, sigma=deviations, truncate=4.0), contrast=limit, rate=length, slopes=slopes)
        return image.with_data(data, phases={})
    if sigma is not None or sigma_vx is not None:
        raise ParameterError(f"sigma is for method='edge-enhancing'; got method={method!r}")
    rates = tuple(length * s * s for s in slopes)
    for done in range(0, count, _STEPS):
        data = _DIFFUSE(data, steps=min(_STEPS, count - done), contrast=limit, conductance=method, rates=rates, slopes=slopes)
    return image.with_data(data, phases={})


def _count(iterations: int) -> int:
    count = whole(iterations, "iterations")
    if count < 1:
        raise ParameterError(f"there is at least one iteration; got {count}")
    return count


def _step(step: float | None, slopes: tuple[float, float, float]) -> float:
    longest = 0.5 / sum(s * s for s in slopes)
    length = 0.75 * longest if step is None else positive(step, "step")
    if length > longest * (1 + 1e-12):
        raise ParameterError(f"a step longer than {longest:.4g} is not stable for voxels of these proportions; got {length}")
    return length


@operation
def total_variation(image: VoxelImage, /, *, weight: float | xr.DataArray, iterations: int = 30) -> VoxelImage:
    """Smooth to the image of little total variation that is near: flat regions with sharp edges.

    Parameters
    ----------
    image
        Grey values, without no-data voxels.
    weight
        How much smoothing, in grey values, a number or a lazy one: once or twice the noise is usual.
    iterations
        How many steps of Chambolle's projection are taken: a fixed number, as a test of convergence would need the whole image after each.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in which it computes. Nothing flows through the border of the image. NaN and infinities spread with every step.

    Raises
    ------
    ParameterError
        A number out of range, or no-data voxels.
    DataError
        A lazy weight that is not positive and finite (raised when computed).

    Notes
    -----
    Equal to ``denoise_tv_chambolle(weight=weight, eps=0, max_num_iter=iterations + 1)`` of scikit-image to rounding; where voxels are not cubes,
    differences count per length. All steps are taken by one task per block, with a halo of ``iterations`` voxels: bitwise at any chunking, and
    cheapest in large blocks (``image.rechunk``). Memory: five blocks with their halo, in the type of the result. There is no ``where=``: restrict what is
    measured afterwards.

    A. Chambolle, J. Math. Imaging Vis. 20 (2004), doi:10.1023/B:JMIV.0000011325.36760.1e.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.generators.ct_scan(vr.generators.sandstone(shape=32, radius=8, seed=1), seed=1)
    >>> quiet = total_variation(scan, weight=4000)
    >>> float(vr.statistics.noise_level(quiet)) < 0.2 * float(vr.statistics.noise_level(scan))
    True
    """
    refuse_nodata(image, "total_variation")
    count, cost = _count(iterations), positive_or_lazy(weight, "weight")
    data = _VARIATION(image.data, grid=(tuple(image.shape), slopes_of(image)), iterations=count, weight=cost)
    return image.with_data(data, phases={})
