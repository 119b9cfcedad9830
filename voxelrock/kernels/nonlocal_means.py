"""Non-local means: every voxel becomes the mean of the voxels around it whose patches look like its own.

Distances between patches are direct sums in one fixed order per voxel: no integral image and no running sum, whose rounding would depend on where a
block begins. Each pair of voxels is compared once per tile: what one is to the other, the other is to the one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels.backend import jit, kernel, namespace, to_host
from voxelrock.kernels.rows import Rows, check_real, inner_shape
from voxelrock.typing import Block, HostArray, Triple

_TILE = 24, 48, 128
"""Voxels along (z, y, x) that the host body works on together: with their halo they stay in the caches of a core."""
SERIES = -0.9999663111124824, 0.4993706008301534, -0.16291942695277628, 0.032583131378879866
"""exp(-u) = 1 + u · (this polynomial of u) for 0 ≤ u ≤ 1/2, to 6e-7 of it."""
END = 16.0
"""Exponent from which a weight is 0: exp(-16) is 1e-7."""


def non_local_means_halo(*, search: Triple, patch: Triple, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`non_local_means` needs on each side of (z, y, x): search and patch together."""
    for name, radius in (("search", search), ("patch", patch)):
        if len(radius) != 3 or not all(int(r) == r and r >= 0 for r in radius):
            raise ParameterError(f"{name} must be three whole numbers of voxels (z, y, x), none below 0; got {radius}")
    z, y, x = (int(s) + int(p) for s, p in zip(search, patch))
    return z, y, x


def window_offsets(search: Triple) -> list[Triple]:
    """One of each pair of opposite offsets in the search box, in ascending order."""
    reach = [range(-r, r + 1) for r in search]
    return [(z, y, x) for z in reach[0] for y in reach[1] for x in reach[2] if (z, y, x) > (0, 0, 0)]


def _scales(noise: Any, strength: float, patch: Triple) -> tuple[float, float, float] | None:
    """What a sum of squared differences is multiplied by and what is then taken off to give an exponent, and the variance of the noise."""
    level = float(to_host(noise))
    if not (math.isfinite(level) and level >= 0):
        raise DataError(f"the noise level is finite and not negative; got {level}")
    if level == 0:
        return None
    width = (strength * level) ** 2
    if not 1e-250 < width < 1e250:
        raise DataError(f"a noise of {level}, {strength} times, squared leaves the range of float64: multiply or divide the image")
    return 1.0 / (width * math.prod(2 * p + 1 for p in patch)), 2 * level**2 / width, level**2


@kernel(cost=95.0, exact=True, workspace=1.0)
def non_local_means(block: Block, /, *, search: Triple, patch: Triple, noise: Any, strength: float, rician: bool = False) -> Block:
    """Take the mean over the search box, weighted by how alike patches are.

    The weight of a voxel is ``exp(-max(d - 2 noise², 0) / (strength · noise)²)``, ``d`` the mean squared difference of the two patches; the voxel
    itself has weight 1. Weights are within 3e-5 of the exponential's, and 0 below 1e-7. Sums of squares are taken along x, y, z, lowest first; the means
    over pairs of opposite offsets, the negative one first.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`non_local_means_halo`; any real dtype.
    search, patch
        Half-widths of the two boxes along (z, y, x), in voxels.
    noise
        Standard deviation of the noise, a number or an array of one; 0 leaves the values as they are.
    strength
        Width of the weights, in noise levels.
    rician
        Whether the noise is that of a magnitude: squares are averaged, and twice the variance is taken off.

    Returns
    -------
    Block
        (z, y, x) without the halo: float64 for float64, else float32, in which it computes. NaN and infinities spread.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the block has no voxel inside its halo.
    DataError
        The noise level is negative or not finite.

    Notes
    -----
    Memory: the host body holds a tile of 24 × 48 × 128 voxels with its halo and two more; the reference seven blocks.

    Source: A. Buades, B. Coll, J.-M. Morel, CVPR 2005, doi:10.1109/CVPR.2005.38.
    """
    halo = non_local_means_halo(search=search, patch=patch)
    shape = inner_shape(block, halo)
    check_real(block)
    xp = namespace(block)
    values = xp.astype(block, xp.float64 if block.dtype == xp.float64 else xp.float32)
    inner = values[tuple(slice(h, h + n) for h, n in zip(halo, shape))]
    scales = _scales(noise, strength, patch)
    if scales is None:
        return inner + 0.0
    averaged = values * values if rician else values
    total = averaged[tuple(slice(h, h + n) for h, n in zip(halo, shape))] + 0.0
    weights = xp.ones_like(total)
    for offset in window_offsets(search):
        for sign in (-1, 1):
            there = tuple(sign * t for t in offset)
            weight = patch_weights(values, shape, (search, patch), there, scales)
            total = total + weight * averaged[tuple(slice(h + t, h + t + n) for h, t, n in zip(halo, there, shape))]
            weights = weights + weight
    mean = total / weights
    if rician:
        mean = mean - 2 * scales[2]
        mean = xp.sqrt(xp.where(mean < 0, xp.zeros_like(mean), mean))
    return mean


@non_local_means.costs
def _non_local_means_costs(*, search: Triple, patch: Triple, **_: Any) -> float:
    return 0.76 * math.prod(2 * r + 1 for r in search) * (0.8 + 0.2 * sum(patch) / 3)


def patch_weights(values: Block, shape: Triple, reach: tuple[Triple, Triple], there: tuple[int, ...], scales: tuple[float, float, float]) -> Block:
    """The weights of the voxels at an offset."""
    search, patch = reach
    wide = tuple(n + 2 * p for n, p in zip(shape, patch))
    here = values[tuple(slice(s, s + n) for s, n in zip(search, wide))]
    away = values[tuple(slice(s + t, s + t + n) for s, t, n in zip(search, there, wide))]
    squares = (here - away) * (here - away)
    for axis in (2, 1, 0):
        cut = [slice(None)] * 3
        parts = []
        for k in range(2 * patch[axis] + 1):
            cut[axis] = slice(k, k + shape[axis])
            parts.append(squares[tuple(cut)])
        squares = parts[0]
        for part in parts[1:]:
            squares = squares + part
    return falling(squares * scales[0] - scales[1])


def falling(exponent: Block) -> Block:
    """exp(-x), within 3e-5 of it, for x > 0; 1 below and 0 from :data:`END` on. The same on every device and machine."""
    xp = namespace(exponent)
    exponent = xp.where(exponent < 0, xp.zeros_like(exponent), exponent)
    exponent = xp.where(exponent > END, END * xp.ones_like(exponent), exponent)
    u = exponent * 0.03125
    root = 1.0 + u * (SERIES[0] + u * (SERIES[1] + u * (SERIES[2] + u * SERIES[3])))
    for _ in range(5):
        root = root * root
    return xp.where(exponent >= END, xp.zeros_like(root), root)


@non_local_means.host
def _non_local_means_host(block: HostArray, /, *, search: Triple, patch: Triple, noise: Any, strength: float, rician: bool = False) -> HostArray:
    halo = non_local_means_halo(search=search, patch=patch)
    shape = inner_shape(block, halo)
    check_real(block)
    kind = np.dtype("f8") if block.dtype == np.float64 else np.dtype("f4")
    out = np.empty(shape, kind)
    scales = _scales(noise, strength, patch)
    if scales is None:
        out[...] = block[tuple(slice(h, h + n) for h, n in zip(halo, shape))]
        return out
    offsets = window_offsets(search)
    weigh_tiles(block, (search, patch), (offsets, [1.0] * len(offsets)), (*scales, 2 * scales[2]), rician, out)
    return out


def weigh_tiles(
    block: HostArray, reach: tuple[Triple, Triple], pairs: tuple[list[Triple], list[float]], scales: tuple[float, ...], rician: bool, out: HostArray
) -> None:
    """Write weighted means into ``out``, tile by tile. ``pairs``: one of each pair of opposite offsets, and what its weights are multiplied by."""
    search, patch = reach
    shape = out.shape
    halo = [s + p for s, p in zip(search, patch)]
    rows = min(_TILE[1], shape[1]) + 2 * halo[1]
    pitch = (min(_TILE[2], shape[2]) + 2 * halo[2] + 15) // 16 * 16
    offsets = np.array([(a, b, (a * rows + b) * pitch + c) for a, b, c in pairs[0]], np.int64).reshape(-1, 3)
    numbers = np.array([*scales, END, 0.03125, 1.0, 0.0, *SERIES], out.dtype)
    facts = offsets, np.array(pairs[1], out.dtype)
    for z in range(0, shape[0], _TILE[0]):
        for y in range(0, shape[1], _TILE[1]):
            for x in range(0, shape[2], _TILE[2]):
                part = out[z : z + _TILE[0], y : y + _TILE[1], x : x + _TILE[2]]
                slices = part.shape[0] + 2 * halo[0]
                flat = np.zeros((slices * rows + 2) * pitch, out.dtype)  # a row before and one after, that shifted rows reach into
                tile = flat[pitch:-pitch].reshape(slices, rows, pitch)
                seen = block[tuple(slice(a, a + n + 2 * h) for a, n, h in zip((z, y, x), part.shape, halo))]
                tile[:, : seen.shape[1], : seen.shape[2]] = seen
                _filter_tile((flat, rows, pitch), facts, (np.array(search), np.array(patch)), numbers, rician, part)


@jit
def _filter_tile(tile: Rows, pairs: tuple[HostArray, HostArray], reach: tuple[HostArray, HostArray], numbers: HostArray, rician: bool, out: HostArray) -> None:
    """Weigh one pair of opposite offsets after the other, slice by slice; slices are flat, so that every loop is long."""
    flat, rows, pitch = tile
    offsets, factors = pairs
    search, patch = reach
    depth, height, width = out.shape
    area, halo, taps, patched = rows * pitch, search + patch, 2 * patch[0] + 1, patch.max() > 0
    averaged = flat * flat if rician else flat
    total = np.empty((depth, height * pitch), flat.dtype)  # columns as those of the tile
    weights = np.ones((depth, height * pitch), flat.dtype)
    for z in range(depth):
        total[z] = averaged[pitch + (z + halo[0]) * area + halo[1] * pitch :][: height * pitch]
    squares, sums, weight = np.zeros(area, flat.dtype), np.zeros(area, flat.dtype), np.zeros(area + 2 * pitch, flat.dtype)
    ring = np.zeros(taps * area, flat.dtype)
    for k in range(offsets.shape[0]):
        a, b, shift = offsets[k, 0], offsets[k, 1], offsets[k, 2]
        low, high = halo[1] - max(b, 0), halo[1] + height + max(-b, 0)  # rows whose weights are needed
        count, kept = (high - low + 2 * patch[1]) * pitch, (high - low) * pitch
        for z in range(halo[0] - a - patch[0], halo[0] + depth + patch[0]):
            start = pitch + z * area + (low - patch[1]) * pitch
            _square(flat, start, start + shift, squares[:count])
            if patched:
                _add_window(squares, 1, patch[2], sums[patch[2] : count - patch[2]])
                slot = z % taps * area
                _add_window(sums, pitch, patch[1], ring[slot : slot + kept])
            centre = z - patch[0]
            if centre >= halo[0] - a:
                if patched:
                    _add_slices(ring, area, (centre - patch[0]) % taps, taps, squares[:kept])
                _weigh(squares[:kept], numbers, factors[k], weight[pitch + low * pitch : pitch + high * pitch])
                # the far voxel first: its offset is the negative one
                own = (1 + halo[1]) * pitch
                if centre + a < halo[0] + depth:
                    far = centre + a - halo[0]
                    _accumulate(weight, own - (shift - a * area), averaged, own + (centre + a) * area - shift, total[far], weights[far])
                if centre >= halo[0]:
                    near = centre - halo[0]
                    _accumulate(weight, own, averaged, own + centre * area + shift, total[near], weights[near])
    for z in range(depth):
        for y in range(height):
            start = y * pitch + halo[2]
            _finish(total[z, start : start + width], weights[z, start : start + width], rician, numbers[3:], out[z, y])


@jit
def _square(flat: HostArray, here: int, there: int, out: HostArray) -> None:
    near, far = flat[here : here + out.size], flat[there : there + out.size]
    for i in range(out.size):
        difference = near[i] - far[i]
        out[i] = difference * difference


@jit
def _add_window(source: HostArray, step: int, radius: int, out: HostArray) -> None:
    """Sums of values ``step`` apart, lowest first."""
    _add_rows(source, (0, step, 2 * step, 3 * step, 4 * step), min(radius, 2), out)
    for k in range(5, 2 * radius, 2):
        _two_more(source, k * step, (k + 1) * step, out)


@jit
def _add_slices(ring: HostArray, area: int, first: int, taps: int, out: HostArray) -> None:
    """Sums over the slices of a ring, lowest first."""
    b, c, d, e = (first + 1) % taps * area, (first + 2) % taps * area, (first + 3) % taps * area, (first + 4) % taps * area
    _add_rows(ring, (first * area, b, c, d, e), min(taps // 2, 2), out)
    for k in range(5, taps - 1, 2):
        _two_more(ring, (first + k) % taps * area, (first + k + 1) % taps * area, out)


@jit
def _add_rows(source: HostArray, starts: tuple[int, int, int, int, int], radius: int, out: HostArray) -> None:
    """The sum of the first 1, 3 or 5 rows, in one go: sums go to memory once."""
    n = out.size
    if radius == 2:
        _five(source, starts, out)
    elif radius == 1:
        _three(source, starts, out)
    else:
        out[:] = source[starts[0] : starts[0] + n]


@jit
def _five(source: HostArray, starts: tuple[int, int, int, int, int], out: HostArray) -> None:
    n = out.size
    a, b, c = source[starts[0] : starts[0] + n], source[starts[1] : starts[1] + n], source[starts[2] : starts[2] + n]
    d, e = source[starts[3] : starts[3] + n], source[starts[4] : starts[4] + n]
    for i in range(n):
        out[i] = a[i] + b[i] + c[i] + d[i] + e[i]


@jit
def _three(source: HostArray, starts: tuple[int, int, int, int, int], out: HostArray) -> None:
    n = out.size
    a, b, c = source[starts[0] : starts[0] + n], source[starts[1] : starts[1] + n], source[starts[2] : starts[2] + n]
    for i in range(n):
        out[i] = a[i] + b[i] + c[i]


@jit
def _two_more(source: HostArray, first: int, second: int, out: HostArray) -> None:
    a, b = source[first : first + out.size], source[second : second + out.size]
    for i in range(out.size):
        out[i] = out[i] + a[i] + b[i]


@jit
def _weigh(sums: HostArray, numbers: HostArray, factor: Any, out: HostArray) -> None:
    scale, bias, end, part, one, zero = numbers[0], numbers[1], numbers[4], numbers[5], numbers[6], numbers[7]
    a, b, c, d = numbers[8], numbers[9], numbers[10], numbers[11]
    for i in range(out.size):
        exponent = sums[i] * scale - bias
        exponent = zero if exponent < zero else exponent
        exponent = end if exponent > end else exponent
        u = exponent * part
        root = one + u * (a + u * (b + u * (c + u * d)))
        root = root * root
        root = root * root
        root = root * root
        root = root * root
        root = root * root
        out[i] = zero if exponent >= end else root * factor


@jit
def _accumulate(weight: HostArray, at: int, averaged: HostArray, there: int, total: HostArray, weights: HostArray) -> None:
    own, values = weight[at : at + total.size], averaged[there : there + total.size]
    for i in range(total.size):
        total[i] += own[i] * values[i]
        weights[i] += own[i]


@jit
def _finish(total: HostArray, weights: HostArray, rician: bool, numbers: HostArray, out: HostArray) -> None:
    taken, zero = numbers[0], numbers[4]
    for i in range(out.size):
        mean = total[i] / weights[i]
        if rician:
            mean = mean - taken
            mean = np.sqrt(zero if mean < zero else mean)
        out[i] = mean
