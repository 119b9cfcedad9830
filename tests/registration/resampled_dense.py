"""Resampling of whole arrays, by SciPy where it has the operation, and by formula."""

import numpy as np
import scipy.ndimage as ndi


def places(shape, matrix, offset):
    """Where each voxel of an output lies in the input, in voxels: (3, *shape)."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    return np.tensordot(np.asarray(matrix), index, 1) + np.reshape(offset, (3, 1, 1, 1))


def inside(a, at):
    """Whether points lie inside the faces of the outermost voxels."""
    return np.all([(c >= -0.5 - 1e-6) & (c <= n - 0.5 + 1e-6) for c, n in zip(at, a.shape)], axis=0)


def picked(a, at, fill):
    """The nearest voxels."""
    return np.where(inside(a, at), ndi.map_coordinates(a, at + 1e-9, order=0, mode="nearest"), np.asarray(fill, a.dtype))


def linear(a, at, fill=np.nan):
    """Linear interpolation, by SciPy."""
    return np.where(inside(a, at), ndi.map_coordinates(a.astype("f8"), at, order=1, mode="nearest"), fill)


def keys(s):
    """The kernel of cubic convolution, equation 15 of Keys (1981)."""
    s = np.abs(s)
    return np.where(s < 1, 1.5 * s**3 - 2.5 * s**2 + 1, np.where(s < 2, -0.5 * s**3 + 2.5 * s**2 - 4 * s + 2, 0))


def cubic(a, at, fill=np.nan):
    """Cubic convolution: the sum of all voxels within two of a point, the outermost repeated."""
    at_inside = [np.clip(c, 0, n - 1) for c, n in zip(at, a.shape)]
    total = np.zeros(at[0].shape)
    for step in np.ndindex(4, 4, 4):
        taps = [np.floor(c).astype(int) + k - 1 for c, k in zip(at_inside, step)]
        weight = np.prod([keys(c - t) for c, t in zip(at_inside, taps)], axis=0)
        total += weight * a[tuple(np.clip(t, 0, n - 1) for t, n in zip(taps, a.shape))]
    return np.where(inside(a, at), total, fill)


def _shares(length, ratio):
    """How much of each old voxel lies in each new one: (new, old)."""
    count = int(length / ratio + 1e-6)
    low, old = np.arange(count)[:, None] * ratio, np.arange(length)
    return np.clip(np.minimum(old + 1, low + ratio) - np.maximum(old, low), 0, None)


def mean(a, ratio, good=None):
    """Mean by shared volume, of the good voxels."""
    good = np.ones(a.shape, bool) if good is None else good
    z, y, x = (_shares(n, r) for n, r in zip(a.shape, ratio))
    total = np.einsum("az,by,cx,zyx->abc", z, y, x, np.where(good, a, 0).astype("f8"))
    count = np.einsum("az,by,cx,zyx->abc", z, y, x, good.astype("f8"))
    return np.where(count > 1e-12, total / np.where(count > 1e-12, count, 1), np.nan)


def majority(a, ratio, blank=None):
    """The value that fills most; of equal ones the smallest."""
    z, y, x = (_shares(n, r) for n, r in zip(a.shape, ratio))
    values = [v for v in np.unique(a) if v != blank]
    filled = np.stack([np.einsum("az,by,cx,zyx->abc", z, y, x, (a == v).astype("f8")) for v in values])
    best = np.array(values, a.dtype)[np.argmax(filled >= filled.max(axis=0) - 1e-9, axis=0)]
    return np.where(filled.max(axis=0) > 1e-12, best, blank if blank is not None else 0).astype(a.dtype)
