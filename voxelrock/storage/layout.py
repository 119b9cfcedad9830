"""How an image is cut in a store: inner chunks that are read, shards that are written, blocks that are computed."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from voxelrock import options
from voxelrock.errors import ParameterError
from voxelrock.geometry import ZYX, Tiling
from voxelrock.typing import Triple

_BYTES_PER_VOXEL = 16  # what a chain of kernels holds at once for each voxel of its block, about: see graph.budget
_EDGE, _BLOCKS = 256, 8


@dataclass(frozen=True)
class Layout:
    """Shapes of inner chunks, of shards (None: there are none) and of the units that one task writes."""

    chunks: Triple
    shards: Triple | None
    unit: Triple

    def tiling(self, shape: Triple) -> Tiling:
        """The units over an image."""
        return Tiling.regular(shape, self.unit)


def _triple(value: Any) -> Triple:
    a, b, c = ZYX.of(value).map(int)
    return a, b, c


def compute_edge(shape: Triple) -> int:
    """The edge of a cubic block: 256, or less where computing it would not fit in ``options.memory`` or leave threads without work."""
    edge = _affordable_edge()
    while edge > 64 and prod(-(-max(n, 1) // edge) for n in shape) < _BLOCKS:
        edge //= 2
    return edge


def _affordable_edge() -> int:
    edge = _EDGE
    while edge > 32 and edge**3 * _BYTES_PER_VOXEL > options.get().memory:
        edge //= 2
    return edge


def block_of(shape: Triple, unit: Triple) -> Triple:
    """The block to compute in over stored units (chunks, or shards): whole units, near the edge that memory allows."""
    edge = compute_edge(shape)
    return tuple(min(max(n, 1), u * max(1, edge // max(u, 1))) for n, u in zip(shape, unit))  # type: ignore[return-value]


def choose(shape: Triple, dtype: np.dtype[Any], *, chunks: Any = None, shards: Any = None, sharded: bool = True) -> Layout:
    """The layout of a new store; what is given is kept.

    Raises
    ------
    ParameterError
        Shards are no whole number of chunks, or are asked for where there can be none.
    """
    edge = compute_edge(shape)
    if chunks is not None:
        inner = _triple(chunks)
    elif shards is not None:
        inner = tuple(s // 4 if s % 4 == 0 and s >= 128 else s for s in _triple(shards))  # type: ignore[assignment]
    else:
        inner = tuple(max(1, min(n, _inner_edge(shape))) for n in shape)  # type: ignore[assignment]
    if min(inner) < 1:
        raise ParameterError(f"chunks are at least one voxel long; got {inner}")
    if not sharded:
        if shards is not None:
            raise ParameterError("this kind of store has no shards; leave shards= out")
        return Layout(inner, None, _unit(shape, inner, edge))
    outer = _triple(shards) if shards is not None else _unit(shape, inner, edge)
    if any(s % c for s, c in zip(outer, inner)) or min(outer) < 1:
        raise ParameterError(f"shards are whole numbers of chunks along every axis; got shards {outer} of chunks {inner}")
    if prod(s // c for s, c in zip(outer, inner)) == 1 and shards is None:
        return Layout(inner, None, outer)
    return Layout(inner, outer, outer)


def _inner_edge(shape: Triple) -> int:
    """Of chunks: a quarter of a block's, for what halos read in vain; half of it in small images, where blocks have neighbours on one side only.

    What reading takes for a chunk whatever its size is about what decoding takes for 32³ voxels.
    """
    return max(16, min(compute_edge(shape) // 2, _affordable_edge() // 4))


def _unit(shape: Triple, inner: Triple, edge: int) -> Triple:
    """Whole chunks up to the edge, of nearly equal lengths along an axis, so that no sliver is left at its end."""
    unit = []
    for n, c in zip(shape, inner):
        chunks = -(-max(n, 1) // c)
        most = max(1, edge // c)
        parts = -(-chunks // most)
        unit.append(c * -(-chunks // parts))
    return tuple(unit)  # type: ignore[return-value]
