import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster


@pytest.fixture(scope="session")
def cluster():
    """Two worker processes, kept for the session."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as made:
        yield made


@pytest.fixture
def client(cluster):
    """The current client, for one test."""
    with Client(cluster, set_as_default=True) as current:
        yield current


@pytest.fixture
def voxels():
    """Random voxels of any type, none of them zero, so that a lost one shows."""

    def make(shape, dtype="u2", seed=0):
        rng = np.random.default_rng(seed)
        kind = np.dtype(dtype)
        if kind.kind == "b":
            return np.ones(shape, kind) if seed == 0 else rng.random(shape) < 0.5
        if kind.kind == "f":
            return (rng.random(shape) + 1).astype(kind)
        return rng.integers(1, min(np.iinfo(kind).max, 2**31), shape).astype(kind)

    return make


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where the system has a place for that: these tests flush thousands of small files."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)
