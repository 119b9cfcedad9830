"""Denoising on whole arrays, voxel by voxel or shift by shift, with nothing clever."""

import itertools

import numpy as np
import scipy.ndimage as ndi


def non_local_means(a, search, patch, noise, strength, rician=False):
    a = a.astype("f8")
    halo = [s + p for s, p in zip(search, patch)]
    wide = np.pad(a, [(h, h) for h in halo], mode="symmetric")
    inner = tuple(slice(h, h + n) for h, n in zip(halo, a.shape))
    size = [2 * p + 1 for p in patch]
    total, weights = np.zeros(a.shape), np.zeros(a.shape)
    for there in itertools.product(*(range(-s, s + 1) for s in search)):
        moved = np.roll(wide, [-t for t in there], (0, 1, 2))
        mean = ndi.uniform_filter((wide - moved) ** 2, size)[inner]
        weight = np.exp(-np.maximum(mean - 2 * noise**2, 0) / (strength * noise) ** 2) if any(there) else 1.0
        total += weight * (moved[inner] ** 2 if rician else moved[inner])
        weights += weight
    mean = total / weights
    return np.sqrt(np.maximum(mean - 2 * noise**2, 0)) if rician else mean
