"""Random walks on the voxels of one array: how likely a walker reaches the markers of a label first."""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit
from voxelrock.typing import HostArray

BYTES = 90
"""Memory for each voxel: weights, diagonal and vectors in float64, and the voxels themselves."""
_LEAST = 1e-10
"""Added to all weights, as scikit-image does: no walk is impossible."""
_MOST = 100_000


def walked(values: HostArray, markers: HostArray, exists: HostArray, beta: float, spacing: tuple[float, ...], tolerance: float) -> HostArray:
    """The label of the markers that a random walker from each voxel most likely reaches first; 0 where it reaches none.

    Weights between neighbours are ``exp(-beta · difference² / (variance · distance²))``, distances in the smallest spacing. Conjugate gradients with the
    diagonal as preconditioner, in one order, until the residual is ``tolerance`` of the right-hand side; one solution for each label but the last, which
    has the rest.

    Raises
    ------
    DataError
        No convergence; NaN where voxels exist.
    """
    grey = np.where(exists, values, 0).astype(float)
    if not np.all(np.isfinite(grey)):
        raise DataError("NaN or infinity among the voxels: leave them out with where=, or give them a value")
    variance = float(grey[exists].var()) if exists.any() else 0.0
    grey -= grey[exists].mean() if exists.any() else 0.0
    seeds = np.where(exists, markers, 0)
    parts, count = scipy.ndimage.label(exists)
    reached = np.zeros(count + 1, bool)
    reached[np.unique(parts[seeds > 0])] = True
    free = exists & reached[parts] & (seeds == 0)
    weights = np.zeros((3, *grey.shape))
    for axis in range(3):
        low, high = (tuple(s if a == axis else slice(None) for a in range(3)) for s in (slice(None, -1), slice(1, None)))
        step = spacing[axis] / min(spacing)
        drop = beta * ((grey[high] - grey[low]) / step) ** 2 / (variance or 1.0)
        weights[axis][low] = np.where(exists[low] & exists[high], np.exp(-drop) + _LEAST, 0.0)
    labels = np.unique(seeds[seeds > 0])
    best, result, rest = np.full(grey.shape, -1.0), seeds.copy(), np.ones(grey.shape)
    for label in labels.tolist():
        share = rest if label == labels[-1] else _solved(weights, free, (seeds == label).astype(float), tolerance)
        rest = rest - share if label != labels[-1] else rest
        better = free & (share > best)
        result[better], best[better] = label, share[better]
    return result


def _solved(weights: HostArray, free: HostArray, fixed: HostArray, tolerance: float) -> HostArray:
    """The probabilities of one label."""
    right, diagonal, found = np.zeros(fixed.shape), np.zeros(fixed.shape), np.zeros(fixed.shape)
    _applied(weights, free, fixed, diagonal, right)
    right *= -1.0
    diagonal[~free] = 1.0
    if _descended(weights, free, diagonal, right, found, tolerance, _MOST) < 0:
        raise DataError(f"the walk did not converge in {_MOST} iterations: take a smaller beta")
    return found


@jit
def _applied(weights: HostArray, free: HostArray, field: HostArray, diagonal: HostArray, out: HostArray) -> float:
    """The Laplacian of a field in free voxels, 0 elsewhere; its product with the field, and the sums of weights."""
    total = 0.0
    depth, height, width = field.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if not free[z, y, x]:
                    out[z, y, x] = 0.0
                    continue
                flow, sums = 0.0, 0.0
                if z > 0:
                    flow += weights[0, z - 1, y, x] * field[z - 1, y, x]
                    sums += weights[0, z - 1, y, x]
                if z < depth - 1:
                    flow += weights[0, z, y, x] * field[z + 1, y, x]
                    sums += weights[0, z, y, x]
                if y > 0:
                    flow += weights[1, z, y - 1, x] * field[z, y - 1, x]
                    sums += weights[1, z, y - 1, x]
                if y < height - 1:
                    flow += weights[1, z, y, x] * field[z, y + 1, x]
                    sums += weights[1, z, y, x]
                if x > 0:
                    flow += weights[2, z, y, x - 1] * field[z, y, x - 1]
                    sums += weights[2, z, y, x - 1]
                if x < width - 1:
                    flow += weights[2, z, y, x] * field[z, y, x + 1]
                    sums += weights[2, z, y, x]
                diagonal[z, y, x] = sums
                out[z, y, x] = sums * field[z, y, x] - flow
                total += out[z, y, x] * field[z, y, x]
    return total


@jit
def _descended(weights: HostArray, free: HostArray, diagonal: HostArray, residual: HostArray, found: HostArray, tolerance: float, most: int) -> int:
    """Conjugate gradients from 0; the number of iterations, or -1. The residual is the right-hand side at first."""
    way, image, spare = residual / diagonal, np.zeros_like(residual), np.zeros_like(residual)
    r, p, q, x, d = residual.reshape(-1), way.reshape(-1), image.reshape(-1), found.reshape(-1), diagonal.reshape(-1)
    size, product = 0.0, 0.0
    for i in range(r.size):
        size += r[i] * r[i]
        product += r[i] * p[i]
    limit = tolerance * tolerance * size
    for step in range(most):
        if size <= limit:
            return step
        length = product / _applied(weights, free, way, spare, image)
        size, after = 0.0, 0.0
        for i in range(r.size):
            x[i] += length * p[i]
            r[i] -= length * q[i]
            size += r[i] * r[i]
            after += r[i] * r[i] / d[i]
        for i in range(r.size):
            p[i] = r[i] / d[i] + after / product * p[i]
        product = after
    return -1
