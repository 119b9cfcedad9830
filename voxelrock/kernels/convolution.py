"""Smoothing by separable windows: Gaussian and mean.

Sums are taken directly, in float64 and in one fixed order per voxel: no running sums and no Fourier transform, whose rounding would depend
on where a block begins.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit, kernel, namespace
from voxelrock.kernels.rows import Rows, as_rows, check_real, inner_shape
from voxelrock.typing import Block, HostArray, Triple

Sigmas = tuple[float, float, float]

_LANES = 256
"""Voxels along x that a tile of the host body gives."""
_SLICES = 16
_ROWS = 16
"""Slices and rows that a tile gives: with their halo they fit into about 1 MB of float64, a second-level cache."""


def gaussian_halo(*, sigma: Sigmas, truncate: float = 4.0, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`gaussian` needs on each side of (z, y, x): ``int(truncate * sigma + 0.5)``."""
    if not (math.isfinite(truncate) and truncate >= 0):
        raise ParameterError(f"truncate must be a finite number of standard deviations, at least 0; got {truncate}")
    if len(sigma) != 3 or not all(math.isfinite(s) and s >= 0 for s in sigma):
        raise ParameterError(f"sigma must be three finite lengths in voxels (z, y, x), none below 0; got {sigma}")
    z, y, x = (int(truncate * float(s) + 0.5) for s in sigma)
    return z, y, x


def uniform_halo(*, size: Triple, **_: Any) -> Triple:
    """Voxels beyond the result that :func:`uniform` needs on each side of (z, y, x): ``size // 2``."""
    if len(size) != 3 or not all(int(n) == n and n >= 1 for n in size):
        raise ParameterError(f"size must be three whole numbers of voxels (z, y, x), none below 1; got {size}")
    z, y, x = (int(n) // 2 for n in size)
    return z, y, x


def gaussian_weights(sigma: float, radius: int) -> HostArray:
    """The weights at the distances 0 … ``radius`` voxels.

    The formula is SciPy's; the exponentials are rounded correctly, so that machines with different vector units agree on every bit.
    """
    if radius == 0:
        return np.ones(1)
    context = Context(prec=30)
    scale = -0.5 / (sigma * sigma)
    half = [float(context.exp(Decimal(scale * (x * x)))) for x in range(radius + 1)]
    whole = np.array(half[:0:-1] + half)
    return (whole / whole.sum())[radius:]


@kernel(cost=10.0, exact=True, workspace=0.25)
def gaussian(block: Block, /, *, sigma: Sigmas, truncate: float = 4.0) -> Block:
    """Smooth by a Gaussian.

    Along z, then y, then x: the centre times its weight, then the pairs at equal distance, added before they are multiplied, from the
    outermost inwards; sums in float64, rounded to the result's dtype after each axis. This is the order of ``scipy.ndimage.gaussian_filter``,
    whose result it equals.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`gaussian_halo`; any real dtype.
    sigma
        Standard deviations along (z, y, x), in voxels; 0 leaves an axis as it is.
    truncate
        Where the weights end, in standard deviations.

    Returns
    -------
    Block
        (z, y, x) without the halo: float64 for float64, else float32. NaN and infinities spread over the window.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the block has no voxel inside its halo.
    ParameterTypeError
        The block is neither bool nor integer nor real.

    Notes
    -----
    Memory: the host body holds tiles of about 1.5 MB at ``sigma = 2``; the reference three blocks of float64.
    """
    halo = gaussian_halo(sigma=sigma, truncate=truncate)
    inner_shape(block, halo)
    check_real(block)
    xp = namespace(block)
    result = xp.float64 if block.dtype == xp.float64 else xp.float32
    for axis in range(3):
        weights = [float(w) for w in gaussian_weights(float(sigma[axis]), halo[axis])]
        wide = xp.astype(block, xp.float64)
        total = _shifted(wide, axis, 0, halo[axis]) * weights[0]
        for j in range(halo[axis], 0, -1):
            total = total + (_shifted(wide, axis, -j, halo[axis]) + _shifted(wide, axis, j, halo[axis])) * weights[j]
        block = xp.astype(total, result)
    return block


@gaussian.costs
def _gaussian_costs(*, sigma: Sigmas, **_: Any) -> float:
    return 5.0 + 5.0 * sum(sigma) / 3


@kernel(cost=9.0, exact=True, workspace=0.25)
def uniform(block: Block, /, *, size: Triple) -> Block:
    """Take the mean over a box.

    The sum is taken in float64 along z, then y, then x, each from the lowest index to the highest, divided by the number of voxels and
    rounded once. Integers of up to 32 bits are therefore summed exactly while the box holds fewer than 2**21 voxels.

    Parameters
    ----------
    block
        (z, y, x) with the halo :func:`uniform_halo`; any real dtype.
    size
        Edges of the box along (z, y, x), in voxels. A box of even size reaches one voxel further down than up, as in SciPy.

    Returns
    -------
    Block
        (z, y, x) without the halo: float64 for float64, else float32. NaN and infinities spread over the window.

    Raises
    ------
    ParameterError
        A parameter is out of range, or the block has no voxel inside its halo.
    ParameterTypeError
        The block is neither bool nor integer nor real.

    Notes
    -----
    Memory: the host body holds tiles of about 1.5 MB for boxes of 17 voxels; the reference two blocks of float64.
    """
    halo = uniform_halo(size=size)
    inner_shape(block, halo)
    check_real(block)
    xp = namespace(block)
    result = xp.float64 if block.dtype == xp.float64 else xp.float32
    block = xp.astype(block, xp.float64)
    for axis in range(3):
        total = _shifted(block, axis, -halo[axis], halo[axis])
        for j in range(1 - halo[axis], int(size[axis]) - halo[axis]):
            total = total + _shifted(block, axis, j, halo[axis])
        block = total
    return xp.astype(block / float(math.prod(int(n) for n in size)), result)


def _shifted(block: Block, axis: int, shift: int, halo: int) -> Block:
    """The part without the halo along one axis, moved by ``shift`` voxels."""
    window = slice(halo + shift, block.shape[axis] - halo + shift)
    return block[tuple(window if a == axis else slice(None) for a in range(3))]


@gaussian.host
def _gaussian_host(block: HostArray, /, *, sigma: Sigmas, truncate: float = 4.0) -> HostArray:
    halo = gaussian_halo(sigma=sigma, truncate=truncate)
    z, y, x = (gaussian_weights(float(s), r) for s, r in zip(sigma, halo))
    return _separable(block, halo, (z, y, x), halo, 1.0)


@uniform.host
def _uniform_host(block: HostArray, /, *, size: Triple) -> HostArray:
    halo = uniform_halo(size=size)
    box = np.empty(0)  # no weights: plain sums
    after = int(size[0]) - 1 - halo[0], int(size[1]) - 1 - halo[1], int(size[2]) - 1 - halo[2]
    return _separable(block, halo, (box, box, box), after, float(math.prod(int(n) for n in size)))


def _separable(block: HostArray, halo: Triple, weights: tuple[HostArray, HostArray, HostArray], after: Triple, divisor: float) -> HostArray:
    """Filter along z, y and x in tiles."""
    shape = inner_shape(block, halo)
    check_real(block)
    if block.dtype == np.bool_:
        block = block.view(np.uint8)
    elif block.dtype == np.float16:
        block = block.astype(np.float32)
    out = np.empty(shape, np.float64 if block.dtype == np.float64 else np.float32)
    rounded = out.dtype == np.float32 and weights[0].size > 0
    flat, step_z, step_y = as_rows(block)
    for x in range(0, shape[2], _LANES):
        _tiles((flat[x:], step_z, step_y), out[:, :, x : x + _LANES], halo, after, weights, rounded, divisor)
    return out


@jit
def _tiles(
    rows: Rows,
    out: HostArray,
    halo: Triple,
    after: Triple,
    weights: tuple[HostArray, HostArray, HostArray],
    rounded: bool,
    divisor: float,
) -> None:
    """One column of tiles: all slices and rows of up to ``_LANES`` voxels along x."""
    depth, height, lanes = out.shape
    needed, kept = lanes + 2 * halo[2], 2 * halo[1]
    width = (needed + 7) // 8 * 8  # whole vectors: the lanes beyond are computed and never read
    columns = _aligned((_SLICES + 2 * halo[0]) * width)
    slab = _aligned(_SLICES * (_ROWS + kept) * width).reshape(_SLICES, (_ROWS + kept) * width)
    line = _aligned(width)
    for z in range(0, depth, _SLICES):
        count, filled = min(_SLICES, depth - z), 0
        for y in range(height + kept):
            for k in range(count + 2 * halo[0]):
                start = (z + k) * rows[1] + y * rows[2]
                _widen(rows[0][start : start + needed], columns[k * width : (k + 1) * width])
            for k in range(count):
                row = slab[k, filled * width : (filled + 1) * width]
                _filter_row(columns, (halo[0] + k) * width, width, (halo[0], after[0]), weights[0], rounded, row)
            filled += 1
            if filled == _ROWS + kept or y == height + kept - 1:
                for k in range(count):
                    for q in range(filled - kept):
                        _filter_row(slab[k], (halo[1] + q) * width, width, (halo[1], after[1]), weights[1], rounded, line)
                        done = columns[:lanes]
                        _filter_row(line, halo[2], 1, (halo[2], after[2]), weights[2], False, done)
                        _store(done, divisor, out[z + k, y - filled + 1 + q])
                    slab[k, : kept * width] = slab[k, (filled - kept) * width : filled * width]
                filled = kept


@jit
def _aligned(size: int) -> HostArray:
    """Zeros that begin with a cache line: whole vectors then never lie across two."""
    wider = np.zeros(size + 7)
    start = -(wider.ctypes.data // 8) % 8
    return wider[start : start + size]


@jit
def _widen(row: HostArray, out: HostArray) -> None:
    for i in range(row.size):
        out[i] = row[i]


@jit
def _store(row: HostArray, divisor: float, out: HostArray) -> None:
    if divisor == 1.0:
        for i in range(out.size):
            out[i] = row[i]
    else:
        for i in range(out.size):
            out[i] = row[i] / divisor


# Slices are made in functions without a branch: only there does the compiler drop the reference counts that they carry.


@jit
def _filter_row(source: HostArray, centre: int, step: int, reach: tuple[int, int], weights: HostArray, rounded: bool, out: HostArray) -> None:
    """Filter one row along any axis: the window's voxels are rows of ``source`` at ``centre + j * step``."""
    if weights.size:
        j = reach[0]
        if j >= 4:
            _begin_with_four_pairs(source, centre, step, j, weights, out)
            j -= 4
        else:
            _begin(source, centre, weights[0], out)
        while j >= 4:
            _add_four_pairs(source, centre, step, j, weights, out)
            j -= 4
        while j >= 1:
            _add_pair(source, centre, j * step, weights[j], out)
            j -= 1
    else:
        _begin(source, centre - reach[0] * step, 1.0, out)
        for j in range(1 - reach[0], reach[1] + 1):
            _add(source, centre + j * step, out)
    if rounded:
        _round(out)


@jit
def _round(row: HostArray) -> None:
    for i in range(row.size):
        row[i] = np.float32(row[i])


@jit
def _begin(source: HostArray, start: int, weight: float, out: HostArray) -> None:
    row = source[start : start + out.size]
    for i in range(out.size):
        out[i] = row[i] * weight


@jit
def _add(source: HostArray, start: int, out: HostArray) -> None:
    row = source[start : start + out.size]
    for i in range(out.size):
        out[i] += row[i]


@jit
def _add_pair(source: HostArray, centre: int, distance: int, weight: float, out: HostArray) -> None:
    n = out.size
    low, high = source[centre - distance : centre - distance + n], source[centre + distance : centre + distance + n]
    for i in range(n):
        out[i] += (low[i] + high[i]) * weight


@jit
def _add_four_pairs(source: HostArray, centre: int, step: int, j: int, weights: HostArray, out: HostArray) -> None:
    """Four pairs at a time, so that the sum goes to memory a fourth as often."""
    n = out.size
    a, b, c, d = centre - j * step, centre - (j - 1) * step, centre - (j - 2) * step, centre - (j - 3) * step
    low0, low1, low2, low3 = source[a : a + n], source[b : b + n], source[c : c + n], source[d : d + n]
    a, b, c, d = centre + j * step, centre + (j - 1) * step, centre + (j - 2) * step, centre + (j - 3) * step
    high0, high1, high2, high3 = source[a : a + n], source[b : b + n], source[c : c + n], source[d : d + n]
    w0, w1, w2, w3 = weights[j], weights[j - 1], weights[j - 2], weights[j - 3]
    for i in range(n):
        total = out[i] + (low0[i] + high0[i]) * w0
        total = total + (low1[i] + high1[i]) * w1 + (low2[i] + high2[i]) * w2
        out[i] = total + (low3[i] + high3[i]) * w3


@jit
def _begin_with_four_pairs(source: HostArray, centre: int, step: int, j: int, weights: HostArray, out: HostArray) -> None:
    """The centre and the first four pairs."""
    n = out.size
    a, b, c, d = centre - j * step, centre - (j - 1) * step, centre - (j - 2) * step, centre - (j - 3) * step
    low0, low1, low2, low3 = source[a : a + n], source[b : b + n], source[c : c + n], source[d : d + n]
    a, b, c, d = centre + j * step, centre + (j - 1) * step, centre + (j - 2) * step, centre + (j - 3) * step
    high0, high1, high2, high3 = source[a : a + n], source[b : b + n], source[c : c + n], source[d : d + n]
    middle, w, w0, w1, w2, w3 = source[centre : centre + n], weights[0], weights[j], weights[j - 1], weights[j - 2], weights[j - 3]
    for i in range(n):
        total = middle[i] * w + (low0[i] + high0[i]) * w0
        total = total + (low1[i] + high1[i]) * w1 + (low2[i] + high2[i]) * w2
        out[i] = total + (low3[i] + high3[i]) * w3
