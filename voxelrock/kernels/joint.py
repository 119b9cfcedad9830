"""Counts of pairs of values: how often two images have values in two bins at the same voxel."""

from __future__ import annotations

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.rows import fixed
from voxelrock.typing import Block, HostArray


@kernel(cost=6.0, workspace=1.0, host_only="it adds to a table whose rows the data name")
def joint_counts(first: Block, second: Block, /, *mask: Block, edges: tuple[float, ...], other_edges: tuple[float, ...]) -> HostArray:
    """How many counted voxels have their values in each pair of bins (int64); a bin has its left edge, the last one both. It runs on the host: a
    device's block is copied.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    one, two = (_plain(to_host(b)) for b in (first, second))
    keep = _plain(to_host(mask[0]) if mask else np.ones((1, 1, 1), bool))
    a, b = np.array(edges), np.array(other_edges)
    table = np.zeros((a.size - 1, b.size - 1), np.int64)
    if _count(one, two, keep, bool(mask), a, b, table):
        raise DataError("NaN among the voxels to be counted: declare it with image.assign(nodata=float('nan')), or leave it out with where=")
    return table


def _plain(block: HostArray) -> HostArray:
    """Rows of numbers, in as few types as hold them exactly, so that little is compiled."""
    rows = block.reshape(block.shape[0] * block.shape[1], block.shape[2])
    if rows.dtype == bool or rows.dtype == np.uint8:
        return fixed(rows)
    return fixed(np.asarray(rows, np.float64 if rows.dtype.itemsize > 2 or rows.dtype.kind == "f" else np.int32))


@jit
def _place(value: float, edges: HostArray, scale: float) -> int:
    """The bin of a value; -1 outside all."""
    bins = edges.size - 1
    if not (value >= edges[0] and value <= edges[bins]):
        return -1
    place = max(0, min(int((value - edges[0]) * scale), bins - 1))  # a guess, exact for even bins up to rounding
    while value < edges[place]:
        place -= 1
    while place < bins - 1 and value >= edges[place + 1]:
        place += 1
    return place


@jit
def _count(one: HostArray, two: HostArray, keep: HostArray, masked: bool, edges: HostArray, other: HostArray, table: HostArray) -> int:
    scale, other_scale = (edges.size - 1) / (edges[-1] - edges[0]), (other.size - 1) / (other[-1] - other[0])
    bad = 0
    for r in range(one.shape[0]):
        for x in range(one.shape[1]):
            if masked and not keep[r, x]:
                continue
            u, v = np.float64(one[r, x]), np.float64(two[r, x])
            if u != u or v != v:
                bad += 1
                continue
            i, j = _place(u, edges, scale), _place(v, other, other_scale)
            if i >= 0 and j >= 0:
                table[i, j] += 1
    return bad
