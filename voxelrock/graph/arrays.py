"""Dask arrays from expressions, and expressions from Dask arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph

from voxelrock.errors import ParameterError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.expressions import Apply, Blocks, Expression, Footprint, Read, Value
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.layers import BlockLayer
from voxelrock.graph.sources import Cast, Cropped, Permuted, Source
from voxelrock.kernels.backend import kernel, to_host
from voxelrock.typing import Block, HostArray, Triple


def hand_back(box: VoxelBox, blocks: list[Block], lazy: dict[str, Any]) -> HostArray:
    """The finished block, on the host, pinning nothing larger than itself."""
    block = to_host(blocks[0])
    base = block.base
    return block.copy() if base is not None and getattr(base, "nbytes", 0) > block.nbytes else block


class ImageLayer(BlockLayer):
    """The blocks of an image; ``expression`` is what they are."""

    def __init__(self, name: str, expression: Expression, tiling: Tiling) -> None:
        super().__init__(name, (expression,), tiling, hand_back)
        self.expression = expression


def to_array(expression: Expression, tiling: Tiling) -> da.Array:
    """A lazy Dask array with the blocks of a tiling; nothing is computed."""
    if isinstance(expression, Blocks) and expression.array is not None and expression.tiling == tiling:
        return expression.array
    label = expression.kernel.__name__ if isinstance(expression, Apply) else "read"
    name = f"{label}-{fingerprint(expression.identity, tiling.chunks)[:32]}"
    layer = ImageLayer(name, expression, tiling)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=layer.upstream())
    return da.Array(graph, name, tiling.chunks, meta=np.empty((0, 0, 0), expression.dtype))


def from_source(source: Source, tiling: Tiling) -> da.Array:
    """The lazy array of a stored image, read in blocks of a tiling."""
    return to_array(Read(source), tiling)


def check_shapes(images: Sequence[da.Array]) -> None:
    """Raise ``ParameterError`` unless all images have the shape of the first."""
    for image in images[1:]:
        if image.shape != images[0].shape:
            raise ParameterError(f"images of different shapes cannot be combined: {images[0].shape} and {image.shape}")


def top(array: da.Array) -> Any:
    """The layer that makes an array's blocks."""
    graph = array.__dask_graph__()
    return graph.layers.get(array.name) if isinstance(graph, HighLevelGraph) else None


def lift(array: da.Array) -> Expression:
    """The expression behind an array: what made it, if that was one of our layers, else its blocks."""
    layer = top(array)
    if isinstance(layer, ImageLayer):
        return layer.expression
    return Blocks(array.name, tiling_of(array), array.dtype, getattr(layer, "meaning", ""), array)


def tiling_of(array: da.Array) -> Tiling:
    """How an array is cut."""
    return Tiling(tuple(tuple(map(int, c)) for c in array.chunks))  # type: ignore[arg-type]


def value(array: da.Array, meaning: str = "") -> Value:
    """A small lazy result as a parameter; it must be one block. ``meaning`` is its identity where that does not depend on blocks."""
    return Value((array.name, *(0,) * array.ndim), array, meaning)


def source_of(array: da.Array) -> Source | None:
    """The source behind an array that is stored as it stands, else None."""
    expression = lift(array)
    return expression.source if isinstance(expression, Read) else None


def crop_box(box: VoxelBox, *, start: Triple, step: Triple) -> list[VoxelBox]:
    """The input of a box of a crop."""
    low = tuple(s + a * n for s, a, n in zip(start, box.start, step))
    high = tuple(max(a, s + (b - 1) * n + 1) for a, s, b, n in zip(low, start, box.stop, step))
    return [VoxelBox(cast(Triple, low), cast(Triple, high))]


@kernel(cost=0.2, workspace=0.0)
def crop(block: Block, /, *, start: Triple, step: Triple) -> Block:
    """Every ``step``-th voxel of a block."""
    return block[:: step[0], :: step[1], :: step[2]]


def cropped(array: da.Array, box: VoxelBox, step: Triple = (1, 1, 1)) -> da.Array:
    """A box of an array, every ``step``-th voxel; a source stays a source. Blocks keep the borders that they had."""
    expression, tiling = lift(array), tiling_of(array)
    cut = _cut(tiling, box, step)
    if isinstance(expression, Read) and step == (1, 1, 1):
        whole = VoxelBox.whole(array.shape)
        return array if box == whole else to_array(Read(Cropped(expression.source, box)), cut)
    parameters = (("start", box.start), ("step", step))
    footprint = Footprint(gather=crop_box, rigid=step == (1, 1, 1))
    node = Apply(crop, parameters, (expression,), footprint, cut.shape, array.dtype)
    return to_array(node, cut)


def _cut(tiling: Tiling, box: VoxelBox, step: Triple) -> Tiling:
    chunks = []
    for starts, low, high, n in zip(tiling.starts, box.start, box.stop, step):
        edges = sorted({0, -(-(high - low) // n)} | {-(-(s - low) // n) for s in starts if low < s < high})
        chunks.append(tuple(b - a for a, b in pairwise(edges)) or (0,))
    return Tiling(tuple(chunks))  # type: ignore[arg-type]


def permuted(array: da.Array, order: Triple) -> da.Array:
    """The axes of a stored array in another order, without tasks; Dask's own transposition for any other."""
    source = source_of(array)
    if source is None:
        return da.transpose(array, order)
    old = tiling_of(array).chunks
    return from_source(Permuted(source, order), Tiling(tuple(old[axis] for axis in order)))  # type: ignore[arg-type]


def retiled(array: da.Array, tiling: Tiling) -> da.Array:
    """The same image in other blocks: without tasks of its own where the blocks are computed from sources."""
    return to_array(lift(array), tiling)


def cast_source(array: da.Array, dtype: np.dtype[Any]) -> da.Array | None:
    """The array in another type if it is stored as it stands (still a source), else None."""
    source = source_of(array)
    return None if source is None else from_source(Cast(source, dtype.str), tiling_of(array))
