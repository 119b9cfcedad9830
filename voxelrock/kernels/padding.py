"""Voxels beyond the image's border, by the edge mode; and none elsewhere."""

from __future__ import annotations

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import beside, namespace
from voxelrock.typing import Block, HostArray

MODES = ("reflect", "nearest", "mirror", "wrap")
"""Edge modes, in SciPy's words: d c b a | a b c d; a a a a | a b c d; d c b | a b c d; a b c d | a b c d."""


def _index(position: int, length: int, mode: str) -> int:
    if mode == "nearest":
        return min(max(position, 0), length - 1)
    if mode == "wrap":
        return position % length
    if mode == "reflect":
        position %= 2 * length
        return min(position, 2 * length - 1 - position)
    if length == 1:
        return 0
    position %= 2 * length - 2
    return min(position, 2 * length - 2 - position)


def pad(block: Block, /, *, before: tuple[int, ...], after: tuple[int, ...], mode: str = "reflect") -> Block:
    """Extend a block by ``before`` and ``after`` voxels along each axis; returns the block itself where there is nothing to add.

    Reflections repeat where a block is shorter than what is to be added. Memory: one block.

    Raises
    ------
    ParameterError
        An unknown mode.
    """
    if mode not in MODES:
        raise ParameterError(f"the edge mode is one of {', '.join(MODES)}; got {mode!r}")
    if not any(before) and not any(after):
        return block
    if isinstance(block, np.ndarray):
        return _padded_host(block, before, after, mode)
    xp = namespace(block)
    for axis, (low, high) in enumerate(zip(before, after)):
        if low or high:
            length = block.shape[axis]
            indices = [_index(i, length, mode) for i in range(-low, length + high)]
            block = xp.take(block, xp.asarray(indices, dtype=xp.int64, **beside(block)), axis=axis)
    return block


def _padded_host(block: HostArray, before: tuple[int, ...], after: tuple[int, ...], mode: str) -> HostArray:
    """One allocation; the borders are copied plane by plane from what is there already."""
    out = np.empty(tuple(n + a + b for n, a, b in zip(block.shape, before, after)), block.dtype)
    inner = [slice(a, a + n) for a, n in zip(before, block.shape)]
    out[tuple(inner)] = block
    for axis, (low, high) in enumerate(zip(before, after)):
        length = block.shape[axis]
        for i in (*range(-low, 0), *range(length, length + high)):
            target, origin = inner.copy(), inner.copy()
            target[axis] = slice(low + i, low + i + 1)
            place = low + _index(i, length, mode)
            origin[axis] = slice(place, place + 1)
            out[tuple(target)] = out[tuple(origin)]
        inner[axis] = slice(0, length + low + high)
    return out
