"""A bank of features as a value: which filters, at which scales."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.image import VoxelImage
from voxelrock.kernels.convolution import gaussian_halo
from voxelrock.kernels.features import FILTERS, Named, count_features, needs_slope
from voxelrock.parameters import real, several
from voxelrock.typing import Json

_MULTISCALE = ("gaussian", "gradient_magnitude", "laplacian_of_gaussian", "hessian_eigenvalues")
_SCALES = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Feature:
    """One filter of a :class:`FeatureBank`: its name, and its scale as a length (a number in the grid's unit, or text) or in voxels."""

    name: str
    scale: float | str | None = None
    scale_vx: float | None = None

    def __post_init__(self) -> None:
        if self.name not in FILTERS:
            raise ParameterError(f"there is no feature {self.name!r}; there are {', '.join(FILTERS)}")
        if self.name == "value":
            if self.scale is not None or self.scale_vx is not None:
                raise ParameterError("the feature 'value' is the voxel itself: it has no scale")
            return
        if (self.scale is None) == (self.scale_vx is None):
            raise ParameterError(f"give the feature {self.name!r} either scale= (a length) or scale_vx= (voxels)")
        if self.scale_vx is not None:
            object.__setattr__(self, "scale_vx", real(self.scale_vx, "scale_vx"))
        elif not isinstance(self.scale, str):
            object.__setattr__(self, "scale", real(self.scale, "scale"))

    def bound(self, grid: VoxelGrid) -> Named:
        """The feature on a grid: its scale in voxels along (z, y, x), a bare number in the grid's unit, and the edges of voxels."""
        z, y, x = (float(edge) for edge in grid.spacing)
        if self.name == "value":
            return self.name, (0.0, 0.0, 0.0), (z, y, x)
        sides = ZYX.of(self.scale_vx) if self.scale is None else grid.to_voxels(self.scale)
        a, b, c = (float(side) for side in sides)
        given = self.scale_vx if self.scale is None else self.scale
        if not all(0 < side < 1000 for side in (a, b, c)):
            raise ParameterError(f"the scale of a feature is positive, and less than 1000 voxels; got {given}")
        if needs_slope(self.name) and not all(gaussian_halo(sigma=(a, b, c))):
            raise ParameterError(f"the derivatives of {self.name!r} need a scale that reaches a voxel along every axis; {given} is {(a, b, c)} voxels")
        return self.name, (a, b, c), (z, y, x)

    def __str__(self) -> str:
        return self.name + ("" if self.name == "value" else f" {self.scale_vx:g} vx" if self.scale is None else f" {self.scale}")


@dataclass(frozen=True)
class FeatureBank:
    """The features by which a classifier knows a voxel: filters by name, each at a scale.

    ``"value"`` is the voxel itself; ``"gaussian"`` and ``"difference_of_gaussians"`` (less one 1.6 times as wide) have the scale as their standard
    deviation; ``"median"``, ``"uniform"`` (the mean) and ``"local_deviation"`` (the standard deviation) look at boxes that reach as far as the scale,
    rounded to voxels. ``"gradient_magnitude"``, ``"laplacian_of_gaussian"``, ``"hessian_eigenvalues"`` and ``"structure_tensor_eigenvalues"`` are those of
    :mod:`voxelrock.filters` with the scale as ``sigma`` (and half of it as ``integration``), per length, so that they are the same along all axes where
    voxels are not cubes; eigenvalues count as three features each. Features of one scale share their Gaussians.

    Parameters
    ----------
    features
        What :class:`Feature` takes: ``("gaussian", "8 um")`` with a length, ``dict(name="gaussian", scale_vx=2)``, or a name alone.

    Examples
    --------
    >>> import voxelrock as vr
    >>> bank = vr.segmentation.FeatureBank(["value", ("gaussian", "8 um"), {"name": "median", "scale_vx": 1}])
    >>> bank.names
    ['value', 'gaussian 8 um', 'median 1 vx']
    """

    features: Sequence[Any]

    def __post_init__(self) -> None:
        if not isinstance(self.features, Iterable):
            raise ParameterTypeError(f"a bank is a list of features, such as ['value', ('gaussian', '8 um')]; got {self.features!r}")
        made = tuple(_feature(one) for one in ([self.features] if isinstance(self.features, str) else self.features))
        if not made:
            raise ParameterError("a bank holds at least one feature")
        if len(set(made)) < len(made):
            raise ParameterError(f"a bank holds each feature once; got {', '.join(map(str, made))}")
        object.__setattr__(self, "features", made)

    def __repr__(self) -> str:
        return f"<FeatureBank: {', '.join(map(str, self.features))}>"

    @classmethod
    def multiscale(cls, *, scale: Iterable[Any] | None = None, scale_vx: Iterable[float] | None = None, of: Sequence[str] = _MULTISCALE) -> FeatureBank:
        """The voxel itself, and each filter at each scale: intensity, edges, blobs, sheets and fibres at 1, 2, 4 and 8 voxels, unless others are given.

        A bank of scales in voxels looks at other lengths in a scan of other voxels; one of lengths looks at the same.
        """
        if scale is not None and scale_vx is not None:
            raise ParameterError("give either scale= (lengths) or scale_vx= (voxels)")
        if scale is None:
            scale_vx = _SCALES if scale_vx is None else scale_vx
            return cls(["value", *(Feature(name, scale_vx=float(s)) for name in of for s in several(scale_vx, "scale_vx"))])
        lengths = [scale] if isinstance(scale, str | float | int) else list(scale)
        return cls(["value", *(Feature(name, scale=s) for name in of for s in lengths)])

    @property
    def names(self) -> list[str]:
        """The features in words, in their order."""
        return [str(feature) for feature in self.features]

    @property
    def size(self) -> int:
        """How many values there are for a voxel."""
        return count_features([feature.name for feature in self.features])

    def bound(self, image: VoxelImage, grid: VoxelGrid | None = None) -> tuple[Named, ...]:
        """The features of an image on its grid, or on another one with the same voxels in another unit.

        Raises
        ------
        ParameterError
            The image has voxels without data, which filters would mix into their neighbours.
        """
        if image.nodata is not None:
            raise ParameterError(
                "features would mix what holds no data into its neighbours; give those voxels a value first, image.where(image.valid, other=…)"
                ".assign(nodata=None), and leave them out with where=image.valid"
            )
        if image.dtype.kind not in "biuf":
            raise ParameterError(f"features are of booleans, integers and floats; got {image.dtype}")
        return tuple(feature.bound(image.grid if grid is None else grid) for feature in self.features)

    def to_json(self) -> list[Json]:
        """The features as plain values."""
        rows = [{"name": f.name, "scale": f.scale, "scale_vx": f.scale_vx} for f in self.features]
        return [{k: v for k, v in row.items() if v is not None} for row in rows]


def _feature(one: Any) -> Feature:
    if isinstance(one, Feature):
        return one
    if isinstance(one, str):
        return Feature(one)
    if isinstance(one, dict) and set(one) <= {"name", "scale", "scale_vx"} and isinstance(one.get("name"), str):
        return Feature(**one)
    if isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[0], str):
        return Feature(one[0], scale=one[1].item() if isinstance(one[1], np.generic) else one[1])
    raise ParameterError(f"a feature is a name, (name, length) or dict(name=…, scale=…) or dict(name=…, scale_vx=…); got {one!r}")
