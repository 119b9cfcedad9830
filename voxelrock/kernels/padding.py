"""Voxels beyond the image's border, by the edge mode; and none elsewhere."""

from __future__ import annotations

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import beside, namespace
from voxelrock.typing import Block

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
    xp = namespace(block)
    for axis, (low, high) in enumerate(zip(before, after)):
        if low or high:
            length = block.shape[axis]
            indices = [_index(i, length, mode) for i in range(-low, length + high)]
            where = xp.asarray(indices, dtype=xp.int64, **beside(block))
            block = xp.take(block, where, axis=axis)
    return block
