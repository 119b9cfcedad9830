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
    """For each square below ``bound`` and each step v in {0, 1}³ the least square at v whose ball holds that of the first square at 0.

    (bound, 8) int64; v as a binary number, the first column is not used.
    """
    z, y, x = (math.isqrt(bound // int(w)) + 1 for w in weights)
    found = np.zeros((bound, 8), np.int64)
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
                    for v in range(8):
                        k, m, n = z + (v >> 2), y + (v >> 1 & 1), x + (v & 1)
                        found[square, v] = max(found[square, v], a * k * k + b * m * m + c * n * n + 1)


def _neighbours(shape: Triple) -> HostArray:
    """The steps to the 26 neighbours, nearest first: through memory, and which axes they change, as a binary number."""
    steps = sorted((abs(z) + abs(y) + abs(x), z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1))[1:]
    return np.array([((z * shape[1] + y) * shape[2] + x, abs(z) * 4 + abs(y) * 2 + abs(x)) for _, z, y, x in steps], np.int64)


@jit
def _needed(field: HostArray, shape: Triple, near: HostArray, table: HostArray, kept: HostArray) -> int:
    """The indices of the voxels whose balls have to be painted; those on a side of the block are: it does not know what lies beyond."""
    nz, ny, nx = shape
    found = 0
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        side = z == 0 or z == nz - 1 or y == 0 or y == ny - 1
        for x in range(nx):
            i = row * nx + x
            own = field[i]
            if own <= 0:
                continue
            needed = True
            if not (side or x == 0 or x == nx - 1):
                known = own < table.shape[0]
                lower = False
                for n in range(26):
                    other = field[i + near[n, 0]]
                    if other < own:
                        lower = True
                    elif known and other >= table[np.int64(own), near[n, 1]]:
                        lower = False
                        break
                needed = lower
            if needed:
                kept[found] = i
                found += 1
    return found


def needed_balls(field: HostArray, /, *, weights: Weights, start: Triple) -> Balls:
    """The balls of a block's field that have to be painted, everywhere.

    Parameters
    ----------
    field
        (z, y, x): squares, 0 where there is no ball.
    weights
        Squares of the spacings along (z, y, x).
    start
        Of the block, in the image.

    Returns
    -------
    Balls
        Memory beside them: 8 bytes for each voxel with a ball.
    """
    exact = all(isinstance(w, int) for w in weights)
    largest = float(field.max(initial=0))
    bound = 1 << max(4, int(min(largest, _LARGEST * min(weights))).bit_length())
    table = inclusions(weights, bound) if exact else np.zeros((0, 8), np.int64)
    kept = np.empty(np.count_nonzero(field), np.int64)
    plain = np.ascontiguousarray(field).reshape(-1)
    kept = kept[: _needed(plain, field.shape, _neighbours(field.shape), table, kept)]
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
def _paint(centers: HostArray, squares: HostArray, weights: HostArray, half: HostArray, todo: HostArray, out: HostArray) -> None:
    """``todo`` has a bit for each voxel that is not painted; ``half`` are half rows by what is left of the square, or empty."""
    nz, ny, nx = out.shape
    for i in range(squares.size):
        square = squares[i]
        z0, y0, x0 = centers[i]
        reach = _half(square - square, weights[0], square)
        for z in range(max(0, z0 - reach), min(nz, z0 + reach + 1)):
            away = weights[0] * ((z - z0) * (z - z0))
            wide = _half(away, weights[1], square)
            for y in range(max(0, y0 - wide), min(ny, y0 + wide + 1)):
                base = away + weights[1] * ((y - y0) * (y - y0))
                k = np.int64(half[np.int64(square - base)]) if half.size else _half(base, weights[2], square)
                first, last = max(0, x0 - k), min(nx - 1, x0 + k)
                if first > last:
                    continue
                for w in range(first >> 6, (last >> 6) + 1):
                    bits = todo[z, y, w]
                    if not bits:
                        continue
                    if w == first >> 6:
                        bits &= ~np.uint64(0) << np.uint64(first & 63)
                    if w == last >> 6:
                        bits &= ~np.uint64(0) >> np.uint64(63 - (last & 63))
                    todo[z, y, w] ^= bits
                    while bits:
                        out[z, y, (w << 6) + trailing_zeros(bits)] = square
                        bits &= bits - np.uint64(1)


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
    _paint((balls.centers - np.array(start)).astype(np.int64), balls.squares, scale, half, padded.view(np.uint64), painted)
    np.maximum(out, painted, out=out, where=painted > 0)
