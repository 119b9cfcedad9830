"""Random forests on features of a stored u2 image, trained on two slices beforehand, from store to store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Work
from voxelrock.kernels.features import FeatureReader, features_halo
from voxelrock.segmentation import FeatureBank, PixelClassifier

_FOREST = {"n_estimators": 50, "max_depth": 10}


@dataclass(frozen=True)
class Task:
    """A bank of features, and what scikit-image is asked for in its place."""

    bank: FeatureBank
    basic: dict[str, Any]


_SMOOTH = Task(
    FeatureBank([{"name": "gaussian", "scale_vx": scale} for scale in (0.5, 1.0, 2.0, 4.0)]),
    {"edges": False, "texture": False, "sigma_min": 0.5, "sigma_max": 4.0, "num_sigma": 4},
)
_MULTISCALE = Task(FeatureBank.multiscale(), {"sigma_min": 1.0, "sigma_max": 8.0, "num_sigma": 4})


def _slices(mask: Any) -> Any:
    """Labels 1 and 2 in two slices."""
    labels = np.zeros(mask.shape, np.uint8)
    for z in (len(mask) // 4, 3 * len(mask) // 4):
        labels[z] = 1 + mask[z]
    return labels


def _labels(job: Job) -> Any:
    return _slices(np.load(job.data / "mask.npy"))


def voxelrock(task: Task) -> Callable[[Job], Work]:
    def make(job: Job) -> Work:
        image = vr.open(job.grey)
        marks = vr.from_array(_labels(job)).assign_grid(spacing="5 um")
        model = PixelClassifier.train(image, marks, features=task.bank, forest=_FOREST, most=marks.size)

        def work() -> Path:
            vr.save(model.classify(vr.open(job.grey)), job.result)
            return job.result

        return work

    return make


def _predicted(job: Job, rows: Callable[[Any], Any]) -> Work:
    """The same forest by scikit-learn, trained on voxels in C order, and its own prediction of the whole array."""
    marks = _labels(job).reshape(-1)
    table = rows(stores.read(job.grey))[marks > 0]
    forest = peers.load("sklearn.ensemble").RandomForestClassifier(random_state=0, n_jobs=job.threads, **_FOREST)
    forest.fit(table, marks[marks > 0])

    def work() -> Path:
        image = stores.read(job.grey)
        return stores.write(job.result, forest.predict(rows(image)).reshape(image.shape))

    return work


def scikit(task: Task) -> Callable[[Job], Work]:
    """Features by scikit-image: at the same scales, of a nearest border, by other differences and in another unit, so that the forest is a neighbour."""

    def make(job: Job) -> Work:
        feature = peers.load("skimage.feature")

        def rows(image: Any) -> Any:
            found = feature.multiscale_basic_features(image, **task.basic)
            return found.reshape(-1, found.shape[-1])

        return _predicted(job, rows)

    return make


def same_features(task: Task) -> Callable[[Job], Work]:
    """The same features, in memory, and scikit-learn's own prediction."""

    def make(job: Job) -> Work:
        bound = task.bank.bound(vr.open(job.grey))

        def rows(image: Any) -> Any:
            padded = np.pad(image, [(h, h) for h in features_halo(features=bound)], mode="symmetric")
            return FeatureReader(padded, bound).rows(0, len(image))

        return _predicted(job, rows)

    return make


def _operation(name: str, task: Task, size: int | None = None) -> Operation:
    contenders = (
        Contender(VOXELROCK, voxelrock(task), needs=("sklearn",)),
        Contender("scikit-image, scikit-learn", scikit(task), needs=("skimage", "sklearn"), compared=False),
        Contender("the same features, scikit-learn", same_features(task), needs=("sklearn",)),
    )
    return Operation(name, contenders, data=("grey.zarr", "mask.npy"), size=size)


FAMILY = Family(
    "classify",
    "Classification by a random forest, store to store",
    (
        _operation("50 trees of 10 levels, Gaussians at 4 scales", _SMOOTH),
        _operation("50 trees of 10 levels, intensity, edges, blobs and bending at 4 scales", _MULTISCALE, size=128),
    ),
    size=256,
    repeat=3,
    notes="Trained beforehand, without the clock, on two labelled slices.",
)
