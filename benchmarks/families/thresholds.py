"""Thresholds of a stored u2 image by the criteria of scikit-image, and one that follows the surroundings of each voxel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.families.reading import COUNTED, LIMITS, UNCOUNTED
from benchmarks.model import VOXELROCK, Contender, Family, Job, Maker, Operation, Work
from voxelrock.segmentation.automatic import threshold_by

_FEW = 64
"""Edge of the largest image whose grey values are few enough for scikit-image's multi-Otsu, which tries every pair of them."""


def voxelrock(method: str, name: str = "grey.zarr") -> Maker:
    def make(job: Job) -> Work:
        return lambda: float(vr.compute(threshold_by(vr.open(job.data / name), method=method)))

    return make


def skimage(method: str) -> Callable[[int], Callable[[Any], Any]]:
    return lambda threads: getattr(peers.load("skimage.filters"), f"threshold_{method}")


def multi_otsu(job: Job) -> Work:
    return lambda: float(vr.compute(vr.segmentation.multi_otsu_thresholds(vr.open(job.grey), classes=3))[0])


def skimage_multi_otsu(threads: int) -> Callable[[Any], Any]:
    return lambda image: float(peers.load("skimage.filters").threshold_multiotsu(image, classes=3)[0])


def sauvola(job: Job) -> Work:
    def work() -> Path:
        vr.save(vr.segmentation.sauvola_threshold(vr.open(job.grey), size_vx=15), job.result)
        return job.result

    return work


def skimage_sauvola(threads: int) -> Callable[[Any], Any]:
    return lambda image: peers.load("skimage.filters").threshold_sauvola(image, 15).astype(np.float32)


def criterion(method: str) -> Operation:
    contenders = (
        Contender(VOXELROCK, voxelrock(method)),
        Contender(UNCOUNTED, voxelrock(method, "plain.zarr")),
        Contender("Zarr, scikit-image", stores.of_array(skimage(method)), needs=("skimage",)),
        *LIMITS,
    )
    return Operation(f"{method}, a number", contenders, data=("grey.zarr", "plain.zarr"), tolerance=1e-3)


FAMILY = Family(
    "thresholds",
    "Thresholds of a stored u2 image",
    (
        *(criterion(method) for method in ("mean", "isodata", "li", "triangle", "yen")),
        Operation(
            "multi-Otsu, the lower of two thresholds",
            (Contender(VOXELROCK, multi_otsu), Contender("Zarr, scikit-image", stores.of_array(skimage_multi_otsu), needs=("skimage",), largest=_FEW), *LIMITS),
            data=("grey.zarr",),
            tolerance=1e-3,
        ),
        Operation(
            "Sauvola's, boxes of 15³, store to store",
            (Contender(VOXELROCK, sauvola), Contender("scikit-image", stores.in_memory(skimage_sauvola), needs=("skimage",))),
            data=("grey.zarr",),
            tolerance=1e-6,
        ),
    ),
    size=256,
    repeat=3,
    notes=f"{COUNTED} Scikit-image counts in float32: its answers may be a grey value off. Its multi-Otsu tries every pair of grey values, and did not "
    "end within 140 s at 256³ (array in memory), where voxelrock's took 0.07 s from the store.",
)
