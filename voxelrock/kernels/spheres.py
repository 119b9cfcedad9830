"""The voxels of spheres, computed block by block from a short list.

Legend: a pack is a short list of spheres on the host (:class:`SpherePack`); lengths are in any one physical unit, relative to the centre of
voxel (0, 0, 0), so voxel (z, y, x) has its centre at (z, y, x) · spacing. With a ``period`` the pack repeats without end. A block visits
the spheres near it only, each within its own bounding box: the cost follows the volume of the spheres in the block.

All rules are free of order (a least value, ties by the least sphere number) and use + - * / and square roots in a fixed order, in float64:
all bodies, blocks and platforms agree bit for bit.

Source: Aurenhammer 1987, "Power diagrams: properties, algorithms and applications", doi:10.1137/0216006.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit
from voxelrock.kernels.random import check_box, field_kernel, placed
from voxelrock.typing import Block, HostArray, Triple

Lengths = tuple[float, float, float]

_SLACK = 1.0 + 1e-12
"""Keeps what rounding could make relevant; the exact test decides."""


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

    def grown(self, amount: float | HostArray) -> SpherePack:
        """The same spheres with radii larger by one amount, or by one for each sphere: cement around grains."""
        return SpherePack(self.centers, self.radii + amount, self.period)


def volume(radii: HostArray) -> float:
    """Sum of the volumes of spheres, exactly rounded."""
    return 4.0 / 3.0 * math.pi * math.fsum(radii * radii * radii)


# --- voxels of a pack ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Near:
    """The spheres (images included) near a block: centres and radii (m, 4), numbers (m,) from 1, and boxes of voxels (m, 3, 2)."""

    balls: HostArray
    numbers: HostArray
    boxes: HostArray

    def windows(self) -> Iterator[tuple[HostArray, float, int, tuple[slice, slice, slice]]]:
        for ball, number, box in zip(self.balls, self.numbers, self.boxes):
            yield ball[:3], float(ball[3]), int(number), (slice(*box[0]), slice(*box[1]), slice(*box[2]))


def _near(pack: SpherePack, start: Triple, shape: Triple, spacing: Lengths, margin: float) -> _Near:
    check_box(start, shape)
    if not all(math.isfinite(step) and step > 0 for step in spacing):
        raise ParameterError(f"the spacing must be finite and greater than 0, got {spacing}")
    reach = pack.radii + margin
    per_axis = [list(_shifts(pack, axis, start[axis], shape[axis], spacing[axis], reach)) for axis in range(3)]
    parts = [
        (np.array([sz, sy, sx]), np.flatnonzero(near_z & near_y & near_x))
        for sz, near_z in per_axis[0]
        for sy, near_y in per_axis[1]
        for sx, near_x in per_axis[2]
    ]
    index = np.concatenate([found for _, found in parts] or [np.empty(0, np.int64)])
    centers = np.concatenate([pack.centers[found] + shift for shift, found in parts] or [np.empty((0, 3))])
    first, step, count = np.array(start), np.array(spacing), np.array(shape)
    low = np.floor((centers - reach[index, None]) / step) - 1 - first
    high = np.ceil((centers + reach[index, None]) / step) + 2 - first
    boxes = np.stack([np.clip(low, 0, count), np.clip(high, 0, count)], axis=-1).astype(np.int64)
    return _Near(np.column_stack([centers, pack.radii[index]]), (index + 1).astype(np.int32), boxes)


def _shifts(pack: SpherePack, axis: int, start: int, count: int, step: float, reach: HostArray) -> Iterator[tuple[float, HostArray]]:
    """Along one axis: the whole periods that bring spheres near the block, and which spheres."""
    centers, low, high = pack.centers[:, axis], (start - 1) * step, (start + count) * step
    if centers.size == 0 or count == 0:
        return
    first = last = 0
    if pack.period is not None:
        edge = pack.period[axis]
        first = math.floor((low - float(np.max(centers + reach))) / edge)
        last = math.ceil((high - float(np.min(centers - reach))) / edge)
    for k in range(first, last + 1):
        shift = 0.0 if pack.period is None else k * pack.period[axis]
        near = (centers + shift + reach >= low) & (centers + shift - reach <= high)
        if np.any(near):
            yield shift, near


def _positions(start: Triple, shape: Triple, spacing: Lengths, xp: Any, device: Any) -> list[Block]:
    """Positions of the voxels along each axis."""
    axes = [xp.arange(o, o + n, dtype=xp.int64, **placed(device)) for o, n in zip(start, shape)]
    return [xp.astype(axis, xp.float64) * float(step) for axis, step in zip(axes, spacing)]


def _distance_squared(positions: list[Block], center: HostArray, window: tuple[slice, slice, slice]) -> Block:
    dz, dy, dx = (positions[i][window[i]] - float(center[i]) for i in range(3))
    return (dz * dz)[:, None, None] + (dy * dy)[None, :, None] + (dx * dx)[None, None, :]


@field_kernel(cost=8.0, workspace=2.0)
def spheres(*, start: Triple, shape: Triple, pack: SpherePack, spacing: Lengths = (1.0, 1.0, 1.0), xp: Any = np, device: Any = None) -> Block:
    """Number the sphere that covers each voxel's centre.

    A sphere covers a centre at distance d when d² ≤ R². Of several, the one of least d² - R² counts (the cell of the power diagram, so
    overlapping spheres meet in the plane through the circle where their surfaces cross), and of equal ones that of the least number.

    Parameters
    ----------
    start, shape
        Global index of the first voxel and number of voxels, (z, y, x).
    pack
        The spheres, on the host.
    spacing
        Edges of a voxel along (z, y, x), in the unit of the pack.
    xp, device
        Array namespace and its device.

    Returns
    -------
    Block
        int32 of ``shape``: 0 = outside all spheres, else 1 + the sphere's index in the pack (all images of a sphere alike). Bitwise on
        every device and in every block; no halo. Memory: the result and a float64 block; the spheres near the block.

    Raises
    ------
    ParameterError
        If the spacing is not positive or the box leaves [-2³¹, 2³¹).
    """
    near = _near(pack, start, shape, spacing, 0.0)
    where = placed(device)
    labels, best = xp.zeros(shape, dtype=xp.int32, **where), xp.full(shape, math.inf, dtype=xp.float64, **where)
    positions = _positions(start, shape, spacing, xp, device)
    for center, radius, number, window in near.windows():
        depth = _distance_squared(positions, center, window) - radius * radius
        label, least = labels[window], best[window]
        wins = (depth <= 0.0) & ((depth < least) | ((depth == least) & (label > number)))
        labels[window] = xp.where(wins, xp.asarray(number, dtype=xp.int32, **where), label)
        best[window] = xp.where(wins, depth, least)
    return labels


@spheres.host
def _spheres_host(*, start: Triple, shape: Triple, pack: SpherePack, spacing: Lengths = (1.0, 1.0, 1.0), xp: Any = np, device: Any = None) -> Block:
    near = _near(pack, start, shape, spacing, 0.0)
    labels, best = np.zeros(shape, dtype=np.int32), np.full(shape, np.inf)
    positions = _positions(start, shape, spacing, np, None)
    _number(near.balls, near.numbers, near.boxes, tuple(positions), labels, best)
    return labels


@jit
def _number(balls: HostArray, numbers: HostArray, boxes: HostArray, at: tuple[HostArray, ...], labels: HostArray, best: HostArray) -> None:
    for s in range(balls.shape[0]):
        square, number, box = balls[s, 3] * balls[s, 3], numbers[s], boxes[s]
        for z in range(box[0, 0], box[0, 1]):
            dz = at[0][z] - balls[s, 0]
            for y in range(box[1, 0], box[1, 1]):
                dy = at[1][y] - balls[s, 1]
                across = dz * dz + dy * dy
                if across > square:
                    continue
                label, least = labels[z, y], best[z, y]
                for x in range(box[2, 0], box[2, 1]):
                    dx = at[2][x] - balls[s, 2]
                    depth = across + dx * dx - square
                    if depth <= 0.0 and (depth < least[x] or (depth == least[x] and number < label[x])):
                        least[x], label[x] = depth, number


@field_kernel(cost=20.0, workspace=3.0)
def sphere_distance(
    *, start: Triple, shape: Triple, pack: SpherePack, limit: float, spacing: Lengths = (1.0, 1.0, 1.0), xp: Any = np, device: Any = None
) -> Block:
    """Signed distance of each voxel's centre to the nearest sphere's surface, negative inside.

    The least d - R over all spheres: outside, the exact distance to the union; inside, exact where spheres do not overlap.

    Parameters
    ----------
    start, shape, pack, spacing, xp, device
        As in :func:`spheres`.
    limit
        Distances are clipped to [-limit, limit]; spheres further than this from a voxel cost nothing. In the unit of the pack.

    Returns
    -------
    Block
        float32 of ``shape``, in the unit of the pack. Bitwise on every device and in every block; no halo.

    Raises
    ------
    ParameterError
        As :func:`spheres`, and unless the limit is finite and greater than 0.
    """
    near = _near(pack, start, shape, spacing, _checked_limit(limit))
    nearest = xp.full(shape, float(limit), dtype=xp.float64, **placed(device))
    positions = _positions(start, shape, spacing, xp, device)
    for center, radius, _, window in near.windows():
        distance = xp.sqrt(_distance_squared(positions, center, window)) - radius
        nearest[window] = xp.where(distance < nearest[window], distance, nearest[window])
    return xp.astype(xp.where(nearest < -limit, xp.asarray(-limit, dtype=xp.float64, **placed(device)), nearest), xp.float32)


def _checked_limit(limit: float) -> float:
    if not (math.isfinite(limit) and limit > 0):
        raise ParameterError(f"the limit must be finite and greater than 0, got {limit}")
    return limit


@sphere_distance.host
def _sphere_distance_host(
    *, start: Triple, shape: Triple, pack: SpherePack, limit: float, spacing: Lengths = (1.0, 1.0, 1.0), xp: Any = np, device: Any = None
) -> Block:
    near = _near(pack, start, shape, spacing, _checked_limit(limit))
    nearest = np.full(shape, float(limit))
    reach = (near.balls[:, 3] + limit) * (near.balls[:, 3] + limit) * _SLACK
    _measure(near.balls, reach, near.boxes, tuple(_positions(start, shape, spacing, np, None)), nearest)
    return np.maximum(nearest, -limit, out=nearest).astype(np.float32)


@jit
def _measure(balls: HostArray, reach: HostArray, boxes: HostArray, at: tuple[HostArray, ...], nearest: HostArray) -> None:
    for s in range(balls.shape[0]):
        radius, box = balls[s, 3], boxes[s]
        for z in range(box[0, 0], box[0, 1]):
            dz = at[0][z] - balls[s, 0]
            for y in range(box[1, 0], box[1, 1]):
                dy = at[1][y] - balls[s, 1]
                across = dz * dz + dy * dy
                if across > reach[s]:
                    continue
                row = nearest[z, y]
                for x in range(box[2, 0], box[2, 1]):
                    dx = at[2][x] - balls[s, 2]
                    distance = np.sqrt(across + dx * dx) - radius
                    row[x] = distance if distance < row[x] else row[x]
