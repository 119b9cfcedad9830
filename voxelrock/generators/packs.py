"""Packings of spheres, given or computed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.generators.frame import Length, fraction_of, frame, length_on, shared
from voxelrock.generators.minerals import PORE, SOLID
from voxelrock.geometry import Tiling, VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.graph.patterns import Generate
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.kernels import packing
from voxelrock.kernels.spheres import Lattice, SpherePack, covered

_COVERED = Generate(covered)

CELL = 40.0
"""Edge of the periodic cell of a packing, in radii: 7000 to 9000 spheres."""


@lru_cache(maxsize=8)
def packed(seed: int, edge: float, radius: float, spread: float, fraction: float) -> SpherePack:
    """A dense packing in a cubic cell, computed once for each set of parameters."""
    return packing.pack_spheres(seed=seed, period=(edge,) * 3, radius=radius, spread=spread, fraction=fraction)


@operation
def sphere_pack(
    centers: Mapping[str, Any] | ZYX[Any],
    radii: Any,
    /,
    *,
    shape: Any,
    spacing: Any = None,
    period: Any = None,
    phase: str = "solid",
    block: Any = None,
) -> VoxelImage:
    """The voxels of given spheres, repeated periodically on request.

    A voxel belongs to a sphere when its centre lies at most a radius from the sphere's centre: no partial volume.

    Parameters
    ----------
    centers
        Positions along each axis, by name: ``dict(z=…, y=…, x=…)`` or ``ZYX(z=…, y=…, x=…)`` of n numbers each, in the grid's unit
        and coordinates (a file with columns x y z: ``dict(zip("xyz", columns))``).
    radii
        n numbers, or one for all, in the grid's unit.
    shape
        ``ZYX(z=…, y=…, x=…)``, one length for a cube, or a whole :class:`VoxelGrid`, whose origin (the centre of the first voxel) need
        not be zero.
    spacing
        Distance between voxels, such as ``"8 um"``.
    period
        Edge of the cell that repeats without end, one length or ``ZYX``; by default the spheres stand alone.
    phase
        What True stands for: ``"solid"`` (the spheres) or ``"pore"`` (what lies between them).
    block
        Shape of the blocks for computing; chosen if not given. No voxel depends on it.

    Returns
    -------
    VoxelImage
        bool, True = the phase asked for. Lazy; halo 0; memory: the block and the spheres near it, and once on each worker 32 bytes for each
        sphere.

    Raises
    ------
    ParameterError, ParameterTypeError, UnitError
        Centres without names of axes, columns of different lengths, radii or a period that are not above zero.

    Examples
    --------
    >>> grid = VoxelGrid.of(shape=17, spacing=0.125, origin=-1.0)
    >>> int(sphere_pack(dict(z=[0.0], y=[0.0], x=[0.0]), 1.0, shape=grid).compute().sum())
    2109
    """
    grid, tiling = frame(shape, spacing, block)
    columns = _columns(centers)
    edges = None if period is None else tuple(ZYX.of(period).map(grid.length))
    sizes = np.broadcast_to(np.asarray(radii, dtype=np.float64), columns.shape[:1])
    pack = SpherePack(columns - np.array(grid.origin), sizes, edges)  # type: ignore[arg-type]
    return _voxels(pack, grid, tiling, phase)


def _columns(centers: Mapping[str, Any] | ZYX[Any]) -> Any:
    if not isinstance(centers, Mapping | ZYX):
        raise ParameterTypeError(
            "name the axes of the centres: dict(z=…, y=…, x=…), each with one number for each sphere (rows of an array could be z, y, x or x, y, z)"
        )
    columns = [np.atleast_1d(np.asarray(c, dtype=np.float64)) for c in ZYX.of(centers)]
    if any(c.shape != columns[0].shape or c.ndim != 1 for c in columns):
        raise ParameterError(f"the centres need as many numbers along each axis, got shapes {', '.join(str(c.shape) for c in columns)} for z, y, x")
    return np.stack(columns, axis=-1)


def _voxels(pack: SpherePack, grid: VoxelGrid, tiling: Tiling, phase: str) -> VoxelImage:
    if phase not in ("solid", "pore"):
        raise ParameterError(f"phase is 'solid' or 'pore', what True stands for; got {phase!r}")
    solid = phase == "solid"
    data = _COVERED(tiling, bool, table=shared(pack.table), lattice=Lattice(grid.spacing, pack.period), inside=solid)
    return VoxelImage(data, grid, phases={0: PORE, 1: SOLID} if solid else {0: SOLID, 1: PORE})


@operation
def random_sphere_pack(
    *,
    shape: Any,
    radius: Length | None = None,
    spread: float = 0.2,
    fraction: float = 0.6,
    seed: int = 0,
    spacing: Any = None,
    block: Any = None,
) -> VoxelImage:
    """A dense random packing of spheres; its centres are computed at once, about a second, in a periodic cell of 40 radii.

    Beyond the cell the packing repeats. The spheres of the cell do not overlap.

    Parameters
    ----------
    shape, spacing, block
        As in :func:`sphere_pack`.
    radius
        Median radius, a number in the grid's unit or text such as ``"100 um"``. By default 12 voxels.
    spread
        Standard deviation of ln(radius), 0 to 0.5; radii end at two standard deviations.
    fraction
        Solid fraction of the cell, met exactly by the spheres and to about 0.001 by their voxels (at 12 voxels and more in a radius); up
        to 0.62 for any spread, 0.63 for equal spheres.
    seed
        0 ≤ seed < 2³². Equal seeds give equal voxels at equal indices in images of any shape.

    Returns
    -------
    VoxelImage
        bool, True = solid. Lazy, save for the centres; halo 0; memory as :func:`sphere_pack`.

    Raises
    ------
    ParameterError, UnitError
        A parameter is out of range, or spheres cannot be packed so densely.

    References
    ----------
    Mościński, Bargieł, Rycerz, Jacobs 1989, "The force-biased algorithm for the irregular close packing of equal hard spheres",
    doi:10.1080/08927028908031373.

    Examples
    --------
    >>> random_sphere_pack(shape=ZYX(z=40, y=50, x=60), radius=3, seed=1).compute().mean().round(1)
    np.float64(0.6)
    """
    grid, tiling = frame(shape, spacing, block)
    size = length_on(grid, radius, "radius", default_vx=12.0)
    fraction_of(spread, "spread", high=0.5)
    return _voxels(packed(seed, CELL * size, size, float(spread), fraction_of(fraction, "fraction", low=0.01)), grid, tiling, "solid")
