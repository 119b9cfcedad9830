"""Runs of a phase along the lines of a block: how many of each length, and what is left open where the block ends.

Voxels are of the phase, of what else exists, or do not exist. A run whose both ends meet what exists is complete; one that meets what does not
exist, or the border of the image, is cut. A run that meets the end of its block is open there: its length is kept for the line, and joined with
the neighbour's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.typing import Block, HostArray, Triple

REST, PHASE, NOTHING = 0, 1, 2
"""What a voxel can be."""
_WORDS = np.array([0, 0x0101010101010101, 0x0202020202020202], np.uint64)


@dataclass(frozen=True, eq=False)
class Lines:
    """The runs along one axis of a box.

    ``counts`` (int64): complete and cut runs by length (2, lengths). ``first`` and ``last`` (int32, a plane of lines): twice the length that the
    phase has from the low side and from the high side, plus 1 where what ends it there does not exist.
    """

    box: VoxelBox
    counts: HostArray
    first: HostArray
    last: HostArray


@kernel(cost=1.5, workspace=1.2, host_only="it walks along rows as runs")
def line_runs(block: Block, /, *region: Block, axis: int, start: Triple, shape: Triple) -> list[Lines]:
    """The runs of True along an axis; with a ``region`` (a mask), of what of them lies inside. It runs on the host: a device's block is copied."""
    codes = _coded(to_host(block), to_host(region[0]) if region else None)
    depth, height, width = codes.shape
    outer, length, inner = [(1, depth, height * width), (depth, height, width), (depth * height, width, 1)][axis]
    box = VoxelBox(start, tuple(a + n for a, n in zip(start, shape)))  # type: ignore[arg-type]
    if axis == 2:
        length = int(shape[2])
    counts, ends = np.zeros((2, length + 1), np.int64), np.zeros((2, outer, inner), np.int32)
    if not block.size:
        return [Lines(box, counts, *np.zeros((2, *plane_shape(box, axis)), np.int32))]
    if axis == 2:
        _along_rows(codes.reshape(outer, width), codes.reshape(outer, width).view(np.uint64), length, counts, ends[:, :, 0])
    else:
        state = np.zeros((2, inner), np.int32)
        flat = codes.reshape(outer, length, inner)
        _across_rows(flat, flat.view(np.uint64), state, counts, ends)
    full = tuple(n for a, n in enumerate(codes.shape) if a != axis)
    first, last = ends.reshape(2, *full)[(slice(None), *(slice(n) for n in plane_shape(box, axis)))]
    return [Lines(box, counts, np.ascontiguousarray(first), np.ascontiguousarray(last))]


def plane_shape(box: VoxelBox, axis: int) -> tuple[int, int]:
    """The shape of the plane of lines along an axis of a box."""
    a, b = (n for i, n in enumerate(box.shape) if i != axis)
    return a, b


def _coded(mask: HostArray, region: HostArray | None) -> HostArray:
    """What each voxel is (u1), rows filled up with :data:`REST` to whole words."""
    depth, height, width = mask.shape
    codes = np.zeros((depth, height, -(-width // 8) * 8), np.uint8)
    codes[:, :, :width] = mask.view(np.uint8) if region is None else np.where(region, mask.view(np.uint8), np.uint8(NOTHING))
    return codes


@jit
def _along_rows(codes: HostArray, words: HostArray, length: int, counts: HostArray, ends: HostArray) -> None:
    for r in range(codes.shape[0]):
        row, since, before, x = codes[r], 0, 0, 0
        code = int(row[0])
        while x < length:
            if x & 7 == 0 and words[r, x >> 3] == _WORDS[code] and x + 8 <= length:
                x += 8
                continue
            here = int(row[x])
            if here != code:
                _end(code == 1, here == 2, before, since, x, counts, ends, r)
                since, before, code = x, code, here
            x += 1
        _close(code, before, since, length, ends, r)
        if row[0] == 2:
            ends[0, r] = 1


@jit
def _end(phase: bool, cut: bool, before: int, since: int, at: int, counts: HostArray, ends: HostArray, line: int) -> None:
    """A stretch of equal voxels ends before ``at``; ``before`` is what came before it, where it did not begin the line."""
    if since == 0:
        ends[0, line] = 2 * at + (1 if cut else 0) if phase else ends[0, line]
    if phase and since > 0:
        counts[1 if cut or before == 2 else 0, at - since] += 1


@jit
def _close(code: int, before: int, since: int, length: int, ends: HostArray, line: int) -> None:
    """The line ends in a stretch that began at ``since``."""
    if code == 1:
        ends[1, line] = 2 * (length - since) + (1 if since > 0 and before == 2 else 0)
        if since == 0:
            ends[0, line] = 2 * length
    else:
        ends[1, line] = 1 if code == 2 else 0


@jit
def _across_rows(codes: HostArray, words: HostArray, state: HostArray, counts: HostArray, ends: HostArray) -> None:
    """``state`` holds for each line where its last stretch began, and what came before it."""
    since, before = state[0], state[1]
    length = codes.shape[1]
    for o in range(codes.shape[0]):
        since[:] = 0
        for z in range(1, length):
            above, here = words[o, z - 1], words[o, z]
            for w in range(here.size):
                if above[w] != here[w]:
                    for i in range(8 * w, 8 * w + 8):
                        old, new = codes[o, z - 1, i], codes[o, z, i]
                        if old != new:
                            _end(old == 1, new == 2, before[i], since[i], z, counts, ends[:, o], i)
                            since[i], before[i] = z, old
        for i in range(since.size):
            _close(codes[o, length - 1, i], before[i], since[i], length, ends[:, o], i)
    for o in range(codes.shape[0]):
        for i in range(since.size):
            if codes[o, 0, i] == 2:
                ends[0, o, i] = 1


def _length(code: HostArray) -> HostArray:
    return code >> 1


def _lengthened(first: Lines, second: Lines, axis: int, counts: HostArray) -> Lines:
    """Two boxes one behind the other, as one; runs that end where they meet are counted."""
    n, m = first.box.shape[axis], second.box.shape[axis]
    through, beyond = _length(first.first) == n, _length(second.last) == m
    joined = _length(first.last) + _length(second.first)
    ended = ~through & ~beyond & (joined > 0)
    cut = (first.last | second.first) & 1
    for kind in (0, 1):
        lengths = joined[ended & (cut == kind)]
        if lengths.size:
            table = np.bincount(lengths)
            counts[kind, : table.size] += table
    low = np.where(through, second.first + 2 * n, first.first)
    high = np.where(beyond, first.last + 2 * m, second.last)
    return Lines(first.box | second.box, counts, low, high)


@dataclass(frozen=True)
class JoinedLines:
    """Joins the runs along an axis of boxes that fill a box."""

    axis: int

    def __call__(self, partials: list[list[Lines]]) -> list[Lines]:
        parts = [part for partial in partials for part in partial]
        whole = parts[0].box
        for part in parts[1:]:
            whole = whole | part.box
        across = [a for a in range(3) if a != self.axis]
        counts = np.zeros((2, whole.shape[self.axis] + 1), np.int64)
        for part in parts:
            counts[:, : part.counts.shape[1]] += part.counts
        first, last = np.zeros((2, *plane_shape(whole, self.axis)), np.int32)
        columns: dict[tuple[int, ...], list[Lines]] = {}
        for part in sorted(parts, key=lambda part: part.box.start[self.axis]):
            columns.setdefault(tuple(part.box.start[a] for a in across), []).append(part)
        for column in columns.values():
            joined = column[0]
            for part in column[1:]:
                joined = _lengthened(joined, part, self.axis, counts)
            place = joined.box.within(whole).slices
            where = tuple(place[a] for a in across)
            first[where], last[where] = joined.first, joined.last
        return [Lines(whole, counts, first, last)]


def run_counts(found: list[Lines], *, axis: int) -> HostArray:
    """Complete and cut runs by length (2, lengths), those that meet the border of the image among the cut ones."""
    (lines,) = found
    counts, n = lines.counts.copy(), lines.box.shape[axis]
    low, high = _length(lines.first), _length(lines.last)
    for lengths in (low[low > 0], high[(high > 0) & (high < n)]):
        counts[1] += np.bincount(lengths, minlength=n + 1)
    return counts
