"""Where the dark and the bright class of a histogram lie; values in fixed point, so that sums are exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.thresholds import otsu
from voxelrock.typing import HostArray

DARK, CUT, BRIGHT, SPREAD, TOP = range(5)
"""What :func:`levels` gives: median of the dark class, Otsu's threshold, median and robust deviation of the bright class, the largest value."""
_BITS = 30


def levels(counts: HostArray, values: HostArray) -> HostArray:
    """The classes of a histogram parted by Otsu's threshold; deviations are 1.4826 medians of the absolute deviation.

    Raises
    ------
    DataError
        Fewer than two different values were counted.
    """
    cut = otsu(counts, values)
    dark, bright = values <= cut, values > cut
    level = weighted_median(counts[bright], values[bright])
    spread = 1.4826 * weighted_median(counts[bright], np.abs(values[bright] - level))
    return np.array([weighted_median(counts[dark], values[dark]), cut, level, spread, values[np.flatnonzero(counts)[-1]]], float)


def weighted_median(counts: HostArray, values: HostArray) -> float:
    """The lower median of values that occur so many times."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(total, (total[-1] + 1) // 2)])


def fixed_point(dtype: Any, limits: Any) -> float:
    """What values between limits are multiplied by before they are rounded and added as integers: 1 for integers of up to 16 bits, else a power of two
    that keeps 30 bits of the largest; 2**33 of them fit in 64 bits."""
    kind = np.dtype(dtype)
    if kind.kind == "b" or (kind.kind in "iu" and kind.itemsize <= 2):
        return 1.0
    most = max(abs(float(limits[0])), abs(float(limits[1])))
    return math.ldexp(1.0, _BITS - math.frexp(most)[1]) if most > 0 else 1.0


def refuse_nan(block: HostArray, *mask: HostArray) -> None:
    """Raise ``DataError`` where a counted voxel is NaN."""
    if block.dtype.kind == "f" and bool(np.any(np.isnan(block) & mask[0] if mask else np.isnan(block))):
        raise DataError("NaN among the voxels of the fit: declare it with image.assign(nodata=float('nan')), or leave it out with where=")
