"""Two images in memory, coarse to fine: what a registration looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage as ndi

from voxelrock import options
from voxelrock.errors import DataError, ParameterError
from voxelrock.geometry import VoxelGrid
from voxelrock.image import VoxelImage
from voxelrock.typing import HostArray, Triple

_BYTES = 16
"""What a registration holds for each voxel of its finest level, of both images: values, smoothed values, masks."""
_SMALLEST = 8
"""Voxels along an axis below which nothing can be aligned."""
_COARSEST = 24
"""Voxels along the shortest axis of the coarsest level, or more."""
_BLUR = 1.0
"""Standard deviation of the Gaussian at each level, in its voxels: it takes the noise that interpolation would turn into a pattern."""


@dataclass(frozen=True, eq=False)
class Volume:
    """One image at one level: its values in float32 (where they are not known, the mean), which of them are known, and where they are."""

    values: HostArray
    known: HostArray
    grid: VoxelGrid

    def halved(self, factor: Triple) -> Volume:
        """The mean of known voxels in blocks of 1 or 2 along each axis; known where half of them are."""
        grid = self.grid.coarsen(factor)
        shape = tuple(v for n, f in zip(grid.shape, factor) for v in (n, f))
        cut = tuple(slice(0, n * f) for n, f in zip(grid.shape, factor))
        known = self.known[cut].reshape(shape)
        count = known.sum(axis=(1, 3, 5))
        total = np.where(known, self.values[cut].reshape(shape), 0).sum(axis=(1, 3, 5), dtype="f8")
        values = np.where(count > 0, total / np.maximum(count, 1), self.values.mean(dtype="f8")).astype("f4")
        return Volume(values, 2 * count >= math.prod(factor), grid)

    def smoothed(self) -> Volume:
        """Smoothed by one voxel; known no longer where that mixed in what lies beyond, unless little else is left."""
        inner = ndi.binary_erosion(self.known, iterations=2)
        known = inner if 3 * np.count_nonzero(inner) >= np.count_nonzero(self.known) else self.known
        return Volume(ndi.gaussian_filter(self.values, _BLUR, mode="nearest"), known, self.grid)


@dataclass(frozen=True, eq=False)
class Level:
    """Both images at one level; ``step`` is about the distance between voxels."""

    fixed: Volume
    moving: Volume
    step: float


def factors(grid: VoxelGrid, step: float) -> Triple:
    """Powers of two that bring the spacing near a step, as long as the image stays large enough to be aligned."""
    found = []
    for n, spacing in zip(grid.shape, grid.spacing):
        power = max(0, round(math.log2(step / spacing)))
        while power and n >> power < _SMALLEST:
            power -= 1
        found.append(1 << power)
    return found[0], found[1], found[2]


def finest(fixed: VoxelGrid, moving: VoxelGrid) -> float:
    """The step of the finest level that fits in ``options.memory``."""
    step = min(*fixed.spacing, *moving.spacing)
    while True:
        voxels = sum(math.prod(grid.coarsen(factors(grid, step)).shape) for grid in (fixed, moving))
        if voxels * _BYTES <= options.get().memory or voxels <= 2 * 32**3:
            return step
        step *= 2


def pyramid(fixed: VoxelImage, moving: VoxelImage, where: Any) -> list[Level]:
    """The levels from coarse to fine, each smoothed; both images are read once, where the finest level is coarse block by block.

    Raises
    ------
    ParameterError, DataError
        An image is too thin, holds no data where it is used, is constant there, or holds NaN that is not declared as no data.
    """
    for name, image in (("fixed", fixed), ("moving", moving)):
        if min(image.shape) < _SMALLEST:
            raise ParameterError(f"registration needs at least {_SMALLEST} voxels along each axis; the {name} image has {tuple(image.shape)}")
    step = finest(fixed.grid, moving.grid)
    levels = [Level(_volume(fixed, step, where, "fixed"), _volume(moving, step, None, "moving"), step)]
    while min(levels[0].fixed.values.shape + levels[0].moving.values.shape) >= 2 * _COARSEST:
        last = levels[0]
        coarse = [volume.halved(_ratio(volume.grid, 2 * last.step)) for volume in (last.fixed, last.moving)]
        levels.insert(0, Level(coarse[0], coarse[1], 2 * last.step))
    return [Level(level.fixed.smoothed(), level.moving.smoothed(), level.step) for level in levels]


def _ratio(grid: VoxelGrid, step: float) -> Triple:
    a, b, c = (min(2, f) for f in factors(grid, step))
    return a, b, c


def _volume(image: VoxelImage, step: float, where: Any, name: str) -> Volume:
    factor = factors(image.grid, step)
    coarse = image.coarsen(factor)
    values = np.asarray(coarse.compute(), dtype="f4")
    known = np.isfinite(values)
    if image.nodata is None and not known.all():
        raise DataError(f"the {name} image holds NaN or infinite values: say that they are no data with assign(nodata=…), or replace them")
    if where is not None:
        used = VoxelImage(image.restriction(where), image.grid).coarsen(factor, how="fraction")
        known &= np.asarray(used.compute()) >= 0.5
    seen = values[known]
    if seen.size < _SMALLEST**3:
        raise DataError(f"the {name} image holds data in {seen.size} voxels of a level, too few to be aligned: widen where=, or check its no-data value")
    if seen.min() == seen.max():
        raise DataError(f"the {name} image is constant ({seen[0]:g}) where it is used: nothing in it can be aligned")
    values[~np.isfinite(values)] = seen.mean(dtype="f8")
    return Volume(values, known, coarse.grid)
