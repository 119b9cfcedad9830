"""A table of the regions of a stored image of labels: pores parted at their necks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Timed, Work

_LABELS = "regions.zarr"
_SIDES = ("area", "bbox", "centroid")
_GREY = ("mean", "min", "max", "std")
_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def _labels(job: Job) -> Path:
    return job.data / _LABELS


def _voxelrock(job: Job, *, moments: bool) -> Work:
    def work() -> Any:
        found = vr.labels.table(vr.open(_labels(job)))
        boxes = found["box_start"].values, found["box_stop"].values
        second = found["second_moments"].values if moments else None
        return _answer(job.size, found["voxels"].values, boxes, found["centroid"].values, second)

    return work


def _whole(job: Job) -> Work:
    def work() -> Any:
        found = vr.labels.table(vr.open(_labels(job)), grey=vr.open(job.grey).assign_grid(vr.open(_labels(job)).grid))
        boxes = found["box_start"].values, found["box_stop"].values
        greys = np.stack([found[f"grey_{name}"].values for name in _GREY], axis=1)
        return _answer(job.size, found["voxels"].values, boxes, found["centroid"].values, found["second_moments"].values, greys)

    return work


def _answer(size: int, voxels: Any, boxes: tuple[Any, Any], centroids: Any, second: Any = None, greys: Any = None) -> Timed:
    """A row per region; columns divided by what they may be at most, so that none hides behind another."""
    columns = [voxels[:, None] / max(voxels.max(), 1), boxes[0] / size, boxes[1] / size, centroids / size]
    if second is not None:
        columns.append(np.stack([second[:, i, j] for i, j in _PAIRS], axis=1) / max(second.max(), 1))
    if greys is not None:
        columns.append(greys / 65535)
    return Timed(np.concatenate(columns, axis=1), {"regions": voxels.size})


def _in_memory(factory: Callable[[int], Callable[[Any, Job], Any]], job: Job) -> Work:
    function = factory(job.threads)
    return lambda: function(stores.read(_labels(job)), job)


def _skimage(threads: int, *, moments: bool) -> Callable[[Any, Job], Any]:
    measure = peers.load("skimage.measure")
    properties = (*_SIDES, "inertia_tensor") if moments else _SIDES

    def work(labels: Any, job: Job) -> Any:
        found = measure.regionprops_table(labels, properties=properties)
        low, high = (np.stack([found[f"bbox-{i}"] for i in range(start, start + 3)], axis=1) for start in (0, 3))
        centroids = np.stack([found[f"centroid-{i}"] for i in range(3)], axis=1)
        return _answer(job.size, found["area"], (low, high), centroids, _covariances(found) if moments else None)

    return work


def _skimage_whole(threads: int) -> Callable[[Any, Job], Any]:
    measure = peers.load("skimage.measure")
    names = tuple(f"intensity_{name}" for name in _GREY)

    def work(labels: Any, job: Job) -> Any:
        grey = stores.read(job.grey)
        properties = (*_SIDES, "inertia_tensor", "inertia_tensor_eigvals", "equivalent_diameter_area", *names)
        found = measure.regionprops_table(labels, grey, properties=properties)
        low, high = (np.stack([found[f"bbox-{i}"] for i in range(start, start + 3)], axis=1) for start in (0, 3))
        centroids = np.stack([found[f"centroid-{i}"] for i in range(3)], axis=1)
        return _answer(job.size, found["area"], (low, high), centroids, _covariances(found), np.stack([found[name] for name in names], axis=1))

    return work


def _covariances(found: dict[str, Any]) -> Any:
    """The inertia tensor is the trace of the covariance times the identity, less the covariance."""
    inertia = np.stack([np.stack([found[f"inertia_tensor-{i}-{j}"] for j in range(3)], axis=-1) for i in range(3)], axis=-2)
    return np.trace(inertia, axis1=1, axis2=2)[:, None, None] / 2 * np.eye(3) - inertia


def _cc3d(threads: int) -> Callable[[Any, Job], Any]:
    cc3d = peers.load("cc3d")

    def work(labels: Any, job: Job) -> Any:
        found = cc3d.statistics(labels.view("u4"), no_slice_conversion=True)
        boxes = found["bounding_boxes"][1:].astype("i8")
        return _answer(job.size, found["voxel_counts"][1:], (boxes[:, ::2], boxes[:, 1::2] + 1), found["centroids"][1:])

    return work


def _nothing(threads: int) -> Callable[[Any, Job], Any]:
    return lambda labels, job: None


def _operation(name: str, *, moments: bool) -> Operation:
    contenders = (
        Contender(VOXELROCK, partial(_voxelrock, moments=moments)),
        Contender("scikit-image", partial(_in_memory, partial(_skimage, moments=moments)), needs=("skimage",)),
        *(() if moments else (Contender("cc3d", partial(_in_memory, _cc3d), needs=("cc3d",)),)),
        Contender("Zarr, read, no table", partial(_in_memory, _nothing), limit=True, compared=False),
    )
    return Operation(name, contenders, data=(_LABELS,), tolerance=1e-9)


def _all(name: str) -> Operation:
    contenders = (
        Contender(VOXELROCK, _whole),
        Contender("scikit-image", partial(_in_memory, _skimage_whole), needs=("skimage",)),
        Contender("Zarr, read the labels, no table", partial(_in_memory, _nothing), limit=True, compared=False),
    )
    return Operation(name, contenders, data=(_LABELS, "grey.zarr"), tolerance=1e-9)


FAMILY = Family(
    "table",
    "A table of all regions of labels (pores parted at their necks), from a store",
    (_operation("voxels, boxes, centroids", moments=False), _operation("and second moments", moments=True), _all("all, with values of a grey image")),
    size=256,
    repeat=3,
    columns=("regions",),
    notes="voxelrock measures the same in the first two: also second moments, face areas, and which sides a region touches. cc3d knows no second moments.",
)
