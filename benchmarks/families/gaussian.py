"""Gaussian filter, sigma 2, cut at 4 sigma, u2 in and float32 out, from store to store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Work

_SIGMA, _TAPS = 2.0, 17


def voxelrock(job: Job) -> Work:
    def work() -> Path:
        vr.save(vr.filters.gaussian(vr.open(job.grey), sigma_vx=_SIGMA), job.result)
        return job.result

    return work


def scipy_(threads: int) -> Callable[[Any], Any]:
    return lambda image: scipy.ndimage.gaussian_filter(image, _SIGMA, output="f4")


def dask_image(job: Job) -> Work:
    ndfilters = peers.load("dask_image.ndfilters")
    return lambda: stores.write_lazy(job.result, ndfilters.gaussian_filter(stores.lazy(job.grey).astype("f4"), _SIGMA))


def skimage(threads: int) -> Callable[[Any], Any]:
    filters = peers.load("skimage.filters")
    return lambda image: filters.gaussian(image.astype("f4"), _SIGMA, mode="reflect", preserve_range=True)


def diplib(threads: int) -> Callable[[Any], Any]:
    dip = peers.diplib(threads)
    return lambda image: np.asarray(dip.Gauss(dip.Image(image), [_SIGMA], method="FIR", boundaryCondition=["mirror"], truncation=4.0))


def opencv(threads: int) -> Callable[[Any], Any]:
    cv2 = peers.opencv(threads)

    def smooth(image: Any) -> Any:
        """Planes first, then lines along z as the columns of one wide plane."""
        out = np.empty(image.shape, "f4")
        for plane, smoothed in zip(image, out):
            cv2.GaussianBlur(plane.astype("f4"), (_TAPS, _TAPS), _SIGMA, dst=smoothed, borderType=cv2.BORDER_REFLECT)
        wide = out.reshape(image.shape[0], -1)
        return cv2.sepFilter2D(wide, -1, np.ones(1), cv2.getGaussianKernel(_TAPS, _SIGMA), borderType=cv2.BORDER_REFLECT).reshape(image.shape)

    return smooth


def nothing(threads: int) -> Callable[[Any], Any]:
    return lambda image: image.astype("f4")


FAMILY = Family(
    "gaussian",
    "Gaussian filter, sigma 2, store to store",
    (
        Operation(
            "Gaussian, u2 → float32",
            (
                Contender(VOXELROCK, voxelrock),
                Contender("SciPy", stores.in_memory(scipy_)),
                Contender("dask-image", dask_image, needs=("dask_image.ndfilters",)),
                Contender("scikit-image", stores.in_memory(skimage), needs=("skimage",)),
                Contender("diplib", stores.in_memory(diplib), needs=("diplib",), margin=8),
                Contender("OpenCV, planes then lines", stores.in_memory(opencv), needs=("cv2",)),
                Contender("Zarr, read and write float32, no filter", stores.in_memory(nothing), limit=True, compared=False),
            ),
            data=("grey.zarr",),
            tolerance=2e-6,
        ),
    ),
    repeat=3,
    notes="diplib has no reflection that repeats the voxel at the border: its answer is compared 8 voxels inside.",
)
