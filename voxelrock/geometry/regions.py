"""Regions of space: a voxel belongs to a region when its centre lies in it (the surface included).

Regions combine with ``&``, ``|`` and ``~``. Lengths are numbers in the unit of the grid that a region is used with, or text such as
``"2 mm"``. A region tests coordinates with plain arithmetic, on the arrays of any library and on any device, with equal results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry.axes import AXES, ZYX, axis_number
from voxelrock.geometry.boxes import VoxelBox
from voxelrock.geometry.grid import VoxelGrid
from voxelrock.typing import Block

Length = float | str
_Bounds = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
_EVERYWHERE: _Bounds = ((-math.inf, math.inf),) * 3


class Region:
    """A part of space; build one from ``Ball``, ``Cylinder``, ``Box``, ``Polygon`` and ``& | ~``."""

    def resolve(self, grid: VoxelGrid) -> Region:
        """The same region with every length a number in the unit of ``grid``."""
        raise NotImplementedError

    def contains(self, z: Block, y: Block, x: Block) -> Block:
        """Whether points (arrays that broadcast) lie inside; for resolved regions."""
        raise NotImplementedError

    def bounds(self) -> _Bounds:
        """Low and high coordinates along (z, y, x) of a box that holds a resolved region; infinite where it has no end."""
        return _EVERYWHERE

    def box(self, grid: VoxelGrid) -> VoxelBox:
        """The smallest box of voxels whose centres can lie in the region.

        Raises
        ------
        ParameterError
            The region holds no voxel centre of the grid.
        """
        parts = [_voxels_between(low, high, n, o, s) for (low, high), n, o, s in zip(self.resolve(grid).bounds(), grid.shape, grid.origin, grid.spacing)]
        if any(a >= b for a, b in parts):
            raise ParameterError(f"the region {self} lies outside the image ({grid})")
        (a, d), (b, e), (c, f) = parts
        return VoxelBox((a, b, c), (d, e, f))

    def __and__(self, other: Region) -> Region:
        return Intersection(self, _region(other))

    def __or__(self, other: Region) -> Region:
        return Union(self, _region(other))

    def __invert__(self) -> Region:
        return Complement(self)


def _region(value: object) -> Region:
    if not isinstance(value, Region):
        raise ParameterTypeError(f"a region combines with regions; got {type(value).__name__}")
    return value


def _voxels_between(low: float, high: float, n: int, origin: float, spacing: float) -> tuple[int, int]:
    def coordinate(i: int) -> float:
        return origin + i * spacing

    if low == -math.inf:
        first = 0
    else:
        first = max(0, min(n, math.ceil((low - origin) / spacing) - 1))
        while first < n and coordinate(first) < low:
            first += 1
    if high == math.inf:
        return first, n
    last = max(0, min(n, math.floor((high - origin) / spacing) + 2))
    while last > first and coordinate(last - 1) > high:
        last -= 1
    return first, last


def _positive(value: Length, what: str) -> Length:
    if not isinstance(value, str) and not (math.isfinite(value) and value > 0):
        raise ParameterError(f"the {what} must be positive; got {value}")
    return value


@dataclass(frozen=True)
class Ball(Region):
    """A ball: points at most ``radius`` from ``center`` (named z, y, x)."""

    center: Mapping[str, Length] | ZYX[Any]
    radius: Length

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", ZYX.of(self.center))
        _positive(self.radius, "radius")

    def resolve(self, grid: VoxelGrid) -> Ball:
        return Ball(center=ZYX.of(self.center).map(grid.length), radius=_positive(grid.length(self.radius), "radius"))

    def contains(self, z: Block, y: Block, x: Block) -> Block:
        cz, cy, cx = ZYX.of(self.center)
        r = float(self.radius)
        return (z - cz) * (z - cz) + (y - cy) * (y - cy) + (x - cx) * (x - cx) <= r * r

    def bounds(self) -> _Bounds:
        r = float(self.radius)
        return tuple((c - r, c + r) for c in ZYX.of(self.center))  # type: ignore[return-value]


@dataclass(frozen=True)
class Box(Region):
    """A box between two corners (named z, y, x); a missing axis is unbounded."""

    low: Mapping[str, Length]
    high: Mapping[str, Length]

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            corner = value._asdict() if isinstance(value, ZYX) else dict(value)
            for axis in corner:
                axis_number(axis)
            object.__setattr__(self, name, tuple((a, corner[a]) for a in AXES if a in corner))

    def resolve(self, grid: VoxelGrid) -> Box:
        low, high = ({a: grid.length(v) for a, v in dict(part).items()} for part in (self.low, self.high))
        for axis in low.keys() & high.keys():
            if low[axis] > high[axis]:
                raise ParameterError(f"the box is empty along {axis}: it goes from {low[axis]:g} to {high[axis]:g} {grid.unit}")
        return Box(low=low, high=high)

    def contains(self, z: Block, y: Block, x: Block) -> Block:
        inside = (z == z) & (y == y) & (x == x)
        for c, (low, high) in zip((z, y, x), self.bounds()):
            inside = inside & (c >= low) & (c <= high)
        return inside

    def bounds(self) -> _Bounds:
        low, high = dict(self.low), dict(self.high)
        return tuple((float(low.get(a, -math.inf)), float(high.get(a, math.inf))) for a in AXES)  # type: ignore[return-value]


@dataclass(frozen=True)
class Cylinder(Region):
    """A circular cylinder.

    Parameters
    ----------
    axis
        ``"z"``, ``"y"`` or ``"x"``, or a direction named z, y, x for a tilted cylinder.
    radius
        Its radius.
    center
        A point on the axis: two names suffice for one along an image axis, ``center=dict(y=…, x=…)``.
    length
        Its length, half on each side of ``center``; without it the cylinder has no ends.
    """

    axis: str | Mapping[str, float] | ZYX[float]
    radius: Length
    center: Mapping[str, Length] | ZYX[Any]
    length: Length | None = None

    def __post_init__(self) -> None:
        named = self.axis if isinstance(self.axis, str) else None
        center = self.center._asdict() if isinstance(self.center, ZYX) else dict(self.center)
        if named is not None:
            axis_number(named)
            if self.length is None:
                center.setdefault(named, 0.0)
        else:
            direction = ZYX.of(self.axis).map(float)
            if not any(direction):
                raise ParameterError("the axis of a cylinder needs a direction; got zeros")
            object.__setattr__(self, "axis", direction)
        object.__setattr__(self, "center", ZYX.of(center))
        _positive(self.radius, "radius")
        if self.length is not None:
            _positive(self.length, "length")

    @classmethod
    def inscribed(cls, grid: VoxelGrid, *, axis: str = "z", margin: Length = 0.0) -> Cylinder:
        """The largest cylinder along ``axis`` inside the bounding box of a grid, less ``margin`` on its radius.

        Raises
        ------
        ParameterError
            The margin leaves nothing.
        """
        low, high = grid.bounds
        across = [a for a in range(3) if a != axis_number(axis)]
        radius = min(grid.extent[a] for a in across) / 2 - grid.length(margin)
        if radius <= 0:
            raise ParameterError(f"a margin of {margin} leaves no cylinder in {grid}")
        return cls(axis=axis, radius=radius, center=ZYX(*((a + b) / 2 for a, b in zip(low, high))))

    def resolve(self, grid: VoxelGrid) -> Cylinder:
        length = None if self.length is None else grid.length(self.length)
        return replace(self, radius=grid.length(self.radius), center=ZYX.of(self.center).map(grid.length), length=length)

    @property
    def _direction(self) -> ZYX[float]:
        if isinstance(self.axis, str):
            return ZYX(*(1.0 if a == self.axis else 0.0 for a in AXES))
        norm = math.sqrt(sum(v * v for v in ZYX.of(self.axis)))
        return ZYX.of(self.axis).map(lambda v: v / norm)

    def contains(self, z: Block, y: Block, x: Block) -> Block:
        u = self._direction
        d = [p - c for p, c in zip((z, y, x), ZYX.of(self.center))]
        r = float(self.radius)
        if isinstance(self.axis, str):
            n = axis_number(self.axis)
            a, b = (d[i] for i in range(3) if i != n)
            along = d[n]
            inside = (a * a + b * b <= r * r) & (along == along)
        else:
            along = d[0] * u[0] + d[1] * u[1] + d[2] * u[2]
            inside = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] - along * along <= r * r
        if self.length is not None:
            half = float(self.length) / 2
            inside = inside & (along >= -half) & (along <= half)
        return inside

    def bounds(self) -> _Bounds:
        half = math.inf if self.length is None else float(self.length) / 2
        parts = []
        for c, u in zip(ZYX.of(self.center), self._direction):
            across = float(self.radius) * math.sqrt(max(0.0, 1 - u * u))
            reach = across + (half * abs(u) if u else 0.0)
            parts.append((c - reach, c + reach))
        return tuple(parts)  # type: ignore[return-value]


@dataclass(frozen=True)
class Polygon(Region):
    """A prism: a polygon across ``axis`` (corners named by the other two axes), from ``low`` to ``high`` along it.

    The inside follows the even-odd rule.
    """

    axis: str
    corners: Sequence[Mapping[str, Length]]
    low: Length | None = None
    high: Length | None = None

    def __post_init__(self) -> None:
        names = [a for a in AXES if a != AXES[axis_number(self.axis)]]
        corners = tuple(tuple(c[a] for a in names) if isinstance(c, Mapping) else tuple(c) for c in self.corners)
        if len(corners) < 3:
            raise ParameterError(f"a polygon has at least three corners; got {len(corners)}")
        object.__setattr__(self, "corners", corners)

    def resolve(self, grid: VoxelGrid) -> Polygon:
        corners = tuple(tuple(grid.length(v) for v in c) for c in self.corners)
        low, high = (None if v is None else grid.length(v) for v in (self.low, self.high))
        return Polygon(axis=self.axis, corners=corners, low=low, high=high)  # type: ignore[arg-type]

    def contains(self, z: Block, y: Block, x: Block) -> Block:
        n = axis_number(self.axis)
        along = (z, y, x)[n]
        a, b = (c for i, c in enumerate((z, y, x)) if i != n)
        corners: Any = self.corners
        inside = (a != a) | (b != b)
        for (p, q), (r, s) in zip(corners, corners[1:] + corners[:1]):
            if p == r:
                continue
            straddles = (a >= p) != (a >= r)
            inside = inside ^ (straddles & (b < q + (a - p) * ((s - q) / (r - p))))
        (low, high) = self.bounds()[n]
        return inside & (along >= low) & (along <= high)

    def bounds(self) -> _Bounds:
        low = -math.inf if self.low is None else float(self.low)
        high = math.inf if self.high is None else float(self.high)
        corners: Any = self.corners
        sides = [(min(c[i] for c in corners), max(c[i] for c in corners)) for i in range(2)]
        sides.insert(axis_number(self.axis), (low, high))
        return tuple(sides)  # type: ignore[return-value]


@dataclass(frozen=True)
class Intersection(Region):
    """Both regions."""

    first: Region
    second: Region

    def resolve(self, grid: VoxelGrid) -> Region:
        return Intersection(self.first.resolve(grid), self.second.resolve(grid))

    def contains(self, z: Block, y: Block, x: Block) -> Block:
        return self.first.contains(z, y, x) & self.second.contains(z, y, x)

    def bounds(self) -> _Bounds:
        return _joined(self.first, self.second, max, min)


@dataclass(frozen=True)
class Union(Region):
    """Either region."""

    first: Region
    second: Region

    def resolve(self, grid: VoxelGrid) -> Region:
        return Union(self.first.resolve(grid), self.second.resolve(grid))

    def contains(self, z: Block, y: Block, x: Block) -> Block:
        return self.first.contains(z, y, x) | self.second.contains(z, y, x)

    def bounds(self) -> _Bounds:
        return _joined(self.first, self.second, min, max)


@dataclass(frozen=True)
class Complement(Region):
    """All but a region."""

    region: Region

    def resolve(self, grid: VoxelGrid) -> Region:
        return Complement(self.region.resolve(grid))

    def contains(self, z: Block, y: Block, x: Block) -> Block:
        return ~self.region.contains(z, y, x)


def _joined(first: Region, second: Region, low: Callable[..., float], high: Callable[..., float]) -> _Bounds:
    return tuple((low(a, c), high(b, d)) for (a, b), (c, d) in zip(first.bounds(), second.bounds()))  # type: ignore[return-value]
