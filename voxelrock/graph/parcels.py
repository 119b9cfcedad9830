"""The pattern for what reaches as far as the data say: each block gives a parcel of what it does to others, and takes those that reach it.

The first pass looks at each block once and leaves its parcel, in memory or in a file; a catalogue knows how far each one reaches. In the second
a block's task opens its own parcel, and those within reach, and nothing else: no task of it depends on a block of the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph

from voxelrock.errors import VoxelrockError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import lift, tiling_of, value
from voxelrock.graph.expressions import Value
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.layers import BlockLayer
from voxelrock.graph.places import Place, unreadable
from voxelrock.graph.reductions import Reduction
from voxelrock.kernels.backend import Kernel, kernel, to_host
from voxelrock.typing import Block, HostArray, Triple

_LIKELY = 1.5
"""Bytes per voxel that parcels may take in all: decides between memory and files."""

Arrays = tuple[HostArray, ...]


@dataclass(frozen=True)
class Parcels:
    """Each block from its own parcel and from those of all blocks that reach it.

    Parameters
    ----------
    give
        A kernel from a block to ``(arrays, reach)``: what is left, and how many voxels beyond the block it matters, along each axis. Gets ``start``
        and ``shape``.
    take
        ``take(own, others, box=…, **parameters)`` gives the block of a box, from the arrays of its parcel and a list of those of others.
    """

    give: Kernel[Any, Any]
    take: Kernel[Any, Any]

    def __call__(self, image: da.Array, *, dtype: Any, give: dict[str, Any], **parameters: Any) -> da.Array:
        """Lazy; the tiling of the image. ``give`` holds the parameters of the first pass. Two tasks a block, and a tree."""
        tiling = tiling_of(image)
        reduction = Reduction(_left, _listed, _Catalogued(), located=True)
        place = Place.of(image.size * _LIKELY)
        left = reduction(image, shape=(), dtype=object, give=self.give, place=place, parameters=give, finish={"place": place})
        place.watch(left.dask)
        found = value(left)
        meaning = fingerprint(self.give, self.take, lift(image).identity, sorted(give.items()), sorted(parameters.items()), np.dtype(dtype))
        layer = ParcelLayer(_Take(self.take, tuple(sorted(parameters.items())), found, np.dtype(dtype).str), meaning, tiling)
        graph = HighLevelGraph.from_collections(layer.name, layer, dependencies=layer.upstream())
        return da.Array(graph, layer.name, tiling.chunks, meta=np.empty((0, 0, 0), dtype))


@dataclass(frozen=True, eq=False)
class Parcel:
    """What one block leaves: arrays, or the file that has them, and the box in which it matters."""

    box: VoxelBox
    reach: VoxelBox
    held: Arrays | str
    count: int

    def arrays(self) -> Arrays:
        """What was left.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        if not isinstance(self.held, str):
            return self.held
        try:
            with open(self.held, "rb") as file:
                return tuple(np.load(file, allow_pickle=False) for _ in range(self.count))
        except (OSError, ValueError, EOFError) as error:
            raise unreadable(self.held, error) from error


@kernel(cost=3.0, workspace=1.0, host_only="it writes what it leaves to memory or files of the host")
def _left(block: Block, /, *, start: Triple, shape: Triple, give: Kernel[Any, Any], place: Place, parameters: dict[str, Any]) -> list[Parcel]:
    """A block's parcel. It runs on the host: a device's block is copied."""
    stop: Any = tuple(a + n for a, n in zip(start, shape))
    box = VoxelBox(start, stop)
    if not box.size:
        return []
    arrays, reach = give(to_host(block), start=start, shape=shape, **parameters)
    held = place.write("parcel", lambda file: _save(file, arrays)) if place.folder else tuple(arrays)
    return [Parcel(box, box.expand(reach), held, len(arrays))]


def _save(file: BinaryIO, arrays: Arrays) -> None:
    for array in arrays:
        np.save(file, array)


def _listed(partials: list[list[Parcel]]) -> list[Parcel]:
    return [parcel for parcels in partials for parcel in parcels]


@dataclass(frozen=True)
class _Catalogued:
    def __call__(self, parcels: list[Parcel], *, place: Place) -> Any:
        return Catalogue(parcels, place)


class Catalogue:
    """All parcels of an image."""

    def __init__(self, parcels: Iterable[Parcel], place: Place) -> None:
        self.parcels = {parcel.box: parcel for parcel in parcels}
        place.release(self, [parcel.held for parcel in self.parcels.values() if isinstance(parcel.held, str)])

    def of(self, box: VoxelBox) -> tuple[Arrays, list[Arrays]]:
        """The parcel of a box, and all others that reach it."""
        others = [p.arrays() for p in self.parcels.values() if p.box != box and (p.reach & box).size]
        return self.parcels[box].arrays(), others


@dataclass(frozen=True, eq=False)
class _Take:
    kernel: Kernel[Any, Any]
    parameters: tuple[tuple[str, Any], ...]
    found: Value
    dtype: str

    def __call__(self, box: VoxelBox, blocks: list[Block], lazy: dict[str, Any]) -> HostArray:
        if not box.size:
            return np.empty(box.shape, self.dtype)
        own, others = lazy[self.found.identity].of(box)
        try:
            return self.kernel(own, others, box=box, **dict(self.parameters))
        except VoxelrockError as error:
            raise error.at(box) from None


class ParcelLayer(BlockLayer):
    """The second pass: one task per block, which gets the catalogue; ``meaning`` is the image's identity."""

    def __init__(self, take: _Take, meaning: str, tiling: Tiling) -> None:
        name = f"{take.kernel.__name__}-{fingerprint(meaning, tiling.chunks)[:32]}"
        super().__init__(name, (), tiling, take, (take.found,))
        self.take, self.meaning = take, meaning
