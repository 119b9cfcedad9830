"""The main job of a laboratory: `analyze` of a plug in air, beside the operations that it consists of, each alone."""

from __future__ import annotations

import time
from typing import Any

import voxelrock as vr
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Timed, Work

_RECIPE = vr.workflow.Recipe.of(denoise="median", method="otsu")
"""The quickest recipe, whose operations are done one by one beside it."""


def _scan(job: Job) -> vr.VoxelImage:
    return vr.open(job.data / "plug.zarr")


def _whole(job: Job) -> Work:
    def work() -> float:
        found = vr.workflow.analyze(_scan(job), out=job.out / "result", overwrite=True, source=job.data / "plug.zarr", recipe=_RECIPE)
        return float(found["porosity"])

    return work


def _again(job: Job) -> Work:
    first = vr.workflow.analyze(_scan(job), out=job.out / "result", source=job.data / "plug.zarr", recipe=_RECIPE)

    def work() -> float:
        found = vr.workflow.analyze(_scan(job), out=job.out / "result", source=job.data / "plug.zarr", recipe=_RECIPE)
        assert float(found["porosity"]) == float(first["porosity"])
        return float(found["porosity"])

    return work


def _alone(job: Job) -> Work:
    """Each operation by itself, from store to store or to its number; the threshold is known to the second."""
    scan = _scan(job)
    inside = vr.artefacts.outline(scan).region
    steps = []

    def work() -> Timed:
        numbers: dict[str, Any] = {}

        def step(name: str, operation: Any) -> Any:
            start = time.monotonic()
            numbers[name] = operation()
            steps.append((name, start, time.monotonic()))
            return numbers[name]

        quiet = vr.filters.median(scan, radius_vx=1)
        begin = time.monotonic()
        step("outline", lambda: vr.artefacts.outline(scan))
        limit = float(step("Otsu's threshold of the median", lambda: vr.compute(vr.segmentation.otsu_threshold(quiet, where=inside))))
        step("histogram of the median", lambda: vr.compute(vr.statistics.histogram(quiet, where=inside)))
        step("summary", lambda: vr.compute(vr.statistics.summary(scan, where=inside)))
        labels = vr.segmentation.threshold(quiet, high=limit, where=inside).astype("u1")
        stored = step("labels, stored", lambda: vr.save(labels, job.out / "labels.zarr", overwrite=True))
        pores = stored.assign(phases={0: vr.Phase("solid", "solid"), 1: vr.Phase("pore", "pore")})
        step("porosity", lambda: float(vr.statistics.porosity(pores)))
        step("phase fractions", lambda: vr.compute(vr.statistics.phase_fractions(pores)))
        for axis in "zyx":
            step(f"profile {axis}", lambda axis=axis: vr.compute(vr.statistics.profile(pores, axis=axis)))
        return Timed(numbers["porosity"], {"porosity": round(numbers["porosity"], 5)}, (*steps, ("all", begin, time.monotonic())))

    return work


FAMILY = Family(
    "analyze",
    "The whole analysis of a u2 scan of a plug in air, and its operations one by one",
    (
        Operation(
            "analysis",
            (
                Contender("the operations, one by one", _alone),
                Contender(VOXELROCK + " analyze", _whole),
                Contender(VOXELROCK + " analyze, called again", _again),
            ),
            data=("plug.zarr",),
            tolerance=1e-9,
        ),
    ),
    size=1024,
    repeat=3,
    columns=("private, all (MB)", "porosity"),
    notes="The whole adds figures at 300 dpi, curves and the report; called again, it finds nothing missing.",
)
