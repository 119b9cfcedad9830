"""Mixtures of Gaussians fitted to histograms by expectation and maximization, and the probabilities of classes that follow."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import beside, jit, kernel, namespace
from voxelrock.kernels.thresholds import multi_otsu
from voxelrock.typing import Block, HostArray

FACTS = 4
"""Rows of a fit: means, standard deviations, weights, thresholds (of which the last is the number of iterations)."""
_MOST = 20000
_STILL = 1e-10
_FAR = 600.0
"""Beyond this many natural logarithms a class is impossible, and the exponential would overflow."""


def gaussian_mixture(counts: HostArray, values: HostArray, classes: int) -> HostArray:
    """Means, standard deviations, weights and thresholds (each over classes, ascending by mean), of equally spaced values.

    It begins with the classes of multi-Otsu and ends when the mean log-likelihood of a voxel grows by less than 1e-10. A standard deviation is at
    least that of one bin. Thresholds lie where neighbours are equally likely, between their means; NaN where they are nowhere.
    Dempster, Laird & Rubin 1977, doi:10.1111/j.2517-6161.1977.tb01600.x.

    Raises
    ------
    DataError
        Fewer different values than classes; no convergence in 20 000 iterations.
    """
    limits = multi_otsu(counts, values, classes)
    occupied = np.flatnonzero(counts)
    share, grey = counts[occupied] / counts.sum(), values[occupied].astype(float)
    least = float(values[1] - values[0]) ** 2 / 12
    middle, scale = grey[0], grey[-1] - grey[0]
    fit = np.empty((3, classes))
    members = np.searchsorted(limits, grey)
    for k in range(classes):
        part = members == k
        fit[2, k] = share[part].sum()
        fit[0, k] = share[part] @ grey[part] / fit[2, k]
        fit[1, k] = max(share[part] @ (grey[part] - fit[0, k]) ** 2 / fit[2, k], least)
    fit[0] = (fit[0] - middle) / scale
    fit[1] /= scale * scale
    steps = _climb(share, (grey - middle) / scale, fit, least / (scale * scale), _STILL, _MOST)
    if steps < 0:
        raise DataError(f"the mixture of {classes} Gaussians did not converge in {_MOST} iterations: the histogram does not determine so many classes")
    order = np.argsort(fit[0], kind="stable")
    means, deviations, weights = middle + scale * fit[0, order], scale * np.sqrt(fit[1, order]), fit[2, order]
    crossings = [_crossing(means[k : k + 2], deviations[k : k + 2], weights[k : k + 2]) for k in range(classes - 1)]
    return np.array([means, deviations, weights, [*crossings, float(steps)]])


@jit
def _climb(share: HostArray, grey: HostArray, fit: HostArray, least: float, still: float, most: int) -> int:
    """Improve means, variances and weights in place; the number of steps, or -1."""
    classes = fit.shape[1]
    before = -np.inf
    part, sums = np.empty(classes), np.empty((3, classes))
    for step in range(most):
        sums[:] = 0.0
        after = 0.0
        for i in range(grey.size):
            highest = -np.inf
            for k in range(classes):
                d = grey[i] - fit[0, k]
                part[k] = np.log(fit[2, k]) - 0.5 * (np.log(fit[1, k]) + d * d / fit[1, k])
                highest = max(highest, part[k])
            total = 0.0
            for k in range(classes):
                part[k] = np.exp(part[k] - highest)
                total += part[k]
            after += share[i] * (highest + np.log(total))
            for k in range(classes):
                weight = share[i] * part[k] / total
                d = grey[i] - fit[0, k]
                sums[0, k] += weight
                sums[1, k] += weight * d
                sums[2, k] += weight * d * d
        if after - before < still:
            return step
        before = after
        for k in range(classes):
            if sums[0, k] > 0.0:
                shift = sums[1, k] / sums[0, k]
                fit[1, k] = max(sums[2, k] / sums[0, k] - shift * shift, least)
                fit[0, k] += shift
            fit[2, k] = max(sums[0, k], 1e-300)
    return -1


def _crossing(means: HostArray, deviations: HostArray, weights: HostArray) -> float:
    """Where two weighted Gaussians are equal between their means."""
    (a, b), (s, t), (u, v) = means, deviations, weights
    middle = (a + b) / 2  # roots are sought from there, where they lose the least digits
    a, b = a - middle, b - middle
    square, linear = 1 / t**2 - 1 / s**2, 2 * (a / s**2 - b / t**2)
    level = b**2 / t**2 - a**2 / s**2 + 2 * np.log(u * t / (v * s))
    roots = np.roots([square, linear, level]) if square else np.array([-level / linear if linear else np.nan])
    inside = [float(r.real) for r in roots if abs(r.imag) < 1e-12 and a <= r.real <= b]
    return float(middle + min(inside, key=abs)) if inside else float("nan")


@kernel(cost=20.0, exact=False, workspace=8.0)
def class_probability(block: Block, /, *, fit: Any, number: int) -> Block:
    """The probability (float32) that a voxel belongs to a class of a mixture. Memory: four blocks of float64."""
    xp = namespace(block)
    values = xp.astype(block, xp.float64)
    means, deviations, weights = np.asarray(fit, float)[:3]
    parts = []
    for mean, deviation, weight in zip(means.tolist(), deviations.tolist(), weights.tolist()):
        distance = (values - mean) / deviation
        parts.append(float(np.log(weight / deviation)) - 0.5 * distance * distance)
    total = xp.zeros(block.shape, dtype=xp.float64, **beside(block))
    for part in parts:
        ahead = part - parts[number]
        total = total + xp.exp(xp.where(ahead > _FAR, xp.full_like(ahead, _FAR), ahead))
    return xp.astype(1.0 / total, xp.float32)
