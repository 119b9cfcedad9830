"""Voxels of another size from all those that they overlap, each by the volume that they share: mean, fraction, majority."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import beside, jit, kernel, namespace
from voxelrock.typing import Block, HostArray, Triple

_EXACT = 1e-9
"""Voxels within which a face of a new voxel is one of an old voxel, that rounding missed; and shares within which two labels are equally frequent."""


@dataclass(frozen=True)
class Overlap:
    """New voxels of ``ratio`` old ones along each axis, from the same first face, over an image of a shape.

    ``values`` are those whose share is asked for; ``nodata`` has no vote.
    """

    ratio: tuple[float, float, float]
    shape: Triple
    values: tuple[float, ...] = ()
    nodata: float | None = None

    def face(self, axis: int, index: int) -> float:
        """Where the first face of a new voxel lies, in old voxels."""
        place = index * self.ratio[axis]
        whole = math.floor(place + 0.5)
        return float(whole) if abs(place - whole) <= _EXACT * max(1.0, self.ratio[axis]) else place

    def shares(self, axis: int, start: int, length: int, box: VoxelBox) -> tuple[HostArray, HostArray]:
        """For new voxels the old ones of a box that they overlap, and by how much: two arrays (new, old); a share of 0 is none."""
        faces = [self.face(axis, start + i) for i in range(length + 1)]
        low = np.array([math.floor(f) for f in faces[:-1]], np.int64)
        count = max(math.ceil(b) - a for a, b in zip(low, faces[1:]))
        old = low[:, None] + np.arange(count)
        share = np.minimum(old + 1.0, np.array(faces[1:])[:, None]) - np.maximum(old, np.array(faces[:-1])[:, None])
        share[old >= box.stop[axis]] = 0
        return np.minimum(old, box.stop[axis] - 1) - box.start[axis], np.maximum(share, 0)


def overlapped(box: VoxelBox, *, over: Overlap, **_: Any) -> list[VoxelBox]:
    """The box of old voxels that a box of new ones overlaps."""
    start = [math.floor(over.face(axis, box.start[axis])) for axis in range(3)]
    stop = [min(n, math.ceil(over.face(axis, box.stop[axis]))) for axis, n in zip(range(3), over.shape)]
    return [VoxelBox((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))]


def _tables(over: Overlap, start: Triple, shape: Triple) -> list[tuple[HostArray, HostArray]]:
    (box,) = overlapped(VoxelBox(start, tuple(a + n for a, n in zip(start, shape))), over=over)  # type: ignore[arg-type]
    return [over.shares(axis, start[axis], shape[axis], box) for axis in range(3)]


def _votes(xp: Any, block: Block, over: Overlap, start: Triple, shape: Triple) -> list[tuple[Block, Block]]:
    """The old voxels of each new one, place by place in C order, with their shares; 0 for those without a vote."""
    tables = [(xp.asarray(i, **beside(block)), xp.asarray(w, **beside(block))) for i, w in _tables(over, start, shape)]
    found = []
    for a, b, c in np.ndindex(*(t[0].shape[1] for t in tables)):
        voxels, share = block, None
        for axis, k in enumerate((a, b, c)):
            index, weight = tables[axis]
            voxels = xp.take(voxels, index[:, k], axis=axis)
            weight = xp.reshape(weight[:, k], tuple(-1 if i == axis else 1 for i in range(3)))
            share = weight if share is None else share * weight
        good = xp.ones(voxels.shape, dtype=xp.bool, **beside(block))
        if over.nodata is not None:
            good = ~xp.isnan(voxels) if math.isnan(over.nodata) else voxels != over.nodata
        found.append((voxels, xp.where(good, share, xp.zeros_like(share))))
    return found


@kernel(cost=10.0, workspace=8.0)
def shared_mean(block: Block, /, *, over: Overlap, dtype: str, start: Triple, shape: Triple, xp: Any) -> Block:
    """Mean of the old voxels of each new one, or the share of ``over.values`` among them, by volume; NaN where none has data. In float64, rounded once."""
    xp = namespace(block)
    total = count = None
    for voxels, share in _votes(xp, block, over, start, shape):
        value = xp.astype(voxels, xp.float64)
        if over.values:
            inside = xp.zeros(value.shape, dtype=xp.bool, **beside(block))
            for one in over.values:
                inside = inside | (value == one)
            value = xp.astype(inside, xp.float64)
        part = share * xp.where(share > 0, value, xp.zeros_like(value))
        total, count = (part, share) if total is None or count is None else (total + part, count + share)
    none = count == 0
    mean = xp.where(none, xp.full_like(total, math.nan), total / xp.where(none, xp.ones_like(count), count))
    return xp.astype(mean, getattr(xp, dtype))


@kernel(cost=25.0, workspace=8.0)
def shared_majority(block: Block, /, *, over: Overlap, start: Triple, shape: Triple, xp: Any) -> Block:
    """The value that fills most of each new voxel; of those that fill as much the smallest, the no-data value where there is no other."""
    xp = namespace(block)
    votes = _votes(xp, block, over, start, shape)
    weights: list[Any] = []
    for voxels, _ in votes:
        total = None
        for other, share in votes:
            part = xp.where(other == voxels, share, xp.zeros_like(share))
            total = part if total is None else total + part
        weights.append(total)
    most: Any = weights[0]
    for weight in weights[1:]:
        most = xp.maximum(most, weight)
    best = none = None
    for (voxels, share), weight in zip(votes, weights):
        wins = (weight >= most - _EXACT) & (share > 0)
        if best is None or none is None:
            best, none = voxels, ~wins
        else:
            best, none = xp.where(wins & (none | (voxels < best)), voxels, best), none & ~wins
    if over.nodata is not None:
        best = xp.where(none, xp.asarray(over.nodata, dtype=block.dtype, **beside(block)), best)
    return best


@shared_mean.host
def _mean_host(block: HostArray, /, *, over: Overlap, dtype: str, start: Triple, shape: Triple, xp: Any) -> HostArray:
    out = np.empty(shape, dtype)
    _mean(_bytes(block), _flat(over, start, shape), np.array(over.values, "f8"), _blank(block.dtype, over.nodata), out)
    return out


@shared_majority.host
def _majority_host(block: HostArray, /, *, over: Overlap, start: Triple, shape: Triple, xp: Any) -> HostArray:
    out = np.empty(shape, block.dtype)
    _majority(_bytes(block), _flat(over, start, shape), _blank(block.dtype, over.nodata), _bytes(out))
    return out


def _bytes(block: HostArray) -> HostArray:
    return block.view(np.uint8) if block.dtype.kind == "b" else block


def _flat(over: Overlap, start: Triple, shape: Triple) -> tuple[HostArray, ...]:
    return tuple(part for table in _tables(over, start, shape) for part in table)


def _blank(dtype: np.dtype[Any], nodata: float | None) -> HostArray:
    """The no-data value in the block's type; nothing where no voxel can have it."""
    dtype = np.dtype("u1") if dtype.kind == "b" else dtype
    if nodata is None or (dtype.kind != "f" and not np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max):
        return np.empty(0, dtype)
    return np.array([nodata]).astype(dtype)


@jit
def _mean(block: HostArray, tables: tuple[HostArray, ...], wanted: HostArray, blank: HostArray, out: HostArray) -> None:
    iz, wz, iy, wy, ix, wx = tables
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                total = count = 0.0
                for a in range(iz.shape[1]):
                    for b in range(iy.shape[1]):
                        share = wz[z, a] * wy[y, b]
                        for c in range(ix.shape[1]):
                            part = share * wx[x, c]
                            value = block[iz[z, a], iy[y, b], ix[x, c]]
                            if part == 0 or (blank.size and (value == blank[0] or (value != value and blank[0] != blank[0]))):
                                continue
                            number = float(value)
                            if wanted.size:
                                number = 0.0
                                for one in wanted:
                                    if value == one:
                                        number = 1.0
                            total += part * number
                            count += part
                out[z, y, x] = total / count if count > 0 else math.nan


@jit
def _majority(block: HostArray, tables: tuple[HostArray, ...], blank: HostArray, out: HostArray) -> None:
    iz, wz, iy, wy, ix, wx = tables
    seen = np.empty(iz.shape[1] * iy.shape[1] * ix.shape[1], block.dtype)
    weight = np.empty(seen.size)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                n = 0
                for a in range(iz.shape[1]):
                    for b in range(iy.shape[1]):
                        share = wz[z, a] * wy[y, b]
                        for c in range(ix.shape[1]):
                            part = share * wx[x, c]
                            value = block[iz[z, a], iy[y, b], ix[x, c]]
                            if part == 0 or (blank.size and (value == blank[0] or (value != value and blank[0] != blank[0]))):
                                continue
                            k = 0
                            while k < n and seen[k] != value:
                                k += 1
                            if k == n:
                                seen[n], weight[n] = value, 0.0
                                n += 1
                            weight[k] += part
                if n == 0:
                    out[z, y, x] = blank[0]
                    continue
                most, best = weight[0], -1
                for k in range(1, n):
                    most = max(most, weight[k])
                for k in range(n):
                    if weight[k] >= most - _EXACT and (best < 0 or seen[k] < seen[best]):
                        best = k
                out[z, y, x] = seen[best]
