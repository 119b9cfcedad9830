"""What a graph costs, predicted from the expression: tasks per block, and the bytes that one task holds."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import dask.array as da

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import lift, tiling_of, top
from voxelrock.graph.expressions import Apply, Blocks, Expression, leaves, required, walk, wide
from voxelrock.graph.layers import Inputs
from voxelrock.graph.reductions import ReductionLayer
from voxelrock.graph.stitching import StitchedLayer
from voxelrock.graph.trees import FAN_IN
from voxelrock.typing import Triple


@dataclass(frozen=True)
class Budget:
    """Predicted cost of a lazy array.

    ``tasks_per_block`` counts the tasks of its own layer, trees apart; ``tree_per_block`` those of the trees that join partial results;
    ``bytes_per_task`` is the most that one task holds at once; ``bytes_moved`` what a block's task gets from other tasks.
    """

    blocks: int
    tasks_per_block: float
    tree_per_block: float
    bytes_per_task: int
    bytes_moved: int


def predict(array: da.Array) -> Budget:
    """The budget of an image's or a reduction's array."""
    layer = top(array)
    if isinstance(layer, ReductionLayer):
        roots = tuple(r for m in layer.works for r in m.roots)
        tiling = layer.tiling
        tree = 1 / (FAN_IN - 1)
    elif isinstance(layer, StitchedLayer):
        roots, tiling, tree = layer.roots, layer.tiling, 3 / (FAN_IN - 1)
    else:
        roots, tiling, tree = (lift(array),), tiling_of(array), 0.0
    passes = 2 if isinstance(layer, StitchedLayer) else 1
    stand_alone = isinstance(roots[0], Blocks) and not isinstance(layer, ReductionLayer | StitchedLayer)
    margins = layer.blocks.inputs.margins if isinstance(layer, ReductionLayer) else ()
    inputs = Inputs("budget", roots, margins=margins)
    borders = sum(2 * len(leaf.tiling) for leaf in inputs.blocks if inputs.shares_borders(leaf))
    count = max(1, len(tiling))
    inner: Triple = tuple(n // 2 for n in tiling.blocks)  # type: ignore[assignment]
    box = tiling.box(inner)
    return Budget(
        blocks=len(tiling),
        tasks_per_block=0.0 if stand_alone else passes * (count + borders) / count,
        tree_per_block=tree,
        bytes_per_task=peak_bytes(wide(roots, margins, box)) + named_bytes(layer, box),
        bytes_moved=_moved(inputs, roots, tiling, box),
    )


def named_bytes(layer: Any, box: VoxelBox) -> int:
    """What the second pass of a stitching holds beside its blocks."""
    if not isinstance(layer, StitchedLayer):
        return 0
    return box.size * layer.dtype.itemsize + int(box.size * layer.stitching.relabel.workspace)


def peak_bytes(wanted: list[tuple[Expression, VoxelBox]]) -> int:
    """The most bytes held at once while boxes of expressions are evaluated: live blocks, and the workspace of the kernel that runs."""
    boxes = required(wanted)
    nodes = walk(*(n for n, _ in wanted))
    uses = {n.identity: sum(i.identity == n.identity for m in nodes for i in m.inputs) for n in nodes}
    for node, _ in wanted:
        uses[node.identity] += 1
    held: dict[str, int] = {}
    peak = 0
    for node in nodes:
        size = boxes[node.identity].size * node.dtype.itemsize
        working = size
        if isinstance(node, Apply):
            inputs = sum(held[i.identity] for i in node.inputs)
            wide = prod(n + 2 * h for n, h in zip(boxes[node.identity].shape, node.footprint.halo))
            padded = sum(wide * i.dtype.itemsize for i in node.inputs) if any(node.footprint.halo) else 0
            working = size + padded + int(node.kernel.workspace * max(inputs, padded, size))
        peak = max(peak, sum(held.values()) + working)
        for item in node.inputs:
            uses[item.identity] -= 1
            if not uses[item.identity]:
                held.pop(item.identity)
        held[node.identity] = size
    return peak


def _moved(inputs: Inputs, roots: tuple[Expression, ...], tiling: Tiling, box: VoxelBox) -> int:
    sizes = {leaf.identity: leaf for leaf in leaves(*roots) if isinstance(leaf, Blocks)}
    pieces, _ = inputs.arguments(box)
    total = 0
    for piece in pieces:
        leaf = sizes[piece.leaf]
        halo: Any = inputs.halos[piece.leaf]
        shape = piece.block.shape
        if not piece.side:
            total += prod(shape) * leaf.dtype.itemsize
        elif len(piece.side) == 1:
            total += sum(2 * min(h, n) * prod(shape) // n for h, n in zip(halo, shape)) * leaf.dtype.itemsize
        else:
            a, b, c = (min(h, n) for h, n in zip(halo, shape))
            total += 4 * (a * b * shape[2] + a * c * shape[1] + b * c * shape[0]) * leaf.dtype.itemsize
    return total
