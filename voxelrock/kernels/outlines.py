"""The outline of a plug in a few slices: rays from the inside, the place where the rock ends on each, how pure the surroundings are.

Legend: slices are (k, a, b), float32, 0 where nothing but air or padding is and 1 where rock is, in between where noise, pores or blur
are; ``pitch`` are the distances between samples along (a, b); centres and radii are in the pitch's unit, counted from the first
sample. Host only.
"""

from __future__ import annotations

import numpy as np

from voxelrock.typing import HostArray

RAYS = 256
"""Rays around a centre; ray 0 points along b, ray RAYS / 4 along a."""

MIDDLE = 0.5
"""Between air (0) and rock (1)."""


def box_mean(slices: HostArray, size: int) -> HostArray:
    """Mean of ``size`` × ``size`` samples around each (``size`` is odd), fewer at the borders; NaN counts as nothing."""
    half = size // 2
    good = np.isfinite(slices)
    total, count = np.where(good, slices, 0.0).astype("f4"), good.astype("f4")
    for axis in (1, 2):
        total, count = _window(total, half, axis), _window(count, half, axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1.0), np.nan), "f4")


def _window(values: HostArray, half: int, axis: int) -> HostArray:
    total = values.copy()
    for shift in range(1, half + 1):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -shift), slice(shift, None)
        total[tuple(low)] += values[tuple(high)]
        total[tuple(high)] += values[tuple(low)]
    return total


def block_means(slices: HostArray, size: int) -> HostArray:
    """Mean of whole blocks of ``size`` × ``size`` samples; of those that are not NaN, where they are more than half."""
    k, a, b = slices.shape
    m, n = a // size, b // size
    blocks = slices[:, : m * size, : n * size].reshape(k, m, size, n, size).transpose(0, 1, 3, 2, 4).reshape(k, m, n, -1)
    good = np.isfinite(blocks)
    count = good.sum(axis=-1)
    total = np.where(good, blocks, 0.0).sum(axis=-1, dtype="f8")
    return np.where(count * 2 > size * size, total / np.maximum(count, 1), np.nan)


def ray_profiles(plane: HostArray, center: tuple[float, float], pitch: tuple[float, float]) -> tuple[HostArray, float]:
    """Values along rays from a centre (linear between samples; NaN outside the slice), as (ray, distance), and the step between distances."""
    step = min(pitch)
    height, width = ((n - 1) * h for n, h in zip(plane.shape, pitch))
    farthest = np.hypot(max(center[0], height - center[0]), max(center[1], width - center[1]))
    distance = np.arange(int(farthest / step) + 2) * step
    angle = 2.0 * np.pi * np.arange(RAYS)[:, None] / RAYS
    a, b = (center[0] + distance * np.sin(angle)) / pitch[0], (center[1] + distance * np.cos(angle)) / pitch[1]
    inside = (a >= 0) & (b >= 0) & (a <= plane.shape[0] - 1) & (b <= plane.shape[1] - 1)
    i = np.clip(a.astype(int), 0, max(plane.shape[0] - 2, 0))
    j = np.clip(b.astype(int), 0, max(plane.shape[1] - 2, 0))
    u, v = (a - i).astype("f4"), (b - j).astype("f4")
    below, right = np.minimum(i + 1, plane.shape[0] - 1), np.minimum(j + 1, plane.shape[1] - 1)
    value = (plane[i, j] * (1 - v) + plane[i, right] * v) * (1 - u) + (plane[below, j] * (1 - v) + plane[below, right] * v) * u
    return np.where(inside, value, np.float32(np.nan)), step


def ray_edges(profiles: HostArray, step: float, *, outermost: bool) -> HostArray:
    """The distance at which rock ends on each ray; NaN where it goes on to the end of the ray, or never begins.

    ``outermost``: the last place above the middle, for surroundings that are exactly 0. Else the best step from mostly rock to mostly not:
    it maximises the sum of (value - middle) up to it, so that noise outside, pores and thin walls around a plug count for what they are.
    """
    inside = np.isfinite(profiles)
    above = np.where(inside, np.clip(profiles, 0.0, 1.0) - MIDDLE, -1.0)
    length = inside.sum(axis=1)
    if outermost:
        rock = above > 0
        last = np.where(rock.any(axis=1), profiles.shape[1] - 1 - np.argmax(rock[:, ::-1], axis=1), -1)
    else:
        gain = np.cumsum(above, axis=1)
        last = np.where(gain.max(axis=1) > 0, np.argmax(gain, axis=1), -1)
    rows = np.arange(len(profiles))
    at = np.clip(last, 0, profiles.shape[1] - 2)
    here, there = above[rows, at], above[rows, at + 1]
    part = np.clip(here / np.maximum(here - there, 1e-6), 0.0, 1.0)
    return np.where((last < 0) | (last >= length - 2), np.nan, (at + part) * step)


def ray_ends(shape: tuple[int, int], center: tuple[float, float], pitch: tuple[float, float]) -> HostArray:
    """The distance at which each ray leaves the slice."""
    angle = 2.0 * np.pi * np.arange(RAYS) / RAYS
    reach = np.full(RAYS, np.inf)
    for c, n, h, u in zip(center, shape, pitch, (np.sin(angle), np.cos(angle))):
        with np.errstate(divide="ignore"):
            to = np.where(u > 1e-9, ((n - 1) * h - c) / u, np.where(u < -1e-9, -c / u, np.inf))
        reach = np.minimum(reach, to)
    return reach


def ray_points(reach: HostArray, center: tuple[float, float]) -> HostArray:
    """The points (a, b) at a distance on each ray; NaN where that is NaN."""
    angle = 2.0 * np.pi * np.arange(RAYS) / RAYS
    return np.stack([center[0] + reach * np.sin(angle), center[1] + reach * np.cos(angle)], axis=1)


def distances(shape: tuple[int, int], center: tuple[float, float], pitch: tuple[float, float]) -> HostArray:
    """Distance of each sample of a slice from a centre."""
    a = np.arange(shape[0])[:, None] * pitch[0] - center[0]
    b = np.arange(shape[1])[None, :] * pitch[1] - center[1]
    return np.hypot(a, b)


ALL_BUT = 0.2
"""Share of the edges around a ray that must reach as far out as the rim there."""


def running_rim(edges: HostArray, *, width: int) -> HostArray:
    """For each ray, how far out a fifth of the edges reach in ``width`` rays around it in all slices (rows).

    Pores at the surface take away many edges, but not four in five; a missing side takes all. Infinite where a fifth have none.
    """
    wide = np.where(np.isfinite(edges), edges, np.inf)
    half = width // 2
    around = np.concatenate([np.roll(wide, shift, axis=1) for shift in range(-half, half + 1)], axis=0)
    return np.asarray(np.sort(around, axis=0)[int((1.0 - ALL_BUT) * (len(around) - 1))])
