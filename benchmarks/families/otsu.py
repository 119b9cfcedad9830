"""Otsu's threshold of a stored u2 image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.families.reading import COUNTED, LIMITS, UNCOUNTED
from benchmarks.model import VOXELROCK, Contender, Family, Job, Maker, Operation, Work


def voxelrock(name: str) -> Maker:
    def make(job: Job) -> Work:
        return lambda: float(vr.compute(vr.segmentation.otsu_threshold(vr.open(job.data / name))))

    return make


def skimage(threads: int) -> Callable[[Any], Any]:
    return peers.load("skimage.filters").threshold_otsu


def opencv(threads: int) -> Callable[[Any], Any]:
    cv2 = peers.opencv(threads)
    return lambda image: cv2.threshold(image.reshape(image.shape[0], -1), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]


FAMILY = Family(
    "otsu",
    "Otsu's threshold of a stored u2 image",
    (
        Operation(
            "Otsu's threshold",
            (
                Contender(VOXELROCK, voxelrock("grey.zarr")),
                Contender(UNCOUNTED, voxelrock("plain.zarr")),
                Contender("Zarr, scikit-image", stores.of_array(skimage), needs=("skimage",)),
                Contender("Zarr, OpenCV", stores.of_array(opencv), needs=("cv2",)),
                *LIMITS,
            ),
            data=("grey.zarr", "plain.zarr"),
            tolerance=1e-4,
        ),
    ),
    notes=f"{COUNTED} The threshold alone, a number. OpenCV also applies it.",
)
