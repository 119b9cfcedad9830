"""Ten thousand blocks and chains of ten operations: what it takes to build, to submit and to schedule them, and what the workers hold."""

import threading
import time

import dask
import distributed
import psutil
import pytest

import voxelrock as vr
from voxelrock.cluster.clients import workers_of

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow]
EDGE = 22  # blocks: 10 648


def ramp(z, y, x):
    return (z + y + x).astype("u2")


def ten(image):
    """A chain of ten operations."""
    quiet = vr.filters.median(image, radius_vx=1)
    grey = (((quiet - 3) * 2 + 7) // 3).where(image > 5, other=0).astype("u1", clip=True)
    return vr.segmentation.threshold(grey, high=100.0) & (image > 3)


def of_blocks(count, edge):
    return vr.from_function(ramp, shape=count * edge, dtype="u2", block=edge)


class Watched(threading.Thread):
    """The most that any worker holds, and that they have written to disk, while a block runs."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.over = client, threading.Event()
        self.memory = self.spilled = self.tasks = 0

    def run(self):
        while not self.over.wait(0.2):
            for worker in workers_of(self.client).values():
                self.memory = max(self.memory, worker["metrics"]["memory"])
                self.spilled = max(self.spilled, worker["metrics"]["spilled_bytes"]["memory"])
            self.tasks = max(self.tasks, len(self.client.cluster.scheduler.tasks))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.over.set()
        self.join()


def test_ten_thousand_blocks_are_built_in_seconds():
    image = of_blocks(EDGE, 256)
    start = time.perf_counter()
    chained = ten(image)
    labels = vr.labels.label(chained)
    assert time.perf_counter() - start < 5
    assert len(dict(vr.statistics.porosity(chained).data.__dask_graph__())) < 1.2 * EDGE**3
    assert len(dict(vr.statistics.porosity(labels > 0).data.__dask_graph__())) < 5 * EDGE**3
    assert time.perf_counter() - start < 60


def test_a_cluster_takes_ten_thousand_blocks_about_as_fast_as_tasks_that_do_nothing(capsys):
    with vr.cluster.local(workers=2, threads=1, memory="4 GB", dashboard=False) as client, dask.config.set({"optimization.fuse.active": False}):
        vr.compute(vr.statistics.porosity(ten(of_blocks(2, 8))))
        here = psutil.Process().memory_info().rss
        with Watched(client) as seen:
            start = time.perf_counter()
            vr.compute(vr.statistics.porosity(ten(of_blocks(EDGE, 8))))
            ours = time.perf_counter() - start
            grown = psutil.Process().memory_info().rss - here
        keys = [("no-op", n) for n in range(seen.tasks)]
        start = time.perf_counter()
        client.get(dict.fromkeys(keys, (len, ())), keys[:1])
        distributed.wait(client.get(dict.fromkeys([("again", n) for n in range(seen.tasks)], (len, ())), [("again", n) for n in range(seen.tasks)], sync=False))
        bare = time.perf_counter() - start
    with capsys.disabled():
        print(f"\n{seen.tasks} tasks: {ours:.1f} s, {1000 * ours / seen.tasks:.2f} ms each; no-ops {1000 * bare / seen.tasks:.2f} ms; "
              f"scheduler and client grew by {grown / 1e6:.0f} MB; spilled {seen.spilled}")  # fmt: skip
    assert seen.spilled == 0
    assert grown < 20_000 * seen.tasks + 100e6
    assert ours < 10 * bare + 5
