"""Minkowski functionals of every label at once: integers per label, from one look at the 2×2×2 configurations of a block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.configurations import EULER, LINES, PLANES, VOXELS
from voxelrock.kernels.runs import find_runs, paint
from voxelrock.kernels.tables import distinct
from voxelrock.typing import Block, HostArray, Triple

_WEIGHTS = np.column_stack([VOXELS, LINES, PLANES, EULER[6], EULER[26]])
EIGHTHS, AREA, SECTIONS, EULER_6, EULER_26 = 0, slice(1, 14), slice(14, 27), 27, 28
"""Columns: eighths of a voxel, changes along 13 directions in quarters, sections with 13 families of planes, eighths of the Euler numbers."""


@dataclass(frozen=True, eq=False)
class BodyTable:
    """Rows of labels, ascending, and their integers (labels, columns)."""

    label: HostArray
    sums: HostArray


@kernel(cost=5.0, workspace=9.0, host_only="it adds to a table whose rows the data name")
def bodies(block: Block, /, *, start: Triple, shape: Triple, core: VoxelBox) -> BodyTable:
    """The table of a block of labels, 0 left out; what lies beyond the image belongs to no label. It runs on the host: a device's block is copied.

    Memory: eight bytes a voxel, 20 a run, 240 a label.
    """
    values = to_host(block)
    pad = [(int(a == 0), int(c == n)) for a, c, n in zip(start, core.stop, values.shape)]
    runs = find_runs(values)
    label, slot = distinct(runs.value if runs.value.size else np.ones(len(runs), np.int64))
    cube = np.pad(paint(runs, slot + 1, np.dtype("i4")), pad)
    sums = np.zeros((label.size + 1, _WEIGHTS.shape[1]), np.int64)
    _measure(cube, _WEIGHTS, sums)
    kept = np.flatnonzero(sums[1:].any(axis=1))
    return BodyTable(label[kept].astype(np.int64), sums[1:][kept])


@jit
def _measure(cube: HostArray, weights: HostArray, sums: HostArray) -> None:
    here = np.zeros(8, np.int32)
    for z in range(cube.shape[0] - 1):
        for y in range(cube.shape[1] - 1):
            a, b, c, d = cube[z, y], cube[z, y + 1], cube[z + 1, y], cube[z + 1, y + 1]
            for x in range(cube.shape[2] - 1):
                first = a[x]
                if first == b[x] == c[x] == d[x] == a[x + 1] == b[x + 1] == c[x + 1] == d[x + 1]:
                    sums[first, 0] += 8
                    continue
                here[0], here[1], here[2], here[3] = a[x], b[x], c[x], d[x]
                here[4], here[5], here[6], here[7] = a[x + 1], b[x + 1], c[x + 1], d[x + 1]
                for i in range(8):
                    label, code, seen = here[i], 0, False
                    for j in range(i):
                        seen = seen or here[j] == label
                    if label == 0 or seen:
                        continue
                    for j in range(i, 8):
                        code |= (here[j] == label) << j
                    for k in range(weights.shape[1]):
                        sums[label, k] += weights[code, k]


def join_bodies(tables: list[BodyTable]) -> BodyTable:
    """One table of several, rows of one label joined."""
    labels, rows = np.unique(np.concatenate([t.label for t in tables]), return_inverse=True)
    sums = np.zeros((labels.size, _WEIGHTS.shape[1]), np.int64)
    np.add.at(sums, rows, np.concatenate([t.sums for t in tables]))
    return BodyTable(labels, sums)
