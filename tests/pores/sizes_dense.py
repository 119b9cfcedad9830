"""The dense truth of sizes: every ball is painted, every radius is tried."""

import numpy as np
import scipy.ndimage as ndi

from tests.labels.components_dense import structure
from voxelrock.geometry import Tiling
from voxelrock.testing import stored


def squares(lengths, unit=1.0):
    """Squares of distances in units of the metric, without the root's rounding."""
    return np.where(np.isinf(lengths), np.inf, np.rint(lengths**2 / unit) * unit)


def apart(shape, center, weights=(1, 1, 1)):
    """Squares of the distances to a point, added in the order z, y, x."""
    z, y, x = (w * (np.arange(n) - c) ** 2 for n, c, w in zip(shape, center, weights))
    return z[:, None, None] + y[:, None] + x


def covered(field, phase, weights=(1, 1, 1)):
    """The largest square of a ball over each voxel of the phase."""
    out = np.where(phase, np.maximum(field, 0), 0.0)
    for q in np.argwhere(field > 0):
        here = (apart(field.shape, q, weights) < field[tuple(q)]) & phase
        out[here] = np.maximum(out[here], field[tuple(q)])
    return out


def thickness(d2, phase, weights=(1, 1, 1)):
    return np.where(phase, 2 * np.sqrt(covered(d2, phase, weights)), np.nan).astype("f4")


def sides(exists, names):
    """The voxels of a region with no other beyond them on one of some sides."""
    found = np.zeros(exists.shape, bool)
    for name in names:
        axis, low = "zyx".index(name[0]), name.endswith("low")
        beyond = np.roll(exists, 1 if low else -1, axis)
        beyond[tuple((0 if low else -1) if a == axis else slice(None) for a in range(3))] = False
        found |= exists & ~beyond
    return found


ALL = [f"{axis} {side}" for axis in "zyx" for side in ("low", "high")]


def cut_off(wet, outlet, near):
    parts, _ = ndi.label(wet, near)
    return wet & ~np.isin(parts, np.setdiff1d(parts[outlet], 0))


def invaded(d2, phase, inlet, outlet=None, connectivity=6):
    """Hilpert and Miller: at every radius erode, keep what is joined to the inlet, dilate; what is cut off from the outlet stays."""
    out, near = np.zeros(phase.shape), structure(connectivity)
    trapped = np.zeros(phase.shape, bool) if outlet is None else cut_off(phase, outlet, near)
    for square in np.unique(d2[d2 > 0])[::-1]:
        parts, _ = ndi.label(d2 >= square, near)
        joined = np.isin(parts, np.setdiff1d(parts[inlet], 0))
        ball = ndi.distance_transform_edt(~joined) ** 2 < square - 1e-6 if joined.any() else joined
        out[ball & phase & (out == 0) & ~trapped] = square
        if outlet is not None:
            trapped |= cut_off(phase & (out == 0), outlet, near)
    return np.where(phase, np.sqrt(out), np.nan).astype("f4")


def critical(d2, axis, connectivity=6):
    for square in np.unique(d2[d2 > 0])[::-1]:
        parts, _ = ndi.label(d2 >= square, structure(connectivity))
        ends = np.take(parts, 0, axis), np.take(parts, -1, axis)
        if np.setdiff1d(np.intersect1d(*ends), 0).size:
            return np.sqrt(square)
    return 0.0


def cut(array, size):
    """A stored image in regular chunks."""
    return stored(array, Tiling.regular(array.shape, size if isinstance(size, tuple) else (size,) * 3).chunks)
