"""The voxels of spheres, computed block by block from a short list.

Legend: a *table* is a short list on the host, one row for each sphere, in its last two axes: z, y, x, radius. Lengths are in any one
physical unit, relative to the centre of voxel (0, 0, 0), so voxel (z, y, x) has its centre at (z, y, x) · spacing. With a ``period`` the
list repeats without end. A block visits the spheres near it only, each within its own bounding box: the cost follows the volume of the
spheres in the block.

All rules are free of order (a least value, ties by the least row) and use + - * / and square roots in a fixed order, in float64: all
bodies, blocks and platforms agree bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit, kernel
from voxelrock.kernels.random import check_box, placed
from voxelrock.typing import Block, HostArray, Triple

Lengths = tuple[float, float, float]
Window = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Lattice:
    """Where voxels lie in a list of spheres.

    Parameters
    ----------
    spacing
        Edges of a voxel along (z, y, x), in the unit of the list.
    period
        Edges of the cell that repeats along (z, y, x), or None.

    Raises
    ------
    ParameterError
        If a length is not above zero.
    """

    spacing: Lengths = (1.0, 1.0, 1.0)
    period: Lengths | None = None

    def __post_init__(self) -> None:
        for name, lengths in (("spacing", self.spacing), ("period", self.period or self.spacing)):
            if not all(math.isfinite(length) and length > 0 for length in lengths):
                raise ParameterError(f"the {name} must be finite and greater than 0, got {lengths}")


@dataclass(frozen=True, eq=False)
class SpherePack:
    """Spheres on the host.

    Parameters
    ----------
    centers
        (n, 3) float64, (z, y, x), relative to the centre of voxel (0, 0, 0).
    radii
        (n,) float64, greater than 0.
    period
        Edges of the cell that repeats along (z, y, x), or None.

    Raises
    ------
    ParameterError
        If shapes, radii or the period cannot be used.
    """

    centers: HostArray
    radii: HostArray
    period: Lengths | None = None

    def __post_init__(self) -> None:
        centers, radii = np.array(self.centers, dtype=np.float64), np.array(self.radii, dtype=np.float64)
        if centers.ndim != 2 or centers.shape[1] != 3 or radii.shape != centers.shape[:1] or radii.size >= 2**31:
            raise ParameterError(f"spheres need centres of shape (n, 3) and radii of shape (n,), got {centers.shape} and {radii.shape}")
        if not (np.all(np.isfinite(centers)) and np.all(np.isfinite(radii)) and np.all(radii > 0)):
            raise ParameterError("centres must be finite, radii finite and greater than 0")
        if self.period is not None and not all(math.isfinite(edge) and edge > 0 for edge in self.period):
            raise ParameterError(f"the period must be finite and greater than 0, got {self.period}")
        for array in (centers, radii):
            array.setflags(write=False)
        object.__setattr__(self, "centers", centers)
        object.__setattr__(self, "radii", radii)

    @property
    def fraction(self) -> float:
        """Volume of the spheres over that of the cell (overlaps counted twice); needs a period."""
        if self.period is None:
            raise ParameterError("a fraction needs a period: the volume of the cell")
        return volume(self.radii) / (self.period[0] * self.period[1] * self.period[2])

    @property
    def table(self) -> HostArray:
        """(n, 4) float64: z, y, x, radius."""
        return np.column_stack([self.centers, self.radii])


_UNIT = Lattice()


def volume(radii: HostArray) -> float:
    """Sum of the volumes of spheres, exactly rounded."""
    return 4.0 / 3.0 * math.pi * math.fsum(radii * radii * radii)


# --- the spheres near a block ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Near:
    """The spheres (images included) near a block: centres (m, 3), rows of the table (m,) and boxes of voxels (m, 3, 2)."""

    centers: HostArray
    rows: HostArray
    boxes: HostArray

    def windows(self) -> Iterator[tuple[HostArray, int, Window]]:
        for center, row, box in zip(self.centers, self.rows, self.boxes):
            yield center, int(row), (slice(*box[0]), slice(*box[1]), slice(*box[2]))


def rows_of(table: HostArray) -> HostArray:
    """(n, columns), whatever axes of length one a delivered table has in front."""
    return np.ascontiguousarray(np.asarray(table, dtype=np.float64).reshape(-1, table.shape[-1]))


def near(table: HostArray, lattice: Lattice, start: Triple, shape: Triple, margin: float) -> Near:
    """The spheres, grown by ``margin``, that may cover voxels of a block."""
    check_box(start, shape)
    spacing, period = lattice.spacing, lattice.period
    centers, reach = table[:, :3], np.maximum(table[:, 3] + margin, 0.0)
    edges: list[float | None] = [None] * 3 if period is None else list(period)
    per_axis = [list(_shifts(centers[:, i], reach, edges[i], (start[i] - 1) * spacing[i], (start[i] + shape[i]) * spacing[i])) for i in range(3)]
    parts = [
        (np.array([sz, sy, sx]), np.flatnonzero(near_z & near_y & near_x))
        for sz, near_z in per_axis[0]
        for sy, near_y in per_axis[1]
        for sx, near_x in per_axis[2]
        if 0 not in shape
    ]
    rows = np.concatenate([found for _, found in parts] or [np.empty(0, np.int64)])
    moved = np.concatenate([centers[found] + shift for shift, found in parts] or [np.empty((0, 3))])
    first, step, count = np.array(start), np.array(spacing), np.array(shape)
    low = np.floor((moved - reach[rows, None]) / step) - 1 - first
    high = np.ceil((moved + reach[rows, None]) / step) + 2 - first
    boxes = np.stack([np.clip(low, 0, count), np.clip(high, 0, count)], axis=-1).astype(np.int64)
    return Near(moved, rows.astype(np.int32), boxes)


def _shifts(centers: HostArray, reach: HostArray, edge: float | None, low: float, high: float) -> Iterator[tuple[float, HostArray]]:
    """Along one axis: the whole periods that bring spheres between ``low`` and ``high``, and which spheres."""
    if centers.size == 0:
        return
    first = last = 0
    if edge is not None:
        first = math.floor((low - float(np.max(centers + reach))) / edge)
        last = math.ceil((high - float(np.min(centers - reach))) / edge)
    for k in range(first, last + 1):
        shift = 0.0 if edge is None else k * edge
        near = (centers + shift + reach >= low) & (centers + shift - reach <= high)
        if np.any(near):
            yield shift, near


def positions(start: Triple, shape: Triple, lattice: Lattice, xp: Any, device: Any) -> tuple[Block, Block, Block]:
    """Positions of the voxels along each axis."""
    axes = [xp.arange(o, o + n, dtype=xp.int64, **placed(device)) for o, n in zip(start, shape)]
    z, y, x = (xp.astype(axis, xp.float64) * float(step) for axis, step in zip(axes, lattice.spacing))
    return z, y, x


def offsets(at: tuple[Block, Block, Block], center: HostArray, window: Window) -> tuple[Block, Block, Block]:
    """From the centre to the voxels of a window, axis by axis, ready to broadcast."""
    dz, dy, dx = (at[i][window[i]] - float(center[i]) for i in range(3))
    return dz[:, None, None], dy[None, :, None], dx[None, None, :]


# --- spheres ----------------------------------------------------------------------------------------------------------------------------------


@kernel(cost=4.0, workspace=1.0)
def covered(
    *,
    start: Triple,
    shape: Triple,
    table: HostArray,
    lattice: Lattice = _UNIT,
    inside: bool = True,
    xp: Any = np,
    device: Any = None,
) -> Block:
    """Whether a sphere covers each voxel's centre: at distance d from its centre, d² ≤ R².

    Parameters
    ----------
    start, shape
        Global index of the first voxel and number of voxels, (z, y, x).
    table
        (…, n, 4): z, y, x, radius.
    lattice
        Edges of a voxel and of the cell that repeats.
    inside
        The value of covered voxels.
    xp, device
        Array namespace and its device.

    Returns
    -------
    Block
        bool of ``shape``. Bitwise on every device and in every block; no halo. Memory: the result and the spheres near the block.

    Raises
    ------
    ParameterError
        If the box leaves [-2³¹, 2³¹).
    """
    balls = rows_of(table)
    out = xp.full(shape, not inside, dtype=xp.bool, **placed(device))
    at = positions(start, shape, lattice, xp, device)
    for center, row, window in near(balls, lattice, start, shape, 0.0).windows():
        dz, dy, dx = offsets(at, center, window)
        hit = dz * dz + dy * dy + dx * dx <= float(balls[row, 3] * balls[row, 3])
        out[window] = xp.where(hit, xp.asarray(inside, **placed(device)), out[window])
    return out


@covered.host
def _covered_host(
    *,
    start: Triple,
    shape: Triple,
    table: HostArray,
    lattice: Lattice = _UNIT,
    inside: bool = True,
    xp: Any = np,
    device: Any = None,
) -> Block:
    balls = rows_of(table)
    nearby = near(balls, lattice, start, shape, 0.0)
    out = np.full(shape, not inside)
    _cover(nearby.centers, balls[nearby.rows, 3], nearby.boxes, positions(start, shape, lattice, np, None), inside, out)
    return out


@jit
def _cover(centers: HostArray, radii: HostArray, boxes: HostArray, at: tuple[HostArray, ...], inside: bool, out: HostArray) -> None:
    for s in range(centers.shape[0]):
        square, center, box = radii[s] * radii[s], centers[s], boxes[s]
        for z in range(box[0, 0], box[0, 1]):
            dz = at[0][z] - center[0]
            for y in range(box[1, 0], box[1, 1]):
                dy = at[1][y] - center[1]
                across = dz * dz + dy * dy
                if across > square:
                    continue
                row = out[z, y]
                for x in range(box[2, 0], box[2, 1]):
                    dx = at[2][x] - center[2]
                    if across + dx * dx <= square:
                        row[x] = inside
