"""A cluster of processes on this machine: what a second worker brings, and what a task costs beside bare Dask."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import dask
from distributed import Client

import voxelrock as vr
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Timed, Work

_TASKS = 10_000
_EDGE = 4
_SMALL = 6
"""Blocks along an edge of a tiny run."""


def _median(image: vr.VoxelImage) -> vr.VoxelImage:
    return vr.filters.median(image, radius_vx=2)


def _means(image: vr.VoxelImage) -> vr.VoxelImage:
    return vr.filters.non_local_means(image, search_vx=2, patch_vx=1)


def _workers(job: Job, count: int) -> Any:
    """So many processes; a tiny run does with threads where one process would do."""
    return nullcontext() if job.tiny and count == 1 else vr.cluster.local(workers=count, threads=1, dashboard=False)


def _scaling(workers: int, operation: Callable[[vr.VoxelImage], vr.VoxelImage]) -> Callable[[Job], Work]:
    def prepare(job: Job) -> Work:
        def made(folder: str) -> None:
            vr.save(operation(vr.open(job.grey)), job.out / f"{folder}.zarr", overwrite=True)

        def work() -> Timed:
            with _workers(job, workers):
                made("warm")  # imports and compiles in every worker
                start = time.perf_counter()
                made("found")
                return Timed(job.out / "found.zarr", seconds=time.perf_counter() - start)

        return work

    return prepare


def _blocks(job: Job) -> int:
    return _SMALL if job.tiny else round(_TASKS ** (1 / 3))


def _ours(job: Job) -> Callable[[], int]:
    """One task for each block, that reads nothing and counts a few voxels."""
    image = vr.full(shape=_EDGE * _blocks(job), value=1, dtype="u1").rechunk(_EDGE)
    summary = vr.statistics.summary(image)["count"]
    return lambda: int(vr.compute(summary))


def _same(*found: Any) -> int:
    return len(found)


def _bare(job: Job) -> Callable[[], int]:
    """As many tasks that do nothing, and a tree of the same width."""
    keys = [("no-op", n) for n in range(_blocks(job) ** 3)]
    graph: dict[Any, Any] = dict.fromkeys(keys, (_same,))
    level = 0
    while len(keys) > 1:
        above = [("join", level, n) for n in range(-(-len(keys) // 8))]
        graph |= {key: (_same, *keys[8 * n : 8 * n + 8]) for n, key in enumerate(above)}
        keys, level = above, level + 1
    return lambda: int(_client().get(graph, keys[0]) is not None)


def _client() -> Client:
    return Client.current()


def _overhead(make: Callable[[Job], Callable[[], int]]) -> Callable[[Job], Work]:
    def prepare(job: Job) -> Work:
        def work() -> Timed:
            with vr.cluster.local(workers=2, threads=1, dashboard=False), dask.config.set({"optimization.fuse.active": False}):
                run = make(job)
                run()
                start = time.perf_counter()
                make(job)()
                spent = time.perf_counter() - start
            tasks = _blocks(job) ** 3
            return Timed(columns={"blocks": tasks, "ms per block": round(1000 * spent / tasks, 3)}, seconds=spent)

        return work

    return prepare


FAMILY = Family(
    "cluster",
    "A cluster of processes: scaling, and overhead per task",
    (
        *(
            Operation(
                f"{name}, store to store",
                (Contender(f"{VOXELROCK}, 2 workers", _scaling(2, operation)), Contender(f"{VOXELROCK}, 1 worker", _scaling(1, operation))),
                data=("grey.zarr",),
            )
            for name, operation in (("median 5 × 5 × 5", _median), ("non-local means, patch 3³, search 5³", _means))
        ),
        Operation(
            "10 000 blocks that hardly compute", (Contender(VOXELROCK, _overhead(_ours)), Contender("bare Dask no-ops", _overhead(_bare))), tolerance=None
        ),
    ),
    size=256,
    repeat=3,
    columns=("blocks", "ms per block"),
    notes="Each run starts its own cluster, and does everything once before the clock starts. Workers have one thread each; "
    "the scheduler shares the cores with them.",
)
