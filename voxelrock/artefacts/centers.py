"""Where the axis of rotation is: the place about which the rings of a few slices are strongest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from voxelrock.artefacts.sampling import Sample, sampled
from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import AXES, VoxelGrid
from voxelrock.image import VoxelImage
from voxelrock.kernels.classes import levels
from voxelrock.kernels.rings import ring_strength
from voxelrock.typing import HostArray

_FAR = 8
"""So many pixels about the middle of the slices the centre is looked for."""
_CLEAR = 8.0
"""By so many robust deviations the rings about the centre are stronger than those about other places; else there are none, and the middle serves."""


def center_of(image: VoxelImage, center: Any, axis: int) -> tuple[float, float]:
    """A centre that is given by name, relative to the first voxel, in the grid's unit.

    Raises
    ------
    ParameterTypeError, ParameterError
        Names are missing, or it lies farther outside than the image is wide.
    """
    grid = image.grid
    names = [a for n, a in enumerate(AXES) if n != axis]
    if hasattr(center, "_asdict"):
        center = center._asdict()
    if not isinstance(center, Mapping) or any(name not in center for name in names):
        raise ParameterTypeError(f"the centre names both axes across the slices, such as center=dict({names[0]}=…, {names[1]}=…); got {center!r}")
    a, b = (_inside(grid, name, grid.length(center[name])) for name in names)
    return a, b


def _inside(grid: VoxelGrid, name: str, place: float) -> float:
    n = AXES.index(name)
    off, width = place - grid.origin[n], grid.extent[n]
    if not (math.isfinite(off) and -width <= off <= 2 * width):
        raise ParameterError(
            f"a centre at {name} = {place:g} {grid.unit} lies farther outside than the image is wide ({grid.origin[n]:g} to "
            f"{grid.origin[n] + width:g} {grid.unit}): lengths are in the grid's unit"
        )
    return off


def found_center(image: VoxelImage, axis: int) -> tuple[float, float]:
    """The centre of the strongest rings, within eight pixels of the middle of the slices, to a quarter of a pixel; the middle where none are clear.

    Reads what an outline reads.
    """
    sample = sampled(image, AXES[axis])
    mean, known = _mean_of_solid(sample)
    pitch = [image.grid.spacing[n] for n in sample.across]
    middle = np.array([(image.shape[n] - 1) / 2 * h for n, h in zip(sample.across, pitch)])
    best = np.zeros(2)
    for step, far in ((1.0, _FAR), (0.25, 3)):
        offsets = [best + step * np.array([i, j]) for i in range(-far, far + 1) for j in range(-far, far + 1)]
        strengths = np.array([ring_strength(mean, known, middle + off * pitch, (np.array(sample.step) * pitch, min(pitch))) for off in offsets])
        usual = np.median(strengths)
        if step == 1.0 and strengths.max() <= usual + _CLEAR * 1.4826 * np.median(np.abs(strengths - usual)):
            break
        best = offsets[int(np.argmax(strengths))]
    a, b = (middle + best * pitch).tolist()
    return a, b


def _mean_of_solid(sample: Sample) -> tuple[HostArray, HostArray]:
    """The mean of the slices' bright class, and where there is any."""
    values = np.asarray(sample.slices, float)
    good = np.isfinite(values) & ~sample.missing
    table, counts = np.unique(np.round(values[good], 3), return_counts=True)
    if table.size < 2:
        return np.zeros(values.shape[1:]), np.zeros(values.shape[1:], bool)
    known = levels(counts, table)
    solid = good & (np.abs(values - known[2]) <= 3 * known[3]) & (values > known[1])
    number = solid.sum(axis=0)
    return np.where(solid, values, 0).sum(axis=0) / np.maximum(number, 1), number > 0
