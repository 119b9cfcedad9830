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
    darkest, brightest = ndimage.minimum_filter(grey, 5)[counted], ndimage.maximum_filter(grey, 5)[counted]
    grey, slope = grey[counted], slope[counted]
    plain = brightest < np.quantile(grey, 0.99)
    steep = plain & (slope > np.quantile(slope[plain], 0.95))
    dark = steep & (darkest <= threshold_otsu(darkest[steep]))
    return np.average(grey[dark], weights=slope[dark])
