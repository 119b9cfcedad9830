"""How often two voxels, a given step apart, both belong to a phase, to one cluster, or what their values give: integers, added over blocks.

A pair belongs to the block that holds its first voxel (in ``core``); the second lies in what the block sees beyond itself, or outside the
image, and then the pair does not count.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.runs import set_bits
from voxelrock.typing import Block, HostArray, Triple

Margin = tuple[Triple, Triple]


def step_margin(*, directions: tuple[Triple, ...], steps: tuple[int, ...], **_: Any) -> Margin:
    """How far the second voxels of pairs lie before and after their first ones."""
    ends = np.array([[n * d for d in direction] for direction, n in zip(directions, steps)]).reshape(-1, 3)
    a, b, c = (int(max(0, -v)) for v in ends.min(axis=0, initial=0))
    d, e, f = (int(max(0, v)) for v in ends.max(axis=0, initial=0))
    return (a, b, c), (d, e, f)


def wrapped(block: HostArray, margin: Margin) -> tuple[HostArray, VoxelBox]:
    """A whole image with its own other end beyond each end, and where it lies in this."""
    low, high = margin
    start, stop = low, tuple(a + n for a, n in zip(low, block.shape))
    return np.pad(block, list(zip(low, high)), mode="wrap"), VoxelBox(start, (stop[0], stop[1], stop[2]))


def seen(block: Block, core: VoxelBox, margin: Margin, periodic: bool) -> tuple[HostArray, VoxelBox]:
    """A block on the host with what pairs reach, and its core in it; a periodic image continues with itself."""
    found = to_host(block)
    return wrapped(found, margin) if periodic else (found, core)


@kernel(cost=10.0, workspace=1.0, host_only="rows are packed into bits and shifted by whole words")
def pair_counts(first: Block, /, *second: Block, directions: tuple[Triple, ...], steps: tuple[int, ...], periodic: bool, core: VoxelBox) -> HostArray:
    """How many pairs of voxels, 0 to ``steps`` steps of a direction apart, have the first True in one mask and the second in the other (or the
    same), as int64 (directions, steps). It runs on the host: a device's block is copied.

    Memory: a quarter of a byte per voxel seen. ``periodic`` takes the whole image as the block.
    """
    margin = step_margin(directions=directions, steps=steps)
    one, box = seen(first, core, margin, periodic)
    two = seen(second[0], core, margin, periodic)[0] if second else one
    room = 64 * -(-max(margin[0][2], margin[1][2]) // 64)
    heads, tails = _packed(one, box, room), _packed(two, VoxelBox.whole(two.shape), room)
    found = np.zeros((len(directions), max(steps) + 1), np.int64)
    limits = np.array([box.start, box.stop])
    for i, (direction, count) in enumerate(zip(directions, steps)):
        _correlate(
            heads.reshape(heads.shape[0], -1), tails.reshape(tails.shape[0], -1), (heads.shape[1], heads.shape[2]), direction, limits, found[i, : count + 1]
        )
    return found


def _packed(mask: HostArray, keep: VoxelBox, room: int) -> HostArray:
    """A mask as bits, 64 to a word, x fastest; False outside ``keep``, and in ``room`` bits or more after each row, and in two words after each plane."""
    depth, height, width = mask.shape
    words = -(-(width + room) // 64) or 1
    rows = np.zeros((depth, height, words * 8), np.uint8)
    kept = mask[keep.slices]
    z, y, _ = keep.slices
    start = keep.start[2]
    if start % 8:
        kept = np.pad(kept, ((0, 0), (0, 0), (start % 8, 0)))
    packed = np.packbits(kept, axis=2, bitorder="little")
    rows[z, y, start // 8 : start // 8 + packed.shape[2]] = packed
    return rows.view("<u8").astype(np.uint64, copy=False)


@jit
def _correlate(heads: HostArray, tails: HostArray, shape: tuple[int, int], direction: Triple, limits: HostArray, found: HostArray) -> None:
    """Planes are one long row of bits each: a step within a plane is one shift of it. Rows end in False, so that none runs into the next."""
    height, words = shape
    for n in range(found.size):
        dz, dy, dx = n * direction[0], n * direction[1], n * direction[2]
        low, high = max(limits[0, 1], -dy), min(limits[1, 1], height - dy)
        if low >= high:
            continue
        shift = dy * words * 64 + dx
        jump, bits = shift >> 6, np.uint64(shift & 63)
        total = np.int64(0)
        for z in range(max(limits[0, 0], -dz), min(limits[1, 0], tails.shape[0] - dz)):
            total += _overlap(heads[z], tails[z + dz], low * words, high * words, jump, bits)
        found[n] = total


@jit
def _overlap(head: HostArray, tail: HostArray, low: int, high: int, jump: int, bits: np.uint64) -> int:
    """How many bits of ``head`` from word ``low`` to ``high`` are set there and, ``jump`` words and some bits further, in ``tail``."""
    total = np.int64(0)
    first, last = max(low, -jump), min(high, tail.size - jump)
    if bits == 0:
        a, b = head[first:last], tail[first + jump : last + jump]
        for w in range(a.size):
            total += np.int64(set_bits(a[w] & b[w]))
        return int(total)
    rest = np.uint64(64) - bits
    inner = min(last, tail.size - jump - 1)
    a, b, c = head[first:inner], tail[first + jump : inner + jump], tail[first + jump + 1 : inner + jump + 1]
    for w in range(a.size):
        total += np.int64(set_bits(a[w] & ((b[w] >> bits) | (c[w] << rest))))
    for w in range(max(inner, first), last):
        total += np.int64(set_bits(head[w] & (tail[w + jump] >> bits)))
    if first > low and first > 0:  # the word before: its upper part meets the beginning of the tail
        total += np.int64(set_bits(head[first - 1] & (tail[0] << rest)))
    return int(total)
