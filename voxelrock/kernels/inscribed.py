"""The largest ball that covers each voxel, of balls whose squared radii are a field: local thickness, and what a meniscus reaches.

A field gives each voxel q the square f(q) of a radius, 0 where there is no ball; the ball of q are the voxels p with |p − q|² < f(q). Asked
is the largest f(q) over all balls that hold p. Two rules leave out balls that others make superfluous. If no neighbour has a smaller square, then
every voxel p of the ball lies in the ball of the neighbour towards p, as near to p as can be, and so on down to p itself. And if each voxel of
the ball lies in that of some neighbour whose square is larger, then these do its work, or larger ones do theirs. That is soon seen: what
the larger one of two unit neighbours leaves uncovered is beyond a plane, and beyond three planes few voxels of the ball are left, near
where it touches its surroundings. What is left is painted from the largest down, each voxel once: a row of a ball is a mask over
the bits of voxels that are still to be painted.

Sources: T. Hildebrand, P. Rüegsegger, J. Microsc. 185 (1997), doi:10.1046/j.1365-2818.1997.1340694.x (local thickness). The rule
of covered balls is our own; that of a ball inside one other, by tables, is of E. Rémy, E. Thiel, Pattern Recognit. Lett. 23 (2002),
doi:10.1016/S0167-8655(01)00143-1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.kernels.distances import Weights
from voxelrock.kernels.runs import trailing_zeros
from voxelrock.typing import HostArray, Triple

_MOST = 256
"""A ball of which more voxels are beyond the planes is painted without a look at each."""
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


def _neighbours(shape: Triple) -> HostArray:
    """Steps to the 26 neighbours (z, y, x), and through memory; the nearest first: those before along z, y, x, then those after along x, y, z."""
    reach = range(-1, 2)
    steps = sorted((abs(z) + abs(y) + abs(x), z, y, x) for z in reach for y in reach for x in reach)[1:]
    return np.array([(z, y, x, (z * shape[1] + y) * shape[2] + x) for _, z, y, x in steps], np.int64)


@jit
def _look(field: HostArray, i: int, near: HostArray, found: HostArray) -> bool:
    """The squares of a voxel's neighbours, all in the block; and whether one is lower."""
    own, lower = field[i], False
    for n in range(near.shape[0]):
        found[n] = field[i + near[n, 3]]
        lower |= found[n] < own
    return lower


@jit
def _look_around(field: HostArray, sides: HostArray, at: tuple[int, int, int, int], near: HostArray, found: HostArray) -> bool:
    """The same near a side of the block: 0 where it has no neighbour, which may be lower if the image has one.

    ``sides`` are the block's shape, start, and the image's shape; ``at`` is the voxel's index, and its place (z, y, x).
    """
    own, lower = field[at[0]], False
    for n in range(near.shape[0]):
        beyond, nowhere = False, False
        for axis in range(3):
            there = at[1 + axis] + near[n, axis]
            beyond |= there < 0 or there >= sides[0, axis]
            nowhere |= there + sides[1, axis] < 0 or there + sides[1, axis] >= sides[2, axis]
        found[n] = 0 if beyond else field[at[0] + near[n, 3]]
        lower |= found[n] < own and not nowhere
    return lower


@jit
def _beyond(before: Any, after: Any, own: int, weight: int) -> int:
    """From how many voxels on, away from it, the larger one of two unit neighbours along an axis leaves the ball uncovered; 0 if none is larger."""
    more: Any = np.int64(max(before, after)) - own
    if more <= 0:
        return 0
    return (more + 1) >> 1 if weight == 1 else (more + weight) // (2 * weight)


@jit
def _planes(own: int, found: HostArray, weights: HostArray, planes: HostArray) -> None:
    """For each axis the way away from the larger unit neighbour (0: none is larger), and from how many voxels on that one leaves uncovered."""
    for axis in range(3):
        before, after = found[axis], found[5 - axis]
        planes[axis, 1] = _beyond(before, after, own, weights[axis])
        planes[axis, 0] = 0 if planes[axis, 1] == 0 else 1 if before >= after else -1


@jit
def _covered(field: HostArray, i: int, own: int, near: HostArray, weights: HostArray) -> bool:
    """Whether the unit neighbours alone leave nothing of a ball: mostly they do."""
    left = own
    for axis in range(3):
        step = near[5 - axis, 3]
        m = _beyond(field[i - step], field[i + step], own, weights[axis])
        left -= weights[axis] * m * m
    return left <= 0


@jit
def _uncovered(place: Triple, own: int, found: HostArray, near: HostArray, weights: HostArray) -> bool:
    """Whether no neighbour with a larger square has a voxel, given from the centre, in its ball."""
    for n in range(near.shape[0]):
        if found[n] > own:
            square = 0
            for axis in range(3):
                square += weights[axis] * (place[axis] - near[n, axis]) ** 2
            if square < found[n]:
                return False
    return True


@jit
def _any_uncovered(own: int, found: HostArray, near: HostArray, weights: HostArray, planes: HostArray) -> bool:
    """Whether larger neighbours leave a voxel of the ball uncovered, as far as looked for."""
    a, b, c = weights
    looked, z = 0, planes[0, 1]
    while a * z * z + b * planes[1, 1] ** 2 + c * planes[2, 1] ** 2 < own:
        y = planes[1, 1]
        while a * z * z + b * y * y + c * planes[2, 1] ** 2 < own:
            x = planes[2, 1]
            while a * z * z + b * y * y + c * x * x < own:
                for turn in range(8):  # both ways along an axis where no neighbour is larger
                    k, m, n = (1 - 2 * (turn >> 2 & 1)), (1 - 2 * (turn >> 1 & 1)), (1 - 2 * (turn & 1))
                    if (k < 0 and (planes[0, 0] != 0 or z == 0)) or (m < 0 and (planes[1, 0] != 0 or y == 0)) or (n < 0 and (planes[2, 0] != 0 or x == 0)):
                        continue
                    looked += 1
                    place = (z * (planes[0, 0] or k), y * (planes[1, 0] or m), x * (planes[2, 0] or n))
                    if looked > _MOST or _uncovered(place, own, found, near, weights):
                        return True
                x += 1
            y += 1
        z += 1
    return False


@jit
def _needed(field: HostArray, sides: HostArray, near: HostArray, weights: HostArray, kept: HostArray) -> int:
    """The indices of the voxels whose balls have to be painted; without weights all that the first rule leaves."""
    nz, ny, nx = sides[0]
    found, planes = np.empty(near.shape[0], field.dtype), np.zeros((3, 2), np.int64)
    count = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                i = (z * ny + y) * nx + x
                if field[i] <= 0:
                    continue
                inner = 0 < z < nz - 1 and 0 < y < ny - 1 and 0 < x < nx - 1
                own: Any = np.int64(field[i])
                if inner and weights.size and _covered(field, i, own, near, weights):
                    continue
                if not (_look(field, i, near, found) if inner else _look_around(field, sides, (i, z, y, x), near, found)):
                    continue
                if weights.size:
                    _planes(own, found, weights, planes)
                    if not _any_uncovered(own, found, near, weights, planes):
                        continue
                kept[count] = i
                count += 1
    return count


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
    kept = np.empty(np.count_nonzero(field), np.int64)
    plain = np.ascontiguousarray(field).reshape(-1)
    whole = np.array(weights if exact else (), np.int64)
    kept = kept[: _needed(plain, np.array([field.shape, start, extent]), _neighbours(field.shape), whole, kept)]
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
