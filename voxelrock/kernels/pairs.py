"""How often two images of labels have each pair of labels at the same voxel."""

from __future__ import annotations

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.rows import fixed
from voxelrock.typing import Block, HostArray

_SPAN = 2**20


@kernel(cost=3.0, workspace=4.0, host_only="it adds to a table whose rows the data name")
def label_pairs(first: Block, second: Block, /, *mask: Block, labels: tuple[int, ...]) -> HostArray:
    """Counted voxels with each pair of labels (rows: the first image's), as int64. It runs on the host: a device's block is copied.

    Raises
    ------
    DataError
        A counted voxel has a label that is not listed.
    """
    table = np.zeros((len(labels) + 1, len(labels) + 1), np.int64)
    rows, columns = (_codes(to_host(block), labels) for block in (first, second))
    keep = fixed(to_host(mask[0])).reshape(-1) if mask else np.zeros(1, np.uint8)
    _count(rows, columns, keep, bool(mask), table)
    if table[-1].any() or table[:, -1].any():
        wrong = int(table[-1].sum() + table[:-1, -1].sum())
        raise DataError(f"{wrong} voxels have another label than {', '.join(map(str, labels))}: name it with labels=, or leave them out with where=")
    return table[:-1, :-1]


def _codes(block: HostArray, labels: tuple[int, ...]) -> HostArray:
    """The place of each voxel's label in an ascending list, in one row; their number where it is none of them."""
    known = np.array(labels, np.int64)
    values = fixed(block).reshape(-1)
    codes = np.empty(values.size, np.int32)
    low, high = int(known[0]), int(known[-1])
    if high - low >= _SPAN:
        places = np.searchsorted(known, values.astype(np.int64))
        codes[:] = np.where(known[np.minimum(places, known.size - 1)] == values, places, known.size)
        return codes
    table = np.full(high - low + 1, known.size, np.int32)
    table[known - low] = np.arange(known.size)
    _look_up(values, low, table, known.size, codes)
    return codes


@jit
def _look_up(values: HostArray, low: int, table: HostArray, none: int, codes: HostArray) -> None:
    for i in range(values.size):
        place = np.int64(values[i]) - low
        codes[i] = table[place] if 0 <= place < table.size else none


@jit
def _count(first: HostArray, second: HostArray, keep: HostArray, masked: bool, table: HostArray) -> None:
    for i in range(first.size):
        if not masked or keep[i]:
            table[first[i], second[i]] += 1
