import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
SHARED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]

settings.register_profile("ci", max_examples=8, deadline=None, derandomize=True, suppress_health_check=SHARED)
settings.register_profile("exhaustive", max_examples=200, deadline=None, suppress_health_check=SHARED)
settings.load_profile(os.environ.get("VOXELROCK_HYPOTHESIS", "ci"))


def pytest_collection_modifyitems(config, items):
    chosen = config.getoption("-m")
    for item in items:
        if item.get_closest_marker("slow") and "slow" not in chosen:
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with -m slow"))
        if item.get_closest_marker("gpu") and "gpu" not in chosen:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device: run with -m gpu on a machine that has one"))


def pytest_collection_finish():
    """What was imported stays: looking through it again with every collection of garbage costs a good part of the tests' time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_folder():
    """Where the real images lie."""
    folder = Path(os.environ.get("VOXELROCK_DATA", ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"the real images are not at {folder}; set VOXELROCK_DATA to their folder")
    return folder


@pytest.fixture
def real(data_folder):
    """The path of a real image by name."""

    def find(name):
        path = data_folder / name
        if not path.exists():
            pytest.skip(f"the real image {name} is not at {data_folder}; set VOXELROCK_DATA to a folder that holds it")
        return path

    return find


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
