"""Which pairs of voxels a correlation looks at: directions, how many steps along each, and how many such pairs there are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.geometry import Tiling
from voxelrock.geometry.axes import AXES
from voxelrock.geometry.crofton import DIRECTIONS
from voxelrock.geometry.crofton import steps as step_lengths
from voxelrock.graph.arrays import retiled, tiling_of
from voxelrock.image import VoxelImage
from voxelrock.typing import HostArray, Triple

_NAMED = {" ".join(map(str, d)): d for d in DIRECTIONS} | dict(zip(AXES, DIRECTIONS))
_LARGE = 200
"""Voxels along a block from which on its shape is left as it is."""
_SETS = {"axes": DIRECTIONS[:3], "diagonals": DIRECTIONS[3:], "all": DIRECTIONS}


@dataclass(frozen=True)
class Steps:
    """Directions (z, y, x), and how many steps along each stay within the longest lag."""

    directions: tuple[Triple, ...]
    counts: tuple[int, ...]
    lengths: tuple[float, ...]

    @classmethod
    def of(cls, image: VoxelImage, lag: Any, directions: Any) -> Steps:
        """From a lag and names of directions.

        Raises
        ------
        ParameterError
            An unknown direction, or a lag that is not shorter than the image.
        """
        chosen = _chosen(directions)
        longest = checked_lag(image, lag)
        all_lengths = dict(zip(DIRECTIONS, step_lengths(image.grid.spacing).tolist()))
        lengths = tuple(all_lengths[d] for d in chosen)
        counts = tuple(int(longest / length * (1 + 1e-9)) for length in lengths)
        for direction, count in zip(chosen, counts):
            if any(d and count >= n for d, n in zip(direction, image.shape)):
                raise ParameterError(f"a lag of {lag} ({count} steps along {_name(direction)}) leaves no pair of voxels in an image of {image.grid.shape}")
        return cls(chosen, counts, lengths)

    @property
    def coordinates(self) -> dict[str, Any]:
        """The coordinates of a result over directions and steps."""
        n = max(self.counts) + 1
        return {"direction": [_name(d) for d in self.directions], "step": np.arange(n)}

    def lags(self) -> HostArray:
        """The length of each step along each direction; NaN beyond the longest lag."""
        n = np.arange(max(self.counts) + 1)
        return np.where(n <= np.array(self.counts)[:, None], n * np.array(self.lengths)[:, None], np.nan)

    def pairs(self, shape: Iterable[int], *, periodic: bool) -> HostArray:
        """How many pairs of voxels an image has at each step; NaN beyond the longest lag."""
        n = np.arange(max(self.counts) + 1)
        found = np.ones((len(self.directions), n.size))
        for axis, length in enumerate(shape):
            found *= length if periodic else np.maximum(0, length - n * np.abs(np.array(self.directions))[:, axis, None])
        return np.where(np.isfinite(self.lags()), found, np.nan)


def _name(direction: Triple) -> str:
    return AXES[direction.index(1)] if sum(map(abs, direction)) == 1 else " ".join(map(str, direction))


def _chosen(directions: Any) -> tuple[Triple, ...]:
    if isinstance(directions, str):
        found = _SETS.get(directions) or ((_NAMED[directions],) if directions in _NAMED else ())
    else:
        found = tuple(_NAMED[d] for d in directions) if all(d in _NAMED for d in directions) else ()
    if not found:
        raise ParameterError(
            f"directions are 'axes', 'diagonals' or 'all' of the 13, or names of them such as ['z', '0 1 -1'] (steps along z, y and x); got {directions!r}"
        )
    return tuple(found)


def checked_lag(image: VoxelImage, lag: Any) -> float:
    """The longest lag as a number in the grid's unit.

    Raises
    ------
    ParameterError
        It is negative or not finite.
    """
    length = image.grid.length(lag)
    if not (math.isfinite(length) and length >= 0):
        raise ParameterError(f"a lag is finite and not negative; got {lag}")
    return length


def lag_box(image: VoxelImage, lag: Any) -> Triple:
    """How many voxels a lag reaches along each axis.

    Raises
    ------
    ParameterError
        It reaches beyond the image.
    """
    longest = checked_lag(image, lag)
    a, b, c = (int(longest / s * (1 + 1e-9)) for s in image.grid.spacing)
    if any(r >= n for r, n in zip((a, b, c), image.shape)):
        raise ParameterError(f"a lag of {lag} reaches beyond an image of {image.grid.shape}: it is at most {shortest(image):g} {image.grid.unit}")
    return a, b, c


def shortest(image: VoxelImage) -> float:
    """The longest lag that leaves pairs of voxels along every axis."""
    return min((n - 1) * s for n, s in zip(image.shape, image.grid.spacing))


def in_large_blocks(voxels: tuple[Any, ...], periodic: bool) -> tuple[Any, ...]:
    """The images in blocks for Fourier transforms: with small blocks most of the work would go into what lies around them."""
    if periodic:
        return in_one_block(voxels, periodic)
    return tuple(retiled(v, Tiling.compute(v.shape)) if max(tiling_of(v).typical()) < _LARGE else v for v in voxels)


def in_one_block(voxels: tuple[Any, ...], periodic: bool) -> tuple[Any, ...]:
    """The images as single blocks, where they continue with their other ends; else as they are."""
    return tuple(retiled(v, Tiling.regular(v.shape, v.shape)) for v in voxels) if periodic else voxels


def offsets(lag: Triple) -> list[HostArray]:
    """All steps along each axis, from -lag to lag."""
    return [np.arange(-n, n + 1) for n in lag]
