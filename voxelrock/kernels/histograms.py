"""Counting values: exact histograms, extremes, members of sets.

Kernels take a block and, optionally, a mask of the same shape (True = counted), and give host arrays of int64 that are added over blocks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import beside, jit, kernel, namespace, to_host
from voxelrock.typing import Block, HostArray


def value_range(dtype: np.dtype[Any]) -> tuple[int, int] | None:
    """The least value and the number of values of booleans and integers of up to 16 bits; None for all else."""
    if dtype.kind == "b":
        return 0, 2
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return int(np.iinfo(dtype).min), 2 ** (8 * dtype.itemsize)
    return None


def _flat(block: Block, mask: tuple[Block, ...]) -> Block:
    """The counted values in one row."""
    xp = namespace(block)
    values = xp.reshape(block, (-1,))
    return values[xp.reshape(mask[0], (-1,))] if mask else values


def _counted(places: Block, size: int) -> HostArray:
    """How often each of 0 … size - 1 occurs; other places are ignored."""
    xp = namespace(places)
    ordered = xp.sort(places)
    edges = xp.searchsorted(ordered, xp.arange(size + 1, dtype=ordered.dtype, **beside(places)))
    counts = edges[1:] - edges[:-1]
    found = xp.nonzero(counts)[0]  # only what occurs leaves the device
    table = np.zeros(size, np.int64)
    table[_host_integers(found)] = _host_integers(xp.take(counts, found, axis=0))
    return table


def _host_integers(values: Block) -> HostArray:
    if isinstance(values, np.ndarray):
        return values.astype(np.int64)
    if hasattr(values, "get"):
        return to_host(values).astype(np.int64)
    return np.array([int(values[i]) for i in range(values.shape[0])], np.int64)


@kernel(cost=1.5, workspace=4.0)
def value_counts(block: Block, /, *mask: Block, low: int, size: int) -> HostArray:
    """How often each of ``size`` consecutive integers from ``low`` occurs, as int64.

    For booleans and integers of up to 16 bits. Memory on the host: the table.
    """
    xp = namespace(block)
    values = _flat(xp.astype(block, xp.uint8) if xp.isdtype(block.dtype, "bool") else block, mask)
    return _counted(xp.astype(values, xp.int64) - low, size)


@value_counts.device
def _value_counts_device(block: Block, /, *mask: Block, low: int, size: int) -> HostArray:
    xp = namespace(block)
    places = _flat(block, mask).astype(xp.int32) - low
    return to_host(xp.bincount(places, minlength=size)[:size]).astype(np.int64)


_CACHED = 4096
"""Values of which four tables stay in a core's nearest cache."""


@jit
def _count_small(rows: HostArray, low: int, a: HostArray, b: HostArray, c: HostArray, d: HostArray) -> None:
    # several tables, so that equal neighbours do not wait for each other's update; unsigned places, which are never taken for those from the end
    first = np.uint64(low)
    for r in range(rows.shape[0]):
        row = rows[r]
        full = row.size // 4 * 4
        for i in range(0, full, 4):
            a[np.uint64(row[i]) - first] += 1
            b[np.uint64(row[i + 1]) - first] += 1
            c[np.uint64(row[i + 2]) - first] += 1
            d[np.uint64(row[i + 3]) - first] += 1
        for i in range(full, row.size):
            a[np.uint64(row[i]) - first] += 1


@jit
def _count_masked(rows: HostArray, masks: HostArray, low: int, a: HostArray, b: HostArray, c: HostArray, d: HostArray) -> None:
    first = np.uint64(low)
    for r in range(rows.shape[0]):
        row, mask = rows[r], masks[r]
        full = row.size // 4 * 4
        for i in range(0, full, 4):
            a[np.uint64(row[i]) - first] += mask[i]
            b[np.uint64(row[i + 1]) - first] += mask[i + 1]
            c[np.uint64(row[i + 2]) - first] += mask[i + 2]
            d[np.uint64(row[i + 3]) - first] += mask[i + 3]
        for i in range(full, row.size):
            a[np.uint64(row[i]) - first] += mask[i]


@value_counts.host
def _value_counts_host(block: HostArray, /, *mask: HostArray, low: int, size: int) -> HostArray:
    table = empty_table(size, block.size)
    count_into(table, block, *mask, low=low)
    return table.sum(axis=0, dtype=np.int64)


def empty_table(size: int, most: int) -> HostArray:
    """A table for :func:`count_into`: the counts of ``size`` values are the sums over its rows. No value occurs more often than ``most``."""
    return np.zeros((4 if size <= _CACHED else 2, size), np.uint32 if most < 2**32 else np.int64)


def count_into(table: HostArray, block: HostArray, /, *mask: HostArray, low: int) -> None:
    """Add the counts of a block's values, the least of which may be ``low``, to a table."""
    rows, tables = _rows(block.view(np.uint8) if block.dtype == bool else block), [table[i % len(table)] for i in range(4)]
    if mask:
        _count_masked(rows, _rows(mask[0]).view(np.uint8), low, *tables)
    else:
        _count_small(rows, low, *tables)


def _occurring(numbers: HostArray, block: HostArray, mask: tuple[HostArray, ...]) -> tuple[HostArray, HostArray]:
    """The counted values, and how often each occurs."""
    values, numbers = block.reshape(-1), numbers.reshape(-1)
    if block.dtype == bool:
        values = values.view(np.uint8)
    return (values[mask[0].reshape(-1)], numbers[mask[0].reshape(-1)]) if mask else (values, numbers)


@value_counts.weighted
def _value_counts_weighted(numbers: HostArray, block: HostArray, /, *mask: HostArray, low: int, size: int) -> HostArray:
    values, often = _occurring(numbers, block, mask)
    table = np.zeros(size, np.int64)
    np.add.at(table, values.astype(np.int64) - low, often)
    return table


def _rows(block: HostArray) -> HostArray:
    """The block as rows along x; a copy only where its memory is no plain (z, y) stack of rows."""
    return np.ascontiguousarray(block).reshape(math.prod(block.shape[:-1]), block.shape[-1])


@kernel(cost=6.0, workspace=8.0)
def binned_counts(block: Block, /, *mask: Block, edges: Any) -> HostArray:
    """How many values lie in each bin ``edges[i] <= v < edges[i + 1]``, the last one with its right edge; others are ignored.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    xp = namespace(block)
    values = xp.astype(_flat(block, mask), xp.float64)
    if bool(xp.any(xp.isnan(values))):
        raise DataError("NaN among the voxels to be counted: declare it with image.assign(nodata=float('nan')), or leave it out with where=")
    limits = xp.asarray(np.asarray(edges, float).tolist(), dtype=xp.float64, **beside(block))
    places = xp.searchsorted(limits, values, side="right") - 1
    last = len(edges) - 2
    places = xp.where(values == limits[-1], xp.full_like(places, last), places)
    return _counted(places, last + 1)


@jit
def _count_bins(rows: HostArray, masks: HostArray, masked: bool, edges: HostArray, table: HostArray) -> int:
    bins = table.size
    low, high = edges[0], edges[bins]
    scale = bins / (high - low) if high > low else 0.0
    if not np.isfinite(scale):
        scale = 0.0
    bad = 0
    for r in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            if masked and not masks[r, i]:
                continue
            v = np.float64(rows[r, i])
            if v != v:
                bad += 1
            if not (v >= low and v <= high):
                continue
            n = max(0, min(int((v - low) * scale), bins - 1))  # a guess, exact for even bins up to rounding
            while v < edges[n]:
                n -= 1
            while n < bins - 1 and v >= edges[n + 1]:
                n += 1
            table[n] += 1
    return bad


@binned_counts.host
def _binned_counts_host(block: HostArray, /, *mask: HostArray, edges: Any) -> HostArray:
    limits = np.asarray(edges, float)
    table = np.zeros(limits.size - 1, np.int64)
    rows = _rows(block.view(np.uint8) if block.dtype == bool else block)
    masks = _rows(mask[0]) if mask else np.zeros((1, 1), bool)
    if _count_bins(rows, masks, bool(mask), limits, table):
        raise DataError("NaN among the voxels to be counted: declare it with image.assign(nodata=float('nan')), or leave it out with where=")
    return table


@kernel(cost=1.0, workspace=2.0)
def set_counts(block: Block, /, *mask: Block, sets: tuple[tuple[int, ...], ...]) -> HostArray:
    """The number of counted voxels, then for each set of values the number of those that have one of them (int64)."""
    xp = namespace(block)
    if xp.isdtype(block.dtype, "bool"):
        block = xp.astype(block, xp.uint8)
    values = _flat(block, mask)
    found = [values.shape[0]]
    for members in sets:
        inside = xp.zeros(values.shape, dtype=xp.bool, **beside(values))
        for member in members:
            inside = inside | (values == member)
        found.append(int(xp.sum(xp.astype(inside, xp.int64))))
    return np.array(found, np.int64)


@set_counts.host
def _set_counts_host(block: HostArray, /, *mask: HostArray, sets: tuple[tuple[int, ...], ...]) -> HostArray:
    if block.dtype == bool and tuple(sets) == ((1,),):
        chosen = block & mask[0] if mask else block
        total = np.count_nonzero(mask[0]) if mask else block.size
        return np.array([total, np.count_nonzero(chosen)], np.int64)
    if block.dtype.itemsize > 2 or block.dtype.kind == "f":
        return set_counts.reference(block, *mask, sets=sets)
    low = int(np.iinfo(block.dtype).min) if block.dtype.kind == "i" else 0
    size = 2 if block.dtype == bool else 2 ** (8 * block.dtype.itemsize)
    table = _value_counts_host(block, *mask, low=low, size=size)
    inside = [sum(int(table[m - low]) for m in members if 0 <= m - low < size) for members in sets]
    return np.array([table.sum(), *inside], np.int64)


@set_counts.weighted
def _set_counts_weighted(numbers: HostArray, block: HostArray, /, *mask: HostArray, sets: tuple[tuple[int, ...], ...]) -> HostArray:
    values, often = _occurring(numbers, block, mask)
    return np.array([often.sum(), *(often[np.isin(values, members)].sum() for members in sets)], np.int64)


@kernel(cost=0.6, workspace=1.0)
def extremes(block: Block, /, *mask: Block) -> list[Any]:
    """Count, minimum, maximum of the counted values and how many are NaN; the extremes are None where nothing is counted."""
    xp = namespace(block)
    if xp.isdtype(block.dtype, "bool"):
        block = xp.astype(block, xp.uint8)
    values = _flat(block, mask)
    bad = 0
    if xp.isdtype(values.dtype, "real floating"):
        nan = xp.isnan(values)
        bad = int(xp.sum(xp.astype(nan, xp.int64)))
        values = values[~nan] if bad else values
    convert = float if xp.isdtype(block.dtype, "real floating") else int
    count = int(values.shape[0])
    return [count, convert(xp.min(values)), convert(xp.max(values)), bad] if count else [0, None, None, bad]


@extremes.weighted
def _extremes_weighted(numbers: HostArray, block: HostArray, /, *mask: HostArray) -> list[Any]:
    values, often = _occurring(numbers, block, mask)
    real = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    bad, count = int(often[~real].sum()), int(often[real].sum())
    return [count, values[real].min().item(), values[real].max().item(), bad] if count else [0, None, None, bad]
