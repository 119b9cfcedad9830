"""The same grid cut into blocks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, product
from math import prod

from voxelrock.errors import ParameterError
from voxelrock.geometry.boxes import VoxelBox
from voxelrock.parameters import whole
from voxelrock.typing import Triple

Chunks = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Tiling:
    """A partition of a grid into blocks; ``chunks`` holds the lengths of the blocks along (z, y, x).

    Examples
    --------
    >>> Tiling.regular((5, 4, 4), (2, 4, 4)).chunks
    ((2, 2, 1), (4,), (4,))
    """

    chunks: Chunks

    @classmethod
    def regular(cls, shape: Iterable[int], block: Iterable[int]) -> Tiling:
        """Blocks of one shape, smaller at the far ends."""
        return cls(tuple(cls._cut(n, b) for n, b in zip(shape, block)))  # type: ignore[arg-type]

    @classmethod
    def compute(cls, shape: Iterable[int], *, edge: int = 256) -> Tiling:
        """Blocks for computing where no store suggests others: cubes of ``edge`` voxels, of equal lengths along an axis."""
        lengths = tuple(shape)
        return cls.regular(lengths, (max(1, -(-n // max(1, -(-n // edge)))) for n in lengths))

    @staticmethod
    def _cut(length: int, block: int) -> tuple[int, ...]:
        block = whole(block, "the length of a block")
        if block < 1:
            raise ParameterError(f"a block is at least one voxel long; got {block}")
        full, rest = divmod(length, block)
        return (block,) * full + ((rest,) if rest or not full else ())

    @cached_property
    def starts(self) -> tuple[tuple[int, ...], ...]:
        """Index of the first voxel of each block, along each axis; one more than there are blocks."""
        return tuple((0, *accumulate(lengths)) for lengths in self.chunks)

    @property
    def shape(self) -> Triple:
        """Number of voxels along each axis."""
        return tuple(starts[-1] for starts in self.starts)  # type: ignore[return-value]

    @property
    def blocks(self) -> Triple:
        """Number of blocks along each axis."""
        return tuple(len(lengths) for lengths in self.chunks)  # type: ignore[return-value]

    def __len__(self) -> int:
        return prod(self.blocks)

    def __iter__(self) -> Iterator[Triple]:
        """The indices of all blocks, x fastest."""
        return product(*(range(n) for n in self.blocks))  # type: ignore[return-value]

    def box(self, index: Triple) -> VoxelBox:
        """The voxels of one block."""
        (z, y, x), (i, j, k) = self.starts, index
        return VoxelBox((z[i], y[j], x[k]), (z[i + 1], y[j + 1], x[k + 1]))

    def touched(self, box: VoxelBox) -> Iterator[Triple]:
        """The indices of the blocks that share voxels with a box."""
        ranges = []
        for starts, low, high in zip(self.starts, box.start, box.stop):
            if high <= low:
                return iter(())
            first = bisect_right(starts, low) - 1
            last = first
            while starts[last + 1] < high:
                last += 1
            ranges.append([n for n in range(first, last + 1) if starts[n + 1] > starts[n]])
        return product(*ranges)  # type: ignore[return-value]

    def typical(self) -> Triple:
        """The largest block's shape."""
        return tuple(max(lengths) for lengths in self.chunks)  # type: ignore[return-value]
