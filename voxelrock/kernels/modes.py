"""What a histogram says of its classes: modes, the width of one of them, how well a threshold separates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxelrock.typing import HostArray

_BINS = 256
_SMOOTH = 3.0  # bins of 1/256 of the occupied range: finer ripples are noise or a comb of unused grey values
_DIP = 0.9
_LEAST = 0.005


@dataclass(frozen=True)
class Mode:
    """A peak of a histogram: its grey value and its height (fraction of all voxels for each grey level)."""

    value: float
    height: float


def density(counts: HostArray, values: HostArray) -> tuple[HostArray, HostArray]:
    """The smoothed density of a histogram over 256 equal bins of its occupied range, and their middles.

    The tails beyond 0.01 % of the voxels on each side are left out. A histogram of fewer values than that is not smoothed over its gaps.
    """
    below = np.concatenate([[0.0], np.cumsum(counts, dtype=float)])
    below /= below[-1]
    half = np.diff(values).min() / 2 if values.size > 1 else 0.5
    edges = np.append(values - half, values[-1] + half)
    inner = np.flatnonzero((below[1:] > 1e-4) & (below[:-1] < 1 - 1e-4))
    low, high = edges[inner[0]], edges[inner[-1] + 1]
    grid = np.linspace(low, high, _BINS + 1)
    mass = np.diff(np.interp(grid, edges, below))
    reach = int(4 * _SMOOTH)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTH) ** 2)
    smooth = np.convolve(mass, kernel / kernel.sum())[reach:-reach]
    return smooth / (grid[1] - grid[0]), (grid[1:] + grid[:-1]) / 2


def modes(counts: HostArray, values: HostArray) -> list[Mode]:
    """The peaks of the smoothed histogram, ascending: each at least 0.5 % of the highest, and each pair parted by a dip of at least 10 %."""
    height, place = density(counts, values)
    padded = np.concatenate([[-1.0], height, [-1.0]])
    peaks = [i for i in range(height.size) if padded[i + 1] > padded[i] and padded[i + 1] >= padded[i + 2]]
    peaks = [i for i in peaks if height[i] >= _LEAST * height.max()]
    changed = True
    while changed and len(peaks) > 1:
        changed = False
        for n in range(len(peaks) - 1):
            first, second = peaks[n], peaks[n + 1]
            if height[first : second + 1].min() > _DIP * min(height[first], height[second]):
                peaks.remove(min(first, second, key=lambda i: height[i]))
                changed = True
                break
    return [Mode(_middle(place, height, i), float(height[i])) for i in peaks]


def _middle(place: HostArray, height: HostArray, peak: int) -> float:
    """The place of a peak; of a flat one its middle."""
    last = peak
    while last + 1 < height.size and height[last + 1] >= height[peak] * (1 - 1e-9):
        last += 1
    return float(place[peak] + place[last]) / 2


def width(counts: HostArray, values: HostArray, mode: float, *, rising: bool) -> float:
    """The standard deviation of a mode, from the half width at half maximum on one side of it (above it where ``rising``).

    Half widths do not see the tail of other phases, as a standard deviation of the whole class would.
    """
    height, place = density(counts, values)
    at = int(np.argmin(np.abs(place - mode)))
    side = range(at, height.size) if rising else range(at, -1, -1)
    previous, edge = at, mode
    for i in side:
        if height[i] <= height[at] / 2:
            part = (height[previous] - height[at] / 2) / max(height[previous] - height[i], 1e-300)
            edge = place[previous] + part * (place[i] - place[previous])
            break
        edge, previous = place[i], i
    blur = _SMOOTH * (place[1] - place[0])  # the smoothing widened it
    return math.sqrt(max(0.0, (edge - mode) ** 2 / (2 * math.log(2)) - blur * blur))


def separability(counts: HostArray, values: HostArray, threshold: float) -> float:
    """The part of the variance that lies between the classes ``v <= threshold`` and ``v > threshold``: Otsu's criterion, 0 to 1."""
    weight = counts / counts.sum()
    mean = float(weight @ values)
    total = float(weight @ (values - mean) ** 2)
    dark = values <= threshold
    share = float(weight[dark].sum())
    if total == 0 or share in (0.0, 1.0):
        return 0.0
    first = float(weight[dark] @ values[dark]) / share
    second = (mean - share * first) / (1 - share)
    return share * (1 - share) * (first - second) ** 2 / total
