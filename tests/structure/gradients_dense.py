"""The dense truth of the structure tensor: differences with NumPy, voxel by voxel."""

import numpy as np


def products(array, exists=None):
    """The products of differences (…, 3, 3) of each voxel that exists with its six neighbours, and which voxels these are."""
    exists = np.ones(array.shape, bool) if exists is None else exists
    inner = np.zeros(array.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    steps = np.zeros((*array.shape, 3), np.int64)
    known = exists & inner
    for axis in range(3):
        after, before = np.roll(array, -1, axis).astype(np.int64), np.roll(array, 1, axis).astype(np.int64)
        steps[..., axis] = after - before
        known &= np.roll(exists, -1, axis) & np.roll(exists, 1, axis)
    return steps[..., :, None] * steps[..., None, :], known


def tensor(array, exists=None, spacing=(1.0, 1.0, 1.0)):
    """The mean structure tensor."""
    found, known = products(array, exists)
    step = 2 * np.array(spacing)
    return found[known].sum(0) / known.sum() / (step[:, None] * step)
