"""Spatial statistics in an analysis: what is measured is what the functions say, and the files hold all of it."""

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage as ndi
import xarray as xr

import voxelrock as vr
from voxelrock.errors import ParameterError
from voxelrock.workflow import Recipe, analyze
from voxelrock.workflow.recipe import STATISTICS, Structure
from voxelrock.workflow.structures import structure_of

PHASES = {0: vr.Phase("quartz", "solid"), 1: vr.Phase("pore", "pore"), 2: vr.Phase("brine", "fluid"), 9: vr.Phase("air", "outside")}
RECIPE = Recipe.of(phases=PHASES, roi="none").with_sizes(False)


def rock(shape=(26, 24, 22), radius=10):
    random = np.random.default_rng(4)
    labels = np.where(ndi.gaussian_filter(random.normal(size=shape), 1.5) < -0.05, random.integers(1, 3, shape), 0).astype("u1")
    _, y, x = np.indices(shape)
    labels[(y - 11.5) ** 2 + (x - 10.5) ** 2 > radius**2] = 9
    return vr.from_array(labels, spacing=("2 um", "1 um", "1 um"), block=11).assign(phases=PHASES)


def test_what_is_measured_is_of_the_pores_inside_the_rock(tmp_path):
    image = rock()
    found = analyze(image, out=tmp_path / "out", recipe=RECIPE)
    pores, where = image.isin([1, 2]), image != 9
    body = vr.structure.minkowski(pores, where=where).compute()
    assert float(found["specific_surface"]) == float(body["surface_density"])
    assert int(found["euler_number"]) == int(body["euler_number"].sel(connectivity=6))
    assert float(found["specific_surface_pore"]) == float(vr.structure.specific_surface(pores, per="pore", where=where))
    lag = 11 * 1.0
    two_point = vr.structure.two_point(pores, lag=lag, where=where).compute()
    np.testing.assert_array_equal(found["two_point"].values, two_point.values)
    assert found["two_point"].dims == ("lag_direction", "step")
    chords = vr.structure.chord_lengths(~pores, axis="y", where=where).compute()
    ours = found["chord_density_solid_y"]
    np.testing.assert_array_equal(ours.values, chords["density"].values[: ours.size])
    assert not (chords["complete"] + chords["cut"]).values[ours.size :].any()
    assert float(found["mean_chord_solid_y"]) == float(chords["mean"])
    windows = vr.structure.representative_volume(pores, where=where).compute()
    np.testing.assert_array_equal(found["windows_mean"].values, windows["mean"].values)
    page = (tmp_path / "out" / "report.html").read_text()
    for words in ("Two-point correlation", "Chord lengths", "Representative volume", "1/µm"):
        assert words in page
    for name in ("two_point", "chords", "windows"):
        assert (tmp_path / "out" / "figures" / f"{name}.png").exists()


@pytest.fixture(params=["csv", "parquet"])
def table_of(request, monkeypatch):
    """Reads the table of a folder; of either kind, whatever is installed beside."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow", reason="pandas writes Parquet with pyarrow, which is not installed (pip install pyarrow)")
        return lambda folder: pd.read_parquet(folder / "statistics.parquet")
    monkeypatch.setattr("voxelrock.workflow.structures.find_spec", lambda name: None)
    return lambda folder: pd.read_csv(folder / "statistics.csv", keep_default_na=False, na_values=[""])


def test_the_files_hold_every_number(tmp_path, table_of):
    found = analyze(rock(radius=99), out=tmp_path / "out", recipe=RECIPE)
    statistics = structure_of(found)
    with xr.open_dataset(tmp_path / "out" / "statistics.nc") as stored:
        assert set(stored.data_vars) == set(statistics.data_vars)
        for name, value in statistics.data_vars.items():
            np.testing.assert_array_equal(stored[name].values.astype(float), value.values.astype(float))
            assert stored[name].attrs["units"] == value.attrs["units"]
    table = table_of(tmp_path / "out")
    assert table.columns.tolist() == ["statistic", "of", "coordinate", "at", "quantile", "value", "units"]
    for name, value in statistics.data_vars.items():
        known = value.values.astype(float)
        assert sorted(table.loc[table["statistic"] == name, "value"]) == pytest.approx(sorted(known[np.isfinite(known)].ravel()))
    row = table[(table["statistic"] == "two_point") & (table["of"] == "x") & (table["at"] == 3)].iloc[0]
    assert row["value"] == pytest.approx(float(found["two_point"].sel(lag_direction="x", step=3)))
    assert row["coordinate"] == "lag"
    surface = table[(table["statistic"] == "windows_mean") & (table["of"] == "specific_surface")]
    assert set(surface["units"]) == {"um-1"}


def test_some_statistics_or_none(tmp_path):
    some = analyze(rock(), out=tmp_path / "some", recipe=RECIPE.with_statistics(["chords"]))
    assert "mean_chord_pore_z" in some
    assert "two_point" not in some
    none = analyze(rock(), out=tmp_path / "none", recipe=RECIPE.with_statistics([]))
    assert not structure_of(none).data_vars
    assert not list((tmp_path / "none").glob("statistics.*"))
    assert "Chord lengths" not in (tmp_path / "none" / "report.html").read_text()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 20, 20), (9, 9, 9), (16, 17, 16)])
def test_small_images(shape):
    pores = np.random.default_rng(0).random(shape) < 0.5
    pores.flat[0] = True
    found = analyze(vr.from_array(pores), recipe=Recipe.of(phases={1: PHASES[1]}, roi="none").with_sizes(False))
    assert ("windows_mean" in found) == (min(shape) >= 16)
    assert ("two_point" in found) == (min(shape) > 1)


def test_a_rock_without_pores_has_no_statistics():
    assert not structure_of(analyze(vr.zeros(shape=16, dtype="bool"), recipe=Recipe.of(phases={0: PHASES[0], 1: PHASES[1]}, roi="none"))).data_vars


def test_the_step_in_a_recipe(tmp_path):
    recipe = Recipe.from_json(RECIPE.with_statistics(("chords", "surface")).to_json())
    assert recipe.structure == Structure(("chords", "surface"))
    assert recipe.with_sizes(True).structure == recipe.structure
    assert Recipe().structure.of == STATISTICS
    for wrong in (("chord",), (), ("chords", "chords"), "chords"):
        with pytest.raises(ParameterError, match="statistics are some of surface, correlation"):
            Structure(wrong)
