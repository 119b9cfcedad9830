"""Masks of grey values below or above a limit, for many limits in one look."""

from __future__ import annotations

import math

from voxelrock.errors import DataError
from voxelrock.kernels.backend import kernel, namespace
from voxelrock.typing import Block


@kernel(cost=0.4, workspace=1.0)
def graded(block: Block, /, *keep: Block, limit: float, dark: bool) -> Block:
    """Where values are at most a limit (``dark``), or above it; False outside ``keep`` (a mask).

    Raises
    ------
    DataError
        NaN among the values that count: it lies on neither side.
    """
    xp = namespace(block)
    floats = xp.isdtype(block.dtype, "real floating")
    side = limit if floats else math.floor(limit)  # the same for integers
    found = block <= side if dark else block > side
    if floats:
        bad = xp.isnan(block)
        if bool(xp.any(bad & keep[0] if keep else bad)):
            raise DataError("NaN among the voxels has no side of a threshold: declare it with image.assign(nodata=float('nan')), or leave it out with where=")
    return found & keep[0] if keep else found
