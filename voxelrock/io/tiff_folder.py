"""A folder of TIFF files, one per slice, in natural order."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from voxelrock.errors import CorruptChunkError, FormatError, MissingFileError, StorageError
from voxelrock.geometry import VoxelBox
from voxelrock.io.files import FileStamp
from voxelrock.io.flat import FlatSource
from voxelrock.io.formats import ReadOptions, Scan
from voxelrock.io.tiff_metadata import file_lengths
from voxelrock.io.tiff_pages import TIFF_ERRORS, PageTable, cached_table, read_pages
from voxelrock.typing import HostArray, Triple

_READERS = 8


class Slice(NamedTuple):
    """One file of a folder; ``offset`` is where its voxels start if they lie uncompressed in one piece, else -1."""

    shape: tuple[int, int]
    dtype: str
    offset: int
    stored: str
    chunk: tuple[int, int]


def digest_of(stamps: tuple[FileStamp, ...]) -> str:
    """One short text for the names, sizes and times of many files."""
    return hashlib.sha256("\n".join(f"{s.name} {s.size} {s.mtime_ns}" for s in stamps).encode()).hexdigest()[:32]


@lru_cache(maxsize=4)
def _unchanged(folder: str, digest: str) -> tuple[FileStamp, ...]:
    """The slices of a folder, listed once per process, if they are still those that were opened."""
    stamps = slice_stamps(Path(folder))
    if digest_of(stamps) != digest:
        raise StorageError(f"the slices in {folder} have changed since it was opened; open it again")
    return stamps


def slice_stamps(folder: Path) -> tuple[FileStamp, ...]:
    """The stamps of a folder's slices, in natural order.

    Raises
    ------
    FormatError, StorageError
        A slice is empty, or cannot be read.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        return tuple(pool.map(FileStamp.of, (folder / name for name in slice_names(folder))))


def slice_names(folder: Path) -> list[str]:
    """The TIFF files of a folder in natural order (slice_2 before slice_10); hidden files and others are left out."""
    from_folder = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_file()]
    return sorted((name for name in from_folder if Path(name).suffix.lower() in (".tif", ".tiff")), key=lambda name: (natural(Path(name).stem), name))


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts the numbers inside names by their value."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(p), "") if p[0] in "0123456789" else (1, 0, p.lower()) for p in pieces] + [(-1, 0, name)]


@lru_cache(maxsize=16384)
def slice_layout(stamp: FileStamp) -> Slice:
    """What one slice of a folder holds; only its header is read.

    Raises
    ------
    FormatError
        It is no TIFF file of one grey page.
    """
    try:
        with tifffile.TiffFile(stamp.path) as file:
            page = file.pages.first
            if file.pages.is_multipage:
                raise FormatError(f"{stamp.path} has several pages; a folder of slices has one page per file: open the file by itself")
            if page.dtype is None or len(page.shape) != 2 or page.photometric in (2, 6):
                raise FormatError(f"{stamp.path} has shape {page.shape} and type {page.dtype}; grey slices with axes (y, x) were expected, not colour")
            table = PageTable(page, (tuple(page.dataoffsets),), (tuple(page.databytecounts),))
            stored = np.dtype(page.dtype).newbyteorder(file.byteorder).str
            offset = int(page.dataoffsets[0]) if table.final else -1
            return Slice((int(page.shape[0]), int(page.shape[1])), np.dtype(page.dtype).str, offset, stored, table.chunk())
    except FormatError:
        raise
    except (*TIFF_ERRORS, OSError) as error:
        raise FormatError(f"{stamp.path} cannot be read as TIFF: {error}; copy it again") from None


@dataclass(frozen=True)
class FolderSource:
    """A folder of single-page TIFF files, one per slice, in natural order.

    Memory: the block, and one strip or tile. No file stays open.

    Parameters
    ----------
    folder
        The folder's absolute path.
    digest
        The names, sizes and times of its slices, as one short text.
    shape
        Number of voxels along (z, y, x).
    voxels
        NumPy's name of the type.
    chunk
        Rows and columns that are decoded at once.
    """

    folder: str
    digest: str
    shape: Triple
    voxels: str
    chunk: tuple[int, int]

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
        """One strip or tile of a slice."""
        return 1, *self.chunk

    @property
    def identity(self) -> str:
        """Folder, and the names, sizes and times of its slices; never their content."""
        return f"tiffs({self.folder}, {self.digest}, {self.shape}, {self.voxels})"

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box.

        Raises
        ------
        CorruptChunkError, StorageError, MissingFileError
            A slice is damaged, has changed, or is gone.
        """
        out = np.empty(box.shape, self.dtype)
        if not out.size:
            return out
        stamps = _unchanged(self.folder, self.digest)
        for z in range(box.start[0], box.stop[0]):
            self._read_slice(stamps[z], out[z - box.start[0]], box, z)
        return out

    def _read_slice(self, stamp: FileStamp, out: HostArray, box: VoxelBox, z: int) -> None:
        layout = slice_layout(stamp)
        if (layout.shape, layout.dtype) != (self.shape[1:], self.dtype.str):
            raise StorageError(f"{stamp.path} has {layout.shape} {layout.dtype}; {self.shape[1:]} {self.dtype.str} were expected at slice {z}")
        flat = VoxelBox((0, *box.start[1:]), (1, *box.stop[1:]))
        if layout.offset >= 0:
            try:
                out[...] = FlatSource(stamp, (1, *layout.shape), layout.stored, layout.offset).read(flat)[0]
            except StorageError as error:
                raise CorruptChunkError(f"slice {z} cannot be read: {error}") from None
        else:
            read_pages(cached_table(stamp, 0), stamp, out[np.newaxis], flat)


def read_folder(path: Path, options: ReadOptions) -> Scan:
    """A folder of slices: every .tif and .tiff file of it, in natural order; hidden files and other types are left out.

    Opening reads the headers only, several at a time.

    Memory: the block, and one strip or tile.

    Raises
    ------
    MissingFileError
        No such folder, no slices in it, or missing numbers in a numbered sequence.
    FormatError
        Slices differ in shape or type, or are no TIFF files of one grey page; the first one is named.
    """
    options.only(path)
    if not path.is_dir():
        raise MissingFileError(f"the folder {path} does not exist; check the path")
    stamps = slice_stamps(path)
    if not stamps:
        raise MissingFileError(f"the folder {path} holds no .tif or .tiff files; slices in other formats are not read from folders")
    _complete(path, [stamp.name for stamp in stamps])
    with ThreadPoolExecutor(_READERS) as pool:
        layouts = list(pool.map(slice_layout, stamps))
    kinds = Counter((layout.shape, layout.dtype) for layout in layouts).most_common()
    # One odd slice among many is the culprit, wherever it lies; two slices leave the first as the measure.
    expected = kinds[0][0] if len(layouts) > 2 else (layouts[0].shape, layouts[0].dtype)
    for stamp, layout in zip(stamps, layouts):
        if (layout.shape, layout.dtype) != expected:
            found, others = _words(layout.shape, layout.dtype), _words(*expected)
            raise FormatError(f"{stamp.path} has {found}, but the other slices have {others}; remove it from the folder, or export it again")
    first = layouts[0]
    flat = all(layout.offset >= 0 for layout in layouts)
    source = FolderSource(os.path.abspath(path), digest_of(stamps), (len(stamps), *first.shape), first.dtype, first.chunk)
    with tifffile.TiffFile(stamps[0].path) as file:
        lengths = file_lengths(file)
    return Scan(source, lengths.spacing, lengths.origin, lengths.unit, not flat and first.chunk[1] == first.shape[1], notes=lengths.notes)


def _words(shape: tuple[int, int], dtype: str) -> str:
    return f"{shape[0]} × {shape[1]} pixels (y, x) of {np.dtype(dtype)}"


def _complete(path: Path, names: list[str]) -> None:
    """Refuse a numbered sequence with gaps; names without a common pattern are taken as they come."""
    places = [re.findall(r"[0-9]+", Path(name).stem) for name in names]
    frames = {re.sub(r"[0-9]+", "#", Path(name).stem) for name in names}
    if len(frames) > 1 or not places[0]:
        return
    columns = [[int(numbers[i]) for numbers in places] for i in range(len(places[0]))]
    varying = [column for column in columns if len(set(column)) > 1]
    if len(varying) != 1:
        return
    numbers = varying[0]
    steps = Counter(b - a for a, b in pairwise(numbers))
    step, often = min(steps.items(), key=lambda item: (-item[1], item[0]))
    # Times and other irregular numbers are no sequence.
    if step < 1 or (step > 1 and 2 * often <= len(numbers) - 1):
        return
    gaps = [(a, b) for a, b in pairwise(numbers) if b - a > step]
    if gaps:
        count = sum(ceil((b - a) / step) - 1 for a, b in gaps)
        shown = [str(n) for a, b in gaps for n in islice(range(a + step, b, step), 8)][:8]
        listed = ", ".join(shown) + (", …" if count > len(shown) else "")
        raise MissingFileError(
            f"{path} has slices {numbers[0]} to {numbers[-1]}, but {count} missing: {listed}; put them there, or rename the slices without gaps"
        )
