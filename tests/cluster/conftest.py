import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import voxelrock as vr

LIMITS = ("--nthreads", "1", "--memory-limit", "1 GB", "--no-dashboard", "--host", "127.0.0.1")


@pytest.fixture(scope="module")
def two():
    """Two processes of one thread, as a user starts them."""
    with vr.cluster.local(workers=2, threads=1, memory="4 GB") as client:
        yield client


class Foreign:
    """A scheduler and workers in processes of their own, started as somebody else would."""

    def __init__(self, folder):
        self.folder, self.running = folder, []
        self.file = folder / "scheduler.json"

    def _start(self, kind, *words, before=(), **variables):
        command = [*before, sys.executable, "-m", "distributed.cli.dask_" + kind, *map(str, words)]
        here = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
        variables = {"PYTHONPATH": here} | variables
        with open(self.folder / f"{kind}-{len(self.running)}.log", "wb") as log:
            self.running.append(subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | variables, cwd=self.folder))

    def scheduler(self, **variables):
        self._start("scheduler", "--scheduler-file", self.file, "--no-dashboard", "--host", "127.0.0.1", **variables)
        self.wait(self.file.exists)

    def worker(self, *words, before=(), **variables):
        self._start("worker", "--scheduler-file", self.file, *LIMITS, *words, before=before, **variables)

    def wait(self, ready, seconds=30):
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, "this took too long"
            time.sleep(0.05)

    def stop(self):
        for process in reversed(self.running):
            process.kill()
            process.wait()


@pytest.fixture
def foreign(tmp_path):
    """A cluster that this process did not start."""
    made = Foreign(tmp_path)
    made.scheduler()
    yield made
    made.stop()
