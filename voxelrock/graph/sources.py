"""Where stored voxels come from: anything that can read a box.

A source is picklable, holds no credentials and no open file, and reads any box of itself. Cropping, permuting axes and casting a source
give a source: views without tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.typing import HostArray, Triple


@runtime_checkable
class Source(Protocol):
    """A stored image that can be read box by box.

    ``tile`` is the shape that is cheapest to read (an inner chunk, a page); ``identity`` is equal in every process for as long as the
    stored voxels are the same.
    """

    @property
    def shape(self) -> Triple:
        """Number of voxels along (z, y, x)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels, in native byte order."""
        ...

    @property
    def tile(self) -> Triple:
        """The smallest shape that is read at once."""
        ...

    @property
    def identity(self) -> str:
        """Which voxels these are."""
        ...

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box inside the image: a new array, or one that nobody changes."""
        ...


def is_paged(source: Source) -> bool:
    """Whether reading a part of a tile costs as much as the whole tile, so that every tile should be read once."""
    return bool(getattr(source, "paged", False))


Counts = tuple[int, HostArray]
"""How often values of a type occur (int64), one after another, with the place of the first among all values of the type."""


def counts_of(source: Source, box: VoxelBox) -> Counts | None:
    """How often each value occurs in a box, where the source knows that without reading the box."""
    found: Counts | None = source.counts(box) if hasattr(source, "counts") else None
    return found


def as_voxels(source: Source) -> Source:
    """The source with its floats in float32 or float64, the ones that images hold."""
    dtype = np.dtype(source.dtype)
    if dtype.kind != "f" or dtype.itemsize in (4, 8):
        return source
    return Cast(source, "<f4" if dtype.itemsize < 4 else "<f8")


@dataclass(frozen=True)
class Cropped:
    """A box of another source."""

    source: Source
    box: VoxelBox

    @property
    def shape(self) -> Triple:
        """Number of voxels along (z, y, x)."""
        return self.box.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the source's."""
        return self.source.dtype

    @property
    def tile(self) -> Triple:
        """As the source's."""
        return self.source.tile

    @property
    def paged(self) -> bool:
        """As the source's."""
        return is_paged(self.source)

    @property
    def identity(self) -> str:
        """The source's, with the box."""
        return f"crop({self.source.identity}, {self.box})"

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box, counted from the start of the crop."""
        return self.source.read(box.shift(self.box.start))

    def counts(self, box: VoxelBox) -> Counts | None:
        """As the source's."""
        return counts_of(self.source, box.shift(self.box.start))


@dataclass(frozen=True)
class Permuted:
    """Another source with its axes in another order: axis ``i`` here is axis ``order[i]`` there."""

    source: Source
    order: Triple

    def _there(self, values: Triple) -> Triple:
        there = [0, 0, 0]
        for here, axis in enumerate(self.order):
            there[axis] = values[here]
        return there[0], there[1], there[2]

    def _here(self, values: Triple) -> Triple:
        a, b, c = (values[axis] for axis in self.order)
        return a, b, c

    @property
    def shape(self) -> Triple:
        """Number of voxels along (z, y, x)."""
        return self._here(self.source.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the source's."""
        return self.source.dtype

    @property
    def tile(self) -> Triple:
        """The source's, permuted."""
        return self._here(self.source.tile)

    @property
    def paged(self) -> bool:
        """As the source's."""
        return is_paged(self.source)

    @property
    def identity(self) -> str:
        """The source's, with the order."""
        return f"permute({self.source.identity}, {self.order})"

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box, contiguous in the new order."""
        there = self.source.read(VoxelBox(self._there(box.start), self._there(box.stop)))
        return np.ascontiguousarray(np.transpose(there, self.order))

    def counts(self, box: VoxelBox) -> Counts | None:
        """As the source's."""
        return counts_of(self.source, VoxelBox(self._there(box.start), self._there(box.stop)))


@dataclass(frozen=True)
class Cast:
    """Another source with its voxels in another type."""

    source: Source
    target: str

    @property
    def shape(self) -> Triple:
        """Number of voxels along (z, y, x)."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The new type."""
        return np.dtype(self.target)

    @property
    def tile(self) -> Triple:
        """As the source's."""
        return self.source.tile

    @property
    def paged(self) -> bool:
        """As the source's."""
        return is_paged(self.source)

    @property
    def identity(self) -> str:
        """The source's, with the type."""
        return f"cast({self.source.identity}, {self.dtype.str})"

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box, converted."""
        return self.source.read(box).astype(self.dtype)
