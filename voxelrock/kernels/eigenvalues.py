"""Eigenvalues of symmetric 3 × 3 matrices, one for each voxel, by additions, multiplications, divisions and square roots alone.

These are rounded in the same way everywhere, which sines and cosines are not. Source of the closed form: O. K. Smith, Commun. ACM 4 (1961),
doi:10.1145/355578.366316.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxelrock.kernels.backend import jit, namespace
from voxelrock.typing import Block, HostArray

_COSINE = (
    *(0.5000000000000426, 0.5773502691701241, -0.11111110963160911, 0.053458313723983714, -0.03292110317283641, 0.022861459122533744),
    *(-0.017026846440214172, 0.013174903098903694, -0.010206770641373928, 0.0074920862289824695, -0.004842062905421093),
    *(0.0025313574820756907, -0.0009702042986949285, 0.00023705090085665394, -2.7342637379964194e-05),
)
"""cos(2/3 arccos(s)) as a polynomial of s between 0 and 1, to 5e-14."""
_ROOT3 = 1.7320508075688772
_TINY = 1e-290

Six = tuple[float, float, float, float, float, float]


def eigenvalue(elements: Sequence[Block], *, factors: Six, rank: int) -> Block:
    """The largest (rank 1), the middle (2) or the smallest (3) eigenvalue of matrices of six elements (zz, yy, xx, zy, zx, yx), times ``factors`` first.

    Computed in float64, rounded once to the elements' type. Against the largest in size, within 1e-6 where two are nearly equal.
    """
    first = elements[0]
    xp = namespace(first)
    if xp is np:
        out = np.empty(first.shape, first.dtype)
        flat = [np.ascontiguousarray(part).reshape(-1) for part in elements]
        constants = np.array([*factors, *_COSINE])
        buffer = np.empty((6, min(4096, max(1, out.size))))
        _solve((flat[0], flat[1], flat[2], flat[3], flat[4], flat[5]), constants, rank, buffer, out.reshape(-1))
        return out
    a, b, c, d, e, f = (xp.astype(part, xp.float64) * factor for part, factor in zip(elements, factors))
    mean = (a + b + c) / 3.0
    a, b, c = a - mean, b - mean, c - mean
    spread = xp.sqrt((a * a + b * b + c * c + 2.0 * (d * d + e * e + f * f)) / 6.0)
    half = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) * 0.5
    ratio = half / (spread * spread * spread + _TINY)
    ratio = xp.where(ratio > 1.0, xp.ones_like(ratio), xp.where(ratio < -1.0, -xp.ones_like(ratio), ratio))
    root = xp.sqrt((1.0 + ratio) * 0.5)
    cosine = xp.zeros_like(root) + _COSINE[-1]
    for coefficient in _COSINE[-2::-1]:
        cosine = cosine * root + coefficient
    sine = 1.0 - cosine * cosine
    sine = xp.sqrt(xp.where(sine < 0.0, xp.zeros_like(sine), sine)) * _ROOT3
    if rank == 1:
        found = mean + 2.0 * spread * cosine
    elif rank == 3:
        found = mean - spread * (cosine + sine)
    else:
        found = mean - spread * (cosine - sine)
    return xp.astype(found, first.dtype)


@jit
def _solve(
    parts: tuple[HostArray, HostArray, HostArray, HostArray, HostArray, HostArray], constants: HostArray, rank: int, buffer: HostArray, out: HostArray
) -> None:
    for start in range(0, out.size, buffer.shape[1]):
        n = min(buffer.shape[1], out.size - start)
        for k in range(3):
            _scale(parts[k], start, constants[k], buffer[k, :n])
        for k in range(3):
            _scale(parts[3 + k], start, constants[3 + k], buffer[3 + k, :n])
        _row(buffer, n, constants[6:], rank, start, out)


@jit
def _scale(part: HostArray, start: int, factor: float, out: HostArray) -> None:
    row = part[start : start + out.size]
    for i in range(out.size):
        out[i] = np.float64(row[i]) * factor


@jit
def _row(buffer: HostArray, count: int, series: HostArray, rank: int, start: int, out: HostArray) -> None:
    zz, yy, xx, zy, zx, yx = buffer[0], buffer[1], buffer[2], buffer[3], buffer[4], buffer[5]
    row = out[start : start + count]
    for i in range(count):
        mean = (zz[i] + yy[i] + xx[i]) / 3.0
        a, b, c, d, e, f = zz[i] - mean, yy[i] - mean, xx[i] - mean, zy[i], zx[i], yx[i]
        spread = np.sqrt((a * a + b * b + c * c + 2.0 * (d * d + e * e + f * f)) / 6.0)
        half = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) * 0.5
        ratio = half / (spread * spread * spread + _TINY)
        ratio = 1.0 if ratio > 1.0 else (-1.0 if ratio < -1.0 else ratio)
        root = np.sqrt((1.0 + ratio) * 0.5)
        cosine = series[14]
        for k in range(13, -1, -1):
            cosine = cosine * root + series[k]
        sine = 1.0 - cosine * cosine
        sine = np.sqrt(0.0 if sine < 0.0 else sine) * _ROOT3
        if rank == 1:
            row[i] = mean + 2.0 * spread * cosine
        elif rank == 3:
            row[i] = mean - spread * (cosine + sine)
        else:
            row[i] = mean - spread * (cosine - sine)
