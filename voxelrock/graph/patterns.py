"""The patterns that make images from images. An operation declares its facts once; calling the pattern builds the graph.

Consecutive patterns fuse when they are built: an image is one expression down to its sources, evaluated by one task per block, for as
long as the recomputed borders stay under half of the work; beyond that the input gets blocks of its own and gives its borders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import check_shapes, lift, tiling_of, to_array, value
from voxelrock.graph.expressions import Apply, Blocks, Expression, Footprint, Margin, required, walk, wide
from voxelrock.graph.fresh import fresh, second_passes
from voxelrock.kernels.backend import Kernel
from voxelrock.typing import Triple

DtypeRule = Callable[..., np.dtype[Any]]

RECOMPUTATION = 1.5
"""The most work, relative to computing every voxel once, that fusing may cost."""


def same_dtype(*dtypes: np.dtype[Any], **parameters: Any) -> np.dtype[Any]:
    """The type of the first image."""
    return dtypes[0]


def smooth_dtype(*dtypes: np.dtype[Any], **parameters: Any) -> np.dtype[Any]:
    """float32, or float64 for float64."""
    return np.dtype("f8") if dtypes[0] == np.float64 else np.dtype("f4")


def boolean(*dtypes: np.dtype[Any], **parameters: Any) -> np.dtype[Any]:
    """True and False."""
    return np.dtype(bool)


@dataclass(frozen=True)
class Pointwise:
    """Each voxel from the same voxel of one or more images.

    ``located`` kernels also get ``start``, ``shape`` (of the block) and ``xp``.
    """

    kernel: Kernel[Any, Any]
    dtype: DtypeRule = same_dtype
    located: bool = False

    def __call__(self, *images: da.Array, **parameters: Any) -> da.Array:
        """Lazy; the tiling of the first image."""
        return build(self.kernel, images, parameters, Footprint(), self.dtype, located=self.located)


@dataclass(frozen=True)
class Stencil:
    """Each voxel from a neighbourhood; ``halo(**parameters)`` says how far it looks, in voxels per axis."""

    kernel: Kernel[Any, Any]
    halo: Callable[..., Triple]
    dtype: DtypeRule = same_dtype
    located: bool = False

    def __call__(self, *images: da.Array, mode: str = "reflect", **parameters: Any) -> da.Array:
        """Lazy; the tiling of the first image. ``mode`` fills what lies beyond the image."""
        footprint = Footprint(halo=self.halo(**parameters), mode=mode)
        return build(self.kernel, images, parameters, footprint, self.dtype, located=self.located)


@dataclass(frozen=True)
class Gather:
    """Each box of the output from a box of the input that ``footprint(box, **parameters)`` names; ``shape`` gives the new shape."""

    kernel: Kernel[Any, Any]
    footprint: Callable[..., list[VoxelBox]]
    shape: Callable[..., Triple]
    tiling: Callable[..., Tiling]
    dtype: DtypeRule = same_dtype

    def __call__(self, image: da.Array, **parameters: Any) -> da.Array:
        """Lazy; in blocks of the tiling that the facts name."""
        inputs = (lift(image),)
        dtype = self.dtype(image.dtype, **parameters)
        node = Apply(self.kernel, _pairs(parameters), inputs, Footprint(gather=self.footprint), self.shape(image.shape, **parameters), dtype)
        return to_array(node, self.tiling(tiling_of(image), **parameters))


@dataclass(frozen=True)
class Generate:
    """Each voxel from its index and parameters alone; an optional halo is for :class:`Stencil` to ask."""

    kernel: Kernel[Any, Any]

    def __call__(self, tiling: Tiling, dtype: Any, /, **parameters: Any) -> da.Array:
        """Lazy; blocks of the tiling."""
        node = Apply(self.kernel, _pairs(parameters), (), Footprint(), tiling.shape, np.dtype(dtype), located=True)
        return to_array(node, tiling)


def _pairs(parameters: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((k, value(v) if isinstance(v, da.Array) else v) for k, v in parameters.items()))


def build(
    kernel: Kernel[Any, Any], images: tuple[da.Array, ...], parameters: dict[str, Any], footprint: Footprint, rule: DtypeRule, *, located: bool
) -> da.Array:
    """Apply a kernel to images of one shape, fused with what they are made of if that is cheap enough.

    Raises
    ------
    ParameterError
        The images have different shapes.
    """
    check_shapes(images)
    tiling = tiling_of(images[0])
    pairs = _pairs(parameters)
    lazy = [v for _, v in pairs if hasattr(v, "key")]
    dtype = np.dtype(rule(*(i.dtype for i in images), **parameters))

    def node(inputs: tuple[Expression, ...]) -> Apply:
        return Apply(kernel, pairs, inputs, footprint, tiling.shape, dtype, located)

    lifted = [lift(image) for image in images]
    lazy += second_passes(lifted)
    inputs = tuple(fresh(expression, lazy) for expression in lifted)
    fused = node(inputs)
    if any(footprint.halo) and recomputation(fused, tiling) > RECOMPUTATION:
        fused = node(tuple(blocks_of(i, tiling_of(image)) for i, image in zip(inputs, images)))
    return to_array(fused, tiling)


def afresh(images: Sequence[da.Array], numbers: Iterable[Any]) -> list[da.Array]:
    """Images as a second pass sees them that follows lazy numbers found in them: what several kernels of that pass must agree on."""
    lazy = [value(n) for n in numbers if isinstance(n, da.Array)]
    return [to_array(fresh(lift(image), lazy), tiling_of(image)) for image in images] if lazy else list(images)


def blocks_of(expression: Expression, tiling: Tiling) -> Expression:
    """An expression as blocks that tasks of their own make; leaves stay leaves."""
    if not isinstance(expression, Apply):
        return expression
    array = to_array(expression, tiling)
    return Blocks(array.name, tiling, array.dtype, expression.identity, array)


def recomputation(root: Expression, tiling: Tiling, margin: Margin = ((0, 0, 0), (0, 0, 0))) -> float:
    """The work for one inner block of a fused expression (and a margin of it), relative to its share when every voxel is computed once."""
    middle = tuple(n // 2 for n in tiling.blocks)
    box = tiling.box(middle)  # type: ignore[arg-type]
    boxes = required(wide([root], [margin], box))
    fraction = box.size / max(1, VoxelBox.whole(root.shape).size)
    work = once = 0.0
    for node in walk(root):
        if isinstance(node, Apply):
            cost = node.kernel.cost_of(node.parameters)
            work += cost * boxes[node.identity].size
            once += cost * VoxelBox.whole(node.shape).size * fraction
    return work / once if once else 1.0
