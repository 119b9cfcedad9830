"""What is known of a block from how often each value occurs in it: where files tell that, a reduction need not read their voxels.

What a chain of pointwise kernels makes of a voxel depends on its value alone, so the chain is evaluated once on each value that occurs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.graph.expressions import Apply, Expression, Read, Value, walk
from voxelrock.graph.sources import counts_of
from voxelrock.kernels.histograms import value_range
from voxelrock.typing import Block, HostArray

Palette = tuple[HostArray, HostArray]
"""The values that occur, as a block of one row, and how often (int64, one row)."""


def only_source(*roots: Expression) -> Read | None:
    """The leaf that alone decides the roots, value by value; None where there is no such leaf, or it has too many values."""
    found: dict[str, Read] = {}
    for node in walk(*roots):
        if isinstance(node, Read):
            found[node.identity] = node
        elif not isinstance(node, Apply) or not _by_value(node):
            return None
    if len(found) != 1:
        return None
    (leaf,) = found.values()
    return leaf if value_range(leaf.dtype) is not None else None


def _by_value(node: Apply) -> bool:
    """Whether a voxel follows from the values of the same voxel of the inputs, on every device alike."""
    footprint = node.footprint
    return bool(node.inputs) and node.kernel.exact and not node.located and footprint.gather is None and not any(footprint.halo)


def palette(leaf: Read, box: VoxelBox) -> Palette | None:
    """The values in a box of a leaf, where its source knows them."""
    found, known = counts_of(leaf.source, box), value_range(leaf.dtype)
    if found is None or known is None:
        return None
    first, table = found
    places = np.flatnonzero(table)
    return (places + (first + known[0])).astype(leaf.dtype).reshape(1, 1, -1), table[places]


def on_values(root: Expression, values: HostArray, parameters: dict[str, Any]) -> Block:
    """What a root of :func:`only_source` makes of values of its leaf."""
    done: dict[str, Block] = {}
    for node in walk(root):
        if isinstance(node, Apply):
            keywords = {name: parameters[v.identity] if isinstance(v, Value) else v for name, v in node.parameters}
            done[node.identity] = node.kernel(*(done[i.identity] for i in node.inputs), **keywords)
        else:
            done[node.identity] = values
    return done[root.identity]
