"""DICOM: a file, or a folder of single slices, as medical scanners write them for whole cores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from voxelrock import extras
from voxelrock.errors import FormatError, MissingFileError
from voxelrock.geometry import ZYX, VoxelBox
from voxelrock.graph.identity import fingerprint
from voxelrock.io.files import FileStamp
from voxelrock.io.formats import Format, ReadOptions, Scan
from voxelrock.typing import HostArray, Triple

_ONE_SLICE = 2


@dataclass(frozen=True)
class DicomSource:
    """Slices in ascending position; each read decodes the slices that it needs, rescaled to the stated unit (Hounsfield)."""

    stamps: tuple[FileStamp, ...]
    shape: Triple
    kind: str
    slope: float
    intercept: float

    paged = True

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels, after rescaling."""
        return np.dtype(self.kind)

    @property
    def tile(self) -> Triple:
        """One slice."""
        return 1, self.shape[1], self.shape[2]

    @property
    def identity(self) -> str:
        """Paths, sizes and times of the files."""
        return "dicom " + fingerprint([s.identity for s in self.stamps], [self.slope, self.intercept])

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box.

        Raises
        ------
        FormatError
            A slice cannot be decoded; names its file.
        """
        out = np.empty(box.shape, self.dtype)
        for z in range(box.start[0], box.stop[0]):
            file = Path(self.stamps[z].path)
            try:
                values = _reader().dcmread(file).pixel_array[box.slices[1:]]
            except Exception as error:
                raise FormatError(f"the slice {file.name} cannot be decoded: {error}") from error
            out[z - box.start[0]] = values if (self.slope, self.intercept) == (1.0, 0.0) else values * self.slope + self.intercept
        return out


@lru_cache(maxsize=1)
def _reader() -> Any:
    return extras.require("pydicom", extra="dicom")


def read_dicom(path: Path, options: ReadOptions) -> Scan:
    """A DICOM file, or a folder of them sorted by position (by instance number where none is stated).

    Raises
    ------
    MissingFileError, FormatError
        No such path; not DICOM; colour; slices that differ in shape, type or rescaling (names the first that does).
    """
    options.only(path)
    files = sorted(f for f in path.iterdir() if f.suffix.lower() == ".dcm") if path.is_dir() else [path]
    if not path.exists() or not files:
        raise MissingFileError(f"{path} does not exist or holds no .dcm file")
    headers = [_header(file) for file in files]
    order = sorted(range(len(files)), key=lambda i: _place(headers[i], i))
    first = headers[order[0]]
    for i in order:
        if _layout(headers[i]) != _layout(first):
            raise FormatError(
                f"{files[i].name} differs from {files[order[0]].name} in shape, type or rescaling: {_layout(headers[i])} against {_layout(first)}"
            )
    rows, columns, bits, signed, slope, intercept = _layout(first)
    kind = f"{'i' if signed else 'u'}{bits // 8}"
    if (slope, intercept) != (1.0, 0.0):
        kind = "i2" if slope == int(slope) and intercept == int(intercept) and bits <= 16 else "f4"
    stamps = tuple(FileStamp.of(files[i]) for i in order)
    source = DicomSource(stamps, (len(files), rows, columns), kind, slope, intercept)
    spacing, notes = _spacing([headers[i] for i in order])
    corner = headers[order[0]].get("ImagePositionPatient")
    origin = None if corner is None or spacing is None else ZYX(float(corner[2]), float(corner[1]), float(corner[0]))
    return Scan(source, spacing, origin, "mm" if spacing else None, paged=True, description=str(first.get("SeriesDescription", "")), notes=notes)


def _header(file: Path) -> Any:
    try:
        header = _reader().dcmread(file, stop_before_pixels=True)
    except Exception as error:
        raise FormatError(f"{file.name} is no DICOM file: {error}") from error
    if header.get("SamplesPerPixel", 1) != 1 or header.get("NumberOfFrames", 1) not in (None, 1):
        raise FormatError(f"{file.name} holds colour or several frames; one grey slice in each file is read")
    return header


def _layout(header: Any) -> tuple[int, int, int, bool, float, float]:
    signed = bool(header.PixelRepresentation)
    return (
        int(header.Rows),
        int(header.Columns),
        int(header.BitsAllocated),
        signed,
        float(header.get("RescaleSlope", 1.0)),
        float(header.get("RescaleIntercept", 0.0)),
    )


def _place(header: Any, number: int) -> tuple[float, float]:
    position = header.get("ImagePositionPatient")
    return (float(position[2]) if position is not None else 0.0, float(header.get("InstanceNumber", number) or number))


def _spacing(headers: list[Any]) -> tuple[ZYX[float] | None, tuple[str, ...]]:
    plane = headers[0].get("PixelSpacing")
    if plane is None:
        return None, ("no pixel spacing is stated",)
    places = [h.get("ImagePositionPatient") for h in headers]
    notes: tuple[str, ...] = ()
    if len(places) >= _ONE_SLICE and all(p is not None for p in places):
        steps = np.diff([float(p[2]) for p in places])
        step = float(np.mean(steps))
        if np.ptp(steps) > 1e-3 * abs(step) or step <= 0:
            notes = ("the slices are not evenly spaced; their mean distance is used",)
    else:
        step = float(headers[0].get("SliceThickness") or plane[0])
    step = step if step > 0 else float(headers[0].get("SliceThickness") or plane[0])
    return ZYX(step, float(plane[0]), float(plane[1])), notes


FORMAT = Format("DICOM", (".dcm",), read_dicom)
