"""What a voxel is beside the mean of its neighbours: noise, where an image is smooth."""

from __future__ import annotations

from typing import Any

from voxelrock.kernels.backend import kernel, namespace
from voxelrock.kernels.rows import check_real, inner_shape
from voxelrock.typing import Block, Triple

_TO_DEVIATION = (6 / 7) ** 0.5 / 0.6744897501960817
"""A difference from the mean of six has 7/6 of the variance of the noise; half of a normal distribution lies within 0.6745 deviations."""


def residual_halo(*, lag: int, **_: Any) -> Triple:
    """Voxels beyond the result that the kernels here need on each side: the lag."""
    return lag, lag, lag


def _neighbours(block: Block, shape: Triple, lag: int) -> list[Block]:
    found = []
    for axis in range(3):
        for shift in (0, 2 * lag):
            starts = [shift if a == axis else lag for a in range(3)]
            found.append(block[tuple(slice(s, s + n) for s, n in zip(starts, shape))])
    return found


@kernel(cost=10.0, exact=True, workspace=14.0)
def noise_residual(block: Block, /, *, lag: int) -> Block:
    """The size of the difference between a voxel and the mean of the six ``lag`` voxels away, scaled so that its median is the deviation of white noise.

    Computed in float64, rounded once: float64 for float64, else float32.
    """
    shape = inner_shape(block, (lag, lag, lag))
    check_real(block)
    xp = namespace(block)
    result = xp.float64 if block.dtype == xp.float64 else xp.float32
    wide = xp.astype(block, xp.float64)
    first, *others = _neighbours(wide, shape, lag)
    for other in others:
        first = first + other
    middle = wide[tuple(slice(lag, lag + n) for n in shape)]
    return xp.astype(xp.abs(middle - first / 6.0) * _TO_DEVIATION, result)


@kernel(cost=3.0, exact=True, workspace=2.0)
def known_around(mask: Block, /, *, lag: int) -> Block:
    """Whether a voxel and the six ``lag`` voxels away are all True."""
    shape = inner_shape(mask, (lag, lag, lag))
    found = mask[tuple(slice(lag, lag + n) for n in shape)]
    for other in _neighbours(mask, shape, lag):
        found = found & other
    return found
