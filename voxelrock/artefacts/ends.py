"""Where a plug ends along its axis, if that is inside the image."""

from __future__ import annotations

import math

import numpy as np

from voxelrock.artefacts.fitting import Fit
from voxelrock.artefacts.sampling import Sample, Window, windows
from voxelrock.artefacts.surroundings import Found, Levels, segmented
from voxelrock.image import VoxelImage
from voxelrock.kernels import outlines as kernels
from voxelrock.typing import HostArray

AT_ONCE = 10
"""Positions looked at in one reading."""

PLACES = ((0.0, 0.0), (0.75, 0.0), (-0.75, 0.0), (0.0, 0.75), (0.0, -0.75))
"""Where the windows of an end lie, in radii from the axis; each is 0.4 of a radius wide."""


def ends(image: VoxelImage, sample: Sample, found: Found) -> tuple[float, float] | None:
    """The first and last place of rock along the axis, from the image's first voxel; None where both are the image's ends; computes.

    An end is where one of five windows across the rock is no longer rock: slanted ends count from their inner side.
    """
    fit = found.fit
    if fit is None or not fit.good.any():
        return None
    rocky = np.flatnonzero(fit.good)
    first, last = int(rocky[0]), int(rocky[-1])
    low, high = float(sample.along[0]), float(sample.along[-1])
    whole = (sample.grid.shape[sample.axis] - 1) * float(sample.grid.spacing[sample.axis])
    if first > 0:
        low = _end(image, sample, found, (sample.positions[first], sample.positions[first - 1]))
    if last < len(sample.positions) - 1:
        high = _end(image, sample, found, (sample.positions[last], sample.positions[last + 1]))
    return (low, high) if low > 0 or high < whole else None


def _end(image: VoxelImage, sample: Sample, found: Found, between: tuple[int, int]) -> float:
    """The last position of rock on the way from a slice with rock to one without."""
    rock, none = between
    while abs(none - rock) > 1:
        tried = np.unique(np.linspace(rock, none, AT_ONCE + 2).round().astype(int))
        tried = tried[(tried != rock) & (tried != none)]
        tried = tried if none > rock else tried[::-1]
        full = _full(image, sample, found, tried)
        beyond = np.flatnonzero(full)
        at = int(beyond[-1]) if beyond.size else -1
        rock, none = (int(tried[at]) if at >= 0 else rock), (int(tried[at + 1]) if at + 1 < len(tried) else none)
    return rock * float(sample.grid.spacing[sample.axis])


def _full(image: VoxelImage, sample: Sample, found: Found, positions: HostArray) -> HostArray:
    """Whether all windows across the rock are rock at each position."""
    fit = found.fit
    assert fit is not None
    typical = float(np.median(fit.presence[fit.good]))
    wanted: list[Window] = []
    owner: list[int] = []
    for n, position in enumerate(positions.tolist()):
        for part in _windows(sample, fit, position):
            wanted.append(part)
            owner.append(n)
    values = windows(image, sample.axis, wanted, sample.step)
    full = np.ones(len(positions), bool)
    for n, value in zip(owner, values):
        full[n] &= _presence(value, sample, found) > 0.5 * typical
    return full


def _presence(value: HostArray, sample: Sample, found: Found) -> float:
    missing = np.isnan(value) if value.dtype.kind == "f" else np.zeros(value.shape, bool)
    for absent in (found.padding, sample.nodata):
        if absent is not None and not math.isnan(absent):
            missing = missing | (value == absent)
    levels = found.levels if found.levels is not None and not segmented(sample) else None
    if levels is None:
        return float((~missing).mean())
    rock = Levels(levels.air, levels.rock, levels.window).of(value[None], missing[None])
    return float((rock > kernels.MIDDLE).mean())


def _windows(sample: Sample, fit: Fit, position: int) -> list[Window]:
    """The windows across the rock at a position that lie in the image."""
    center = fit.centers(np.array([position * sample.grid.spacing[sample.axis]]))[0]
    found: list[Window] = []
    for place in PLACES:
        spans = []
        for c, shift, n in zip(center, place, sample.across):
            middle, half = (c + shift * fit.radius) / sample.grid.spacing[n], 0.2 * fit.radius / sample.grid.spacing[n]
            low, high = max(0, math.ceil(middle - half)), min(sample.grid.shape[n], math.floor(middle + half) + 1)
            spans.append((low, high))
        if all(high - low >= 3 * step for (low, high), step in zip(spans, sample.step)):
            found.append((position, spans[0], spans[1]))
    return found
