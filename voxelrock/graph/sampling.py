"""The pattern that makes an image on any grid from boxes of another: which box of the input a box of the output needs is a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import dask.array as da
import numpy as np

from voxelrock import options
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import lift, tiling_of, to_array
from voxelrock.graph.budget import peak_bytes
from voxelrock.graph.expressions import Apply, Footprint
from voxelrock.graph.patterns import RECOMPUTATION, blocks_of, recomputation
from voxelrock.kernels.backend import Kernel
from voxelrock.typing import Triple

_SMALLEST = 16
"""Edge below which blocks are not cut to save memory."""


@dataclass(frozen=True)
class Sampling:
    """Each box of the output from the box of the input that ``footprint(box, **parameters)`` names, by a located kernel.

    Blocks whose boxes would not fit in ``options.memory`` are cut. What the input is made of is fused where boxes overlap little; else it gets
    blocks of its own.
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
        return to_array(node, fitting)


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
