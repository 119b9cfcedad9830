"""The immutable *where* of an image: shape, spacing, origin and unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry.axes import AXES, ZYX
from voxelrock.geometry.boxes import VoxelBox
from voxelrock.geometry.units import VOXEL, canonical_unit, conversion, parse_length
from voxelrock.typing import Triple


@dataclass(frozen=True)
class VoxelGrid:
    """Where voxels are: a regular grid with axes (z, y, x).

    Parameters
    ----------
    shape
        Number of voxels along (z, y, x).
    spacing
        Distance between neighbouring voxel centres along (z, y, x), in ``unit``.
    origin
        The centre of the first voxel, in ``unit``.
    unit
        um, nm, mm, cm, m or in; ``"voxel"`` while the physical scale is unknown.

    Examples
    --------
    >>> VoxelGrid.of(shape=ZYX(z=10, y=20, x=30), spacing="8 um").extent
    ZYX(z=80.0, y=160.0, x=240.0)
    """

    shape: ZYX[int]
    spacing: ZYX[float] = ZYX(1.0, 1.0, 1.0)
    origin: ZYX[float] = ZYX(0.0, 0.0, 0.0)
    unit: str = VOXEL

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", ZYX.of(self.shape).map(int))
        object.__setattr__(self, "spacing", ZYX.of(self.spacing).map(float))
        object.__setattr__(self, "origin", ZYX.of(self.origin).map(float))
        object.__setattr__(self, "unit", canonical_unit(self.unit))
        if min(self.shape) < 0:
            raise ParameterError(f"a shape has no negative lengths; got {tuple(self.shape)} along (z, y, x)")
        if not all(math.isfinite(s) and s > 0 for s in self.spacing):
            raise ParameterError(f"the spacing must be positive and finite; got {tuple(self.spacing)} along (z, y, x)")
        if not all(math.isfinite(o) for o in self.origin):
            raise ParameterError(f"the origin must be finite; got {tuple(self.origin)} along (z, y, x)")

    @classmethod
    def of(cls, *, shape: Any, spacing: Any = None, origin: Any = None, unit: str | None = None) -> VoxelGrid:
        """A grid from lengths with units: ``spacing="8 um"``, ``spacing=ZYX(z="2 um", y=1.5, x=1.5), unit="um"``.

        ``unit`` is the grid's unit; without it the first unit that is named serves, else ``"voxel"``.

        Raises
        ------
        ParameterError, UnitError
            The values make no grid.
        """
        lengths = [parse_length(v) for part in (spacing, origin) if part is not None for v in ZYX.of(part)]
        named = [own for _, own in lengths if own is not None]
        target = canonical_unit(unit) if unit is not None else (named[0] if named else VOXEL)

        def convert(value: float | str) -> float:
            number, own = parse_length(value)
            return number if own is None else number * conversion(own, target)

        return cls(
            shape=ZYX.of(shape),
            spacing=ZYX.of(1.0 if spacing is None else spacing).map(convert),
            origin=ZYX.of(0.0 if origin is None else origin).map(convert),
            unit=target,
        )

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def extent(self) -> ZYX[float]:
        """Lengths of the bounding box of the voxels' faces, in ``unit``."""
        return ZYX(*(n * s for n, s in zip(self.shape, self.spacing)))

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel, in ``unit`` cubed."""
        return math.prod(self.spacing)

    @property
    def bounds(self) -> tuple[ZYX[float], ZYX[float]]:
        """The low and high corners of the bounding box of the voxels' faces, in ``unit``."""
        low = ZYX(*(o - s / 2 for o, s in zip(self.origin, self.spacing)))
        return low, ZYX(*(a + e for a, e in zip(low, self.extent)))

    @property
    def isotropic(self) -> bool:
        """Whether the spacing is one number, to 1e-9."""
        return max(self.spacing) - min(self.spacing) <= 1e-9 * max(self.spacing)

    def length(self, value: float | str) -> float:
        """A length as a number in the grid's unit; ``"3 voxel"`` counts voxels where the spacing is one number.

        Raises
        ------
        UnitError, ParameterError
            The text is no length, cannot be converted, or counts voxels of unequal sides.
        """
        number, own = parse_length(value)
        if own is None or own == self.unit:
            return number
        if own == VOXEL:
            if not self.isotropic:
                raise ParameterError(f"{value!r} is ambiguous: the spacing {tuple(self.spacing)} differs between axes; give a length in {self.unit}")
            return number * self.spacing.x
        return number * conversion(own, self.unit)

    def to_voxels(self, value: float | str) -> ZYX[float]:
        """A length in voxels along each axis."""
        number = self.length(value)
        return self.spacing.map(lambda s: number / s)

    def point(self, voxel: Any) -> ZYX[float]:
        """The physical position of a voxel's centre, in ``unit``; fractions of voxels are allowed."""
        return ZYX(*(o + i * s for i, o, s in zip(ZYX.of(voxel), self.origin, self.spacing)))

    def voxel(self, point: Mapping[str, float | str] | ZYX[Any]) -> ZYX[int]:
        """The voxel that holds a physical point.

        Raises
        ------
        ParameterError
            The point lies outside the grid.
        """
        where = ZYX.of(point).map(self.length)
        index = ZYX(*(math.floor((p - o) / s + 0.5) if math.isfinite(p) else -1 for p, o, s in zip(where, self.origin, self.spacing)))
        if not all(0 <= i < n for i, n in zip(index, self.shape)):
            low, high = self.bounds
            raise ParameterError(
                f"the point {_point(where)} lies outside the image, which goes from {_point(low)} to {_point(high)} {self.unit}",
            )
        return index

    def crop(self, box: VoxelBox, step: Triple = (1, 1, 1)) -> VoxelGrid:
        """The grid of a box of voxels, of every ``step``-th voxel along each axis."""
        shape = ZYX(*(-(-n // s) for n, s in zip(box.shape, step)))
        return replace(self, shape=shape, origin=self.point(box.start), spacing=ZYX(*(h * s for h, s in zip(self.spacing, step))))

    def coarsen(self, factor: Triple) -> VoxelGrid:
        """The grid of blocks of ``factor`` voxels; incomplete blocks at the far ends are left out."""
        shape = ZYX(*(n // f for n, f in zip(self.shape, factor)))
        origin = ZYX(*(o + (f - 1) / 2 * s for o, f, s in zip(self.origin, factor, self.spacing)))
        return replace(self, shape=shape, spacing=ZYX(*(s * f for s, f in zip(self.spacing, factor))), origin=origin)

    def to_unit(self, unit: str) -> VoxelGrid:
        """The same grid with its lengths in another unit.

        Raises
        ------
        UnitError
            The physical size of a voxel is unknown.
        """
        factor = conversion(self.unit, unit)
        return replace(self, spacing=self.spacing.map(lambda s: s * factor), origin=self.origin.map(lambda o: o * factor), unit=canonical_unit(unit))

    def differences(self, other: VoxelGrid) -> list[str]:
        """What differs between two grids, in words; empty when they are equal after unit conversion.

        Grids are equal within 1e-6 of a voxel in spacing times shape, and 1e-3 of a voxel in origin.
        """
        if self.shape != other.shape:
            return [f"shape {tuple(self.shape)} against {tuple(other.shape)} along (z, y, x)"]
        if (self.unit == VOXEL) != (other.unit == VOXEL):
            return [f"unit {self.unit} against {other.unit}"]
        same = other.to_unit(self.unit)
        found = []
        for axis, n, s, t, o, p in zip(AXES, self.shape, self.spacing, same.spacing, self.origin, same.origin):
            if abs(s - t) * max(n, 1) > 1e-6 * s:
                found.append(f"spacing along {axis} {s:g} against {t:g} {self.unit}")
            if abs(o - p) > 1e-3 * s:
                found.append(f"origin along {axis} {o:g} against {p:g} {self.unit}")
        return found

    def __str__(self) -> str:
        spacing = f"{self.spacing.x:g}" if self.isotropic else " × ".join(f"{s:g}" for s in self.spacing)
        return f"{self.shape.z} × {self.shape.y} × {self.shape.x} voxels (z, y, x) of {spacing} {self.unit}"


def _point(values: ZYX[float]) -> str:
    return "(" + ", ".join(f"{axis}={v:g}" for axis, v in zip(AXES, values)) + ")"


def as_box(grid: VoxelGrid, key: Any) -> tuple[VoxelBox, Triple]:
    """Voxel slices (NumPy's rules; an integer keeps its axis with length 1) as a box and steps.

    Raises
    ------
    ParameterError, ParameterTypeError
        A negative step, an index out of range, or an index that is neither an integer nor a slice.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = [slice(None)] * (4 - len(keys))
    if len(keys) > 3:
        raise ParameterError(f"an image has three axes (z, y, x); got {len(keys)} indices")
    keys += [slice(None)] * (3 - len(keys))
    parts = [_range(k, n, axis) for k, n, axis in zip(keys, grid.shape, AXES)]
    start, stop, step = zip(*parts)
    return VoxelBox(start, stop), step


def _range(key: Any, length: int, axis: str) -> tuple[int, int, int]:
    if isinstance(key, slice):
        start, stop, step = key.indices(length)
        if step < 1:
            raise ParameterError(f"images cannot be reversed: the step along {axis} is {step}")
        return start, max(start, stop), step
    if not hasattr(key, "__index__") or isinstance(key, bool):
        raise ParameterTypeError(f"index images with integers, slices, a region or a physical box; got {key!r} along {axis}")
    index = key.__index__()
    if not -length <= index < length:
        raise ParameterError(f"index {index} is out of range along {axis}, which has {length} voxels")
    index %= length
    return index, index + 1, 1
