"""Pairs of voxels of one cluster, and products of the values of pairs: the same pairs as :mod:`voxelrock.kernels.correlation`, without bits."""

from __future__ import annotations

import math

import numpy as np

from voxelrock.errors import DataError
from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel
from voxelrock.kernels.correlation import seen, step_margin
from voxelrock.kernels.rows import fixed
from voxelrock.typing import Block, HostArray, Triple


@kernel(cost=30.0, workspace=1.0, host_only="pairs of labels are compared along rows, far apart")
def cluster_pairs(labels: Block, /, *, directions: tuple[Triple, ...], steps: tuple[int, ...], periodic: bool, core: VoxelBox) -> HostArray:
    """How many pairs of voxels, 0 to ``steps`` steps of a direction apart, have one label that is not 0: int64 (directions, steps). It runs on the
    host: a device's block is copied."""
    values, box = seen(labels, core, step_margin(directions=directions, steps=steps), periodic)
    values = fixed(values)
    found = np.zeros((len(directions), max(steps) + 1), np.int64)
    for i, (direction, count) in enumerate(zip(directions, steps)):
        _same(values, direction, np.array([box.start, box.stop]), found[i, : count + 1])
    return found


@jit
def _same(values: HostArray, direction: Triple, limits: HostArray, found: HostArray) -> None:
    depth, height, width = values.shape
    for n in range(found.size):
        dz, dy, dx = n * direction[0], n * direction[1], n * direction[2]
        left, right = max(limits[0, 2], -dx), min(limits[1, 2], width - dx)
        if left >= right:
            continue
        total = np.int64(0)
        for z in range(max(limits[0, 0], -dz), min(limits[1, 0], depth - dz)):
            for y in range(max(limits[0, 1], -dy), min(limits[1, 1], height - dy)):
                a, b = values[z, y, left:right], values[z + dz, y + dy, left + dx : right + dx]
                count = np.int64(0)
                for x in range(a.size):
                    count += (a[x] == b[x]) & (a[x] != 0)
                total += count
        found[n] = total


SUMS = ("pairs", "first", "second", "product", "squares")
"""What :func:`value_sums` adds for each step: pairs, first values, second values, products of both, sums of both squares."""


@kernel(cost=60.0, workspace=3.0, host_only="rows are packed into bits and shifted by whole words")
def value_sums(values: Block, /, *mask: Block, directions: tuple[Triple, ...], steps: tuple[int, ...], periodic: bool, core: VoxelBox) -> HostArray:
    """Sums over pairs of voxels whose values both count: :data:`SUMS`, for each direction and step, as Python's integers (5, directions, steps).

    For booleans and integers of up to 16 bits. It runs on the host: a device's block is copied.
    """
    margin = step_margin(directions=directions, steps=steps)
    grey, box = seen(values, core, margin, periodic)
    grey = fixed(grey.astype(np.int32))
    keep = fixed(seen(mask[0], core, margin, periodic)[0] if mask else np.ones((1, 1, 1), bool))
    found = np.zeros((len(SUMS), len(directions), max(steps) + 1), np.int64)
    for i, (direction, count) in enumerate(zip(directions, steps)):
        _sum(grey, keep, bool(mask), direction, np.array([box.start, box.stop]), found[:, i, : count + 1])
    return found.astype(object)


UNIT = 2**48
"""Into how many parts the range of floats, and its square, are divided: sums over pairs are whole numbers of such parts."""


@kernel(cost=90.0, workspace=6.0, host_only="values of pairs are multiplied along rows, far apart")
def scaled_sums(
    values: Block, /, *mask: Block, limits: HostArray, directions: tuple[Triple, ...], steps: tuple[int, ...], periodic: bool, core: VoxelBox
) -> HostArray:
    """As :func:`value_sums`, for any real values, which are first brought from their ``limits`` to 0 … 1: firsts, seconds and products each rounded to
    one of :data:`UNIT` parts, so are squares of differences, to which twice the product is added. It runs on the host.

    Raises
    ------
    DataError
        The range of the values exceeds that of floats.
    """
    margin = step_margin(directions=directions, steps=steps)
    low, high = (float(v) for v in limits)
    if not math.isfinite(high - low):
        raise DataError(f"the values, from {low:g} to {high:g}, lie too far apart for sums over pairs; leave the extreme ones out with where=")
    seen_values, box = seen(values, core, margin, periodic)
    keep = fixed(seen(mask[0], core, margin, periodic)[0] if mask else np.ones((1, 1, 1), bool))
    scaled = seen_values.astype(np.float64)
    if mask:
        scaled[~keep.view(bool)] = low
    scaled -= low
    scaled *= 1 / (high - low) if high > low else 0.0
    found = np.zeros((len(SUMS), len(directions), max(steps) + 1, 2), np.int64)
    for i, (direction, count) in enumerate(zip(directions, steps)):
        _scaled_sum(scaled, keep, bool(mask), direction, np.array([box.start, box.stop]), found[:, i, : count + 1])
    whole = (found[..., 0].astype(object) << 32) + found[..., 1].astype(object)
    whole[4] += 2 * whole[3]
    return whole


@jit
def _scaled_sum(values: HostArray, keep: HostArray, masked: bool, direction: Triple, limits: HostArray, found: HostArray) -> None:
    """Sums in two parts: of the upper bits, and of the lower 32."""
    depth, height, width = values.shape
    unit = float(UNIT)
    for n in range(found.shape[1]):
        dz, dy, dx = n * direction[0], n * direction[1], n * direction[2]
        left, right = max(limits[0, 2], -dx), min(limits[1, 2], width - dx)
        if left >= right:
            continue
        for z in range(max(limits[0, 0], -dz), min(limits[1, 0], depth - dz)):
            for y in range(max(limits[0, 1], -dy), min(limits[1, 1], height - dy)):
                for start in range(left, right, 4096):  # so few that their sum fits 64 bits
                    stop = min(right, start + 4096)
                    a, b = values[z, y, start:stop], values[z + dz, y + dy, start + dx : stop + dx]
                    p, q = keep[0, 0, :0], keep[0, 0, :0]
                    if masked:
                        p, q = keep[z, y, start:stop], keep[z + dz, y + dy, start + dx : stop + dx]
                    count, first, second, product, square = np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
                    for x in range(a.size):
                        both = np.int64(p[x] & q[x]) if masked else np.int64(1)
                        u, v = a[x], b[x]
                        count += both
                        first += both * np.int64(u * unit + 0.5)
                        second += both * np.int64(v * unit + 0.5)
                        product += both * np.int64(u * v * unit + 0.5)
                        square += both * np.int64((u - v) * (u - v) * unit + 0.5)
                    for i, total in enumerate((count, first, second, product, square)):
                        found[i, n, 0] += total >> 32
                        found[i, n, 1] += total & 0xFFFFFFFF


@jit
def _sum(values: HostArray, keep: HostArray, masked: bool, direction: Triple, limits: HostArray, found: HostArray) -> None:
    depth, height, width = values.shape
    for n in range(found.shape[1]):
        dz, dy, dx = n * direction[0], n * direction[1], n * direction[2]
        left, right = max(limits[0, 2], -dx), min(limits[1, 2], width - dx)
        if left >= right:
            continue
        for z in range(max(limits[0, 0], -dz), min(limits[1, 0], depth - dz)):
            for y in range(max(limits[0, 1], -dy), min(limits[1, 1], height - dy)):
                a, b = values[z, y, left:right], values[z + dz, y + dy, left + dx : right + dx]
                count, first, second, product, squares = np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
                if masked:
                    p, q = keep[z, y, left:right], keep[z + dz, y + dy, left + dx : right + dx]
                    for x in range(a.size):
                        both = np.int64(p[x] & q[x])
                        u, v = np.int64(a[x]) * both, np.int64(b[x]) * both
                        count, first, second = count + both, first + u, second + v
                        product, squares = product + u * v, squares + u * u + v * v
                else:
                    count = np.int64(a.size)
                    for x in range(a.size):
                        u, v = np.int64(a[x]), np.int64(b[x])
                        first, second = first + u, second + v
                        product, squares = product + u * v, squares + u * u + v * v
                found[0, n] += count
                found[1, n] += first
                found[2, n] += second
                found[3, n] += product
                found[4, n] += squares
