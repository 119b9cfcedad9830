import os
import sys
import tempfile
import time
from pathlib import Path

import daemons
import dask
import pytest

from tests.fixtures import run, tmp_path

__all__ = ["run", "tmp_path"]


@pytest.fixture(scope="session")
def started():
    """A SLURM of our own for the session, of two nodes; skips with the reason where there can be none."""
    why = daemons.reason()
    if why:
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:  # the path of a socket is short
        made = daemons.Slurm(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture
def slurm(started, monkeypatch, tmp_path):
    """That SLURM as the one that commands find, with the settings of its site; no job outlives the test."""
    monkeypatch.setenv("SLURM_CONF", str(started.conf))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])))
    pytest.importorskip("dask_jobqueue")
    site = {"interface": "lo", "python": sys.executable, "cores": 1, "memory": "1 GB", "walltime": "10"}
    ours = {"folder": str(tmp_path / "runs"), "look-every": "0.5 s"}
    with dask.config.set({f"jobqueue.slurm.{k}": v for k, v in site.items()} | {f"voxelrock.slurm.{k}": v for k, v in ours.items()}):
        yield started
    for job in started.jobs():
        started.ask("scancel", job)
    started.wait(lambda: not started.jobs(), "jobs do not end")


@pytest.fixture
def until():
    def wait(ready, seconds=40):
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, "this took too long"
            time.sleep(0.1)

    return wait
