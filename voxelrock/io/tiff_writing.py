"""Writing TIFF files whose voxels lie in one piece, so that many tasks can fill them at once.

Up to 4 GB the file is an ImageJ stack; spacing, origin and unit stand in ImageJ's description. Beyond, it is a BigTIFF with OME-XML, which Fiji opens
through Bio-Formats. Both have a directory per slice and resolution tags, so that every other reader finds all slices too.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.geometry.units import VOXEL, conversion
from voxelrock.io.targets import Export, flat_export
from voxelrock.io.writing import Header, WriteOptions

_CLASSIC_LIMIT = 2**32 - 2**20
_UINT_MAX = 2**32 - 1
_SHORT, _LONG, _LONG8, _ASCII, _RATIONAL = 3, 4, 16, 2, 5
_CM = 3
# What each type becomes: the type in the file, and how values get there.
_STORED = {
    "b1": ("u1", "0/255"),
    "u1": ("u1", "cast"),
    "u2": ("u2", "cast"),
    "i1": ("i2", "cast"),
    "i2": ("i2", "cast"),
    "f2": ("f4", "cast"),
    "f4": ("f4", "cast"),
    "i4": ("u2", "labels"),
    "u4": ("u2", "labels"),
    "i8": ("u2", "labels"),
    "u8": ("u2", "labels"),
}
_OME_TYPES = {"u1": "uint8", "u2": "uint16", "i2": "int16", "f4": "float"}


def write_tiff(path: Path, header: Header, options: WriteOptions) -> Export:
    """A TIFF file for ImageJ, Fiji and everything else.

    Booleans become 0 and 255; ``int8`` becomes ``int16`` and ``float16`` becomes ``float32``. Wider integers become ``uint16``, and
    the task that meets a value outside of 0 to 65 535 raises ``DataError``.

    Parameters
    ----------
    path
        The file.
    header
        What is written.
    options
        ``overwrite`` and ``planes``.

    Raises
    ------
    ParameterError
        A type that does not fit without loss, or an order other than x fastest, little endian.
    """
    options.plain("TIFF")
    if f"{header.dtype.kind}{header.dtype.itemsize}" not in _STORED:
        raise ParameterError(f"TIFF as ImageJ reads it has no {header.dtype}; convert the image to float32, or write .mhd, .npy, .raw or .zarr")
    return tiff_export(path, header, options)


def tiff_export(path: Path, header: Header, options: WriteOptions, *, limit: int = _CLASSIC_LIMIT) -> Export:
    """The export of an image whose type fits; files larger than ``limit`` bytes are BigTIFF."""
    kind, encoding = _STORED[f"{header.dtype.kind}{header.dtype.itemsize}"]
    stored = np.dtype("<" + kind)
    shape = header.shape
    size = shape.z * shape.y * shape.x * stored.itemsize
    big = size + shape.z * 400 > limit
    description = ome_description(header, kind) if big else imagej_description(header)
    around = _Directories(header, stored, description, big).around()
    return flat_export(path, (*shape,), stored, options, around=around, encoding=encoding)


def imagej_description(header: Header) -> bytes:
    """ImageJ's lines: number of slices, unit, distance between slices, and which voxel is the origin."""
    lines = ["ImageJ=1.54f", f"images={header.shape.z}", f"slices={header.shape.z}", "loop=false"]
    lines += [f"unit={'inch' if header.unit == 'in' else header.unit}", f"spacing={header.spacing.z!r}"]
    for axis, place, spacing in zip("xyz", reversed(header.origin), reversed(header.spacing)):
        if place:
            lines.append(f"{axis}origin={-place / spacing!r}")
    if header.dtype.kind == "b":
        lines.append("voxelrock_dtype=bool")
    return ("\n".join(lines) + "\n").encode("ascii")


def ome_description(header: Header, kind: str) -> bytes:
    """OME-XML of one image of one channel."""
    z, y, x = header.shape
    unit = {"um": "µm", VOXEL: "pixel"}.get(header.unit, header.unit)
    sizes = " ".join(f'PhysicalSize{a}="{h!r}" PhysicalSize{a}Unit="{unit}"' for a, h in zip("XYZ", reversed(header.spacing)))
    told = "voxelrock_dtype=bool " * (header.dtype.kind == "b") + header.description
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://www.openmicroscopy.org/Schemas/OME/2016-06 http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd">'
        f'<Image ID="Image:0" Name={quoteattr(header.name or "image")}><Description>{escape(told)}</Description>'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="{_OME_TYPES[kind]}" SizeX="{x}" SizeY="{y}" SizeZ="{z}" SizeC="1" SizeT="1" '
        f'BigEndian="false" {sizes}><Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData IFD="0" PlaneCount="{z}"/></Pixels></Image></OME>'
    ).encode()


class _Directories:
    """The bytes of a TIFF file before and after its voxels: the first directory in front, the others behind."""

    def __init__(self, header: Header, stored: np.dtype[Any], description: bytes, big: bool) -> None:
        self.shape, self.stored, self.big = header.shape, stored, big
        self.description = description + b"\0"
        self.plane = self.shape.y * self.shape.x * stored.itemsize
        self.resolution = _resolutions(header, big)

    def around(self) -> tuple[bytes, bytes]:
        lead = 16 if self.big else 8
        first = self._directory(lead, 0, 0, self.description)
        start = -(-(lead + len(first)) // 16) * 16
        end = start + self.shape.z * self.plane
        size = len(self._directory(0, 0, 0))
        behind = end + end % 2
        chain = [behind + i * size for i in range(self.shape.z - 1)] + [0]
        head = (struct.pack("<2sHHHQ", b"II", 43, 8, 0, lead) if self.big else struct.pack("<2sHI", b"II", 42, lead)) + self._directory(
            lead, start, chain[0], self.description
        )
        tail = [self._directory(chain[i], start + (i + 1) * self.plane, chain[i + 1]) for i in range(self.shape.z - 1)]
        return head.ljust(start, b"\0"), b"\0" * (end % 2 if tail else 0) + b"".join(tail)

    def _directory(self, place: int, data: int, following: int, description: bytes = b"") -> bytes:
        """One directory at ``place``, with the values that do not fit into it behind it; its length does not depend on the numbers."""
        wide = _LONG8 if self.big else _LONG
        across, down, unit = self.resolution
        entries = [
            (256, _LONG, 1, struct.pack("<I", self.shape.x)),
            (257, _LONG, 1, struct.pack("<I", self.shape.y)),
            (258, _SHORT, 1, struct.pack("<H", self.stored.itemsize * 8)),
            (259, _SHORT, 1, struct.pack("<H", 1)),
            (262, _SHORT, 1, struct.pack("<H", 1)),
            *([(270, _ASCII, len(description), description)] if description else []),
            (273, wide, 1, struct.pack("<Q" if self.big else "<I", data)),
            (277, _SHORT, 1, struct.pack("<H", 1)),
            (278, _LONG, 1, struct.pack("<I", self.shape.y)),
            (279, wide, 1, struct.pack("<Q" if self.big else "<I", self.plane)),
            (282, _RATIONAL, 1, struct.pack("<II", *across)),
            (283, _RATIONAL, 1, struct.pack("<II", *down)),
            (296, _SHORT, 1, struct.pack("<H", unit)),
            (339, _SHORT, 1, struct.pack("<H", {"u": 1, "i": 2, "f": 3}[self.stored.kind])),
        ]
        return self._packed(place, entries, following)

    def _packed(self, place: int, entries: list[tuple[int, int, int, bytes]], following: int) -> bytes:
        inline, entry, count, offset = (8, "<HHQ", "<Q", "<Q") if self.big else (4, "<HHI", "<H", "<I")
        size = struct.calcsize(count) + len(entries) * (struct.calcsize(entry) + inline) + inline
        body, extra = struct.pack(count, len(entries)), b""
        for tag, kind, number, value in entries:
            body += struct.pack(entry, tag, kind, number)
            if len(value) <= inline:
                body += value.ljust(inline, b"\0")
            else:
                body += struct.pack(offset, place + size + len(extra))
                extra += value + b"\0" * (len(value) % 2)
        return body + struct.pack(offset, following) + extra


def _resolutions(header: Header, big: bool) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Voxels per unit along x and y, and the tag's unit: ImageJ has its own unit in the description, other readers know centimetres."""
    known = big and header.unit != VOXEL
    factor = conversion(header.unit, "cm") if known else 1.0
    across, down = (_rational(1 / (h * factor)) for h in (header.spacing.x, header.spacing.y))
    return across, down, _CM if known else 1


def _rational(value: float) -> tuple[int, int]:
    """The nearest ratio of two 32-bit numbers."""
    if value >= 1:
        ratio = Fraction(value).limit_denominator(max(1, int(_UINT_MAX / value)))
        return min(ratio.numerator, _UINT_MAX), ratio.denominator
    inverse = Fraction(1 / value).limit_denominator(max(1, int(_UINT_MAX * value)))
    return inverse.denominator, min(inverse.numerator, _UINT_MAX)
