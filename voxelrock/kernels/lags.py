"""How often two voxels any step apart both belong to a phase: correlation by Fourier transforms, rounded to the integers that it must give.

A correlation of masks is a count. In double precision its error stays below a hundredth for blocks of a thousand million voxels, so rounding
gives the count itself, whatever the size of the transform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.fft import fft, ifft, irfft, next_fast_len, rfft

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import kernel
from voxelrock.kernels.correlation import Margin, seen
from voxelrock.typing import Block, HostArray, Triple

_SPECTRUM = 3e8
"""Bytes that one spectrum may take: the core is cut along z until it does, down to an eighth of the longest step."""


def lag_margin(*, lag: Triple, half: bool, **_: Any) -> Margin:
    """How far the second voxels of pairs lie before and after their first ones; of two opposite steps only the one with z ≥ 0, if ``half``."""
    return ((0 if half else lag[0]), lag[1], lag[2]), lag


@kernel(cost=300.0, workspace=120.0, host_only="transforms in double precision, cut to the memory of a task")
def lag_counts(first: Block, /, *second: Block, lag: Triple, half: bool, periodic: bool, core: VoxelBox) -> HostArray:
    """How many pairs of voxels, each step of up to ``lag`` voxels along each axis apart, have the first True in one mask and the second in the
    other (or the same): int64 (lz, 2 ly + 1, 2 lx + 1), lz of 2 z + 1 or, if ``half``, of z + 1. It runs on the host: a device's block is copied.

    ``periodic`` takes the whole image as the block.
    """
    margin = lag_margin(lag=lag, half=half)
    one, box = seen(first, core, margin, periodic)
    two = seen(second[0], core, margin, periodic)[0] if second else one
    low = margin[0]
    found = np.zeros([a + b + 1 for a, b in zip(*margin)], np.int64)
    if not box.size:
        return found
    depth = _slab(box.shape, margin)
    for z in range(box.start[0], box.stop[0], depth):
        part = VoxelBox((z, *box.start[1:]), (min(z + depth, box.stop[0]), *box.stop[1:]))
        wide = part.grow(*margin) & VoxelBox.whole(two.shape)
        head = one[part.slices]
        _add(found, head, head if two is one and wide == part else two[wide.slices], part.within(wide).start, low)
    return found


def _slab(shape: Triple, margin: Margin) -> int:
    """How many planes of the core are looked at together."""
    wide = [n + a + b for n, a, b in zip(shape, *margin)]
    planes = int(_SPECTRUM / (8 * wide[1] * wide[2])) - margin[0][0] - margin[1][0]
    return max(1, (margin[0][0] + margin[1][0]) // 8, min(shape[0], planes))


def _add(found: HostArray, head: HostArray, tail: HostArray, offset: Triple, low: Triple) -> None:
    """Add the correlation of a core with what lies around it; the core begins ``offset`` voxels after that."""
    if not head.any():
        return
    size = []  # so long that no step that is asked for meets another, one period away
    for axis, (o, before, lags, h, t) in enumerate(zip(offset, low, found.shape, head.shape, tail.shape)):
        size.append(next_fast_len(max(o + lags - 1 - before + h, t - o + before, h, t), real=axis == 2))
    product = _spectrum(head, size)
    if head is tail:
        product = product.real**2 + product.imag**2 + 0j
    else:
        np.conjugate(product, out=product)
        product *= _spectrum(tail, size)
    for axis in (0, 1):  # only the steps that are asked for are transformed back
        product = ifft(product, axis=axis, overwrite_x=True).take(_places(found, low, offset, size, axis), axis=axis)
    found += np.rint(irfft(product, n=size[2], axis=2)[:, :, _places(found, low, offset, size, 2)]).astype(np.int64)


def _places(found: HostArray, low: Triple, offset: Triple, size: list[int], axis: int) -> HostArray:
    return (np.arange(found.shape[axis]) - low[axis] + offset[axis]) % size[axis]


def _spectrum(mask: HostArray, size: list[int]) -> HostArray:
    """The transform of a mask, filled up with zeros; axis by axis, so that planes and rows of nothing but these are left out."""
    spectrum = rfft(mask.astype("f8"), n=size[2], axis=2)
    for axis in (1, 0):
        spectrum = fft(spectrum, n=size[axis], axis=axis, overwrite_x=True)
    return np.asarray(spectrum)
