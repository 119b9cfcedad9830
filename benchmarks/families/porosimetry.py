"""Mercury porosimetry of a phase of a fifth of the volume, from all six sides, bool to float32, from store to store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Maker, Operation, Work

_MASK = "mask.zarr"
_SIZES = 25


def voxelrock(job: Job) -> Work:
    def work() -> Path:
        vr.save(vr.pores.porosimetry(vr.open(job.data / _MASK)), job.result)
        return job.result

    return work


def _invaded(threads: int, method: str) -> Callable[[Any], Any]:
    module = peers.porespy(threads)
    return lambda mask: module.filters.porosimetry(mask, sizes=_SIZES, method=method).astype("f4")


def porespy(method: str) -> Maker:
    return stores.in_memory(partial(_invaded, method=method), _MASK)


def nothing(threads: int) -> Callable[[Any], Any]:
    return lambda mask: mask.astype("f4")


FAMILY = Family(
    "porosimetry",
    "Mercury porosimetry from all sides, store to store",
    (
        Operation(
            "porosimetry, bool → f4",
            (
                Contender(VOXELROCK, voxelrock),
                Contender(f"PoreSpy, dsi, {_SIZES} sizes", porespy("dsi"), needs=("porespy",), compared=False),
                Contender(f"PoreSpy, dt, {_SIZES} sizes", porespy("dt"), needs=("porespy",), compared=False, most_runs=1),
                Contender("Zarr, read and write, no porosimetry", stores.in_memory(nothing, _MASK), limit=True, compared=False),
            ),
            data=(_MASK,),
        ),
    ),
    size=512,
    repeat=3,
    notes=f"voxelrock finds every radius that occurs, in one pass. PoreSpy 3 tries whole radii, at most {_SIZES} of them, so that a throat of 3.9 counts "
    "as 3; it may also begin at any voxel of the faces, and covers by balls of other voxels: its answers are not compared.",
)
