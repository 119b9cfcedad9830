"""What non-local means made is stored while an analysis needs it, and never decides what comes out."""

import numpy as np
import pytest

import voxelrock as vr
from voxelrock.io.saving import save
from voxelrock.workflow import Recipe, analyze
from voxelrock.workflow import analysis as stages
from voxelrock.workflow.folder import Folder

RECIPE = Recipe.of(roi="none").with_sizes(False).with_statistics([])


@pytest.fixture(scope="module")
def scan():
    return vr.generators.ct_scan(vr.generators.sandstone(shape=vr.ZYX(36, 40, 44), seed=1), seed=2)


@pytest.fixture(scope="module")
def expected(scan):
    return analyze(scan, recipe=RECIPE)


@pytest.fixture
def saved(monkeypatch):
    names = []
    monkeypatch.setattr(stages, "save", lambda image, path, **_: names.append(path.name) or save(image, path, **_))
    return names


def same(found, expected):
    for name in ("porosity", "threshold", "noise_level", "histogram", "porosity_curve", "effective_porosity"):
        assert found[name].identical(expected[name]), name
    done, wanted = ([row["operation"] for row in each.attrs["history"]] for each in (found, expected))
    assert done == wanted


def test_it_is_stored_until_the_results_are(scan, expected, saved, tmp_path):
    same(analyze(scan, recipe=RECIPE, out=tmp_path), expected)
    assert saved == ["denoised.zarr", "segmented.zarr"]
    assert not [path.name for path in tmp_path.iterdir() if "denoised" in path.name]


def test_a_run_that_was_stopped_takes_it_up_again(scan, expected, saved, monkeypatch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "measure", stop)
        with pytest.raises(KeyboardInterrupt):
            analyze(scan, recipe=RECIPE, out=tmp_path)
    assert (tmp_path / "denoised.zarr").exists()
    same(analyze(scan, recipe=RECIPE, out=tmp_path), expected)
    assert saved == ["denoised.zarr", "segmented.zarr"]
    assert not (tmp_path / "denoised.zarr").exists()


def test_that_of_another_analysis_is_not_taken(scan, expected, monkeypatch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "measure", stop)
        with pytest.raises(KeyboardInterrupt):
            analyze(scan, recipe=RECIPE.sharpened(0), out=tmp_path)
    same(analyze(scan, recipe=RECIPE, out=tmp_path, overwrite=True), expected)


def test_without_room_it_is_made_again(scan, expected, saved, monkeypatch, tmp_path):
    monkeypatch.setattr(Folder, "room", lambda folder: 4 * scan.size)
    said = []
    same(analyze(scan, recipe=RECIPE, out=tmp_path, say=said.append), expected)
    assert saved == ["segmented.zarr"]
    assert any("made three times" in text for text in said)


def test_filters_that_are_cheap_are_computed_again(scan, saved, tmp_path):
    analyze(scan, recipe=Recipe.of(roi="none", denoise="median", method="otsu").with_sizes(False).with_statistics([]), out=tmp_path)
    assert saved == ["segmented.zarr"]


def test_curves_of_floats_are_short_and_shares_are_those_of_the_labels(expected):
    histogram, curve = expected["histogram"], expected["porosity_curve"]
    assert histogram.size <= 4096
    assert int(histogram.sum()) == int(expected["bulk_voxels"])
    np.testing.assert_array_equal(histogram["right"][:-1], histogram["left"][1:])
    assert ((histogram["left"] <= histogram["value"]) & (histogram["value"] <= histogram["right"])).all()
    assert curve.sizes == histogram.sizes
    assert float(expected["pore_fraction"]) == float(expected["porosity"])
    assert float(np.interp(float(expected["threshold"]), curve["value"], curve)) == pytest.approx(float(expected["porosity"]), abs=1e-3)
