import numpy as np
import pytest

from tests.fixtures import tmp_path

__all__ = ["tmp_path"]
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
