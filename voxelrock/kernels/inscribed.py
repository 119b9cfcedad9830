"""The largest ball that covers each voxel, of balls whose squared radii are a field: local thickness, and what a meniscus reaches.

A field gives each voxel q the square f(q) of a radius, 0 where there is no ball; the ball of q are the voxels p with |p − q|² < f(q). Asked
is the largest f(q) over all balls that hold p. Two rules leave out balls that others make superfluous. A ball lies inside that of a
neighbour at v if the neighbour's square is at least 1 + max |x − v|² over |x|² < f(q): a table for each v, exact on the lattice. And if no
neighbour has a smaller square, then every voxel p of the ball lies in the ball of the neighbour towards p, as near to p as can be, and so
on down to p itself. What is left is painted from the largest down, each voxel once: a row of a ball is a mask over
the bits of voxels that are still to be painted.

Sources: T. Hildebrand, P. Rüegsegger, J. Microsc. 185 (1997), doi:10.1046/j.1365-2818.1997.1340694.x (local thickness); E. Rémy, E. Thiel, Pattern
Recognit. Lett. 23 (2002), doi:10.1016/S0167-8655(01)00143-1 (look-up tables for inclusion of discrete balls).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.kernels.distances import Weights
from voxelrock.kernels.runs import trailing_zeros
from voxelrock.typing import HostArray, Triple

_LARGEST = 2**17
"""Squares up to here, in steps of the smallest weight, have entries in the table of inclusions."""
_NEAREST, _FAR = 26, 64
"""The nearest neighbours come first; others tell more of balls whose squares are that many times the smallest weight."""
_CELL, _WIDE = 8, 24
"""Balls of more voxels in radius are painted cell by cell."""
_TABLE = 2**22
"""Longer tables of half rows are not made: roots are taken."""


class Balls(NamedTuple):
    """Balls in the order of decreasing squares: centres (n, 3), int32 in the image; squares (n,)."""

    centers: HostArray
    squares: HostArray

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.squares)


@lru_cache(maxsize=8)
def inclusions(weights: Weights, bound: int) -> HostArray:
    """For each square below ``bound`` and each step v in {0, 1, 2}³ the least square at v whose ball holds that of the first square at 0.

    (bound, 27) int64; v as a number of base 3, the first column is not used.
    """
    z, y, x = (math.isqrt(bound // int(w)) + 1 for w in weights)
    found = np.zeros((bound, 27), np.int64)
    _farthest((int(weights[0]), int(weights[1]), int(weights[2])), (z, y, x), found)
    return np.maximum.accumulate(found, axis=0)


@jit
def _farthest(weights: Triple, reach: Triple, found: HostArray) -> None:
    """1 + the largest |x + v|² over |x|² < r, at r = |x|² + 1: later ones follow by a running maximum."""
    a, b, c = weights
    for z in range(reach[0] + 1):
        for y in range(reach[1] + 1):
            for x in range(reach[2] + 1):
                square = a * z * z + b * y * y + c * x * x + 1
                if square < found.shape[0]:
                    for v in range(27):
                        k, m, n = z + v // 9, y + v // 3 % 3, x + v % 3
                        found[square, v] = max(found[square, v], a * k * k + b * m * m + c * n * n + 1)


def _neighbours(shape: Triple) -> HostArray:
    """Steps to neighbours (z, y, x), through memory, and their column in the table: the 26 nearest, then all others in reach 2 that are no
    multiples of these."""
    reach = range(-2, 3)
    steps = sorted((max(abs(z), abs(y), abs(x)), abs(z) + abs(y) + abs(x), z, y, x) for z in reach for y in reach for x in reach)[1:]
    kept = [step[2:] for step in steps if math.gcd(*step[2:]) == 1]
    return np.array([(z, y, x, (z * shape[1] + y) * shape[2] + x, abs(z) * 9 + abs(y) * 3 + abs(x)) for z, y, x in kept], np.int64)


@jit
def _inner(field: HostArray, i: int, near: HostArray, table: HostArray) -> bool:
    """Whether no neighbour's ball holds that of a voxel, and one of the nearest is lower."""
    own = field[i]
    known, lower = own < table.shape[0], False
    for n in range(_NEAREST):
        other = field[i + near[n, 3]]
        if other < own:
            lower = True
        elif known and other >= table[np.int64(own), near[n, 4]]:
            return False
    if lower and known and own > _FAR * table[1, 1]:
        for n in range(_NEAREST, near.shape[0]):
            if field[i + near[n, 3]] >= table[np.int64(own), near[n, 4]]:
                return False
    return lower


@jit
def _beside(field: HostArray, sides: HostArray, at: tuple[int, int, int, int], near: HostArray, table: HostArray) -> bool:
    """The same near a side of the block, where a neighbour that the image has and the block has not counts as lower.

    ``sides`` are the block's shape, start, and the image's shape; ``at`` is the voxel's index, and its place (z, y, x).
    """
    own = field[at[0]]
    known, lower = own < table.shape[0], False
    for n in range(near.shape[0]):
        beyond, nowhere = False, False
        for axis in range(3):
            there = at[1 + axis] + near[n, axis]
            beyond |= there < 0 or there >= sides[0, axis]
            nowhere |= there + sides[1, axis] < 0 or there + sides[1, axis] >= sides[2, axis]
        if beyond:
            lower |= n < _NEAREST and not nowhere
            continue
        other = field[at[0] + near[n, 3]]
        if other < own:
            lower |= n < _NEAREST
        elif known and other >= table[np.int64(own), near[n, 4]]:
            return False
    return lower


@jit
def _needed(field: HostArray, sides: HostArray, near: HostArray, table: HostArray, kept: HostArray) -> int:
    """The indices of the voxels whose balls have to be painted."""
    nz, ny, nx = sides[0]
    found = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                i = (z * ny + y) * nx + x
                if field[i] <= 0:
                    continue
                inner = 1 < z < nz - 2 and 1 < y < ny - 2 and 1 < x < nx - 2
                if _inner(field, i, near, table) if inner else _beside(field, sides, (i, z, y, x), near, table):
                    kept[found] = i
                    found += 1
    return found


def needed_balls(field: HostArray, /, *, weights: Weights, start: Triple, extent: Triple) -> Balls:
    """The balls of a block's field that have to be painted, everywhere.

    Parameters
    ----------
    field
        (z, y, x): squares, 0 where there is no ball.
    weights
        Squares of the spacings along (z, y, x).
    start, extent
        Of the block, in the image, and the image's shape.

    Returns
    -------
    Balls
        Memory beside them: 8 bytes for each voxel with a ball.
    """
    exact = all(isinstance(w, int) for w in weights)
    largest = float(field.max(initial=0))
    bound = 1 << max(4, int(min(largest, _LARGEST * min(weights))).bit_length())
    table = inclusions(weights, bound) if exact else np.zeros((0, 27), np.int64)
    kept = np.empty(np.count_nonzero(field), np.int64)
    plain = np.ascontiguousarray(field).reshape(-1)
    kept = kept[: _needed(plain, np.array([field.shape, start, extent]), _neighbours(field.shape), table, kept)]
    squares = plain[kept]
    order = np.argsort(-squares, kind="stable")
    centers = np.stack(np.unravel_index(kept[order], field.shape), axis=1) + np.array(start)
    return Balls(centers.astype(np.int32), squares[order])


@jit
def _half(base: Any, weight: Any, square: Any) -> int:
    """The most voxels along an axis with base + weight × k² < square (> base)."""
    k = int(np.sqrt((square - base) / weight))
    while k > 0 and base + weight * (k * k) >= square:
        k -= 1
    while base + weight * ((k + 1) * (k + 1)) < square:
        k += 1
    return k


@jit
def _row(word: Any, place: tuple[int, int, int], span: tuple[int, int], square: Any, todo: HostArray, out: HostArray) -> int:
    """Paint those of 64 voxels of a row that lie between two ends and are not painted; gives how many they are."""
    z, y, w = place
    first, last = max(span[0], w << 6) & 63, min(span[1] - (w << 6), 63)
    bits = word & ~np.uint64(0) << np.uint64(first) & ~np.uint64(0) >> np.uint64(63 - last)
    todo[z, y, w] ^= bits
    found = 0
    while bits:
        out[z, y, (w << 6) + trailing_zeros(bits)] = square
        bits &= bits - np.uint64(1)
        found += 1
    return found


@jit
def _paint_small(center: HostArray, square: Any, weights: HostArray, half: HostArray, todo: HostArray, out: HostArray) -> None:
    """Row by row. ``todo`` has a bit for each voxel that is not painted; ``half`` are half rows by what is left of the square, or empty."""
    nz, ny, nx = out.shape
    z0, y0, x0 = center
    reach = _half(square - square, weights[0], square)
    for z in range(max(0, z0 - reach), min(nz, z0 + reach + 1)):
        away = weights[0] * ((z - z0) * (z - z0))
        wide = _half(away, weights[1], square)
        for y in range(max(0, y0 - wide), min(ny, y0 + wide + 1)):
            base = away + weights[1] * ((y - y0) * (y - y0))
            k = np.int64(half[np.int64(square - base)]) if half.size else _half(base, weights[2], square)
            first, last = max(0, x0 - k), min(nx - 1, x0 + k)
            if first <= last:
                for w in range(first >> 6, (last >> 6) + 1):
                    if todo[z, y, w]:
                        _row(todo[z, y, w], (z, y, w), (first, last), square, todo, out)


@jit
def _apart(cell: int, size: int, at: int) -> int:
    """Voxels from a place to the nearest one of a cell, along an axis."""
    return max(cell * size - at, at - cell * size - size + 1, 0)


@jit
def _paint_large(center: HostArray, square: Any, weights: HostArray, left: HostArray, todo: HostArray, out: HostArray) -> None:
    """Cell by cell: ``left`` has the number of voxels that are not painted in each cell of 8 × 8 × 64, and most have none."""
    nz, ny, nx = out.shape
    z0, y0, x0 = center
    reach, wide, long = _half(square - square, weights[0], square), _half(square - square, weights[1], square), _half(square - square, weights[2], square)
    for i in range(max(0, z0 - reach) // _CELL, min(nz - 1, z0 + reach) // _CELL + 1):
        for j in range(max(0, y0 - wide) // _CELL, min(ny - 1, y0 + wide) // _CELL + 1):
            away = weights[0] * _apart(i, _CELL, z0) ** 2 + weights[1] * _apart(j, _CELL, y0) ** 2
            for w in range(max(0, x0 - long) >> 6, (min(nx - 1, x0 + long) >> 6) + 1):
                if left[i, j, w] == 0 or away + weights[2] * _apart(w, 64, x0) ** 2 >= square:
                    continue
                for z in range(i * _CELL, min(nz, i * _CELL + _CELL)):
                    for y in range(j * _CELL, min(ny, j * _CELL + _CELL)):
                        word = todo[z, y, w]
                        if not word:
                            continue
                        base = weights[0] * ((z - z0) * (z - z0)) + weights[1] * ((y - y0) * (y - y0))
                        if base < square:
                            k = _half(base, weights[2], square)
                            if x0 - k < (w << 6) + 64 and x0 + k >= w << 6:
                                left[i, j, w] -= _row(word, (z, y, w), (max(0, x0 - k), min(nx - 1, x0 + k)), square, todo, out)


@jit
def _count_left(todo: HostArray, left: HostArray) -> None:
    for z in range(todo.shape[0]):
        for y in range(todo.shape[1]):
            for w in range(todo.shape[2]):
                word = todo[z, y, w]
                while word:
                    word &= word - np.uint64(1)
                    left[z // _CELL, y // _CELL, w] += 1


@jit
def _paint(centers: HostArray, squares: HostArray, weights: HostArray, half: HostArray, todo: HostArray, out: HostArray) -> None:
    """The large balls first: squares decrease."""
    left = np.zeros((-(-out.shape[0] // _CELL), -(-out.shape[1] // _CELL), todo.shape[2]), np.int32)
    limit = _WIDE * _WIDE * weights[1]
    if squares[0] > limit:
        _count_left(todo, left)
    for i in range(squares.size):
        if squares[i] > limit:
            _paint_large(centers[i], squares[i], weights, left, todo, out)
        else:
            _paint_small(centers[i], squares[i], weights, half, todo, out)


def paint(out: HostArray, balls: Balls, /, *, weights: Weights, start: Triple) -> None:
    """Raise each value that is not 0 of a block to the largest square among the balls that hold the voxel, in place.

    Parameters
    ----------
    out
        (z, y, x): the field itself, C-contiguous; voxels with 0 stay.
    balls
        In decreasing order of their squares; centres in the image, inside the block or not.
    weights, start
        As in :func:`needed_balls`.
    """
    if not balls.size or not out.size:
        return
    todo = np.packbits(out != 0, axis=-1, bitorder="little")
    padded = np.zeros((*out.shape[:2], -(-out.shape[2] // 64) * 8), np.uint8)
    padded[..., : todo.shape[2]] = todo
    exact = all(isinstance(w, int) for w in weights)
    painted = np.zeros_like(out)
    top = float(balls.squares[0])
    half = np.empty(0, np.int32)
    if exact and top < _TABLE:
        half = np.sqrt((np.maximum(np.arange(int(top) + 1), 1) - 1) // weights[2]).astype(np.int32)
    scale = np.array(weights, "i8" if exact else "f8")
    _paint(balls.centers - np.array(start, np.int32), balls.squares, scale, half, padded.view(np.uint64), painted)
    np.maximum(out, painted, out=out, where=painted > 0)
