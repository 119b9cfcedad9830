"""Raw file to Zarr store."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import dask.array as da
import numpy as np

import voxelrock as vr
from benchmarks import stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Work


def voxelrock(job: Job) -> Work:
    def work() -> Path:
        vr.save(vr.open(job.data / "grey.raw", shape=vr.ZYX(*job.shape), dtype="u2"), job.result)
        return job.result

    return work


def zarr_slabs(job: Job) -> Work:
    def work() -> Path:
        raw = np.memmap(job.data / "grey.raw", "<u2", "r", shape=job.shape)
        target = stores.create(job.result, raw.shape, raw.dtype)
        step = (target.shards or target.chunks)[0]
        for z in range(0, job.size, step):
            target[z : z + step] = raw[z : z + step]
        return job.result

    return work


def dask(job: Job) -> Work:
    def work() -> Path:
        raw = np.memmap(job.data / "grey.raw", "<u2", "r", shape=job.shape)
        target = stores.create(job.result, raw.shape, raw.dtype)
        da.to_zarr(da.from_array(raw, chunks=target.shards or target.chunks), target)
        return job.result

    return work


def copy(job: Job) -> Work:
    return lambda: shutil.copyfile(job.data / "grey.raw", job.out / "copy.raw") and None


def copy_flushed(job: Job) -> Work:
    def work() -> None:
        shutil.copyfile(job.data / "grey.raw", job.out / "copy.raw")
        with (job.out / "copy.raw").open("rb") as file:
            os.fsync(file.fileno())

    return work


FAMILY = Family(
    "ingest",
    "Raw file to Zarr store",
    (
        Operation(
            "raw u2 → Zarr",
            (
                Contender(VOXELROCK, voxelrock),
                Contender("Zarr, loop over slabs", zarr_slabs),
                Contender("Dask to_zarr, aligned", dask),
                Contender("file copy", copy, limit=True, compared=False),
                Contender("file copy, flushed to disk", copy_flushed, limit=True, compared=False),
            ),
            data=("grey.raw",),
        ),
    ),
    notes="voxelrock flushes each shard to disk before it calls it stored; of the others only the flushed copy does.",
)
