"""Drift from slice to slice: histograms of slices, their levels, and how slices differ from their neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import beside, kernel, namespace, to_host
from voxelrock.kernels.classes import BINS, DARK, Span, count_binned, levels, lower_limit, middles, refuse_nan, span_of
from voxelrock.kernels.tallies import Tallies, join_tallies
from voxelrock.kernels.unmixing import Groupwise, guessed_air, unmixed
from voxelrock.typing import Block, HostArray, Triple

_TURNS = 4
"""So often the levels of slices are found, each time with classes that the last levels shift."""
_LEAST = 0.02
"""Slices with less than so much of the median number of voxels have no level of their own."""


def slices_first(block: Block, mask: tuple[Block, ...], axis: int) -> tuple[HostArray, HostArray]:
    """A block and its mask (or one voxel) on the host, the slices' axis first."""
    order = (axis, *(a for a in range(3) if a != axis))
    return to_host(block).transpose(order), to_host(mask[0]).transpose(order) if mask else np.ones((1, 1, 1), bool)


def slice_tallies(first: int, found: HostArray) -> list[Tallies]:
    """A table of slices, the first of which has a number in the image."""
    return [Tallies(VoxelBox((first, 0, 0), (first + len(found), 1, 1)), found.reshape(len(found), 1, 1, -1))]


@kernel(cost=2.0, workspace=1.0, host_only="it adds to a table of slices")
def slice_counts(block: Block, /, *mask: Block, limits: Any, axis: int, start: Triple, shape: Triple) -> tuple[Span, list[Tallies]]:
    """The span of 1024 bins about the limits, and for each slice its histogram. It runs on the host: a device's block is copied. Memory: 8 kB a slice.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    refuse_nan(to_host(block), *(to_host(m) for m in mask))
    values, chosen = slices_first(block, mask, axis)
    found, span = np.zeros((len(values), BINS), np.int64), span_of(limits)
    group = np.zeros(values.shape[1:], np.int64)
    for i, plane in enumerate(values):
        count_binned(plane, chosen[i if mask else 0], bool(mask), group, span, found[i : i + 1])
    return span, slice_tallies(start[axis], found)


def join_slices(partials: list[tuple[Any, list[Tallies]]]) -> tuple[Any, list[Tallies]]:
    """The tables of several blocks."""
    return partials[0][0], join_tallies([p[1] for p in partials])


def slice_maps(found: tuple[Span, list[Tallies]], *, model: str, air: float | None, solid: Span | None) -> HostArray:
    """For each slice what its values are multiplied by and what is added then, so that its levels become the whole's.

    The levels of phases are the same in all slices, but for a drift that is found with them and with each slice's shares; where the solid is given, the level
    of a class is its median in the slice, and which voxels belong to it is decided after the last map.

    Raises
    ------
    DataError
        Fewer than two different values, or no slice has voxels of both classes.
    """
    span, tallies = found
    table, values = tallies[0].counts[:, 0, 0, :], middles(span)
    known = levels(table.sum(axis=0), values)
    base = float(known[DARK]) if air is None else air
    if solid is None:
        return _unmixed_maps(table, span, (air, base), model)
    low, high = solid
    gain, shift = np.ones((len(table), 1)), np.zeros((len(table), 1))
    for _ in range(_TURNS):
        mapped = values * gain + shift
        bright = _medians(np.where((mapped >= low) & (mapped <= high), table, 0), span)
        dark = _medians(np.where(mapped < low, table, 0), span) if model == "linear" else np.full_like(bright, base)
        level = float(np.median(bright))
        ground = float(np.median(dark)) if model == "linear" else base
        if model == "offset":
            shift = (level - bright)[:, None]
            continue
        if not (bright > dark).all():
            raise DataError("the solid of a slice is not brighter than air: give air= and solid=")
        gain = ((level - ground) / (bright - dark))[:, None]
        shift = level - gain * bright[:, None]
    return np.concatenate([gain, shift], axis=1)


def _unmixed_maps(table: HostArray, span: Span, air: tuple[float | None, float], model: str) -> HostArray:
    """The maps of slices by the drift that all phases have in common; those of slices with few voxels lie between their neighbours'.

    Air is what is given, and the dark class.
    """
    width, voxels, values = span[1] - span[0], table.sum(axis=1), middles(span)
    good = np.flatnonzero(voxels >= max(1.0, _LEAST * float(np.median(voxels[voxels > 0]))))
    counts, (base, dark) = table[good], air
    if base is None:
        base = guessed_air(counts, values, Groupwise("offset"), lower_limit(span), dark) if model == "gain" else dark
    found = unmixed(counts, (values - base) / width, Groupwise(model))
    if not (found.gains > 0).all():
        raise DataError("the solid of a slice is not brighter than air: give air= and solid=")
    gain, offset = 1 / found.gains, found.offsets * width
    maps = np.stack([gain, base - gain * (base + offset)], axis=1)
    return np.stack([np.interp(np.arange(len(table)), good, column) for column in maps.T], axis=1)


def _medians(table: HostArray, span: Span) -> HostArray:
    """The median of each row of histograms, linear within a bin; rows with few voxels take those of their neighbours.

    Raises
    ------
    DataError
        No row has any.
    """
    total = table.sum(axis=1)
    if not total.any():
        raise DataError("no slice has voxels of both classes: give solid=, or other voxels with where=")
    good = np.flatnonzero(total >= max(1.0, _LEAST * float(np.median(total[total > 0]))))
    below = np.cumsum(table, axis=1)
    found = np.zeros(len(good))
    for n, row in enumerate(good):
        place = int(np.searchsorted(below[row], total[row] / 2))
        inside = total[row] / 2 - (below[row, place] - table[row, place])
        found[n] = place + inside / table[row, place]
    return np.interp(np.arange(len(table)), good, span[0] + (span[1] - span[0]) * found / BINS)


@kernel(cost=1.0, workspace=2.0)
def mapped_slices(block: Block, /, *, maps: Any, axis: int, nodata: float | None, dtype: str, start: Triple, **_: Any) -> Block:
    """The values of each slice times its factor plus its shift, in a floating type; no-data voxels stay as they are. Memory: a block of floats."""
    xp, place = namespace(block), beside(block)
    rows = np.asarray(maps)[start[axis] : start[axis] + block.shape[axis]].astype(dtype)
    lay = tuple(-1 if a == axis else 1 for a in range(3))
    gain, shift = (xp.reshape(xp.asarray(np.ascontiguousarray(rows[:, i]), **place), lay) for i in range(2))
    values = xp.astype(block, getattr(xp, dtype))
    result = values * gain + shift
    if nodata is None or math.isnan(nodata):
        return result
    return xp.where(block == nodata, values, result)
