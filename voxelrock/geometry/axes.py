"""The three axes, always in the order (z, y, x), always named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from voxelrock.errors import ParameterError, ParameterTypeError

AXES = ("z", "y", "x")

T = TypeVar("T")
U = TypeVar("U")


class ZYX(NamedTuple, Generic[T]):
    """Three values along the axes z, y and x, in that order.

    Examples
    --------
    >>> ZYX(z=100, y=200, x=300).x
    300
    >>> ZYX.of(2.0)
    ZYX(z=2.0, y=2.0, x=2.0)
    """

    z: T
    y: T
    x: T

    @classmethod
    def of(cls, value: Any) -> ZYX[Any]:
        """A ``ZYX`` from one value for all axes, a mapping with keys z, y and x, or three values in (z, y, x) order.

        Raises
        ------
        ParameterTypeError
            The value is none of these.
        """
        if isinstance(value, ZYX):
            return value
        if isinstance(value, Mapping):
            if sorted(value) != sorted(AXES):
                raise ParameterError(f"expected the keys z, y and x; got {', '.join(map(str, value)) or 'none'}")
            return cls(value["z"], value["y"], value["x"])
        if isinstance(value, str) or not hasattr(value, "__len__"):
            return cls(value, value, value)
        if len(value) != 3:
            raise ParameterTypeError(f"expected one value, or three along (z, y, x); got {len(value)}: {value!r}")
        return cls(*value)

    def map(self, function: Callable[[T], U]) -> ZYX[U]:
        """The function applied to each of the three."""
        return ZYX(function(self.z), function(self.y), function(self.x))


def shape_of(value: Any) -> ZYX[int]:
    """A shape whose order is clear: ``ZYX``, a mapping, or one length for all axes.

    Raises
    ------
    ParameterError
        Three bare numbers that differ (they could be z, y, x or x, y, z), or lengths that are not whole numbers of at least 0.
    """
    if isinstance(value, tuple | list) and not isinstance(value, ZYX) and len(set(value)) > 1:
        a, b, c = (*value, *(None,) * 3)[:3]
        raise ParameterError(
            f"the order of the shape {tuple(value)} is unclear: write ZYX(z={a}, y={b}, x={c}) or ZYX(z={c}, y={b}, x={a})",
        )
    shape = ZYX.of(value)
    for axis, n in zip(AXES, shape):
        if isinstance(n, bool) or not hasattr(n, "__index__") or n < 0:
            raise ParameterError(f"a shape has whole, non-negative lengths; got {n!r} along {axis}")
    return shape.map(int)


def axis_number(axis: str) -> int:
    """0, 1 or 2 for ``"z"``, ``"y"`` or ``"x"``.

    Raises
    ------
    ParameterError
        Another name.
    """
    if axis not in AXES:
        raise ParameterError(f"axis is one of 'z', 'y', 'x'; got {axis!r}")
    return AXES.index(axis)
