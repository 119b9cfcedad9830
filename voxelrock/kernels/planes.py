"""Faces of blocks as planes of labels, kept as stretches of equal labels, and how labels of two planes that lie side by side join."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit
from voxelrock.kernels.components import unite
from voxelrock.typing import HostArray


@dataclass(frozen=True)
class Plane:
    """A plane of labels (0: none): stretch i ends before position ``ends[i]`` of the plane in C order and holds ``labels[i]`` (int32)."""

    shape: tuple[int, int]
    ends: HostArray
    labels: HostArray

    @classmethod
    def of(cls, dense: HostArray) -> Plane:
        """The plane of a two-dimensional array."""
        flat = dense.reshape(-1)
        ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
        return cls((int(dense.shape[0]), int(dense.shape[1])), ends.astype(np.uint32 if flat.size < 2**32 else np.int64), flat[ends - 1].astype(np.int32))

    def dense(self) -> HostArray:
        """The labels as an int32 array."""
        ends: HostArray = np.append(0, self.ends.astype(np.int64))
        return np.repeat(self.labels, ends[1:] - ends[:-1]).reshape(self.shape)

    def renamed(self, names: HostArray) -> Plane:
        """The plane with label i replaced by ``names[i]``; label 0 stays."""
        labels = np.where(self.labels > 0, names[self.labels], 0).astype(np.int32)
        return Plane(self.shape, self.ends, labels)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return int(self.ends.nbytes + self.labels.nbytes)


def tiled(arrays: Iterable[tuple[HostArray, int, int]]) -> HostArray:
    """One array from arrays that tile it; each with its first index along the two axes."""
    parts = list(arrays)
    shape = max(a + part.shape[0] for part, a, _ in parts), max(b + part.shape[1] for part, _, b in parts)
    whole = np.zeros(shape, parts[0][0].dtype)
    for part, a, b in parts:
        whole[a : a + part.shape[0], b : b + part.shape[1]] = part
    return whole


def assembled(planes: Iterable[tuple[Plane, int, int]]) -> HostArray:
    """The labels (int32) of planes that tile one; each with its first index along the two axes."""
    return tiled((plane.dense(), a, b) for plane, a, b in planes)


def meeting(boxes: Sequence[VoxelBox], axis: int) -> list[tuple[int, list[int], list[int]]]:
    """Where boxes that tile one meet across an axis: the index of the voxels after each cut, the boxes before it and those after it."""
    stops, starts = [box.stop[axis] for box in boxes], [box.start[axis] for box in boxes]
    cuts = sorted(set(stops) & set(starts))
    return [(cut, [i for i, end in enumerate(stops) if end == cut], [i for i, begin in enumerate(starts) if begin == cut]) for cut in cuts]


@jit
def join_planes(parent: HostArray, value: HostArray, first: HostArray, second: HostArray, connectivity: int, wrap: tuple[bool, bool]) -> None:
    """Join the labels of neighbouring voxels in two planes that lie side by side.

    ``parent`` is the forest over all labels, ``value`` the value of each (empty if there is only one); ``wrap`` says along which axes of the
    plane the end is followed by the beginning.
    """
    height, width = first.shape
    for i in range(height):
        for j in range(width):
            label = first[i, j]
            if label == 0:
                continue
            last = np.int32(0)
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    apart = abs(di) + abs(dj)
                    if apart > 0 and (connectivity == 6 or (connectivity == 18 and apart == 2)):
                        continue
                    k, l = i + di, j + dj
                    if wrap[0]:
                        k = (k + height) % height
                    if wrap[1]:
                        l = (l + width) % width
                    if k < 0 or l < 0 or k >= height or l >= width:
                        continue
                    other = second[k, l]
                    if other != 0 and other != last and (value.size == 0 or value[other] == value[label]):
                        unite(parent, label, other)
                        last = other


@jit
def settle(parent: HostArray) -> int:
    """Replace each label's parent by the number of its tree, from 0 in the order of the roots; label 0 belongs to none. Gives their number."""
    count = 0
    parent[0] = -1
    for i in range(1, parent.size):
        if parent[i] == i:
            parent[i] = -2 - count  # marked, so that a number is not taken for a label
            count += 1
        else:
            parent[i] = parent[parent[i]]
    for i in range(1, parent.size):
        parent[i] = -2 - parent[i]
    return count
