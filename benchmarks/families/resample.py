"""Resampling through a rigid transform, u2 to float32 (linear) or u2 (nearest), from store to store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Maker, Operation, Work

_RIM = 12
"""Voxels at the border that are not compared: there the turned image leaves the other one, which each library treats in its own way."""


def turn(size: int) -> vr.registration.Transform:
    """A turn of three degrees about a tilted axis through the middle, and a shift of a few voxels."""
    return vr.registration.Transform.rigid(angle=3.0, axis=(1, 2, 3), center=(size - 1) / 2, shift=(1.3, -2.1, 3.37))


def voxelrock(order: str) -> Maker:
    def make(job: Job) -> Work:
        def work() -> Path:
            vr.save(vr.registration.resample(vr.open(job.grey).assign_grid(spacing=1.0, origin=0.0), transform=_own(job), order=order, fill=0), job.result)
            return job.result

        return work

    return make


def _own(job: Job) -> vr.registration.Transform:
    found = turn(job.size)
    return vr.registration.Transform(found.matrix, found.shift, found.center, vr.open(job.grey).grid.unit)


def scipy_(order: int) -> Callable[[int], Callable[[Any], Any]]:
    def factory(threads: int) -> Callable[[Any], Any]:
        def resample(image: Any) -> Any:
            found = turn(image.shape[0])
            return scipy.ndimage.affine_transform(image, found.matrix, found.offset, order=order, output="f4" if order else None)

        return resample

    return factory


def dask_image(job: Job) -> Work:
    ndinterp = peers.load("dask_image.ndinterp")
    found = turn(job.size)
    matrix = np.column_stack([np.array(found.matrix), found.offset])
    chunks = stores.create(job.out / "plan.zarr", job.shape, "f4")
    block = chunks.shards or chunks.chunks
    return lambda: stores.write_lazy(
        job.result, ndinterp.affine_transform(stores.lazy(job.grey).astype("f4"), np.vstack([matrix, [0, 0, 0, 1]]), order=1, output_chunks=block)
    )


def simpleitk(order: str) -> Callable[[int], Callable[[Any], Any]]:
    def factory(threads: int) -> Callable[[Any], Any]:
        sitk = peers.load("SimpleITK")
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
        how, kind = (sitk.sitkLinear, sitk.sitkFloat32) if order == "linear" else (sitk.sitkNearestNeighbor, sitk.sitkUInt16)

        def resample(image: Any) -> Any:
            found = turn(image.shape[0])
            matrix = np.array(found.matrix)[::-1, ::-1].reshape(-1).tolist()
            itk = sitk.AffineTransform(matrix, found.shift[::-1], found.center[::-1])
            picture = sitk.GetImageFromArray(image)
            return sitk.GetArrayFromImage(sitk.Resample(picture, picture, itk, how, 0.0, kind))

        return resample

    return factory


def _operation(name: str, order: str, number: int, others: tuple[Contender, ...], tolerance: float) -> Operation:
    return Operation(
        name,
        (
            Contender(VOXELROCK, voxelrock(order)),
            Contender("SciPy", stores.in_memory(scipy_(number)), margin=_RIM),
            *others,
            Contender("SimpleITK", stores.in_memory(simpleitk(order)), needs=("SimpleITK",), margin=_RIM),
        ),
        data=("grey.zarr",),
        tolerance=tolerance,
    )


FAMILY = Family(
    "resample",
    "Resampling through a rigid transform (3°, tilted axis), store to store",
    (
        _operation("linear, u2 → float32", "linear", 1, (Contender("dask-image", dask_image, needs=("dask_image.ndinterp",), margin=_RIM),), 1e-5),
        _operation("nearest, u2", "nearest", 0, (), 0.0),
    ),
    repeat=3,
    notes="Answers are compared 12 voxels inside: libraries differ in what they make of the rim, where the turned image ends.",
)
