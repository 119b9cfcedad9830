"""The rules of synthetic rocks: from labels, distances and fields to phases, voxel by voxel.

Grains come from :mod:`voxelrock.kernels.spheres`, textures from :mod:`voxelrock.kernels.fields`; here each voxel is decided from their
values at that voxel alone. What belongs to a grain (its mineral, its cement) is a table made once on the host from the grain's number.

Legend: blocks are (z, y, x); phases are uint8; a ``level`` is a threshold of a standard normal field, ``normal_quantile(fraction)`` where
the phase should take that fraction. No rule needs a halo, and all are bitwise on every device and in every block.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels.backend import jit, kernel, namespace
from voxelrock.kernels.random import Stream, placed, uniform_field, word_field
from voxelrock.kernels.scans import device_of
from voxelrock.typing import Block, HostArray, Triple


def grain_minerals(*, count: int, stream: Stream, fractions: tuple[float, ...], first: int = 1) -> HostArray:
    """The mineral of each grain, drawn by its number.

    Parameters
    ----------
    count
        Grains, numbered from 1.
    stream
        Seed, operation and draw.
    fractions
        Probability of each mineral; they sum to one.
    first
        Phase of the first mineral; the others follow.

    Returns
    -------
    HostArray
        (count + 1,) uint8; entry 0, outside all grains, is 0. Equal bits on every platform.

    Raises
    ------
    ParameterError
        If the fractions are negative or do not sum to one, or the phases do not fit into uint8.
    """
    if not fractions or min(fractions) < 0 or abs(math.fsum(fractions) - 1.0) > 1e-9:
        raise ParameterError(f"the fractions of minerals must be at least 0 and sum to one, got {fractions}")
    if first < 0 or first + len(fractions) > 256:
        raise ParameterError(f"{len(fractions)} minerals from phase {first} do not fit into uint8")
    words = word_field(start=(0, 0, 0), shape=(1, 1, count + 1), stream=stream)[0, 0].astype(np.int64)
    bounds = np.array([round(math.fsum(fractions[: i + 1]) * 2**32) for i in range(len(fractions) - 1)], dtype=np.int64)
    table = (first + np.searchsorted(bounds, words, side="right")).astype(np.uint8)
    table[0] = 0
    return table


def grain_amounts(*, count: int, stream: Stream, mean: float, spread: float = 0.0) -> HostArray:
    """A length for each grain (thickness of its cement), uniform in mean · [1 - spread, 1 + spread), drawn by its number.

    Returns
    -------
    HostArray
        (count,) float64, in the unit of the mean, for :meth:`voxelrock.kernels.spheres.SpherePack.grown`.

    Raises
    ------
    ParameterError
        If the mean is negative or the spread lies outside [0, 1].
    """
    if not (mean >= 0 and 0.0 <= spread <= 1.0):
        raise ParameterError(f"amounts need mean >= 0 and 0 <= spread <= 1, got mean={mean}, spread={spread}")
    draws = uniform_field(start=(0, 0, 1), shape=(1, 1, count), stream=stream)[0, 0].astype(np.float64)
    return mean * (1.0 + spread * (2.0 * draws - 1.0))


def _phase(value: int, block: Block) -> Block:
    xp = namespace(block)
    return xp.asarray(value, dtype=xp.uint8, **placed(device_of(block)))


@kernel(cost=1.5, workspace=2.0)
def sandstone(grains: Block, cemented: Block, /, *, minerals: HostArray, cement: int) -> Block:
    """Grains with overgrowth.

    Parameters
    ----------
    grains
        Number of the grain that covers each voxel, 0 = none (``spheres`` of the pack).
    cemented
        The same for the grains with their cement (``spheres`` of the grown pack).
    minerals
        Phase of each grain, (count + 1,) uint8 on the host (:func:`grain_minerals`).
    cement
        Phase of the cement.

    Returns
    -------
    Block
        uint8: the grain's mineral; the cement where only the grown grains reach; else 0, pore.

    Raises
    ------
    DataError
        If a grain has no mineral.
    """
    xp = namespace(grains)
    if grains.size and int(xp.max(grains)) >= len(minerals):
        raise _no_mineral(len(minerals))
    table = xp.asarray(minerals, **placed(device_of(grains)))
    mineral = xp.reshape(xp.take(table, xp.astype(xp.reshape(grains, (-1,)), xp.int64), axis=0), grains.shape)
    around = xp.where(cemented > 0, _phase(cement, grains), _phase(0, grains))
    return xp.where(grains > 0, mineral, around)


def _no_mineral(count: int) -> DataError:
    return DataError(f"a grain's number lies beyond the table of {count - 1} minerals")


@sandstone.host
def _sandstone_host(grains: Block, cemented: Block, /, *, minerals: HostArray, cement: int) -> Block:
    out = np.empty(grains.shape, dtype=np.uint8)
    if not _cement(grains, cemented, minerals, np.uint8(cement), out):
        raise _no_mineral(len(minerals))
    return out


@jit
def _cement(grains: HostArray, cemented: HostArray, minerals: HostArray, cement: Any, out: HostArray) -> bool:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                grain = grains[z, y, x]
                if grain >= minerals.shape[0]:
                    return False
                if grain > 0:
                    out[z, y, x] = minerals[grain]
                else:
                    out[z, y, x] = cement if cemented[z, y, x] > 0 else 0
    return True


@kernel(cost=3.0, workspace=2.0)
def carbonate(grains: Block, vugs: Block, texture: Block, /, *, vug_level: float, micro_level: float, phases: Triple = (0, 1, 2)) -> Block:
    """Grains in a partly microporous matrix, dissolved into vugs.

    Parameters
    ----------
    grains
        Number of the grain that covers each voxel, 0 = none.
    vugs
        A coarse Gaussian field; a vug is where it lies at or below ``vug_level``, through grains and matrix alike.
    texture
        A fine Gaussian field; between grains, microporous matrix is where it lies at or below ``micro_level``.
    vug_level, micro_level
        Thresholds of the fields.
    phases
        Of pore, grain and microporous matrix.

    Returns
    -------
    Block
        uint8.
    """
    xp = namespace(grains)
    pore, grain, micro = (_phase(value, grains) for value in phases)
    between = xp.where(texture <= micro_level, micro, pore)
    return xp.where(vugs <= vug_level, pore, xp.where(grains > 0, grain, between))


@kernel(cost=2.0, workspace=2.0)
def tight(pores: Block, texture: Block, /, *, pore_level: float, clay_level: float, phases: Triple = (0, 1, 2)) -> Block:
    """A matrix with few pores and patches of microporous clay.

    Parameters
    ----------
    pores
        A Gaussian field; pore is where it lies at or below ``pore_level`` (porosity 0.03: ``normal_quantile(0.03)``).
    texture
        A Gaussian field of another draw; clay is where it lies at or below ``clay_level`` and there is no pore.
    pore_level, clay_level
        Thresholds of the fields.
    phases
        Of pore, matrix and clay.

    Returns
    -------
    Block
        uint8.
    """
    xp = namespace(pores)
    pore, matrix, clay = (_phase(value, pores) for value in phases)
    return xp.where(pores <= pore_level, pore, xp.where(texture <= clay_level, clay, matrix))


@kernel(cost=1.0, workspace=1.0)
def plug(phases: Block, /, *, start: Triple, center: tuple[float, float], radius: float, spacing: tuple[float, float], outside: int) -> Block:
    """Cut a cylinder along z out of a rock.

    Parameters
    ----------
    phases
        uint8.
    start
        Global index of the first voxel.
    center
        Axis (y, x) relative to the centre of voxel (0, 0), in the unit of the spacing.
    radius
        Of the cylinder; a voxel belongs to it when its centre lies at most this far from the axis.
    spacing
        Edges of a voxel along (y, x).
    outside
        Phase of the air around the plug.

    Returns
    -------
    Block
        uint8.

    Raises
    ------
    ParameterError
        If the radius is negative or a spacing is not positive.
    """
    if not (radius >= 0 and min(spacing) > 0):
        raise ParameterError(f"a plug needs radius >= 0 and spacing > 0, got radius={radius}, spacing={spacing}")
    xp, where = namespace(phases), placed(device_of(phases))
    squares: list[Any] = []
    for axis, middle, step in zip((1, 2), center, spacing):
        index = xp.arange(start[axis], start[axis] + phases.shape[axis], dtype=xp.int64, **where)
        offset = xp.astype(index, xp.float64) * float(step) - float(middle)
        squares.append(offset * offset)
    inside = squares[0][:, None] + squares[1][None, :] <= radius * radius
    return xp.where(inside[None, :, :], phases, _phase(outside, phases))
