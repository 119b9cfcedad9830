"""One explicit step of edge-enhancing diffusion: along edges it runs freely, across them it stops."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.kernels.backend import jit, kernel
from voxelrock.kernels.diffusion import Rates, checked_contrast
from voxelrock.kernels.nonlocal_means import END, SERIES, falling
from voxelrock.kernels.rows import check_real, inner_shape
from voxelrock.typing import Block, HostArray, Triple

_FALL = 3.31488
"""With it, the flux across an edge falls where its gradient is above the contrast."""
_TINY = 1e-30


def enhancing_halo(**_: Any) -> Triple:
    """Voxels beyond the result that :func:`enhance_edges` needs on each side: two."""
    return 2, 2, 2


@kernel(cost=60.0, exact=True, workspace=3.0)
def enhance_edges(block: Block, smooth: Block, /, *, contrast: Any, rate: float, slopes: Rates) -> Block:
    """Take a step of the diffusion whose tensor is 1 along edges and ``1 - exp(-3.31488 / (gradient / contrast)⁸)`` across them.

    The tensor's first direction is that of the gradient of ``smooth``, by central differences. Diagonal elements act on differences between
    neighbours, with the mean of two tensors at their face; the others on central differences of central differences.

    Parameters
    ----------
    block, smooth
        (z, y, x) with the halo :func:`enhancing_halo`, both in the result's dtype: the image, and it without what is too small to be an edge.
    contrast
        The gradient, per voxel, from which an edge is one.
    rate
        The share of a difference that flows in a step.
    slopes
        What differences along (z, y, x) are multiplied by, as voxels differ in length.

    Returns
    -------
    Block
        (z, y, x) without the halo, in the block's dtype. NaN and infinities spread.

    Raises
    ------
    ParameterError, DataError
        A parameter is out of range.

    Notes
    -----
    Memory: the host body holds eighteen slices beside the result; the reference a dozen blocks.

    Source: J. Weickert, Anisotropic Diffusion in Image Processing (Teubner, 1998), 1.3.3 and 5.2.
    """
    inner_shape(block, (2, 2, 2))
    check_real(block)
    contrast = checked_contrast(contrast)
    gradient = [_central(smooth, axis) * (0.5 * slopes[axis]) for axis in range(3)]
    square = gradient[0] * gradient[0] + gradient[1] * gradient[1] + gradient[2] * gradient[2]
    part = square * (1.0 / contrast**2)
    fourth = part * part * (part * part)
    less = falling(_FALL / (fourth + _TINY)) / (square + _TINY)
    moved = [_central(block, axis) * (0.5 * slopes[axis]) for axis in range(3)]
    total: Any = None
    for axis in range(3):
        own = 1.0 - less * gradient[axis] * gradient[axis]
        first, second = (k for k in range(3) if k != axis)
        mixed = -(less * gradient[axis] * (gradient[first] * moved[first] + gradient[second] * moved[second]))
        term = _through_faces(block, own, axis) * (0.5 * slopes[axis] * slopes[axis]) + _central(mixed, axis) * (0.5 * slopes[axis])
        total = term if total is None else total + term
    return _shifted(block, 2, 0, 0) + total * rate


def _shifted(values: Block, halo: int, axis: int, shift: int) -> Block:
    """What lies inside a halo, moved along an axis."""
    return values[tuple(slice(halo + shift * (a == axis), n - halo + shift * (a == axis)) for a, n in enumerate(values.shape))]


def _central(values: Block, axis: int) -> Block:
    """The value after minus that before, for all voxels but the outermost."""
    return _shifted(values, 1, axis, 1) - _shifted(values, 1, axis, -1)


def _through_faces(block: Block, own: Block, axis: int) -> Block:
    middle, here = _shifted(own, 1, axis, 0), _shifted(block, 2, axis, 0)
    above = (_shifted(own, 1, axis, 1) + middle) * (_shifted(block, 2, axis, 1) - here)
    below = (_shifted(own, 1, axis, -1) + middle) * (here - _shifted(block, 2, axis, -1))
    return above - below


@enhance_edges.host
def _enhance_edges_host(block: HostArray, smooth: HostArray, /, *, contrast: Any, rate: float, slopes: Rates) -> HostArray:
    out = np.empty(inner_shape(block, (2, 2, 2)), block.dtype)
    check_real(block)
    contrast = checked_contrast(contrast)
    numbers = [1.0 / contrast**2, rate, _FALL, _TINY, *(0.5 * s for s in slopes), *(0.5 * s * s for s in slopes), END, 0.03125, 1.0, 0.0, *SERIES]
    _step(np.ascontiguousarray(block), np.ascontiguousarray(smooth), np.array(numbers, block.dtype), out)
    return out


@jit
def _step(block: HostArray, smooth: HostArray, numbers: HostArray, out: HostArray) -> None:
    """Slice by slice; of the tensor, the three slices around the one that is written."""
    depth, height, width = out.shape
    ring = np.empty((3, 6, height + 2, width + 2), out.dtype)
    for z in range(depth + 2):
        slot = ring[z % 3]
        for y in range(height + 2):
            _tensor(smooth[z : z + 3, y : y + 3], block[z : z + 3, y : y + 3], numbers, slot[:, y])
        if z >= 2:
            before, here, after = ring[(z - 2) % 3], ring[(z - 1) % 3], ring[z % 3]
            for y in range(height):
                _move(block[z - 1 : z + 2, y + 1 : y + 4], (before[:, y + 1], after[:, y + 1]), here[:, y : y + 3], numbers, out[z - 2, y])


@jit
def _tensor(smooth: HostArray, block: HostArray, numbers: HostArray, out: HostArray) -> None:
    """The three diagonal elements of a row, and for each axis the flux of the other two."""
    scale, fall, tiny = numbers[0], numbers[2], numbers[3]
    half_z, half_y, half_x = numbers[4], numbers[5], numbers[6]
    end, part, one, zero = numbers[10], numbers[11], numbers[12], numbers[13]
    a, b, c, d = numbers[14], numbers[15], numbers[16], numbers[17]
    low_z, high_z, low_y, high_y, row = smooth[0, 1], smooth[2, 1], smooth[1, 0], smooth[1, 2], smooth[1, 1]
    own_low_z, own_high_z, own_low_y, own_high_y, own = block[0, 1], block[2, 1], block[1, 0], block[1, 2], block[1, 1]
    zz, yy, xx, mixed_z, mixed_y, mixed_x = out[0], out[1], out[2], out[3], out[4], out[5]
    for i in range(zz.size):
        gz, gy, gx = (high_z[i + 1] - low_z[i + 1]) * half_z, (high_y[i + 1] - low_y[i + 1]) * half_y, (row[i + 2] - row[i]) * half_x
        square = gz * gz + gy * gy + gx * gx
        share = square * scale
        exponent = fall / (share * share * (share * share) + tiny)
        exponent = end if exponent > end else exponent
        u = exponent * part
        root = one + u * (a + u * (b + u * (c + u * d)))
        root = root * root
        root = root * root
        root = root * root
        root = root * root
        root = root * root
        less = (zero if exponent >= end else root) / (square + tiny)
        uz, uy, ux = (own_high_z[i + 1] - own_low_z[i + 1]) * half_z, (own_high_y[i + 1] - own_low_y[i + 1]) * half_y, (own[i + 2] - own[i]) * half_x
        zz[i], yy[i], xx[i] = one - less * gz * gz, one - less * gy * gy, one - less * gx * gx
        mixed_z[i] = -(less * gz * (gy * uy + gx * ux))
        mixed_y[i] = -(less * gy * (gz * uz + gx * ux))
        mixed_x[i] = -(less * gx * (gz * uz + gy * uy))


@jit
def _move(block: HostArray, across: tuple[HostArray, HostArray], here: HostArray, numbers: HostArray, out: HostArray) -> None:
    """Add what flows through the faces of a row, and what the mixed elements give."""
    rate = numbers[1]
    half_z, half_y, half_x, square_z, square_y, square_x = numbers[4], numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    before, after = across
    row, low_z, high_z, low_y, high_y = block[1, 1], block[0, 1], block[2, 1], block[1, 0], block[1, 2]
    zz, yy, xx, mixed_x = here[0, 1], here[1, 1], here[2, 1], here[5, 1]
    for i in range(out.size):
        k, v = i + 1, row[i + 2]
        z = ((after[0, k] + zz[k]) * (high_z[i + 2] - v) - (before[0, k] + zz[k]) * (v - low_z[i + 2])) * square_z + (after[3, k] - before[3, k]) * half_z
        y = ((here[1, 2, k] + yy[k]) * (high_y[i + 2] - v) - (here[1, 0, k] + yy[k]) * (v - low_y[i + 2])) * square_y + (here[4, 2, k] - here[4, 0, k]) * half_y
        x = ((xx[k + 1] + xx[k]) * (row[i + 3] - v) - (xx[i] + xx[k]) * (v - row[i + 1])) * square_x + (mixed_x[k + 1] - mixed_x[i]) * half_x
        out[i] = v + (z + y + x) * rate
