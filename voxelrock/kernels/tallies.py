"""Tables of counts on one lattice of cells for the whole image: voxels, phase, surface, Euler number. Everything about windows comes from them.

Cells are aligned to the image's first voxel. What of a 2×2×2 configuration counts, counts for the cell that holds its first voxel. All columns are
integers, so that any window of cells is their sum, whatever the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.configurations import EULER, LINES, row_codes
from voxelrock.typing import Block, HostArray, Triple

BULK, PHASE, CORNERS = 0, 1, 2
"""Columns: voxels that exist, voxels of the phase, 2×2×2 configurations of which all voxels exist."""
AREA = slice(3, 3 + LINES.shape[1])
"""Columns: changes along the thirteen directions, in quarters."""
EULER_6, EULER_26 = AREA.stop, AREA.stop + 1
"""Columns: eighths of the Euler numbers."""
COLUMNS = EULER_26 + 1
_WEIGHTS = np.column_stack([LINES, EULER[6], EULER[26]]).astype("f8")


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
    pad = [(0, n + 1 - m) for n, m in zip(shape, block.shape)]
    exists = np.pad(to_host(region[0]) if region else np.ones(block.shape, bool), pad)
    phase = np.pad(to_host(block), pad) & exists
    offset = np.array([a - c * e for a, c, e in zip(start, cells.start, edge)])
    _tally(phase.view(np.uint8), exists.view(np.uint8), not region, offset, np.array(edge), counts, _WEIGHTS)
    return [Tallies(cells, counts)]


@jit
def _tally(phase: HostArray, exists: HostArray, whole: bool, offset: HostArray, edge: HostArray, counts: HostArray, weights: HostArray) -> None:
    """``whole`` says that all rows exist alike, but the last of a plane, beyond which the image may end."""
    depth, height, width = phase.shape[0] - 1, phase.shape[1] - 1, phase.shape[2] - 1
    columns, codes, there = np.zeros(width + 1, np.uint8), np.zeros(width, np.uint8), np.zeros(width, np.uint8)
    tables = np.zeros((counts.shape[1], counts.shape[2], 256), np.int32)
    for z in range(depth):
        layer = (z + offset[0]) // edge[0]
        for y in range(height):
            row_codes(phase, z, y, columns, codes)
            if not whole or y == 0 or y == height - 1:
                row_codes(exists, z, y, columns, there)
            line = (y + offset[1]) // edge[1]
            x = 0
            while x < width:
                cell = (x + offset[2]) // edge[2]
                end = min(width, (cell + 1) * edge[2] - offset[2])
                table, bulk, inside = tables[line, cell], np.int64(0), np.int64(0)
                for i in range(x, end):
                    bulk += there[i] & 1
                    inside += codes[i] & 1
                    table[codes[i]] += there[i] == 255
                counts[layer, line, cell, 0] += bulk
                counts[layer, line, cell, 1] += inside
                x = end
        if z + 1 == depth or (z + 1 + offset[0]) // edge[0] != layer:
            _flush(tables, counts[layer], weights)


@jit
def _flush(tables: HostArray, counts: HostArray, weights: HostArray) -> None:
    for line in range(tables.shape[0]):
        for cell in range(tables.shape[1]):
            for code in range(256):
                count = np.int64(tables[line, cell, code])
                if count:
                    counts[line, cell, 2] += count
                    for k in range(weights.shape[1]):
                        counts[line, cell, 3 + k] += count * np.int64(weights[code, k])
                    tables[line, cell, code] = 0


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
