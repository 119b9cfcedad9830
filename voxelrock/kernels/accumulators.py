"""Exact sums per label: every value is an integer times a power of two, added in words of 32 bits, rounded once when it is read.

Accumulators are rows of int64 words; word i counts units of 2**(32 i) above the smallest bit that the type has. The sum of values and the
sum of their squares are kept, so that means and deviations do not depend on the order of addition.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.typing import HostArray

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


class Format(NamedTuple):
    """How a type's values are added: the exponent of the smallest bit, and the words of a sum and of a sum of squares."""

    unit: int
    words: int
    square_words: int


def format_of(dtype: np.dtype[Any]) -> Format:
    """The format of a type of grey values."""
    if dtype.kind == "f":
        return Format(149, 12, 21) if dtype.itemsize == 4 else Format(1074, 69, 134)
    return Format(0, 4, 7)


@jit
def _add(row: HostArray, value: np.uint64, shift: int, negative: bool) -> None:
    """Add ``value`` times ``2**shift`` to a row of words."""
    i, r = shift >> 5, np.uint64(shift & 31)
    low, high = (value & _LOW) << r, (value >> _HALF) << r
    parts = np.int64(low & _LOW), np.int64((low >> _HALF) + (high & _LOW)), np.int64(high >> _HALF)
    if negative:
        row[i] -= parts[0]
        row[i + 1] -= parts[1]
        row[i + 2] -= parts[2]
    else:
        row[i] += parts[0]
        row[i + 1] += parts[1]
        row[i + 2] += parts[2]


@jit
def _add_square(row: HostArray, value: np.uint64, shift: int) -> None:
    """Add the square of ``value`` times ``2**shift`` to a row of words."""
    low, high = value & _LOW, value >> _HALF
    _add(row, low * low, 2 * shift, False)
    _add(row, low * high, 2 * shift + 33, False)
    _add(row, high * high, 2 * shift + 64, False)


@jit
def _decoded(bits: Any, mantissa_bits: int, exponent_mask: int) -> tuple[np.uint64, int, bool]:
    """Mantissa, shift above the smallest bit, and sign of a float's bits; a shift of -1 says that it is not finite."""
    exponent = (np.int64(bits) >> mantissa_bits) & exponent_mask
    mantissa = np.uint64(np.int64(bits) & ((np.int64(1) << mantissa_bits) - 1))
    if exponent == exponent_mask:
        return mantissa, -1, False
    if exponent > 0:
        mantissa |= np.uint64(1) << np.uint64(mantissa_bits)
    return mantissa, max(int(exponent) - 1, 0), bool(bits < 0)


@jit
def add_floats(bits: HostArray, at: int, stop: int, mantissa_bits: int, row: HostArray, squares: HostArray) -> bool:
    """Add floats ``at`` to ``stop`` of a row, given as integers of their bits; False if one is not finite."""
    mask = 0xFF if mantissa_bits == 23 else 0x7FF
    for x in range(at, stop):
        mantissa, shift, negative = _decoded(bits[x], mantissa_bits, mask)
        if shift < 0:
            return False
        _add(row, mantissa, shift, negative)
        _add_square(squares, mantissa, shift)
    return True


@jit
def add_integers(values: HostArray, at: int, stop: int, row: HostArray, squares: HostArray) -> None:
    """Add integers ``at`` to ``stop`` of a row."""
    for x in range(at, stop):
        value = values[x]
        size = np.uint64(-np.int64(value)) if value < 0 else np.uint64(value)
        _add(row, size, 0, value < 0)
        _add_square(squares, size, 0)


@jit
def add_small(values: HostArray, at: int, stop: int, row: HostArray, squares: HostArray) -> None:
    """Add integers of up to 16 bits: a block's sums of them fit in one word."""
    first, second = np.int64(0), np.int64(0)
    for x in range(at, stop):
        value = np.int64(values[x])
        first += value
        second += value * value
    row[0] += first
    squares[0] += second


def carried(words: HostArray) -> HostArray:
    """The same sums with every word but the last from 0 to 2**32 - 1, so that more can be added."""
    words = words.copy()
    for i in range(words.shape[1] - 1):
        words[:, i + 1] += words[:, i] >> 32
        words[:, i] &= 0xFFFFFFFF
    return words


def _integers(words: HostArray) -> list[int]:
    """Each row as one integer."""
    found = [0] * words.shape[0]
    for i in range(words.shape[1]):
        column = words[:, i]
        for row in np.flatnonzero(column).tolist():
            found[row] += int(column[row]) << (32 * i)
    return found


def mean_and_deviation(counts: HostArray, sums: HostArray, squares: HostArray, unit: int) -> tuple[HostArray, HostArray]:
    """Means and standard deviations, from exact numerators, each division rounded once; NaN of nothing. A few microseconds a label."""
    means, deviations = np.full(counts.size, np.nan), np.full(counts.size, np.nan)
    for i, (n, first, second) in enumerate(zip(counts.tolist(), _integers(sums), _integers(squares))):
        if n:
            means[i] = first / (n << unit)
            deviations[i] = math.sqrt((n * second - first * first) / (n * n << 2 * unit))
    return means, deviations
