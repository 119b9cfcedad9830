"""What the graph of basins is asked for, how boxes answer for what is inside them, and what the voxels make of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.kernels.contraction import Folds, Homes, Kept, fold_floods, part_regions, unfold_floods
from voxelrock.kernels.forests import Basins, Edges
from voxelrock.typing import HostArray

_NONE = np.empty(0, np.int64)


@jit
def _map(labels: HostArray, values: HostArray, out: HostArray) -> None:
    for i in range(labels.size):
        out[i] = values[labels[i]]


def mapped(labels: HostArray, values: HostArray) -> HostArray:
    """Labels replaced by the values that they number."""
    out = np.empty(labels.shape, values.dtype)
    _map(labels.reshape(-1), values, out.reshape(-1))
    return out


@dataclass(frozen=True)
class Whole:
    """The graph itself: nothing leaves it."""

    takes: str = ""

    def settle(self, basins: Basins, edges: Edges, opened: HostArray, voxels: int) -> tuple[Kept, HostArray, None]:
        """All of it."""
        return Kept(np.arange(basins.ids.size), basins, edges), _NONE, None

    def resolve(self, log: None, kept: HostArray, values: HostArray, numbers: HostArray) -> HostArray:
        """What is known."""
        return values

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """The values."""
        return mapped(labels, values.astype(dtype))


@dataclass(frozen=True)
class Minima:
    """Each regional minimum of at least a depth gets a number, from 1 in the order of first voxels; its region is cut at the passes."""

    depth: float = 0.0
    takes: str = ""

    def settle(self, basins: Basins, edges: Edges, opened: HostArray, voxels: int) -> tuple[Kept, HostArray, Homes]:
        """Regions that are finished ask for their numbers; a plateau's first voxel is the lowest of it, and names it. At +∞ nothing is deep."""
        kept, homes = part_regions(basins, edges, opened, depth=self.depth)
        finished = homes.finished[basins.bottom[homes.finished] != np.inf]
        return kept, basins.ids[finished], homes._replace(finished=finished)

    def resolve(self, log: Homes, kept: HostArray, values: HostArray, numbers: HostArray) -> HostArray:
        """The number of each basin's region."""
        found = np.zeros(log.home.size, np.int64)
        found[kept], found[log.finished] = values, numbers
        return found[log.home]

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """The numbers."""
        return mapped(labels, values.astype(dtype))


@dataclass(frozen=True)
class Markers:
    """Each marker's label grows along the lowest passes."""

    takes: str = "markers"

    def settle(self, basins: Basins, edges: Edges, opened: HostArray, voxels: int) -> tuple[Kept, HostArray, tuple[Homes, HostArray]]:
        """Markers are named by their labels beyond all voxels, and may be in several boxes: then each stands for itself."""
        kept, homes = part_regions(basins, edges, opened, marked=basins.ids > voxels)
        return kept, _NONE, (homes, np.maximum(basins.ids[homes.finished] - voxels, 0))

    def resolve(self, log: tuple[Homes, HostArray], kept: HostArray, values: HostArray, numbers: HostArray) -> HostArray:
        """The marker that each basin belongs to."""
        homes, marks = log
        found = np.zeros(homes.home.size, np.int64)
        found[kept], found[homes.finished] = values, marks
        return found[homes.home]

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """The labels."""
        return mapped(labels, values.astype(dtype))


@dataclass(frozen=True)
class Flood:
    """The lowest level at which each voxel is reached from seeds: reconstruction by erosion."""

    takes: str = "seeds"

    def settle(self, basins: Basins, edges: Edges, opened: HostArray, voxels: int) -> tuple[Kept, HostArray, Folds]:
        """What the seeds inside reach."""
        kept, folds = fold_floods(basins, edges, opened)
        return kept, _NONE, folds

    def resolve(self, log: Folds, kept: HostArray, values: HostArray, numbers: HostArray) -> HostArray:
        """The level that reaches each basin's minimum."""
        return unfold_floods(log, kept, values)

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """That level, or the voxel's own value if it is higher."""
        outside = -np.inf if dtype.kind == "f" else 0 if dtype.kind == "b" else np.iinfo(dtype).min
        level = mapped(labels, np.append(outside, values[1:]).astype(dtype))
        return np.where(block < level, level, block)  # outside, NaN stays too


@dataclass(frozen=True)
class Bottoms:
    """True in the regional minima of at least a depth."""

    depth: float
    takes: str = ""

    def settle(self, basins: Basins, edges: Edges, opened: HostArray, voxels: int) -> tuple[Kept, HostArray, tuple[Homes, HostArray]]:
        """Of regions that are finished the bottom is known; at +∞ nothing is deep."""
        kept, homes = part_regions(basins, edges, opened, depth=self.depth)
        bottom = basins.bottom[homes.finished]
        return kept, _NONE, (homes, np.where(bottom == np.inf, np.nan, bottom))

    def resolve(self, log: tuple[Homes, HostArray], kept: HostArray, values: HostArray, numbers: HostArray) -> HostArray:
        """The bottom of each basin's region, NaN where that is not deep.

        A basin of the same height that is not the elder counts: none that is lower was nearer.
        """
        homes, bottoms = log
        found = np.full(homes.home.size, np.nan)
        found[kept], found[homes.finished] = values, bottoms
        return found[homes.home]

    def voxels(self, labels: HostArray, block: HostArray, values: HostArray, dtype: Any) -> HostArray:
        """Whether a voxel is as low as the bottom of its region."""
        return (mapped(labels, values) == block) & (labels > 0)
