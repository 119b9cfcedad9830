"""Voxels that lie uncompressed, one after another, in a file: raw files, and what many formats hold behind their header."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from voxelrock.errors import FormatError, StorageError
from voxelrock.geometry import VoxelBox
from voxelrock.io.files import FileStamp, read_into
from voxelrock.typing import HostArray, Triple

_PAGE_BYTES = 4096
_MAPPED_BYTES = 16 * 2**20
_GAP_BYTES = 64 * 1024
_SQUARE = 16


def file_order(values: Triple, order: str) -> Triple:
    """Values along (z, y, x) in the order of the file, the axis that changes fastest last; its own inverse."""
    return values if order == "C" else (values[2], values[1], values[0])


def runs(shape: Triple, box: VoxelBox) -> Iterator[tuple[tuple[slice, ...], int, int]]:
    """The contiguous runs of a box in a C-ordered array: index into the box's own array, first element in the file, number of elements."""
    _, rows, columns = shape
    (a, b, c), lengths = box.start, box.shape
    if lengths[1:] == (rows, columns):
        yield (slice(None),), a * rows * columns, prod(lengths)
    elif lengths[2] == columns:
        for i in range(lengths[0]):
            yield (slice(i, i + 1),), ((a + i) * rows + b) * columns, lengths[1] * columns
    else:
        for i in range(lengths[0]):
            for j in range(lengths[1]):
                yield (slice(i, i + 1), slice(j, j + 1)), ((a + i) * rows + b + j) * columns + c, lengths[2]


def as_bytes(array: HostArray) -> memoryview:
    """A contiguous array as the bytes that it holds."""
    return array.reshape(-1).view(np.uint8).data


@dataclass(frozen=True)
class FlatSource:
    """Voxels of one type without gaps, from ``offset`` bytes on.

    Memory: the block that is read (twice where z changes fastest), and about 16 MiB of the file mapped while parts of rows are copied; never the
    file. Nothing stays open between reads.

    Parameters
    ----------
    stamp
        The file.
    shape
        Number of voxels along (z, y, x).
    stored
        NumPy's name of the type in the file, with its byte order.
    offset
        Bytes before the first voxel.
    order
        ``"C"``: x changes fastest; ``"F"``: z changes fastest.
    """

    stamp: FileStamp
    shape: Triple
    stored: str
    offset: int = 0
    order: str = "C"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels, in native byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    @property
    def tile(self) -> Triple:
        """One page of the file system along the axis that changes fastest."""
        fastest = file_order(self.shape, self.order)[2]
        return file_order((1, 1, max(1, min(fastest, _PAGE_BYTES // self.dtype.itemsize))), self.order)

    @property
    def identity(self) -> str:
        """File, size, time of change and layout; never the content."""
        return f"flat({self.stamp.identity}, {self.shape}, {self.stored}, {self.offset}, {self.order})"

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box, in native byte order.

        Raises
        ------
        StorageError
            The file has changed, or cannot be read.
        """
        there = VoxelBox(file_order(box.start, self.order), file_order(box.stop, self.order))
        stored = np.dtype("u1") if self.dtype.kind == "b" else np.dtype(self.stored)
        out: HostArray = np.empty(there.shape, stored)
        if out.size:
            with self.stamp.opened() as descriptor:
                _fill(out, descriptor, self.offset, file_order(self.shape, self.order), there, self.stamp.name)
        if self.dtype.kind == "b":
            out = out != 0
        elif not stored.isnative:
            out = out.byteswap(inplace=True).view(self.dtype)
        return _reversed_axes(out) if self.order == "F" else out


def _fill(out: HostArray, descriptor: int, offset: int, shape: Triple, box: VoxelBox, name: str) -> None:
    size = out.dtype.itemsize
    if box.shape[2] == shape[2] or box.shape[1] == 1 or (shape[2] - box.shape[2]) * size > _GAP_BYTES:
        for index, first, _ in runs(shape, box):
            read_into(descriptor, as_bytes(out[index]), offset + first * size, name)
        return
    plane = box.shape[1] * shape[2] * size
    step = max(1, _MAPPED_BYTES // plane)
    for i in range(0, box.shape[0], step):
        first = ((box.start[0] + i) * shape[1] + box.start[1]) * shape[2] + box.start[2]
        part, position = out[i : i + step], offset + first * size
        if hasattr(os, "posix_fadvise"):
            for j in range(len(part)):
                os.posix_fadvise(descriptor, position + j * shape[1] * shape[2] * size, plane, os.POSIX_FADV_WILLNEED)
        _copy_mapped(part, descriptor, position, (shape[1] * shape[2] * size, shape[2] * size, size), name)


def _copy_mapped(out: HostArray, descriptor: int, position: int, strides: Triple, name: str) -> None:
    """Parts of many rows: mapped for as long as they are copied, which spares a system call per row."""
    aligned = position - position % mmap.ALLOCATIONGRANULARITY
    (planes, rows, columns), (plane, row, size) = out.shape, strides
    end = position + (planes - 1) * plane + (rows - 1) * row + columns * size
    try:
        mapped = mmap.mmap(descriptor, end - aligned, offset=aligned, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise StorageError(f"{name} cannot be read at byte {position}: {error}; it is truncated, or its disk cannot map files") from None
    with mapped:
        # What is needed was asked for already; on a cold cache the kernel would fetch megabytes around each row.
        if hasattr(mmap, "MADV_RANDOM"):
            mapped.madvise(mmap.MADV_RANDOM)
        view: HostArray | None = np.ndarray(out.shape, out.dtype, mapped, position - aligned, strides)
        out[...] = view
        # The map can be closed only when nothing points into it.
        view = None


def _reversed_axes(block: HostArray) -> HostArray:
    """The transpose, contiguous; copied in small squares, since whole rows against whole columns would miss the cache at each voxel."""
    out: HostArray = np.empty(block.T.shape, block.dtype)
    for i in range(0, out.shape[0], _SQUARE):
        for j in range(0, out.shape[2], _SQUARE):
            out[i : i + _SQUARE, :, j : j + _SQUARE] = block[j : j + _SQUARE, :, i : i + _SQUARE].T
    return out


def flat_source(stamp: FileStamp, shape: Triple, stored: np.dtype[Any], offset: int, order: str = "C", *, exact: bool = False) -> FlatSource:
    """A source whose file is large enough for it, or of just the right size where ``exact``.

    Raises
    ------
    FormatError
        The file's size does not fit; both numbers are named.
    """
    expected = offset + prod(shape) * stored.itemsize
    if stamp.size < expected or (exact and stamp.size != expected):
        z, y, x = shape
        behind = f" after a header of {offset} bytes" if offset else ""
        hint = "the file is truncated, or shape or dtype are wrong" if stamp.size < expected else "shape or dtype are wrong, or offset= leaves out a header"
        raise FormatError(
            f"{stamp.path} has {stamp.size} bytes, but {z} × {y} × {x} voxels (z, y, x) of {stored.str}{behind} make {expected} bytes; {hint}",
        )
    return FlatSource(stamp, shape, stored.str, offset, order)
