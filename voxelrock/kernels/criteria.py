"""Criteria that put a threshold into a histogram: means that agree, entropies, shapes of peaks.

All take counts over equally spaced ascending values, in float64, and give a value ``t`` of the dark class ``v <= t``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit
from voxelrock.kernels.thresholds import check_classes
from voxelrock.typing import HostArray

_MOST = 10000
"""Smoothings of a histogram after which it is given up."""


def _occupied(counts: HostArray, values: HostArray) -> tuple[HostArray, HostArray]:
    """The histogram between its first and its last value."""
    check_classes(counts, 2)
    first, last = np.flatnonzero(counts)[[0, -1]]
    return counts[first : last + 1].astype(float), values[first : last + 1].astype(float)


def isodata(counts: HostArray, values: HostArray) -> float:
    """The lowest value that is the mean of the means of its two classes, to within one bin. Ridler & Calvard 1978, doi:10.1109/TSMC.1978.4310039."""
    counts, values = _occupied(counts, values)
    below, moments = np.cumsum(counts), np.cumsum(counts * values)
    middle = (moments[:-1] / below[:-1] + (moments[-1] - moments[:-1]) / (below[-1] - below[:-1])) / 2
    distance = middle - values[:-1]
    fixed = np.flatnonzero((distance >= 0) & (distance < values[1] - values[0]))
    if not fixed.size:
        raise DataError("no grey value is the mean of the means of its classes; use Otsu's method")
    return float(values[fixed[0]])


def li(counts: HostArray, values: HostArray) -> float:
    """The threshold of least cross entropy, iterated from the mean until it moves by no more than half a bin.

    Li & Tam 1998, doi:10.1016/S0167-8655(98)00057-9. Values are counted from the lowest.
    """
    counts, values = _occupied(counts, values)
    grey = values - values[0]
    below, moments = np.cumsum(counts), np.cumsum(counts * grey)
    tolerance = (values[1] - values[0]) / 2
    before, after = -np.inf, moments[-1] / below[-1]
    while abs(after - before) > tolerance:
        before = after
        last = int(np.searchsorted(grey, before, side="right")) - 1
        dark = moments[last] / below[last]
        if dark == 0:
            break
        bright = (moments[-1] - moments[last]) / (below[-1] - below[last])
        after = (dark - bright) / (np.log(dark) - np.log(bright))
    return float(after + values[0])


def yen(counts: HostArray, values: HostArray) -> float:
    """The threshold of largest correlation. Yen, Chang & Chang 1995, doi:10.1109/83.366472."""
    counts, values = _occupied(counts, values)
    share = counts / counts.sum()
    below, squares = np.cumsum(share), np.cumsum(share**2)
    above = np.cumsum(share[::-1] ** 2)[::-1]
    criterion = np.log((below[:-1] * (1.0 - below[:-1])) ** 2 / (squares[:-1] * above[1:]))
    return float(values[np.argmax(criterion)])


def maximum_entropy(counts: HostArray, values: HostArray) -> float:
    """The threshold whose classes have the largest sum of entropies. Kapur, Sahoo & Wong 1985, doi:10.1016/0734-189X(85)90125-2."""
    counts, values = _occupied(counts, values)
    product = counts * np.log(np.where(counts > 0, counts, 1.0))
    below, sums = np.cumsum(counts)[:-1], np.cumsum(product)[:-1]
    above, rest = np.cumsum(counts[::-1])[::-1][1:], np.cumsum(product[::-1])[::-1][1:]
    return float(values[np.argmax(np.log(below) - sums / below + np.log(above) - rest / above)])


def triangle(counts: HostArray, values: HostArray) -> float:
    """The value furthest below the line from the histogram's peak to the end of its longer tail.

    Zack, Rogers & Latt 1977, doi:10.1177/25.7.70454.
    """
    counts, values = _occupied(counts, values)
    peak = int(np.argmax(counts))
    flip = peak < counts.size - 1 - peak
    if flip:
        counts, peak = counts[::-1], counts.size - 1 - peak
    norm = np.sqrt(counts[peak] ** 2 + float(peak) ** 2)
    place = np.arange(peak)
    found = int(np.argmax(counts[peak] / norm * place - peak / norm * counts[:peak]))
    return float(values[values.size - 1 - found if flip else found])


def minimum(counts: HostArray, values: HostArray) -> float:
    """The lowest point between the two peaks that are left when the histogram is smoothed over three bins again and again.

    Prewitt & Mendelsohn 1966, doi:10.1111/j.1749-6632.1965.tb11715.x; the rounding of each smoothing to float32 is scikit-image's.
    """
    counts, values = _occupied(counts, values)
    smooth = np.concatenate([counts[:1], counts, counts[-1:]]).astype(np.float32)
    peaks = np.zeros(2, np.int64)
    if _smoothed(smooth, peaks, _MOST) != 2:
        raise DataError("the histogram does not become one of two peaks; give a threshold, or use Otsu's method")
    first, last = peaks
    return float(values[first + np.argmin(smooth[first + 1 : last + 2])])


@jit
def _smoothed(padded: HostArray, peaks: HostArray, most: int) -> int:
    """Smooth in place until fewer than three peaks are left, and count them."""
    size = padded.size - 2
    for _ in range(most - 1):
        before, total = padded[0], np.float64(padded[0]) + np.float64(padded[1]) + np.float64(padded[2])
        for i in range(size):
            if i:
                total += np.float64(padded[i + 2]) - np.float64(before)
                before = padded[i]
            padded[i] = total / 3.0  # one place ahead of what is still read
        for i in range(size, 0, -1):
            padded[i] = padded[i - 1]
        padded[0], padded[size + 1] = padded[1], padded[size]
        found, rising = 0, True
        for i in range(1, size):
            if rising and padded[i + 1] < padded[i]:
                rising = False
                if found < 2:
                    peaks[found] = i - 1
                found += 1
            elif not rising and padded[i + 1] > padded[i]:
                rising = True
        if found < 3:
            return found
    return 0


CRITERIA: dict[str, Callable[[HostArray, HostArray], float]] = {
    "isodata": isodata,
    "li": li,
    "maximum_entropy": maximum_entropy,
    "minimum": minimum,
    "triangle": triangle,
    "yen": yen,
}
"""The criteria by name."""
