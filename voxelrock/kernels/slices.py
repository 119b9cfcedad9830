"""Slices that are unlike their neighbours, and slices made from their neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.ndimage as ndi

from voxelrock.kernels.backend import beside, jit, kernel, namespace, to_host
from voxelrock.kernels.classes import finite_ends, refuse_nan
from voxelrock.kernels.drift import slice_tallies, slices_first
from voxelrock.kernels.tallies import Tallies
from voxelrock.typing import Block, HostArray, Triple

STEPS = 2**18
"""Floats and integers of 32 bits are rounded to so many steps between their extremes."""
_NEAR = 5
"""Slices are compared with the median of so many."""
_FLOOR = 0.002
"""Deviations of less than so much of the usual standard deviation of a slice are none."""

Scale = tuple[float, float]


def following(*, axis: int, **_: Any) -> tuple[Triple, Triple]:
    """The slice after a block."""
    a, b, c = (int(n == axis) for n in range(3))
    return (0, 0, 0), (a, b, c)


@kernel(cost=2.0, workspace=1.0, host_only="it adds to a table of slices")
def slice_facts(block: Block, /, *mask: Block, limits: Any, axis: int, start: Triple, shape: Triple, core: Any) -> tuple[Scale, list[Tallies]]:
    """Offset and factor of the integers that values become, and for each slice: their number, sum and sum of squares, the number of pairs with the next
    slice and the sum of their absolute differences. It runs on the host: a device's block is copied.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    refuse_nan(to_host(block), *(to_host(m) for m in mask))
    values, chosen = slices_first(block, mask, axis)
    scale = (0.0, 1.0)
    if limits is not None:
        low, high = finite_ends(limits)
        scale = low, (STEPS / (high - low) if high > low else 1.0)
    found = np.zeros((shape[axis], 5), np.int64)
    for i in range(shape[axis]):
        after = min(i + 1, len(values) - 1)
        _add(values[i], values[after], chosen[i if mask else 0], chosen[after if mask else 0], (bool(mask), after > i), scale, found[i])
    return scale, slice_tallies(start[axis], found)


@jit
def _add(
    values: HostArray, after: HostArray, chosen: HostArray, later: HostArray, flags: tuple[bool, bool], scale: tuple[float, float], found: HostArray
) -> None:
    masked, paired = flags
    low, factor = scale
    for j in range(values.shape[0]):
        for k in range(values.shape[1]):
            if masked and not chosen[j, k]:
                continue
            value = np.int64(np.rint((np.float64(values[j, k]) - low) * factor))
            found[0] += 1
            found[1] += value
            found[2] += value * value
            if paired and (not masked or later[j, k]):
                found[3] += 1
                found[4] += abs(np.int64(np.rint((np.float64(after[j, k]) - low) * factor)) - value)


def judged_slices(found: tuple[Scale, list[Tallies]], *, threshold: float) -> HostArray:
    """For each slice its mean, its standard deviation, the lesser of the mean absolute differences from its neighbours, and 1 where one of them stands out."""
    (low, factor), tallies = found
    table = tallies[0].counts[:, 0, 0, :]
    count = table[:, 0].astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second, step = table[:, 1] / count, table[:, 2] / count, table[:, 4] / table[:, 3]
    spread = np.sqrt(np.maximum(second - first * first, 0)) / factor
    pairs = np.concatenate([[np.nan], step[:-1] / factor, [np.nan]])
    nearest = np.fmin(pairs[:-1], pairs[1:])
    means = low + first / factor
    least = _FLOOR * float(np.median(spread[count > 0])) if (count > 0).any() else 0.0
    out = _outlying(means, threshold, least, both=True) | _outlying(spread, threshold, least, both=True) | _outlying(nearest, threshold, least, both=False)
    return np.stack([means, spread, nearest, out.astype(float)], axis=1)


def _outlying(series: HostArray, threshold: float, least: float, *, both: bool) -> HostArray:
    good = np.isfinite(series)
    if not good.any():
        return good
    filled = np.interp(np.arange(series.size), np.flatnonzero(good), series[good])
    off = filled - ndi.median_filter(filled, _NEAR, mode="mirror")
    steps = np.abs(np.diff(filled))  # what changes smoothly has hardly a deviation, but may change faster here than there
    scale = max(1.4826 * float(np.median(np.abs(off[good]))), 1.4826 * float(np.median(steps)) if steps.size else 0.0, least)
    return np.asarray(good & ((np.abs(off) if both else off) > threshold * scale))


def neighbour_halo(*, plan: tuple[Triple, ...], axis: int, **_: Any) -> Triple:
    """How far good slices lie from those that are made."""
    reach = max((max(n - low, high - n) if low != high else abs(n - low) for n, low, high in plan), default=0)
    a, b, c = (reach if n == axis else 0 for n in range(3))
    return a, b, c


@kernel(cost=1.5, workspace=4.0)
def interpolated(block: Block, /, *, plan: tuple[Triple, ...], axis: int, nodata: float | None, start: Triple, shape: Triple, xp: Any) -> Block:
    """The block with some slices made from two others, linearly: ``plan`` names each with the good ones before and after it (twice the same at an end).

    Where one of the two holds no data, the other's value stands. Integers are rounded, half to even. Memory: two blocks of float64.
    """
    xp, place = namespace(block), beside(block)
    reach, first, n = neighbour_halo(plan=plan, axis=axis)[axis], start[axis], shape[axis]
    here = [(m - first, low - first, high - first) for m, low, high in plan if first <= m < first + n]
    core = block[tuple(slice(reach, reach + n) if a == axis else slice(None) for a in range(3))]
    if not here:
        return core
    lows, highs, weights = np.arange(n), np.arange(n), np.zeros(n)
    for m, low, high in here:
        lows[m], highs[m], weights[m] = low, high, (m - low) / (high - low) if high > low else 0.0
    lay = tuple(-1 if a == axis else 1 for a in range(3))
    weight = xp.reshape(xp.asarray(weights, **place), lay)
    before, after = (xp.take(block, xp.asarray(part + reach, **place), axis=axis) for part in (lows, highs))
    a, b = xp.astype(before, xp.float64), xp.astype(after, xp.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # slices that stay may hold infinities: there b - a is NaN, and not used
        mixed = a + (b - a) * weight
    if xp.isdtype(block.dtype, "integral"):
        mixed = xp.round(mixed)
    result = xp.where(weight == 0, before, xp.astype(mixed, block.dtype))
    if nodata is None:
        return result
    missing, absent = ((xp.isnan(part) if math.isnan(nodata) else part == nodata) for part in (before, after))
    return xp.where(missing, after, xp.where(absent, before, result))
