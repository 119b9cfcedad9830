"""A few slices of an image, read once: enough to see what it is and where its rock ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import DataError, ParameterError
from voxelrock.geometry import AXES, VoxelGrid
from voxelrock.geometry.axes import axis_number
from voxelrock.graph.execution import compute
from voxelrock.image import VoxelImage
from voxelrock.typing import HostArray

ACROSS = 512
"""Samples along each side of a slice, at most."""

SMALL, MANY, FEW = 128 * 2**20, 17, 6
"""Images of up to so many bytes are sampled in so many slices; larger ones in few, as each may cost a layer of chunks."""

LEAST = 16
"""Voxels across the axis that an image needs for an outline."""


@dataclass(frozen=True)
class Sample:
    """Slices across an axis.

    Parameters
    ----------
    grid
        Of the image.
    axis
        The number of the axis that the slices lie across.
    positions
        The voxel of each slice along it.
    step
        Every so many voxels were read along the other two axes.
    slices
        (slice, a, b), the image's values; (a, b) are the other two axes in the order z, y, x.
    nodata
        The image's value of no data, or None.
    labels
        Whether the image says that it is a segmentation: booleans, or phases.
    """

    grid: VoxelGrid
    axis: int
    positions: tuple[int, ...]
    step: tuple[int, int]
    slices: HostArray
    nodata: float | None
    labels: bool

    @property
    def across(self) -> tuple[int, int]:
        """The two axes of a slice."""
        a, b = (n for n in range(3) if n != self.axis)
        return a, b

    @property
    def pitch(self) -> tuple[float, float]:
        """Distances between samples in a slice, in the grid's unit."""
        a, b = self.across
        return self.step[0] * self.grid.spacing[a], self.step[1] * self.grid.spacing[b]

    @property
    def along(self) -> HostArray:
        """How far each slice is from the image's first voxel."""
        return np.array(self.positions) * self.grid.spacing[self.axis]

    @property
    def missing(self) -> HostArray:
        """True where a sample is NaN or the declared value of no data."""
        absent = np.zeros(self.slices.shape, bool)
        if self.slices.dtype.kind == "f":
            absent |= np.isnan(self.slices)
        if self.nodata is not None and not math.isnan(self.nodata):
            absent |= self.slices == self.nodata
        return absent


def sampled(image: VoxelImage, axis: str, positions: Sequence[int] | None = None) -> Sample:
    """Slices spread from end to end of an axis, or those at ``positions``; computes, in one reading.

    Raises
    ------
    ParameterError
        The axis is none, or the image has no voxels.
    """
    number = axis_number(axis)
    if image.size == 0:
        raise ParameterError(f"there is nothing to look at: the image has no voxels ({image.grid})")
    labels = image.dtype.kind == "b" or bool(image.phases)
    if image.dtype.kind == "b" and image.nodata is not None:
        image = image.astype("u1")  # with a value for no data, as slices have no masks
    length = image.shape[number]
    if positions is None:
        positions = np.unique(np.linspace(0, length - 1, MANY if image.nbytes <= SMALL else FEW).round().astype(int)).tolist()
    a, b = (n for n in range(3) if n != number)
    step = -(-image.shape[a] // ACROSS), -(-image.shape[b] // ACROSS)
    whole = ((0, image.shape[a]), (0, image.shape[b]))
    slices = windows(image, number, [(p, *whole) for p in positions], step)
    return Sample(image.grid, number, tuple(positions), step, np.stack(slices), image.nodata, labels)


Window = tuple[int, tuple[int, int], tuple[int, int]]


def windows(image: VoxelImage, axis: int, wanted: Sequence[Window], step: tuple[int, int]) -> list[HostArray]:
    """Parts of slices: (position, (first, last) of each of the other two axes), every ``step``-th voxel; computes, in one reading."""
    lazy = {}
    for n, (position, first, second) in enumerate(wanted):
        index: list[Any] = [slice(*first, step[0]), slice(*second, step[1])]
        index.insert(axis, slice(position, position + 1))
        lazy[str(n)] = image[tuple(index)].data
    found = compute(lazy, label="looking at slices")
    return [np.squeeze(np.asarray(found[str(n)]), axis) for n in range(len(wanted))]


def usable(sample: Sample) -> None:
    """Raise unless a sample can have an outline.

    Raises
    ------
    ParameterError
        The image is too small.
    DataError
        No sample holds data.
    """
    sides = [sample.grid.shape[n] for n in sample.across]
    if min(sides) < LEAST:
        names = " and ".join(AXES[n] for n in sample.across)
        raise ParameterError(
            f"an outline needs at least {LEAST} voxels along {names}, across the axis {AXES[sample.axis]}; the image has {sides[0]} and {sides[1]}",
        )
    if bool(sample.missing.all()):
        what = "NaN" if sample.slices.dtype.kind == "f" and np.isnan(sample.slices).all() else f"no data ({sample.nodata})"
        raise DataError(f"no rock can be outlined: every voxel looked at is {what}; {len(sample.positions)} slices across {AXES[sample.axis]} were read")
