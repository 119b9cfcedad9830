"""The noise of a whole array."""

import numpy as np
import scipy.ndimage as ndi


def level(a, lag=1, where=None):
    kind = "f8" if a.dtype == np.float64 else "f4"
    a = a.astype("f8")
    cross = np.zeros((2 * lag + 1,) * 3)
    for axis in range(3):
        for end in (0, -1):
            cross[tuple(end if k == axis else lag for k in range(3))] = 1
    inner = (slice(lag, -lag),) * 3
    found = np.abs(a - ndi.convolve(a, cross) / 6)[inner] * np.sqrt(6 / 7) / 0.6744897501960817
    if where is None:
        return np.median(found.astype(kind))
    cross[lag, lag, lag] = 1
    return np.median(found.astype(kind)[ndi.binary_erosion(where, cross > 0)[inner]])
