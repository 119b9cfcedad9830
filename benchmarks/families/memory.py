"""Peak memory of the main job: ingest, denoise, threshold, porosity of a u1 scan of 8.6 GB."""

from __future__ import annotations

import time

import voxelrock as vr
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Timed, Work


def voxelrock(job: Job) -> Work:
    steps = []

    def step(name: str, since: float) -> float:
        now = time.monotonic()
        steps.append((name, since, now))
        return now

    def work() -> Timed:
        now = start = time.monotonic()
        scan = vr.save(vr.open(job.data / "scan.raw", shape=vr.ZYX(*job.shape), dtype="u1", spacing="5 um"), job.out / "scan.zarr")
        now = step("ingest", now)
        clean = vr.save(vr.filters.median(scan, radius_vx=1), job.out / "clean.zarr")
        now = step("denoise (median 3 × 3 × 3)", now)
        pores = vr.save(vr.segmentation.otsu(clean, phase="dark"), job.out / "pores.zarr")
        now = step("threshold (Otsu)", now)
        porosity = float(vr.statistics.porosity(pores))
        step("porosity", now)
        return Timed(porosity, {"porosity": round(porosity, 5)}, (*steps, ("all", start, time.monotonic())))

    return work


FAMILY = Family(
    "memory",
    "Peak memory of ingest → denoise → threshold → porosity",
    (Operation("main job, u1", (Contender(VOXELROCK, voxelrock),), data=("scan.raw",)),),
    size=2048,
    repeat=1,
    columns=("private, all (MB)", "resident, all (MB)", "porosity"),
    notes="Each step stores its image. A file that is mapped counts in the resident memory, and its pages go when others need the room.",
)
