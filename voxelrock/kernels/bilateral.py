"""The bilateral filter: the mean of what is near and of like value."""

from __future__ import annotations

import itertools
import math
from decimal import Context, Decimal
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import kernel, namespace, to_host
from voxelrock.kernels.convolution import Sigmas, gaussian_halo
from voxelrock.kernels.nonlocal_means import patch_weights, weigh_tiles, window_offsets
from voxelrock.kernels.rows import check_real, inner_shape
from voxelrock.typing import Block, HostArray, Triple


def bilateral_halo(*, sigma: Sigmas, truncate: float = 3.0, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`bilateral` needs on each side of (z, y, x): ``int(truncate * sigma + 0.5)``."""
    return gaussian_halo(sigma=sigma, truncate=truncate)


def _nearness(offset: Triple, sigma: Sigmas) -> float:
    """The weight of a distance; rounded correctly, so that machines agree."""
    return float(Context(prec=30).exp(Decimal(-0.5 * sum((t / s) ** 2 for t, s in zip(offset, sigma) if t))))


@kernel(cost=170.0, exact=True, workspace=1.0)
def bilateral(block: Block, /, *, sigma: Sigmas, contrast: Any, truncate: float = 3.0) -> Block:
    """Take the mean over a box, weighted by a Gaussian of the distance and one of the difference of values.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`bilateral_halo`; any real dtype.
    sigma
        Standard deviations of the distance along (z, y, x), in voxels; 0 leaves an axis out.
    contrast
        Standard deviation of the difference of values, a number or an array of one.
    truncate
        Where the box ends, in standard deviations of the distance.

    Returns
    -------
    Block
        (z, y, x) without the halo: float64 for float64, else float32, in which it computes. NaN and infinities spread.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the block has no voxel inside its halo.
    DataError
        The contrast is not positive and finite.

    Notes
    -----
    Pairs of opposite offsets are added in ascending order, the negative one first. Weights are within 3e-5 of the exponential's, 0 below 1e-7.

    Source: C. Tomasi, R. Manduchi, ICCV 1998, doi:10.1109/ICCV.1998.710815.
    """
    halo = bilateral_halo(sigma=sigma, truncate=truncate)
    shape = inner_shape(block, halo)
    check_real(block)
    scale = _scale(contrast)
    xp = namespace(block)
    values = xp.astype(block, xp.float64 if block.dtype == xp.float64 else xp.float32)
    total = values[tuple(slice(h, h + n) for h, n in zip(halo, shape))] + 0.0
    weights = xp.ones_like(total)
    for offset, sign in itertools.product(window_offsets(halo), (-1, 1)):
        there = tuple(sign * t for t in offset)
        weight = patch_weights(values, shape, (halo, (0, 0, 0)), there, (scale, 0.0, 0.0)) * _nearness(offset, sigma)
        total = total + weight * values[tuple(slice(h + t, h + t + n) for h, t, n in zip(halo, there, shape))]
        weights = weights + weight
    return total / weights


@bilateral.costs
def _bilateral_costs(*, sigma: Sigmas, truncate: float = 3.0, **_: Any) -> float:
    return 0.5 * math.prod(2 * r + 1 for r in bilateral_halo(sigma=sigma, truncate=truncate))


def _scale(contrast: Any) -> float:
    found = float(to_host(contrast))
    if not (math.isfinite(found) and found > 0):
        raise DataError(f"contrast is positive and finite; got {found}")
    return 0.5 / found**2


@bilateral.host
def _bilateral_host(block: HostArray, /, *, sigma: Sigmas, contrast: Any, truncate: float = 3.0) -> HostArray:
    halo = bilateral_halo(sigma=sigma, truncate=truncate)
    out = np.empty(inner_shape(block, halo), np.float64 if block.dtype == np.float64 else np.float32)
    check_real(block)
    offsets = window_offsets(halo)
    weigh_tiles(block, (halo, (0, 0, 0)), (offsets, [_nearness(t, sigma) for t in offsets]), (_scale(contrast), 0.0, 0.0, 0.0), False, out)
    return out
