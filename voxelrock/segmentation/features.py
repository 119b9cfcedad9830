"""A bank of features as a value: which filters, at which scales."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.geometry import VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.image import VoxelImage
from voxelrock.kernels.features import FILTERS, Named
from voxelrock.parameters import real, several
from voxelrock.typing import Json

_MULTISCALE = ("gaussian", "difference_of_gaussians", "local_deviation")


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

    def bound(self, grid: VoxelGrid, unit: str) -> Named:
        """The feature on a grid: its scale in voxels along (z, y, x); a bare number is in ``unit``."""
        if self.name == "value":
            return self.name, (0.0, 0.0, 0.0)
        length = f"{self.scale!r} {unit}" if isinstance(self.scale, float) and unit != grid.unit else self.scale
        sides = ZYX.of(self.scale_vx) if length is None else grid.to_voxels(length)
        z, y, x = (float(side) for side in sides)
        if not all(0 < side < 1000 for side in (z, y, x)):
            raise ParameterError(f"the scale of a feature is positive, and less than 1000 voxels; got {self.scale_vx if self.scale is None else self.scale}")
        return self.name, (z, y, x)

    def __str__(self) -> str:
        return self.name + ("" if self.name == "value" else f" {self.scale_vx:g} vx" if self.scale is None else f" {self.scale}")


@dataclass(frozen=True)
class FeatureBank:
    """The features by which a classifier knows a voxel: filters by name, each at a scale.

    ``"value"`` is the voxel itself; ``"gaussian"`` and ``"difference_of_gaussians"`` (less one 1.6 times as wide) have the scale as their standard
    deviation; ``"median"``, ``"uniform"`` (the mean) and ``"local_deviation"`` (the standard deviation) look at boxes that reach as far as the scale,
    rounded to voxels.

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
        made = tuple(_feature(one) for one in ([self.features] if isinstance(self.features, str) else self.features))
        if not made:
            raise ParameterError("a bank holds at least one feature")
        if len(set(made)) < len(made):
            raise ParameterError(f"a bank holds each feature once; got {', '.join(map(str, made))}")
        object.__setattr__(self, "features", made)

    @classmethod
    def multiscale(cls, *, scale: Iterable[Any] | None = None, scale_vx: Iterable[float] | None = None, of: Sequence[str] = _MULTISCALE) -> FeatureBank:
        """The voxel itself, and each filter at each scale."""
        if (scale is None) == (scale_vx is None):
            raise ParameterError("give either scale= (lengths) or scale_vx= (voxels)")
        if scale_vx is not None:
            return cls(["value", *(Feature(name, scale_vx=float(s)) for name in of for s in several(scale_vx, "scale_vx"))])
        lengths = [scale] if isinstance(scale, str | float | int) else list(scale or ())
        return cls(["value", *(Feature(name, scale=s) for name in of for s in lengths)])

    @property
    def names(self) -> list[str]:
        """The features in words, in their order."""
        return [str(feature) for feature in self.features]

    def bound(self, image: VoxelImage, unit: str | None = None) -> tuple[Named, ...]:
        """The features on an image's grid; bare numbers are in ``unit``, that of the grid by default.

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
        return tuple(feature.bound(image.grid, unit or image.grid.unit) for feature in self.features)

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
