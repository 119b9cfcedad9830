"""What a scanner does to a rock, one step at a time: grey levels, partial volume, cupping, noise, rings, rounding.

A scan is the chain, in this order: :func:`grey_levels` of the phases, partial volume (``kernels.coarsening.coarse_mean``), a Gaussian point
spread (``kernels.convolution.gaussian``), :func:`cupping`, :func:`noise`, :func:`rings`, :func:`quantize`. Noise is drawn after the
blur, so its standard deviation is that of the voxels seen, and contrast over noise means what it says.

Legend: blocks are (z, y, x), float32 unless said otherwise; ``start`` is the global index of a block's first voxel (callers that also name
its shape and namespace are not refused); the axis of rotation runs along z. No step
needs a halo, and all are bitwise on every device and in every block.

Sources: Ketcham & Carlson 2001, "Acquisition, optimization and interpretation of X-ray computed tomographic imagery",
doi:10.1016/S0098-3004(00)00116-3; Sijbers & Postnov 2004, "Reduction of ring artefacts in high resolution micro-CT reconstructions",
doi:10.1088/0031-9155/49/14/N06.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels.backend import is_cupy, jit, kernel, namespace
from voxelrock.kernels.fields import Lengths, gaussian_field
from voxelrock.kernels.random import Stream, normal_field, placed, uniform_field
from voxelrock.typing import Block, HostArray, Triple


@dataclass(frozen=True)
class Axis:
    """The axis of rotation: ``center`` (y, x), relative to the centre of voxel (0, 0), in the unit of ``spacing``, a voxel's edges along (y, x)."""

    center: tuple[float, float]
    spacing: tuple[float, float] = (1.0, 1.0)


def device_of(block: Block) -> Any:
    """What to pass as ``device=`` for arrays beside this block; None where the namespace has one place only."""
    return None if isinstance(block, np.ndarray) or is_cupy(block) else block.device


def _table(values: HostArray, block: Block) -> Block:
    return namespace(block).asarray(values, **placed(device_of(block)))


# --- phases to grey -----------------------------------------------------------------------------------------------------------------------


@kernel(cost=1.0, workspace=8.0)
def grey_levels(phases: Block, /, *, levels: tuple[float, ...]) -> Block:
    """Give each phase its grey level.

    Parameters
    ----------
    phases
        Booleans or integers, each at least 0.
    levels
        Grey level of phase 0, 1, …; NaN for a phase that has none.

    Returns
    -------
    Block
        float32.

    Raises
    ------
    DataError
        If a phase has no level.
    """
    xp = namespace(phases)
    flat = xp.astype(xp.reshape(phases, (-1,)), xp.int64)
    table = np.array(levels, dtype=np.float32)
    if phases.size and (int(xp.min(flat)) < 0 or int(xp.max(flat)) >= len(levels)):
        outside = int(xp.min(flat)) if int(xp.min(flat)) < 0 else int(xp.max(flat))
        raise _no_level(outside, table)
    grey = xp.take(_table(table, phases), flat, axis=0)
    missing = grey != grey
    if bool(xp.any(missing)):
        raise _no_level(int(xp.max(xp.where(missing, flat, xp.zeros_like(flat)))), table)
    return xp.reshape(grey, phases.shape)


@grey_levels.host
def _grey_levels_host(phases: Block, /, *, levels: tuple[float, ...]) -> Block:
    out, table = np.empty(phases.shape, dtype=np.float32), np.array(levels, dtype=np.float32)
    labels = phases.view(np.uint8) if phases.dtype == np.bool_ else phases
    if not _look_up(labels, table, out):
        return grey_levels.reference(phases, levels=levels)  # which says what is missing
    return out


def _no_level(phase: int, table: HostArray) -> DataError:
    known = ", ".join(str(k) for k in np.flatnonzero(table == table)[:20])
    return DataError(f"phase {phase} has no grey level; levels are given for {known}")


@jit
def _look_up(phases: HostArray, levels: HostArray, out: HostArray) -> bool:
    good = True
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                phase = phases[z, y, x]
                if phase < 0 or phase >= levels.shape[0]:
                    return False
                out[z, y, x] = levels[phase]
                good &= out[z, y, x] == out[z, y, x]
    return good


# --- artefacts ------------------------------------------------------------------------------------------------------------------------------


def _radius_squared(grey: Block, start: Triple, around: Axis) -> Block:
    """Squared distance from the axis, (y, x), float64."""
    xp, where = namespace(grey), placed(device_of(grey))
    axes = []
    for axis in (1, 2):
        index = xp.arange(start[axis], start[axis] + grey.shape[axis], dtype=xp.int64, **where)
        offset = xp.astype(index, xp.float64) * float(around.spacing[axis - 1]) - float(around.center[axis - 1])
        axes.append(offset * offset)
    return axes[0][:, None] + axes[1][None, :]


@kernel(cost=1.0, workspace=1.0)
def cupping(
    grey: Block,
    /,
    *,
    start: Triple,
    around: Axis,
    radius: float,
    coefficients: tuple[float, ...],
    air: float = 0.0,
    **_: Any,
) -> Block:
    """Beam hardening: grey above air times an even polynomial of the distance from the axis.

    The factor is Σ cₖ (r / radius)²ᵏ, with r cut at the radius; :func:`cupping_coefficients` gives the usual parabola.

    Parameters
    ----------
    grey
        float32.
    start
        Global index of the first voxel.
    around
        The axis of rotation.
    radius
        Where the polynomial ends, in the unit of the axis.
    coefficients
        c₀, c₁, ….
    air
        Grey level of air, which hardening leaves alone.

    Returns
    -------
    Block
        float32.

    Raises
    ------
    ParameterError
        Unless the radius is greater than 0.
    """
    if not (math.isfinite(radius) and radius > 0):
        raise ParameterError(f"the radius must be finite and greater than 0, got {radius}")
    xp = namespace(grey)
    ratio = _radius_squared(grey, start, around) / (radius * radius)
    ratio = xp.where(ratio < 1.0, ratio, xp.ones_like(ratio))
    factor = xp.zeros_like(ratio)
    for c in reversed(coefficients):
        factor = factor * ratio + float(c)
    return (grey - float(air)) * xp.astype(factor, xp.float32)[None, :, :] + float(air)


def cupping_coefficients(depth: float) -> tuple[float, float]:
    """Coefficients of the parabola that lowers the axis by the fraction ``depth`` and leaves the rim: 1 - depth (1 - (r / radius)²)."""
    return 1.0 - depth, depth


@kernel(cost=12.0, workspace=2.0)
def noise(grey: Block, /, *, start: Triple, stream: Stream, std: float, length: Lengths = (1.0, 1.0, 1.0), **_: Any) -> Block:
    """Add correlated Gaussian noise.

    Parameters
    ----------
    grey
        float32.
    start
        Global index of the first voxel.
    stream
        Seed, operation and draw.
    std
        Standard deviation of each voxel's noise, in grey levels.
    length
        Correlation length along (z, y, x) in voxels, as in :func:`voxelrock.kernels.fields.gaussian_field`.

    Returns
    -------
    Block
        float32.

    Raises
    ------
    ParameterError
        If the standard deviation is negative, or as the field.
    """
    if not (math.isfinite(std) and std >= 0):
        raise ParameterError(f"the standard deviation must be finite and at least 0, got {std}")
    field = gaussian_field(start=start, shape=grey.shape, stream=stream, length=length, xp=namespace(grey), device=device_of(grey))
    field *= float(std)
    field += grey
    return field


@kernel(cost=1.0, workspace=1.0)
def rings(
    grey: Block,
    /,
    *,
    start: Triple,
    around: Axis,
    stream: Stream,
    amplitude: float,
    width: float = 1.0,
    density: float = 1.0,
    **_: Any,
) -> Block:
    """Add rings about the axis: the trace of detector columns that answer differently.

    Ring i reaches from i to i + 1 widths. Its offset, the same along z, is a normal number that belongs to i, times the amplitude; a share
    ``density`` of the rings is affected.

    Parameters
    ----------
    grey
        float32.
    start
        Global index of the first voxel.
    around
        The axis of rotation.
    stream
        Seed, operation and draw; the next draw is used too.
    amplitude
        Standard deviation of the offsets, in grey levels.
    width
        Of a ring, in the unit of the axis.
    density
        Probability that a ring is affected, 0 to 1.

    Returns
    -------
    Block
        float32.

    Raises
    ------
    ParameterError
        If the width is not positive or the density lies outside [0, 1].
    """
    if not (math.isfinite(width) and width > 0 and 0.0 <= density <= 1.0):
        raise ParameterError(f"rings need width > 0 and 0 <= density <= 1, got width={width}, density={density}")
    if 0 in grey.shape:
        return grey
    xp = namespace(grey)
    ring = xp.astype(xp.floor(xp.sqrt(_radius_squared(grey, start, around)) / float(width)), xp.int64)
    first = int(xp.min(ring))
    row: Any = {"start": (0, 0, first), "shape": (1, 1, int(xp.max(ring)) - first + 1)}
    offsets = normal_field(stream=stream, **row)[0, 0] * np.float32(amplitude)
    chosen = uniform_field(stream=Stream(stream.seed, stream.operation, stream.draw + 1), **row)[0, 0] < density
    plane = xp.take(_table(np.where(chosen, offsets, np.float32(0.0)), grey), xp.reshape(ring - first, (-1,)), axis=0)
    return grey + xp.reshape(plane, (1, *ring.shape))


# --- rounding -------------------------------------------------------------------------------------------------------------------------------


@kernel(cost=1.0, workspace=2.0)
def quantize(grey: Block, /, *, dtype: str) -> Block:
    """Round to whole grey levels, half to even, and clip to the range of an unsigned integer.

    Parameters
    ----------
    grey
        float32.
    dtype
        ``"uint8"`` or ``"uint16"``.

    Returns
    -------
    Block
        Of the dtype asked for.

    Raises
    ------
    ParameterError
        If the dtype is another.
    DataError
        If a value is NaN.
    """
    xp, top = namespace(grey), _top(dtype)
    if bool(xp.any(grey != grey)):
        raise DataError("a grey level is NaN and cannot be rounded")
    rounded = xp.round(grey)
    low, high = (xp.asarray(float(v), dtype=xp.float32, **placed(device_of(grey))) for v in (0, top))
    rounded = xp.where(rounded > low, rounded, low)
    return xp.astype(xp.where(rounded < high, rounded, high), getattr(xp, dtype))


def _top(dtype: str) -> int:
    tops = {"uint8": 255, "uint16": 65535}
    if dtype not in tops:
        raise ParameterError(f"scans are stored as uint8 or uint16, got {dtype!r}")
    return tops[dtype]


@quantize.host
def _quantize_host(grey: Block, /, *, dtype: str) -> Block:
    top = np.float32(_top(dtype))
    out = np.empty(grey.shape, dtype=dtype)
    if _round(np.asarray(grey, dtype=np.float32), top, out):
        raise DataError("a grey level is NaN and cannot be rounded")
    return out


@jit
def _round(grey: HostArray, top: Any, out: HostArray) -> bool:
    """Whether a NaN was seen."""
    bad = False
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                value = grey[z, y, x]
                bad |= value != value
                out[z, y, x] = np.int32(np.rint(min(max(value, np.float32(0.0)), top)))
    return bad
