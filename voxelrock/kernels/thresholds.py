"""Thresholds from exact histograms."""

from __future__ import annotations

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit
from voxelrock.typing import HostArray


def otsu(counts: HostArray, values: HostArray) -> float:
    """Otsu's threshold: the value ``t`` whose classes ``v <= t`` and ``v > t`` differ most (the smallest such value).

    Otsu 1979, doi:10.1109/TSMC.1979.4310076. In float64; ``skimage.filters.threshold_otsu`` counts in float32 and can differ by a grey level.

    Raises
    ------
    DataError
        Fewer than two different values were counted.
    """
    check_classes(counts, 2)
    first, last = np.flatnonzero(counts)[[0, -1]]
    counts, values = counts[first : last + 1].astype(float), values[first : last + 1].astype(float)
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * values) / below
    mean_above = (np.cumsum((counts * values)[::-1]) / np.cumsum(counts[::-1]))[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(values[np.argmax(between)])


def minimum_error(counts: HostArray, values: HostArray) -> float:
    """The threshold at which two Gaussians misplace the fewest voxels; unlike Otsu's it does not pull towards classes of equal size.

    Kittler & Illingworth 1986, doi:10.1016/0031-3203(86)90030-0: the lowest local minimum of their criterion J.

    Raises
    ------
    DataError
        Fewer than two different values, or no two classes: the criterion has no minimum inside.
    """
    check_classes(counts, 2)
    first, last = np.flatnonzero(counts)[[0, -1]]
    counts, values = counts[first : last + 1].astype(float), values[first : last + 1].astype(float)
    weight, centered = counts / counts.sum(), values - float(counts @ values / counts.sum())
    below, sums, squares = (np.cumsum(weight * centered**power)[:-1] for power in (0, 1, 2))
    above = 1 - below
    total = float(weight @ centered**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        dark = squares / below - (sums / below) ** 2
        bright = (total - squares) / above - (sums / above) ** 2  # the sum above is minus the sum below
        criterion = 1 + below * np.log(dark) + above * np.log(bright) - 2 * (below * np.log(below) + above * np.log(above))
    quantum = np.diff(values).min() ** 2 / 12  # a class narrower than one grey level has no spread to speak of
    usable = np.isfinite(criterion) & (dark > quantum) & (bright > quantum)
    criterion = np.where(usable, criterion, np.inf)
    inner = np.flatnonzero(usable[1:-1] & (criterion[1:-1] <= criterion[:-2]) & (criterion[1:-1] <= criterion[2:])) + 1
    inner = inner[np.isfinite(criterion[inner - 1]) & np.isfinite(criterion[inner + 1])]
    if not inner.size:
        raise DataError("the histogram does not part into two classes; give a threshold, or use Otsu's method")
    return float(values[inner[np.argmin(criterion[inner])]])


def check_classes(counts: HostArray, classes: int) -> None:
    """Raise ``DataError`` where fewer different values were counted than there are to be classes."""
    found = int(np.count_nonzero(counts))
    if found < classes:
        what = "no voxel was counted" if found == 0 else "the image is constant" if found == 1 else f"only {found} different values were counted"
        raise DataError(f"a threshold between {classes} classes needs at least {classes} different values: {what}")


@jit
def _cost(weights: HostArray, firsts: HostArray, seconds: HostArray, i: int, j: int) -> float:
    """Sum of squared deviations of values i … j - 1 from their mean."""
    w = weights[j] - weights[i]
    if w <= 0.0:
        return 0.0
    s = firsts[j] - firsts[i]
    return seconds[j] - seconds[i] - s * s / w


@jit
def _best_splits(weights: HostArray, firsts: HostArray, seconds: HostArray, classes: int) -> HostArray:
    n = weights.size - 1
    before = np.empty(n + 1)
    for j in range(n + 1):
        before[j] = _cost(weights, firsts, seconds, 0, j)
    splits = np.zeros((classes, n + 1), np.int64)
    stack = np.empty((128, 4), np.int64)
    for k in range(1, classes):
        now = np.full(n + 1, np.inf)
        stack[0] = np.array([k + 1, n, k, n])
        depth = 1
        while depth:  # divide and conquer: the best split moves monotonically with the end of the range
            depth -= 1
            low, high, first, last = stack[depth]
            if low > high:
                continue
            middle = (low + high) // 2
            best, at = np.inf, first
            for i in range(first, min(middle - 1, last) + 1):
                value = before[i] + _cost(weights, firsts, seconds, i, middle)
                if value < best:
                    best, at = value, i
            now[middle], splits[k, middle] = best, at
            stack[depth] = np.array([low, middle - 1, first, at])
            stack[depth + 1] = np.array([middle + 1, high, at, last])
            depth += 2
        before = now
    return splits


def multi_otsu(counts: HostArray, values: HostArray, classes: int) -> HostArray:
    """The ``classes - 1`` thresholds that leave the least variance inside the classes, ascending; class ``k`` holds ``t[k-1] < v <= t[k]``.

    Dynamic programming with divide and conquer over the occupied values, O(classes · n log n) for n different values.
    Liao, Chen & Chung 2001.

    Raises
    ------
    DataError
        Fewer different values than classes.
    """
    check_classes(counts, classes)
    occupied = np.flatnonzero(counts)
    weight, value = counts[occupied].astype(float), values[occupied].astype(float)
    centered = value - value.mean()  # keeps the sums of squares small
    sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in (weight, weight * centered, weight * centered * centered)]
    splits = _best_splits(sums[0], sums[1], sums[2], classes)
    found, end = [], occupied.size
    for k in range(classes - 1, 0, -1):
        end = int(splits[k, end])
        found.append(value[end - 1])
    return np.array(found[::-1])
