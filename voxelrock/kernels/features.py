"""What a classifier sees of a voxel: filters by name, at a scale in voxels, computed in slabs of a block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.kernels import convolution, ranks
from voxelrock.kernels.localthresholds import local_threshold
from voxelrock.typing import Block, HostArray, Triple

Scale = tuple[float, float, float]
Named = tuple[str, Scale]
"""The name of a filter and its scale along (z, y, x), in voxels."""

_RATIO = 1.6
"""Of the wider Gaussian to the narrower one: their difference is then close to a Laplacian. Marr & Hildreth 1980, doi:10.1098/rspb.1980.0020."""
_SLAB = 2**18
"""Voxels whose features are held at once, as long as that is a whole slice."""


@dataclass(frozen=True)
class Filter:
    """A filter as a feature: its function on a block with a halo, that halo, both with the parameters that follow from a scale, and how many values
    it gives for a voxel (more than one: along the last axis of its result)."""

    function: Callable[..., Block]
    halo: Callable[..., Triple]
    parameters: Callable[[Scale], dict[str, Any]]
    parts: int = 1


def _itself(block: Block, /) -> Block:
    return block


def _no_halo(**_: Any) -> Triple:
    return 0, 0, 0


def _difference_halo(*, sigma: Scale) -> Triple:
    return convolution.gaussian_halo(sigma=_wider(sigma))


def _wider(sigma: Scale) -> Scale:
    a, b, c = (_RATIO * s for s in sigma)
    return a, b, c


def _difference_of_gaussians(block: Block, /, *, sigma: Scale) -> Block:
    """The narrower Gaussian minus the wider one."""
    inner = [a - b for a, b in zip(_difference_halo(sigma=sigma), convolution.gaussian_halo(sigma=sigma))]
    narrow = block[tuple(slice(i, n - i) for i, n in zip(inner, block.shape))]
    return convolution.gaussian(narrow, sigma=sigma) - convolution.gaussian(block, sigma=_wider(sigma))


def _local_deviation(block: Block, /, *, size: Triple) -> Block:
    return local_threshold(block, size=size, k=-1.0, dynamic=None, base=0.0)


def _sigma(scale: Scale) -> dict[str, Any]:
    return {"sigma": scale}


def _radius(scale: Scale) -> dict[str, Any]:
    return {"radius": tuple(math.floor(s + 0.5) for s in scale)}


def _box(scale: Scale) -> dict[str, Any]:
    return {"size": tuple(2 * math.floor(s + 0.5) + 1 for s in scale)}


def _nothing(_: Scale) -> dict[str, Any]:
    return {}


FILTERS: dict[str, Filter] = {
    "value": Filter(_itself, _no_halo, _nothing),
    "gaussian": Filter(convolution.gaussian, convolution.gaussian_halo, _sigma),
    "difference_of_gaussians": Filter(_difference_of_gaussians, _difference_halo, _sigma),
    "median": Filter(ranks.median, ranks.median_halo, _radius),
    "uniform": Filter(convolution.uniform, convolution.uniform_halo, _box),
    "local_deviation": Filter(_local_deviation, convolution.uniform_halo, _box),
}
"""All filters that are features, by name. Gaussians have the scale as their standard deviation; medians reach as far as the scale, rounded to voxels, and
so do the boxes of means and deviations."""


def features_halo(*, features: tuple[Named, ...], **_: Any) -> Triple:
    """The largest halo of some features."""
    halos = [FILTERS[name].halo(**FILTERS[name].parameters(scale)) for name, scale in features]
    z, y, x = (max((h[axis] for h in halos), default=0) for axis in range(3))
    return z, y, x


def count_features(features: tuple[Named, ...]) -> int:
    """How many values they give for a voxel."""
    return sum(FILTERS[name].parts for name, _ in features)


def feature_rows(block: HostArray, features: tuple[Named, ...], first: int, last: int) -> HostArray:
    """The features (voxels, features) of some slices, as float32; the block has the halo of all features."""
    halo = features_halo(features=features)
    shape = (last - first, block.shape[1] - 2 * halo[1], block.shape[2] - 2 * halo[2])
    rows = np.empty((math.prod(shape), count_features(features)), np.float32)
    at = 0
    for name, scale in features:
        filter_ = FILTERS[name]
        parameters = filter_.parameters(scale)
        own = filter_.halo(**parameters)
        edge = [a - b for a, b in zip(halo, own)]
        part = block[edge[0] + first : edge[0] + last + 2 * own[0], edge[1] : edge[1] + shape[1] + 2 * own[1], edge[2] : edge[2] + shape[2] + 2 * own[2]]
        found = np.asarray(filter_.function(part, **parameters))
        rows[:, at : at + filter_.parts] = found.reshape(-1, filter_.parts)
        at += filter_.parts
    return rows


def slabs(depth: int, plane: int) -> Iterator[tuple[int, int]]:
    """Slices from and to, so that a slab holds few voxels."""
    thick = max(1, _SLAB // max(1, plane))
    for first in range(0, depth, thick):
        yield first, min(depth, first + thick)
