"""The basins of one block: which voxels drain to the same place, and the passes between them.

A place is a minimum, a marker, or, where the way leaves the block, the voxel just outside it, whose basin is not known yet. The pass
between two basins is the pair of neighbouring voxels, one in each, whose higher one is lowest in the order of all voxels (of several such
pairs the one whose lower voxel is lowest). Legend: ``labels`` number the basins of a block from 1, 0 is outside; C-order indices.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.kernels.descent import OUTSIDE, REST, steps
from voxelrock.kernels.rows import ordered
from voxelrock.kernels.runs import trailing_zeros
from voxelrock.typing import HostArray, Triple


class Drained(NamedTuple):
    """A block's labels (int32) and the way down that they follow (u1: markers rest); in the order of labels the values of markers, the targets
    of exits (z, y, x in the block) and the minima (index)."""

    labels: HostArray
    code: HostArray
    marks: HostArray
    exits: HostArray
    minima: HostArray


@jit
def _mark(marks: HostArray, values: HostArray, code: HostArray, labels: HostArray) -> None:
    for i in range(labels.size):
        if marks[i] > 0 and code[i] != OUTSIDE:
            labels[i] = np.searchsorted(values, marks[i]) + 1
            code[i] = REST


@jit
def _leave(code: HostArray, labels: HostArray, exits: HostArray, place: HostArray) -> int:
    """The voxels whose way leaves the block (``place``, an index), and where it goes. Gives how many there are."""
    nz, ny, nx = code.shape
    found = 0
    for z in range(nz):
        for y in range(ny):
            side = z == 0 or y == 0 or z == nz - 1 or y == ny - 1
            x = 0
            while x < nx:
                c = code[z, y, x]
                if c != OUTSIDE and labels[z, y, x] == 0:
                    a, b, d = z + c // 9 - 1, y + c // 3 % 3 - 1, x + c % 3 - 1
                    if a < 0 or b < 0 or d < 0 or a == nz or b == ny or d == nx:
                        exits[found, 0], exits[found, 1], exits[found, 2] = a, b, d
                        place[found] = (z * ny + y) * nx + x
                        found += 1
                x += 1 if side or x == nx - 1 else nx - 1
    return found


@jit
def _fall(code: HostArray, jump: HostArray, count: int, labels: HostArray, minima: HostArray) -> int:
    """Follow every voxel down to one that has a label or is a minimum, and label its way. Gives the number of minima."""
    found = 0
    for i in range(labels.size):
        if labels[i] != 0 or code[i] == OUTSIDE:
            continue
        j = i
        while labels[j] == 0 and code[j] != REST:
            j += jump[code[j]]
        if labels[j] == 0:
            minima[found] = j
            found += 1
            labels[j] = count + found
        name = labels[j]
        j = i
        while labels[j] == 0:
            labels[j] = name
            j += jump[code[j]]
    return found


def drain(code: HostArray, marks: HostArray | None) -> Drained:
    """The basins of a block from its :func:`~voxelrock.kernels.descent.descent`; marked voxels (> 0) keep what reaches them.

    Memory: 4 bytes per voxel.
    """
    code = np.ascontiguousarray(code)
    labels = np.zeros(code.shape, np.int32)
    values = np.empty(0, np.int64)
    if marks is not None:
        plain = np.ascontiguousarray(marks).reshape(-1)
        values = np.unique(plain[plain > 0])
        code = code.copy()
        _mark(plain, values, code.reshape(-1), labels.reshape(-1))
    nz, ny, nx = code.shape
    most = 2 * (nz * ny + ny * nx + nz * nx)
    exits, place = np.empty((most, 3), np.int64), np.empty(most, np.int64)
    left = _leave(code, labels, exits, place)
    _, first, target = np.unique(np.ravel_multi_index(tuple(exits[:left].T + 1), (nz + 2, ny + 2, nx + 2)), return_index=True, return_inverse=True)
    labels.reshape(-1)[place[:left]] = values.size + 1 + target  # one label for all that go to the same voxel
    exits = exits[first]
    jump = np.array([((c // 9 - 1) * ny + c // 3 % 3 - 1) * nx + c % 3 - 1 for c in range(27)], np.int64)
    minima = np.empty(np.count_nonzero(code == REST), np.int64)
    found = _fall(code.reshape(-1), jump, values.size + len(exits), labels.reshape(-1), minima)
    return Drained(labels, code, values.astype(np.int64), exits, minima[:found])


@jit
def _slot(table: HostArray, key: Any) -> int:
    """Where a key is in an open hash table, or the free place for it; free places hold -1."""
    mask = table.shape[0] - 1
    mixed = key * 0x9E3779B97F4A7C1
    place = (mixed ^ mixed >> 32) & mask  # the upper half depends on both numbers
    while table[place, 0] != -1 and table[place, 0] != key:
        place = (place + 1) & mask
    return place


@jit
def _grown(table: HostArray, height: HostArray) -> tuple[HostArray, HostArray]:
    bigger, heights = np.full((table.shape[0] * 2, 3), -1, np.int64), np.empty(height.size * 2, height.dtype)
    for i in range(height.size):
        if table[i, 0] != -1:
            place = _slot(bigger, table[i, 0])
            bigger[place, 0], bigger[place, 1], bigger[place, 2] = table[i, 0], table[i, 1], table[i, 2]
            heights[place] = height[i]
    return bigger, heights


@jit
def _differ(here: HostArray, there: HostArray, bit: int, differs: HostArray) -> None:
    """Set a bit where two rows of labels hold different basins."""
    for x in range(here.size):
        differs[x] |= np.uint16((here[x] != there[x]) & (here[x] != 0) & (there[x] != 0)) * np.uint16(bit)


@jit
def _look(labels: HostArray, z: int, y: int, table: HostArray, differs: HostArray) -> None:
    """For each voxel of a row a bit for each of the later neighbours that lies in another basin."""
    nz, ny, nx = labels.shape
    differs[:] = 0
    for k in range(table.shape[0]):
        dz, dy, dx = table[k]
        if z + dz < nz and 0 <= y + dy < ny:
            first, last = max(0, -dx), min(nx, nx - dx)
            _differ(labels[z, y, first:last], labels[z + dz, y + dy, first + dx : last + dx], 1 << k, differs[first:last])


@jit
def _passes(flat: HostArray, labels: HostArray, code: HostArray, near: HostArray, beaten: HostArray) -> HostArray:
    """For each pair of basins that touch: their numbers as one key, and the higher and the lower voxel of the pass between them."""
    nz, ny, nx = labels.shape
    names = labels.reshape(-1)
    table, height = np.full((1 << 12, 3), -1, np.int64), np.empty(1 << 12, flat.dtype)
    jump = (near[:, 0] * ny + near[:, 1]) * nx + near[:, 2]
    differs = np.empty(nx, np.uint16)
    count, last, place = 0, np.int64(-1), 0
    for r in range(nz * ny):
        _look(labels, r // ny, r % ny, near, differs)
        for x in range(nx):
            i = r * nx + x
            bits = np.uint64(differs[x] & ~beaten[0, code[i]])
            while bits:
                step = trailing_zeros(bits)
                bits &= bits - np.uint64(1)
                j = i + jump[step]  # i comes before j
                if beaten[1, code[j]] >> step & 1:
                    continue
                top, foot = (j, i) if flat[j] >= flat[i] else (i, j)
                key = (np.int64(min(names[i], names[j])) << 32) | np.int64(max(names[i], names[j]))
                if key != last:
                    place, last = _slot(table, key), key
                if table[place, 0] == -1:
                    table[place, 0], table[place, 1], table[place, 2], height[place] = key, top, foot, flat[top]
                    count += 1
                    if 2 * count > height.size:
                        table, height = _grown(table, height)
                        last = np.int64(-1)
                elif flat[top] <= height[place]:
                    high, low = table[place, 1], table[place, 2]
                    if flat[top] < height[place] or top < high or (top == high and (flat[foot] < flat[low] or (flat[foot] == flat[low] and foot < low))):
                        table[place, 1], table[place, 2], height[place] = top, foot, flat[top]
    return table[table[:, 0] != -1]


@lru_cache(maxsize=3)
def _beaten(connectivity: int) -> HostArray:
    """For each way down of the first (or second) voxel of a pair, the pairs of which there is a lower one between the same basins, as bits.

    If the voxel below one of them is a neighbour of the other, then that is a lower pair: with a lower top, or an equal top and a lower foot.
    """
    offset = {code: np.array(step) for code, *step in steps(connectivity)}
    found = np.zeros((2, 256), np.uint16)
    for bit, pair in enumerate(offset[code] for code in offset if code > REST):
        for code, down in offset.items():
            for which, apart in enumerate((pair - down, pair + down)):
                if np.abs(apart).max() == 1 and any((apart == other).all() for other in offset.values()):
                    found[which, code] |= 1 << bit
    found.flags.writeable = False
    return found


def passes(
    block: HostArray, labels: HostArray, connectivity: int, *, code: HostArray | None = None, across: int | None = None
) -> tuple[HostArray, HostArray, HostArray, HostArray]:
    """The pairs of labels that touch in a block, and the indices of the higher and the lower voxel of each pass (int64 all).

    With the ``code`` of the ways down that the labels follow, pairs of voxels that cannot be lowest are left out, even where the lower pair lies
    across the block's side. ``across`` names an axis: only voxels beside each other along it are looked at, then.
    Memory: 50 to 130 bytes for each pair, and half of it again while the table grows, and a copy of a block that is not contiguous.
    """
    values = np.ascontiguousarray(ordered(block)[0]).reshape(-1)
    values.flags.writeable = False
    after = np.array([step[1:] for step in steps(connectivity) if step[0] > REST and (across is None or step[1 + across])], np.int64)
    ways = np.full(labels.size, REST, np.uint8) if code is None else np.ascontiguousarray(code).reshape(-1)
    keys, high, low = _passes(values, labels, ways, after, _beaten(connectivity)).T
    return keys >> 32, keys & 0xFFFFFFFF, high, low


@jit
def lowest(values: HostArray, labels: HostArray, found: HostArray) -> None:
    """The smallest value of each label, into ``found`` (float64, label l at l - 1)."""
    for i in range(labels.size):
        if labels[i] > 0 and values[i] < found[labels[i] - 1]:
            found[labels[i] - 1] = values[i]


def index_in_image(index: HostArray, shape: Triple, start: Triple, extent: Triple) -> HostArray:
    """C-order indices in the image of those in a block."""
    rest, x = np.divmod(index, max(shape[2], 1))
    z, y = np.divmod(rest, max(shape[1], 1))
    return ((z + start[0]) * extent[1] + y + start[1]) * extent[2] + x + start[2]
