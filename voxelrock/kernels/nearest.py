"""Exact squares of distances in one box of an image whose sites may lie anywhere, reading only where a nearest site can be.

What a coarse survey says (:mod:`voxelrock.kernels.cells`) leaves few cells that can hold the nearest site of any voxel of the box.
Where these lie around the box, the smallest box that holds all is read and transformed at once. Where they lie far away, as around a cavern
or outside a plug, they are read in pieces, nearest first, and each piece lowers what is known, axis by axis; no memory is
taken for the void between. Both add the same numbers in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit
from voxelrock.kernels.cells import PORE, SOLID, Bounds
from voxelrock.kernels.distances import far, square_dtype, squared_distance, working_dtype
from voxelrock.typing import HostArray

Reader = Callable[[VoxelBox], HostArray]
"""The codes (outside, False, True) of the voxels of any box of the image."""

_PIECE = 64
_LONELY = 16  # sites so much rarer than the voxels around come in pieces, too
_DENSE, _LEAST = 24, 2**27
"""Bytes that the transform of one box may hold, per voxel of the result and at least; beyond, far sites come in pieces."""


@dataclass(frozen=True)
class Sought:
    """Which voxels are sites, and which ask for the nearest: of a mask the False and the True ones, or the other way round (``flipped``);
    ``solid`` makes sites of what does not exist and of the frame around the image."""

    solid: bool = False
    flipped: bool = False

    def sites(self, codes: HostArray) -> HostArray:
        """The sites."""
        if self.flipped:
            return codes == PORE
        return codes != PORE if self.solid else codes == SOLID

    def asked(self, codes: HostArray) -> HostArray:
        """The voxels that ask."""
        return codes == (SOLID if self.flipped else PORE)


def nearest_squares(read: Reader, box: VoxelBox, bounds: Bounds, sought: Sought) -> tuple[HostArray, HostArray]:
    """The codes of a box, and the squares of the distances of the voxels that ask; 0 for the others.

    Without any site in the image the squares are ``far`` of their type, :func:`voxelrock.kernels.distances.square_dtype` of the whole image.
    """
    dtype = square_dtype(bounds.weights, sum(w * n * n for w, n in zip(bounds.weights, bounds.shape)))
    limit = bounds.of_box(box)
    if limit < 0 or math.isinf(limit):
        codes = read(box)
        return codes, np.where(sought.asked(codes), dtype.type(far(dtype)), dtype.type(0))
    top = limit * (1 + 1e-9) if dtype.kind == "f" else int(limit) + 1
    window, useful = bounds.candidates(box)
    around = _around(box, window, useful, bounds, top)
    lines = box.shape[0] * around.shape[1] * around.shape[2] * working_dtype(bounds.weights, top).itemsize
    lonely = _LONELY * np.count_nonzero(useful) * bounds.edge**3 < around.size - box.size
    if not lonely and around.size + lines <= max(_LEAST, _DENSE * box.size):
        codes, squares = _transformed(read, box, around, (bounds, sought, top))
    else:
        codes, squares = _gathered(read, box, _pieces(window, useful, bounds), (bounds, sought, top))
    if sought.solid and not sought.flipped:
        _lower_to_frame(squares, box, bounds)
    return codes, np.where(sought.asked(codes), squares, 0).astype(dtype, copy=False)


Search = tuple[Bounds, Sought, Any]


def _around(box: VoxelBox, window: VoxelBox, useful: HostArray, bounds: Bounds, top: Any) -> VoxelBox:
    """The smallest box that holds the box and all cells that can hold a nearest site."""
    if not useful.any():
        return box
    ends = [np.flatnonzero(useful.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    first, last = (np.array([end[i] for end in ends]) + window.start for i in (0, -1))
    z, y, x = (math.isqrt(int(top / w)) + 1 for w in bounds.weights)
    return box | (_voxels(first, last + 1, bounds) & box.expand((z, y, x)))


def _voxels(first: HostArray, last: HostArray, bounds: Bounds) -> VoxelBox:
    a, b, c = (int(n) * bounds.edge for n in first)
    d, e, f = (int(n) * bounds.edge for n in last)
    return VoxelBox((a, b, c), (d, e, f)) & VoxelBox.whole(bounds.shape)


Piece = tuple[VoxelBox, VoxelBox]
"""A piece of one lattice for the whole image, and the box in it that holds what counts."""


def _pieces(window: VoxelBox, useful: HostArray, bounds: Bounds) -> list[Piece]:
    """The pieces that hold cells with a nearest site."""
    each = max(1, _PIECE // bounds.edge)
    index = np.argwhere(useful) + window.start
    base = np.array(window.start) // each
    numbers = np.zeros(tuple(np.array(window.stop) // each - base + 1), np.int64)
    numbers[tuple((index // each - base).T)] = 1
    places = np.argwhere(numbers) + base
    numbers[tuple((places - base).T)] = np.arange(len(places))
    low, high = np.full((len(places), 3), 2**62), np.full((len(places), 3), -1)
    own = numbers[tuple((index // each - base).T)]
    np.minimum.at(low, own, index)
    np.maximum.at(high, own, index)
    return [(_voxels(p * each, (p + 1) * each, bounds), _voxels(a, b + 1, bounds)) for p, a, b in zip(places, low, high)]


def _transformed(read: Reader, box: VoxelBox, around: VoxelBox, search: Search) -> tuple[HostArray, HostArray]:
    bounds, sought, top = search
    wide = read(around)
    a, b, c = (m - n for m, n in zip(box.start, around.start))
    d, e, f = (m - n for m, n in zip(around.stop, box.stop))
    squares = squared_distance(sought.sites(wide), weights=bounds.weights, before=(a, b, c), after=(d, e, f), limit=top)
    return wide[box.within(around).slices], squares


def _lower_to_frame(squares: HostArray, box: VoxelBox, bounds: Bounds) -> None:
    """Lower the squares to those of the nearest voxel outside the image."""
    top = squares.max(initial=0)
    for axis, (low, high, n, weight) in enumerate(zip(box.start, box.stop, bounds.shape, bounds.weights)):
        places = np.arange(low, high)
        steps = np.minimum(places + 1, n - places)
        costs = np.minimum(weight * steps.astype("f8" if isinstance(weight, float) else "i8") ** 2, top).astype(squares.dtype)
        if (costs < top).any():
            np.minimum(squares, costs.reshape([-1 if a == axis else 1 for a in range(3)]), out=squares)


def _gathered(read: Reader, box: VoxelBox, pieces: list[Piece], search: Search) -> tuple[HostArray, HostArray]:
    """Lower the squares piece by piece: columns of pieces along z become lines along y, these lines along x."""
    bounds, sought, top = search
    codes = read(box)
    dtype = working_dtype(bounds.weights, top)
    squares = np.where(sought.asked(codes), dtype.type(top), dtype.type(0))
    gaps = _Gaps(box, bounds)
    for slab in gaps.grouped(pieces, 2):
        first = slab[0][0]
        if gaps.square(first, (2,)) >= squares.max():
            break
        lines = np.full((*box.shape[:2], first.shape[2]), top, dtype)
        for posts in gaps.grouped(slab, 1):
            if gaps.square(posts[0][0], (1, 2)) < squares.max():
                _lower_lines(read, box, posts, search, lines)
        low = first.start[2] - box.start[2]
        costs = _two_sided(bounds.weights[2], box.shape[2], first.shape[2], low, top)
        _lower_last(lines.reshape(-1, first.shape[2]), costs.astype(dtype), squares.reshape(-1, box.shape[2]))
    return codes, squares


def _lower_lines(read: Reader, box: VoxelBox, posts: list[Piece], search: Search, lines: HostArray) -> None:
    """Lower lines along y by pieces above each other along z."""
    bounds, sought, top = search
    deep, across = posts[0][0].shape[1:]
    columns = np.full((1, box.shape[0], deep * across), top, lines.dtype)
    for post, part in posts:
        start = np.full(post.shape, top, lines.dtype)
        start[part.within(post).slices][sought.sites(read(part))] = 0
        low = post.start[0] - box.start[0]
        costs = _costs_from(bounds.weights[0], box.shape[0], post.shape[0], low, top)
        _lower(start.reshape(1, post.shape[0], -1), low, costs.astype(lines.dtype), columns)
    low = posts[0][0].start[1] - box.start[1]
    costs = _costs_from(bounds.weights[1], box.shape[1], deep, low, top)
    _lower(columns.reshape(box.shape[0], deep, across), low, costs.astype(lines.dtype), lines)


class _Gaps:
    """How far pieces lie from a box, axis by axis."""

    def __init__(self, box: VoxelBox, bounds: Bounds) -> None:
        self.box, self.weights = box, bounds.weights

    def steps(self, piece: VoxelBox, axis: int) -> int:
        """The least number of voxels from the box to the piece."""
        return max(0, piece.start[axis] - self.box.stop[axis] + 1, self.box.start[axis] - piece.stop[axis] + 1)

    def grouped(self, pieces: list[Piece], axis: int) -> list[list[Piece]]:
        """Pieces by their place along an axis, nearest first."""

        def key(piece: Piece) -> tuple[int, int]:
            return self.steps(piece[0], axis), piece[0].start[axis]

        return [list(group) for _, group in groupby(sorted(pieces, key=key), key=key)]

    def square(self, piece: VoxelBox, axes: tuple[int, ...]) -> float:
        """A square that no distance to the piece is less than."""
        return sum(self.weights[a] * self.steps(piece, a) ** 2 for a in axes)


def _squares_of(steps: HostArray, weight: float, top: Any) -> HostArray:
    return np.minimum(weight * steps.astype("f8" if isinstance(weight, float) else "i8") ** 2, top)


def _costs_from(weight: float, results: int, length: int, low: int, top: Any) -> HostArray:
    """The squares of 0, 1, … voxels, as many as there are between a result and a line that starts ``low`` voxels after the first."""
    return _squares_of(np.arange(max(abs(low + length), abs(low - results)) + 1), weight, top)


def _two_sided(weight: float, results: int, length: int, low: int, top: Any) -> HostArray:
    """The squares by the place of the result less that of the line's voxel, from the lowest difference on."""
    return _squares_of(np.arange(-(low + length - 1), results - low), weight, top)


@jit
def _lower(lines: HostArray, low: int, costs: HostArray, out: HostArray) -> None:
    """Lower ``out`` (a, i, b) to what ``lines`` (a, j, b) hold plus the cost of |low + j − i| voxels."""
    length, width = lines.shape[1:]
    for a in range(out.shape[0]):
        for i in range(out.shape[1]):
            row = out[a, i]
            largest = row.max()
            for n in range(length):
                j = n if 2 * (low - i) + length > 0 else length - 1 - n  # from the nearer end
                cost = costs[abs(low + j - i)]
                if cost < largest:
                    _take_lower(lines[a, j], cost, row, width)


@jit
def _take_lower(values: HostArray, cost: Any, out: HostArray, width: int) -> None:
    for b in range(width):
        value = out.dtype.type(values[b] + cost)
        out[b] = value if value < out[b] else out[b]


@jit
def _lower_last(lines: HostArray, costs: HostArray, out: HostArray) -> None:
    """Lower rows (r, i) to what ``lines`` (r, j) hold plus the cost of the difference of their places."""
    length, width = lines.shape[1], out.shape[1]
    for r in range(out.shape[0]):
        largest = out[r].max()
        if largest == 0:
            continue
        for j in range(length):
            if lines[r, j] < largest:
                first = length - 1 - j
                _add_costs(costs[first : first + width], lines[r, j], out[r])


@jit
def _add_costs(costs: HostArray, value: Any, out: HostArray) -> None:
    for i in range(out.size):
        total = out.dtype.type(costs[i] + value)
        out[i] = total if total < out[i] else out[i]
