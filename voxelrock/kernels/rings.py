"""Rings about an axis of rotation: sums in rings and sectors of every slice, what of them is artefact, and its removal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage as ndi

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import beside, jit, kernel, namespace, to_host
from voxelrock.kernels.classes import fixed_point, refuse_nan
from voxelrock.kernels.tallies import Tallies, join_tallies
from voxelrock.typing import Block, HostArray, Triple

SECTORS = 8
"""A ring's mean is compared between so many sectors: what is no ring differs between them."""
_FEW = 4
"""A sector of fewer voxels says nothing."""
_DOUBT = 2.0
"""A mean whose square is not more than so many squared standard errors is noise."""
_GROUP = 64
"""So many slices are looked at together, so that memory does not grow with their number."""


@dataclass(frozen=True)
class Polar:
    """Rings of width ``pitch`` about a centre in the slices across ``axis``.

    ``center`` and ``spacing`` belong to the other two axes, in the grid's unit, the centre relative to the first voxel; ``angles`` are the first
    angle and the range of those under which the image is seen from the centre.
    """

    axis: int
    center: tuple[float, float]
    spacing: tuple[float, float]
    pitch: float
    rings: int
    angles: tuple[float, float] = (-math.pi, 2 * math.pi)

    @property
    def across(self) -> tuple[int, int]:
        """The other two axes."""
        a, b = (n for n in range(3) if n != self.axis)
        return a, b

    @classmethod
    def of(cls, shape: Triple, spacing: tuple[float, ...], axis: int, center: tuple[float, float]) -> Polar:
        """As many rings, each as wide as the smaller edge of a pixel, as the slices need."""
        a, b = (n for n in range(3) if n != axis)
        corners = [(i * (shape[a] - 1) * spacing[a] - center[0], j * (shape[b] - 1) * spacing[b] - center[1]) for i in (0, 1) for j in (0, 1)]
        pitch = min(spacing[a], spacing[b])
        rings = int(max(math.hypot(*c) for c in corners) / pitch) + 2
        angles = -math.pi, 2 * math.pi
        if not (corners[0][0] <= 0 <= corners[3][0] and corners[0][1] <= 0 <= corners[3][1]):
            middle = math.atan2(sum(c[0] for c in corners), sum(c[1] for c in corners))
            off = [math.remainder(math.atan2(*c) - middle, 2 * math.pi) for c in corners]
            if max(off) - min(off) > 1e-9:  # all pixels under one angle lie in one sector: nothing is to be divided by their range
                angles = math.remainder(middle + min(off), 2 * math.pi), max(off) - min(off)
        return cls(axis, center, (spacing[a], spacing[b]), pitch, rings, angles)


def _offsets(xp: Any, start: Triple, shape: Triple, polar: Polar, place: dict[str, Any]) -> tuple[Block, Block]:
    """Distances from the centre along the two axes, float64, as a column and a row."""
    a, b = (
        xp.astype(xp.arange(start[n], start[n] + shape[n], dtype=xp.int64, **place), xp.float64) * h - c
        for n, h, c in zip(polar.across, polar.spacing, polar.center)
    )
    return a[:, None], b[None, :]


def _numbers(xp: Any, a: Block, b: Block, polar: Polar) -> Block:
    return xp.astype(xp.floor(xp.sqrt(a * a + b * b) / polar.pitch), xp.int64)


@kernel(cost=3.0, workspace=1.5, host_only="it adds to a table of rings and sectors")
def ring_sums(block: Block, /, *mask: Block, limits: Any, polar: Polar, start: Triple, shape: Triple, offsets: Any = None) -> tuple[float, list[Tallies]]:
    """The scale of fixed point, and for each slice, ring and sector the number of values within ``limits`` and their sum, less ``offsets``
    (slice, ring) where they are given. It runs on the host: a device's block is copied.

    Memory: 128 bytes for each ring of each of the block's slices.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    order = (polar.axis, *polar.across)
    values = to_host(block).transpose(order)
    chosen = to_host(mask[0]).transpose(order) if mask else np.ones((1, 1, 1), bool)
    refuse_nan(to_host(block), *(to_host(m) for m in mask))
    a, b = _offsets(np, start, shape, polar, {})
    turn = np.mod(np.arctan2(a, b) - polar.angles[0], 2 * math.pi) / polar.angles[1]
    sector = np.minimum((turn * SECTORS).astype(np.int64), SECTORS - 1)
    low, high = float(limits[0]), float(limits[1])
    found = np.zeros((len(values), polar.rings * SECTORS, 2), np.int64)
    first = start[polar.axis]
    scale = fixed_point(values.dtype if offsets is None else np.float64, limits)
    rows = np.zeros((len(values), polar.rings)) if offsets is None else np.asarray(offsets)[first : first + len(values)]
    _add(values, chosen, bool(mask), _numbers(np, a, b, polar) * SECTORS + sector, np.ascontiguousarray(rows), (low, high, scale), found)
    return scale, [Tallies(VoxelBox((first, 0, 0), (first + len(values), 1, 1)), found.reshape(len(values), 1, 1, -1))]


def join_ring_sums(partials: list[tuple[float, list[Tallies]]]) -> tuple[float, list[Tallies]]:
    """The sums of several blocks."""
    return partials[0][0], join_tallies([p[1] for p in partials])


@jit
def _add(values: HostArray, chosen: HostArray, masked: bool, place: HostArray, offsets: HostArray, facts: tuple[float, float, float], found: HostArray) -> None:
    low, high, scale = facts
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            for k in range(values.shape[2]):
                if masked and not chosen[i, j, k]:
                    continue
                value = np.float64(values[i, j, k]) - offsets[i, place[j, k] // SECTORS]
                if value >= low and value <= high:
                    cell = found[i, place[j, k]]
                    cell[0] += 1
                    cell[1] += np.int64(np.rint(value * scale))


def ring_offsets(found: HostArray, *, reach: int, depth: int) -> HostArray:
    """How much each ring of each slice is too bright, from counts and sums (slice, ring, sector, 2).

    A sector's mean less the running median over ``reach`` rings on both sides is its deviation; a ring's is the mean over its sectors, lowered by as much
    as they disagree: to 1 - 2 (standard error / mean)², but not below 0. Counts and sums of ``depth`` slices on both sides are added before.
    """
    slices = len(found)
    offsets = np.zeros(found.shape[:2])
    for first in range(0, slices, _GROUP):
        last = min(first + _GROUP, slices)
        low = max(0, first - depth)
        total = np.concatenate([np.zeros_like(found[:1]), np.cumsum(found[low : last + depth], axis=0)])
        number = np.arange(first, last)
        sums = total[np.minimum(number + depth + 1, slices) - low] - total[np.maximum(number - depth, 0) - low]
        offsets[first:last] = _deviations(sums, reach)
    return offsets


def _deviations(sums: HostArray, reach: int) -> HostArray:
    counts = sums[..., 0].transpose(0, 2, 1)
    known = counts >= _FEW
    means = np.where(known, sums[..., 1].transpose(0, 2, 1) / np.maximum(counts, 1), 0.0)
    rings = np.arange(means.shape[-1])
    for index in np.ndindex(means.shape[:2]):
        row, flag = means[index], known[index]
        if flag.any():
            row[~flag] = np.interp(rings[~flag], rings[flag], row[flag])
    smooth = ndi.median_filter(means, (1, 1, 2 * reach + 1), mode="nearest")
    off = np.where(known, means - smooth, 0.0)
    number = known.sum(axis=1)
    mean = off.sum(axis=1) / np.maximum(number, 1)
    spread = np.where(known, off - mean[:, None], 0.0)
    error = _DOUBT * (spread * spread).sum(axis=1) / np.maximum(number * (number - 1), 1)
    square = mean * mean
    sure = (number >= SECTORS // 2) & (square > error)
    return np.where(sure, mean * (1 - error / np.where(sure, square, 1.0)), 0.0)


@kernel(cost=1.5, workspace=2.0)
def without_rings(block: Block, /, *, offsets: Any, rest: Any, polar: Polar, nodata: float | None, dtype: str, start: Triple, **_: Any) -> Block:
    """The block less both offsets of each voxel's slice and ring, in a floating type; no-data voxels stay as they are. Memory: a block of floats beside it."""
    xp, place = namespace(block), beside(block)
    kind = getattr(xp, dtype)
    a, b = _offsets(xp, start, block.shape, polar, place)
    numbers = xp.reshape(_numbers(xp, a, b, polar), (-1,))
    part, n = slice(start[polar.axis], start[polar.axis] + block.shape[polar.axis]), block.shape[polar.axis]
    rows = xp.asarray((np.asarray(offsets)[part] + np.asarray(rest)[part]).astype(dtype), **place)
    lay = xp.reshape(xp.take(rows, numbers, axis=1), (n, *(block.shape[i] for i in polar.across)))
    order = (polar.axis, *polar.across)
    values = xp.astype(block, kind)
    result = values - xp.permute_dims(lay, tuple(order.index(i) for i in range(3)))
    if nodata is None or math.isnan(nodata):
        return result
    return xp.where(block == nodata, values, result)


def ring_strength(values: HostArray, known: HostArray, center: HostArray, steps: tuple[HostArray, float]) -> float:
    """The mean square by which rings about a centre differ from their neighbours, weighted by their pixels; steps are those of pixels and of rings."""
    a, b = (np.arange(n) * h - c for n, h, c in zip(values.shape, steps[0], center))
    number = np.floor(np.sqrt(a[:, None] ** 2 + b[None, :] ** 2) / steps[1]).astype(np.int64)[known]
    counts = np.bincount(number)
    means = np.bincount(number, weights=values[known]) / np.maximum(counts, 1)
    full = counts > 0
    off = means[full] - ndi.median_filter(means[full], 21, mode="nearest") if full.any() else np.zeros(0)
    return float((off * off * counts[full]).sum() / max(1, counts.sum()))
