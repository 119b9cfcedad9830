"""Eigenvalues on whole arrays, by SciPy's derivatives and NumPy's eigenvalues."""

import numpy as np
import scipy.ndimage as ndi


def derivative(a, sigma, order, spacing=(1, 1, 1)):
    found = ndi.gaussian_filter(a, sigma, order=order, output="f8" if a.dtype == np.float64 else "f4")
    return found / np.prod([s**n for s, n in zip(spacing, order)])


def _eigenvalues(parts, rank):
    matrix = np.empty((*parts[0, 0].shape, 3, 3))
    for (i, j), part in parts.items():
        matrix[..., i, j] = matrix[..., j, i] = part
    return np.linalg.eigvalsh(matrix)[..., 3 - rank]


def hessian(a, sigma, rank, spacing=(1, 1, 1)):
    unit = np.eye(3, dtype=int)
    return _eigenvalues({(i, j): derivative(a, sigma, unit[i] + unit[j], spacing) for i in range(3) for j in range(i, 3)}, rank)


def structure_tensor(a, sigma, integration, rank, spacing=(1, 1, 1)):
    wide = np.pad(a, 24, mode="symmetric")  # the tensor of the image as it goes on beyond its border
    slope = [derivative(wide, sigma, row, spacing) for row in np.eye(3, dtype=int)]
    found = _eigenvalues({(i, j): ndi.gaussian_filter((slope[i] * slope[j]).astype("f8"), integration) for i in range(3) for j in range(i, 3)}, rank)
    return found[(slice(24, -24),) * 3]


def unsharp(a, sigma, amount):
    return a + amount * (a - ndi.gaussian_filter(a, sigma, output="f8"))
