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
_LANES = 2048
"""Matrices that are worked on together: they stay in a second-level cache."""

Six = tuple[float, float, float, float, float, float]


def eigenvalue(elements: Sequence[Block], *, factors: Six, rank: int) -> Block:
    """The largest (rank 1), the middle (2) or the smallest (3) eigenvalue of matrices of six elements (zz, yy, xx, zy, zx, yx), times ``factors`` first.

    Computed in float64, rounded once to the elements' type. Against the largest in size, within 1e-6 where two are nearly equal.
    """
    first = elements[0]
    xp = namespace(first)
    if xp is np:
        return _on_host(elements, factors, (rank,))[0]
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


def eigenvalues(elements: Sequence[HostArray], *, factors: Six) -> HostArray:
    """All three, from the largest to the smallest, along the first axis: what :func:`eigenvalue` gives, on the host alone, at the price of one."""
    return _on_host(elements, factors, (1, 2, 3))


def _on_host(elements: Sequence[HostArray], factors: Six, ranks: tuple[int, ...]) -> HostArray:
    first = elements[0]
    out = np.empty((len(ranks), *first.shape), first.dtype)
    flat = [np.ascontiguousarray(part).reshape(-1) for part in elements]
    buffer = np.empty((10, min(_LANES, max(1, first.size))))
    constants = np.array([*factors, *_COSINE])
    _solve((flat[0], flat[1], flat[2], flat[3], flat[4], flat[5]), constants, np.array(ranks), buffer, out.reshape(len(ranks), -1))
    return out


@jit
def _solve(
    parts: tuple[HostArray, HostArray, HostArray, HostArray, HostArray, HostArray], constants: HostArray, ranks: HostArray, buffer: HostArray, out: HostArray
) -> None:
    for start in range(0, out.shape[1], buffer.shape[1]):
        n = min(buffer.shape[1], out.shape[1] - start)
        for k in range(3):
            _scale(parts[k], start, constants[k], buffer[k, :n])
        for k in range(3):
            _scale(parts[3 + k], start, constants[3 + k], buffer[3 + k, :n])
        _row(buffer[:6], n, constants[6:], buffer[6:])
        for k in range(ranks.size):
            _take(buffer[6:], ranks[k], out[k, start : start + n])


@jit
def _scale(part: HostArray, start: int, factor: float, out: HostArray) -> None:
    row = part[start : start + out.size]
    for i in range(out.size):
        out[i] = np.float64(row[i]) * factor


@jit
def _row(elements: HostArray, count: int, series: HostArray, found: HostArray) -> None:
    """The mean of the eigenvalues, their spread, and the cosine and sine that part them."""
    zz, yy, xx, zy, zx, yx = elements[0], elements[1], elements[2], elements[3], elements[4], elements[5]
    means, spreads, cosines, sines = found[0], found[1], found[2], found[3]
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
        means[i], spreads[i], cosines[i], sines[i] = mean, spread, cosine, np.sqrt(0.0 if sine < 0.0 else sine) * _ROOT3


@jit
def _take(found: HostArray, rank: int, out: HostArray) -> None:
    means, spreads, cosines, sines = found[0], found[1], found[2], found[3]
    for i in range(out.size):
        if rank == 1:
            out[i] = means[i] + 2.0 * spreads[i] * cosines[i]
        elif rank == 3:
            out[i] = means[i] - spreads[i] * (cosines[i] + sines[i])
        else:
            out[i] = means[i] - spreads[i] * (cosines[i] - sines[i])
