"""Which transform brings one image onto another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.geometry import VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.geometry.units import VOXEL
from voxelrock.image import VoxelImage
from voxelrock.image.selection import an_image
from voxelrock.registration.pyramids import Level, factors, pyramid
from voxelrock.registration.searching import MODELS, Comparison, Found, climb, displacement, first_shift
from voxelrock.registration.transforms import Transform

METRICS = {"correlation": "correlation", "mutual information": "mutual_information", "mutual_information": "mutual_information"}

_WEAK = 0.4
"""The least correlation (or what it would be at the same mutual information) at which images are said to show the same."""
_SHARED = 0.35
"""The least share of the fixed image that should lie in the moving one."""


@dataclass(frozen=True)
class Registration:
    """A transform that brings a moving image onto a fixed one, and how good it is.

    Parameters
    ----------
    transform
        Maps points of the fixed image to points of the moving one; ``resample(moving, like=fixed, transform=…)`` applies it.
    model, metric
        What was asked for.
    before, after
        The metric at the finest level, before (as the images lay, or through ``initial``) and after: the correlation coefficient, or nats.
    overlap
        The share of the fixed image's samples that lie in the moving one.
    spacing
        The distance between voxels of the finest level of the fixed image, in the transform's unit.
    factor
        How many voxels of the fixed image are one of that level, along (z, y, x): 1 where memory allowed full resolution.
    converged
        Whether the search came to its end at the finest level.
    warnings
        What speaks against the result, in words; empty where nothing does.
    """

    transform: Transform
    model: str
    metric: str
    before: float
    after: float
    overlap: float
    spacing: ZYX[float]
    factor: ZYX[int]
    converged: bool
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        level = "full resolution" if max(self.factor) == 1 else f"voxels of {' × '.join(f'{s:g}' for s in self.spacing)} {self.transform.unit}"
        lines = [
            f"{self.model} registration: {self.transform}",
            f"{self.metric.replace('_', ' ')} {self.before:.4g} before, {self.after:.4g} after, at {level}; overlap {100 * self.overlap:.3g} %",
        ]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


def register(
    moving: VoxelImage,
    fixed: VoxelImage,
    /,
    *,
    model: str = "rigid",
    metric: str = "correlation",
    where: Any = None,
    initial: Transform | None = None,
) -> Registration:
    """Find the transform that brings one image onto another, by computing at the call.

    Parameters
    ----------
    moving
        The image to be moved: another scan of the same rock, on any grid.
    fixed
        The image that stays where it is.
    model
        ``"translation"``, ``"rigid"`` (a shift and a turn) or ``"affine"`` (also scaling and shear).
    metric
        ``"correlation"``, for scans whose grey values mean the same; ``"mutual information"``, for others: dry and wet, two energies, inverted.
    where
        True = used, on the fixed image: the rock without its holder, say.
    initial
        A transform to start from. Without it, the shift is looked for among all that leave a quarter of the smaller image in the other.

    Returns
    -------
    Registration
        The transform in the fixed image's unit, with the metric before and after, the overlap, the finest level, and warnings.

    Raises
    ------
    ParameterError, ParameterTypeError, UnitError
        An unknown model or metric; images that do not overlap, or are thinner than 8 voxels; one with a physical unit and one without.
    GridMismatchError
        ``where`` lies on another grid than the fixed image.
    DataError
        An image that is constant, has no data where it is used, or holds NaN that is not declared as no data.

    Notes
    -----
    Coarse to fine, each level smoothed by one of its voxels, up to the finest whose two images fit in ``options.memory`` (16 bytes a voxel); what is
    finer is left out, and the result says so. At each level at most 2¹⁸ voxels of the fixed image, evenly spread, are compared with the moving one by
    cubic convolution, and the metric is improved by L-BFGS about the middle of the image. Turns of more than some 10° need ``initial``.
    Deterministic, and the same at any chunking: levels are means of whole blocks, and the search is one task's. It runs on the host.

    D. Mattes et al., IEEE Trans. Med. Imaging 22 (2003), doi:10.1109/TMI.2003.809072, and P. Thévenaz & M. Unser, IEEE Trans. Image Process. 9 (2000),
    doi:10.1109/83.887976 (mutual information and its derivatives); D. Padfield, IEEE Trans. Image Process. 21 (2012), doi:10.1109/TIP.2011.2181402.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.filters.gaussian(vr.generators.blobs(shape=40, seed=1).astype("f4"), sigma_vx=1)
    >>> found = register(rock[2:, :-3, :], rock[:-2, 3:, :], model="translation")
    >>> [round(v, 1) + 0 for v in found.transform.shift], found.warnings
    ([0.0, 0.0, 0.0], ())
    """
    _check(moving, fixed, model, metric)
    unit = fixed.grid.unit
    moving = moving if moving.grid.unit == unit else moving.to_unit(unit)
    start = Transform.identity(unit=unit) if initial is None else _given(initial).to_unit(unit)
    _check_overlap(fixed.grid, moving.grid, start)
    levels = pyramid(fixed, moving, where)
    middle, radius = _extent(levels[-1])
    name = METRICS[metric]
    found, last = start, start
    if initial is None:
        found = _started(levels[0], start, name, (middle, radius))
    result: Found | None = None
    for number, level in enumerate(levels):
        gentle = "rigid" if model == "affine" and number < len(levels) - 2 else model
        last = found
        result = climb(Comparison(level, name, middle, radius), found, gentle)
        found = result.transform
    assert result is not None
    before, _, _ = Comparison(levels[-1], name, middle, radius)(start, np.zeros(3))
    step = levels[-2].step if len(levels) > 1 else levels[-1].step
    apart = displacement(last, found, fixed.grid) / step if initial is None or len(levels) > 1 else 0.0
    return _result(result, model, name, (max(before, 0.0) if name != "correlation" else before, apart), (levels[-1], fixed.grid))


def _check(moving: VoxelImage, fixed: VoxelImage, model: str, metric: str) -> None:
    for image in (moving, fixed):
        an_image(image)
    if model not in MODELS:
        raise ParameterError(f"model is one of {', '.join(MODELS)}; got {model!r}")
    if metric not in METRICS:
        raise ParameterError(f"metric is 'correlation' or 'mutual information'; got {metric!r}")
    if (moving.grid.unit == VOXEL) != (fixed.grid.unit == VOXEL):
        without = "moving" if moving.grid.unit == VOXEL else "fixed"
        raise ParameterError(f"the {without} image has no physical unit and the other one has: give it a spacing, image.assign_grid(spacing='8 um')")


def _given(initial: Any) -> Transform:
    if not isinstance(initial, Transform):
        raise ParameterTypeError(f"initial= is a Transform, such as Transform.translation(x='1 mm'); got {type(initial).__name__}")
    return initial


def _check_overlap(fixed: VoxelGrid, moving: VoxelGrid, start: Transform) -> None:
    """Whether the boxes of both images, seen on the fixed one's grid, share anything; boxes of images that touch may not."""
    low, high = (np.array(c) for c in moving.bounds)
    corners = start.inverse().apply(np.stack(np.meshgrid(*zip(low, high), indexing="ij"), -1).reshape(-1, 3))
    a, b = (np.array(c) for c in fixed.bounds)
    if np.any(np.minimum(corners.max(axis=0), b) <= np.maximum(corners.min(axis=0), a)):
        raise ParameterError(
            f"the images do not overlap: the fixed one goes from {_point(a)} to {_point(b)}, the moving one from {_point(corners.min(axis=0))} to "
            f"{_point(corners.max(axis=0))} {fixed.unit}; give initial=Transform.translation(…), or another origin, image.assign_grid(origin=0)"
        )


def _point(values: Any) -> str:
    return "(" + ", ".join(f"{axis}={v:g}" for axis, v in zip("zyx", values)) + ")"


def _extent(level: Level) -> tuple[Any, float]:
    """The middle of what is used of the fixed image, and the root of the mean square of its distance from there along an axis."""
    known, grid = level.fixed.known, level.fixed.grid
    middle, square = [], 0.0
    for axis in range(3):
        count = known.sum(axis=tuple(a for a in range(3) if a != axis), dtype="f8")
        place = grid.origin[axis] + grid.spacing[axis] * np.arange(count.size)
        middle.append(float(np.sum(place * count) / np.sum(count)))
        square += float(np.sum((place - middle[-1]) ** 2 * count) / np.sum(count)) / 3
    return np.array(middle), math.sqrt(square)


def _started(level: Level, start: Transform, metric: str, about: tuple[Any, float]) -> Transform:
    """The better of where the images lie and of the shift that stands out, each after a climb by shifts."""
    comparison = Comparison(level, metric, *about)
    shifted = first_shift(level, start, either_sign=metric != "correlation")
    ends = [climb(comparison, transform, "translation") for transform in (start, shifted)]
    return max(ends, key=lambda end: end.after).transform


def _result(found: Found, model: str, metric: str, facts: tuple[float, float], where: tuple[Level, VoxelGrid]) -> Registration:
    (before, apart), (level, grid) = facts, where
    likeness = found.after if metric == "correlation" else math.sqrt(max(0.0, 1 - math.exp(-2 * max(found.after, 0.0))))
    if found.after <= -1:
        raise DataError("the images came to share less than a tenth of their voxels: give initial=, a transform near the right one")
    warnings = []
    if not found.converged:
        warnings.append("the search did not converge at the finest level: look at the resampled image, or start nearer with initial=")
    if apart > 1.5:
        warnings.append(f"the last two levels disagree by {apart:.3g} of their voxels: look at the resampled image")
    if likeness < _WEAK:
        hint = "; where grey values mean different things, metric='mutual information'" if metric == "correlation" else ""
        warnings.append(f"the images are hardly alike after registration ({metric.replace('_', ' ')} {found.after:.3g}): is it the same rock?{hint}")
    if found.after < before:
        warnings.append("the metric is lower than before")
    if found.overlap < _SHARED:
        warnings.append(f"only {100 * found.overlap:.3g} % of the fixed image lies in the moving one")
    return Registration(
        found.transform,
        model,
        metric,
        before,
        found.after,
        found.overlap,
        level.fixed.grid.spacing,
        ZYX(*factors(grid, level.step)),
        found.converged,
        tuple(warnings),
    )
