"""NumPy's .npy files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from voxelrock.errors import FormatError
from voxelrock.io.files import FileStamp, read_bytes
from voxelrock.io.flat import flat_source
from voxelrock.io.formats import Format, ReadOptions, Scan
from voxelrock.io.targets import Export, flat_export
from voxelrock.io.writing import VOXEL_KINDS, Header, WriteOptions
from voxelrock.typing import Triple

_HEADER_BYTES = 65536


def read_npy(path: Path, options: ReadOptions) -> Scan:
    """A .npy file of two or three axes, in C or Fortran order: its axes are (z, y, x), or (y, x) for one slice.

    Memory: the block that is read.

    Raises
    ------
    MissingFileError, StorageError
        The file cannot be read.
    FormatError
        It is no .npy file, is truncated, or holds no image.
    """
    options.only(path)
    stamp = FileStamp.of(path)
    with stamp.opened() as descriptor:
        start = io.BytesIO(read_bytes(descriptor, min(stamp.size, _HEADER_BYTES), 0, stamp.name))
    try:
        version = npy_format.read_magic(start)
        shape, fortran, dtype = npy_format.read_array_header_1_0(start) if version == (1, 0) else npy_format.read_array_header_2_0(start)
    except ValueError as error:
        raise FormatError(f"{path} is no .npy file of voxels: {str(error).splitlines()[0]}; write it with numpy.save") from None
    if dtype.kind not in VOXEL_KINDS:
        raise FormatError(f"{path} holds values of type {dtype}; voxels are booleans, integers or real numbers")
    return Scan(flat_source(stamp, image_shape(path, shape), dtype, start.tell(), "F" if fortran else "C"))


def image_shape(path: Path, shape: tuple[int, ...]) -> Triple:
    """The shape along (z, y, x) of an array of two or three axes.

    Raises
    ------
    FormatError
        Other numbers of axes, or an axis of length 0.
    """
    if len(shape) not in (2, 3):
        raise FormatError(f"{path} holds an array of {len(shape)} axes, shape {shape}; an image has three (z, y, x), or two for one slice")
    if 0 in shape:
        raise FormatError(f"{path} holds an array without voxels, shape {shape}")
    z, y, x = shape if len(shape) == 3 else (1, *shape)
    return z, y, x


def write_npy(path: Path, header: Header, options: WriteOptions) -> Export:
    """A .npy file that ``numpy.load`` reads; spacing, origin and unit have no place in it.

    Parameters
    ----------
    path
        The file.
    header
        What is written.
    options
        All of them hold.
    """
    stored: np.dtype[Any] = header.dtype.newbyteorder(options.byteorder)  # type: ignore[arg-type]
    head = io.BytesIO()
    said = {"descr": npy_format.dtype_to_descr(stored), "fortran_order": options.order == "F", "shape": tuple(header.shape)}
    npy_format.write_array_header_1_0(head, said)
    return flat_export(path, (*header.shape,), stored, options, around=(head.getvalue(), b""))


def _refuse_archive(path: Path, options: ReadOptions) -> Scan:
    raise FormatError(f"{path} is an archive of arrays, which cannot be read box by box; write the one that is needed with numpy.save to a .npy file")


FORMAT = Format("NumPy", (".npy",), read_npy, write_npy)
ARCHIVE = Format("NumPy archive", (".npz",), _refuse_archive)
