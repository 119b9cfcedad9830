"""What a classifier sees of a voxel: filters by name, at a scale in voxels, computed in slabs of a block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.kernels import convolution, derivatives, ranks
from voxelrock.kernels.eigenvalues import eigenvalues
from voxelrock.kernels.localthresholds import local_threshold
from voxelrock.typing import Block, HostArray, Triple

Scale = tuple[float, float, float]
Named = tuple[str, Scale, Scale]
"""The name of a filter, its scale along (z, y, x) in voxels, and the voxels' edges: derivatives are per length."""

_RATIO = 1.6
"""Of the wider Gaussian to the narrower one: their difference is then close to a Laplacian. Marr & Hildreth 1980, doi:10.1098/rspb.1980.0020."""
_TRUNCATE = 4.0
_SMOOTH: tuple[Triple, ...] = ((0, 0, 0),)
_SLAB = 2**18
"""Voxels whose features are held at once, as long as that is a whole slice."""


@dataclass(frozen=True)
class Filter:
    """A filter as a feature: its function on a block with a halo, and that halo, both with the parameters that follow from a scale."""

    function: Callable[..., Block]
    halo: Callable[..., Triple]
    parameters: Callable[[Scale], dict[str, Any]]
    parts: int = 1


@dataclass(frozen=True)
class Derived:
    """A feature that is made of derivatives of the block smoothed at its scale, which all features of that scale share: their orders, what it makes of
    them and of the inverse of the voxels' edges, and how many values it gives for a voxel (more than one: along the first axis)."""

    orders: tuple[Triple, ...]
    function: Callable[[Sequence[HostArray], Scale], Block]
    parts: int = 1
    parameters: Callable[[Scale], dict[str, Any]] = lambda scale: {"sigma": scale}
    halo: Callable[..., Triple] = convolution.gaussian_halo


@dataclass(frozen=True)
class Tensor:
    """The eigenvalues of the structure tensor as a feature: products of the gradient at its scale, averaged over half of it."""

    parts: int = 3
    parameters: Callable[[Scale], dict[str, Any]] = lambda scale: {"sigma": scale, "integration": _half(scale)}
    halo: Callable[..., Triple] = derivatives.tensor_halo


def _half(scale: Scale) -> Scale:
    z, y, x = scale
    return z / 2, y / 2, x / 2


def _first(parts: Sequence[HostArray], _: Scale) -> Block:
    return parts[0]


def _hessian(parts: Sequence[HostArray], scales: Scale) -> Block:
    return eigenvalues(parts, factors=derivatives.second_factors(scales))


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


FILTERS: dict[str, Filter | Derived | Tensor] = {
    "value": Filter(_itself, _no_halo, _nothing),
    "gaussian": Derived(_SMOOTH, _first),
    "difference_of_gaussians": Filter(_difference_of_gaussians, _difference_halo, _sigma),
    "median": Filter(ranks.median, ranks.median_halo, _radius),
    "uniform": Filter(convolution.uniform, convolution.uniform_halo, _box),
    "local_deviation": Filter(_local_deviation, convolution.uniform_halo, _box),
    "gradient_magnitude": Derived(derivatives.GRADIENT, derivatives.length_of),
    "laplacian_of_gaussian": Derived(derivatives.PURE, derivatives.sum_of),
    "hessian_eigenvalues": Derived(derivatives.SECOND, _hessian, parts=3),
    "structure_tensor_eigenvalues": Tensor(),
}
"""All filters that are features, by name. Gaussians have the scale as their standard deviation; medians reach as far as the scale, rounded to voxels, and
so do the boxes of means and deviations."""


def needs_slope(name: str) -> bool:
    """Whether a feature is made of derivatives, for which its scale must reach a voxel along every axis."""
    found = FILTERS[name]
    return isinstance(found, Tensor) or (isinstance(found, Derived) and any(map(any, found.orders)))


def _halo(name: str, scale: Scale) -> Triple:
    return FILTERS[name].halo(**FILTERS[name].parameters(scale))


def features_halo(*, features: tuple[Named, ...], **_: Any) -> Triple:
    """The largest halo of some features."""
    halos = [_halo(name, scale) for name, scale, _ in features]
    z, y, x = (max((h[axis] for h in halos), default=0) for axis in range(3))
    return z, y, x


def count_features(names: Sequence[str]) -> int:
    """How many values filters give for a voxel."""
    return sum(FILTERS[name].parts for name in names)


class FeatureReader:
    """The features of a block that has the halo of all of them, slab by slab; slabs that follow one another share the products of gradients."""

    def __init__(self, block: HostArray, features: tuple[Named, ...]) -> None:
        self._block, self._reach = block, features_halo(features=features)
        self._products: dict[Scale, tuple[int, HostArray]] = {}
        self._places: dict[Scale, list[tuple[int, str]]] = {}
        self._per: Scale = (1.0, 1.0, 1.0)
        self.parts = 0
        for name, scale, (z, y, x) in features:
            self._per = 1 / z, 1 / y, 1 / x
            self._places.setdefault(scale, []).append((self.parts, name))
            self.parts += FILTERS[name].parts

    def rows(self, first: int, last: int) -> HostArray:
        """The features (voxels, features) of some slices, as float32."""
        shape = [n - 2 * r for n, r in zip(self._block.shape, self._reach)]
        rows = np.empty(((last - first) * shape[1] * shape[2], self.parts), np.float32)
        for scale, places in self._places.items():
            shared = self._derivatives(first, last, scale, [name for _, name in places])
            for at, name in places:
                filter_ = FILTERS[name]
                if isinstance(filter_, Filter):
                    parameters = filter_.parameters(scale)
                    found = filter_.function(self._part(first, last, filter_.halo(**parameters)), **parameters)
                elif isinstance(filter_, Derived):
                    found = filter_.function([shared[order] for order in filter_.orders], self._per)
                else:
                    found = self._tensor(first, last, scale)
                rows[:, at : at + filter_.parts] = np.asarray(found).reshape(filter_.parts, -1).T
        return rows

    def _part(self, first: int, last: int, halo: Triple) -> HostArray:
        """The block around some slices, with a halo that is smaller than its own."""
        edge = [a - b for a, b in zip(self._reach, halo)]
        return self._block[edge[0] + first : edge[0] + last + 2 * halo[0], edge[1] : self._block.shape[1] - edge[1], edge[2] : self._block.shape[2] - edge[2]]

    def _derivatives(self, first: int, last: int, scale: Scale, names: list[str]) -> dict[Triple, HostArray]:
        """All derivatives that features of a scale are made of, by their orders."""
        wanted = [FILTERS[name] for name in names]
        orders = tuple(dict.fromkeys(order for one in wanted if isinstance(one, Derived) for order in one.orders))
        if not orders:
            return {}
        part = self._part(first, last, convolution.gaussian_halo(sigma=scale))
        if orders == _SMOOTH:
            return {_SMOOTH[0]: convolution.gaussian(part, sigma=scale)}
        return dict(zip(orders, derivatives.derivatives(part, scale, _TRUNCATE, orders)))

    def _tensor(self, first: int, last: int, scale: Scale) -> HostArray:
        width = _half(scale)
        margin = 2 * convolution.gaussian_halo(sigma=width)[0]
        begin, held = self._products.get(scale, (0, np.empty((6, 0, 0, 0), np.float32)))
        end = begin + held.shape[1]
        if begin <= first < end <= last + margin:
            held = (
                np.concatenate([held[:, first - begin :], self._slopes(end, last + margin, scale)], axis=1) if end < last + margin else held[:, first - begin :]
            )
        else:
            held = self._slopes(first, last + margin, scale)
        self._products[scale] = first, held
        return eigenvalues([convolution.gaussian(product, sigma=width) for product in held], factors=(1.0,) * 6)

    def _slopes(self, first: int, last: int, scale: Scale) -> HostArray:
        """Products of the gradient's components on slices that are counted from the first one of the halo over which they are averaged."""
        inner, outer = convolution.gaussian_halo(sigma=_half(scale)), convolution.gaussian_halo(sigma=scale)
        wide = self._part(first, last - 2 * inner[0], (inner[0] + outer[0], inner[1] + outer[1], inner[2] + outer[2]))
        return np.stack(derivatives.products_of(derivatives.derivatives(wide, scale, _TRUNCATE, derivatives.GRADIENT), self._per))


def slabs(depth: int, plane: int) -> Iterator[tuple[int, int]]:
    """Slices from and to, so that a slab holds few voxels."""
    thick = max(1, _SLAB // max(1, plane))
    for first in range(0, depth, thick):
        yield first, min(depth, first + thick)
