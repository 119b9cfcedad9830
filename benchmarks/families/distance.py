"""Exact Euclidean distance of a phase of a fifth of the volume, bool to float32, from store to store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Work

_MASK = "mask.zarr"


def voxelrock(job: Job) -> Work:
    def work() -> Path:
        vr.save(vr.morphology.distance(vr.open(job.data / _MASK)), job.result)
        return job.result

    return work


def scipy_(threads: int) -> Callable[[Any], Any]:
    return lambda mask: scipy.ndimage.distance_transform_edt(mask).astype("f4")


def edt(threads: int) -> Callable[[Any], Any]:
    module = peers.load("edt")
    return lambda mask: module.edt(mask, black_border=False, parallel=threads)


def diplib(threads: int) -> Callable[[Any], Any]:
    dip = peers.diplib(threads)
    return lambda mask: np.asarray(dip.EuclideanDistanceTransform(dip.Image(mask), border="object", method="separable"))


def nothing(threads: int) -> Callable[[Any], Any]:
    return lambda mask: mask.astype("f4")


FAMILY = Family(
    "distance",
    "Exact Euclidean distance, store to store",
    (
        Operation(
            "distance, bool → f4",
            (
                Contender(VOXELROCK, voxelrock),
                Contender("SciPy", stores.in_memory(scipy_, _MASK)),
                Contender("edt", stores.in_memory(edt, _MASK), needs=("edt",)),
                Contender("diplib, separable", stores.in_memory(diplib, _MASK), needs=("diplib",)),
                Contender("Zarr, read and write, no distance", stores.in_memory(nothing, _MASK), limit=True, compared=False),
            ),
            data=(_MASK,),
            tolerance=1e-6,
        ),
    ),
    size=512,
    repeat=3,
)
