"""Products of grey-value gradients, added in cells: the structure tensor, in integers."""

from __future__ import annotations

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.tallies import Tallies, cells_of
from voxelrock.typing import Block, HostArray, Triple

COUNT = 6
"""The column of the number of voxels; before it zz, yy, xx, zy, zx, yx."""


def around(**_: object) -> tuple[Triple, Triple]:
    """One voxel on each side: the neighbours of a block's voxels."""
    return (1, 1, 1), (1, 1, 1)


@kernel(cost=3.0, workspace=2.0, host_only="it adds to a table whose rows the data name")
def gradient_sums(block: Block, /, *where: Block, edge: Triple, start: Triple, shape: Triple, core: VoxelBox) -> list[Tallies]:
    """For each cell of ``edge`` voxels the sums (int64) of products of differences between the voxels after and before one along two axes.

    Voxels count that exist with all six neighbours. Values are booleans or integers of up to 16 bits. It runs on the host: a device's block is copied.
    """
    box = VoxelBox(start, tuple(a + n for a, n in zip(start, shape)))  # type: ignore[arg-type]
    cells = cells_of(box, edge)
    counts = np.zeros((*cells.shape, COUNT + 1), np.int64)
    if not box.size:
        return [Tallies(cells, counts)]
    low = [1 - a for a in core.start]  # 1 at an end of the image, where the block has no margin
    high = [1 - (n - b) for n, b in zip(block.shape, core.stop)]
    pad = list(zip(low, high))
    exists = np.pad(to_host(where[0]) if where else np.ones(block.shape, bool), pad)
    values = np.pad(to_host(block), pad)
    offset = np.array([a - c * e for a, c, e in zip(start, cells.start, edge)])
    _add(values.view(np.uint8) if values.dtype == bool else values, exists, offset, np.array(edge), counts)
    return [Tallies(cells, counts)]


@jit
def _add(values: HostArray, exists: HostArray, offset: HostArray, edge: HostArray, counts: HostArray) -> None:
    for z in range(1, values.shape[0] - 1):
        for y in range(1, values.shape[1] - 1):
            row = counts[(z - 1 + offset[0]) // edge[0], (y - 1 + offset[1]) // edge[1]]
            for x in range(1, values.shape[2] - 1):
                there = exists[z, y, x] & exists[z - 1, y, x] & exists[z + 1, y, x] & exists[z, y - 1, x] & exists[z, y + 1, x]
                if there & exists[z, y, x - 1] & exists[z, y, x + 1]:
                    a = np.int64(values[z + 1, y, x]) - np.int64(values[z - 1, y, x])
                    b = np.int64(values[z, y + 1, x]) - np.int64(values[z, y - 1, x])
                    c = np.int64(values[z, y, x + 1]) - np.int64(values[z, y, x - 1])
                    cell = row[(x - 1 + offset[2]) // edge[2]]
                    cell[6] += 1
                    if a | b | c:
                        cell[0] += a * a
                        cell[1] += b * b
                        cell[2] += c * c
                        cell[3] += a * b
                        cell[4] += a * c
                        cell[5] += b * c
