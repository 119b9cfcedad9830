"""What the blocks of a field of balls leave for each other, and the field covered by them, block by block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.geometry.metric import Metric
from voxelrock.kernels.backend import beside, jit, kernel, namespace, to_host
from voxelrock.kernels.distances import Weights, far
from voxelrock.kernels.inscribed import Balls, needed_balls, paint
from voxelrock.kernels.surfaces import SIDES
from voxelrock.typing import Block, HostArray, Triple

BARE = -1
"""A voxel of the phase that is the centre of no ball; 0 is no voxel of the phase."""

Arrays = tuple[HostArray, ...]


@kernel(cost=20.0, workspace=2.0, host_only="balls are painted in order, each voxel once")
def balls_left(field: Block, /, *, weights: Weights, extent: Triple, start: Triple, shape: Triple) -> tuple[Arrays, Triple]:
    """What a block of squares leaves: its values, packed, and the balls that have to be painted; and how far these reach, in voxels.

    Squares that stand for "there is no site" make no balls: then all voxels of the image have that square. It runs on the host.
    """
    values = np.asarray(field)
    inside = values != 0
    balls = needed_balls(np.where(values < far(values.dtype), values, 0), weights=weights, start=start, extent=extent)
    reach = Metric(weights, 1.0).reach(balls.squares[0].item()) if balls.size else (0, 0, 0)
    return (np.packbits(inside, axis=-1), _narrow(values[inside]), balls.centers, balls.squares), reach


def _narrow(values: HostArray) -> HostArray:
    """Whole numbers in 16 bits where they fit."""
    fits = values.dtype.kind == "i" and values.max(initial=0) < 2**15
    return values.astype(np.int16) if fits else values


def _unpacked(bits: HostArray, values: HostArray, shape: Triple, dtype: Any) -> HostArray:
    out = np.zeros(shape, dtype)
    out[np.unpackbits(bits, axis=-1, count=shape[2]).view(bool)] = values
    return out


@kernel(cost=30.0, workspace=2.7, host_only="balls are painted in order, each voxel once")
def covered(own: Arrays, others: list[Arrays], /, *, box: VoxelBox, weights: Weights, kind: str, unit: float) -> HostArray:
    """The largest square of a ball over each voxel of the phase (:data:`BARE` under none, 0 outside), in the field's type, ``kind``.

    With a ``unit`` above 0 as lengths instead, float32: ``sqrt(square × unit)``, 0 under no ball, NaN outside the phase. It runs on the host.
    """
    bits, values, *balls = own
    out = _unpacked(bits, values, box.shape, kind)
    paint(out, _together([Balls(*balls), *(_near(Balls(*arrays[2:]), box, weights) for arrays in others)]), weights=weights, start=box.start)
    return lengths(out, unit=unit) if unit else out


def _near(balls: Balls, box: VoxelBox, weights: Weights) -> Balls:
    """Those that reach a box."""
    hit = np.empty(balls.size, bool)
    _hits(balls.centers, balls.squares, np.array([box.start, box.stop]), np.array(weights, "f8"), hit)
    return Balls(balls.centers[hit], balls.squares[hit])


@jit
def _hits(centers: HostArray, squares: HostArray, sides: HostArray, weights: HostArray, hit: HostArray) -> None:
    """Whether the nearest voxel of a box lies in each ball, or nearly so."""
    for i in range(hit.size):
        away = 0.0
        for axis in range(3):
            apart = max(sides[0, axis] - centers[i, axis], centers[i, axis] - sides[1, axis] + 1, 0)
            away += weights[axis] * apart * apart
        hit[i] = away < squares[i] * (1 + 1e-9)


def _together(parts: list[Balls]) -> Balls:
    centers, squares = np.concatenate([p.centers for p in parts]), np.concatenate([p.squares for p in parts])
    order = np.argsort(-squares, kind="stable")
    return Balls(centers[order], squares[order])


@kernel(cost=3.0, workspace=2.0)
def levelled(squares: Block, /, *, levels: tuple[float, ...]) -> Block:
    """The largest of some squares (ascending) that is not above each voxel's; :data:`BARE` below all, 0 stays."""
    xp = namespace(squares)
    out = xp.where(squares > 0, xp.asarray(BARE, dtype=squares.dtype), xp.asarray(0, dtype=squares.dtype))
    for level in levels:
        out = xp.where(squares >= level, xp.asarray(level, dtype=squares.dtype), out)
    return out


@kernel(cost=1.0, workspace=1.0)
def reached(access: Block, *phase: Block) -> Block:
    """The squares at which voxels are reached; :data:`BARE` where none is in the phase, the voxels that are True in all masks."""
    xp = namespace(access)
    bare = access <= 0
    for mask in phase:
        bare = bare & mask
    return xp.where(bare, xp.asarray(BARE, dtype=access.dtype), access)


@kernel(cost=1.0, workspace=1.0)
def at_sides(values: Block, /, *codes: Block, sides: int, extent: Triple, other: float, start: Triple, shape: Triple, xp: Any) -> Block:
    """The values where a region's code names one of some sides (the image's own sides without codes), ``other`` elsewhere."""
    xp = namespace(values)
    if codes:
        return xp.where((codes[0] & sides) != 0, values, xp.asarray(other, dtype=values.dtype))
    out = xp.full(values.shape, other, dtype=values.dtype, **beside(values))
    for i, (axis, low) in enumerate(SIDES):
        at = 0 if low else shape[axis] - 1
        if sides >> i & 1 and shape[axis] and start[axis] + at == (0 if low else extent[axis] - 1):
            plane = tuple(slice(at, at + 1) if a == axis else slice(None) for a in range(3))
            out[plane] = values[plane]
    return out


@kernel(cost=1.0, workspace=1.0)
def in_float64(values: Block, /) -> Block:
    """The values in float64; "there is no site" stays that."""
    xp = namespace(values)
    none = xp.asarray(math.inf, dtype=xp.float64)
    return xp.where(values == int(far(values.dtype)), none, xp.astype(values, xp.float64))


@kernel(cost=2.0, workspace=2.0)
def lengths(invaded: Block, /, *highest: Block, unit: float) -> Block:
    """Squares as lengths (float32), ``sqrt(square × unit)``: 0 where nothing comes, NaN outside the phase.

    With the highest square on the best way out, voxels whose way out was closed before they were reached are 0, too.
    """
    xp = namespace(invaded)
    zero = xp.asarray(0, dtype=invaded.dtype)
    positive = xp.where(invaded > 0, invaded, zero)
    roots = xp.sqrt(xp.astype(positive, xp.float64) * unit)
    if invaded.dtype != xp.float64:
        roots = xp.where(positive == int(far("int32")), xp.asarray(math.inf, dtype=xp.float64), roots)
    if highest:
        roots = xp.where(highest[0] > positive, xp.asarray(0.0, dtype=xp.float64), roots)
    return xp.astype(xp.where(invaded == 0, xp.asarray(math.nan, dtype=xp.float64), roots), xp.float32)


@lengths.host
def lengths_host(invaded: Block, /, *highest: Block, unit: float) -> HostArray:
    """One pass, without blocks in between."""
    squares = np.ascontiguousarray(invaded)
    out = np.empty(squares.shape, np.float32)
    limits = np.ascontiguousarray(highest[0]) if highest else np.empty(0, squares.dtype)
    none = math.inf if squares.dtype == np.float64 else far(squares.dtype)
    _lengths(squares.reshape(-1), limits.reshape(-1), (unit, none), out.reshape(-1))
    return out


@jit
def _lengths(squares: HostArray, highest: HostArray, facts: tuple[float, float], out: HostArray) -> None:
    unit, none = facts
    for i in range(out.size):
        square = max(squares[i], 0)
        root = np.inf if square >= none else np.sqrt(square * unit)
        late = highest.size > 0 and highest[i] > square
        out[i] = np.nan if squares[i] == 0 else 0.0 if late else root


@kernel(cost=10.0, workspace=2.0, host_only="it sorts values and counts equal ones")
def sizes(block: Block, /, *where: Block) -> tuple[HostArray, HostArray]:
    """The distinct values of a block that are not NaN, ascending, and how many voxels have each. It runs on the host."""
    values = to_host(block)
    if where:
        values = values[to_host(where[0])]
    values = values[~np.isnan(values)]
    return np.unique(values, return_counts=True)


@kernel(cost=1.0, workspace=0.0)
def largest(block: Block, /) -> float:
    """The largest value of a block; 0 of an empty one."""
    return float(namespace(block).max(block)) if block.size else 0.0
