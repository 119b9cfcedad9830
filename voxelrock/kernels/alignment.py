"""Two images compared through a transform: values of one at the voxels of the other, how they agree, and how that changes.

Everything is added in one order, from the first sample to the last.
"""

from __future__ import annotations

import math

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.typing import HostArray

BINS = 32
"""Classes of grey values along each axis of a joint histogram."""


@jit
def _keys(f: float, weights: HostArray, slopes: HostArray) -> None:
    """Keys's cubic convolution (a = -1/2) and its derivative."""
    weights[0] = ((-0.5 * f + 1.0) * f - 0.5) * f
    weights[1] = (1.5 * f - 2.5) * f * f + 1.0
    weights[2] = ((-1.5 * f + 2.0) * f + 0.5) * f
    weights[3] = (0.5 * f - 0.5) * f * f
    slopes[0] = (-1.5 * f + 2.0) * f - 0.5
    slopes[1] = (4.5 * f - 5.0) * f
    slopes[2] = (-4.5 * f + 4.0) * f + 0.5
    slopes[3] = (1.5 * f - 1.0) * f


@jit
def sampled(volume: HostArray, known: HostArray, points: HostArray, matrix: HostArray, offset: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Values of a volume at ``matrix · point + offset`` (in its voxels), their gradients along (z, y, x), and which of them are known.

    Interpolated by cubic convolution; known are points between the outermost voxels whose nearest voxel is.
    """
    count, shape = points.shape[0], volume.shape
    values, gradients, good = np.zeros(count), np.zeros((count, 3)), np.zeros(count, np.bool_)
    at, weights, slopes, taps = np.empty(3), np.empty((3, 4)), np.empty((3, 4)), np.empty((3, 4), np.int64)
    for i in range(count):
        inside = True
        for axis in range(3):
            c = ((offset[axis] + matrix[axis, 0] * points[i, 0]) + matrix[axis, 1] * points[i, 1]) + matrix[axis, 2] * points[i, 2]
            inside = inside and c >= 0 and c <= shape[axis] - 1
            at[axis] = c
        if not inside or not known[math.floor(at[0] + 0.5), math.floor(at[1] + 0.5), math.floor(at[2] + 0.5)]:
            continue
        for axis in range(3):
            first = min(math.floor(at[axis]), shape[axis] - 2)
            _keys(at[axis] - first, weights[axis], slopes[axis])
            for j in range(4):
                taps[axis, j] = min(max(first + j - 1, 0), shape[axis] - 1)
        value = dz = dy = dx = 0.0
        for a in range(4):
            plane = plane_y = plane_x = 0.0
            for b in range(4):
                line = line_x = 0.0
                for c in range(4):
                    v = float(volume[taps[0, a], taps[1, b], taps[2, c]])
                    line += weights[2, c] * v
                    line_x += slopes[2, c] * v
                plane += weights[1, b] * line
                plane_y += slopes[1, b] * line
                plane_x += weights[1, b] * line_x
            value += weights[0, a] * plane
            dz += slopes[0, a] * plane
            dy += weights[0, a] * plane_y
            dx += weights[0, a] * plane_x
        values[i], good[i] = value, True
        gradients[i, 0], gradients[i, 1], gradients[i, 2] = dz, dy, dx
    return values, gradients, good


@jit
def moments(pull: HostArray, gradients: HostArray, points: HostArray) -> HostArray:
    """The sums of ``pull · gradient · (point, 1)``: a matrix of 3 by 4."""
    found = np.zeros((3, 4))
    for i in range(pull.size):
        for a in range(3):
            g = pull[i] * gradients[i, a]
            for b in range(3):
                found[a, b] += g * points[i, b]
            found[a, 3] += g
    return found


def correlation(fixed: HostArray, values: HostArray, good: HostArray) -> tuple[float, HostArray]:
    """The correlation coefficient of the samples that are good, and how it changes with each value; 0 where one of them is constant."""
    f, v = fixed[good] - fixed[good].mean(), values[good] - values[good].mean()
    spread, other = math.sqrt(float(np.sum(f * f))), math.sqrt(float(np.sum(v * v)))
    pull = np.zeros(values.size)
    if spread == 0 or other == 0:
        return 0.0, pull
    found = float(np.sum(f * v)) / (spread * other)
    pull[good] = (f / spread - found * v / other) / other
    return found, pull


def classes(values: HostArray, low: float, high: float) -> HostArray:
    """The classes of fixed values between two limits; those beyond belong to the outermost."""
    return np.clip(((values - low) / (high - low) * BINS).astype(np.int64), 0, BINS - 1)


@jit
def _spline(t: float) -> float:
    t = abs(t)
    return (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0 if t < 1 else (2.0 - t) ** 3 / 6.0 if t < 2 else 0.0


@jit
def _spline_slope(t: float) -> float:
    s = abs(t)
    slope = (-2.0 + 1.5 * s) * s if s < 1 else -0.5 * (2.0 - s) ** 2 if s < 2 else 0.0
    return slope if t >= 0 else -slope


@jit
def mutual_information(fixed: HostArray, values: HostArray, good: HostArray, low: float, high: float) -> tuple[float, HostArray]:
    """Mutual information (in nats) of classes of fixed values and of values between two limits, and how it changes with each value.

    Fixed values fall in one class, values in four by a cubic B-spline, so that it is smooth in them.
    """
    count = 0
    joint = np.zeros((BINS, BINS))
    scale = (BINS - 3) / (high - low)
    for i in range(values.size):
        if good[i]:
            count += 1
            u = 1.0 + min(max((values[i] - low) * scale, 0.0), BINS - 3.0)
            first = min(math.floor(u), BINS - 3)
            for k in range(first - 1, first + 3):
                joint[fixed[i], k] += _spline(u - k)
    pull = np.zeros(values.size)
    if count == 0:
        return 0.0, pull
    joint /= count
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    found = 0.0
    ratio = np.zeros((BINS, BINS))
    for a in range(BINS):
        for b in range(BINS):
            if joint[a, b] > 0:
                found += joint[a, b] * math.log(joint[a, b] / (rows[a] * columns[b]))
                ratio[a, b] = math.log(joint[a, b] / columns[b])
    for i in range(values.size):
        u = (values[i] - low) * scale
        if good[i] and 0 < u < BINS - 3:
            u += 1.0
            first = math.floor(u)
            for k in range(first - 1, first + 3):
                pull[i] += _spline_slope(u - k) * ratio[fixed[i], k]
            pull[i] *= scale / count
    return found, pull
