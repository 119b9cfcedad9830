"""Pairs of voxels, one shift of the whole array at a time."""

import numpy as np

from voxelrock.geometry.crofton import DIRECTIONS

NAMES = {" ".join(map(str, d)): d for d in DIRECTIONS} | dict(zip("zyx", DIRECTIONS))


def shifted(a, offset, periodic=False):
    """The array as seen from each voxel, one step further, and whether there is such a voxel."""
    if periodic:
        return np.roll(a, [-o for o in offset], (0, 1, 2)), np.ones(a.shape, bool)
    there = np.ones(a.shape, bool)
    for axis, o in enumerate(offset):
        index = np.arange(a.shape[axis]) + o
        inside = (index >= 0) & (index < a.shape[axis])
        there &= inside.reshape([-1 if i == axis else 1 for i in range(3)])
    return np.roll(a, [-o for o in offset], (0, 1, 2)), there


def probability(a, offset, exists=None, other=None, periodic=False, both=np.logical_and):
    exists = np.ones(a.shape, bool) if exists is None else exists
    end, there = shifted(a if other is None else other, offset, periodic)
    pairs = exists & shifted(exists, offset, periodic)[0] & there
    return (both(a, end) & pairs).sum() / pairs.sum() if pairs.any() else np.nan


def same(a, b):
    return (a == b) & (a != 0)


def curve(a, direction, steps, **options):
    return np.array([probability(a, [n * d for d in NAMES[direction]], **options) for n in range(steps + 1)])


def box(a, lag, **options):
    ranges = [range(-n, n + 1) for n in lag]
    return np.array([[[probability(a, (i, j, k), **options) for k in ranges[2]] for j in ranges[1]] for i in ranges[0]])


def radial(a, lag, spacing=(1, 1, 1), **options):
    reach = [int(lag / s) for s in spacing]
    table = box(a, reach, **options)
    z, y, x = np.ix_(*(np.arange(-n, n + 1) * s for n, s in zip(reach, spacing)))
    length = np.sqrt(z**2 + y**2 + x**2)
    shell = np.rint(length / min(spacing)).astype(int)
    shell[length > lag] = -1
    return np.array([np.nanmean(table[shell == i]) for i in range(shell.max() + 1)])


def scale(a, direction, steps):
    phi = a.mean()
    return np.atleast_1d(np.trapezoid((curve(a, direction, steps) - phi**2) / (phi - phi**2)))


def slope(a):
    weights = [0.0457778912 * 2] * 3 + [0.0369806278 * 2] * 6 + [0.0351956398 * 2] * 4  # Legland et al. 2007
    falls = [(a.mean() - probability(a, d)) / np.linalg.norm(d) for d in DIRECTIONS]
    return 4 * np.dot(weights, falls) / sum(weights)


def values(a, offset, exists=None):
    """The values at both ends of all pairs."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    end, there = shifted(a, offset)
    pairs = exists & shifted(exists, offset)[0] & there
    return a[pairs].astype(float), end[pairs].astype(float)


def covariance(a, direction, steps, exists=None):
    mean = a[np.ones(a.shape, bool) if exists is None else exists].mean()
    ends = [values(a, [n * d for d in NAMES[direction]], exists) for n in range(steps + 1)]
    return np.array([((u - mean) * (v - mean)).mean() for u, v in ends])


def semivariance(a, direction, steps, exists=None):
    ends = [values(a, [n * d for d in NAMES[direction]], exists) for n in range(steps + 1)]
    return np.array([((u - v) ** 2).mean() / 2 for u, v in ends])
