"""Fields of balls in a phase, and the phase covered by them: what all sizes are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import Region
from voxelrock.geometry.axes import AXES
from voxelrock.geometry.metric import Metric
from voxelrock.graph.parcels import Parcels
from voxelrock.graph.patterns import Pointwise
from voxelrock.image import VoxelImage
from voxelrock.image.validity import both
from voxelrock.kernels import covering
from voxelrock.kernels.surfaces import SIDES
from voxelrock.labels.restriction import surfaces
from voxelrock.morphology.distances import squares_of
from voxelrock.morphology.hills import grown

Where = VoxelImage | Region | None

SIDE_NAMES = tuple(f"{AXES[axis]} {'low' if low else 'high'}" for axis, low in SIDES)
"""The names of the six sides."""

_COVERED = Parcels(covering.balls_left, covering.covered)
_REACHED = Pointwise(covering.reached)
_AT_SIDES = Pointwise(covering.at_sides, located=True)
_FLOATS = Pointwise(covering.in_float64, lambda *_, **__: np.dtype("f8"))


def squares(mask: VoxelImage, keep: tuple[Any, ...], metric: Metric, border: str) -> Any:
    """The lazy squares of the distances in a phase: int32, or float64 where these do not hold them; 0 outside."""
    found = squares_of(mask.data, keep, metric, border)
    return _FLOATS(found) if found.dtype == np.int64 else found


def cover(field: Any, metric: Metric, unit: float = 0.0) -> Any:
    """The largest square of the field over each voxel (lazy); with ``unit`` the root of the square times it, float32."""
    parameters = {"weights": metric.weights, "kind": np.dtype(field.dtype).name, "unit": float(unit)}
    return _COVERED(field, dtype="f4" if unit else field.dtype, give={"weights": metric.weights, "extent": tuple(map(int, field.shape))}, **parameters)


def sides_of(names: Any, parameter: str) -> int:
    """The bits of the sides that a parameter names: ``"surface"`` all six, else one such as ``"z low"``, or several.

    Raises
    ------
    ParameterTypeError, ParameterError
        It names none, or something else.
    """
    if isinstance(names, str):
        names = SIDE_NAMES if names == "surface" else (names,)
    if not isinstance(names, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in names):
        raise ParameterTypeError(f"{parameter} is 'surface' or the name of a side, such as 'z low'; got {names!r}")
    if not names or any(name not in SIDE_NAMES for name in names):
        raise ParameterError(f"{parameter} is 'surface', or one or more of {', '.join(SIDE_NAMES)}; got {', '.join(names) or 'none'}")
    return sum(1 << SIDE_NAMES.index(name) for name in set(names))


def at_sides(mask: VoxelImage, keep: tuple[Any, ...], values: Any, sides: int, *, other: float = 0) -> Any:
    """Lazy values where the image (or the region that exists) ends on one of some sides, ``other`` elsewhere."""
    z, y, x = mask.shape
    return _AT_SIDES(values, *surfaces(mask, keep), sides=sides, extent=(z, y, x), other=other)


def access(mask: VoxelImage, keep: tuple[Any, ...], found: Any, *, sides: int, connectivity: int) -> Any:
    """For each voxel the smallest square on the best way from the sides, lazy; 0 where no way leads, and outside the phase."""
    return grown(at_sides(mask, keep, found, sides), found, phase_of(mask, keep), method="dilation", connectivity=connectivity)


def phase_of(mask: VoxelImage, keep: tuple[Any, ...]) -> tuple[Any, ...]:
    """A mask of the phase, of the voxels that exist."""
    return (both(mask.data, keep[0]) if keep else mask.data,)


def reached(found: Any, mask: VoxelImage, keep: tuple[Any, ...]) -> Any:
    """The field of balls of what is reached."""
    return _REACHED(found, mask.data, *keep)
