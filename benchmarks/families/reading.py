"""The limit of every statistic: reading and decompressing the store, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import voxelrock as vr
from benchmarks import stores
from benchmarks.model import VOXELROCK, Contender, Job, Work
from voxelrock.graph.arrays import lift
from voxelrock.graph.expressions import leaves


def by_zarr(job: Job) -> Work:
    return lambda: stores.read(job.grey)


def by_blocks(job: Job) -> Work:
    """voxelrock's own reader, its blocks, and no operation."""

    def work() -> None:
        image = vr.open(job.grey)
        (leaf,) = leaves(lift(image.data))
        source: Any = leaf
        with ThreadPoolExecutor(job.threads) as pool:
            for _ in pool.map(lambda index: source.source.read(image.tiling.box(index)) is None, image.tiling):
                pass

    return work


UNCOUNTED = f"{VOXELROCK}, a store without counts"
"""The contender that has to read every voxel: the same image as zarr-python writes it."""

COUNTED = "Stores of voxelrock's tell how often each value occurs in a shard, so that it reads no voxel; zarr-python's do not."

LIMITS = (
    Contender("reading alone, Zarr array[:]", by_zarr, limit=True, compared=False),
    Contender("reading alone, voxelrock's blocks", by_blocks, limit=True, compared=False),
)
