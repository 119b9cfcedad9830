import io
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import image as pictures

import voxelrock as vr
from voxelrock.errors import ParameterError


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    return pictures.imread(buffer)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_a_crop_shows_every_voxel_as_one_pixel(axis):
    array = np.random.default_rng(0).integers(0, 256, (40, 50, 60)).astype("u1")
    figure = vr.viz.crop(vr.from_array(array), size=24, axis=axis, position={"z": 20, "y": 25, "x": 30}, limits=(0, 255))
    plane = {"z": array[20, 13:37, 18:42], "y": array[8:32, 25, 18:42], "x": array[8:32, 13:37, 30]}[axis]
    shown = np.rint(pixels(figure)[..., 0] * 255)
    assert np.abs(shown - plane).max() <= 1  # the grey scale has 256 steps, and voxels fall on their edges


def test_a_crop_at_a_corner_stays_inside():
    figure = vr.viz.crop(vr.from_array(np.zeros((10, 12, 14), "u1")), size=11, position={"z": 0, "y": 0, "x": 13})
    assert pixels(figure).shape[:2] == (11, 11)
    assert pixels(vr.viz.crop(vr.from_array(np.zeros((10, 12, 14), "u1")), size=400)).shape[:2] == (12, 14)


def test_the_edge_of_a_region_is_drawn():
    scan = vr.full(shape=40, value=7, dtype="u1")
    green = (0x18 / 255, 0xA5 / 255, 0x58 / 255)

    def painted(figure):
        return int((np.abs(pixels(figure)[..., :3] - green) < 0.05).all(-1).sum())

    assert painted(vr.viz.slices(scan)) == 0
    assert painted(vr.viz.slices(scan, outline=vr.Ball(center={"z": 20, "y": 20, "x": 20}, radius=12))) > 200
    assert painted(vr.viz.compare({"raw": scan, "mask": scan > 3}, outline=vr.Box(low={"z": 5}, high={"z": 30}))) > 200


def test_compare_wants_images_on_one_grid():
    with pytest.raises(ParameterError, match="nothing to compare"):
        vr.viz.compare({})
    with pytest.raises(vr.errors.GridMismatchError):
        vr.viz.compare({"a": vr.zeros(shape=8), "b": vr.zeros(shape=9)})


def test_histograms_with_classes():
    histogram = vr.statistics.histogram(vr.from_function(lambda z, y, x: x * 9, shape=16, dtype="u1"))
    figure = vr.viz.plot_histogram(histogram, thresholds={"t": 50.0}, classes={"pore": 0.3, "solid": 0.7}, log=True)
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert texts == ["t 50", "pore 0.3000", "solid 0.7000"]
    with pytest.raises(ParameterError, match="1 thresholds part 2 classes; got 3"):
        vr.viz.plot_histogram(histogram, thresholds={"t": 50.0}, classes={"a": 0.1, "b": 0.2, "c": 0.7})


def test_profiles_say_mean_and_spread():
    image = vr.from_function(lambda z, y, x: x > z, shape=16, dtype=bool)
    line = vr.statistics.profile(image, axis="z")
    figure = vr.viz.plot_profiles([line])
    assert figure.axes[0].texts[0].get_text() == f"{float(line.mean()):.4f} ± {float(line.std()):.4f}"


def test_a_look_says_what_it_shows(tmp_path):
    rock = vr.generators.plug(vr.generators.sandstone(shape=96, radius=8, seed=1))
    vr.save(vr.generators.ct_scan(rock, seed=1), tmp_path / "scan.raw")
    image = vr.open(tmp_path / "scan.raw", shape=vr.ZYX(96, 96, 96), dtype="u2")
    seen = vr.viz.look(image)
    assert seen.nature.kind == "grey"
    assert seen.nature.in_air
    assert "in air" in seen.words
    assert int(seen.histogram.sum()) == 64 * 96 * 96  # sampled planes, and so named
    assert "sampled" in seen.figure.axes[-1].get_title(loc="left")


@pytest.mark.parametrize("suffix", ["zarr", "tif", "npy"])
def test_a_look_at_any_store_shows_the_same_slices(tmp_path, suffix):
    array = np.random.default_rng(1).integers(0, 200, (60, 50, 40)).astype("u1")
    vr.save(vr.from_array(array), tmp_path / f"a.{suffix}")
    seen = vr.viz.look(vr.open(tmp_path / f"a.{suffix}"))
    assert seen.nature.kind == "grey"
    shown = seen.figure.axes[0].images[0].get_array()
    low, high = np.quantile(array[30], [0.2, 0.8])
    dark, bright = array[30] < low, array[30] > high
    assert shown[..., 0][dark].max() < shown[..., 0][bright].min()


LOOK = """
import pathlib, re, sys, time
start = time.perf_counter()
from voxelrock.cli import main
try:
    main(sys.argv[1:])
finally:
    print(time.perf_counter() - start, int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024)
"""


@pytest.mark.slow
def test_a_look_at_sixteen_gigabytes_is_quick_and_small(tmp_path):
    with open(tmp_path / "scan.raw", "wb") as file:
        file.truncate(2 * 2000**3)
        rng = np.random.default_rng(0)
        for z in range(0, 2000, 100):
            file.seek(2 * z * 2000**2)
            file.write(rng.integers(9000, 30000, (2000, 2000)).astype("<u2").tobytes())
    command = [sys.executable, "-c", LOOK, "look", "scan.raw", "--shape-zyx", "2000x2000x2000", "--dtype", "<u2"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"MPLBACKEND": "Agg"})
    seconds, megabytes = map(float, result.stdout.splitlines()[-1].split())
    assert megabytes < 500
    assert seconds < 20  # the target of ten seconds is measured on a quiet machine


def test_slices_of_a_quantity_have_a_bar_of_colours_and_no_data_is_neutral():
    pores = np.zeros((12, 12, 12), bool)
    pores[3:9, 3:9, 3:9] = True
    thickness = vr.pores.local_thickness(vr.from_array(pores, spacing="2 um"))
    page = vr.viz.slices(thickness, cmap="viridis")
    labels = [child.get_ylabel() for axes in page.axes for child in (axes, *axes.child_axes)]
    assert "local thickness (µm)" in labels
    shown = page.axes[0].get_images()[0].get_array()
    np.testing.assert_allclose(shown[0, 0, :3], (0.93, 0.94, 0.95))
    assert not [child for axes in vr.viz.slices(vr.from_array(pores)).axes for child in axes.child_axes]


def test_levels_of_the_solid_before_and_after():
    scan = vr.from_function(lambda z, y, x: 100 * (x % 4 > 0) + 2 * z, shape=16, dtype="u1")
    found = {"raw": vr.artefacts.solid_profiles(scan), "corrected": vr.artefacts.solid_profiles(vr.artefacts.correct_drift(scan))}
    figure = vr.viz.plot_solid_profiles(found)
    spread = [np.ptp(line.get_ydata()) for line in figure.axes[1].lines]
    assert spread[0] > 25 > 5 > spread[1]
    assert [t.get_text() for t in figure.axes[1].get_legend().get_texts()] == ["raw", "corrected"]


def test_a_probability_beside_a_scan_has_limits_of_its_own():
    scan = vr.from_function(lambda z, y, x: 10000 + 50 * x, shape=24, dtype="u2")
    share = vr.from_function(lambda z, y, x: x / 23, shape=24, dtype="f4")
    panels = vr.viz.compare({"scan": scan, "share": share}).axes
    for axes in panels[:2]:
        picture = axes.images[0].get_array()
        assert picture.max() > 0.9 * (255 if picture.max() > 1 else 1)
        assert np.ptp(picture[..., 0]) > 0.5 * picture.max()
