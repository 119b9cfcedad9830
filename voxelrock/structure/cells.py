"""The canonical table of cells: how large they are, and what their counts say of any window of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.geometry.crofton import area_weights
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.kernels import tallies as t
from voxelrock.typing import HostArray, Triple

_MOST = 2**20
"""How many cells there are at most by default: their table takes 160 MB."""


@dataclass(frozen=True)
class Cells:
    """Cells of ``edge`` voxels, aligned to the image's first; ``lengths`` are their edges in the grid's unit."""

    edge: Triple
    lengths: tuple[float, float, float]
    shape: Triple
    voxel: float
    weights: tuple[float, ...]

    @classmethod
    def of(cls, image: VoxelImage, length: float | str | None) -> Cells:
        """Cells as cubic as the spacing allows; by default of 16 of the smallest spacing, twice as many as often as there were too many cells.

        Raises
        ------
        ParameterError
            A length that is not positive, or no cell in the image.
        """
        spacing = image.grid.spacing
        wanted = _usual(image) if length is None else image.grid.length(length)
        if not (math.isfinite(wanted) and wanted > 0):
            raise ParameterError(f"the edge of a cell is positive; got {length}")
        a, b, c = (max(1, round(wanted / s)) for s in spacing)
        if any(e > n for e, n in zip((a, b, c), image.shape)):
            raise ParameterError(f"a window of {wanted:g} {image.grid.unit} is larger than the image, {image.grid.shape}: give smaller cells or windows")
        z, y, x = image.shape
        u, v, w = (e * s for e, s in zip((a, b, c), spacing))
        return cls((a, b, c), (u, v, w), (z, y, x), image.grid.voxel_volume, tuple(area_weights(spacing).tolist()))

    @property
    def length(self) -> float:
        """The edge of the cube as large as a cell."""
        return self.lengths[0] if len(set(self.lengths)) == 1 else math.cbrt(math.prod(self.lengths))

    @property
    def counts(self) -> Triple:
        """How many cells lie in the image wholly, along each axis."""
        a, b, c = (n // e for n, e in zip(self.shape, self.edge))
        return a, b, c

    def reduce(self, voxels: tuple[Any, ...], finalize: Callable[..., HostArray], shape: tuple[int, ...], **finish: Any) -> Any:
        """A lazy result of the table of cells: ``finalize(tallies, cells=…, **finish)``."""
        reduction = Reduction(t.tallies, t.join_tallies, finalize, located=True, margin=t.after)
        return reduction(*voxels, edge=self.edge, shape=shape, dtype="f8", finish={"cells": self, **finish})

    def complete(self, found: list[t.Tallies]) -> HostArray:
        """The counts of the cells that lie in the image wholly."""
        return found[0].counts[tuple(slice(n) for n in self.counts)]

    def measures(self, sums: HostArray) -> HostArray:
        """Porosity, specific surface per bulk and Euler density (6 neighbours) of windows from their counts; NaN where nothing exists."""
        with np.errstate(divide="ignore", invalid="ignore"):
            corners = sums[..., t.CORNERS] * self.voxel
            return np.stack(
                [
                    sums[..., t.PHASE] / sums[..., t.BULK],
                    sums[..., t.AREA] @ np.array(self.weights) / 4 / corners,
                    sums[..., t.EULER_6] / 8 / corners,
                ],
                axis=-1,
            )


def _usual(image: VoxelImage) -> float:
    edge = 16 * min(image.grid.spacing)
    while math.prod(math.ceil(e / edge) for e in image.grid.extent) > _MOST:
        edge *= 2
    return edge


PROPERTIES = {"porosity": "1", "specific_surface": "{unit}-1", "euler_density": "{unit}-3"}
"""What windows are measured for, and its unit."""
