"""What an image looks like at a scale: derivatives, edges, blobs, sheets and fibres, and their sharpening."""

from __future__ import annotations

from typing import Any

from voxelrock.errors import ParameterError
from voxelrock.filters.reach import Length, positive, within_memory
from voxelrock.geometry.axes import ZYX
from voxelrock.graph.patterns import Pointwise, Stencil, smooth_dtype
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import physical_or_voxels, refuse_nodata
from voxelrock.kernels import convolution
from voxelrock.kernels import derivatives as kernels
from voxelrock.parameters import real, whole
from voxelrock.typing import Triple

_SMOOTH = Stencil(convolution.gaussian, convolution.gaussian_halo, smooth_dtype)
_DERIVATIVE = Stencil(kernels.gaussian_derivative, convolution.gaussian_halo, smooth_dtype)
_GRADIENT = Stencil(kernels.gradient_magnitude, convolution.gaussian_halo, smooth_dtype)
_LAPLACIAN = Stencil(kernels.laplacian_of_gaussian, convolution.gaussian_halo, smooth_dtype)
_HESSIAN = Stencil(kernels.hessian_eigenvalue, convolution.gaussian_halo, smooth_dtype)
_TENSOR = Stencil(kernels.structure_tensor_eigenvalue, kernels.tensor_halo, smooth_dtype)
_SHARPENED = Pointwise(kernels.sharpened, lambda *dtypes, **_: dtypes[1])

_HIGHEST = 4
"""The highest order of a derivative."""


def _facts(image: VoxelImage, name: str, sigma: Length, sigma_vx: Any, truncate: float) -> dict[str, Any]:
    """Sigma in voxels and truncate, checked; every axis has a sigma."""
    refuse_nodata(image, name)
    deviations = physical_or_voxels(image, "sigma", sigma, sigma_vx)
    end = positive(truncate, "truncate")
    reach = convolution.gaussian_halo(sigma=deviations, truncate=end)
    within_memory(image, "sigma", reach)
    if not all(reach):
        raise ParameterError(f"a derivative needs a sigma that reaches a voxel along every axis; got {deviations} voxels along (z, y, x)")
    return {"sigma": deviations, "truncate": end}


def _per_length(image: VoxelImage) -> tuple[float, float, float]:
    z, y, x = image.grid.spacing
    return 1 / z, 1 / y, 1 / x


@operation
def gaussian_derivative(image: VoxelImage, /, *, order: Any, sigma: Length = None, sigma_vx: Any = None, truncate: float = 4.0) -> VoxelImage:
    """Derivative of the image smoothed by a Gaussian.

    Parameters
    ----------
    image
        Any image without no-data voxels.
    order
        How often it is derived along (z, y, x): ``(0, 0, 1)`` is the slope along x. 0 to 4 each.
    sigma
        Standard deviation of the Gaussian, in the grid's unit or as text with a unit.
    sigma_vx
        Instead, in voxels: one number, or three along (z, y, x).
    truncate
        Where the Gaussian ends, in standard deviations.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in grey values per length in the grid's unit, as often as it is derived. Reflected beyond the border.

    Raises
    ------
    ParameterError
        Neither or both of sigma and sigma_vx, one that does not reach a voxel, an order out of range, or no-data voxels.

    Notes
    -----
    Where voxels have the edge 1 equal to ``scipy.ndimage.gaussian_filter(a, sigma, order=order, output="f4")``. Halo ``int(truncate · sigma + 0.5)``.
    Bitwise at any chunking. There is no ``where=``: restrict what is measured afterwards.

    Examples
    --------
    >>> import voxelrock as vr
    >>> ramp = vr.from_function(lambda z, y, x: 3 * x, shape=16, spacing="2 um", dtype="f4")
    >>> round(float(gaussian_derivative(ramp, order=(0, 0, 1), sigma_vx=1).compute()[8, 8, 8]), 2)
    1.5
    """
    facts = _facts(image, "gaussian_derivative", sigma, sigma_vx, truncate)
    orders: Triple = tuple(whole(n, "order") for n in ZYX.of(order))  # type: ignore[assignment]
    if not all(0 <= n <= _HIGHEST for n in orders):
        raise ParameterError(f"the order of a derivative is from 0 to {_HIGHEST} along each axis; got {order}")
    scale = 1.0
    for per, n in zip(_per_length(image), orders):
        scale *= per**n
    return image.with_data(_DERIVATIVE(image.data, order=orders, scale=scale, **facts), phases={})


@operation
def gradient_magnitude(image: VoxelImage, /, *, sigma: Length = None, sigma_vx: Any = None, truncate: float = 4.0) -> VoxelImage:
    """Length of the gradient of the image smoothed by a Gaussian: high on edges.

    Parameters
    ----------
    image, sigma, sigma_vx, truncate
        As in :func:`gaussian_derivative`.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in grey values per length in the grid's unit. Reflected beyond the border.

    Raises
    ------
    ParameterError
        As :func:`gaussian_derivative`.

    Notes
    -----
    Where voxels have the edge 1 equal to ``scipy.ndimage.gaussian_gradient_magnitude(a, sigma, output="f4")``. Halo ``int(truncate · sigma + 0.5)``.
    Bitwise at any chunking. There is no ``where=``: restrict what is measured afterwards.

    Examples
    --------
    >>> import voxelrock as vr
    >>> ramp = vr.from_function(lambda z, y, x: 3 * x + 4 * y, shape=16, dtype="f4")
    >>> round(float(gradient_magnitude(ramp, sigma_vx=1).compute()[8, 8, 8]), 2)
    5.0
    """
    facts = _facts(image, "gradient_magnitude", sigma, sigma_vx, truncate)
    return image.with_data(_GRADIENT(image.data, scales=_per_length(image), **facts), phases={})


@operation
def laplacian_of_gaussian(image: VoxelImage, /, *, sigma: Length = None, sigma_vx: Any = None, truncate: float = 4.0) -> VoxelImage:
    """Sum of second derivatives of the image smoothed by a Gaussian: low in bright blobs of its size, high in dark ones.

    Parameters
    ----------
    image, sigma, sigma_vx, truncate
        As in :func:`gaussian_derivative`.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in grey values per squared length in the grid's unit. Reflected beyond the border.

    Raises
    ------
    ParameterError
        As :func:`gaussian_derivative`.

    Notes
    -----
    Where voxels have the edge 1 equal to ``scipy.ndimage.gaussian_laplace(a, sigma, output="f4")``. Halo ``int(truncate · sigma + 0.5)``. Bitwise at any
    chunking. There is no ``where=``: restrict what is measured afterwards.

    Examples
    --------
    >>> import voxelrock as vr
    >>> bowl = vr.from_function(lambda z, y, x: (z - 8) ** 2 + (y - 8) ** 2, shape=17, dtype="f4")
    >>> round(float(laplacian_of_gaussian(bowl, sigma_vx=1).compute()[8, 8, 8]), 1)
    4.0
    """
    facts = _facts(image, "laplacian_of_gaussian", sigma, sigma_vx, truncate)
    return image.with_data(_LAPLACIAN(image.data, scales=_per_length(image), **facts), phases={})


@operation
def hessian_eigenvalues(image: VoxelImage, /, *, rank: int, sigma: Length = None, sigma_vx: Any = None, truncate: float = 4.0) -> VoxelImage:
    """An eigenvalue of the matrix of second derivatives: how the image bends, for sheets, fibres and blobs.

    A dark sheet (a fracture) has one large positive eigenvalue, a dark fibre two, a dark blob three; bright ones have negative ones.

    Parameters
    ----------
    image, sigma, sigma_vx, truncate
        As in :func:`gaussian_derivative`; sigma is about half of the thickness that is looked for.
    rank
        1 for the largest eigenvalue, 2, or 3 for the smallest (with their signs).

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in grey values per squared length in the grid's unit. Reflected beyond the border.

    Raises
    ------
    ParameterError
        As :func:`gaussian_derivative`; or another rank.

    Notes
    -----
    Derivatives as :func:`gaussian_derivative` gives them; eigenvalues in closed form in float64, within 1e-6 of the largest one in size. Bitwise at any
    chunking. There is no ``where=``: restrict what is measured afterwards.

    Examples
    --------
    >>> import voxelrock as vr
    >>> crack = vr.from_function(lambda z, y, x: 100 - 100 * (z == 8), shape=17, dtype="f4")
    >>> first, last = (hessian_eigenvalues(crack, rank=k, sigma_vx=1).compute()[8, 8, 8] for k in (1, 3))
    >>> bool(first > 30 and abs(last) < 1)
    True
    """
    facts = _facts(image, "hessian_eigenvalues", sigma, sigma_vx, truncate)
    return image.with_data(_HESSIAN(image.data, scales=_per_length(image), rank=_rank(rank), **facts), phases={})


def _rank(rank: int) -> int:
    found = whole(rank, "rank")
    if found not in (1, 2, 3):
        raise ParameterError(f"the rank of an eigenvalue is 1 (the largest), 2 or 3; got {rank}")
    return found


@operation
def structure_tensor_eigenvalues(
    image: VoxelImage, /, *, rank: int, sigma: Length = None, sigma_vx: Any = None, integration: Length = None, integration_vx: Any = None
) -> VoxelImage:
    """An eigenvalue of the structure tensor around each voxel: one large is a layer or an edge, two a fibre, three a corner.

    Parameters
    ----------
    image, sigma, sigma_vx
        As in :func:`gaussian_derivative`.
    rank
        1 for the largest eigenvalue, 2, or 3 for the smallest.
    integration
        Standard deviation of the Gaussian over which products of the gradient's components are averaged, in the grid's unit or as text with a unit.
    integration_vx
        Instead, in voxels: one number, or three along (z, y, x).

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), in squared grey values per squared length in the grid's unit: the tensor of the image reflected
        beyond its border.

    Raises
    ------
    ParameterError
        As :func:`gaussian_derivative`; or another rank.

    Notes
    -----
    Both Gaussians end at four standard deviations; the halo is that of both together. Eigenvalues in closed form in float64, within 1e-6 of the largest.
    Bitwise at any chunking. Directions, and means over cells of any size, are :func:`voxelrock.structure.orientation`'s, which adds differences
    between neighbours as integers. There is no ``where=``: restrict what is measured afterwards.

    J. Bigün, G. Granlund, Proc. ICCV (1987) 433-438.

    Examples
    --------
    >>> import voxelrock as vr
    >>> ramp = vr.from_function(lambda z, y, x: 3 * x, shape=24, dtype="f4")
    >>> first, last = (structure_tensor_eigenvalues(ramp, rank=k, sigma_vx=1, integration_vx=1).compute()[12, 12, 12] for k in (1, 3))
    >>> round(float(first), 1), abs(float(last)) < 1e-5
    (9.0, True)
    """
    facts = _facts(image, "structure_tensor_eigenvalues", sigma, sigma_vx, 4.0)
    width = physical_or_voxels(image, "integration", integration, integration_vx)
    within_memory(image, "integration", kernels.tensor_halo(integration=width, **facts))
    data = _TENSOR(image.data, integration=width, scales=_per_length(image), rank=_rank(rank), **facts)
    return image.with_data(data, phases={})


@operation
def unsharp_mask(image: VoxelImage, /, *, sigma: Length = None, sigma_vx: Any = None, amount: float = 1.0, truncate: float = 4.0) -> VoxelImage:
    """Sharpen: add what a Gaussian takes away.

    Parameters
    ----------
    image, sigma, sigma_vx, truncate
        As in :func:`voxelrock.filters.gaussian`.
    amount
        How much of the difference from the smoothed image is added; negative ones smooth.

    Returns
    -------
    VoxelImage
        ``image + amount · (image - gaussian(image))`` in float32 (float64 for float64): nothing is clipped. Reflected beyond the border.

    Raises
    ------
    ParameterError
        Neither or both of sigma and sigma_vx, a number out of range, or no-data voxels.

    Notes
    -----
    Halo ``int(truncate · sigma + 0.5)``. Bitwise at any chunking. There is no ``where=``: restrict what is measured afterwards.

    Examples
    --------
    >>> import voxelrock as vr
    >>> step = vr.from_function(lambda z, y, x: 100 * (x > 4), shape=9, dtype="u1")
    >>> bool(unsharp_mask(step, sigma_vx=1).compute().max() > 120)
    True
    """
    refuse_nodata(image, "unsharp_mask")
    deviations = physical_or_voxels(image, "sigma", sigma, sigma_vx)
    share = real(amount, "amount")
    if not -1e6 < share < 1e6:
        raise ParameterError(f"amount is a finite number; got {amount}")
    facts: dict[str, Any] = {"sigma": deviations, "truncate": positive(truncate, "truncate")}
    within_memory(image, "sigma", convolution.gaussian_halo(**facts))
    smooth = _SMOOTH(image.data, **facts)
    return image.with_data(_SHARPENED(image.data, smooth, amount=share), phases={})
