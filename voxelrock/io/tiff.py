"""TIFF: files of many pages, BigTIFF, compressed or not, and folders with one file per slice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from voxelrock import extras
from voxelrock.errors import FormatError, ParameterError, StorageError
from voxelrock.graph.sources import Source
from voxelrock.io.files import FileStamp
from voxelrock.io.flat import flat_source
from voxelrock.io.formats import Format, ReadOptions, Scan
from voxelrock.io.npy import image_shape
from voxelrock.io.tiff_directories import count_pages
from voxelrock.io.tiff_folder import read_folder
from voxelrock.io.tiff_metadata import Lengths, bounding_box_notes, file_lengths
from voxelrock.io.tiff_pages import TIFF_ERRORS, PagedSource, PageTable, page_table
from voxelrock.io.tiff_writing import write_tiff
from voxelrock.io.writing import VOXEL_KINDS
from voxelrock.typing import Triple

# What the standard library decompresses: none, deflate (two numbers), packbits, lzma.
_PLAIN_COMPRESSIONS = (1, 8, 32946, 32773, 34925)


def read_tiff(path: Path, options: ReadOptions) -> Scan:
    """A TIFF file of grey pages, or a folder of slices. Nothing is decoded at opening.

    Memory: the block, and one strip or tile (often a page); only the block where the file is uncompressed.

    Parameters
    ----------
    path
        A file, or a folder.
    options
        ``series`` chooses where a file holds several image series.

    Raises
    ------
    MissingFileError, StorageError
        The file cannot be read.
    FormatError
        It is no TIFF file, is truncated, holds colour, or its pages differ; the page is named.
    ParameterError
        There is no such series.
    MissingPackageError
        Its compression needs the package imagecodecs.
    """
    if path.is_dir():
        return read_folder(path, options)
    options.only(path, "series")
    stamp = FileStamp.of(path)
    pages = count_pages(stamp)
    try:
        with tifffile.TiffFile(stamp.path) as file:
            return _scan(stamp, file, pages, options.series)
    except (FormatError, ParameterError, StorageError):
        raise
    except TIFF_ERRORS as error:
        raise FormatError(f"{path} cannot be read as TIFF: {error}; copy it again") from None


def _scan(stamp: FileStamp, file: tifffile.TiffFile, pages: int, choice: int | None) -> Scan:
    number = _choose(stamp, file, choice)
    series = file.series[number]
    shape, notes = _shape(stamp, series)
    _promised(stamp, file, shape, pages)
    table = page_table(file, number)
    if table.page.compression not in _PLAIN_COMPRESSIONS or table.page.predictor == 3:
        extras.require("imagecodecs", extra="tiff")
    source = _source(stamp, file, series, table, shape, number)
    lengths: Lengths = file_lengths(file, number)
    description = str(table.page.description or "")
    notes += lengths.notes + bounding_box_notes(description, shape) + _meaning(table.page, description)
    paged = isinstance(source, PagedSource) and table.page.compression != 1 and source.chunk[1] == shape[2]
    return Scan(source, lengths.spacing, lengths.origin, lengths.unit, paged, description, notes)


def _choose(stamp: FileStamp, file: tifffile.TiffFile, choice: int | None) -> int:
    series = file.series
    if choice is not None:
        if not 0 <= choice < len(series):
            raise ParameterError(f"{stamp.path} has {len(series)} image series, counted from 0; got series={choice}")
        return choice
    if len(series) == 1:
        return 0
    if not series:
        raise FormatError(f"{stamp.path} holds no image")
    found = "; ".join(f"series={i}: {s.shape} {s.dtype}" for i, s in enumerate(series[:4]))
    for i, page in enumerate(file.pages):
        first = file.pages[0]
        if (page.shape, page.dtype) != (first.shape, first.dtype):
            differs = f"page {i} has {page.shape} {page.dtype}, page 0 has {first.shape} {first.dtype}; "
            break
    else:
        differs = ""
    raise FormatError(f"{stamp.path} holds {len(series)} image series, not one ({found}); {differs}choose one with series=")


def _shape(stamp: FileStamp, series: Any) -> tuple[Triple, tuple[str, ...]]:
    axes, lengths = str(series.axes), tuple(int(n) for n in series.shape)
    if "S" in axes or (series.keyframe.photometric in (2, 6) and series.keyframe.samplesperpixel > 1):
        samples = lengths[axes.index("S")] if "S" in axes else series.keyframe.samplesperpixel
        raise FormatError(
            f"{stamp.path} is a colour image ({samples} samples per pixel); grey values or labels were expected: convert it to 8- or 16-bit grey first"
        )
    if np.dtype(series.dtype).kind not in VOXEL_KINDS:
        raise FormatError(f"{stamp.path} holds values of type {series.dtype}; voxels are booleans, integers or real numbers")
    if len(lengths) > 3:
        named = " × ".join(f"{n} {axis}" for axis, n in zip(axes, lengths))
        raise FormatError(f"{stamp.path} has {len(lengths)} axes ({named}); save one channel and one time step as a stack of slices (z, y, x)")
    shape = image_shape(Path(stamp.path), lengths)
    if len(axes) == 3 and axes[0] in "TC":
        named = {"T": "times", "C": "channels"}[axes[0]]
        return shape, (f"the file calls its {shape[0]} slices {named}; they were taken as slices along z",)
    return shape, ()


def _promised(stamp: FileStamp, file: tifffile.TiffFile, shape: Triple, pages: int) -> None:
    """Where a description promises more slices than there are, the file is truncated."""
    promised = 0
    if file.is_imagej:
        promised = int((file.imagej_metadata or {}).get("images", 0))
    elif file.is_shaped:
        said = json.loads(file.pages.first.description) if str(file.pages.first.description).startswith("{") else {}
        lengths = said.get("shape", [])
        promised = int(np.prod(lengths[:-2])) if len(lengths) == 3 else 0
    if promised > max(shape[0], pages):
        page = file.pages.first
        needed = int(page.dataoffsets[0]) + promised * int(page.nbytes)
        raise FormatError(
            f"{stamp.path} is truncated: it announces {promised} slices, which end at byte {needed}, but it has {stamp.size} bytes; copy it again"
        )


def _source(stamp: FileStamp, file: tifffile.TiffFile, series: Any, table: PageTable, shape: Triple, number: int) -> Source:
    if series.dataoffset is not None:
        stored = np.dtype(series.dtype).newbyteorder(file.byteorder)
        plane = shape[1] * shape[2] * stored.itemsize
        there = (stamp.size - int(series.dataoffset)) // plane
        if there < shape[0]:
            end = int(series.dataoffset) + (there + 1) * plane
            raise FormatError(f"{stamp.path} is truncated: page {there} of {shape[0]} ends at byte {end}, but it has {stamp.size} bytes; copy it again")
        return flat_source(stamp, shape, stored, int(series.dataoffset))
    for i, (offsets, counts) in enumerate(zip(table.offsets, table.counts)):
        end = max((a + n for a, n in zip(offsets, counts)), default=0)
        if end > stamp.size:
            raise FormatError(f"{stamp.path} is truncated: page {i} of {len(table.offsets)} ends at byte {end}, but it has {stamp.size} bytes; copy it again")
    return PagedSource(stamp, shape, np.dtype(series.dtype).newbyteorder("=").str, table.chunk(), number)


def _meaning(page: Any, description: str) -> tuple[str, ...]:
    notes = []
    if page.photometric == 3:
        notes.append("the file has a palette; its indices were taken as the voxels' values")
    if page.photometric == 0:
        notes.append("the file shows small values bright (MinIsWhite); the values were taken as stored")
    if "voxelrock_dtype=bool" in description:
        notes.append("written from a boolean image: 255 is True, 0 is False")
    return tuple(notes)


FORMAT = Format("TIFF", (".tif", ".tiff", ".btf"), read_tiff, write_tiff)
