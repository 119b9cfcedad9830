"""Rocks made of grains: what was deposited, what grew around it, what dissolved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from voxelrock.generators import minerals
from voxelrock.generators.frame import Length, fraction_of, frame, length_on, shared, voxels
from voxelrock.generators.packs import CELL, packed
from voxelrock.geometry import Tiling, VoxelGrid
from voxelrock.graph.patterns import Generate, Pointwise
from voxelrock.image import Phase, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.kernels import rocks as kernels
from voxelrock.kernels.fields import level, smooth_field
from voxelrock.kernels.grains import Growth, grains
from voxelrock.kernels.random import Operation, Stream
from voxelrock.kernels.rocks import Rule
from voxelrock.kernels.spheres import Lattice
from voxelrock.typing import HostArray

_GRAINS = Generate(grains)
_TEXTURE = Generate(smooth_field)
_ALTERED = Pointwise(kernels.altered)

_INFINITE = float("inf")


@dataclass(frozen=True)
class _Framework:
    """The grains of a rock: their packing, their shape, their minerals, and how much of the rock they and their rims fill."""

    radius: float
    seed: int
    fractions: tuple[float, ...]
    filled: tuple[float, float]
    spread: float = 0.35
    facets: int = 10
    cut: float = 0.5
    first: int = 1


@lru_cache(maxsize=8)
def _grown(framework: _Framework) -> tuple[HostArray, tuple[float, ...]]:
    """The table of grains and the gaps up to which they and their rims reach."""
    f = framework
    pack = packed(f.seed, CELL * f.radius, f.radius, f.spread, 0.6)
    phases = kernels.grain_minerals(pack.radii, seed=f.seed, fractions=f.fractions, first=f.first)
    table = kernels.grain_table(pack, seed=f.seed, phases=phases, facets=f.facets, cut=f.cut)
    return table, kernels.gap_bounds(table, period=(CELL * f.radius,) * 3, shares=f.filled)


def _framework(framework: _Framework, grid: VoxelGrid, tiling: Tiling, rim: int) -> Any:
    table, (grain, reach) = _grown(framework)
    lattice = Lattice(grid.spacing, (CELL * framework.radius,) * 3)
    return _GRAINS(tiling, "u1", table=shared(table), lattice=lattice, growth=Growth(grain, reach, rim))


def _texture(grid: VoxelGrid, tiling: Tiling, stream: Stream, length: float, flat: float = 1.0) -> Any:
    """A field of a physical correlation length, ``flat`` times as long along z."""
    z, y, x = voxels(grid, length)
    return _TEXTURE(tiling, "f4", stream=stream, length=(flat * z, y, x), nodes=4)


@operation
def sandstone(
    *,
    shape: Any,
    porosity: float = 0.2,
    radius: Length | None = None,
    minerals_of_grains: tuple[float, float, float] = (0.84, 0.15, 0.01),
    seed: int = 0,
    spacing: Any = None,
    block: Any = None,
) -> VoxelImage:
    """A sandstone; the centres of its grains are computed at once, about a second, in a periodic cell of 40 radii.

    Angular grains of several minerals, packed, grown into each other and cemented by quartz; feldspar is partly dissolved, clay fills part
    of the pores.

    Parameters
    ----------
    shape
        ``ZYX(z=…, y=…, x=…)``, one length for a cube, or a whole :class:`VoxelGrid`.
    porosity
        Expected fraction of the resolved pores, 0.02 to 0.38; an image of n grains differs from it by about 0.3 / √n.
    radius
        Median radius of the grains before they grew, a number in the grid's unit or text such as ``"90 um"``. By default 12 voxels.
    minerals_of_grains
        Shares of the grains, by number: quartz, feldspar, a heavy mineral (the smallest grains).
    seed
        0 ≤ seed < 2³². Equal seeds give equal voxels at equal indices in images of any shape.
    spacing
        Distance between voxels, such as ``"8 um"``.
    block
        Shape of the blocks for computing; chosen if not given. No voxel depends on it.

    Returns
    -------
    VoxelImage
        uint8 phases: 0 pore, 1 quartz, 2 feldspar, 3 heavy mineral, 4 quartz cement, 5 clay (porosity 0.4). Lazy, save for the grains;
        halo 0; memory: about 8 bytes for each voxel of a block, and once on each worker 3 MB of grains.

    Raises
    ------
    ParameterError, UnitError
        A parameter is out of range or no length.

    Examples
    --------
    >>> rock = sandstone(shape=64, radius="80 um", spacing="10 um", seed=1)
    >>> rock.phases[1].name, rock.phases[5].role
    ('quartz', 'micro')
    """
    grid, tiling = frame(shape, spacing, block)
    size = length_on(grid, radius, "radius", default_vx=12.0)
    clay, dissolved, cement = 0.12, 0.12, 0.05
    between = (fraction_of(porosity, "porosity", 0.02, 0.38) - dissolved * minerals_of_grains[1] * (0.94 - porosity)) / (1.0 - clay)
    between = max(between, 0.005)
    made = _Framework(size, seed, tuple(minerals_of_grains), (1.0 - between - cement, 1.0 - between))
    texture = _texture(grid, tiling, Stream(seed, Operation.TEXTURE), 0.7 * size)
    rules: tuple[Rule, ...] = ((0, -_INFINITE, level(clay), 5), (2, level(1.0 - dissolved), _INFINITE, 0))
    data = _ALTERED(_framework(made, grid, tiling, rim=4), texture, rules=rules)
    return _rock(data, grid, minerals.PORE, minerals.QUARTZ, minerals.FELDSPAR, minerals.HEAVY, minerals.CEMENT, minerals.CLAY)


def _rock(data: Any, grid: VoxelGrid, *phases: Phase) -> VoxelImage:
    return VoxelImage(data, grid, phases=dict(enumerate(phases)))


@operation
def carbonate(
    *,
    shape: Any,
    porosity: float = 0.16,
    radius: Length | None = None,
    vugs: float = 0.35,
    seed: int = 0,
    spacing: Any = None,
    block: Any = None,
) -> VoxelImage:
    """A carbonate; the centres of its grains are computed at once, about a second, in a periodic cell of 40 radii.

    Rounded grains of calcite and of microporous micrite with a rim of spar, micrite in part of what lies between them, and vugs dissolved
    through all.

    Parameters
    ----------
    shape, seed, spacing, block
        As in :func:`sandstone`.
    porosity
        Expected fraction of the resolved pores, 0.02 to 0.35; vugs are few, so an image of n grains differs from it by about 0.5 / √n.
    radius
        Median radius of the grains, a number in the grid's unit or text such as ``"200 um"``. By default 12 voxels.
    vugs
        The share of the porosity that is vugs, 0 to 1.

    Returns
    -------
    VoxelImage
        uint8 phases: 0 pore, 1 calcite, 2 micrite (porosity 0.3), 3 calcite spar. Lazy, save for the grains; halo 0; memory: about 8 bytes
        for each voxel of a block, and once on each worker 2 MB of grains.

    Raises
    ------
    ParameterError, UnitError
        A parameter is out of range or no length.

    Examples
    --------
    >>> carbonate(shape=64, radius=8, seed=1).phases[2].porosity
    0.3
    """
    grid, tiling = frame(shape, spacing, block)
    size = length_on(grid, radius, "radius", default_vx=12.0)
    vug = fraction_of(porosity, "porosity", 0.02, 0.35) * fraction_of(vugs, "vugs")
    matrix = 0.45
    between = (porosity - vug) / ((1.0 - vug) * (1.0 - matrix))
    made = _Framework(size, seed, (0.5, 0.5, 0.0), (max(0.0, 0.92 - between), 1.0 - between), facets=6, cut=0.62)
    texture = _texture(grid, tiling, Stream(seed, Operation.MICROPORES), 1.2 * size)
    data = _ALTERED(_framework(made, grid, tiling, rim=3), texture, rules=((0, -_INFINITE, level(matrix), 2),))
    coarse = _texture(grid, tiling, Stream(seed, Operation.VUGS), 2.2 * size)
    data = _ALTERED(data, coarse, rules=((-1, -_INFINITE, level(vug), 0),))
    return _rock(data, grid, minerals.PORE, minerals.CALCITE, minerals.MICRITE, minerals.SPAR)


@operation
def tight(
    *,
    shape: Any,
    porosity: float = 0.03,
    radius: Length | None = None,
    seed: int = 0,
    spacing: Any = None,
    block: Any = None,
) -> VoxelImage:
    """A tight siltstone; the centres of its grains are computed at once, about a second, in a periodic cell of 40 radii.

    Small grains of quartz, dolomite and pyrite in a laminated matrix of clay, which holds few flat pores.

    Parameters
    ----------
    shape, seed, spacing, block
        As in :func:`sandstone`.
    porosity
        Expected fraction of the resolved pores, 0 to 0.1; an image of n pores differs from it by about 0.1 / √n.
    radius
        Median radius of the grains, a number in the grid's unit or text such as ``"20 um"``. By default 8 voxels.

    Returns
    -------
    VoxelImage
        uint8 phases: 0 pore, 1 quartz, 2 dolomite, 3 pyrite, 4 clay matrix (porosity 0.05). Lazy, save for the grains; halo 0; memory:
        about 8 bytes for each voxel of a block, and once on each worker 3 MB of grains.

    Raises
    ------
    ParameterError, UnitError
        A parameter is out of range or no length.

    Examples
    --------
    >>> 0.01 < (tight(shape=64, seed=1).compute() == 0).mean() < 0.05
    np.True_
    """
    grid, tiling = frame(shape, spacing, block)
    size = length_on(grid, radius, "radius", default_vx=8.0)
    clay = 0.42
    made = _Framework(size, seed, (0.72, 0.2, 0.08), (1.0 - clay, 1.0 - clay))
    pores = _texture(grid, tiling, Stream(seed, Operation.TEXTURE, 1), 1.1 * size, flat=0.4)
    share = fraction_of(porosity, "porosity", 0.0, 0.1) / clay
    rules: tuple[Rule, ...] = ((0, -_INFINITE, level(share), 0), (0, level(share), _INFINITE, 4))
    data = _ALTERED(_framework(made, grid, tiling, rim=4), pores, rules=rules)
    return _rock(data, grid, minerals.PORE, minerals.QUARTZ, minerals.CARBONATE, minerals.PYRITE, minerals.SHALE)
