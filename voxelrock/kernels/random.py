"""Random numbers that belong to a voxel: Philox4x32-10 counted by the global voxel index.

The generator is a function, not a state. Its key is (seed, operation), its counter (z, y, x // 4, draw), and word ``x % 4`` of the four
that one call gives belongs to the voxel (z, y, x). So the value of a voxel depends on nothing else: not on the block that asks for it, the
order, the chunking or the device. Coordinates may be negative (halos reach beyond the image) and lie in [-2³¹, 2³¹) per axis, so that no
linear index is ever formed and images of 10 000³ voxels and more are covered without repetition.

Normals come from one 32-bit word each by the inverse distribution function, tabulated in 32 octaves of the tail probability with 32
quadratic pieces each. Only integer operations, one exact conversion, two float32 products and two sums in a fixed order are needed, so the
bits agree on every platform (log and cos of Box-Muller do not), and the tails reach 6.3 standard deviations, where a sum of
uniforms ends early. The table itself is made from correctly rounded logarithms and IEEE arithmetic.

Legend: a *field kernel* takes no block; it makes the block of ``shape`` whose first voxel has the global index ``start``, in the array
namespace ``xp`` (NumPy unless told otherwise) on ``device``. All bodies agree bit for bit.

Sources: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", doi:10.1145/2063384.2063405;
Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution", doi:10.2307/2347330.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit, kernel
from voxelrock.typing import Block, HostArray, Triple

_MASK = np.uint64(0xFFFFFFFF)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_32, _8, _31, _1 = np.uint64(32), np.uint64(8), np.uint64(31), np.uint64(1)
_ROUNDS = 10
_UNIFORM_STEP = np.float32(2.0**-24)


class Operation(IntEnum):
    """Who asks for random numbers: the second half of the key. Numbers are part of every result and never change."""

    FIELD = 1
    NOISE = 2
    RINGS = 3
    CENTERS = 4
    RADII = 5
    MINERALS = 6
    CEMENT = 7
    VUGS = 8
    MICROPORES = 9
    TEXTURE = 10
    FACETS = 11


@dataclass(frozen=True)
class Stream:
    """One stream of random numbers.

    Parameters
    ----------
    seed
        The user's seed, 0 ≤ seed < 2³².
    operation
        What the numbers are for, 0 ≤ operation < 2³² (see :class:`Operation`).
    draw
        Which of the numbers that the operation draws for a voxel, 0 ≤ draw < 2³².

    Raises
    ------
    ParameterError
        If a number lies out of range.
    """

    seed: int
    operation: int
    draw: int = 0

    def __post_init__(self) -> None:
        for name, value in (("seed", self.seed), ("operation", self.operation), ("draw", self.draw)):
            if not 0 <= value < 2**32:
                raise ParameterError(f"{name} must lie in [0, 2**32), got {value}")


def check_box(start: Triple, shape: Triple) -> None:
    """Refuse a box that reaches beyond the 32-bit coordinates of the counter or has a negative edge."""
    for first, count in zip(start, shape):
        if count < 0 or first < -(2**31) or first + count > 2**31:
            raise ParameterError(f"voxel indices must lie in [-2**31, 2**31) and lengths be at least 0, got start={start}, shape={shape}")


def placed(device: Any) -> dict[str, Any]:
    """The ``device=`` keyword for array creation, left out where none is asked for."""
    return {} if device is None else {"device": device}


# --- words ----------------------------------------------------------------------------------------------------------------------------


def philox4x32(counter: tuple[Block, Block, Block, Block], key: tuple[int, int], /) -> tuple[Block, Block, Block, Block]:
    """Philox4x32-10 on arrays: four words of 32 bits for each counter.

    Parameters
    ----------
    counter
        Four arrays that broadcast against each other, uint64, each value below 2³².
    key
        Two integers below 2³².

    Returns
    -------
    tuple
        Four uint64 arrays, each value below 2³². Exact on every device. Memory: about eight such arrays.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = c0 * int(_M0), c2 * int(_M1)
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + int(_W0)) & 0xFFFFFFFF, (k1 + int(_W1)) & 0xFFFFFFFF
    return c0, c1, c2, c3


def _words(start: Triple, shape: Triple, stream: Stream, xp: Any, device: Any) -> Block:
    """The reference: the words of a box as uint64."""
    check_box(start, shape)
    where = placed(device)
    first, groups = _groups(start[2], shape[2])
    origins, counts = (start[0], start[1], first), (shape[0], shape[1], groups)
    axes = [xp.astype(xp.arange(o, o + n, dtype=xp.int64, **where) & 0xFFFFFFFF, xp.uint64) for o, n in zip(origins, counts)]
    z, y, x = (xp.reshape(a, tuple(-1 if i == axis else 1 for i in range(3))) for axis, a in enumerate(axes))
    draw = xp.full((1, 1, 1), stream.draw, dtype=xp.uint64, **where)
    words = xp.stack(philox4x32((z, y, x, draw), (stream.seed, int(stream.operation))), axis=-1)
    words = xp.reshape(words, (shape[0], shape[1], 4 * groups))
    offset = start[2] - 4 * first
    return words[:, :, offset : offset + shape[2]]


def _groups(start: int, count: int) -> tuple[int, int]:
    """The first group of four voxels that a row touches, and how many groups it touches."""
    return start >> 2, ((start + count + 3) >> 2) - (start >> 2)


@jit
def _row_words(z: int, y: int, x4: int, key: HostArray, words: HostArray) -> None:
    """Fill ``words`` (4, groups) for the voxels of one row; ``key`` is (seed, operation, draw)."""
    zero, one, two, three = words[0], words[1], words[2], words[3]
    for i in range(zero.shape[0]):
        c0, c1, c2, c3 = np.uint64(z) & _MASK, np.uint64(y) & _MASK, np.uint64(x4 + i) & _MASK, key[2]
        k0, k1 = key[0], key[1]
        for _ in range(_ROUNDS):
            p0, p1 = c0 * _M0, c2 * _M1
            c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _MASK, (p0 >> _32) ^ c3 ^ k1, p0 & _MASK
            k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
        zero[i], one[i], two[i], three[i] = np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)


def host_key(stream: Stream) -> HostArray:
    """(seed, operation, draw) as the compiled bodies want them."""
    return np.array([stream.seed, int(stream.operation), stream.draw], dtype=np.uint64)


@kernel(cost=1.5)
def word_field(*, start: Triple, shape: Triple, stream: Stream, xp: Any = np, device: Any = None) -> Block:
    """The random words of a box of voxels.

    Parameters
    ----------
    start, shape
        Global index of the first voxel and number of voxels, (z, y, x).
    stream
        Seed, operation and draw.
    xp, device
        Array namespace and its device.

    Returns
    -------
    Block
        uint32 of ``shape``. Bitwise on every device; no halo. Memory: the result (host), about 100 bytes per voxel (reference).

    Raises
    ------
    ParameterError
        If the box leaves [-2³¹, 2³¹).
    """
    return xp.astype(_words(start, shape, stream, xp, device), xp.uint32)


@word_field.host
def _word_field_host(*, start: Triple, shape: Triple, stream: Stream, xp: Any = np, device: Any = None) -> Block:
    check_box(start, shape)
    out = np.empty(shape, dtype=np.uint32)
    _fill_words(start, host_key(stream), np.empty((4, _groups(start[2], shape[2])[1]), np.uint32), out)
    return out


@jit
def _fill_words(start: Triple, key: HostArray, words: HostArray, out: HostArray) -> None:
    offset = start[2] & 3
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            _row_words(start[0] + z, start[1] + y, start[2] >> 2, key, words)
            row = out[z, y]
            for x in range(out.shape[2]):
                row[x] = words[(x + offset) & 3, (x + offset) >> 2]


# --- uniforms and normals ---------------------------------------------------------------------------------------------------------------


@kernel(cost=3.0)
def uniform_field(*, start: Triple, shape: Triple, stream: Stream, xp: Any = np, device: Any = None) -> Block:
    """Uniform random numbers in [0, 1) for a box of voxels: the upper 24 bits of each word, times 2⁻²⁴.

    Parameters and errors as :func:`word_field`.

    Returns
    -------
    Block
        float32 of ``shape``, multiples of 2⁻²⁴. Bitwise on every device; no halo.
    """
    return xp.astype(_words(start, shape, stream, xp, device) >> 8, xp.float32) * float(_UNIFORM_STEP)


@uniform_field.host
def _uniform_field_host(*, start: Triple, shape: Triple, stream: Stream, xp: Any = np, device: Any = None) -> Block:
    words = word_field(start=start, shape=shape, stream=stream)
    return (words >> 8).astype(np.float32) * _UNIFORM_STEP


@kernel(cost=4.0)
def normal_field(*, start: Triple, shape: Triple, stream: Stream, xp: Any = np, device: Any = None) -> Block:
    """Standard normal random numbers for a box of voxels.

    The inverse distribution function at (m + 1/2) / 2³², m the lower 31 bits of the word, with the sign from its upper bit: the mean is
    0 by symmetry, the variance 1 to 1e-6, |value| ≤ 6.34, and the tabulated function is within 1e-6 of the true quantile.

    Parameters and errors as :func:`word_field`.

    Returns
    -------
    Block
        float32 of ``shape``. Bitwise on every device; no halo. Memory: the result (host), about 150 bytes per voxel (reference).
    """
    words = _words(start, shape, stream, xp, device)
    scaled = ((words & 0x7FFFFFFF) << 1) | 1
    octave = xp.full(scaled.shape, 31, dtype=xp.uint64, **placed(device))
    for step in (16, 8, 4, 2, 1):
        small = scaled < (1 << (32 - step))
        scaled = xp.where(small, scaled << step, scaled)
        octave = xp.where(small, octave - step, octave)
    piece = xp.reshape(xp.astype(octave * 32 + ((scaled >> 26) & 31), xp.int64), (-1,))
    fraction = xp.astype((scaled >> 2) & 0xFFFFFF, xp.float32) * float(_UNIFORM_STEP)
    table = quantile_table()
    c0, c1, c2 = (xp.reshape(xp.take(xp.asarray(table[i], **placed(device)), piece, axis=0), scaled.shape) for i in range(3))
    magnitude = c0 + fraction * (c1 + fraction * c2)
    return xp.where((words >> 31) != 0, -magnitude, magnitude)


@normal_field.host
def _normal_field_host(*, start: Triple, shape: Triple, stream: Stream, xp: Any = np, device: Any = None) -> Block:
    check_box(start, shape)
    out = np.empty(shape, dtype=np.float32)
    _fill_normals(start, host_key(stream), normal_scratch(start[2], shape[2]), out)
    return out


Scratch = tuple[HostArray, HostArray, HostArray]


def normal_scratch(start: int, count: int) -> Scratch:
    """What :func:`normal_row` works with for rows of ``count`` voxels from ``start``: words, normals and the table."""
    groups = _groups(start, count)[1]
    return np.empty((4, groups), np.uint32), np.empty(4 * groups, np.float32), quantile_table()


@jit
def _fill_normals(start: Triple, key: HostArray, scratch: Scratch, out: HostArray) -> None:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            out[z, y] = normal_row(start[0] + z, start[1] + y, start[2], key, scratch)[: out.shape[2]]


@jit
def normal_row(z: int, y: int, x: int, key: HostArray, scratch: Scratch) -> HostArray:
    """The normals of the row (z, y) from voxel x on, a view of the scratch (for compiled callers; a few more at the end may follow)."""
    words, row, table = scratch
    _row_words(z, y, x >> 2, key, words)
    for word in range(4):
        source = words[word]
        for i in range(source.shape[0]):
            row[4 * i + word] = _normal(source[i], table)
    return row[x & 3 :]


@jit
def _normal(word: int, table: HostArray) -> float:
    # An odd integer below 2³² is exact in float64, whose exponent and leading bits are then the octave, the piece and the place in it.
    bits = np.float64((np.int64(word) & 0x7FFFFFFF) * 2 + 1).view(np.int64)
    piece = np.uint64((bits >> 47) - (1023 << 5))
    fraction = np.float32((bits >> 23) & 0xFFFFFF) * _UNIFORM_STEP
    magnitude = table[0, piece] + fraction * (table[1, piece] + fraction * table[2, piece])
    return -magnitude if np.int64(word) >> 31 else magnitude


# --- the quantile function --------------------------------------------------------------------------------------------------------------

_CENTRAL = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457)
    + (13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080),
    (5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867)
    + (5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1.0),
)
_MIDDLE = (
    (7.74545014278341407640e-4, 0.0227238449892691845833, 0.241780725177450611770, 1.27045825245236838258)
    + (3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 0.0151986665636164571966, 0.148103976427480074590)
    + (0.689767334985100004550, 1.67638483018380384940, 2.05319162663775882187, 1.0),
)
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.00124266094738807843860, 0.0265321895265761230930)
    + (0.296560571828504891230, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4)
    + (0.0148753612908506148525, 0.136929880922735805310, 0.599832206555887937690, 1.0),
)


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: float) -> float:
    values = []
    for polynomial in coefficients:
        value = 0.0
        for c in polynomial:
            value = value * x + c
        values.append(value)
    return values[0] / values[1]


def normal_quantile(probability: float) -> float:
    """The value that a standard normal variable stays below with the given probability; equal bits on every platform.

    Wichura's rational functions (relative error about 1e-16) with a correctly rounded logarithm in place of the C library's.

    Raises
    ------
    ParameterError
        Unless 0 < probability < 1.
    """
    if not 0.0 < probability < 1.0:
        raise ParameterError(f"a probability must lie between 0 and 1, both excluded, got {probability}")
    q = probability - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(_CENTRAL, 0.180625 - q * q)
    with localcontext(prec=28):
        logarithm = Decimal(min(probability, 1.0 - probability)).ln()
    r = math.sqrt(-float(logarithm))
    x = _ratio(_MIDDLE, r - 1.6) if r <= 5.0 else _ratio(_TAIL, r - 5.0)
    return x if q > 0 else -x


@lru_cache(maxsize=1)
def quantile_table() -> HostArray:
    """Coefficients (3, 1024), float32, of the quadratic pieces of -quantile(t / 2³³): 32 octaves of t, 32 pieces in each."""
    table = np.empty((3, 1024), dtype=np.float32)
    for octave in range(32):
        x = [-normal_quantile((1.0 + j / 64.0) * 2.0 ** (octave - 33)) for j in range(65)]
        for piece in range(32):
            left, middle, right = x[2 * piece : 2 * piece + 3]
            coefficients = left, 4.0 * middle - 3.0 * left - right, 2.0 * (left - 2.0 * middle + right)
            table[:, 32 * octave + piece] = coefficients
    table.setflags(write=False)
    return table
