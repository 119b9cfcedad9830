"""Watershed of squared distances in pores, from its minima, from store to store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Maker, Operation, Work

_RANK = {6: 1, 26: 3}


def _distance(job: Job) -> Path:
    return job.data / "distance.zarr"


def _voxelrock(job: Job, *, neighbours: int) -> Work:
    def work() -> Path:
        distance = vr.open(_distance(job))
        vr.save(vr.segmentation.watershed(distance, connectivity=neighbours, where=distance < 0), job.result)
        return job.result

    return work


def _in_memory(factory: Callable[[int, int], Callable[[Any], Any]], neighbours: int) -> Maker:
    def make(job: Job) -> Work:
        function = factory(job.threads, neighbours)
        return lambda: stores.write(job.result, function(stores.read(_distance(job))))

    return make


def _skimage(threads: int, neighbours: int) -> Callable[[Any], Any]:
    segmentation = peers.load("skimage.segmentation")
    return lambda image: segmentation.watershed(image, connectivity=_RANK[neighbours], mask=image < 0).astype("i4")


def _diplib(threads: int, neighbours: int) -> Callable[[Any], Any]:
    dip = peers.diplib(threads)
    flags = {"labels", "correct"}
    return lambda image: np.asarray(dip.Watershed(dip.Image(image.astype("f4")), dip.Image(image < 0), _RANK[neighbours], flags=flags)).astype("i4")


def _nothing(threads: int, neighbours: int) -> Callable[[Any], Any]:
    return lambda image: image


def _regions(neighbours: int) -> Operation:
    contenders = (
        Contender(VOXELROCK, partial(_voxelrock, neighbours=neighbours)),
        Contender("scikit-image", _in_memory(_skimage, neighbours), needs=("skimage",), compared=False),
        Contender("diplib", _in_memory(_diplib, neighbours), needs=("diplib",), compared=False),
        Contender("Zarr, read and write int32, no regions", _in_memory(_nothing, neighbours), limit=True, compared=False),
    )
    return Operation(f"{neighbours} neighbours", contenders, data=("distance.zarr",))


FAMILY = Family(
    "watershed",
    "Watershed of distances in pores (a fifth of the volume), from minima, store to store",
    (_regions(6), _regions(26)),
    size=512,
    repeat=3,
    notes="Distances have ties, and everyone decides them in a way of his own: the answers are not compared. Without ties scikit-image's "
    "regions are voxelrock's (tests/morphology).",
)
