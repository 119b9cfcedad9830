"""Where voxels lie on a surface: of the region that is looked at, or of the phase that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.kernels.backend import jit, kernel, namespace
from voxelrock.typing import Block, HostArray, Triple

SIDES = tuple((axis, low) for axis in range(3) for low in (True, False))
"""The six sides; side i is bit i of a code: low and high z, low and high y, low and high x."""

INSIDE = 64
"""The bit of a region's code that says that the voxel is inside it."""

SURFACE_HALO: Triple = (1, 1, 1)


def _inner(block: Block, axis: int = 0, shift: int = 0) -> Block:
    """The block without its halo, moved along an axis."""
    index = [slice(1, n - 1) for n in block.shape]
    index[axis] = slice(1 + shift, block.shape[axis] - 1 + shift)
    return block[tuple(index)]


def _on_border(start: Triple, shape: Triple, extent: Triple, axis: int, low: bool) -> tuple[slice, ...] | None:
    """The plane of a block that lies on a side of the image, if one does."""
    at = 0 if low else shape[axis] - 1
    if start[axis] + at != (0 if low else extent[axis] - 1):
        return None
    return tuple(slice(at, at + 1) if a == axis else slice(None) for a in range(3))


@kernel(cost=2.0, workspace=3.0)
def region_code(block: Block, /, *, extent: Triple, start: Triple, shape: Triple, xp: Any) -> Block:
    """For each voxel of a region, :data:`INSIDE` and a bit for each side on which the region ends (u1); 0 outside it.

    A region ends where the next voxel is not in it, and where the image of shape ``extent`` ends. Halo 1.
    """
    xp = namespace(block)
    inside = _inner(block)
    code = xp.astype(inside, xp.uint8) * INSIDE
    for i, (axis, low) in enumerate(SIDES):
        beyond = _inner(block, axis, -1 if low else 1)
        ends = xp.astype(inside & ~beyond, xp.uint8)
        plane = _on_border(start, shape, extent, axis, low)
        if plane is not None:
            ends[plane] = xp.astype(inside[plane], xp.uint8)
        code = code | ends * (1 << i)
    return xp.astype(code, xp.uint8)


@kernel(cost=2.5, workspace=4.0)
def face_code(block: Block, /, *region: Block) -> Block:
    """For each voxel that is not 0, a bit for each side on which its neighbour has another value (u1); 0 elsewhere.

    Neighbours outside ``region`` (a mask) do not count. Halo 1; the edge mode repeats the voxels of the border, so the image's sides do not
    count either.
    """
    xp = namespace(block)
    inside = _inner(block)
    solid = inside if xp.isdtype(block.dtype, "bool") else inside != 0
    code = xp.astype(solid, xp.uint8) * 0
    for i, (axis, low) in enumerate(SIDES):
        shift = -1 if low else 1
        differs = solid & (_inner(block, axis, shift) != inside)
        if region:
            differs = differs & _inner(region[0], axis, shift)
        code = code | xp.astype(differs, xp.uint8) * (1 << i)
    return xp.astype(code, xp.uint8)


@face_code.host
def face_code_host(block: Block, /, *region: Block) -> HostArray:
    """Only voxels that are not 0 look at their neighbours."""
    values = np.ascontiguousarray(block)
    keep = np.ascontiguousarray(region[0]).view(np.uint8) if region else np.ones((1, 1, 1), np.uint8)
    out = np.zeros([n - 2 for n in values.shape], np.uint8)
    _faces(values.view(np.uint8) if values.dtype == bool else values, keep, out)
    return out


@jit
def _faces(values: HostArray, keep: HostArray, out: HostArray) -> None:
    masked = keep.shape[2] > 1
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            here, below, above = values[z + 1, y + 1], values[z, y + 1], values[z + 2, y + 1]
            before, after, code = values[z + 1, y], values[z + 1, y + 2], out[z, y]
            for x in range(code.size):
                v = here[x + 1]
                if v == 0:
                    continue
                bits = (below[x + 1] != v) | (above[x + 1] != v) << 1 | (before[x + 1] != v) << 2 | (after[x + 1] != v) << 3
                bits |= (here[x] != v) << 4 | (here[x + 2] != v) << 5
                if masked and bits:
                    there = keep[z, y + 1, x + 1] | keep[z + 2, y + 1, x + 1] << 1 | keep[z + 1, y, x + 1] << 2 | keep[z + 1, y + 2, x + 1] << 3
                    bits &= there | keep[z + 1, y + 1, x] << 4 | keep[z + 1, y + 1, x + 2] << 5
                code[x] = bits
