"""The rules of synthetic rocks: which grains there are, how far they grew, what became of them.

Grains come from :mod:`voxelrock.kernels.grains`, textures from :mod:`voxelrock.kernels.fields`. What belongs to a grain (its mineral, its
facets) is a table made once on the host from the grain's number; what happened to a voxel afterwards (dissolution, clay) is decided from a
texture at that voxel alone.

Legend: blocks are (z, y, x); phases are uint8; levels of textures come from
:func:`voxelrock.kernels.fields.level`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit, kernel, namespace
from voxelrock.kernels.grains import least_gaps
from voxelrock.kernels.random import Operation, Stream, normal_field, placed, uniform_field
from voxelrock.kernels.scans import device_of
from voxelrock.kernels.spheres import Lattice, SpherePack
from voxelrock.typing import Block, HostArray

Rule = tuple[int, float, float, int]
"""(old phase or -1 for any, low, high, new phase): voxels of the old phase with low < texture ≤ high become the new one."""

_SAMPLES = 72
"""Voxels along an edge of the lattice on which the growth of grains is measured."""


def grain_minerals(radii: HostArray, *, seed: int, fractions: tuple[float, ...], first: int = 1) -> HostArray:
    """The mineral of each grain: drawn by its number, except that the last mineral (the heavy one) takes the smallest grains.

    Parameters
    ----------
    radii
        (n,) of the grains.
    seed
        0 ≤ seed < 2³².
    fractions
        Share of the grains, by number, that each mineral takes; they sum to one.
    first
        Phase of the first mineral; the others follow.

    Returns
    -------
    HostArray
        (n,) uint8. Equal bits on every platform.

    Raises
    ------
    ParameterError
        If the fractions are negative or do not sum to one, or the phases do not fit into uint8.
    """
    if not fractions or min(fractions) < 0 or abs(math.fsum(fractions) - 1.0) > 1e-9:
        raise ParameterError(f"the fractions of minerals must be at least 0 and sum to one, got {fractions}")
    if first < 0 or first + len(fractions) > 256:
        raise ParameterError(f"{len(fractions)} minerals from phase {first} do not fit into uint8")
    draws = uniform_field(start=(0, 0, 0), shape=(1, 1, radii.size), stream=Stream(seed, Operation.MINERALS))[0, 0].astype(np.float64)
    common = math.fsum(fractions[:-1])
    bounds = [math.fsum(fractions[: i + 1]) / common for i in range(len(fractions) - 2)] if common else []
    minerals = first + np.searchsorted(np.array(bounds), draws, side="right")
    small = np.argsort(radii, kind="stable")[: round(fractions[-1] * radii.size) if len(fractions) > 1 else 0]
    minerals[small] = first + len(fractions) - 1
    return minerals.astype(np.uint8)


def grain_table(pack: SpherePack, *, seed: int, phases: HostArray, facets: int = 8, cut: float = 0.7) -> HostArray:
    """The table of :func:`voxelrock.kernels.grains.grains`: the spheres of a pack, cut by facets in random directions.

    Parameters
    ----------
    pack
        The spheres.
    seed
        Of the facets.
    phases
        (n,) the phase of each grain.
    facets
        Facets of each grain; 0 leaves spheres.
    cut
        Facets lie between this share of the radius and the whole from the centre, evenly.

    Returns
    -------
    HostArray
        (n, 5 + 4 facets) float64. Equal bits on every platform.
    """
    n = pack.radii.size
    stream = Stream(seed, Operation.FACETS)
    normals = normal_field(start=(0, 0, 0), shape=(n, facets, 3), stream=stream).astype(np.float64)
    squares = normals * normals
    normals /= np.sqrt(squares[..., 0] + squares[..., 1] + squares[..., 2])[..., None]
    draws = uniform_field(start=(0, 0, 0), shape=(n, facets, 1), stream=Stream(seed, Operation.FACETS, 1)).astype(np.float64)
    heights = pack.radii[:, None, None] * (cut + (1.0 - cut) * draws)
    planes = np.concatenate([normals, heights], axis=-1).reshape(n, 4 * facets)
    return np.column_stack([pack.table, phases.astype(np.float64), planes])


def gap_bounds(table: HostArray, *, period: tuple[float, float, float], shares: tuple[float, ...]) -> tuple[float, ...]:
    """How far grains must grow (negative: shrink) to fill the given shares of their cell.

    Measured on 72³ points of the cell: 0.4 million gaps, sorted.

    Returns
    -------
    tuple of float
        In the unit of the table. Equal bits on every platform.

    Raises
    ------
    ParameterError
        If a share lies outside [0, 1], or the grains cannot fill it without growing by more than the greatest radius.
    """
    if not all(0.0 <= share <= 1.0 for share in shares):
        raise ParameterError(f"shares must lie in [0, 1], got {shares}")
    z, y, x = (edge / _SAMPLES for edge in period)
    gaps, _ = least_gaps(start=(0, 0, 0), shape=(_SAMPLES,) * 3, table=table, lattice=Lattice((z, y, x), period), limit=float(np.max(table[:, 3])))
    ordered = np.sort(gaps, axis=None)
    found = tuple(float(ordered[round(share * (ordered.size - 1))]) for share in shares)
    if math.inf in found:
        raise ParameterError("the grains are too far apart to fill so much of their cell")
    return found


@kernel(cost=3.0, workspace=2.0)
def altered(phases: Block, texture: Block, /, *, rules: tuple[Rule, ...]) -> Block:
    """Turn phases into others where a texture says so: dissolution, clay in pores, vugs.

    Parameters
    ----------
    phases
        uint8.
    texture
        float32.
    rules
        (old, low, high, new): a voxel of phase ``old`` (-1 for any) with low < texture ≤ high becomes ``new``. The first rule that fits
        decides; all see the phases as they came.

    Returns
    -------
    Block
        uint8. Bitwise on every device and in every block; no halo.
    """
    xp = namespace(phases)
    place = placed(device_of(phases))
    result = phases
    for old, low, high, new in reversed(rules):
        fits = (texture > float(np.float32(low))) & (texture <= float(np.float32(high)))
        if old >= 0:
            fits = fits & (phases == old)
        result = xp.where(fits, xp.asarray(new, dtype=xp.uint8, **place), result)
    return result


@altered.host
def _altered_host(phases: HostArray, texture: HostArray, /, *, rules: tuple[Rule, ...]) -> HostArray:
    out = phases.copy()
    numbers = np.array([(old, new) for old, _, _, new in rules], dtype=np.int64).reshape(-1, 2)
    levels = np.array([(low, high) for _, low, high, _ in rules], dtype=np.float32).reshape(-1, 2)
    _alter(phases, texture, numbers, levels, out)
    return out


@jit
def _alter(phases: HostArray, texture: HostArray, numbers: HostArray, levels: HostArray, out: HostArray) -> Any:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                for r in range(numbers.shape[0]):
                    fits = numbers[r, 0] < 0 or numbers[r, 0] == phases[z, y, x]
                    if fits and levels[r, 0] < texture[z, y, x] <= levels[r, 1]:
                        out[z, y, x] = numbers[r, 1]
                        break
