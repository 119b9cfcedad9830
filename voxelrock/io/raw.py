"""Raw files: voxels without a header, in any type, byte order and order of axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import ZYX
from voxelrock.io.files import FileStamp
from voxelrock.io.flat import flat_source
from voxelrock.io.formats import Format, ReadOptions, Scan
from voxelrock.io.shapes import clear_shape, possible_shapes
from voxelrock.io.sidecar import Sidecar, imagej_macro, read_sidecar, sidecar_json
from voxelrock.io.targets import Export, flat_export
from voxelrock.io.writing import VOXEL_KINDS, Header, WriteOptions
from voxelrock.typing import DTypeLike


def read_raw(path: Path, options: ReadOptions) -> Scan:
    """A headerless file. What is not given is taken from the sidecar ``<name>.json`` that an export leaves.

    Memory: nothing at opening; the block at reading.

    Parameters
    ----------
    path
        The file.
    options
        ``shape`` and ``dtype`` are needed without a sidecar; ``offset`` is 0 and ``order`` is ``"C"`` (x fastest) unless given.

    Raises
    ------
    MissingFileError, StorageError
        The file cannot be read.
    ParameterError, ParameterTypeError
        The shape or the type is missing, or its meaning is in doubt; the message lists the shapes that fit.
    FormatError
        Shape and type do not fit the file's size, or the sidecar cannot be understood.
    """
    options.only(path, "shape", "dtype", "offset", "order")
    stamp = FileStamp.of(path)
    complete = options.shape is not None and options.dtype is not None
    beside = None if complete and sidecar_unneeded(options) else read_sidecar(path)
    shape = clear_shape(options.shape) if options.shape is not None else beside.shape if beside else None
    dtype = voxel_dtype(options.dtype) if options.dtype is not None else beside.dtype if beside else None
    if shape is None or dtype is None:
        raise ParameterError(_missing(path, shape, dtype))
    offset = options.offset if options.offset is not None else beside.offset if beside else 0
    order = options.order if options.order is not None else beside.order if beside else "C"
    if offset < 0 or order not in ("C", "F"):
        raise ParameterError(f"offset is a number of bytes from 0 on, order is 'C' (x fastest) or 'F' (z fastest); got offset={offset}, order={order!r}")
    source = flat_source(stamp, (*shape,), dtype, offset, order, exact=True)
    if beside is None:
        return Scan(source)
    return Scan(source, beside.spacing, beside.origin, beside.unit, description=beside.description, notes=_overridden(path, options, beside))


def sidecar_unneeded(options: ReadOptions) -> bool:
    """Whether everything that a sidecar says about the layout was given, so that a broken one does no harm."""
    return options.offset is not None and options.order is not None


def voxel_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """A type that voxels may have.

    Raises
    ------
    ParameterTypeError
        No type, or one that voxels cannot have.
    """
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise ParameterTypeError(f"unknown dtype {dtype!r}; write the kind and the bytes, such as 'u1', '<u2', '>i4' or '<f4'") from None
    if found.kind not in VOXEL_KINDS:
        raise ParameterTypeError(f"voxels are booleans, integers or real numbers; got dtype {dtype!r}")
    return found


def _missing(path: Path, shape: ZYX[int] | None, dtype: np.dtype[Any] | None) -> str:
    wanted = " and ".join(name for name, value in (("shape=", shape), ("dtype=", dtype)) if value is None)
    fits = [fit for fit in possible_shapes(path, dtype) if shape is None or fit.shape == shape]
    # What the name says leaves no room for guesses.
    fits = [fit for fit in fits if "name" in fit.why] or fits[:4]
    examples = {"shape=": "shape=ZYX(z=…, y=…, x=…) (--shape-xyz 1000x1000x1250)", "dtype=": "dtype='<u2' (--dtype '<u2')"}
    text = f"{path} has no header: give {wanted}, such as {', '.join(example for name, example in examples.items() if name in wanted)}"
    return f"{text}; its size fits {'; or '.join(map(str, fits))}" if fits else text


def _overridden(path: Path, options: ReadOptions, beside: Sidecar) -> tuple[str, ...]:
    said = {
        "shape": (None if options.shape is None else clear_shape(options.shape), beside.shape),
        "dtype": (None if options.dtype is None else np.dtype(options.dtype), beside.dtype),
        "offset": (options.offset, beside.offset),
        "order": (options.order, beside.order),
    }
    return tuple(f"{name}={given} overrides {own} of {path.name}.json" for name, (given, own) in said.items() if given is not None and given != own)


def write_raw(path: Path, header: Header, options: WriteOptions) -> Export:
    """A raw file with its JSON sidecar, and an ImageJ macro where ImageJ can read it. Booleans are bytes 0 and 1.

    Parameters
    ----------
    path
        The file; ``<name>.json`` and ``<name>.ijm`` appear beside it.
    header
        What is written.
    options
        All of them hold.
    """
    stored = np.dtype("u1") if header.dtype.kind == "b" else header.dtype.newbyteorder(options.byteorder)  # type: ignore[arg-type]
    sidecar = (f"{path.name}.json", sidecar_json(path.name, header, stored, options.order))
    macro = (f"{path.name}.ijm", imagej_macro(path.name, header, stored, options.order))
    return flat_export(path, (*header.shape,), stored, options, companions=(sidecar, macro))


FORMAT = Format("raw", (".raw", ".bin", ".dat", ".vol", ".img"), read_raw, write_raw)
