"""Exact quantiles of 32- and 64-bit values: one reading for each sixteen bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.kernels.backend import kernel
from voxelrock.kernels.orderstatistics import BITS, from_key, key_counts
from voxelrock.typing import Block, HostArray


@kernel(cost=5.0, workspace=3.0, host_only="it sorts values and counts equal ones")
def refine(block: Block, /, *mask: Block, shift: int, state: Any = None) -> list[Any]:
    """The state of the last pass, and this pass's counts."""
    return [state, key_counts(block, *mask, shift=shift, prefixes=state)]


def join(partials: list[list[Any]]) -> list[Any]:
    """Counts of several blocks."""
    table = partials[0][1]
    for _, more in partials[1:]:
        table = table + more
    return [partials[0][0], table]


def descend(partial: list[Any], *, fractions: tuple[float, ...]) -> HostArray:
    """For each rank that is wanted, the bits found so far and the rank among the values that share them (uint64 pairs).

    Raises
    ------
    DataError
        Nothing was counted.
    """
    state, table = partial
    if state is None:
        total = int(table.sum())
        if not total:
            raise DataError("no voxel was counted: where= and nodata leave nothing")
        below = [math.floor(f * (total - 1)) for f in fractions]
        ranks = [r for b in below for r in (b, min(b + 1, total - 1))]
        state, table = np.array([[0, r] for r in ranks], np.uint64), np.repeat(table, len(ranks), axis=0)
        totals = [total] * len(ranks)
    else:
        totals = [int(t) for t in state[:, 2]]
    rows = []
    for (prefix, rank), counts, total in zip(state[:, :2].tolist(), table, totals):
        cumulative = np.cumsum(counts)
        place = int(np.searchsorted(cumulative, rank, side="right"))
        before = int(cumulative[place - 1]) if place else 0
        rows.append([(prefix << BITS) | place, rank - before, total])
    return np.array(rows, np.uint64)


def interpolate(partial: list[Any], *, fractions: tuple[float, ...], dtype: str) -> HostArray:
    """The quantiles, after the last pass."""
    state = descend(partial, fractions=fractions)
    values = [from_key(int(key), np.dtype(dtype)) for key in state[:, 0]]
    total = int(state[0, 2])
    found = []
    for n, fraction in enumerate(fractions):
        position = fraction * (total - 1)
        low, high = values[2 * n], values[2 * n + 1]
        part = position - math.floor(position)
        found.append(low if part == 0 or low == high else low + (high - low) * part)
    return np.array(found, float)


def refined(image: VoxelImage, masks: tuple[Any, ...], fractions: HostArray) -> Any:
    """Lazy exact quantiles (float64)."""
    facts: dict[str, Any] = {"fractions": tuple(fractions.tolist())}
    last = Reduction(refine, join, interpolate)
    step = Reduction(refine, join, descend)
    state = None
    for shift in range(8 * image.dtype.itemsize - BITS, 0, -BITS):
        state = step(image.data, *masks, shift=shift, state=state, shape=(2 * fractions.size, 3), dtype="u8", finish=facts)
    return last(image.data, *masks, shift=0, state=state, shape=(fractions.size,), dtype="f8", finish=facts | {"dtype": image.dtype.str})
