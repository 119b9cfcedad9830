"""ITK's text format of transforms (``.tfm``): read and written as text, without running anything.

ITK's axes are (x, y, z), ours (z, y, x): matrices are reversed along both axes, vectors along theirs. Its lengths are millimetres by habit;
the format has no unit, so ours stands in a comment. Lengths are converted as decimals, so that a round trip changes no digit.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation, localcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxelrock.errors import ExistsError, FormatError, MissingFileError
from voxelrock.geometry.units import VOXEL, canonical_unit
from voxelrock.typing import HostArray

_HEADER = "#Insight Transform File V1.0"
_COMMENT = re.compile(r"#\s*voxelrock unit=(\S+)")
_MILLIMETRES = {"nm": "0.000001", "um": "0.001", "mm": "1", "cm": "10", "m": "1000", "in": "25.4"}
_LARGEST = 1 << 20
"""Bytes of the largest file that is read: transforms of a few numbers take a thousand."""

Row = tuple[float, float, float]


class Content(NamedTuple):
    """A transform as q = matrix · (p - center) + center + shift, axes (z, y, x)."""

    matrix: tuple[Row, Row, Row]
    shift: Row
    center: Row
    unit: str


class _Entry(NamedTuple):
    """One transform of a file, numbers as text."""

    name: str
    parameters: list[str]
    fixed: list[str]


def write(path: str | Path, content: Content, *, overwrite: bool) -> Path:
    """Write an affine transform."""
    place = Path(path)
    if place.exists() and not overwrite:
        raise ExistsError(f"{place} exists; pass overwrite=True or another name")
    matrix = [repr(v) for row in content.matrix[::-1] for v in row[::-1]]
    shift, center = ([_scaled(repr(v), content.unit, back=False) for v in three[::-1]] for three in (content.shift, content.center))
    lines = [
        _HEADER,
        f"#voxelrock unit={content.unit}",
        "#Transform 0",
        "Transform: AffineTransform_double_3_3",
        f"Parameters: {' '.join([*matrix, *shift])}",
        f"FixedParameters: {' '.join(center)}",
    ]
    place.absolute().parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.partial")
    partial.write_text("\n".join(lines) + "\n", encoding="ascii")
    os.replace(partial, place)
    return place


def read(path: str | Path, *, unit: str | None) -> list[Content]:
    """The transforms of a file, in its order; ``unit`` is that of its numbers."""
    place = Path(path)
    if not place.is_file():
        raise MissingFileError(f"there is no file {place}")
    if place.stat().st_size > _LARGEST:
        raise FormatError(f"{place} is too large for a transform in ITK's text format; displacement fields are not read")
    text = place.read_bytes().decode("ascii", errors="replace")
    if not text.lstrip().startswith("#Insight Transform File"):
        raise FormatError(f"{place} is no transform in ITK's text format: its first line is not {_HEADER!r}")
    written = _COMMENT.search(text)
    target = canonical_unit(written[1] if written else "mm") if unit is None else canonical_unit(unit)
    entries = [e for e in _entries(text, place) if not e.name.startswith("CompositeTransform_")]
    if not entries:
        raise FormatError(f"{place} holds no transform")
    return [_content(entry, place, target, as_it_stands=unit is not None) for entry in entries]


def _entries(text: str, place: Path) -> list[_Entry]:
    found: list[_Entry] = []
    for line in text.splitlines():
        key, colon, rest = line.partition(":")
        if line.startswith("#") or not line.strip():
            continue
        if not colon or (key != "Transform" and not found):
            raise FormatError(f"{place} is no transform in ITK's text format: {line[:60]!r} is not 'Name: values'")
        if key == "Transform":
            found.append(_Entry(rest.strip(), [], []))
        elif key in ("Parameters", "FixedParameters"):
            (found[-1].parameters if key == "Parameters" else found[-1].fixed).extend(rest.split())
        else:
            raise FormatError(f"{place} has an entry {key[:60]!r} that transforms in ITK's text format do not have")
    return found


def _content(entry: _Entry, place: Path, unit: str, *, as_it_stands: bool) -> Content:
    kind, _, rest = entry.name.partition("_")
    if kind not in _KINDS or rest not in ("double_3_3", "float_3_3"):
        raise FormatError(f"{place} holds a {entry.name}; read are {', '.join(f'{k}_double_3_3' for k in _KINDS)}")
    count, shift_at, of = _KINDS[kind]
    if len(entry.parameters) != count or len(entry.fixed) not in (0, 3, 4):
        raise FormatError(f"{place}: a {entry.name} has {count} parameters; got {len(entry.parameters)}, and {len(entry.fixed)} fixed ones")
    try:
        numbers = [float(v) for v in entry.parameters]
        fixed = [float(v) for v in entry.fixed]
        texts = [entry.parameters[shift_at : shift_at + 3] if shift_at >= 0 else ["0"] * 3, entry.fixed[:3] or ["0"] * 3]
        lengths = [tuple(float(v if as_it_stands else _scaled(v, unit, back=True)) for v in three[::-1]) for three in texts]
    except (ValueError, InvalidOperation):
        raise FormatError(f"{place}: the parameters of a {entry.name} are not all numbers") from None
    matrix = np.asarray(of(np.array(numbers), fixed), dtype=float)[::-1, ::-1]
    if not (np.isfinite(matrix).all() and all(map(math.isfinite, (*lengths[0], *lengths[1])))):
        raise FormatError(f"{place}: the parameters of a {entry.name} are not all finite")
    return Content(tuple(map(tuple, matrix.tolist())), lengths[0], lengths[1], unit)  # type: ignore[arg-type]


def _scaled(text: str, unit: str, *, back: bool) -> str:
    """A length in a unit in millimetres (or back) as decimal text; lengths in voxels stay."""
    if unit in (VOXEL, "mm"):
        return text
    with localcontext(prec=400):
        value, factor = Decimal(text), Decimal(_MILLIMETRES[unit])
        return str(value / factor if back else value * factor)


def _identity(parameters: HostArray, fixed: list[float]) -> HostArray:
    return np.eye(3)


def _affine(parameters: HostArray, fixed: list[float]) -> HostArray:
    return parameters[:9].reshape(3, 3)


def _euler(parameters: HostArray, fixed: list[float]) -> HostArray:
    """Angles about x, y and z, applied in the order y, x, z; or x, y, z, where the fourth fixed parameter says so."""
    (a, b, c), (p, q, r) = np.cos(parameters[:3]), np.sin(parameters[:3])
    x = np.array([[1, 0, 0], [0, a, -p], [0, p, a]])
    y = np.array([[b, 0, q], [0, 1, 0], [-q, 0, b]])
    z = np.array([[c, -r, 0], [r, c, 0], [0, 0, 1]])
    return z @ y @ x if len(fixed) > 3 and fixed[3] else z @ x @ y


def _versor(parameters: HostArray, fixed: list[float]) -> HostArray:
    x, y, z = parameters[:3]
    w = math.sqrt(max(0.0, 1 - x * x - y * y - z * z))
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def _similarity(parameters: HostArray, fixed: list[float]) -> HostArray:
    return float(parameters[6]) * _versor(parameters, fixed)


_KINDS: dict[str, tuple[int, int, Callable[[HostArray, list[float]], HostArray]]] = {
    "IdentityTransform": (0, -1, _identity),
    "TranslationTransform": (3, 0, _identity),
    "AffineTransform": (12, 9, _affine),
    "MatrixOffsetTransformBase": (12, 9, _affine),
    "Euler3DTransform": (6, 3, _euler),
    "VersorTransform": (3, -1, _versor),
    "VersorRigid3DTransform": (6, 3, _versor),
    "Similarity3DTransform": (7, 3, _similarity),
}
"""By name: how many parameters, where the shift begins among them (-1: none), and the matrix (axes x, y, z)."""
