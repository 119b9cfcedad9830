"""The threshold of walls on whole arrays, by SciPy and sorting."""

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu


def edge_threshold(a, scale=1.0, counted=None):
    a = a.astype("f8")
    reach = int(np.ceil(4 * scale)) + 2
    counted = np.ones(a.shape, bool) if counted is None else ndimage.minimum_filter(counted, 2 * reach + 1, mode="constant", cval=True)
    grey = ndimage.gaussian_filter(a, scale)
    slope = ndimage.gaussian_gradient_magnitude(a, scale)
    darkest, brightest = ndimage.minimum_filter(grey, 5), ndimage.maximum_filter(grey, 5)
    plain = counted & (brightest < np.quantile(grey[counted], 0.99))
    steep = plain & (slope > np.quantile(slope[plain], 0.95))
    dark = steep & (darkest <= threshold_otsu(darkest[steep]))
    return np.median(middles(grey, slope, np.stack(np.nonzero(dark))))


def middles(grey, slope, places):
    """The greys where the slope is highest along its direction, of the places where that is within half a voxel."""
    ends = [np.pad(np.diff(grey, axis=axis), [(1, 1) if i == axis else (0, 0) for i in range(3)]) for axis in range(3)]
    steps = np.stack([np.take(e, np.arange(n), axis) + np.take(e, np.arange(1, n + 1), axis) for axis, (e, n) in enumerate(zip(ends, grey.shape))])
    way = steps[(slice(None), *places)]
    way = way / np.linalg.norm(way, axis=0)

    def at(field, shift):
        return ndimage.map_coordinates(field, places + shift * way, order=1, mode="nearest")

    before, here, after = (at(slope, shift) for shift in (-1, 0, 1))
    shift = np.clip((after - before) / (2 * (2 * here - before - after)), -0.5, 0.5)
    level = at(grey, 0)
    level = level + np.abs(shift) * (np.where(shift > 0, at(grey, 1), at(grey, -1)) - level)
    return level[(here >= before) & (here >= after)]
