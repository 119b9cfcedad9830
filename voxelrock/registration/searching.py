"""Finding a transform: a first shift by correlation of all shifts at once, then uphill by the gradient, level by level."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.optimize

from voxelrock.geometry import VoxelGrid
from voxelrock.kernels import alignment as kernels
from voxelrock.registration.pyramids import Level, Volume
from voxelrock.registration.transforms import Transform, crossing
from voxelrock.typing import HostArray

SAMPLES = 1 << 18
"""The most voxels of the fixed image that are compared at a level, evenly spread."""
LEAST_OVERLAP = 0.1
"""The share of the fixed image's samples that must lie in the moving one."""
_CLIMBS = 3
_LEVEL = 1e-5
"""The gain, relative to the metric, below which another climb is at the top already."""
MODELS = {"translation": 3, "rigid": 6, "affine": 12}
"""Models, and how many numbers each has."""

Score = Callable[[HostArray, HostArray], tuple[float, HostArray]]


def scorer(metric: str, fixed: HostArray, moving: Volume) -> Score:
    """The metric as a function of the moving image's values at the samples, and of which of them are known; with its derivatives."""
    if metric == "correlation":
        return lambda values, good: kernels.correlation(fixed, values, good)
    low, high = (float(v) for v in np.quantile(fixed, [0.001, 0.999]))
    numbers = kernels.classes(fixed, low, high if high > low else low + 1)
    first, last = (float(v) for v in np.quantile(moving.values[moving.known], [0.001, 0.999]))
    last = last if last > first else first + 1
    return lambda values, good: kernels.mutual_information(numbers, values, good, first, last)


class Comparison:
    """The images of a level, compared at samples through a transform and a change of it.

    A change is a vector of displacements in steps of the level: a shift along (z, y, x); a rotation vector times the samples' radius; or
    the nine elements by which a matrix differs from the identity, times that radius. It happens before the transform, about the middle.
    """

    def __init__(self, level: Level, metric: str, middle: HostArray, radius: float) -> None:
        self.level, self.middle, self.radius = level, middle, radius
        found = np.flatnonzero(level.fixed.known)
        if found.size > SAMPLES:
            found = found[(np.arange(SAMPLES) * (found.size / SAMPLES)).astype(np.int64)]
        self.points = np.stack(np.unravel_index(found, level.fixed.values.shape), axis=-1).astype("f8")
        self.score = scorer(metric, level.fixed.values.reshape(-1)[found].astype("f8"), level.moving)

    def change(self, vector: HostArray, unit: str) -> Transform:
        """The transform that a vector stands for."""
        shift = vector[:3] * self.level.step
        scale = self.level.step / self.radius
        matrix = np.eye(3)
        if vector.size == 6:
            matrix = turned(vector[3:] * scale)
        elif vector.size == 12:
            matrix = matrix + vector[3:].reshape(3, 3) * scale
        return Transform.affine(matrix=matrix, shift=tuple(shift), center=tuple(self.middle), unit=unit)

    def __call__(self, transform: Transform, vector: HostArray) -> tuple[float, HostArray, float]:
        """The metric after a change, its derivatives by the vector, and the share of samples that overlap."""
        fixed, moving = self.level.fixed.grid, self.level.moving
        there = transform @ self.change(vector, transform.unit)
        steps, spacing = np.array(fixed.spacing), np.array(moving.grid.spacing)
        matrix = np.array(there.matrix) * steps / spacing[:, None]
        offset = (there.apply(np.array(fixed.origin)) - np.array(moving.grid.origin)) / spacing
        values, gradients, good = kernels.sampled(moving.values, moving.known, self.points, matrix, offset)
        overlap = float(good.mean())
        if overlap < LEAST_OVERLAP:
            return -1.0, np.zeros(vector.size), overlap
        found, pull = self.score(values, good)
        sums = kernels.moments(pull, gradients, self.points)
        back = np.array(transform.matrix).T @ (sums / spacing[:, None])
        shift = back[:, 3]
        lever = back[:, :3] * steps + np.outer(shift, np.array(fixed.origin) - self.middle)
        return found, self._slopes(vector, shift, lever), overlap

    def _slopes(self, vector: HostArray, shift: HostArray, lever: HostArray) -> HostArray:
        """The derivatives by the vector, from those by the shift and by the matrix of the change."""
        step, scale = self.level.step, self.level.step / self.radius
        if vector.size == 3:
            return shift * step
        if vector.size == 12:
            return np.concatenate([shift * step, lever.reshape(-1) * scale])
        way = vector[3:] * scale
        twist = lever @ turned(way).T
        torque = np.array([np.sum(twist * crossing(axis)) for axis in np.eye(3)])
        return np.concatenate([shift * step, scale * (_left(way).T @ torque)])


def turned(way: HostArray) -> HostArray:
    """The rotation by a vector's length (radians) about its direction: Rodrigues's formula."""
    angle = float(np.linalg.norm(way))
    k = crossing(way)
    if angle < 1e-8:
        return np.eye(3) + k + k @ k / 2
    return np.eye(3) + math.sin(angle) / angle * k + (1 - math.cos(angle)) / angle**2 * (k @ k)


def _left(way: HostArray) -> HostArray:
    """How a rotation turns further when its vector changes: the left Jacobian."""
    angle = float(np.linalg.norm(way))
    k = crossing(way)
    if angle < 1e-8:
        return np.eye(3) + k / 2
    return np.eye(3) + (1 - math.cos(angle)) / angle**2 * k + (angle - math.sin(angle)) / angle**3 * (k @ k)


@dataclass(frozen=True)
class Found:
    """Where a climb ended: the transform, the metric before and after, the overlap, and whether the climb came to its end."""

    transform: Transform
    before: float
    after: float
    overlap: float
    converged: bool


def climb(comparison: Comparison, transform: Transform, model: str) -> Found:
    """Improve a transform at one level by L-BFGS, begun again where it stops early."""

    def downhill(vector: HostArray) -> tuple[float, HostArray]:
        value, slopes, _ = comparison(transform, vector)
        return -value, -slopes

    best = np.zeros(MODELS[model])
    before, _, overlap = comparison(transform, best)
    after, converged = before, False
    for _ in range(_CLIMBS):  # samples that leave the overlap make steps in the metric, at which a climb may end before the top
        ended = scipy.optimize.minimize(downhill, best, jac=True, method="L-BFGS-B", options={"maxiter": 100, "ftol": 1e-8, "gtol": 1e-7})
        gain = -float(ended.fun) - after
        if gain > 0:
            best, after = ended.x, -float(ended.fun)
        converged = bool(ended.success) or gain <= _LEVEL * max(abs(after), 1e-6)
        if converged:
            break
    if not after > before:
        return Found(transform, before, before, overlap, converged)
    return Found(transform @ comparison.change(best, transform.unit), before, after, comparison(transform, best)[2], converged)


def first_shift(level: Level, transform: Transform, *, either_sign: bool) -> Transform:
    """The transform after the shift whose correlation stands out most among all that leave a quarter of the smaller image in the other.

    D. Padfield, IEEE Trans. Image Process. 21 (2012), doi:10.1109/TIP.2011.2181402 (correlation of masked images by Fourier transforms).
    """
    step, unit = level.step, transform.unit
    low, high = (np.array(c) for c in level.fixed.grid.bounds)
    a, b = (np.array(c) for c in level.moving.grid.bounds)
    corners = transform.inverse().apply(np.stack(np.meshgrid(*zip(a, b), indexing="ij"), -1).reshape(-1, 3))
    fixed = _on_lattice(level.fixed, (low, high), step, Transform.identity(unit=unit))
    moving = _on_lattice(level.moving, (corners.min(axis=0), corners.max(axis=0)), step, transform)
    shape = [scipy.fft.next_fast_len(p + q - 1, real=True) for p, q in zip(fixed[0].shape, moving[0].shape)]
    f, g = (_spectra(values, known, shape) for values, known in (fixed, moving))

    def joined(i: int, j: int) -> HostArray:
        return np.asarray(scipy.fft.irfftn(np.conj(f[i]) * g[j], shape))

    count = np.rint(joined(0, 0))
    enough = count >= max(1.0, 0.25 * min(fixed[1].sum(), moving[1].sum()))
    n = np.maximum(count, 1)
    sum_f, sum_g = joined(1, 0), joined(0, 1)
    spread = np.maximum(joined(2, 0) - sum_f**2 / n, 0) * np.maximum(joined(0, 2) - sum_g**2 / n, 0)
    rho = np.where(enough & (spread > 1e-6 * spread.max()), (joined(1, 1) - sum_f * sum_g / n) / np.sqrt(np.maximum(spread, 1e-30)), 0)
    clear = np.arctanh(np.clip(np.abs(rho) if either_sign else rho, -0.999999, 0.999999)) * np.sqrt(n)
    best = np.array(np.unravel_index(int(np.argmax(clear)), clear.shape))
    lag = np.where(best > np.array(moving[0].shape) - 1, best - np.array(shape), best)
    shift = corners.min(axis=0) - low + lag * step
    return transform @ Transform.affine(matrix=np.eye(3), shift=tuple(shift), unit=unit)


def _on_lattice(volume: Volume, box: tuple[HostArray, HostArray], step: float, transform: Transform) -> tuple[HostArray, HostArray]:
    """Values (about their mean) and which of them are known on an isotropic lattice over a box, seen through a transform."""
    shape = np.maximum(1, np.round((box[1] - box[0]) / step)).astype(int)
    points = np.stack(np.unravel_index(np.arange(int(np.prod(shape))), tuple(shape)), axis=-1).astype("f8")
    spacing = np.array(volume.grid.spacing)
    matrix = np.array(transform.matrix) * step / spacing[:, None]
    offset = (transform.apply(box[0] + step / 2) - np.array(volume.grid.origin)) / spacing
    values, _, known = kernels.sampled(volume.values, volume.known, points, matrix, offset)
    known = known.reshape(tuple(shape))
    values = values.reshape(tuple(shape))
    return np.where(known, values - volume.values.mean(dtype="f8"), 0), known


def _spectra(values: HostArray, known: HostArray, shape: list[int]) -> list[HostArray]:
    return [np.asarray(scipy.fft.rfftn(part, shape)) for part in (known.astype("f8"), values, values * values)]


def displacement(first: Transform, second: Transform, grid: VoxelGrid) -> float:
    """How far two transforms take the corners of a grid apart: root of the mean square, in the unit of the first."""
    low, high = grid.to_unit(first.unit).bounds
    corners = np.stack(np.meshgrid(*zip(low, high), indexing="ij"), -1).reshape(-1, 3)
    apart = first.apply(corners) - second.to_unit(first.unit).apply(corners)
    return math.sqrt(float(np.mean(np.sum(apart**2, axis=1))))
