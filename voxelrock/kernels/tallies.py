"""Tables of counts on one lattice of cells for the whole image: voxels, phase, surface, Euler number. Everything about windows comes from them.

Cells are aligned to the image's first voxel. What of a 2×2×2 configuration counts, counts for the cell that holds its first voxel. All columns are
integers, so that any window of cells is their sum, whatever the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.configurations import EULER, LINES, empty_row, row_codes
from voxelrock.kernels.rows import fixed
from voxelrock.typing import Block, HostArray, Triple

BULK, PHASE, CORNERS = 0, 1, 2
"""Columns: voxels that exist, voxels of the phase, 2×2×2 configurations of which all voxels exist."""
AREA = slice(3, 3 + LINES.shape[1])
"""Columns: changes along the thirteen directions, in quarters."""
EULER_6, EULER_26 = AREA.stop, AREA.stop + 1
"""Columns: eighths of the Euler numbers."""
COLUMNS = EULER_26 + 1
_ALL, _FIRST = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x0101010101010101)
_WEIGHTS = np.column_stack([LINES, EULER[6], EULER[26]]).astype("i8")


@dataclass(frozen=True, eq=False)
class Tallies:
    """A box of cells and their counts (int64, cells along z, y and x, columns)."""

    box: VoxelBox
    counts: HostArray


def cells_of(box: VoxelBox, edge: Triple) -> VoxelBox:
    """The cells that share voxels with a box."""
    a, b, c = (n // e for n, e in zip(box.start, edge))
    d, e, f = (-(-n // e) for n, e in zip(box.stop, edge))
    return VoxelBox((a, b, c), (d, e, f))


def after(**_: object) -> tuple[Triple, Triple]:
    """One voxel after each block: the configurations that begin in it."""
    return (0, 0, 0), (1, 1, 1)


@kernel(cost=3.0, workspace=3.0, host_only="it adds to a table whose rows the data name")
def tallies(block: Block, /, *region: Block, edge: Triple, start: Triple, shape: Triple, core: VoxelBox) -> list[Tallies]:
    """The counts of a block in cells of ``edge`` voxels. It runs on the host: a device's block is copied. Memory: 160 bytes a cell beside it."""
    box = VoxelBox(start, tuple(a + n for a, n in zip(start, shape)))  # type: ignore[arg-type]
    cells = cells_of(box, edge)
    counts = np.zeros((*cells.shape, COLUMNS), np.int64)
    if not box.size:
        return [Tallies(cells, counts)]
    block, region = to_host(block), tuple(map(to_host, region))
    exists = fixed(region[0] if region else np.ones((1, 1, 1), bool))
    phase = fixed(block & region[0] if region else block)
    offset = [a - c * e for a, c, e in zip(start, cells.start, edge)]
    _tally(phase, exists, empty_row(block), not region, np.array([shape, offset, edge]), counts, _WEIGHTS)
    return [Tallies(cells, counts)]


@jit
def _tally(phase: HostArray, exists: HostArray, empty: HostArray, whole: bool, place: HostArray, counts: HostArray, weights: HostArray) -> None:
    """``whole`` says that all voxels of the block exist; there may be fewer than one more along an axis than its shape, where the image ends.
    ``place`` has the shape, the first voxel's place in its cell, and the cells' edge."""
    (depth, height, width), offset, edge = place[0], place[1], place[2]
    columns, codes, there = np.zeros(width + 1, np.uint8), np.zeros((width + 7) // 8 * 8, np.uint8), np.zeros(width, np.uint8)
    tables, words = np.zeros((counts.shape[1], counts.shape[2], 2, 256), np.int32), codes.view(np.uint64)
    pairs = min(width, phase.shape[2] - 1)
    for z in range(depth):
        layer = (z + offset[0]) // edge[0]
        for y in range(height):
            row_codes(phase, empty, z, y, 0, columns, codes)
            if not whole:
                row_codes(exists, empty, z, y, 0, columns, there)
            inner = pairs if z + 1 < phase.shape[0] and y + 1 < phase.shape[1] else 0
            line = (y + offset[1]) // edge[1]
            if whole:
                _add_row(codes, words, inner, width, offset[2], edge[2], tables[line], counts[layer, line])
            else:
                _add_some(codes, there, width, offset[2], edge[2], tables[line], counts[layer, line])
        if z + 1 == depth or (z + 1 + offset[0]) // edge[0] != layer:
            _flush(tables, counts[layer], weights)


@jit
def _add_some(codes: HostArray, there: HostArray, width: int, offset: int, edge: int, tables: HostArray, counts: HostArray) -> None:
    """Count the voxels of a row, and the configurations that exist wholly."""
    for cell in range(counts.shape[0]):
        for i in range(max(0, cell * edge - offset), min(width, (cell + 1) * edge - offset)):
            counts[cell, 0] += there[i] & 1
            counts[cell, 1] += codes[i] & 1
            tables[cell, 0, codes[i]] += there[i] == 255


@jit
def _add_row(codes: HostArray, words: HostArray, inner: int, width: int, offset: int, edge: int, tables: HostArray, counts: HostArray) -> None:
    """Count the voxels of a row, all of which exist, and the configurations before ``inner``, eight at a time where they are all empty or all full."""
    for cell in range(counts.shape[0]):
        x, end = max(0, cell * edge - offset), min(width, (cell + 1) * edge - offset)
        last, inside = min(end, inner), np.int64(0)
        i = x
        while i < last:
            if i & 7 or i + 8 > last:
                tables[cell, 0, codes[i]] += 1
                inside += codes[i] & 1
                i += 1
                continue
            word = words[i >> 3]
            if word == 0:
                tables[cell, 0, 0] += 8
            elif word == _ALL:
                tables[cell, 1, 255] += 8
                inside += 8
            else:
                inside += np.int64(((word & _FIRST) * _FIRST) >> np.uint64(56))
                for k in range(i, i + 8):  # two tables, so that equal neighbours do not wait for each other's update
                    tables[cell, k & 1, codes[k]] += 1
            i += 8
        for i in range(max(x, last), end):
            inside += codes[i] & 1
        counts[cell, 0] += end - x
        counts[cell, 1] += inside


@jit
def _flush(tables: HostArray, counts: HostArray, weights: HostArray) -> None:
    for line in range(tables.shape[0]):
        for cell in range(tables.shape[1]):
            found = counts[line, cell]
            for code in range(256):
                count = np.int64(tables[line, cell, 0, code]) + np.int64(tables[line, cell, 1, code])
                if count:
                    found[2] += count
                    for k in range(weights.shape[1]):
                        found[3 + k] += count * weights[code, k]
                    tables[line, cell, 0, code], tables[line, cell, 1, code] = 0, 0


def join_tallies(partials: list[list[Tallies]]) -> list[Tallies]:
    """The counts of several blocks; cells that blocks share are added."""
    parts = [part for partial in partials for part in partial]
    whole = parts[0].box
    for part in parts[1:]:
        whole = whole | part.box
    counts = np.zeros((*whole.shape, parts[0].counts.shape[-1]), np.int64)
    for part in parts:
        counts[part.box.within(whole).slices] += part.counts
    return [Tallies(whole, counts)]


@kernel(cost=4.0, workspace=1.0, host_only="it adds to a table whose rows the data name")
def occupied(block: Block, /, *, base: int, levels: int, start: Triple, shape: Triple, core: VoxelBox) -> tuple[HostArray, list[Tallies]]:
    """How many boxes of 1, base, base² … ``base**levels`` voxels, aligned to the image's first voxel, hold True; and which of the largest do. A box belongs
    to the block of its first voxel. It runs on the host: a device's block is copied."""
    mask = to_host(block)
    counts, place = np.zeros(levels + 1, np.int64), VoxelBox((0, 0, 0), (0, 0, 0))
    found = np.zeros((0, 0, 0), bool)
    for level in range(levels + 1):
        size = base**level
        first = [-(-a // size) for a in start]
        last = [-(-(a + n) // size) for a, n in zip(start, shape)]
        low = [i * size - a for i, a in zip(first, start)]
        found = mask[tuple(slice(c + a, c + a + (j - i) * size) for a, c, i, j in zip(low, core.start, first, last))]
        for axis, (i, j) in enumerate(zip(first, last)):
            pad = (j - i) * size - found.shape[axis]
            found = np.pad(found, [(0, pad if a == axis else 0) for a in range(3)]) if pad else found
            shape_of_boxes = (*found.shape[:axis], j - i, size, *found.shape[axis + 1 :])
            found = np.asarray(found.reshape(shape_of_boxes).any(axis=axis + 1)) if size > 1 else found
        counts[level] = np.count_nonzero(found)
        place = VoxelBox((first[0], first[1], first[2]), (last[0], last[1], last[2]))
    return counts, [Tallies(place, found)]


def box_margin(*, base: int, levels: int, **_: object) -> tuple[Triple, Triple]:
    """What boxes that begin in a block reach beyond it."""
    n = base**levels - 1
    return (0, 0, 0), (n, n, n)


def join_occupied(partials: list[tuple[HostArray, list[Tallies]]]) -> tuple[HostArray, list[Tallies]]:
    """Counts added, and the largest boxes side by side."""
    counts = np.sum([p[0] for p in partials], axis=0)
    return counts, [part for p in partials for part in p[1] if part.counts.size]
