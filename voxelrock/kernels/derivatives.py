"""Derivatives of the image smoothed by a Gaussian, and what is made of several: gradient, Laplacian, Hessian, structure tensor.

Along z, then y, then x, each rounded once, in the order of ``scipy.ndimage.gaussian_filter``; derivatives that begin alike share their first passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit, kernel, namespace
from voxelrock.kernels.convolution import Sigmas, gaussian_halo, gaussian_weights
from voxelrock.kernels.eigenvalues import Six, eigenvalue
from voxelrock.kernels.rows import check_real, inner_shape
from voxelrock.typing import Block, HostArray, Triple

GRADIENT: tuple[Triple, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
PURE: tuple[Triple, ...] = ((2, 0, 0), (0, 2, 0), (0, 0, 2))
SECOND: tuple[Triple, ...] = (*PURE, (1, 1, 0), (1, 0, 1), (0, 1, 1))
Scales = tuple[float, float, float]
_LANES = 1024
"""Voxels whose sums are kept in the first-level cache."""


def tensor_halo(*, sigma: Sigmas, integration: Sigmas, truncate: float = 4.0, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`structure_tensor_eigenvalue` needs on each side: both Gaussians together."""
    (a, b, c), (d, e, f) = gaussian_halo(sigma=sigma, truncate=truncate), gaussian_halo(sigma=integration, truncate=truncate)
    return a + d, b + e, c + f


def _weights(sigma: float, radius: int, order: int) -> HostArray:
    """What the voxels at the distances 0 … ``radius`` before a voxel count (those after it too: equal for even orders, opposite for odd ones)."""
    if radius == 0:
        if order:
            raise ParameterError("a derivative along an axis needs a sigma there that reaches a voxel")
        return np.ones(1)
    half = gaussian_weights(sigma, radius)
    x = np.arange(radius + 1.0)
    before, factor = np.zeros(radius + 1), np.ones(radius + 1)
    for n in range(order):  # the Hermite polynomials, by recursion
        before, factor = factor, -(x * factor + n * before) / sigma**2 if n else -x / sigma**2
    return half * factor * (-1.0) ** order


def _along(block: Block, axis: int, weights: HostArray, odd: bool) -> Block:
    """One pass: the centre, then the pairs at equal distance from the outermost inwards; sums in float64, rounded once."""
    xp = namespace(block)
    radius = weights.size - 1
    wide = xp.astype(block, xp.float64)
    total = _shifted(wide, axis, 0, radius) * float(weights[0])
    for j in range(radius, 0, -1):
        low, high = _shifted(wide, axis, -j, radius), _shifted(wide, axis, j, radius)
        total = total + ((high - low) if odd else (low + high)) * float(weights[j])
    return xp.astype(total, xp.float64 if block.dtype == xp.float64 else xp.float32)


def _shifted(block: Block, axis: int, shift: int, radius: int) -> Block:
    return block[tuple(slice(radius + shift, n - radius + shift) if a == axis else slice(None) for a, n in enumerate(block.shape))]


def _along_host(block: HostArray, axis: int, weights: HostArray, odd: bool) -> HostArray:
    radius = weights.size - 1
    shape = tuple(n - 2 * radius * (a == axis) for a, n in enumerate(block.shape))
    out = np.empty(shape, np.float64 if block.dtype == np.float64 else np.float32)
    source = np.ascontiguousarray(block)
    step = source.strides[axis] // source.itemsize
    _, height, width = source.shape
    rows = (height, width) if axis == 2 else (1, height * width)  # across x, slices are one long row
    _pass(source.reshape(-1), rows, step, weights, odd, out.reshape(shape[0], rows[0], -1))
    return out


@jit
def _pass(flat: HostArray, rows: tuple[int, int], step: int, weights: HostArray, odd: bool, out: HostArray) -> None:
    depth, height, width = out.shape
    radius = weights.size - 1
    buffer = np.empty(min(_LANES, width))
    slabs = depth if step == rows[1] and height == 1 else 1  # along z, the slices of a piece follow one another: they share what they read
    for first in range(0, depth, slabs):
        for y in range(height):
            for x in range(0, width, _LANES):
                line = buffer[: min(_LANES, width - x)]
                for z in range(first, first + slabs):
                    centre = (z * rows[0] + y) * rows[1] + radius * step + x
                    _begin(flat, centre, weights[0], line)
                    for j in range(radius, 0, -1):
                        _add_pair(flat, centre - j * step, centre + j * step, weights[j], odd, line)
                    _store(line, out[z, y, x : x + line.size])


@jit
def _begin(flat: HostArray, start: int, weight: float, line: HostArray) -> None:
    row = flat[start : start + line.size]
    for i in range(line.size):
        line[i] = np.float64(row[i]) * weight


@jit
def _add_pair(flat: HostArray, before: int, after: int, weight: float, odd: bool, line: HostArray) -> None:
    low, high = flat[before : before + line.size], flat[after : after + line.size]
    if odd:
        for i in range(line.size):
            line[i] += (np.float64(high[i]) - np.float64(low[i])) * weight
    else:
        for i in range(line.size):
            line[i] += (np.float64(low[i]) + np.float64(high[i])) * weight


@jit
def _store(line: HostArray, out: HostArray) -> None:
    for i in range(line.size):
        out[i] = line[i]


def derivatives(block: Block, sigma: Sigmas, truncate: float, orders: tuple[Triple, ...]) -> list[Block]:
    """The derivatives of a block with its halo, by their orders along (z, y, x); those that begin alike share their first passes."""
    radii = gaussian_halo(sigma=sigma, truncate=truncate)
    inner_shape(block, radii)
    check_real(block)
    xp = namespace(block)
    floating = getattr(xp, "isdtype", np.isdtype)(block.dtype, "real floating")
    if not floating:
        kind = xp.float32 if block.dtype in (xp.bool, xp.uint8, xp.int8, xp.uint16, xp.int16) else xp.float64
        block = xp.astype(block, kind)
    narrow = block.dtype != xp.float64 or not floating
    step = _along_host if xp is np else _along
    found: dict[tuple[int, ...], Block] = {(): block}
    for length in (1, 2, 3):
        for order in orders:
            name = order[:length]
            if name not in found:
                axis = length - 1
                part = step(found[name[:-1]], axis, _weights(float(sigma[axis]), radii[axis], name[-1]), bool(name[-1] % 2))
                found[name] = xp.astype(part, xp.float32) if narrow and part.dtype == xp.float64 else part
    return [found[order] for order in orders]


@kernel(cost=12.0, exact=True, workspace=6.0)
def gaussian_derivative(block: Block, /, *, sigma: Sigmas, truncate: float, order: Triple, scale: float) -> Block:
    """The derivative of some order along each axis of the block smoothed by a Gaussian, times ``scale``; float32, or float64 for float64."""
    return derivatives(block, sigma, truncate, (order,))[0] * scale


@gaussian_derivative.costs
def _gaussian_derivative_costs(*, sigma: Sigmas, **_: Any) -> float:
    return 7.0 + 5.0 * sum(sigma) / 3


@kernel(cost=35.0, exact=True, workspace=16.0)
def gradient_magnitude(block: Block, /, *, sigma: Sigmas, truncate: float, scales: Scales) -> Block:
    """The length of the gradient of the block smoothed by a Gaussian, components times ``scales``; float32, or float64 for float64."""
    return length_of(derivatives(block, sigma, truncate, GRADIENT), scales)


@gradient_magnitude.costs
def _gradient_magnitude_costs(*, sigma: Sigmas, **_: Any) -> float:
    return 20.0 + 15.0 * sum(sigma) / 3


def length_of(parts: Sequence[Block], scales: Scales) -> Block:
    """The length of a vector of :data:`GRADIENT`, components times ``scales``."""
    total: Any = None
    for part, scale in zip(parts, scales):
        square = (part * scale) * (part * scale)
        total = square if total is None else total + square
    return namespace(total).sqrt(total)


@kernel(cost=25.0, exact=True, workspace=16.0)
def laplacian_of_gaussian(block: Block, /, *, sigma: Sigmas, truncate: float, scales: Scales) -> Block:
    """The sum of second derivatives of the block smoothed by a Gaussian, times the squares of ``scales``; float32, or float64 for float64."""
    return sum_of(derivatives(block, sigma, truncate, PURE), scales)


@laplacian_of_gaussian.costs
def _laplacian_of_gaussian_costs(*, sigma: Sigmas, **_: Any) -> float:
    return 10.0 + 15.0 * sum(sigma) / 3


def sum_of(parts: Sequence[Block], scales: Scales) -> Block:
    """The sum of :data:`PURE`, times the squares of ``scales``."""
    total: Any = None
    for part, scale in zip(parts, scales):
        total = part * (scale * scale) if total is None else total + part * (scale * scale)
    return total


@kernel(cost=70.0, exact=True, workspace=40.0)
def hessian_eigenvalue(block: Block, /, *, sigma: Sigmas, truncate: float, scales: Scales, rank: int) -> Block:
    """An eigenvalue of the matrix of second derivatives of the block smoothed by a Gaussian, the largest of rank 1; float32, or float64 for float64."""
    return eigenvalue(derivatives(block, sigma, truncate, SECOND), factors=second_factors(scales), rank=rank)


@hessian_eigenvalue.costs
def _hessian_eigenvalue_costs(*, sigma: Sigmas, **_: Any) -> float:
    return 55.0 + 15.0 * sum(sigma) / 3


def second_factors(scales: Scales) -> Six:
    """What :data:`SECOND` is multiplied by, so that it is per squared length."""
    z, y, x = scales
    return z * z, y * y, x * x, z * y, z * x, y * x


@kernel(cost=100.0, exact=True, workspace=48.0)
def structure_tensor_eigenvalue(block: Block, /, *, sigma: Sigmas, integration: Sigmas, truncate: float, scales: Scales, rank: int) -> Block:
    """An eigenvalue of the Gaussian mean of products of the gradient's components, the largest of rank 1; float32, or float64 for float64."""
    products = products_of(derivatives(block, sigma, truncate, GRADIENT), scales)
    parts = [derivatives(product, integration, truncate, ((0, 0, 0),))[0] for product in products]
    return eigenvalue(parts, factors=(1.0,) * 6, rank=rank)


@structure_tensor_eigenvalue.costs
def _structure_tensor_costs(*, sigma: Sigmas, integration: Sigmas, **_: Any) -> float:
    return 10.0 + 10.0 * (sum(sigma) + sum(integration))


def products_of(parts: Sequence[Block], scales: Scales) -> list[Block]:
    """The products zz, yy, xx, zy, zx, yx of the components of :data:`GRADIENT`, times ``scales`` first."""
    z, y, x = (part * scale for part, scale in zip(parts, scales))
    return [z * z, y * y, x * x, z * y, z * x, y * x]


@kernel(cost=2.0, exact=True, workspace=2.0)
def sharpened(block: Block, smooth: Block, /, *, amount: float) -> Block:
    """The block, and ``amount`` times its difference from what is smooth; in the type of what is smooth."""
    values = namespace(block).astype(block, smooth.dtype)
    return values + (values - smooth) * amount
