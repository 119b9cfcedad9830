"""How often two voxels any step apart both belong to a phase: correlation by Fourier transforms, rounded to the integers that it must give.

A correlation of masks is a count. In double precision its error stays far below a hundredth for blocks of a thousand million voxels, so rounding
gives the count itself, whatever the size of the transform.

Frequencies along x are taken in classes, those that leave one remainder when they are divided by the number of classes: rows, folded to the length
of a class and turned by a phase, have these frequencies as their transform (decimation in frequency, Gentleman & Sande 1966,
doi:10.1145/1464291.1464352). One class lies in memory at a time, however wide the block, and mostly in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.fft import fft, ifft, next_fast_len

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel
from voxelrock.kernels.correlation import Margin, seen
from voxelrock.typing import Block, HostArray, Triple

_CLASS = 6e7
"""Bytes that the spectrum of a class takes, about (measured: smaller ones take longer to fold, larger ones leave the cache)."""
_LEAST = 8
"""Frequencies along x in a class, at least."""


def lag_margin(*, lag: Triple, half: bool, **_: Any) -> Margin:
    """How far the second voxels of pairs lie before and after their first ones; of two opposite steps only the one with z ≥ 0, if ``half``."""
    return ((0 if half else lag[0]), lag[1], lag[2]), lag


@kernel(cost=200.0, workspace=8.0, host_only="transforms in double precision, in classes of frequencies that fit the cache")
def lag_counts(first: Block, /, *second: Block, lag: Triple, half: bool, periodic: bool, core: VoxelBox) -> HostArray:
    """How many pairs of voxels, each step of up to ``lag`` voxels along each axis apart, have the first True in one mask and the second in the
    other (or the same): int64 (lz, 2 ly + 1, 2 lx + 1), lz of 2 z + 1 or, if ``half``, of z + 1. It runs on the host: a device's block is copied.

    ``periodic`` takes the whole image as the block.
    """
    margin = lag_margin(lag=lag, half=half)
    one, box = seen(first, core, margin, periodic)
    two = seen(second[0], core, margin, periodic)[0] if second else one
    low = margin[0]
    lags: Triple = tuple(a + b + 1 for a, b in zip(*margin))  # type: ignore[assignment]
    if not (box.size and one[box.slices].any()):
        return np.zeros(lags, np.int64)
    wide = box.grow(*margin) & VoxelBox.whole(two.shape)
    same = two is one and wide == box
    head, tail = _Part(one, box), _Part(two, wide)
    found = _correlation(head, None if same else tail, box.within(wide).start, low, lags)
    return np.rint(found, out=found).astype(np.int64)


class _Part:
    """A box of a mask."""

    def __init__(self, mask: HostArray, box: VoxelBox) -> None:
        self.mask = np.ascontiguousarray(mask).view(np.uint8)
        self.box = box


def _correlation(head: _Part, tail: _Part | None, offset: Triple, low: Triple, lags: Triple) -> HostArray:
    """The correlation of a part with what lies around it (itself, if None); it begins ``offset`` voxels after that."""
    size = []  # so long that no step that is asked for meets another, one period away
    for o, before, steps, h, t in zip(offset, low, lags, head.box.shape, (tail or head).box.shape):
        size.append(max(o + steps - 1 - before + h, t - o + before, h, t))
    depth, height = (next_fast_len(n) for n in size[:2])
    classes = min(int(16 * depth * height * size[2] / _CLASS), size[2] // _LEAST) | 1  # of an odd number only one is its own mirror image
    columns = next_fast_len(-(-size[2] // classes))
    shape, width = (depth, height, columns), classes * columns
    z, y, x = ((np.arange(n) - a + o) % period for n, a, o, period in zip(lags, low, offset, (depth, height, width)))
    found = np.zeros(lags)
    for remainder in range(classes // 2 + 1):
        product = _spectrum(head, shape, classes, remainder)
        other = product if tail is None else _spectrum(tail, shape, classes, remainder)
        for plane, facing in zip(product, other):
            np.multiply(np.conjugate(plane), facing, out=plane)
        del other, facing
        for axis, steps in enumerate((z, y)):  # only the steps that are asked for are transformed back
            product = ifft(product, axis=axis, overwrite_x=True).take(steps, axis=axis)
        turn = np.exp(2j * np.pi * remainder * x / width) * ((1 if remainder == 0 else 2) / classes)
        for counts, plane in zip(found, product):
            counts += (ifft(plane, axis=1).take(x % columns, axis=1) * turn).real
        del product, plane
    return found


def _spectrum(part: _Part, shape: Triple, classes: int, remainder: int) -> HostArray:
    """The transform of a part of a mask, filled up with zeros, at one class of frequencies; planes and rows of nothing but zeros are left out."""
    spectrum = np.zeros(shape, np.complex128)
    turns = np.exp(-2j * np.pi * (np.arange(classes) * remainder % classes) / classes)
    phases = np.exp(-2j * np.pi * remainder * np.arange(shape[2]) / (classes * shape[2]))
    _fold(part.mask, part.box.start, part.box.stop, turns, phases, spectrum)
    depth, height, _ = part.box.shape
    for axis, filled in ((2, spectrum[:depth, :height]), (1, spectrum[:depth]), (0, spectrum)):
        made = fft(filled, axis=axis, overwrite_x=True)
        if not np.may_share_memory(made, filled):
            filled[...] = made
    return spectrum


@jit
def _fold(mask: HostArray, start: Triple, stop: Triple, turns: HostArray, phases: HostArray, folded: HostArray) -> None:
    """Add the pieces of each row, each turned, and turn each place of the sum."""
    length = folded.shape[2]
    real, imag = np.empty(length), np.empty(length)
    for z in range(start[0], stop[0]):
        for y in range(start[1], stop[1]):
            real[:] = 0.0
            imag[:] = 0.0
            for i in range(turns.size):
                first = start[2] + i * length
                a, b = turns[i].real, turns[i].imag
                for x in range(first, min(first + length, stop[2])):
                    real[x - first] += a * mask[z, y, x]
                    imag[x - first] += b * mask[z, y, x]
            for x in range(length):
                folded[z - start[0], y - start[1], x] = complex(real[x], imag[x]) * phases[x]
