"""Denoising by total variation: a fixed number of steps of Chambolle's projection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels.backend import beside, jit, kernel, namespace, to_host
from voxelrock.kernels.rows import check_real, inner_shape
from voxelrock.typing import Block, HostArray, Triple

Slopes = tuple[float, float, float]
Grid = tuple[Triple, Slopes]
"""The shape of the whole image, and what differences along (z, y, x) are multiplied by, as voxels differ in length."""


def variation_halo(*, iterations: int, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`total_variation` needs on each side: one for each step."""
    if not (int(iterations) == iterations and iterations >= 1):
        raise ParameterError(f"there is at least one iteration; got {iterations}")
    return iterations, iterations, iterations


def _scales(weight: Any, slopes: Slopes) -> tuple[float, float]:
    """The length of a step, and that over the weight."""
    found = float(to_host(weight))
    if not (math.isfinite(found) and found > 0):
        raise DataError(f"weight is positive and finite; got {found}")
    step = 0.5 / sum(s * s for s in slopes)
    return step, step / found


def _inside(start: Triple, shape: Triple, image: Triple, iterations: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The part of a block, halo and all, that lies in the image; and of that, the part that is asked for."""
    low = [max(0, iterations - a) for a in start]
    high = [max(0, a + n + iterations - m) for a, n, m in zip(start, shape, image)]
    seen = tuple(slice(b, n + 2 * iterations - e) for b, e, n in zip(low, high, shape))
    return seen, tuple(slice(iterations - b, iterations - b + n) for b, n in zip(low, shape))


@kernel(cost=60.0, exact=True, workspace=10.0)
def total_variation(block: Block, /, *, start: Triple, shape: Triple, xp: Any, grid: Grid, iterations: int, weight: Any) -> Block:
    """Take steps towards the image of least total variation, whose distance from the block costs as ``weight`` says.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`variation_halo`; any real dtype. What lies beyond the image is not looked at.
    start, shape
        Where the result lies.
    xp
        The namespace of the block.
    grid
        The shape of the whole image, through whose faces nothing flows, and what differences along (z, y, x) are multiplied by.
    iterations
        How many steps.
    weight
        How much smoothing; in grey values.

    Returns
    -------
    Block
        (z, y, x) without the halo: float64 for float64, else float32, in which it computes. NaN and infinities spread a voxel a step.

    Raises
    ------
    ParameterError, DataError
        A parameter is out of range.

    Notes
    -----
    What is wrong where a block is cut off moves one voxel a step, and the halo is as wide. Memory: five blocks in the type of the result.

    Source: A. Chambolle, J. Math. Imaging Vis. 20 (2004), doi:10.1023/B:JMIV.0000011325.36760.1e; the step as in scikit-image.
    """
    variation_halo(iterations=iterations)
    check_real(block)
    image, slopes = grid
    step, rise = _scales(weight, slopes)
    seen, asked = _inside(start, shape, image, iterations)
    values = xp.astype(block[seen], xp.float64 if block.dtype == xp.float64 else xp.float32)
    flux = [xp.zeros_like(values) for _ in range(3)]
    for _ in range(iterations):
        out = _corrected(values, flux, slopes)
        slope = [_forward(out, axis) * slopes[axis] for axis in range(3)]
        norm = xp.sqrt(slope[0] * slope[0] + slope[1] * slope[1] + slope[2] * slope[2]) * rise + 1.0
        share = 1.0 / norm
        flux = [(p - s * step) * share for p, s in zip(flux, slope)]
    return _corrected(values, flux, slopes)[asked]


@total_variation.costs
def _total_variation_costs(*, iterations: int, **_: Any) -> float:
    return 2.0 * iterations


def _corrected(values: Block, flux: list[Block], slopes: Slopes) -> Block:
    """The image less the divergence of the flux."""
    for axis in range(3):
        values = values + (_before(flux[axis], axis) - flux[axis]) * slopes[axis]
    return values


def _before(values: Block, axis: int) -> Block:
    """The value before along an axis; 0 at its beginning."""
    xp = namespace(values)
    first = xp.zeros(tuple(1 if a == axis else n for a, n in enumerate(values.shape)), dtype=values.dtype, **beside(values))
    return xp.concat([first, values[tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))]], axis=axis)


def _forward(values: Block, axis: int) -> Block:
    """The value after less the value, along an axis; 0 at its end."""
    xp = namespace(values)
    last = xp.zeros(tuple(1 if a == axis else n for a, n in enumerate(values.shape)), dtype=values.dtype, **beside(values))
    here, after = (values[tuple(cut if a == axis else slice(None) for a in range(3))] for cut in (slice(None, -1), slice(1, None)))
    return xp.concat([after - here, last], axis=axis)


@total_variation.host
def _total_variation_host(block: HostArray, /, *, start: Triple, shape: Triple, xp: Any, grid: Grid, iterations: int, weight: Any) -> HostArray:
    variation_halo(iterations=iterations)
    inner_shape(block, (iterations,) * 3)
    check_real(block)
    image, slopes = grid
    step, rise = _scales(weight, slopes)
    seen, asked = _inside(start, shape, image, iterations)
    kind = np.dtype("f8") if block.dtype == np.float64 else np.dtype("f4")
    inside = block[seen]
    depth, height, width = inside.shape
    values = np.zeros((depth, height + 1, width + 1), kind)  # a row and a column more, through which nothing flows: slices are then flat
    values[:, :height, :width] = inside
    flux = np.zeros((3, depth + 1, height + 1, width + 1), kind)  # and a slice before
    numbers = np.array([*slopes, step, rise, 1.0], kind)
    rows = np.zeros((2, height + 2, width + 1), kind)
    flat = values.reshape(-1), flux[0].reshape(-1), flux[1].reshape(-1), flux[2].reshape(-1)
    for left in range(iterations, 0, -1):  # what is wrong in the end is not worth computing: every step less is needed
        need = [(max(0, a.start - left), min(n, a.stop + left)) for a, n in zip(asked, inside.shape)]
        _iterate(flat, inside.shape, np.array(need), rows, numbers)
    out = np.empty(shape, kind)
    _finish(flat, inside.shape, np.array([a.start for a in asked]), numbers, out)
    return out


_Flat = tuple[HostArray, HostArray, HostArray, HostArray]
"""Values and the three components of the flux, each as one row of numbers."""
_ROWS = 8
"""Rows that are worked on together."""


@jit
def _iterate(flat: _Flat, shape: Triple, need: HostArray, rows: HostArray, numbers: HostArray) -> None:
    """One step of the flux in a box, in one pass: the corrected values of two slices are kept."""
    depth, height, width = shape
    pitch = width + 1
    area = (height + 1) * pitch
    low, high = need[1, 0], need[1, 1]
    stop = min(high + 1, height)
    here, above = rows[0].reshape(-1), rows[1].reshape(-1)
    share = np.empty(_ROWS * pitch, here.dtype)
    for z in range(need[0, 0], need[0, 1] + 1):
        if z < depth:
            _correct(flat, z * area + low * pitch, (area, pitch), numbers, above[low * pitch : stop * pitch])
            _repeat(above, (low, stop), (height, width))
        else:
            above[:] = here
        if z > need[0, 0]:
            for y in range(low, high, _ROWS):
                first, last = y * pitch, min(y + _ROWS, high) * pitch
                part = share[: last - first]
                _share(here, above, first, pitch, numbers, part)
                start = z * area + first
                _push(flat[1][start : start + part.size], here, first, above, first, part, numbers[0], numbers)
                _push(flat[2][start : start + part.size], here, first, here, first + pitch, part, numbers[1], numbers)
                _push(flat[3][start : start + part.size], here, first, here, first + 1, part, numbers[2], numbers)
                for k in range(start + width, start + part.size, pitch):
                    flat[3][k] = 0
        here, above = above, here


@jit
def _repeat(plane: HostArray, rows: tuple[int, int], size: tuple[int, int]) -> None:
    """The last voxel of a row, and the last row, once more: nothing changes beyond them."""
    height, width = size
    pitch = width + 1
    for y in range(rows[0], rows[1]):
        plane[y * pitch + width] = plane[y * pitch + width - 1]
    if rows[1] == height:
        plane[height * pitch : (height + 1) * pitch] = plane[(height - 1) * pitch : height * pitch]


@jit
def _correct(flat: _Flat, start: int, steps: tuple[int, int], numbers: HostArray, out: HostArray) -> None:
    """Values less the divergence of the flux; the flux lies a slice further on, and before the first voxels there are zeros."""
    n, (area, pitch) = out.size, steps
    values, fz, fy, fx = flat
    at = start + area
    row, bz, pz = values[start : start + n], fz[start : start + n], fz[at : at + n]
    by, py, bx, px = fy[at - pitch : at - pitch + n], fy[at : at + n], fx[at - 1 : at - 1 + n], fx[at : at + n]
    sz, sy, sx = numbers[0], numbers[1], numbers[2]
    for i in range(n):
        out[i] = row[i] + (bz[i] - pz[i]) * sz + (by[i] - py[i]) * sy + (bx[i] - px[i]) * sx


@jit
def _share(here: HostArray, above: HostArray, first: int, pitch: int, numbers: HostArray, out: HostArray) -> None:
    """What is left of the flux, as it is never longer than 1."""
    sz, sy, sx, rise, one = numbers[0], numbers[1], numbers[2], numbers[4], numbers[5]
    n = out.size
    middle, along = here[first : first + n], here[first + 1 : first + 1 + n]
    aside, across = here[first + pitch : first + pitch + n], above[first : first + n]
    for i in range(n):
        dz, dy, dx = (across[i] - middle[i]) * sz, (aside[i] - middle[i]) * sy, (along[i] - middle[i]) * sx
        out[i] = one / (np.sqrt(dz * dz + dy * dy + dx * dx) * rise + one)


@jit
def _push(flux: HostArray, plane: HostArray, first: int, other: HostArray, second: int, share: HostArray, slope: Any, numbers: HostArray) -> None:
    step, n = numbers[3], flux.size
    here, there = plane[first : first + n], other[second : second + n]
    for i in range(n):
        flux[i] = (flux[i] - (there[i] - here[i]) * slope * step) * share[i]


@jit
def _finish(flat: _Flat, shape: Triple, corner: HostArray, numbers: HostArray, out: HostArray) -> None:
    pitch = shape[2] + 1
    area = (shape[1] + 1) * pitch
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            _correct(flat, (z + corner[0]) * area + (y + corner[1]) * pitch + corner[2], (area, pitch), numbers, out[z, y])
