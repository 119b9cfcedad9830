"""The pattern that makes an image on any grid from boxes of another: which box of the input a box of the output needs is a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import dask.array as da
import numpy as np

from voxelrock import options
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import crop, crop_box, lift, tiling_of, to_array
from voxelrock.graph.budget import peak_bytes
from voxelrock.graph.expressions import Apply, Footprint
from voxelrock.graph.patterns import RECOMPUTATION, blocks_of, recomputation
from voxelrock.kernels.backend import Kernel
from voxelrock.typing import Triple

_SMALLEST = 16
"""Edge below which blocks are not cut to save memory."""


_CROWDED = 32
"""Bytes held for each voxel of a block beyond which blocks are made on their own: ``options.memory`` over a block of 256³, as both come."""
_FEW = 2**22
"""Bytes that any task may hold."""


@dataclass(frozen=True)
class Sampling:
    """Each box of the output from the box of the input that ``footprint(box, **parameters)`` names, by a located kernel.

    Blocks whose boxes would not fit in ``options.memory`` are cut, and stay cut where a store asks for larger ones. What the input is made of
    is fused where boxes overlap little; else it gets blocks of its own.
    """

    kernel: Kernel[Any, Any]
    footprint: Callable[..., list[VoxelBox]]

    def __call__(self, image: da.Array, tiling: Tiling, dtype: np.dtype[Any], /, **parameters: Any) -> da.Array:
        """Lazy; blocks of the tiling, or parts of them. One task per block over a stored image."""
        footprint = Footprint(gather=self.footprint)
        pairs = tuple(sorted(parameters.items()))
        node = Apply(self.kernel, pairs, (lift(image),), footprint, tiling.shape, dtype, located=True)
        fitting = _fitting(node, tiling)
        if recomputation(node, fitting) > RECOMPUTATION:
            node = replace(node, inputs=(blocks_of(node.inputs[0], tiling_of(image)),))
            fitting = _fitting(node, tiling)
        return to_array(_alone(node, fitting) if _crowded(node) else node, fitting)


def _crowded(node: Apply) -> bool:
    """Whether a block as large as a store's units would hold too much: then what follows takes blocks that were made before.

    It depends on shapes alone, so that an image's identity does not follow from how much memory there is.
    """
    box = _middle(Tiling.compute(node.shape))
    held = peak_bytes([(node, box)])
    return held > _FEW and held > _CROWDED * box.size


def _alone(node: Apply, tiling: Tiling) -> Apply:
    """The same image over blocks that tasks of their own make: it is not fused with what follows."""
    whole = (("start", (0, 0, 0)), ("step", (1, 1, 1)))
    return Apply(crop, whole, (blocks_of(node, tiling),), Footprint(gather=crop_box, rigid=True), node.shape, node.dtype)


def _fitting(node: Apply, tiling: Tiling) -> Tiling:
    """The tiling, or one of blocks halved along their longest axis until what a task holds fits in memory."""
    block = list(tiling.typical())
    while max(block) > _SMALLEST and peak_bytes([(node, _middle(tiling))]) > options.get().memory:
        axis = block.index(max(block))
        block[axis] = -(-block[axis] // 2)
        tiling = Tiling.regular(tiling.shape, (max(1, n) for n in block))
    return tiling


def _middle(tiling: Tiling) -> VoxelBox:
    inner: Triple = tuple(n // 2 for n in tiling.blocks)  # type: ignore[assignment]
    return tiling.box(inner)
