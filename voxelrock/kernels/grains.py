"""The voxels of grains: spheres cut by facets, grown until they meet, with a rim of cement.

Legend: as in :mod:`voxelrock.kernels.spheres`; a row of a table of grains holds z, y, x, radius, phase (0 to 255), then for each of k
facets its outward normal (z, y, x) and its distance from the centre.

Source: Aurenhammer 1987, "Power diagrams: properties, algorithms and applications", doi:10.1137/0216006 (which grain a point belongs to;
here with distances in place of powers).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit, kernel
from voxelrock.kernels.random import placed
from voxelrock.kernels.spheres import Lattice, near, offsets, positions, rows_of
from voxelrock.typing import Block, HostArray, Triple

_SLACK = 1.0 + 1e-12
"""Keeps what rounding could make relevant; the exact test decides."""

_SLAB = 16
"""Slices that the host body works on at a time."""

_FACETS = 5
"""The column where the facets of a grain begin, four numbers each."""


@dataclass(frozen=True)
class Growth:
    """How far grains grew: voxels up to the gap ``grain`` are grain, up to ``rim`` rim, whose phase is ``phase``; negative gaps shrink."""

    grain: float
    rim: float
    phase: int

    @property
    def reach(self) -> float:
        """The greater of the two gaps."""
        return max(self.grain, self.rim)


@kernel(cost=18.0, workspace=12.0)
def grains(
    *,
    start: Triple,
    shape: Triple,
    table: HostArray,
    lattice: Lattice,
    growth: Growth,
    xp: Any = np,
    device: Any = None,
) -> Block:
    """Grains that grew until they met: spheres cut by facets, with a rim.

    The *gap* between a grain and a point is the greatest of (distance from the centre - radius) and, for each facet, (n · offset - h):
    negative inside, zero on the grain as it was deposited. Each point belongs to the grain of the least gap (of equal ones to the first),
    so grains that grew into each other meet in a seam.

    Parameters
    ----------
    start, shape, lattice, xp, device
        As in :func:`covered`.
    table
        (…, n, 5 + 4 k): z, y, x, radius, phase (0 to 255), then for each of k facets its outward normal (z, y, x) and its distance from
        the centre.
    growth
        How far grains and their rims reach.

    Returns
    -------
    Block
        uint8 of ``shape``: the grain's phase, the rim's, or 0 outside. Bitwise on every device and in every block; no halo. Memory: the
        result and 12 bytes for each voxel of 16 slices (host) or of the block (reference).

    Raises
    ------
    ParameterError
        As :func:`covered`, and if the table lacks columns.
    """
    rows = _checked_grains(table)
    where = placed(device)
    best, owner = xp.full(shape, math.inf, dtype=xp.float64, **where), xp.zeros(shape, dtype=xp.int32, **where)
    at = positions(start, shape, lattice, xp, device)
    for center, row, window in near(rows, lattice, start, shape, growth.reach).windows():
        dz, dy, dx = offsets(at, center, window)
        gap = xp.sqrt(dz * dz + dy * dy + dx * dx) - float(rows[row, 3])
        for nz, ny, nx, height in rows[row, _FACETS:].reshape(-1, 4).tolist():
            plane = nz * dz + ny * dy + nx * dx - height
            gap = xp.where(plane > gap, plane, gap)
        wins = (gap < best[window]) | ((gap == best[window]) & (owner[window] > row))
        best[window], owner[window] = xp.where(wins, gap, best[window]), xp.where(wins, xp.asarray(row, dtype=xp.int32, **where), owner[window])
    phases = xp.asarray(rows[:, 4].astype(np.uint8) if len(rows) else np.zeros(1, np.uint8), **where)
    phase = xp.reshape(xp.take(phases, xp.astype(xp.reshape(owner, (-1,)), xp.int64), axis=0), shape)
    around = xp.where(best <= growth.rim, xp.asarray(growth.phase, dtype=xp.uint8, **where), xp.asarray(0, dtype=xp.uint8, **where))
    return xp.where(best <= growth.grain, phase, around)


def _checked_grains(table: HostArray) -> HostArray:
    rows = rows_of(table)
    if rows.shape[1] < _FACETS or (rows.shape[1] - _FACETS) % 4:
        raise ParameterError(f"a table of grains has 5 + 4 k columns (z, y, x, radius, phase, k facets), got {rows.shape[1]}")
    return rows


@grains.host
def _grains_host(
    *,
    start: Triple,
    shape: Triple,
    table: HostArray,
    lattice: Lattice,
    growth: Growth,
    xp: Any = np,
    device: Any = None,
) -> Block:
    rows = _checked_grains(table)
    out = np.empty(shape, np.uint8)
    for z in range(0, shape[0], _SLAB):
        slab = out[z : z + _SLAB]
        best, owner = least_gaps(start=(start[0] + z, start[1], start[2]), shape=slab.shape, table=rows, lattice=lattice, limit=growth.reach)
        _classify(best, owner, rows, (growth.grain, growth.rim), growth.phase, slab)
    return out


def least_gaps(*, start: Triple, shape: Triple, table: HostArray, lattice: Lattice, limit: float) -> tuple[HostArray, HostArray]:
    """The least gap of each voxel (float64) and its row in the table (int32), on the host; infinity where all gaps exceed the limit."""
    nearby = near(table, lattice, start, shape, limit)
    best, owner = np.full(shape, np.inf), np.zeros(shape, np.int32)
    reach = np.maximum(table[:, 3] + limit, 0.0)
    _compete((nearby.centers, nearby.rows, nearby.boxes), positions(start, shape, lattice, np, None), table, reach * reach * _SLACK, best, owner)
    return best, owner


@jit
def _compete(
    nearby: tuple[HostArray, HostArray, HostArray], at: tuple[HostArray, ...], table: HostArray, reach: HostArray, best: HostArray, owner: HostArray
) -> None:
    centers, rows, boxes = nearby
    gaps = np.empty(best.shape[2])
    for s in range(centers.shape[0]):
        center, number, box = centers[s], rows[s], boxes[s]
        grain, first = table[number], box[2, 0]
        along, gap = at[2][first : box[2, 1]], gaps[: box[2, 1] - first]
        for z in range(box[0, 0], box[0, 1]):
            dz = at[0][z] - center[0]
            for y in range(box[1, 0], box[1, 1]):
                dy = at[1][y] - center[1]
                across = dz * dz + dy * dy
                if across > reach[number]:
                    continue
                _row_gaps(across, dz, dy, along, center[2], grain, gap)
                _take_row(gap, number, best[z, y, first : box[2, 1]], owner[z, y, first : box[2, 1]])


@jit
def _row_gaps(across: float, dz: float, dy: float, along: HostArray, center: float, grain: HostArray, gap: HostArray) -> None:
    for x in range(gap.shape[0]):
        dx = along[x] - center
        gap[x] = np.sqrt(across + dx * dx) - grain[3]
    for k in range(_FACETS, grain.shape[0], 4):
        base, slope, height = grain[k] * dz + grain[k + 1] * dy, grain[k + 2], grain[k + 3]
        for x in range(gap.shape[0]):
            plane = base + slope * (along[x] - center) - height
            gap[x] = plane if plane > gap[x] else gap[x]


@jit
def _take_row(gap: HostArray, number: int, best: HostArray, owner: HostArray) -> None:
    for x in range(gap.shape[0]):
        wins = gap[x] < best[x] or (gap[x] == best[x] and number < owner[x])
        best[x] = gap[x] if wins else best[x]
        owner[x] = number if wins else owner[x]


@jit
def _classify(best: HostArray, owner: HostArray, table: HostArray, bounds: tuple[float, float], rim: int, out: HostArray) -> None:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                if best[z, y, x] <= bounds[0]:
                    out[z, y, x] = np.uint8(table[owner[z, y, x], 4])
                else:
                    out[z, y, x] = rim if best[z, y, x] <= bounds[1] else 0
