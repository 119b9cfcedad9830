"""Which grey values the walls of the dark phase have: counts of smoothed greys, slopes, and the darkest and brightest greys around each voxel."""

from __future__ import annotations

import math

import numpy as np

from voxelrock.errors import DataError
from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.rows import fixed
from voxelrock.kernels.thresholds import otsu
from voxelrock.typing import Block, HostArray

FINE, COARSE = 1024, 256
"""Bins of greys and slopes, and of extremes."""
_NONE = "no voxel lies on an edge: the image is constant where it counts, or a few voxels stretch its range; leave those out with where=, or give a threshold"


@kernel(cost=8.0, workspace=1.0, host_only="it adds to a table whose rows the data name")
def slope_counts(grey: Block, slope: Block, brightest: Block, /, *mask: Block, limits: HostArray, slopes: HostArray) -> list[HostArray]:
    """How many counted voxels have each grey (:data:`FINE` bins between ``limits``), and each pair of brightest neighbour and slope
    (:data:`COARSE`, :data:`FINE`). It runs on the host: a device's block is copied."""
    a, b, c = (_plain(block) for block in (grey, slope, brightest))
    greys, table = np.zeros(FINE, np.int64), np.zeros((COARSE, FINE), np.int64)
    _count(a, b, c, _mask(mask), bool(mask), _scale(limits), _scale(slopes), greys, table)
    return [greys, table]


@kernel(cost=10.0, workspace=1.0, host_only="it adds to a table whose rows the data name")
def edge_greys(*fields: Block, limits: HostArray, slopes: HostArray, cut: HostArray, core: VoxelBox) -> list[HostArray]:
    """``fields`` are greys, slopes, darkest and brightest greys around, and perhaps a mask. Of counted voxels at least as steep as ``cut[1]`` whose
    brightest neighbour is below ``cut[0]``: how many have each darkest neighbour (:data:`COARSE`); and, of those that are steeper than what lies a voxel up
    and down the slope, how many have each darkest neighbour and each grey (:data:`COARSE`, :data:`FINE`) where a parabola through the three slopes is
    highest. It runs on the host."""
    a, b, c, d = (_plain(block) for block in fields[:4])
    mask = fields[4:]
    found, greys = np.zeros(COARSE, np.int64), np.zeros((COARSE, FINE), np.int64)
    inner = np.array([core.start, core.stop])
    _add(a, b, c, d, _mask(mask), bool(mask), inner, _scale(limits), _scale(slopes), np.asarray(cut, np.float64), found, greys)
    return [found, greys]


def cut_of(greys: HostArray, table: HostArray, *, brightest: float, steepest: float) -> HostArray:
    """In bins: the grey that a share ``brightest`` of the voxels does not reach, and the slope that a share ``steepest`` of the others exceeds."""
    cap = int(np.searchsorted(greys.cumsum(), brightest * greys.sum())) + 1
    slopes = table[: -(-cap * COARSE // FINE)].sum(axis=0)
    theta = int(np.searchsorted(slopes.cumsum(), (1 - steepest) * slopes.sum()))
    return np.array([cap, theta], float)


def middle_of(found: HostArray, greys: HostArray) -> float:
    """Where between the limits (0 to 1) the median of the middles of walls beside dark voxels lies; which are dark, says Otsu's threshold.

    Raises
    ------
    DataError
        There are no walls.
    """
    if not found.any():
        raise DataError(_NONE)
    dark = int(otsu(found, np.arange(COARSE))) + 1 if np.count_nonzero(found) > 1 else COARSE
    counts = greys[:dark].sum(axis=0)
    below = np.concatenate([[0], counts.cumsum()])
    if not below[-1]:
        raise DataError(_NONE)
    half = below[-1] / 2
    place = int(np.searchsorted(below, half)) - 1
    return float(place + (half - below[place]) / counts[place]) / FINE


def _plain(block: Block) -> HostArray:
    return fixed(np.asarray(to_host(block), np.float32))


def _mask(mask: tuple[Block, ...]) -> HostArray:
    return fixed(to_host(mask[0])) if mask else fixed(np.ones((1, 1, 1), bool))


def _scale(limits: HostArray) -> HostArray:
    """What is subtracted, and what the rest is multiplied with, to come to 0 … 1."""
    low, high = float(limits[0]), float(limits[1])
    return np.array([low, 1 / (high - low) if high > low else 0.0])


@jit
def _bin(value: float, scale: HostArray, bins: int) -> int:
    return max(0, min(int((value - scale[0]) * scale[1] * bins), bins - 1))


@jit
def _count(
    grey: HostArray, slope: HostArray, brightest: HostArray, keep: HostArray, masked: bool, scale: HostArray, slopes: HostArray, greys: HostArray,
    table: HostArray,
) -> None:  # fmt: skip
    for z in range(grey.shape[0]):
        for y in range(grey.shape[1]):
            for x in range(grey.shape[2]):
                if masked and not keep[z, y, x]:
                    continue
                greys[_bin(grey[z, y, x], scale, greys.size)] += 1
                table[_bin(brightest[z, y, x], scale, table.shape[0]), _bin(slope[z, y, x], slopes, table.shape[1])] += 1


@jit
def _at(field: HostArray, z: int, y: int, x: int, c: float, b: float, a: float) -> float:
    """The field at a place up to a voxel from (z, y, x), linear between its neighbours; beyond the image as at its end."""
    k, j, i = math.floor(c), math.floor(b), math.floor(a)
    total = 0.0
    for dz in range(2):
        for dy in range(2):
            for dx in range(2):
                share = abs(1 - dz - (c - k)) * abs(1 - dy - (b - j)) * abs(1 - dx - (a - i))
                if share > 0:
                    total += share * field[_inner(z + k + dz, field.shape[0]), _inner(y + j + dy, field.shape[1]), _inner(x + i + dx, field.shape[2])]
    return total


@jit
def _inner(place: int, length: int) -> int:
    return max(0, min(place, length - 1))


@jit
def _middle(grey: HostArray, slope: HostArray, z: int, y: int, x: int) -> float:
    """The grey in the middle of the wall if it lies in this voxel, else NaN."""
    nz, ny, nx = grey.shape
    c = np.float64(grey[min(z + 1, nz - 1), y, x]) - grey[max(z - 1, 0), y, x]
    b = np.float64(grey[z, min(y + 1, ny - 1), x]) - grey[z, max(y - 1, 0), x]
    a = np.float64(grey[z, y, min(x + 1, nx - 1)]) - grey[z, y, max(x - 1, 0)]
    length = math.sqrt(c * c + b * b + a * a)
    if length == 0:
        return math.nan
    here, there = np.float64(slope[z, y, x]), np.float64(grey[z, y, x])
    c, b, a = c / length, b / length, a / length
    up, down = _at(slope, z, y, x, c, b, a), _at(slope, z, y, x, -c, -b, -a)
    if up > here or down > here:
        return math.nan
    bend = 2 * here - up - down
    shift = max(-0.5, min((up - down) / (2 * bend), 0.5)) if bend > 0 else 0.0
    side = 1.0 if shift > 0 else -1.0
    return there + abs(shift) * (_at(grey, z, y, x, side * c, side * b, side * a) - there)


@jit
def _add(
    grey: HostArray, slope: HostArray, darkest: HostArray, brightest: HostArray, keep: HostArray, masked: bool, inner: HostArray, scale: HostArray,
    slopes: HostArray, cut: HostArray, found: HostArray, greys: HostArray,
) -> None:  # fmt: skip
    fine = greys.shape[1]
    for z in range(inner[0, 0], inner[1, 0]):
        for y in range(inner[0, 1], inner[1, 1]):
            for x in range(inner[0, 2], inner[1, 2]):
                if masked and not keep[z, y, x]:
                    continue
                if _bin(brightest[z, y, x], scale, fine) >= cut[0] or _bin(slope[z, y, x], slopes, fine) < cut[1]:
                    continue
                dark = _bin(darkest[z, y, x], scale, found.size)
                found[dark] += 1
                middle = _middle(grey, slope, z, y, x)
                if not math.isnan(middle):
                    greys[dark, _bin(middle, scale, fine)] += 1
