"""The most frequent label around each voxel."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.kernels.backend import jit, kernel, namespace
from voxelrock.kernels.ranks import median_halo, window_offsets
from voxelrock.kernels.rows import fixed, inner_shape
from voxelrock.typing import Block, HostArray, Triple

_FEW = 64
"""Different labels in a block up to which all are counted, for each voxel anew; more are sorted in each window."""
_SPAN = 2**16


@kernel(cost=30.0, workspace=1.0)
def majority(block: Block, /, *mask: Block, radius: Triple, footprint: str) -> Block:
    """The most frequent label in a cube or ball: of equally frequent ones the voxel's own, else the smallest.

    Parameters
    ----------
    block
        (z, y, x) with a halo of the radius; booleans or integers.
    mask
        As large as the block, True where voxels vote; others keep their label.
    radius, footprint
        As of :func:`voxelrock.kernels.ranks.median`.

    Returns
    -------
    Block
        (z, y, x) without the halo, in the block's dtype.

    Notes
    -----
    Memory: the host body holds a copy of the block in one or two bytes a voxel; the reference five blocks.
    """
    halo = median_halo(radius=radius)
    shape = inner_shape(block, halo)
    xp = namespace(block)
    windows = [tuple(slice(h + d, h + d + n) for h, d, n in zip(halo, offset, shape)) for offset in window_offsets(halo, footprint)]
    own = block[tuple(slice(h, h + n) for h, n in zip(halo, shape))]
    votes = mask[0] if mask else xp.ones_like(block, dtype=xp.bool)
    numbers = xp.astype(block, xp.uint8) if xp.isdtype(block.dtype, "bool") else block
    start = numbers[tuple(slice(h, h + n) for h, n in zip(halo, shape))]
    best, most = start, _votes(xp, numbers, votes, windows, start)
    for window in windows:
        label = numbers[window]
        count = _votes(xp, numbers, votes, windows, label)
        better = (count > most) | ((count == most) & (best != start) & (label < best))
        better = better & votes[window]
        best, most = xp.where(better, label, best), xp.where(better, count, most)
    found = xp.astype(best, block.dtype)
    return xp.where(votes[tuple(slice(h, h + n) for h, n in zip(halo, shape))], found, own)


def _votes(xp: Any, numbers: Block, votes: Block, windows: list[Any], label: Block) -> Block:
    total = xp.zeros_like(label, dtype=xp.int32)
    for window in windows:
        total = total + xp.astype((numbers[window] == label) & votes[window], xp.int32)
    return total


@majority.host
def _majority_host(block: HostArray, /, *mask: HostArray, radius: Triple, footprint: str) -> HostArray:
    halo = median_halo(radius=radius)
    out = np.empty(inner_shape(block, halo), np.uint8 if block.dtype == bool else block.dtype)
    offsets = np.array(window_offsets(halo, footprint))
    values = fixed(block)
    votes = fixed(mask[0]) if mask else np.zeros((1, 1, 1), np.uint8)
    low, high = int(values.min()), int(values.max())
    labels = np.empty(0, values.dtype)
    if high - low < _SPAN:
        present = np.zeros(high - low + 1, np.int64)
        _mark(values, low, present)
        labels = (np.flatnonzero(present) + low).astype(values.dtype)
    if 0 < labels.size <= _FEW:
        present[labels.astype(np.int64) - low] = np.arange(labels.size)
        codes = np.empty(values.shape, np.uint8)
        _encode(values, votes, bool(mask), low, present, labels.size, codes)
        runs = np.array([(z, y, offsets[(offsets[:, 0] == z) & (offsets[:, 1] == y), 2].max()) for z, y in sorted({(o[0], o[1]) for o in offsets.tolist()})])
        _slide(codes, values, runs, np.array(halo), labels, out)
    else:
        _sort(values, votes, bool(mask), offsets, np.array(halo), out)
    return out.view(block.dtype)


@jit
def _mark(values: HostArray, low: int, present: HostArray) -> None:
    for z in range(values.shape[0]):
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                present[np.int64(values[z, y, x]) - low] = 1


@jit
def _encode(values: HostArray, votes: HostArray, masked: bool, low: int, places: HostArray, none: int, codes: HostArray) -> None:
    """The place of each label among those of the block; ``none`` where a voxel does not vote."""
    for z in range(values.shape[0]):
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                codes[z, y, x] = none if masked and not votes[z, y, x] else places[np.int64(values[z, y, x]) - low]


@jit
def _slide(codes: HostArray, values: HostArray, runs: HostArray, halo: HostArray, labels: HostArray, out: HostArray) -> None:
    """Counts of all labels, moved along x: what a run loses on its left and gains on its right."""
    counts = np.zeros(labels.size + 1, np.int32)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            counts[:] = 0
            for r in range(runs.shape[0]):
                row = codes[z + halo[0] + runs[r, 0], y + halo[1] + runs[r, 1]]
                for x in range(halo[2] - runs[r, 2], halo[2] + runs[r, 2] + 1):
                    counts[row[x]] += 1
            for x in range(out.shape[2]):
                if x:
                    for r in range(runs.shape[0]):
                        row = codes[z + halo[0] + runs[r, 0], y + halo[1] + runs[r, 1]]
                        counts[row[x - 1 + halo[2] - runs[r, 2]]] -= 1
                        counts[row[x + halo[2] + runs[r, 2]]] += 1
                own = codes[z + halo[0], y + halo[1], x + halo[2]]
                if own == labels.size:
                    out[z, y, x] = values[z + halo[0], y + halo[1], x + halo[2]]
                    continue
                best = own
                for k in range(labels.size):
                    if counts[k] > counts[best]:
                        best = k
                out[z, y, x] = labels[best]


@jit
def _sort(values: HostArray, votes: HostArray, masked: bool, offsets: HostArray, halo: HostArray, out: HostArray) -> None:
    """Windows with many labels: sorted, unless the voxel's own label has more than half of the votes."""
    seen = np.empty(offsets.shape[0], values.dtype)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                a, b, c = z + halo[0], y + halo[1], x + halo[2]
                own = values[a, b, c]
                out[z, y, x] = own
                if masked and not votes[a, b, c]:
                    continue
                number, most = 0, 0
                for i in range(offsets.shape[0]):
                    d, e, f = a + offsets[i, 0], b + offsets[i, 1], c + offsets[i, 2]
                    if masked and not votes[d, e, f]:
                        continue
                    seen[number] = values[d, e, f]
                    most += seen[number] == own
                    number += 1
                if 2 * most >= number:
                    continue
                ordered = np.sort(seen[:number])
                run = 0
                for i in range(number):
                    run = run + 1 if i and ordered[i] == ordered[i - 1] else 1
                    if run > most:
                        most = run
                        out[z, y, x] = ordered[i]
