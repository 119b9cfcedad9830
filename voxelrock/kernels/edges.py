"""Which grey values the walls of the dark phase have: counts of smoothed greys, slopes, and the darkest and brightest greys around each voxel."""

from __future__ import annotations

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.rows import fixed
from voxelrock.kernels.thresholds import otsu
from voxelrock.typing import Block, HostArray

FINE, COARSE = 1024, 256
"""Bins of greys and slopes, and of extremes."""
_WEIGHT = 65535
_NONE = "no voxel lies on an edge: the image is constant where it counts, or a few voxels stretch its range; leave those out with where=, or give a threshold"


@kernel(cost=8.0, workspace=1.0, host_only="it adds to a table whose rows the data name")
def slope_counts(grey: Block, slope: Block, brightest: Block, /, *mask: Block, limits: HostArray, slopes: HostArray) -> list[HostArray]:
    """How many counted voxels have each grey (:data:`FINE` bins between ``limits``), and each pair of brightest neighbour and slope
    (:data:`COARSE`, :data:`FINE`). It runs on the host: a device's block is copied."""
    a, b, c = (_plain(block) for block in (grey, slope, brightest))
    greys, table = np.zeros(FINE, np.int64), np.zeros((COARSE, FINE), np.int64)
    _count(a, b, c, _mask(mask), bool(mask), _scale(limits), _scale(slopes), greys, table)
    return [greys, table]


@kernel(cost=8.0, workspace=1.0, host_only="it adds to a table whose rows the data name")
def edge_greys(
    grey: Block, slope: Block, darkest: Block, brightest: Block, /, *mask: Block, limits: HostArray, slopes: HostArray, cut: HostArray
) -> list[HostArray]:
    """Of counted voxels at least as steep as ``cut[1]`` whose brightest neighbour is below ``cut[0]``: how many have each darkest neighbour
    (:data:`COARSE`), and their slopes (in parts of the steepest) added by darkest neighbour and grey (:data:`COARSE`, :data:`FINE`). It runs on the host."""
    a, b, c, d = (_plain(block) for block in (grey, slope, darkest, brightest))
    found, weights = np.zeros(COARSE, np.int64), np.zeros((COARSE, FINE), np.int64)
    _add(a, b, c, d, _mask(mask), bool(mask), _scale(limits), _scale(slopes), np.asarray(cut, np.float64), found, weights)
    return [found, weights]


def cut_of(greys: HostArray, table: HostArray, *, brightest: float, steepest: float) -> HostArray:
    """In bins: the grey that a share ``brightest`` of the voxels does not reach, and the slope that a share ``steepest`` of the others exceeds."""
    cap = int(np.searchsorted(greys.cumsum(), brightest * greys.sum())) + 1
    slopes = table[: -(-cap * COARSE // FINE)].sum(axis=0)
    theta = int(np.searchsorted(slopes.cumsum(), (1 - steepest) * slopes.sum()))
    return np.array([cap, theta], float)


def middle_of(found: HostArray, weights: HostArray) -> float:
    """Where between the limits (0 to 1) the steep voxels beside dark ones lie on average; which are dark, says Otsu's threshold.

    Raises
    ------
    DataError
        There are no steep voxels.
    """
    if not found.any():
        raise DataError(_NONE)
    dark = int(otsu(found, np.arange(COARSE))) + 1 if np.count_nonzero(found) > 1 else COARSE
    share = weights[:dark].sum(axis=0)
    total = int(share.sum())
    if not total:
        raise DataError(_NONE)
    return int(share @ (2 * np.arange(FINE) + 1)) / (2 * FINE * total)


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
def _add(
    grey: HostArray, slope: HostArray, darkest: HostArray, brightest: HostArray, keep: HostArray, masked: bool, scale: HostArray, slopes: HostArray,
    cut: HostArray, found: HostArray, weights: HostArray,
) -> None:  # fmt: skip
    fine = weights.shape[1]
    for z in range(grey.shape[0]):
        for y in range(grey.shape[1]):
            for x in range(grey.shape[2]):
                if masked and not keep[z, y, x]:
                    continue
                if _bin(brightest[z, y, x], scale, fine) >= cut[0] or _bin(slope[z, y, x], slopes, fine) < cut[1]:
                    continue
                dark = _bin(darkest[z, y, x], scale, found.size)
                found[dark] += 1
                weights[dark, _bin(grey[z, y, x], scale, fine)] += int((slope[z, y, x] - slopes[0]) * slopes[1] * _WEIGHT)
