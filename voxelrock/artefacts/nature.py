"""What an image is: grey or segmented, padded or not, in air or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxelrock.artefacts.outline import Outline, outlined
from voxelrock.artefacts.sampling import LEAST, Sample, sampled
from voxelrock.artefacts.surroundings import segmented
from voxelrock.image import VoxelImage


@dataclass(frozen=True)
class Nature:
    """What an image is, as far as a few slices show.

    Parameters
    ----------
    kind
        ``"grey"``; ``"segmented"`` (booleans, labels with phases, or up to 16 values without noise); ``"empty"`` (no voxel looked at
        holds data, or all have one value).
    values
        How many different values the sample has, no data apart.
    outline
        Where the rock is; None for an empty image, and for one of fewer than 16 voxels across the axis.
    """

    kind: str
    values: int
    outline: Outline | None = None

    @property
    def padded(self) -> bool:
        """Whether a constant surrounds the field of view."""
        return self.outline is not None and self.outline.padding is not None

    @property
    def in_air(self) -> bool:
        """Whether air surrounds the rock."""
        return self.outline is not None and self.outline.air

    def describe(self) -> str:
        """What was found, in one plain sentence.

        Examples
        --------
        >>> Nature("empty", 1).describe()
        'an empty image: every voxel looked at has one value'
        """
        if self.kind == "empty":
            return "an empty image: " + ("every voxel looked at has one value" if self.values else "no voxel looked at holds data")
        what = f"a segmented image of {self.values} labels" if self.kind == "segmented" else f"a grey image ({self.values} values in the sample)"
        return what if self.outline is None else f"{what}; {self.outline.describe()}"


def nature(image: VoxelImage, /, *, axis: str = "z", margin: float | str | None = None) -> Nature:
    """Say what an image is, and where its rock lies; computes, from a few slices.

    Parameters
    ----------
    image
        Any image.
    axis, margin
        As in :func:`outline`, which is done in the same reading.

    Returns
    -------
    Nature
        Its ``kind``, the number of its values, and its ``outline``.

    Raises
    ------
    ParameterError, UnitError
        The axis is none, the image has no voxels, or the margin is no length.

    Notes
    -----
    Reads what :func:`outline` reads, once for both. Memory: under 200 MB for any size.

    Examples
    --------
    >>> import voxelrock as vr
    >>> nature(vr.from_function(lambda z, y, x: (x // 8 + y // 8) % 2, shape=64, dtype="u1")).kind
    'segmented'
    """
    sample = sampled(image, axis)
    values = _values(sample)
    if values < 2:
        return Nature("empty", values)
    kind = "segmented" if segmented(sample) else "grey"
    if min(image.shape[n] for n in sample.across) < LEAST:
        return Nature(kind, values)
    return Nature(kind, values, outlined(image, sample, margin))


def _values(sample: Sample) -> int:
    """How many different values the sample has."""
    return len(np.unique(sample.slices[~sample.missing]))
