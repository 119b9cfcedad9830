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


def bilateral(a, sigma, contrast, truncate):
    a = a.astype("f8")
    reach = [int(truncate * s + 0.5) for s in sigma]
    wide = np.pad(a, [(r, r) for r in reach], mode="symmetric")
    inner = tuple(slice(r, r + n) for r, n in zip(reach, a.shape))
    total, weights = np.zeros(a.shape), np.zeros(a.shape)
    for there in itertools.product(*(range(-r, r + 1) for r in reach)):
        moved = np.roll(wide, [-t for t in there], (0, 1, 2))[inner]
        far = sum((t / s) ** 2 for t, s in zip(there, sigma) if t)
        weight = np.exp(-0.5 * (far + ((a - moved) / contrast) ** 2))
        total, weights = total + weight * moved, weights + weight
    return total / weights


def diffused(a, contrast, iterations, method="exponential", step=0.125, spacing=(1, 1, 1)):
    """Perona and Malik: each of the six neighbours in turn, the border repeated."""
    a = a.astype("f8")
    g = (lambda s: np.exp(-s)) if method == "exponential" else (lambda s: 1 / (1 + s))
    for _ in range(iterations):
        wide, change = np.pad(a, 1, mode="edge"), 0
        for axis in range(3):
            slope = min(spacing) / spacing[axis]
            for way in (-1, 1):
                difference = np.roll(wide, -way, axis)[1:-1, 1:-1, 1:-1] - a
                change = change + slope**2 * g((slope * difference / contrast) ** 2) * difference
        a = a + step * change
    return a


def enhanced(a, contrast, iterations, sigma=1.0, step=0.125):
    """Weickert's edge-enhancing diffusion, the tensor by its eigenvectors, with mirrored borders of several voxels."""
    a = a.astype("f8")
    for _ in range(iterations):
        smooth = np.pad(ndi.gaussian_filter(a, sigma), 2, mode="symmetric")
        g = np.stack(_central(smooth), -1)  # one voxel around
        norm = np.sqrt((g**2).sum(-1))
        n = g / np.where(norm == 0, 1, norm)[..., None]
        with np.errstate(divide="ignore"):
            across = 1 - np.exp(-3.31488 / (norm / contrast) ** 8)
        tensor = np.eye(3) + (across - 1)[..., None, None] * n[..., :, None] * n[..., None, :]
        wide = np.pad(a, 2, mode="symmetric")
        slope = np.stack(_central(wide), -1)
        change = np.zeros(a.shape)
        for i in range(3):
            mixed = sum(tensor[..., i, j] * slope[..., j] for j in range(3) if j != i)
            change += _central(mixed)[i]
            for way in (-1, 1):
                own = (tensor[..., i, i] + np.roll(tensor[..., i, i], -way, i))[1:-1, 1:-1, 1:-1] / 2
                change += own * (np.roll(wide, -way, i)[2:-2, 2:-2, 2:-2] - a)
        a = a + step * change
    return a


def _central(a):
    cut = (slice(1, -1),) * 3
    return [((np.roll(a, -1, axis) - np.roll(a, 1, axis)) / 2)[cut] for axis in range(3)]
