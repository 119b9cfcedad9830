"""Drawing takes most of the time of a small analysis: where a test is not about figures, one small figure stands for all."""

import pytest

from voxelrock.viz.style import figure
from voxelrock.workflow.outputs import Figures


@pytest.fixture(autouse=True)
def sketches(request, monkeypatch):
    if request.node.get_closest_marker("figures") is None:
        sketch = figure(0.3, 0.3)
        sketch.set_layout_engine("none")
        monkeypatch.setattr(Figures, "__getitem__", lambda self, name: sketch)
