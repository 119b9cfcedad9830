"""Bounds of distances from a coarse survey: which cells of an image hold sites, how far each cell needs to look, and where.

A cell is a cube of voxels on one lattice for the whole image. Between two cells no distance is less than that of their nearest
faces, and none more than that of their farthest voxels; so a cell with a site is an upper bound for all others, and of the cells
with sites only those count that lie nearer than this bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.distances import LANES, Weights, lowest
from voxelrock.typing import Block, HostArray, Triple

ABSENT, SOLID, PORE = 0, 1, 2
"""What a voxel can be: outside of what exists, False, True."""
_MOST_CELLS = 2**24
_SLACK, _ROUGH = 1 + 1e-9, 1 + 1e-5  # bounds are floats (float32 the second); a bound may be too large


def edge_of(shape: Triple) -> int:
    """The edge of a cell in voxels: 4, or the next multiple of it that leaves at most sixteen million cells."""
    edge = 4
    while math.prod(-(-n // edge) for n in shape) > _MOST_CELLS:
        edge += 4
    return edge


def cells_of(box: VoxelBox, edge: int) -> VoxelBox:
    """The cells that share voxels with a box."""
    a, b, c = (n // edge for n in box.start)
    d, e, f = (-(-n // edge) for n in box.stop)
    return VoxelBox((a, b, c), (d, e, f))


@kernel(cost=0.6, workspace=0.1, host_only="it reads boxes that the data name, and searches them row by row")
def surveyed(block: Block, /, *, start: Triple, shape: Triple, edge: int) -> list[tuple[Triple, HostArray]]:
    """Which of the codes 0, 1, 2 occur in each cell, as bits 1, 2, 4. It runs on the host: a device's block is copied."""
    box = VoxelBox(start, tuple(a + n for a, n in zip(start, shape)))  # type: ignore[arg-type]
    cells = cells_of(box, edge)
    found = np.zeros(cells.shape, np.uint8)
    _occurring(np.ascontiguousarray(to_host(block)), np.array(start) - np.array(cells.start) * edge, edge, found)
    return [(cells.start, found)]


@jit
def _occurring(block: HostArray, offset: HostArray, edge: int, found: HostArray) -> None:
    depth, height, width = block.shape
    row = np.zeros(width, np.uint8)
    for z in range(depth):
        for y in range(height):
            if y == 0 or (y + offset[1]) % edge == 0:
                row[:] = 0
            for x in range(width):
                row[x] |= np.uint8(1) << block[z, y, x]
            if y == height - 1 or (y + 1 + offset[1]) % edge == 0:
                cells = found[(z + offset[0]) // edge, (y + offset[1]) // edge]
                for x in range(width):
                    cells[(x + offset[2]) // edge] |= row[x]


def join_surveys(partials: list[list[tuple[Triple, HostArray]]]) -> list[tuple[Triple, HostArray]]:
    """The parts of several blocks, side by side."""
    return [part for partial in partials for part in partial]


@dataclass(frozen=True, eq=False)
class Bounds:
    """For every cell: the square that no distance in it exceeds (infinite without any site, -1 where none is asked for), and whether it
    can hold a nearest site."""

    edge: int
    shape: Triple
    weights: Weights
    bound: HostArray
    useful: HostArray

    @classmethod
    def of(cls, found: HostArray, shape: Triple, edge: int, metric: tuple[Weights, bool, bool]) -> Bounds:
        """From which codes occur in each cell; ``metric`` holds the weights, whether what does not exist counts as a site, and whether the
        sites are the pores."""
        weights, solid, flipped = metric
        sites = 4 if flipped else 3 if solid else 2
        some, all_ = (found & sites) != 0, (found & ~np.uint8(sites)) == 0
        bound = _farthest_site(some, edge, weights)
        if solid and not flipped:
            bound = np.minimum(bound, _to_frame(shape, found.shape, edge, weights))
        bound[(found & (2 if flipped else 4)) == 0] = -1
        return cls(edge, shape, weights, np.nextafter((bound * _SLACK).astype("f4"), np.float32(np.inf)), some & ~_buried(all_))

    def of_box(self, box: VoxelBox) -> float:
        """The square that no distance in a box exceeds; negative where none is asked for."""
        return float(self.bound[cells_of(box, self.edge).slices].max(initial=-1))

    def candidates(self, box: VoxelBox) -> tuple[VoxelBox, HostArray]:
        """The cells that may hold the nearest site of a voxel of the box: a window of cells, and which of it."""
        limit, inner = self.of_box(box), cells_of(box, self.edge)
        whole = VoxelBox.whole(self.bound.shape)
        if limit < 0 or not math.isfinite(limit):
            return VoxelBox(inner.start, inner.start), np.zeros((0, 0, 0), np.bool_)
        z, y, x = (int(math.sqrt(limit / w) / self.edge) + 2 for w in self.weights)
        window = inner.expand((z, y, x)) & whole
        own = self.bound[inner.slices]
        short = np.where(own < 0, np.float32(np.inf), np.float32(limit) - own)  # by how much a cell's own bound is less than the largest
        for axis, weight in enumerate(self.weights):
            length = window.shape[axis]
            gaps = np.maximum(0, (np.arange(length + 1) - 1) * self.edge + 1.0)
            gaps[0] = 0
            short = _lowest_along(short, weight * gaps**2, axis, (inner.start[axis] - window.start[axis], length))
        return window, self.useful[window.slices] & (short <= limit * _ROUGH)


def _farthest_site(some: HostArray, edge: int, weights: Weights) -> HostArray:
    """For every cell, the least of the largest squares between its voxels and those of a cell with a site."""
    bound = np.where(some, 0.0, np.inf)
    for axis, weight in enumerate(weights):
        spans = (np.arange(some.shape[axis] + 1) + 1.0) * edge - 1
        costs = weight * spans**2
        bound = _lowest_along(bound, costs - costs[0], axis, (0, some.shape[axis]))
        bound += costs[0]
    return bound


def _to_frame(shape: Triple, cells: tuple[int, ...], edge: int, weights: Weights) -> HostArray:
    """For every cell, the largest square of a distance to the nearest voxel outside the image."""
    bound = np.full(cells, np.inf)
    for axis, (n, count, weight) in enumerate(zip(shape, cells, weights)):
        low = np.arange(count) * edge
        steps = np.minimum(np.minimum(low + edge, n), n - low).astype("f8")
        bound = np.minimum(bound, (weight * steps**2).reshape([-1 if a == axis else 1 for a in range(3)]))
    return bound


def _buried(full: HostArray) -> HostArray:
    """Cells full of sites between cells full of sites: every way out of them leads over a nearer site."""
    buried = full.copy()
    for axis in range(3):
        before, after = np.moveaxis(buried, axis, 0), np.moveaxis(full, axis, 0)
        before[1:] &= after[:-1]
        before[:-1] &= after[1:]
    return buried


def _lowest_along(values: HostArray, costs: HostArray, axis: int, span: tuple[int, int]) -> HostArray:
    """The lowest of the values along an axis plus the cost of the steps there, for the places of a span: the place of the first value
    in it, and its length."""
    first, length = span
    lines = np.moveaxis(values, axis, 0)
    count, flat = lines.shape[0], lines.reshape(lines.shape[0], -1)
    out = np.empty((length, flat.shape[1]), values.dtype)
    strip, found = np.full((length, LANES), np.inf, values.dtype), np.empty((length, LANES), values.dtype)
    for start in range(0, flat.shape[1], LANES):
        part = flat[:, start : start + LANES]
        strip[first : first + count, : part.shape[1]] = part
        strip[:, part.shape[1] :] = 0
        lowest(strip, 0, costs.astype(values.dtype), found)
        out[:, start : start + LANES] = found[:, : part.shape[1]]
    return np.moveaxis(out.reshape(length, *lines.shape[1:]), 0, axis)
