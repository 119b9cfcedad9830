import json

import numpy as np
import pytest

import voxelrock as vr
from voxelrock.errors import ParameterError, UnfinishedError
from voxelrock.generators import Scanner
from voxelrock.io.saving import save
from voxelrock.workflow import Recipe, analyze, plan
from voxelrock.workflow import analysis as stages
from voxelrock.workflow.recipe import CORRECTIONS, Correct

QUICK = Recipe.of(roi="none", denoise="median", method="otsu").with_sizes(False).with_statistics([])

USUAL = Recipe.of(roi="none").with_sizes(False).with_statistics([])


@pytest.fixture(scope="module")
def rock():
    return vr.generators.sandstone(shape=64, seed=3)


@pytest.fixture(scope="module")
def scan(rock):
    """A scan with cupping, rings, and one slice that is off."""
    array = np.array(vr.generators.ct_scan(rock, seed=3, scanner=Scanner(cupping=0.25, rings=1500)).compute())
    array[20] = array[20] // 2 + 1000
    return vr.from_array(array, spacing="4 um")


def test_corrections_are_a_step_of_a_recipe():
    recipe = QUICK.corrected(["rings", "slices"])
    assert [s.name for s in recipe.steps] == ["restrict", "correct", "denoise", "threshold"]
    assert recipe.correction == Correct(("rings", "slices"))
    assert QUICK.correction is None
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert recipe.corrected(()) == QUICK
    assert recipe.changed(threshold=5).correction == recipe.correction


@pytest.mark.parametrize("of", [(), ("rings", "rings"), ("noise",), "rings"])
def test_corrections_are_some_of_a_list(of):
    with pytest.raises(ParameterError, match="slices, outliers, drift, hardening, shading, rings"):
        Correct(of)


def test_segmented_images_are_not_corrected():
    with pytest.raises(ParameterError, match="grey scans only"):
        Recipe.of(phases={1: vr.Phase("pore", "pore")}).corrected(["rings"])


def test_corrections_bring_the_porosity_back(rock, scan, tmp_path):
    truth = float(vr.statistics.porosity(rock))
    clean = analyze(vr.generators.ct_scan(rock, seed=3), recipe=QUICK)  # the threshold has an error of its own
    before = analyze(scan, recipe=QUICK)
    found = analyze(scan, recipe=QUICK.corrected(CORRECTIONS), out=tmp_path)
    assert abs(float(found["porosity"]) - truth) < abs(float(before["porosity"]) - truth)
    assert abs(float(found["porosity"] - clean["porosity"])) < 0.25 * abs(float(before["porosity"] - clean["porosity"]))
    levels = found["solid_radial"].sel(distance=slice(0, 120))
    assert float(levels.sel(scan="corrected").std()) < 0.4 * float(levels.sel(scan="raw").std())
    assert any("1 of 64 slices across z were replaced" in text and text.endswith(": 20") for text in found.attrs["warnings"])
    corrected = vr.open(tmp_path / "corrected.zarr")
    assert corrected.dtype == scan.dtype
    assert corrected.grid == scan.grid
    page = (tmp_path / "report.html").read_text()
    assert "Artefacts" in page
    assert "corrected: without artefacts" in page
    assert (tmp_path / "figures" / "solid_profiles.svg").exists()


@pytest.mark.parametrize("kind", ["sandstone", "carbonate"])
def test_corrections_leave_little_more_than_undoing_what_the_scanner_did(kind):
    """Against the truth, no correction can promise a smaller error of porosity: pores missed and pores invented may cancel better without."""
    size, air = 96, 14000
    rock = getattr(vr.generators, kind)(shape=size, seed=1, spacing="2 um")
    cupped = vr.generators.ct_scan(rock, seed=2, scanner=Scanner(cupping=0.2))
    ringed = vr.generators.ct_scan(rock, seed=2, scanner=Scanner(cupping=0.2, rings=1500))
    offsets = (np.arange(size) - (size - 1) / 2) ** 2
    gain = 0.8 + 0.2 * np.minimum((offsets[:, None] + offsets) / (size / 2) ** 2, 1)
    undone = np.rint(np.clip(air + (cupped.compute() - float(air)) / gain, 0, 65535)).astype("u2")
    perfect, found, before = (
        float(analyze(scan, recipe=recipe)["porosity"])
        for scan, recipe in ((vr.from_array(undone, spacing="2 um"), USUAL), (ringed, USUAL.corrected(["hardening", "rings"])), (ringed, USUAL))
    )
    assert abs(found - perfect) < min(0.0006, 0.5 * abs(before - perfect))


def test_a_corrected_scan_is_not_made_twice(scan, tmp_path, monkeypatch):
    recipe = QUICK.corrected(["hardening"])

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "segment", stop)
        with pytest.raises(KeyboardInterrupt):
            analyze(scan, recipe=recipe, out=tmp_path)
    with monkeypatch.context() as patch:
        saved = []
        patch.setattr(stages, "save", lambda image, path, **_: saved.append(path.name) or save(image, path, **_))
        found = analyze(scan, recipe=recipe, out=tmp_path)
    assert saved == ["segmented.zarr"]
    assert float(found["porosity"]) == float(analyze(scan, recipe=recipe)["porosity"])
    other = analyze(scan, recipe=QUICK.corrected(["rings"]), out=tmp_path, overwrite=True)
    assert float(other["porosity"]) == float(analyze(scan, recipe=QUICK.corrected(["rings"]))["porosity"])
    analyze(scan, recipe=QUICK, out=tmp_path, overwrite=True)
    assert not (tmp_path / "corrected.zarr").exists()


def test_two_analyses_of_one_folder_keep_off(scan, tmp_path):
    recipe = QUICK.corrected(["hardening"])
    with pytest.raises(UnfinishedError):
        analyze(scan, recipe=recipe, out=tmp_path, say=lambda text: text.startswith("correcting") and analyze(scan, recipe=recipe, out=tmp_path))


def test_the_plan_names_them_and_computes_nothing():
    image = vr.zeros(shape=3000, dtype="u2")
    with_them, without = plan(image, recipe=Recipe().corrected(CORRECTIONS)), plan(image, recipe=Recipe())
    assert any(line.startswith("correct: slices, outliers, drift, hardening, shading, rings") for line in with_them.steps)
    assert with_them.output - without.output == image.nbytes
