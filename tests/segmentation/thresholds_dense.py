"""Thresholds and mixtures straight from their formulas, on all grey values of an array."""

import numpy as np
from skimage.filters import threshold_otsu


def entropy(counts):
    shares = counts[counts > 0] / counts.sum()
    return -(shares * np.log(shares)).sum()


def kapur(a):
    values, counts = np.unique(a, return_counts=True)
    found = [entropy(counts[: t + 1]) + entropy(counts[t + 1 :]) for t in range(values.size - 1)]
    return values[int(np.argmax(found))]


def densities(a, means, deviations, weights):
    v = a.astype("f8").ravel()[:, None]
    return weights / deviations * np.exp(-0.5 * ((v - means) / deviations) ** 2)


def mixture(a, classes, steps=20000):
    """Means, standard deviations and weights of a mixture that starts with Otsu's two classes, voxel by voxel."""
    assert classes == 2
    v = a.astype("f8").ravel()
    parts = [v[v <= threshold_otsu(a)], v[v > threshold_otsu(a)]]
    means, deviations, weights = (np.array([f(p) for p in parts]) for f in (np.mean, np.std, lambda p: p.size / v.size))
    before = -np.inf
    for _ in range(steps):
        dense = densities(a, means, deviations, weights)
        after = np.log(dense.sum(axis=1) / np.ptp(v) * np.ptp(v)).mean()
        if after - before < 1e-10:
            break
        before = after
        dense /= dense.sum(axis=1, keepdims=True)
        weights = dense.mean(axis=0)
        means = (dense * v[:, None]).sum(axis=0) / dense.sum(axis=0)
        deviations = np.sqrt((dense * (v[:, None] - means) ** 2).sum(axis=0) / dense.sum(axis=0))
    return means, deviations, weights


def probability(a, classes, number):
    dense = densities(a, *mixture(a, classes))
    return (dense[:, number] / dense.sum(axis=1)).reshape(a.shape)


def niblack(a, size, k, exists):
    """The mean minus k standard deviations of the voxels of a box that exist, mirrored at the border."""
    reach = [n // 2 for n in size]
    pad = [(r, r) for r in reach]
    values, there = (np.lib.stride_tricks.sliding_window_view(np.pad(b, pad, mode="reflect"), size).reshape(*a.shape, -1) for b in (a.astype("f8"), exists))
    count = np.maximum(there.sum(axis=-1), 1)
    mean = np.where(there, values, 0).sum(axis=-1) / count
    spread = np.sqrt(np.where(there, (values - mean[..., None]) ** 2, 0).sum(axis=-1) / count)
    return np.where(exists, mean - k * spread, np.nan).astype("f4")
