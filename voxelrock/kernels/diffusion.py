"""Explicit steps of diffusion that stops at edges, and diffusion that runs along them.

Every step of a voxel adds, pair by pair, what comes through its faces, in one fixed order; a step is the same seen from either side of a face. A block of
a few steps needs that many voxels around it, so that blocks give what the whole gives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels.backend import jit, kernel, namespace, to_host
from voxelrock.kernels.nonlocal_means import END, SERIES, falling
from voxelrock.kernels.rows import check_real, inner_shape
from voxelrock.typing import Block, HostArray, Triple

CONDUCTANCES = ("exponential", "rational")
Rates = tuple[float, float, float]


def diffusion_halo(*, steps: int, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`diffuse` needs on each side: one for each step."""
    if not (int(steps) == steps and steps >= 1):
        raise ParameterError(f"there is at least one step; got {steps}")
    return steps, steps, steps


def checked_contrast(contrast: Any) -> float:
    """A contrast, which may be the result of another computation.

    Raises
    ------
    DataError
        It is not positive and finite.
    """
    found = float(to_host(contrast))
    if not (math.isfinite(found) and found > 0):
        raise DataError(f"contrast is positive and finite; got {found}")
    return found


def _checked(contrast: Any, conductance: str) -> float:
    if conductance not in CONDUCTANCES:
        raise ParameterError(f"the conductance is one of {', '.join(CONDUCTANCES)}; got {conductance!r}")
    return checked_contrast(contrast)


@kernel(cost=17.0, exact=True, workspace=4.0)
def diffuse(block: Block, /, *, steps: int, contrast: Any, conductance: str, rates: Rates, slopes: Rates) -> Block:
    """Take steps of the diffusion of Perona and Malik.

    A step adds to each voxel ``rate · g · difference`` for its six neighbours, where ``g`` falls with ``s = (difference · slope / contrast)²``:
    ``"exponential"`` exp(-s), ``"rational"`` 1 / (1 + s). The two neighbours along an axis are added first, then the axes z, y, x.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`diffusion_halo`; any real dtype.
    steps
        How many.
    contrast
        The difference at which conductance has fallen to 1/e, or to a half.
    conductance
        ``"exponential"`` or ``"rational"``.
    rates, slopes
        Along (z, y, x): the share of a difference that flows in a step, and what differences are multiplied by before they are held against the contrast.

    Returns
    -------
    Block
        (z, y, x) without the halo: float64 for float64, else float32, in which it computes. NaN and infinities spread a voxel a step.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the block has no voxel inside its halo.
    DataError
        The contrast is not positive and finite.

    Notes
    -----
    Memory: two blocks and a few slices.

    Source: P. Perona, J. Malik, IEEE Trans. PAMI 12 (1990), doi:10.1109/34.56205.
    """
    halo = diffusion_halo(steps=steps)
    inner_shape(block, halo)
    check_real(block)
    contrast = _checked(contrast, conductance)
    xp = namespace(block)
    values = xp.astype(block, xp.float64 if block.dtype == xp.float64 else xp.float32)
    for _ in range(steps):
        shape = inner_shape(values, (1, 1, 1))
        middle = values[tuple(slice(1, 1 + n) for n in shape)]
        total = None
        for axis in range(3):
            low, high = (values[tuple(slice(1 + k * (a == axis), 1 + k * (a == axis) + n) for a, n in enumerate(shape))] for k in (-1, 1))
            flux = _flux(high - middle, slopes[axis] / contrast, rates[axis], conductance) - _flux(
                middle - low, slopes[axis] / contrast, rates[axis], conductance
            )
            total = flux if total is None else total + flux
        values = middle + total
    return values


@diffuse.costs
def _diffuse_costs(*, steps: int, **_: Any) -> float:
    return 2.0 + 3.0 * steps


def _flux(difference: Block, scale: float, rate: float, conductance: str) -> Block:
    scaled = difference * scale
    square = scaled * scaled
    if conductance == "exponential":
        return falling(square) * difference * rate
    return difference / (1.0 + square) * rate


@diffuse.host
def _diffuse_host(block: HostArray, /, *, steps: int, contrast: Any, conductance: str, rates: Rates, slopes: Rates) -> HostArray:
    halo = diffusion_halo(steps=steps)
    inner_shape(block, halo)
    check_real(block)
    contrast = _checked(contrast, conductance)
    kind = np.dtype("f8") if block.dtype == np.float64 else np.dtype("f4")
    values = np.ascontiguousarray(block, dtype=kind)
    numbers = np.array([*(s / contrast for s in slopes), *rates, END, 0.03125, 1.0, 0.0, *SERIES], kind)
    for _ in range(steps):
        out = np.empty(tuple(n - 2 for n in values.shape), kind)
        _step(values, numbers, conductance == "exponential", out)
        values = out
    return values


@jit
def _step(values: HostArray, numbers: HostArray, exponential: bool, out: HostArray) -> None:
    """Slice by slice; what flows through a face is found once."""
    depth, height, width = out.shape
    below, above = np.empty((height, width), out.dtype), np.empty((height, width), out.dtype)
    before, after, along = np.empty(width, out.dtype), np.empty(width, out.dtype), np.empty(width + 1, out.dtype)
    for z in range(depth + 1):
        for y in range(height):
            _flow(values[z, y + 1, 1:-1], values[z + 1, y + 1, 1:-1], numbers, 0, exponential, above[y])
        if z > 0:
            _flow(values[z, 0, 1:-1], values[z, 1, 1:-1], numbers, 1, exponential, before)
            for y in range(height):
                _flow(values[z, y + 1, 1:-1], values[z, y + 2, 1:-1], numbers, 1, exponential, after)
                _flow(values[z, y + 1, :-1], values[z, y + 1, 1:], numbers, 2, exponential, along)
                _add(values[z, y + 1, 1:-1], (below[y], above[y]), (before, after), along, out[z - 1, y])
                before, after = after, before
        below, above = above, below


@jit
def _flow(first: HostArray, second: HostArray, numbers: HostArray, axis: int, exponential: bool, out: HostArray) -> None:
    """What flows from a row into another through their common faces."""
    scale, rate, end, part, one, zero = numbers[axis], numbers[3 + axis], numbers[6], numbers[7], numbers[8], numbers[9]
    a, b, c, d = numbers[10], numbers[11], numbers[12], numbers[13]
    if exponential:
        for i in range(out.size):
            difference = second[i] - first[i]
            scaled = difference * scale
            square = scaled * scaled
            square = end if square > end else square
            u = square * part
            root = one + u * (a + u * (b + u * (c + u * d)))
            root = root * root
            root = root * root
            root = root * root
            root = root * root
            root = root * root
            root = zero if square >= end else root
            out[i] = root * difference * rate
    else:
        for i in range(out.size):
            difference = second[i] - first[i]
            scaled = difference * scale
            out[i] = difference / (one + scaled * scaled) * rate


@jit
def _add(row: HostArray, across: tuple[HostArray, HostArray], aside: tuple[HostArray, HostArray], along: HostArray, out: HostArray) -> None:
    below, above = across
    before, after = aside
    for i in range(out.size):
        out[i] = row[i] + ((above[i] - below[i]) + (after[i] - before[i]) + (along[i + 1] - along[i]))
