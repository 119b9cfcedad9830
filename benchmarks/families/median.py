"""Median of 3 × 3 × 3 voxels, u2 in and out, from store to store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Work


def voxelrock(job: Job) -> Work:
    def work() -> Path:
        vr.save(vr.filters.median(vr.open(job.grey), radius_vx=1), job.result)
        return job.result

    return work


def scipy_(threads: int) -> Callable[[Any], Any]:
    return lambda image: scipy.ndimage.median_filter(image, 3)


def dask_image(job: Job) -> Work:
    ndfilters = peers.load("dask_image.ndfilters")
    return lambda: stores.write_lazy(job.result, ndfilters.median_filter(stores.lazy(job.grey), size=3))


def skimage(threads: int) -> Callable[[Any], Any]:
    filters = peers.load("skimage.filters")
    return lambda image: filters.median(image, np.ones((3, 3, 3), bool), mode="reflect", behavior="ndimage")


def simpleitk(threads: int) -> Callable[[Any], Any]:
    sitk = peers.load("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return lambda image: sitk.GetArrayFromImage(sitk.Median(sitk.GetImageFromArray(image), [1, 1, 1]))


def diplib(threads: int) -> Callable[[Any], Any]:
    dip = peers.diplib(threads)
    return lambda image: np.asarray(dip.MedianFilter(dip.Image(image), dip.Kernel([3], "rectangular"), boundaryCondition=["zero order"]))


def nothing(threads: int) -> Callable[[Any], Any]:
    return lambda image: image


FAMILY = Family(
    "median",
    "Median of 3 × 3 × 3 voxels, store to store",
    (
        Operation(
            "median, u2",
            (
                Contender(VOXELROCK, voxelrock),
                Contender("SciPy", stores.in_memory(scipy_)),
                Contender("dask-image", dask_image, needs=("dask_image.ndfilters",)),
                Contender("scikit-image", stores.in_memory(skimage), needs=("skimage",)),
                Contender("SimpleITK", stores.in_memory(simpleitk), needs=("SimpleITK",)),
                Contender("diplib", stores.in_memory(diplib), needs=("diplib",)),
                Contender("Zarr, read and write, no filter", stores.in_memory(nothing), limit=True, compared=False),
            ),
            data=("grey.zarr",),
        ),
    ),
    repeat=3,
)
