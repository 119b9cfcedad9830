from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def real() -> Callable[[str], Path]:
    """A real image by its name, or a skip with the reason."""
    folder = Path(os.environ.get("VOXELROCK_DATA", Path(__file__).parents[2] / "../shared/data"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(f"the real image {name} is not in {folder}; set VOXELROCK_DATA")
        return path

    return find
