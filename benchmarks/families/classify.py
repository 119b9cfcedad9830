"""A random forest on Gaussian features of a stored u2 image, trained on two slices beforehand, from store to store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Work
from voxelrock.segmentation import FeatureBank, PixelClassifier

_SCALES = (0.5, 1.0, 2.0, 4.0)
_FOREST = {"n_estimators": 50, "max_depth": 10}
_BANK = FeatureBank([{"name": "gaussian", "scale_vx": scale} for scale in _SCALES])


def _slices(mask: Any) -> Any:
    """Labels 1 and 2 in two slices."""
    labels = np.zeros(mask.shape, np.uint8)
    for z in (len(mask) // 4, 3 * len(mask) // 4):
        labels[z] = 1 + mask[z]
    return labels


def _labels(job: Job) -> Any:
    return _slices(np.load(job.data / "mask.npy"))


def voxelrock(job: Job) -> Work:
    image = vr.open(job.grey)
    marks = vr.from_array(_labels(job)).assign_grid(spacing="5 um")
    model = PixelClassifier.train(image, marks, features=_BANK, forest=_FOREST, most=marks.size)

    def work() -> Path:
        vr.save(model.classify(vr.open(job.grey)), job.result)
        return job.result

    return work


def _fitted(job: Job, rows: Callable[[Any], Any]) -> Any:
    """The same forest by scikit-learn: trained on voxels in C order."""
    marks = _labels(job).reshape(-1)
    table = rows(stores.read(job.grey))[marks > 0]
    forest = peers.load("sklearn.ensemble").RandomForestClassifier(random_state=0, n_jobs=job.threads, **_FOREST)
    return forest.fit(table, marks[marks > 0])


def scikit(job: Job) -> Work:
    """Features by scikit-image: intensities at the same scales, of a nearest border and in another unit, so that the forest is a neighbour."""
    feature = peers.load("skimage.feature")

    def rows(image: Any) -> Any:
        found = feature.multiscale_basic_features(image, intensity=True, edges=False, texture=False, sigma_min=_SCALES[0], sigma_max=_SCALES[-1])
        return found.reshape(-1, len(_SCALES))

    forest = _fitted(job, rows)

    def work() -> Path:
        image = stores.read(job.grey)
        return stores.write(job.result, forest.predict(rows(image)).reshape(image.shape))

    return work


def same_features(job: Job) -> Work:
    """The same features, in memory, and scikit-learn's own prediction."""

    def rows(image: Any) -> Any:
        held = vr.from_array(image)
        return np.stack([vr.filters.gaussian(held, sigma_vx=s).compute() for s in _SCALES], axis=-1).reshape(-1, len(_SCALES))

    forest = _fitted(job, rows)

    def work() -> Path:
        image = stores.read(job.grey)
        return stores.write(job.result, forest.predict(rows(image)).reshape(image.shape))

    return work


FAMILY = Family(
    "classify",
    "Classification by a random forest, store to store",
    (
        Operation(
            "50 trees of 10 levels, Gaussians at 4 scales",
            (
                Contender(VOXELROCK, voxelrock, needs=("sklearn",)),
                Contender("scikit-image, scikit-learn", scikit, needs=("skimage", "sklearn"), compared=False),
                Contender("the same features, scikit-learn", same_features, needs=("sklearn",)),
            ),
            data=("grey.zarr", "mask.npy"),
        ),
    ),
    size=256,
    repeat=3,
    notes="Trained beforehand, without the clock, on two labelled slices.",
)
