import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile

import voxelrock as vr
from voxelrock.workflow import Recipe, plan

RUN = """
import json, pathlib, re, sys
import voxelrock as vr
from voxelrock.workflow import analyze, plan
image = vr.open(sys.argv[1])
if __name__ == "__main__":
    expected = plan(image).peak_memory
    analyze(image, out=sys.argv[2])
    print(json.dumps([expected, 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])]))
"""


def test_a_plan_names_steps_and_sizes(tmp_path):
    image = vr.zeros(shape=vr.ZYX(64, 60, 50), dtype="u2", spacing="8 um")
    found = plan(image, recipe=Recipe.of(roi="none", threshold=3.0))
    assert any("threshold at 3" in step for step in found.steps)
    assert any("region of interest none" in step for step in found.steps)
    assert found.output >= image.size
    assert found.scratch == 4 * image.size  # the denoised scan, in floats
    assert plan(image, recipe=Recipe.of(roi="none", denoise="median", threshold=3.0)).scratch == 0
    assert [line.split("  ")[0] for line in found.lines()[-3:]] == ["peak memory", "output, at most", "scratch"]


def test_scratch_is_that_of_pages(tmp_path):
    array = np.random.default_rng(0).integers(0, 9, (100, 150, 150)).astype("u1")
    tifffile.imwrite(tmp_path / "rock.tif", array, compression="zlib", photometric="minisblack")
    image = vr.open(tmp_path / "rock.tif")
    assert plan(image, recipe=Recipe.of(denoise="median", threshold=3.0)).scratch == image.nbytes


def test_planning_computes_nothing():
    image = vr.from_function(lambda z, y, x: 1 // 0 * x, shape=64, dtype="u1")
    assert plan(image).peak_memory > 0


@pytest.mark.slow
def test_the_peak_is_as_predicted(tmp_path):
    rock = vr.generators.ct_scan(vr.generators.sandstone(shape=384, seed=1), seed=1)
    vr.save(rock, tmp_path / "scan.zarr")
    (tmp_path / "run.py").write_text(RUN)
    result = subprocess.run([sys.executable, "run.py", "scan.zarr", "out"], cwd=tmp_path, capture_output=True, text=True, check=True)
    expected, seen = json.loads(result.stdout.splitlines()[-1])
    assert 0.4 * expected < seen < 1.15 * expected, (expected, seen)
