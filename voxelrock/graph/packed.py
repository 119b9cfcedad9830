"""Blocks of a few codes, two bits a voxel, that a first pass leaves for a second one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.places import Place, unreadable
from voxelrock.typing import HostArray


def pack(place: Place, box: VoxelBox, codes: HostArray) -> Packed:
    """Leave the codes (0 to 3) of a box.

    Raises
    ------
    StorageError
        The folder is full, or gone.
    """
    bits = np.stack([np.packbits(codes & 1, axis=-1), np.packbits(codes & 2, axis=-1)])
    return Packed(box, place.write("bits", bits.tofile) if place.folder else bits)


@dataclass(frozen=True, eq=False)
class Packed:
    """The codes of one block: as bits, or the file that has them."""

    box: VoxelBox
    bits: HostArray | str

    def read(self, box: VoxelBox) -> HostArray:
        """The codes of a box inside the block.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        (a, b, c), (d, e, f) = (box.within(self.box).start, box.within(self.box).stop)
        bits = self._bits()[:, a:d, b:e, c // 8 : -(-f // 8)]
        low, high = np.unpackbits(np.ascontiguousarray(bits), axis=-1)[..., c % 8 : c % 8 + f - c]
        return low | high << 1

    def _bits(self) -> HostArray:
        if not isinstance(self.bits, str):
            return self.bits
        depth, height, width = self.box.shape
        try:
            return np.memmap(self.bits, np.uint8, "r", shape=(2, depth, height, -(-width // 8)))
        except (OSError, ValueError) as error:
            raise unreadable(self.bits, error) from error


class Catalogue:
    """All packed blocks of an image: any box of it can be read."""

    def __init__(self, blocks: Iterable[Packed], tiling: Tiling, place: Place) -> None:
        self.blocks = {packed.box.start: packed for packed in blocks if packed.box.size}
        self.tiling = tiling
        place.release(self, [str(p.bits) for p in self.blocks.values()])

    def read(self, box: VoxelBox) -> HostArray:
        """The codes of a box inside the image."""
        out = np.zeros(box.shape, np.uint8)
        for index in self.tiling.touched(box):
            block = self.tiling.box(index)
            part = block & box
            out[part.within(box).slices] = self.blocks[block.start].read(part)
        return out
