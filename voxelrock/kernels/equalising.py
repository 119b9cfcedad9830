"""Grey values moved and stretched by what was found in the whole image, or in tiles of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import beside, jit, kernel, namespace, to_host
from voxelrock.typing import Block, HostArray, Triple


@kernel(cost=2.0, exact=True, workspace=16.0)
def stretched(block: Block, /, *keep: Block, ends: Any, to: tuple[float, float], clip: bool) -> Block:
    """Move the two ``ends`` to the two values ``to``, and all between them in proportion; NaN outside ``keep``.

    Computed in float64, rounded once: float64 for float64, else float32.

    Raises
    ------
    DataError
        The ends are equal, or not finite.
    """
    low, high = (float(v) for v in to_host(ends))
    if not (math.isfinite(low) and math.isfinite(high) and low != high):
        raise DataError(f"the values to be stretched lie between two different, finite ends; got {low} and {high}")
    xp = namespace(block)
    share = (xp.astype(block, xp.float64) - low) / (high - low)
    if clip:
        share = xp.where(share < 0.0, xp.zeros_like(share), xp.where(share > 1.0, xp.ones_like(share), share))
    return _finished(share * (to[1] - to[0]) + to[0], block, keep)


@kernel(cost=2.0, exact=True, workspace=16.0)
def standardised(block: Block, /, *keep: Block, mean: Any, deviation: Any) -> Block:
    """Take the mean away and divide by the deviation; NaN outside ``keep``. Computed in float64, rounded once: float64 for float64, else float32.

    Raises
    ------
    DataError
        The deviation is 0, or one of the two is not finite.
    """
    middle, width = float(to_host(mean)), float(to_host(deviation))
    if not (math.isfinite(middle) and math.isfinite(width) and width > 0):
        raise DataError(f"the mean and the standard deviation are finite, and the second is not 0; got {middle} and {width}")
    xp = namespace(block)
    return _finished((xp.astype(block, xp.float64) - middle) / width, block, keep)


def _finished(values: Block, block: Block, keep: tuple[Block, ...]) -> Block:
    xp = namespace(block)
    if keep:
        values = xp.where(keep[0], values, xp.asarray(math.nan, dtype=xp.float64, **beside(block)))
    return xp.astype(values, xp.float64 if block.dtype == xp.float64 else xp.float32)


def _levels(ends: Any, bins: int) -> tuple[float, float]:
    """The lowest value, and how many bins there are to a grey value."""
    low, high = (float(v) for v in to_host(ends))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(f"the values lie between {low} and {high}: leave infinite ones out with where=, or give limits=")
    return low, bins / (high - low) if high > low else 0.0


@kernel(cost=5.0, workspace=2.0, host_only="it adds to a table whose rows the data name")
def tile_counts(block: Block, /, *keep: Block, start: Triple, shape: Triple, image: Triple, tiles: Triple, ends: Any, bins: int) -> HostArray:
    """How many voxels of each tile fall into each bin, (tiles, bins) in int64. It runs on the host: a device's block is copied."""
    table = np.zeros((math.prod(tiles), bins), np.int64)
    values = np.ascontiguousarray(to_host(block))
    mask = np.ascontiguousarray(to_host(keep[0])) if keep else np.ones((0, 0, 0), bool)
    places = tuple(np.arange(a, a + n) * t // m for a, n, t, m in zip(start, shape, tiles, image))
    _count(values.view(np.uint8) if values.dtype == bool else values, mask, (places[0], places[1], places[2]), tiles, _levels(ends, bins), table)
    return table


@jit
def _count(
    values: HostArray, mask: HostArray, places: tuple[HostArray, HostArray, HostArray], tiles: Triple, levels: tuple[float, float], table: HostArray
) -> None:
    low, scale = levels
    bins = table.shape[1]
    for z in range(values.shape[0]):
        for y in range(values.shape[1]):
            first = (places[0][z] * tiles[1] + places[1][y]) * tiles[2]
            for x in range(values.shape[2]):
                if mask.size == 0 or mask[z, y, x]:
                    level = (np.float64(values[z, y, x]) - low) * scale
                    k = np.int64(min(max(level, 0.0), bins - 1.0)) if level == level else 0
                    table[first + places[2][x], k] += level == level


def tile_curves(table: HostArray, *, clip: float) -> HostArray:
    """What the edges of bins become in each tile (tiles, bins + 1): the cumulative histogram, no bin of which counts for more than ``clip``.

    What is cut off is shared among all bins. NaN for tiles without voxels.
    """
    counts = table.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = table / counts
    least = np.minimum(share, max(clip, 1.0 / table.shape[1]))
    share = least + (1.0 - least.sum(axis=1, keepdims=True)) / table.shape[1]
    return np.concatenate([np.zeros_like(share[:, :1]), np.cumsum(share, axis=1)], axis=1)


@kernel(cost=30.0, workspace=4.0, host_only="it looks up tables whose rows the data name")
def equalised(block: Block, /, *keep: Block, start: Triple, shape: Triple, xp: Any, tiles: tuple[Triple, Triple], ends: Any, curves: Any) -> Block:
    """What each value becomes by the curves of the eight nearest tiles, weighted by nearness; tiles without voxels have no weight. NaN outside ``keep``.

    ``tiles``: the shape of the image and the number of tiles. float64 for float64, else float32. It runs on the host: a device's block is copied.
    """
    values = np.ascontiguousarray(to_host(block))
    table = to_host(curves)
    out = np.empty(values.shape, np.float64 if values.dtype == np.float64 else np.float32)
    near, weight = zip(*(_nearest(a, n, m, t) for a, n, m, t in zip(start, shape, *tiles)))
    values = values.view(np.uint8) if values.dtype == bool else values
    _look_up(values, (near[0], near[1], near[2]), (weight[0], weight[1], weight[2]), tiles[1], _levels(ends, table.shape[1] - 1), table, out)
    if keep:
        out[~to_host(keep[0])] = math.nan
    return out if xp is np else xp.asarray(out)


def _nearest(start: int, count: int, length: int, tiles: int) -> tuple[HostArray, HostArray]:
    """The tile whose centre lies before each voxel along an axis, and how near the next one is (0 to 1); at the ends there is only one."""
    place = (np.arange(start, start + count) + 0.5) * tiles / length - 0.5
    place = np.clip(place, 0.0, tiles - 1.0)
    before = np.minimum(place.astype(np.int64), max(tiles - 2, 0))
    return before, place - before


@jit
def _look_up(
    values: HostArray,
    near: tuple[HostArray, HostArray, HostArray],
    weight: tuple[HostArray, HostArray, HostArray],
    tiles: Triple,
    levels: tuple[float, float],
    table: HostArray,
    out: HostArray,
) -> None:
    low, scale = levels
    bins = table.shape[1] - 1
    for z in range(values.shape[0]):
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                there = (np.float64(values[z, y, x]) - low) * scale
                if there != there:
                    out[z, y, x] = np.nan
                    continue
                level = float(min(max(there, 0.0), bins * 1.0))
                k = min(np.int64(level), bins - 1)
                part, total, weights = level - k, 0.0, 0.0
                for corner in range(8):
                    a, b, c = corner >> 2, corner >> 1 & 1, corner & 1
                    w = (weight[0][z] if a else 1.0 - weight[0][z]) * (weight[1][y] if b else 1.0 - weight[1][y]) * (weight[2][x] if c else 1.0 - weight[2][x])
                    if w > 0.0:
                        row = table[((near[0][z] + a) * tiles[1] + near[1][y] + b) * tiles[2] + near[2][x] + c]
                        found = row[k] + (row[k + 1] - row[k]) * part
                        if found == found:
                            total += w * found
                            weights += w
                out[z, y, x] = total / weights if weights > 0.0 else np.nan
