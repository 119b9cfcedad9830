"""Voxels in the pages of a TIFF file, compressed or in pieces. Only the strips and tiles that a box touches are decoded."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import tifffile

from voxelrock.errors import CorruptChunkError, FormatError, StorageError
from voxelrock.geometry import VoxelBox
from voxelrock.io.files import FileStamp, read_bytes
from voxelrock.typing import HostArray, Triple

TIFF_ERRORS = (
    tifffile.TiffFileError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What reading a damaged file can raise inside the library."""


class PageTable(NamedTuple):
    """Where the pages of one series lie. The first page, which can decode the others, holds no open file."""

    page: Any
    offsets: tuple[tuple[int, ...], ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def depth(self) -> int:
        """Slices per page: 1, but for volumetric pages."""
        return int(self.page.imagedepth)

    @property
    def final(self) -> bool:
        """Whether each page lies uncompressed and in one piece."""
        return bool(self.page.is_final) and all(_joined(o, c) for o, c in zip(self.offsets, self.counts))

    def chunk(self) -> tuple[int, int]:
        """Rows and columns of a strip or tile."""
        page = self.page
        if page.is_tiled:
            return min(int(page.tilelength), int(page.imagelength)), min(int(page.tilewidth), int(page.imagewidth))
        return min(int(page.rowsperstrip), int(page.imagelength)), int(page.imagewidth)


def _joined(offsets: tuple[int, ...], counts: tuple[int, ...]) -> bool:
    return all(a + n == b for a, n, b in zip(offsets, counts, offsets[1:]))


def page_table(file: tifffile.TiffFile, series: int) -> PageTable:
    """Where the pages of a series lie, read from the directories of an open file."""
    pages = list(file.series[series].pages)
    first = pages[0].keyframe
    first.decode  # noqa: B018 - the library builds the decoder once, and needs the file's header for it
    return PageTable(first, tuple(tuple(p.dataoffsets) for p in pages), tuple(tuple(p.databytecounts) for p in pages))


@lru_cache(maxsize=64)
def cached_table(stamp: FileStamp, series: int) -> PageTable:
    """The table of a file, kept per process."""
    try:
        with tifffile.TiffFile(stamp.path) as file:
            return page_table(file, series)
    except TIFF_ERRORS as error:
        raise FormatError(f"{stamp.path} cannot be read as TIFF: {error}") from None


def _segments(table: PageTable, box: VoxelBox) -> Iterator[int]:
    """The strips or tiles of a page that a box touches."""
    if table.depth > 1:
        yield from range(len(table.offsets[0]))
        return
    rows, columns = int(table.page.tilelength) if table.page.is_tiled else int(table.page.rowsperstrip), table.chunk()[1]
    columns = int(table.page.tilewidth) if table.page.is_tiled else columns
    across = ceil(int(table.page.imagewidth) / columns)
    for i in range(box.start[1] // rows, ceil(box.stop[1] / rows)):
        for j in range(box.start[2] // columns, ceil(box.stop[2] / columns)):
            yield i * across + j


def read_pages(table: PageTable, stamp: FileStamp, out: HostArray, box: VoxelBox) -> None:
    """Decode a box of a series into ``out``.

    Raises
    ------
    CorruptChunkError
        A page cannot be decoded; page and file are named.
    StorageError
        The file has changed, or cannot be read.
    """
    with stamp.opened() as descriptor:
        for number in range(box.start[0] // table.depth, ceil(box.stop[0] / table.depth)):
            for segment in _segments(table, box):
                try:
                    offset, count = table.offsets[number][segment], table.counts[number][segment]
                    data = read_bytes(descriptor, count, offset, stamp.name) if count else None
                    block, place, shape = table.page.decode(data, segment, jpegtables=table.page.jpegtables)
                except (*TIFF_ERRORS, StorageError) as error:
                    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                    raise CorruptChunkError(f"page {number} of {stamp.path} cannot be decoded ({reason}); the file is damaged: copy it again") from None
                start = (number * table.depth + place[1], place[2], place[3])
                _place(out, box, start, shape[:3], table.page.nodata if block is None else block[..., 0])


def _place(out: HostArray, box: VoxelBox, start: Triple, shape: Triple, values: Any) -> None:
    whole = VoxelBox(start, tuple(a + n for a, n in zip(start, shape)))  # type: ignore[arg-type]
    shared = whole & box
    if shared.size:
        out[shared.within(box).slices] = values[shared.within(whole).slices] if isinstance(values, np.ndarray) else values


@dataclass(frozen=True)
class PagedSource:
    """The pages of one TIFF file, each compressed or in pieces.

    Memory: the block, and one strip or tile. The places of the pages are kept per process; no file stays open.

    Parameters
    ----------
    stamp
        The file.
    shape
        Number of voxels along (z, y, x).
    voxels
        NumPy's name of the type.
    chunk
        Rows and columns that are decoded at once.
    series
        Which series of the file.
    """

    stamp: FileStamp
    shape: Triple
    voxels: str
    chunk: tuple[int, int]
    series: int = 0

    @property
    def paged(self) -> bool:
        """Whether parts of a strip or tile cost as much as the whole: they are compressed."""
        return True

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels, in native byte order."""
        return np.dtype(self.voxels)

    @property
    def tile(self) -> Triple:
        """One strip or tile of a page."""
        return 1, *self.chunk

    @property
    def identity(self) -> str:
        """File, size, time of change and series; never the content."""
        return f"tiff({self.stamp.identity}, {self.shape}, {self.voxels}, {self.series})"

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box.

        Raises
        ------
        CorruptChunkError, StorageError
            A page is damaged; the file has changed, or cannot be read.
        """
        out = np.empty(box.shape, self.dtype)
        if out.size:
            read_pages(cached_table(self.stamp, self.series), self.stamp, out, box)
        return out
