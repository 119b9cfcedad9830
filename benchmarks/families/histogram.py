"""Histogram of a stored u2 image, one bin per value, and RockVerse's at 256³."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.families.reading import COUNTED, LIMITS, UNCOUNTED
from benchmarks.model import VOXELROCK, Contender, Family, Job, Maker, Operation, Work

_VALUES = 65536


def voxelrock(name: str = "grey.zarr") -> Maker:
    def make(job: Job) -> Work:
        return lambda: vr.compute(vr.statistics.histogram(vr.open(job.data / name))).values

    return make


def voxelrock_binned(name: str = "grey.zarr") -> Maker:
    edges = np.linspace(-0.5, _VALUES - 0.5, 257)

    def make(job: Job) -> Work:
        return lambda: vr.compute(vr.statistics.histogram(vr.open(job.data / name), bins=edges)).values

    return make


def dask(job: Job) -> Work:
    edges = np.arange(_VALUES + 1) - 0.5
    return lambda: da.histogram(stores.lazy(job.grey), bins=edges)[0].compute()


def bincount(threads: int) -> Callable[[Any], Any]:
    return lambda image: np.bincount(image.reshape(-1), minlength=_VALUES)


def opencv(threads: int) -> Callable[[Any], Any]:
    cv2 = peers.opencv(threads)
    return lambda image: cv2.calcHist([image.reshape(image.shape[0], -1)], [0], None, [_VALUES], [0, _VALUES]).reshape(-1)


def _rockverse(bins: int, **options: Any) -> Contender:
    return Contender("RockVerse, 2 ranks", command=peers.rockverse_histogram(bins, ranks=2), missing=peers.ROCKVERSE.missing, **options)


FAMILY = Family(
    "histogram",
    "Histogram of a stored u2 image",
    (
        Operation(
            "one bin per value",
            (
                Contender(VOXELROCK, voxelrock()),
                Contender(UNCOUNTED, voxelrock("plain.zarr")),
                Contender("dask.array.histogram", dask),
                Contender("Zarr, numpy.bincount", stores.of_array(bincount)),
                Contender("Zarr, OpenCV calcHist", stores.of_array(opencv), needs=("cv2",)),
                *LIMITS,
            ),
            data=("grey.zarr", "plain.zarr"),
        ),
        Operation(
            "256 bins, 256³",
            (Contender(VOXELROCK, voxelrock_binned()), Contender(UNCOUNTED, voxelrock_binned("plain.zarr")), _rockverse(256)),
            data=("grey.zarr", "plain.zarr", "rockverse.zarr"),
            size=256,
        ),
        Operation(
            "one bin per value, 256³",
            (Contender(VOXELROCK, voxelrock()), Contender(UNCOUNTED, voxelrock("plain.zarr")), _rockverse(_VALUES, most_runs=1)),
            data=("grey.zarr", "plain.zarr", "rockverse.zarr"),
            size=256,
        ),
    ),
    notes=f"{COUNTED} RockVerse's edges lie between the values, as it drops those that equal the last edge; it reads its own layout of the same image.",
)
