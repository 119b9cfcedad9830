"""Helpers of the tests of io: dense arrays, boxes, and a whole export at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from voxelrock.geometry import ZYX, VoxelBox
from voxelrock.io import registry
from voxelrock.io.formats import ReadOptions, Scan
from voxelrock.io.writing import Header, WriteOptions

shapes = st.tuples(*[st.integers(1, 7)] * 3)
seeds = st.integers(0, 2**32 - 1)


def noise(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    """Voxels of any type, with its extreme values."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)


@st.composite
def boxes(draw: st.DrawFn, shape: tuple[int, int, int]) -> VoxelBox:
    """A box inside an image, empty ones included."""
    ends = [sorted((draw(st.integers(0, n)), draw(st.integers(0, n)))) for n in shape]
    return VoxelBox(tuple(a for a, _ in ends), tuple(b for _, b in ends))


def whole(scan: Scan) -> np.ndarray:
    """All voxels of a scan."""
    return scan.source.read(VoxelBox.whole(scan.source.shape))


def header(array: np.ndarray, **said: Any) -> Header:
    """A header for an array."""
    return Header(ZYX(*array.shape), array.dtype, **said)


def export(path: Path, array: np.ndarray, options: WriteOptions | None = None, **said: Any) -> None:
    """Write an array unit by unit, in reverse order."""
    writing = registry.write(path, header(array, **said), options)
    with writing:
        for index in reversed(list(writing.tiling)):
            box = writing.tiling.box(index)
            writing.target.write(index, box, array[box.slices])


def reopen(path: Path, **said: Any) -> Scan:
    """Open a file through the registry."""
    return registry.read(path, ReadOptions(**said))
