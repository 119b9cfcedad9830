"""Boxes of voxels: half-open index ranges along (z, y, x)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from voxelrock.typing import Triple


def _triple(values: Iterable[int]) -> Triple:
    a, b, c = values
    return int(a), int(b), int(c)


@dataclass(frozen=True, slots=True)
class VoxelBox:
    """Voxels from ``start`` (included) to ``stop`` (not included) along (z, y, x).

    Examples
    --------
    >>> VoxelBox((0, 0, 0), (2, 3, 4)).shape
    (2, 3, 4)
    """

    start: Triple
    stop: Triple

    @classmethod
    def whole(cls, shape: Iterable[int]) -> VoxelBox:
        """All voxels of an image of this shape."""
        return cls((0, 0, 0), _triple(shape))

    @property
    def shape(self) -> Triple:
        """Number of voxels along each axis, at least 0."""
        (a, b, c), (d, e, f) = self.start, self.stop
        return max(0, d - a), max(0, e - b), max(0, f - c)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return prod(self.shape)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index into an array of the whole image."""
        (a, b, c), (d, e, f) = self.start, self.stop
        return slice(a, d), slice(b, e), slice(c, f)

    def expand(self, by: Triple) -> VoxelBox:
        """Larger by a number of voxels on both sides of each axis."""
        return self.grow(by, by)

    def grow(self, low: Triple, high: Triple) -> VoxelBox:
        """Larger by ``low`` voxels before and ``high`` voxels after it, along each axis."""
        (a, b, c), (d, e, f) = self.start, self.stop
        (i, j, k), (n, m, o) = low, high  # written out: every task asks for several boxes
        return VoxelBox((a - i, b - j, c - k), (d + n, e + m, f + o))

    def shift(self, by: Iterable[int]) -> VoxelBox:
        """Moved by a number of voxels."""
        i, j, k = by
        (a, b, c), (d, e, f) = self.start, self.stop
        return VoxelBox((a + i, b + j, c + k), (d + i, e + j, f + k))

    def within(self, outer: VoxelBox) -> VoxelBox:
        """This box in the coordinates whose origin is the start of ``outer``."""
        i, j, k = outer.start
        return self.shift((-i, -j, -k))

    def __and__(self, other: VoxelBox) -> VoxelBox:
        (a, b, c), (d, e, f) = self.start, self.stop
        (p, q, r), (s, t, u) = other.start, other.stop
        return VoxelBox((max(a, p), max(b, q), max(c, r)), (min(d, s), min(e, t), min(f, u)))

    def __or__(self, other: VoxelBox) -> VoxelBox:
        """The smallest box that holds both."""
        return VoxelBox(_triple(map(min, self.start, other.start)), _triple(map(max, self.stop, other.stop)))

    def __contains__(self, other: VoxelBox) -> bool:
        return all(a <= b for a, b in zip(self.start, other.start)) and all(a >= b for a, b in zip(self.stop, other.stop))

    def __str__(self) -> str:
        return ", ".join(f"{axis} {a}:{b}" for axis, a, b in zip("zyx", self.start, self.stop))
