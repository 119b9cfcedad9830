"""Where a drop of water on a voxel runs: to the lowest of its neighbours, if that is lower than the voxel itself.

Lower is meant in one strict order of all voxels: by value, and of equal ones by the C-order index in the image. So every voxel has one
way down, plateaus have slopes, and no chunk, thread or device can matter. Neighbour (dz, dy, dx) has the code 9 (dz + 1) + 3 (dy + 1) +
dx + 1, ascending in C order; :data:`REST` is the voxel itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.kernels.backend import beside, jit, kernel, namespace
from voxelrock.kernels.rows import as_rows, ordered
from voxelrock.typing import Block, HostArray, Triple

REST = 13
"""The code of a voxel that is lower than all its neighbours."""

OUTSIDE = 255
"""The code of a voxel that does not exist."""

HALO: Triple = (1, 1, 1)

Step = tuple[int, int, int, int]


def steps(connectivity: int) -> list[Step]:
    """The neighbours as (code, dz, dy, dx): those before the voxel from the nearest back, then those after it from the nearest on.

    In this order the lowest is found with "not above" first and "below" then, and of equal ones the first in C order wins.
    """
    most = {6: 1, 18: 2, 26: 3}[connectivity]
    found = [(c, c // 9 - 1, c // 3 % 3 - 1, c % 3 - 1) for c in [*range(REST - 1, -1, -1), *range(REST + 1, 27)]]
    return [step for step in found if sum(map(abs, step[1:])) <= most]


@kernel(cost=6.0, workspace=3.0)
def descent(block: Block, /, *inside: Block, connectivity: int, extent: Triple, start: Triple, shape: Triple, xp: Any) -> Block:
    """The code of the lowest neighbour of each voxel (u1), :data:`REST` where none is lower, :data:`OUTSIDE` outside a mask. Halo 1.

    ``extent`` is the image's shape: what lies beyond it does not exist either.
    """
    xp = namespace(block)
    middle = tuple(slice(1, n - 1) for n in block.shape)
    best = block[middle]
    code = xp.zeros(shape, dtype=xp.uint8, **beside(block)) + REST
    for number, *step in steps(connectivity):
        there = tuple(slice(1 + d, n - 1 + d) for d, n in zip(step, block.shape))
        other = block[there]
        take = (other <= best) if number < REST else (other < best)
        if inside:
            take = take & inside[0][there]
        for axis, d in enumerate(step):
            edge = _edge(start, shape, extent, axis, d)
            if edge is not None:
                take[edge] = False
        best = xp.where(take, other, best)
        code = xp.where(take, xp.asarray(number, dtype=xp.uint8, **beside(block)), code)
    return code if not inside else xp.where(inside[0][middle], code, xp.asarray(OUTSIDE, dtype=xp.uint8, **beside(block)))


def _edge(start: Triple, shape: Triple, extent: Triple, axis: int, step: int) -> tuple[slice, ...] | None:
    """The plane of a block whose neighbours along an axis lie beyond the image."""
    if step == 0 or (start[axis] > 0 if step < 0 else start[axis] + shape[axis] < extent[axis]):
        return None
    at = 0 if step < 0 else shape[axis] - 1
    return tuple(slice(at, at + 1) if a == axis else slice(None) for a in range(3))


@jit
def _not_above(values: HostArray, inside: HostArray, number: int, best: HostArray, code: HostArray) -> None:
    for x in range(best.size):
        take = (values[x] <= best[x]) & (inside[x] != 0)
        best[x] = values[x] if take else best[x]
        code[x] = number if take else code[x]


@jit
def _below(values: HostArray, inside: HostArray, number: int, best: HostArray, code: HostArray) -> None:
    for x in range(best.size):
        take = (values[x] < best[x]) & (inside[x] != 0)
        best[x] = values[x] if take else best[x]
        code[x] = number if take else code[x]


@jit
def _descend(flat: HostArray, pitch: Triple, inside: HostArray, lay: Triple, table: HostArray, open_low: Triple, open_high: Triple, out: HostArray) -> None:
    """``open_low`` and ``open_high`` are 1 on the sides where the image goes on; ``lay`` are the steps of the mask, 0 for one row of True."""
    nz, ny, nx = out.shape
    best = np.empty(nx, flat.dtype)
    for z in range(nz):
        for y in range(ny):
            code = out[z, y]
            here = (z + 1) * pitch[0] + (y + 1) * pitch[1] + 1
            best[:] = flat[here : here + nx]
            code[:] = REST
            for k in range(table.shape[0]):
                number, dz, dy, dx = table[k]
                if (z + dz < 0 and not open_low[0]) or (z + dz == nz and not open_high[0]):
                    continue
                if (y + dy < 0 and not open_low[1]) or (y + dy == ny and not open_high[1]):
                    continue
                first, last = int(dx < 0 and not open_low[2]), nx - int(dx > 0 and not open_high[2])
                if first >= last:
                    continue
                at = here + dz * pitch[0] + dy * pitch[1] + dx
                mask = (z + 1 + dz) * lay[0] + (y + 1 + dy) * lay[1] + 1 + dx
                if number < REST:
                    _not_above(flat[at + first : at + last], inside[mask + first : mask + last], number, best[first:last], code[first:last])
                else:
                    _below(flat[at + first : at + last], inside[mask + first : mask + last], number, best[first:last], code[first:last])
            mask = (z + 1) * lay[0] + (y + 1) * lay[1] + 1
            for x in range(nx):
                code[x] = code[x] if inside[mask + x] != 0 else OUTSIDE


def _goes_on(start: Triple, shape: Triple, extent: Triple) -> Triple:
    z, y, x = (int(s + n < e) for s, n, e in zip(start, shape, extent))
    return z, y, x


@descent.host
def descent_host(block: Block, /, *inside: Block, connectivity: int, extent: Triple, start: Triple, shape: Triple, xp: Any) -> HostArray:
    """Row by row, all neighbours of a row at once: a neighbour's row is compared as a vector."""
    flat, a, b = as_rows(ordered(np.asarray(block))[0])
    keep, c, d = as_rows(np.asarray(inside[0]).view(np.uint8) if inside else np.ones((1, 1, block.shape[2]), np.uint8))
    low, high = (int(start[0] > 0), int(start[1] > 0), int(start[2] > 0)), _goes_on(start, shape, extent)
    out = np.empty(shape, np.uint8)
    _descend(flat, (a, b, 1), keep, (c, d, 1), np.array(steps(connectivity), np.int64), low, high, out)
    return out
