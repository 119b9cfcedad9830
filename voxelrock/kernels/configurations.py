"""Counts of 2×2×2 configurations: how often each of the 256 ways occurs in which eight voxels that meet in a corner belong to a set or not.

Volume, surface, integral of mean curvature and Euler number are sums over such counts; so one look at an image gives all of them, exactly.
A configuration is a number of eight bits; bit ``2 dz + dy + 4 dx`` tells of the voxel at (dz, dy, dx) from the cell's first.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.geometry.crofton import DIRECTIONS
from voxelrock.kernels.backend import beside, jit, kernel, namespace, to_host
from voxelrock.kernels.rows import fixed
from voxelrock.typing import Block, HostArray, Triple

INNER, OUTER = 0, 1
"""Rows of the counts: cells whose eight voxels all exist, and cells at the border of what exists, where the rest counts as not of the set."""
_CORNERS = tuple(product((0, 1), repeat=3))
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
Sets = tuple[tuple[int, ...], ...]


def bit(corner: tuple[int, ...]) -> int:
    """The place of a voxel of a cell in its configuration."""
    dz, dy, dx = corner
    return 2 * dz + dy + 4 * dx


def members(block: Block, values: tuple[int, ...]) -> Block:
    """Where a block holds one of several values; a boolean block is the set (1,) itself."""
    xp = namespace(block)
    isdtype = getattr(xp, "isdtype", np.isdtype)
    if isdtype(block.dtype, "bool"):
        return block if values == (1,) else ~block
    return reduce(lambda a, b: a | b, (block == v for v in values), xp.zeros(block.shape, dtype=xp.bool, **beside(block)))


def _framed(block: Block, start: Triple, core: VoxelBox) -> tuple[Block, VoxelBox]:
    """The block with a layer of False wherever the image ends, and the cells of it whose voxels all lie in the image."""
    xp = namespace(block)
    low, high = [int(s == 0) for s in start], [int(b == n) for b, n in zip(core.stop, block.shape)]
    for axis in range(3):
        shape = [1 if a == axis else n for a, n in enumerate(block.shape)]
        layer = xp.zeros(tuple(shape), dtype=block.dtype, **beside(block))
        parts = [layer] * low[axis] + [block] + [layer] * high[axis]
        block = xp.concat(parts, axis=axis) if len(parts) > 1 else block
    a, b, c = low
    d, e, f = (n - 1 - h for n, h in zip(block.shape, high))
    return block, VoxelBox((a, b, c), (d, e, f))


def _codes(block: Block) -> Block:
    """The configuration of every cell of a boolean block (u1)."""
    xp = namespace(block)
    numbers = xp.astype(block, xp.uint8)
    found = None
    for corner in _CORNERS:
        part = numbers[tuple(slice(d, n - 1 + d) for d, n in zip(corner, block.shape))] * 2 ** bit(corner)
        found = part if found is None else found + part
    return found


@kernel(cost=1.5, workspace=3.0)
def configurations(block: Block, /, *region: Block, sets: Sets, start: Any, shape: Any, core: VoxelBox) -> HostArray:
    """Counts (int64) of the configurations of each set of values, :data:`INNER` and :data:`OUTER` (sets, 2, 256). Margin 1 after the block.

    With a ``region`` (a mask) only voxels inside it exist: a set is what of it lies inside, and inner cells lie inside wholly.
    """
    xp = namespace(block)
    exists, _ = _framed(region[0] if region else xp.ones(block.shape, dtype=xp.bool, **beside(block)), start, core)
    whole = _codes(exists) == 255
    found = np.zeros((len(sets), 2, 256), np.int64)
    for i, values in enumerate(sets):
        codes = _codes(_framed(members(block, values), start, core)[0] & exists)
        for row, cells in ((INNER, whole), (OUTER, ~whole)):
            for code in range(256):
                found[i, row, code] = int(xp.sum(xp.astype((codes == code) & cells, xp.int64)))
    return found


@configurations.device
def _configurations_device(block: Block, /, *region: Block, sets: Sets, start: Any, shape: Any, core: VoxelBox) -> HostArray:
    xp = namespace(block)
    exists, _ = _framed(region[0] if region else xp.ones(block.shape, dtype=bool), start, core)
    outer = xp.where(_codes(exists) == 255, 0, 256).ravel()
    found = [xp.bincount(_codes(_framed(members(block, v), start, core)[0] & exists).ravel() + outer, minlength=512) for v in sets]
    return to_host(xp.stack(found)).astype(np.int64).reshape(len(sets), 2, 256)


@configurations.host
def _configurations_host(block: HostArray, /, *region: HostArray, sets: Sets, start: Any, shape: Any, core: VoxelBox) -> HostArray:
    exists, empty = fixed(region[0] if region else np.ones((1, 1, 1), bool)), empty_row(block)
    frame = np.array([[int(s == 0) for s in start], [int(b == n) for b, n in zip(core.stop, block.shape)]])
    found = np.zeros((len(sets), 2, 256), np.int64)
    for i, values in enumerate(sets):
        cube = members(block, values)
        tables = np.zeros((2, 4, 256), np.int64)
        _count(fixed(cube & region[0] if region else cube), exists, empty, bool(region), frame, tables)
        found[i] = tables.sum(axis=1)
    return found


def empty_row(block: HostArray) -> HostArray:
    """A row of a block with nothing in it, of the compiled type of blocks."""
    return fixed(np.zeros((1, 1, block.shape[2]), bool))


@jit
def row_codes(cube: HostArray, empty: HostArray, z: int, y: int, first: int, columns: HostArray, codes: HostArray) -> None:
    """The configurations of the cells of one row, from four rows of a cube; around it lies what is empty (1, 1, x): ``first`` columns before it."""
    depth, height, width = cube.shape
    a = cube[z, y] if 0 <= z < depth and 0 <= y < height else empty[0, 0]
    b = cube[z, y + 1] if 0 <= z < depth and 0 <= y + 1 < height else empty[0, 0]
    c = cube[z + 1, y] if 0 <= z + 1 < depth and 0 <= y < height else empty[0, 0]
    d = cube[z + 1, y + 1] if 0 <= z + 1 < depth and 0 <= y + 1 < height else empty[0, 0]
    for x in range(width):
        columns[first + x] = a[x] | (b[x] << 1) | (c[x] << 2) | (d[x] << 3)
    for x in range(columns.size - 1):
        codes[x] = columns[x] | (columns[x + 1] << 4)


@jit
def add_codes(codes: HostArray, width: int, table: HostArray) -> None:
    """Count configurations, eight at a time where they are all empty or all full, in one of four tables (4, 256); beyond ``width`` they are 0."""
    words = codes.view(np.uint64)
    none, all_ = np.int64(0), np.int64(0)
    for w in range(words.size):
        word = words[w]
        if word == 0:
            none += 8
        elif word == _ALL:
            all_ += 8
        else:  # four tables, so that equal neighbours do not wait for each other's update
            for k in range(8 * w, 8 * w + 8):
                table[k & 3, codes[k]] += 1
    table[0, 0] += none - (codes.size - width)
    table[0, 255] += all_


@jit
def _count(cube: HostArray, exists: HostArray, empty: HostArray, masked: bool, frame: HostArray, tables: HostArray) -> None:
    """``frame`` says on which sides (before, after; z, y, x) the image ends."""
    depth, height, width = cube.shape[0] - 1, cube.shape[1] - 1, cube.shape[2] - 1
    before, after = frame[0], frame[1]
    cells = width + before[2] + after[2]
    if depth + before[0] + after[0] < 1 or height + before[1] + after[1] < 1 or cells < 1:
        return
    columns, codes = np.zeros(cells + 1, np.uint8), np.zeros((cells + 7) // 8 * 8, np.uint8)
    there = np.zeros(codes.size, np.uint8)
    for z in range(-before[0], depth + after[0]):
        for y in range(-before[1], height + after[1]):
            inside = 0 <= z < depth and 0 <= y < height
            row_codes(cube, empty, z, y, before[2], columns, codes)
            if masked:
                row_codes(exists, empty, z, y, before[2], columns, there)
                for x in range(cells):
                    tables[0 if there[x] == 255 else 1, x & 3, codes[x]] += 1
                continue
            add_codes(codes, cells, tables[0 if inside else 1])
            if inside:  # but its ends, where they lie at the border
                for x in range(min(before[2], cells)):
                    tables[0, 0, codes[x]] -= 1
                    tables[1, 0, codes[x]] += 1
                for x in range(max(before[2] + width, before[2]), cells):
                    tables[0, 0, codes[x]] -= 1
                    tables[1, 0, codes[x]] += 1


def _has() -> HostArray:
    """Whether each voxel of the cell (2, 2, 2) belongs to each configuration (256)."""
    found = np.zeros((2, 2, 2, 256), np.int64)
    for corner in _CORNERS:
        found[corner] = np.arange(256) >> bit(corner) & 1
    return found


def _line_table() -> HostArray:
    has, found = _has(), np.zeros((256, len(DIRECTIONS)), np.int64)
    for i, direction in enumerate(DIRECTIONS):
        first = [[(0 if d >= 0 else 1)] if d else [0, 1] for d in direction]
        starts = list(product(*first))
        for z, y, x in starts:
            end = z + direction[0], y + direction[1], x + direction[2]
            found[:, i] += (has[z, y, x] != has[end]) * (4 // len(starts))
    return found


def _plane_table() -> HostArray:
    has, found = _has(), np.zeros((256, len(DIRECTIONS)), np.int64)
    for i, normal in enumerate(DIRECTIONS):
        kind = sum(map(abs, normal))
        levels: dict[int, list[HostArray]] = {}
        for corner in _CORNERS:
            level = sum((c if d > 0 else 1 - c) for c, d in zip(corner, normal) if d)
            levels.setdefault(level, []).append(has[corner])
        for level in {1: (0, 1), 2: (1,), 3: (1, 2)}[kind]:
            count = np.sum(levels[level], axis=0)
            if kind == 3:
                found[:, i] += 4 * ((count == 1) * 1 - (count == 2))
            else:
                found[:, i] += (3 if kind == 1 else 6) * ((count == 1) * 1 - (count == 3))
    return found


def _euler_table(*, faces: bool) -> HostArray:
    """Corners less edges plus faces less cubes: of the graph of neighbours by faces, or of the union of closed voxels."""
    has = _has()
    join = np.minimum if faces else np.maximum
    found = np.zeros(256, np.int64)
    for axes in product((False, True), repeat=3):
        spanned = tuple(a for a in range(3) if axes[a])
        part = (join.reduce(has, axis=spanned) if spanned else has).reshape(-1, 256).sum(axis=0)
        order = sum(axes)  # an element that spans `order` axes of the cell is shared with 2**(3 - order) cells
        found += (-1) ** (order if faces else 3 - order) * part * 2**order
    return found


VOXELS = _has().sum(axis=(0, 1, 2))
"""Eighths of a voxel in each configuration (256)."""
LINES = _line_table()
"""Changes along each of :data:`~voxelrock.geometry.crofton.DIRECTIONS` in quarters (256, 13), pairs of voxels shared among the cells that hold them."""
PLANES = _plane_table()
"""Euler numbers of sections with planes of each family in parts of :data:`PLANE_UNIT` (256, 13); the mean of both neighbourhoods in a plane."""
PLANE_UNIT = 24
EULER = {6: _euler_table(faces=True), 26: _euler_table(faces=False)}
"""Eighths of the Euler number (256), by the neighbours of the set's voxels; its complement has 26 where it has 6, and 6 where it has 26."""
EULER_UNIT = 8
