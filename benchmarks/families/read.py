"""Zarr store to NumPy."""

from __future__ import annotations

import numpy as np

import voxelrock as vr
from benchmarks import stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Work


def voxelrock(job: Job) -> Work:
    return lambda: vr.open(job.grey).compute()


def zarr(job: Job) -> Work:
    return lambda: stores.read(job.grey)


def dask(job: Job) -> Work:
    return lambda: stores.lazy(job.grey).compute()


def raw(job: Job) -> Work:
    return lambda: np.fromfile(job.data / "grey.raw", "<u2").reshape(job.shape)


FAMILY = Family(
    "read",
    "Zarr store to NumPy",
    (
        Operation(
            "Zarr u2 → NumPy",
            (
                Contender(VOXELROCK, voxelrock),
                Contender("Zarr array[:]", zarr),
                Contender("Dask, blocks of shards", dask),
                Contender("raw file, uncompressed", raw, limit=True),
            ),
            data=("grey.raw", "grey.zarr"),
        ),
    ),
)
