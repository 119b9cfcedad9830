"""Exact order statistics by radix refinement: the values' bits, sixteen at a time.

Floats and integers of 32 and 64 bits map to unsigned integers of the same order. Each pass counts the next sixteen bits of the values that
share the bits found so far; two passes give the exact order statistic of 32-bit values, four that of 64-bit ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.typing import Block, HostArray

BITS = 16


def ordered_keys(values: HostArray) -> HostArray:
    """Unsigned integers of the values' width, in the values' order (-0.0 counts as 0.0)."""
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    top = unsigned.type(1) << unsigned.type(8 * unsigned.itemsize - 1)
    if values.dtype.kind == "u":
        return values
    if values.dtype.kind == "i":
        return values.view(unsigned) ^ top
    bits = (values + values.dtype.type(0)).view(unsigned)
    return np.where(bits & top, ~bits, bits | top)


def from_key(key: int, dtype: np.dtype[Any]) -> float:
    """The value of a key."""
    unsigned = np.dtype(f"u{dtype.itemsize}")
    top = 1 << (8 * dtype.itemsize - 1)
    if dtype.kind == "u":
        return int(key)
    if dtype.kind == "i":
        return int(key) - top
    bits = key ^ top if key & top else ~key & (2 * top - 1)
    return float(np.array(bits, unsigned).view(dtype))


@jit
def _count_keys(keys: HostArray, prefixes: HostArray, shift: int, table: HostArray) -> None:
    for i in range(keys.size):
        key = np.uint64(keys[i])
        high = key >> np.uint64(shift + 16) if shift < 48 else np.uint64(0)
        place = np.int64((key >> np.uint64(shift)) & np.uint64(0xFFFF))
        for n in range(prefixes.size):
            if high == prefixes[n]:
                table[n, place] += 1


@kernel(cost=5.0, workspace=3.0, host_only="it sorts values and counts equal ones")
def key_counts(block: Block, /, *mask: Block, shift: int, prefixes: Any = None) -> HostArray:
    """For each prefix, how often each value of the sixteen bits above ``shift`` occurs among the keys that start with it.

    ``prefixes`` is None in the first pass, when there is one empty prefix. It runs on the host: a device's block is copied.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    values = to_host(block)[to_host(mask[0])] if mask else to_host(block).reshape(-1)
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise DataError("NaN among the voxels to be ranked: declare it with image.assign(nodata=float('nan')), or leave it out with where=")
    known = np.zeros(1, np.uint64) if prefixes is None else np.asarray(prefixes[:, 0], np.uint64)
    unique, inverse = np.unique(known, return_inverse=True)
    table = np.zeros((unique.size, 2**BITS), np.int64)
    _count_keys(np.ascontiguousarray(ordered_keys(np.ascontiguousarray(values))), unique, shift, table)
    return table[inverse] if prefixes is not None else table
