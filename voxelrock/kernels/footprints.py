"""Voxels near True ones: within a ball, a cube or a cross."""

from __future__ import annotations

from typing import Any

from voxelrock.kernels.backend import kernel, namespace
from voxelrock.kernels.distances import Weights, squared_distance
from voxelrock.kernels.rows import inner_shape
from voxelrock.typing import Block, HostArray, Triple


def near_ball_halo(*, reach: Triple, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`near_ball` needs."""
    return reach


@kernel(cost=8.0, workspace=4.0)
def near_ball(sites: Block, /, *, weights: Weights, square: float, reach: Triple) -> Block:
    """True where the square of the distance to a True voxel is less than ``square``.

    Parameters
    ----------
    sites
        (z, y, x), bool, with the halo ``reach``.
    weights
        Squares of the spacings along (z, y, x).
    square
        That of the ball's radius, in the same unit.
    reach
        The most voxels along each axis that lie inside the ball.

    Returns
    -------
    Block
        (z, y, x), bool, without the halo. Memory: three blocks of int64 or float64 (host: one extended block of u2 up to a square of 32767).
    """
    xp = namespace(sites)
    exact = all(isinstance(w, int) for w in weights)
    dtype = xp.int64 if exact else xp.float64
    squares = xp.astype(~sites, dtype) * (2**62 if exact else 2.0**1000)
    for axis, (steps, weight) in enumerate(zip(reach, weights)):
        count = squares.shape[axis] - 2 * steps
        lowest = None
        for k in range(-steps, steps + 1):
            part = squares[tuple(slice(steps + k, steps + k + count) if a == axis else slice(None) for a in range(3))] + weight * (k * k)
            lowest = part if lowest is None else xp.where(part < lowest, part, lowest)
        squares = lowest
    return squares < square


@near_ball.host
def _near_ball_host(sites: HostArray, /, *, weights: Weights, square: float, reach: Triple) -> HostArray:
    inner_shape(sites, reach)
    return squared_distance(sites, weights=weights, before=reach, after=reach, limit=square) < square


def near_box_halo(*, radius: Triple, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`near_box` needs."""
    return radius


@kernel(cost=3.0, workspace=3.0)
def near_box(sites: Block, /, *, radius: Triple, footprint: str) -> Block:
    """True where a voxel of the window is True: in a ``"cube"`` of 2 × radius + 1 voxels, or on the axes of it, a ``"cross"``.

    Parameters
    ----------
    sites
        (z, y, x), bool, with the halo ``radius``.
    radius
        Half-widths along (z, y, x), the centre not counted.
    footprint
        ``"cube"`` or ``"cross"``.
    """
    shape = inner_shape(sites, radius)
    if footprint == "cube":
        for axis in range(3):
            sites = _widened(sites, radius, axis)
        return sites
    found = None
    for axis in range(3):
        inner = sites[tuple(slice(None) if a == axis else slice(radius[a], radius[a] + shape[a]) for a in range(3))]
        part = _widened(inner, radius, axis)
        found = part if found is None else found | part
    return found


def _widened(sites: Block, radius: Triple, axis: int) -> Block:
    """Whether one of 2 × radius + 1 voxels along an axis is True, by windows that double."""
    width, done = 2 * radius[axis] + 1, 1
    while done < width:
        step = min(done, width - done)
        count = sites.shape[axis] - step
        first, second = (sites[tuple(slice(s, s + count) if a == axis else slice(None) for a in range(3))] for s in (0, step))
        sites, done = first | second, done + step
    return sites


@kernel(cost=0.3, workspace=0.1)
def near_frame(*, start: Triple, shape: Triple, xp: Any, whole: Triple, reach: Triple) -> Block:
    """True where at most ``reach`` voxels along an axis lead out of the image of shape ``whole``."""
    found = None
    for axis, (first, count, length, steps) in enumerate(zip(start, shape, whole, reach)):
        places = xp.arange(first, first + count)
        near = xp.reshape((places < steps) | (places >= length - steps), tuple(-1 if a == axis else 1 for a in range(3)))
        found = near if found is None else found | near
    return xp.asarray(xp.broadcast_to(found, shape), copy=True)
