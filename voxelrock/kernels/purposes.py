"""What the graph of basins is asked for, and what the voxels make of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.kernels.forests import Basins, Edges, cut, flooded, survivors
from voxelrock.typing import HostArray


@dataclass(frozen=True)
class Minima:
    """Each regional minimum of at least a depth gets a number, from 1 in the order of first voxels; its region is cut at the passes."""

    depth: float = 0.0
    takes: str = ""

    def decide(self, basins: Basins, edges: Edges, voxels: int) -> HostArray:
        """The number of each basin's region; a plateau's first voxel is the lowest of it, and names it."""
        deep = survivors(basins, edges, self.depth)
        return cut(basins, edges, np.where(deep, np.cumsum(deep), 0))

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """The numbers."""
        return np.take(values.astype(dtype), labels)


@dataclass(frozen=True)
class Markers:
    """Each marker's label grows along the lowest passes."""

    takes: str = "markers"

    def decide(self, basins: Basins, edges: Edges, voxels: int) -> HostArray:
        """The marker that each basin belongs to: markers are named by their labels beyond all voxels."""
        return cut(basins, edges, np.maximum(basins.ids - voxels, 0))

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """The labels."""
        return np.take(values.astype(dtype), labels)


@dataclass(frozen=True)
class Flood:
    """The lowest level at which each voxel is reached from seeds: reconstruction by erosion."""

    takes: str = "seeds"

    def decide(self, basins: Basins, edges: Edges, voxels: int) -> HostArray:
        """The level that reaches each basin's minimum."""
        return flooded(basins, edges)

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """That level, or the voxel's own value if it is higher."""
        outside = -np.inf if dtype.kind == "f" else 0 if dtype.kind == "b" else np.iinfo(dtype).min
        level = np.take(np.append(outside, values[1:]).astype(dtype), labels)
        return np.where(block < level, level, block)  # outside, NaN stays too


@dataclass(frozen=True)
class Bottoms:
    """True in the regional minima of at least a depth."""

    depth: float
    takes: str = ""

    def decide(self, basins: Basins, edges: Edges, voxels: int) -> HostArray:
        """The height of each minimum from which no way to a lower one climbs less than the depth; NaN for all others.

        A basin that is not the elder counts if it grows into one that is, of the same height: then none that is lower was nearer.
        """
        deep = survivors(basins, edges, self.depth)
        region = cut(basins, edges, np.where(deep, np.arange(1, deep.size + 1), 0))
        height = np.append(np.nan, basins.bottom)[region]
        return np.where(height == basins.bottom, height, np.nan)

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """Whether a voxel is at the bottom of its basin, and that one is chosen."""
        return (np.take(values, labels) == block) & (labels > 0)
