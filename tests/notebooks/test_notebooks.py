"""The notebooks run from top to bottom, as a reader would run them."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda p: p.stem)
@pytest.mark.filterwarnings("default")
def test_notebook(path, tmp_path, monkeypatch):
    monkeypatch.setenv("VOXELROCK_DATA", os.environ.get("VOXELROCK_DATA", str(ROOT / "../shared/data")))  # real images, where they are
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    assert cells
    assert all(c.execution_count for c in cells)


def test_notebooks_are_committed_without_output():
    for path in FOLDER.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        assert not [c for c in notebook.cells if c.cell_type == "code" and (c.outputs or c.execution_count)], path.name
