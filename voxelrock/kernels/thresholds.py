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
    _check(counts, 2)
    first, last = np.flatnonzero(counts)[[0, -1]]
    counts, values = counts[first : last + 1].astype(float), values[first : last + 1].astype(float)
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * values) / below
    mean_above = (np.cumsum((counts * values)[::-1]) / np.cumsum(counts[::-1]))[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(values[np.argmax(between)])


def _check(counts: HostArray, classes: int) -> None:
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
    _check(counts, classes)
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
