"""Where a point of one image lies in another: translations, rigid and affine transforms in physical coordinates, as immutable values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry.axes import AXES, ZYX
from voxelrock.geometry.units import VOXEL, canonical_unit, conversion, parse_length
from voxelrock.parameters import real
from voxelrock.registration import tfm
from voxelrock.typing import HostArray

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

_IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_ORIGIN: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Transform:
    """An affine map of points, q = matrix · (p - center) + center + shift, with axes (z, y, x) and lengths in ``unit``.

    A transform that aligns a moving image with a fixed one maps points of the fixed image to points of the moving one, as in ITK: the value
    of the aligned image at p is that of the moving image at q.

    Parameters
    ----------
    matrix
        Three rows of three numbers, axes (z, y, x).
    shift
        Along (z, y, x), in ``unit``.
    center
        The point that the matrix leaves where it is, along (z, y, x), in ``unit``.
    unit
        um, nm, mm, cm, m or in; ``"voxel"`` for images whose scale is unknown.

    Raises
    ------
    ParameterError, ParameterTypeError
        Not three by three finite numbers, or a matrix that has no inverse.

    Examples
    --------
    >>> turn = Transform.rigid(angle=90, axis="z", center="1 mm")
    >>> turn.apply(ZYX(z=5, y=1, x=2))
    ZYX(z=5.0, y=2.0, x=1.0)
    >>> (turn.inverse() @ turn).kind
    'translation'
    """

    matrix: Matrix = _IDENTITY
    shift: Vector = _ORIGIN
    center: Vector = _ORIGIN
    unit: str = VOXEL

    def __post_init__(self) -> None:
        rows = _numbers(self.matrix, (3, 3), "the matrix of a transform has three rows of three numbers, axes (z, y, x)")
        object.__setattr__(self, "matrix", tuple(map(tuple, rows.tolist())))
        for name in ("shift", "center"):
            three = _numbers(ZYX.of(getattr(self, name)), (3,), f"the {name} of a transform is three numbers along (z, y, x)")
            object.__setattr__(self, name, tuple(three.tolist()))
        object.__setattr__(self, "unit", canonical_unit(self.unit))
        if not abs(np.linalg.det(rows)) > 1e-12 * np.abs(rows).max() ** 3:
            raise ParameterError("a transform has an inverse; the determinant of this matrix is 0")

    @classmethod
    def identity(cls, *, unit: str = VOXEL) -> Transform:
        """Every point stays where it is."""
        return cls(unit=unit)

    @classmethod
    def translation(cls, *, z: float | str = 0.0, y: float | str = 0.0, x: float | str = 0.0, unit: str | None = None) -> Transform:
        """Lengths along the axes, as numbers in ``unit`` or as text; without ``unit`` the first one named serves.

        Examples
        --------
        >>> Transform.translation(x="3 um").shift
        (0.0, 0.0, 3.0)
        """
        (shift,), own = _lengths([ZYX(z, y, x)], unit)
        return cls(shift=shift, unit=own)

    @classmethod
    def rigid(cls, *, angle: float, axis: Any = "z", shift: Any = 0.0, center: Any = 0.0, unit: str | None = None) -> Transform:
        """A turn by ``angle`` degrees about an axis (``"z"``, ``"y"``, ``"x"``, or a direction along (z, y, x)) through ``center``, then a shift.

        Positive angles turn x towards y about z, y towards z about x, and z towards x about y (right-handed in (x, y, z)).
        """
        return cls.affine(matrix=rotation(angle, axis), shift=shift, center=center, unit=unit)

    @classmethod
    def affine(cls, *, matrix: Any, shift: Any = 0.0, center: Any = 0.0, unit: str | None = None) -> Transform:
        """Any matrix of axes (z, y, x) about ``center``, then a shift; lengths as numbers in ``unit`` or as text."""
        (away, middle), own = _lengths([ZYX.of(shift), ZYX.of(center)], unit)
        return cls(matrix, away, middle, own)

    @property
    def kind(self) -> str:
        """``"translation"``, ``"rigid"`` (to 1e-9) or ``"affine"``."""
        matrix = np.array(self.matrix)
        if np.abs(matrix - np.eye(3)).max() <= 1e-9:
            return "translation"
        return "rigid" if np.abs(matrix @ matrix.T - np.eye(3)).max() <= 1e-9 and np.linalg.det(matrix) > 0 else "affine"

    @property
    def offset(self) -> Vector:
        """Where the origin goes, along (z, y, x), in ``unit``."""
        moved = self.apply(np.zeros(3))
        return float(moved[0]), float(moved[1]), float(moved[2])

    @property
    def angle(self) -> float:
        """By how many degrees a rigid transform turns; of an affine one, its nearest rotation."""
        left, _, right = np.linalg.svd(np.array(self.matrix))
        turn = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
        sine = np.linalg.norm([turn[1, 2] - turn[2, 1], turn[2, 0] - turn[0, 2], turn[0, 1] - turn[1, 0]]) / 2
        return math.degrees(math.atan2(sine, (np.trace(turn) - 1) / 2))

    def apply(self, points: Any) -> Any:
        """Points of the fixed image as points of the moving one.

        Parameters
        ----------
        points
            A point as ``ZYX`` or a mapping (numbers in ``unit``, or text with a unit), which gives a ``ZYX``; or an array whose last axis is
            (z, y, x), in ``unit``, which gives an array.
        """
        if isinstance(points, ZYX | dict):
            (one,), _ = _lengths([ZYX.of(points)], self.unit)
            return ZYX(*self.apply(np.array(one)).tolist())
        array = np.asarray(points, dtype=float)
        if array.ndim == 0 or array.shape[-1] != 3:
            raise ParameterTypeError(f"points are a ZYX, or an array whose last axis is (z, y, x); got {points!r}")
        return (array - self.center) @ np.array(self.matrix).T + self.center + self.shift

    def inverse(self) -> Transform:
        """The transform that takes every point back."""
        inverted = np.linalg.inv(np.array(self.matrix))
        return Transform(_rows(inverted), _vector(-np.array(self.shift)), _vector(np.add(self.center, self.shift)), self.unit)

    def __matmul__(self, first: Transform) -> Transform:
        """``second @ first``: a point goes through ``first``, then through ``second``; in the unit of ``second``."""
        if not isinstance(first, Transform):
            return NotImplemented
        first = first.to_unit(self.unit)
        center = np.array(first.center)
        shift = self.apply(center + first.shift) - center
        return Transform(_rows(np.array(self.matrix) @ np.array(first.matrix)), _vector(shift), first.center, self.unit)

    def to_unit(self, unit: str) -> Transform:
        """The same transform with its lengths in another unit.

        Raises
        ------
        UnitError
            One of the two is ``"voxel"``.
        """
        if canonical_unit(unit) == self.unit:
            return self
        factor = conversion(self.unit, unit)
        return Transform(self.matrix, _vector(np.array(self.shift) * factor), _vector(np.array(self.center) * factor), unit)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write ITK's text format (``.tfm``): an affine transform in (x, y, z) and millimetres, as programs that use ITK expect.

        The unit stands in a comment, and the numbers are decimal: :meth:`load` gives exactly this transform again. Lengths in voxels are
        written as they are.

        Raises
        ------
        ExistsError
            The file exists, and is not to be overwritten.
        """
        return tfm.write(path, tfm.Content(self.matrix, self.shift, self.center, self.unit), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path, *, unit: str | None = None) -> Transform:
        """Read a transform in ITK's text format; nothing in a file is executed.

        Affine, translation, rigid (Euler, versor) and similarity transforms of three dimensions, and composites of them.

        Parameters
        ----------
        path
            The file.
        unit
            The unit of the numbers in the file, where that is not mm.

        Raises
        ------
        FormatError, MissingFileError
            It is no such file, or a transform of another kind.
        """
        parts = [cls(c.matrix, c.shift, c.center, c.unit) for c in tfm.read(path, unit=unit)]
        found = parts[0]
        for part in parts[1:]:  # the last of a composite is applied first
            found = found @ part
        return found

    def __str__(self) -> str:
        shift = ", ".join(f"{axis}={v:.6g}" for axis, v in zip(AXES, self.shift))
        turned = "" if self.kind == "translation" else f", turned by {self.angle:.6g}° about ({', '.join(f'{v:.6g}' for v in self.center)})"
        return f"{self.kind} ({shift}) {self.unit}{turned}"


def rotation(angle: float, axis: Any = "z") -> HostArray:
    """The matrix, axes (z, y, x), of a turn by degrees about an axis or a direction along (z, y, x).

    Raises
    ------
    ParameterError
        No such axis, or a direction without length.
    """
    way = np.eye(3)[AXES.index(axis)] if isinstance(axis, str) and axis in AXES else None
    if way is None:
        if isinstance(axis, str):
            raise ParameterError(f"the axis of a rotation is 'z', 'y', 'x' or a direction along (z, y, x); got {axis!r}")
        way = _numbers(ZYX.of(axis), (3,), "the direction of a rotation is three numbers along (z, y, x)")
        if not np.linalg.norm(way) > 0:
            raise ParameterError("the direction of a rotation has no length")
        way = way / np.linalg.norm(way)
    degrees = real(angle, "angle")
    if not math.isfinite(degrees):
        raise ParameterError(f"an angle is finite, in degrees; got {angle}")
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if degrees % 90 == 0:
        cosine, sine = round(cosine), round(sine)
    return cosine * np.eye(3) + sine * crossing(way) + (1 - cosine) * np.outer(way, way)


def crossing(way: HostArray) -> HostArray:
    """The matrix of the cross product with a vector, both with axes (z, y, x), right-handed in (x, y, z)."""
    z, y, x = way
    return np.array([[0.0, x, -y], [-x, 0.0, z], [y, -z, 0.0]])


def _numbers(values: Any, shape: tuple[int, ...], what: str) -> HostArray:
    try:
        found = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise ParameterTypeError(f"{what}; got {values!r}") from None
    if found.shape != shape:
        raise ParameterTypeError(f"{what}; got an array of shape {found.shape}")
    if not np.isfinite(found).all():
        raise ParameterError(f"{what}, all finite; got {found.tolist()}")
    return found


def _lengths(points: list[ZYX[Any]], unit: str | None) -> tuple[list[Vector], str]:
    """Points as numbers in one unit: the one given, else the first that is named, else voxels."""
    parsed = [[parse_length(v) for v in point] for point in points]
    named = [own for point in parsed for _, own in point if own is not None]
    target = canonical_unit(unit) if unit is not None else (named[0] if named else VOXEL)
    found = [[n if own is None else n * conversion(own, target) for n, own in point] for point in parsed]
    return [_vector(p) for p in found], target


def _vector(values: Any) -> Vector:
    a, b, c = (float(v) + 0.0 for v in values)
    return a, b, c


def _rows(matrix: HostArray) -> Matrix:
    a, b, c = (_vector(row) for row in matrix)
    return a, b, c
