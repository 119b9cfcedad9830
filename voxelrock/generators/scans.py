"""Synthetic scans: what a micro-CT scanner makes of a rock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.generators.minerals import contrast_of, grey_of
from voxelrock.geometry import Cylinder, VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.graph.patterns import Pointwise, Stencil
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import refuse_nodata
from voxelrock.kernels import convolution
from voxelrock.kernels import scans as kernels
from voxelrock.kernels.random import Operation, Stream
from voxelrock.typing import DTypeLike

Levels = Mapping[int, float] | Sequence[float]


def _float(*_: np.dtype[Any], **__: Any) -> np.dtype[Any]:
    return np.dtype("f4")


def _named(*_: np.dtype[Any], dtype: str, **__: Any) -> np.dtype[Any]:
    return np.dtype(dtype)


_LEVELS = Pointwise(kernels.grey_levels, _float)
_BLUR = Stencil(convolution.gaussian, convolution.gaussian_halo, _float)
_CUPPING = Pointwise(kernels.cupping, located=True)
_NOISE = Pointwise(kernels.noise, located=True)
_RINGS = Pointwise(kernels.rings, located=True)
_ROUNDED = Pointwise(kernels.quantize, _named)

CONTRAST_TO_NOISE = 6.0
"""Contrast between pore and main solid over the noise of a voxel, where no noise is asked for."""

_SCALES = {"uint16": (14000.0, 15000.0), "uint8": (54.0, 58.0), "float32": (14000.0, 15000.0)}
"""Grey of air, and how much brighter quartz is, by the type of the scan."""


@dataclass(frozen=True)
class Scanner:
    """How a scan is blurred, how its noise is correlated, and its artefacts.

    Parameters
    ----------
    blur_vx
        Standard deviation of the Gaussian point spread, in voxels of the scan.
    correlation_vx
        Correlation length of the noise in voxels (0: white noise, which flatters every filter).
    cupping
        Beam hardening: the fraction by which contrast to air is lower on the axis than at ``radius``.
    rings
        Standard deviation of the rings' offsets, in grey levels; 0 for none.
    ring_width_vx, ring_share
        Width of a ring in voxels along x, and the probability that one is affected.
    axis
        The axis of rotation, along z: a :class:`Cylinder` whose radius is where cupping ends; by default the inscribed cylinder.

    Raises
    ------
    ParameterError
        A number is out of range.
    """

    blur_vx: float = 0.8
    correlation_vx: float = 1.0
    cupping: float = 0.0
    rings: float = 0.0
    ring_width_vx: float = 1.0
    ring_share: float = 0.25
    axis: Cylinder | None = None

    def __post_init__(self) -> None:
        for name in ("blur_vx", "correlation_vx", "rings"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ParameterError(f"{name} must be finite and at least 0, got {getattr(self, name)}")
        if not (0.0 <= self.cupping < 1.0 and 0.0 <= self.ring_share <= 1.0 and self.ring_width_vx > 0):
            raise ParameterError("a scanner needs 0 <= cupping < 1, 0 <= ring_share <= 1 and ring_width_vx > 0")
        if self.axis is not None and self.axis.axis != "z":
            raise ParameterError(f"the axis of rotation runs along z, got a cylinder along {self.axis.axis!r}")


_SCANNER = Scanner()


@operation
def ct_scan(
    phases: VoxelImage,
    /,
    *,
    levels: Levels | None = None,
    noise: float | None = None,
    dtype: DTypeLike = "u2",
    partial_volume: int = 1,
    scanner: Scanner = _SCANNER,
    seed: int = 0,
) -> VoxelImage:
    """Turn a phase image into a grey scan.

    In this order: grey levels, partial volume, blur, cupping, noise, rings, rounding. The noise comes after the blur, so it is the noise of the
    voxels that are seen, and contrast over noise means |μ₁ - μ₂| / σ per voxel.

    Parameters
    ----------
    phases
        A segmentation, boolean or integer (labels 0 to 65535), lazy or stored, without no-data voxels.
    levels
        Grey level of each label, ``{0: 14000, 1: 29000}`` or a sequence from label 0 on. By default from the names and roles of the image's
        phases: air (in pores and around) 14000, quartz 29000 (54 and 112 for uint8), micro phases by their porosity.
    noise
        Standard deviation of a voxel's noise in grey levels. By default a sixth of the contrast between pore and the first solid.
    dtype
        ``"u2"`` or ``"u1"``, rounded (half to even) and clipped, never wrapped; ``"f4"``, neither.
    partial_volume
        So many voxels of ``phases`` along each axis are averaged into a voxel of the scan, whose grid is that much coarser.
    scanner
        Blur, correlation of the noise, rings, cupping: :class:`Scanner`.
    seed
        Of the noise and the rings, 0 ≤ seed < 2³².

    Returns
    -------
    VoxelImage
        The scan. Lazy; halo 4 ``blur_vx`` (for the point spread, reflected at the image's faces); memory: about four blocks of float32,
        with partial volume one of the fine lattice.

    Raises
    ------
    ParameterError, ParameterTypeError
        A parameter is out of range, the image is not of labels, or no levels are given and the image has no phases.
    DataError
        A label without a level (raised when that block is computed).

    References
    ----------
    Ketcham & Carlson 2001, doi:10.1016/S0098-3004(00)00116-3 (artefacts); Sijbers & Postnov 2004, doi:10.1088/0031-9155/49/14/N06 (rings).

    Examples
    --------
    >>> from voxelrock.generators import blobs
    >>> ct_scan(blobs(shape=32), levels={0: 180, 1: 60}, noise=20, dtype="u1").dtype
    dtype('uint8')
    """
    kind = np.dtype(dtype).name
    if kind not in _SCALES:
        raise ParameterError(f"a scan is of type u1, u2 or f4; got {dtype!r}")
    if phases.dtype.kind not in "biu":
        raise ParameterTypeError(f"a scan is made of a segmentation (boolean or integer labels); got an image of {phases.dtype}")
    refuse_nodata(phases, "ct_scan")
    greys = _levels(phases, levels, kind)
    std = contrast_of(phases.phases, greys) / CONTRAST_TO_NOISE if noise is None else noise
    if not (math.isfinite(std) and std >= 0):
        raise ParameterError(f"the noise is a standard deviation, finite and at least 0; got {noise}")
    table = tuple(greys.get(label, math.nan) for label in range(max(greys) + 1))
    grey = phases.with_data(_LEVELS(phases.data, levels=table), field=Field("grey", "", "synthetic scan"), phases={}, nodata=None)
    if partial_volume != 1:
        grey = grey.coarsen(partial_volume, how="mean")
    if scanner.blur_vx:
        grey = grey.with_data(_BLUR(grey.data, sigma=(scanner.blur_vx,) * 3, truncate=4.0))
    grey = grey.with_data(_disturbed(grey.data, grey.grid, scanner, (min(greys.values()), float(std), seed)))
    return grey if kind == "float32" else grey.with_data(_ROUNDED(grey.data, dtype=kind))


def _levels(phases: VoxelImage, levels: Levels | None, kind: str) -> dict[int, float]:
    """The grey level of each label."""
    if levels is None:
        if not phases.phases:
            raise ParameterError("the image does not say what its labels are: give the grey level of each, such as levels={0: 14000, 1: 29000}")
        air, contrast = _SCALES[kind]
        found = grey_of(phases.phases, air=air, contrast=contrast)
    else:
        found = {int(k): float(v) for k, v in (levels.items() if isinstance(levels, Mapping) else enumerate(levels))}
    if not found or min(found) < 0 or max(found) > 65535 or not all(math.isfinite(v) for v in found.values()):
        raise ParameterError("grey levels are finite numbers for labels from 0 to 65535")
    return found


def _disturbed(grey: Any, grid: VoxelGrid, scanner: Scanner, disturbance: tuple[float, float, int]) -> Any:
    """Cupping, noise and rings; the disturbance is the grey of air, the noise's standard deviation and the seed."""
    air, std, seed = disturbance
    cylinder = (scanner.axis or Cylinder.inscribed(grid)).resolve(grid)
    middle = ZYX.of(cylinder.center)
    around = kernels.Axis((float(middle.y) - grid.origin.y, float(middle.x) - grid.origin.x), (grid.spacing.y, grid.spacing.x))
    if scanner.cupping:
        radius, coefficients = float(cylinder.radius), kernels.cupping_coefficients(scanner.cupping)
        grey = _CUPPING(grey, around=around, radius=radius, coefficients=coefficients, air=air)
    if std:
        grey = _NOISE(grey, stream=Stream(seed, Operation.NOISE), std=std, length=(scanner.correlation_vx,) * 3)
    if scanner.rings:
        width = scanner.ring_width_vx * grid.spacing.x
        rings = {"amplitude": scanner.rings, "width": width, "density": scanner.ring_share}
        grey = _RINGS(grey, around=around, stream=Stream(seed, Operation.RINGS), **rings)
    return grey
