"""Distances in a mask, block by block: what its voxels are, the bounds found in all of them, and the distances of one box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import beside, jit, kernel, namespace
from voxelrock.kernels.cells import ABSENT, Bounds, cells_of
from voxelrock.kernels.distances import Weights, far
from voxelrock.kernels.nearest import Reader, Sought, nearest_squares
from voxelrock.typing import Block, HostArray, Triple


@kernel(cost=0.5, workspace=2.0)
def coded(mask: Block, /, *where: Block) -> Block:
    """1 where the mask is False, 2 where it is True, 0 where the voxel does not exist (u1)."""
    xp = namespace(mask)
    codes = xp.astype(mask, xp.uint8) + xp.ones(mask.shape, dtype=xp.uint8, **beside(mask))
    return codes * xp.astype(where[0], xp.uint8) if where else codes


@dataclass(frozen=True, eq=False)
class MaskBounds:
    """Bounds of the distances of the True voxels to False ones, and of the False ones to True ones where they are asked for too."""

    inside: Bounds
    outside: Bounds | None


def mask_bounds(parts: list[tuple[Triple, HostArray]], *, shape: Triple, edge: int, weights: Weights, solid: bool, signed: bool) -> MaskBounds:
    """The bounds of a whole mask, from its surveyed blocks."""
    shape = max(shape[0], 1), max(shape[1], 1), max(shape[2], 1)  # an image without voxels has bounds too
    found = np.zeros(cells_of(VoxelBox.whole(shape), edge).shape, np.uint8)
    for start, part in parts:
        place = VoxelBox(start, tuple(a + n for a, n in zip(start, part.shape)))
        found[place.slices] |= part
    inside = Bounds.of(found, shape, edge, (weights, solid, False))
    return MaskBounds(inside, Bounds.of(found, shape, edge, (weights, solid, True)) if signed else None)


@kernel(cost=20.0, workspace=1.4, host_only="it reads boxes that the data name, and searches them row by row")
def mask_squares(bounds: MaskBounds, /, *, box: VoxelBox, read: Reader, solid: bool) -> HostArray:
    """The squares of the distances of the True voxels of a box, 0 elsewhere. It runs on the host."""
    return nearest_squares(read, box, bounds.inside, Sought(solid))[1]


@kernel(cost=20.0, workspace=1.4, host_only="it reads boxes that the data name, and searches them row by row")
def mask_distance(bounds: MaskBounds, /, *, box: VoxelBox, read: Reader, solid: bool, unit: float) -> HostArray:
    """The distances (float32) of the True voxels of a box, negative those of the False voxels where these are bounded too.

    NaN where a voxel does not exist, infinite where there is no site in the whole image. It runs on the host.
    """
    codes, squares = nearest_squares(read, box, bounds.inside, Sought(solid))
    out = np.empty(box.shape, np.float32)
    _roots(squares.reshape(-1), codes.reshape(-1), (unit, far(squares.dtype), ABSENT), out.reshape(-1))
    if bounds.outside is not None:
        codes, squares = nearest_squares(read, box, bounds.outside, Sought(solid, flipped=True))
        below = np.empty(box.shape, np.float32)
        _roots(squares.reshape(-1), codes.reshape(-1), (unit, far(squares.dtype), ABSENT), below.reshape(-1))
        out -= np.where(squares > 0, below, np.float32(0))
    return out


@jit
def _roots(squares: HostArray, codes: HostArray, facts: tuple[float, float, int], out: HostArray) -> None:
    unit, none, absent = facts
    for i in range(out.size):
        root = np.sqrt(squares[i] * unit)
        out[i] = np.nan if codes[i] == absent else np.inf if squares[i] == none else root
