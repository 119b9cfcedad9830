"""Weak scaling: blocks that sleep, as many for each worker, so that workers need no cores of their own and what is measured is the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from distributed import Client

import voxelrock as vr
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Timed, Work

_SLEEP = 0.2
_EACH = 64
"""Blocks for each worker."""
_EDGE = 4


def _asleep(z: Any, y: Any, x: Any) -> Any:
    time.sleep(_SLEEP)
    return np.ones(np.broadcast_shapes(z.shape, y.shape, x.shape), "u1")


def _run(blocks: int) -> None:
    image = vr.from_function(_asleep, shape=vr.ZYX(4 * _EDGE, 4 * _EDGE, blocks // 16 * _EDGE), dtype="u1", block=_EDGE)
    vr.compute(vr.statistics.summary(image)["count"])


def _worker_cpu() -> float:
    """CPU seconds of all workers; 0 where there is no cluster."""
    try:
        return float(sum(Client.current().run(time.process_time).values()))
    except ValueError:
        return 0.0


def _sleeping(workers: int) -> Callable[[Job], Work]:
    def prepare(job: Job) -> Work:
        def work() -> Timed:
            blocks = 16 if job.tiny else _EACH * workers
            with nullcontext() if job.tiny else vr.cluster.local(workers=workers, threads=1, memory=f"{workers} GB", dashboard=False) as client:
                if client is not None:
                    client.wait_for_workers(workers)
                    _run(16 * workers)  # imports and compiles in every worker
                theirs, ours, start = _worker_cpu(), time.process_time(), time.perf_counter()
                _run(blocks)
                spent = time.perf_counter() - start
                ours, theirs = time.process_time() - ours, _worker_cpu() - theirs
            return Timed(
                columns={
                    "blocks": blocks,
                    "efficiency": round(_SLEEP * blocks / workers / spent, 3),
                    "client and scheduler, CPU ms per block": round(1000 * ours / blocks, 2),
                    "workers, CPU ms per block": round(1000 * theirs / blocks, 2),
                },
                seconds=spent,
            )

        return work

    return prepare


FAMILY = Family(
    "weak",
    "Weak scaling on a simulated cluster: blocks that sleep 0.2 s, 64 for each worker of one thread",
    (Operation("summary of blocks that sleep", tuple(Contender(f"{VOXELROCK}, {n} workers", _sleeping(n)) for n in (1, 2, 4, 8, 16)), tolerance=None),),
    size=256,
    repeat=1,
    columns=("blocks", "efficiency", "client and scheduler, CPU ms per block", "workers, CPU ms per block"),
    voxels=False,
    notes="Sleep takes no core, so that 16 workers fit on fewer cores; their own overhead, and the scheduler's, share the cores that there are.",
)
