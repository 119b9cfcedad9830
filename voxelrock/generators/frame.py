"""Where a generator draws: its grid, its blocks, its lengths, and the table of grains that its tasks share."""

from __future__ import annotations

import math
from typing import Any

from voxelrock.errors import ParameterError
from voxelrock.geometry import Tiling, VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.image.creation import from_array, grid_from
from voxelrock.typing import HostArray

Length = float | str


def frame(shape: Any, spacing: Any, block: Any) -> tuple[VoxelGrid, Tiling]:
    """The grid of a shape and a spacing, and how it is cut into blocks (chosen for None)."""
    grid = grid_from(shape, spacing)
    tiling = Tiling.compute(grid.shape) if block is None else Tiling.regular(grid.shape, ZYX.of(block).map(int))
    return grid, tiling


def length_on(grid: VoxelGrid, value: Length | None, name: str, *, default_vx: float) -> float:
    """A length above zero in the grid's unit; for None, ``default_vx`` voxels (of the mean edge, where edges differ).

    Raises
    ------
    ParameterError, UnitError
        The value is no length above zero.
    """
    if value is None:
        return default_vx * math.prod(grid.spacing) ** (1.0 / 3.0)
    number = grid.length(value)
    if not (math.isfinite(number) and number > 0):
        raise ParameterError(f"{name} must be a length above zero, got {value!r}")
    return number


def voxels(grid: VoxelGrid, length: float) -> tuple[float, float, float]:
    """A length of the grid's unit in voxels along (z, y, x)."""
    z, y, x = grid.spacing
    return length / z, length / y, length / x


def fraction_of(value: float, name: str, low: float = 0.0, high: float = 1.0) -> float:
    """A fraction within bounds.

    Raises
    ------
    ParameterError
        It lies outside them.
    """
    if not low <= value <= high:
        raise ParameterError(f"{name} must lie between {low:g} and {high:g}, got {value}")
    return float(value)


def shared(table: HostArray) -> Any:
    """A table as a lazy parameter: one copy in a graph and on each worker, however many tasks use it."""
    return from_array(table[None], block=(1, max(1, table.shape[0]), table.shape[1])).data
