"""How compiled bodies read a block: as rows along x in one flat array, whatever the block's strides.

Every memory layout becomes the same compiled type (one-dimensional, contiguous, read-only), so a body compiles once per dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.kernels.backend import namespace
from voxelrock.typing import Block, HostArray, Triple

Rows = tuple[HostArray, int, int]
"""A flat array and the steps, in elements, from one slice and from one row to the next: voxel (z, y, x) is ``flat[z * a + y * b + x]``."""


def inner_shape(block: Block, halo: Triple) -> Triple:
    """The shape of a result in "valid" mode.

    Raises
    ------
    ParameterError
        The block is not three-dimensional, or holds no voxel inside its halo.
    """
    shape = tuple(int(n) for n in block.shape)
    if len(shape) != 3:
        raise ParameterError(f"expected a block with the axes (z, y, x), got the shape {shape}")
    inner = shape[0] - 2 * halo[0], shape[1] - 2 * halo[1], shape[2] - 2 * halo[2]
    if min(inner) < 1:
        raise ParameterError(f"a block of shape {shape} has no voxel inside its halo of {halo} voxels: pad it, or take a larger block")
    return inner


def check_real(block: Block) -> None:
    """Refuse a block whose values are neither bool nor integers nor floats of up to 64 bits.

    Raises
    ------
    ParameterTypeError
        The block has such a dtype.
    """
    isdtype = getattr(namespace(block), "isdtype", np.isdtype)  # CuPy's dtypes are NumPy's
    if not isdtype(block.dtype, ("bool", "integral", "real floating")) or getattr(block.dtype, "itemsize", 8) > 8:
        raise ParameterTypeError(f"expected values that are bool, integer or real, of up to 64 bits; got {block.dtype}")


def fixed(block: HostArray) -> HostArray:
    """A block in C order, bytes for booleans, read-only whether or not it was before: one compiled type."""
    array = np.ascontiguousarray(block)
    array = array.view(np.uint8) if array.dtype == bool else array.view()
    array.flags.writeable = False
    return array


def as_rows(block: HostArray) -> Rows:
    """View a block as :data:`Rows`; copies it only if x is not contiguous, a step is negative or the bytes are not native."""
    block = np.asarray(block, dtype=block.dtype.newbyteorder("="))
    size = block.itemsize
    strides = [step if count > 1 else 0 for step, count in zip(block.strides[:2], block.shape[:2])]
    if (block.shape[2] > 1 and block.strides[2] != size) or any(step < 0 or step % size for step in strides) or not block.flags.aligned:
        return as_rows(np.array(block, order="C"))
    span = sum(step // size * (count - 1) for step, count in zip(strides, block.shape[:2])) + block.shape[2]
    flat = np.lib.stride_tricks.as_strided(block, shape=(span,), strides=(size,), writeable=False)
    return flat, strides[0] // size, strides[1] // size


def ordered(block: HostArray) -> tuple[HostArray, Any]:
    """The block in a type that the bodies are compiled for, in the order of its values, and the bit by which the values differ.

    One integer type for each size: turning over the highest bit makes signed integers of unsigned ones and back, and keeps their order. Scans are
    uint16 or int16: both stay as they are, as the turn is a sixth of a median's time.
    """
    block = block.astype(block.dtype.newbyteorder("="), copy=False)
    if block.dtype.kind == "f" or block.itemsize == 2:
        return block, 0
    kind = np.dtype({1: "u1", 4: "i4", 8: "i8"}[block.itemsize])
    if block.dtype == kind or block.dtype == np.bool_:
        return block.view(kind), 0
    top = np.array([1 << 8 * kind.itemsize - 1], f"u{kind.itemsize}").view(kind)[0]
    return block.view(kind) ^ top, top
