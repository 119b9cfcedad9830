"""The formats that are known, by suffix. A new format is one file with a ``Format``, and its line here."""

from __future__ import annotations

from pathlib import Path

from voxelrock.errors import FormatError, MissingFileError
from voxelrock.io import dicom, metaimage, npy, raw, tiff
from voxelrock.io.formats import Format, ReadOptions, Scan
from voxelrock.io.targets import Export
from voxelrock.io.writing import Header, WriteOptions

FORMATS: tuple[Format, ...] = (raw.FORMAT, tiff.FORMAT, metaimage.FORMAT, npy.FORMAT, dicom.FORMAT, npy.ARCHIVE)
"""All formats of single files."""


def suffixes(*, writing: bool = False) -> list[str]:
    """The suffixes that are read, or written."""
    return [suffix for known in FORMATS if known is not npy.ARCHIVE and (known.write or not writing) for suffix in known.suffixes]


def format_of(path: Path) -> Format | None:
    """The format of a path by its suffix, capitals or not; None for an unknown one."""
    suffix = path.suffix.lower()
    return next((known for known in FORMATS if suffix in known.suffixes), None)


def _folder_format(path: Path) -> Format:
    """Folders hold slices: of DICOM where there are any, else of TIFF."""
    return dicom.FORMAT if any(file.suffix.lower() == ".dcm" for file in path.iterdir()) else tiff.FORMAT


def read(path: str | Path, options: ReadOptions | None = None) -> Scan:
    """Open a file or a folder of slices, lazily.

    Raises
    ------
    MissingFileError
        There is no such path.
    FormatError
        The suffix is not known; the message lists those that are.
    VoxelrockError
        As the format's own reader.
    """
    path, options = Path(path), options or ReadOptions()
    known = _folder_format(path) if path.is_dir() else format_of(path)
    if known is None and options.headerless:
        known = raw.FORMAT
    if known is None:
        if not path.exists():
            raise MissingFileError(f"{path} does not exist; check the path")
        named = f"the suffix {path.suffix!r} of {path.name}" if path.suffix else f"a file without a suffix, {path.name},"
        raise FormatError(
            f"{named} is not known; known are .zarr, {', '.join(suffixes())}; a file without a header needs shape= and dtype= (--shape-xyz, --dtype)"
        )
    return known.read(path, options)


def write(path: str | Path, header: Header, options: WriteOptions | None = None) -> Export:
    """Prepare to write a file; nothing happens before ``begin``.

    Raises
    ------
    FormatError
        The suffix is not known, or the format is only read.
    VoxelrockError
        As the format's own writer.
    """
    path = Path(path)
    known = format_of(path)
    if known is None or known.write is None:
        named = f"{path.suffix!r} files are not written" if path.suffix else f"{path.name} has no suffix"
        raise FormatError(f"{named}; choose one of .zarr, {', '.join(suffixes(writing=True))}")
    return known.write(path, header, options or WriteOptions())
