import json
import os
import tomllib

import numpy as np
import pytest
import scipy.ndimage as ndi
from skimage.filters import threshold_otsu

import voxelrock as vr
from voxelrock.errors import DataError, ExistsError, ParameterError, StorageError, UnfinishedError
from voxelrock.workflow import Recipe, analyze, parse_region
from voxelrock.workflow.folder import Folder
from voxelrock.workflow.stages import find_rock

QUICK = Recipe.of(denoise="median", method="otsu").with_sizes(False).with_statistics([])
SIZED = QUICK.with_sizes(True)


def scan(shape=(30, 28, 26)):
    rng = np.random.default_rng(3)
    rock = ndi.gaussian_filter(rng.normal(size=shape), 2) > 0.05
    return (np.where(rock, 30000, 12000) + rng.normal(0, 3000, shape)).clip(0, 65535).astype("u2")


def segmented(folder):
    return vr.open(folder / "segmented.zarr")


def test_a_grey_scan_from_end_to_end(tmp_path):
    array = scan()
    image = vr.from_array(array, spacing="8 um", block=16)
    said = []
    found = analyze(image, out=tmp_path / "out", say=said.append, sample="A1", recipe=QUICK)
    quiet = ndi.median_filter(array, 3)
    limit = threshold_otsu(quiet)
    assert float(found["threshold"]) == limit
    assert float(found["porosity"]) == (quiet <= limit).mean()
    assert float(found["grey_mean"]) == pytest.approx(array.mean(), rel=1e-14)
    labels = segmented(tmp_path / "out")
    np.testing.assert_array_equal(labels.compute(), quiet <= limit)
    np.testing.assert_allclose(found["profile_y"], (quiet <= limit).mean(axis=(0, 2)))
    assert float(found["slice_spread_y"]) == pytest.approx((quiet <= limit).mean(axis=(0, 2)).std())
    assert labels.grid == image.grid
    assert [p.role for p in labels.phases.values()] == ["solid", "pore"]
    assert int(found["bulk_voxels"]) == array.size
    assert float(found["bulk_volume"]) == pytest.approx(array.size * 512e-9)
    assert any("otsu" in text for text in said)
    width = float(found["solid_width"])
    assert float(found["porosity_low"]) == (quiet <= limit - width).mean()
    assert float(found["porosity_high"]) == (quiet <= limit + width).mean()


@pytest.mark.figures
def test_everything_is_written(tmp_path):
    found = analyze(vr.from_array(scan(), spacing="8 um"), out=tmp_path, sample="A1")
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["results"]["porosity"]["value"] == float(found["porosity"])
    assert "definition" in written["results"]["porosity"]
    recipe = tomllib.loads((tmp_path / "recipe.toml").read_text())
    assert [s["step"] for s in recipe["steps"]] == ["restrict", "denoise", "sharpen", "threshold", "sizes", "structure"]
    assert recipe["software"]["voxelrock"] == vr.__version__
    assert "porosity," in (tmp_path / "results.csv").read_text()
    figures = {p.name for p in (tmp_path / "figures").iterdir()}
    names = ("slices", "stages", "crop_raw", "crop_filtered", "crop_segmented", "histogram", "porosity_threshold", "profiles", "pore_sizes")
    names = (*names, "capillary_pressure", "two_point", "chords", "windows")
    assert figures == {f"{name}.{suffix}" for name in names for suffix in ("png", "svg")}
    curves = {p.name for p in (tmp_path / "curves").iterdir()}
    sizes = {"pore_size_density", "pore_size_fraction", "pore_size_cumulative", "capillary_pressure", "mercury_saturation", "throat_size_distribution"}
    others = {"histogram", "porosity_curve", "connected_porosity", "phase_fractions", "profile_z", "profile_y", "profile_x"}
    assert curves == {f"{name}.csv" for name in sizes | others}
    page = (tmp_path / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert " 8 µm<" in page.replace(">8", "> 8")
    assert " mm³<" in page
    for part in (
        "A1",
        "Region of interest",
        "Histogram",
        "Porosity profiles",
        "resolved porosity",
        "filters.non_local_means",
        "Versions, timings",
        "doi:10.1109",
    ):
        assert part in page


def test_results_come_back_as_they_were(tmp_path):
    image = vr.from_array(scan(), spacing="8 um")
    first = analyze(image, out=tmp_path)
    again = analyze(image, out=tmp_path)
    assert set(first.data_vars) == set(again.data_vars)
    for name in first.data_vars:
        np.testing.assert_array_equal(first[name].values, again[name].values)
        assert first[name].attrs["definition"] == again[name].attrs["definition"]
    assert first.attrs["warnings"] == again.attrs["warnings"]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = analyze(vr.from_array(scan()), recipe=QUICK)
    quiet = ndi.median_filter(scan(), 3)
    assert float(found["porosity"]) == (quiet <= threshold_otsu(quiet)).mean()
    assert not list(tmp_path.iterdir())


def test_a_region_restricts_everything(tmp_path):
    array = scan()
    image = vr.from_array(array, spacing="8 um")
    found = analyze(image, out=tmp_path / "out", recipe=Recipe.of(roi="cylinder:axis=z,margin=16um", denoise="median", method="otsu"))
    inside = image.restriction(parse_region("cylinder:axis=z,margin=16um", image)).compute()
    quiet = ndi.median_filter(array, 3)
    pores = quiet <= threshold_otsu(quiet[inside])
    assert float(found["porosity"]) == pores[inside].mean()
    labels = segmented(tmp_path / "out").compute()
    assert set(np.unique(labels[~inside])) == {2}
    assert float(found["grey_count"]) == inside.sum() == int(found["bulk_voxels"])
    assert "outside" in found["porosity"].attrs["bulk"]
    assert float(found["phase_fractions"].sel(label=1)) == pytest.approx(pores[inside].mean(), abs=1e-15)
    assert found["phase_fractions"]["label"].values.tolist() == [0, 1]
    rows = [pores[:, k][inside[:, k]].mean() if inside[:, k].any() else np.nan for k in range(array.shape[1])]
    np.testing.assert_allclose(found["profile_y"], rows)


def test_segmented_images_are_measured_as_they_are(tmp_path):
    labels = (scan() > 20000).astype("u1") * 3
    pore = {0: vr.Phase("pore", "pore")}
    found = analyze(vr.from_array(labels), out=tmp_path / "out", recipe=Recipe.of(phases=pore))
    assert float(found["porosity"]) == (labels == 0).mean()
    assert "threshold" not in found
    pores = analyze(vr.from_array(labels == 0), out=tmp_path / "bool")
    assert float(pores["porosity"]) == (labels == 0).mean()
    assert np.array_equal(segmented(tmp_path / "out").compute(), labels)


def test_phases_with_all_roles(tmp_path):
    rng = np.random.default_rng(1)
    array = rng.choice(np.array([0, 1, 2, 3, 4], "u1"), size=(20, 21, 22), p=[0.2, 0.1, 0.3, 0.25, 0.15])
    phases = {
        0: vr.Phase("outside", "outside"),
        1: vr.Phase("oil", "fluid"),
        2: vr.Phase("clay", "micro", porosity=0.35),
        3: vr.Phase("brine", "fluid"),
    }
    found = analyze(vr.from_array(array), recipe=Recipe.of(phases=phases))
    bulk = (array != 0).sum()
    fluids = np.isin(array, [1, 3]).sum()
    assert float(found["porosity"]) == pytest.approx(fluids / bulk, abs=1e-15)
    assert float(found["total_porosity"]) == pytest.approx((fluids + 0.35 * (array == 2).sum()) / bulk, abs=1e-15)
    assert float(found["saturation"].sel(fluid=1)) == pytest.approx((array == 1).sum() / fluids, abs=1e-15)
    assert float(found["phase_fractions"].sel(label=4)) == pytest.approx((array == 4).sum() / bulk, abs=1e-15)
    assert int(found["bulk_voxels"]) == bulk


def test_an_analysis_is_not_overwritten_unasked(tmp_path):
    image = vr.from_array(scan())
    analyze(image, out=tmp_path, recipe=QUICK)
    other = Recipe.of(threshold=15000.0, denoise="gaussian").with_sizes(False).with_statistics([])
    with pytest.raises(ExistsError, match=r"another analysis.*denoise.*overwrite"):
        analyze(image, out=tmp_path, recipe=other)
    with pytest.raises(ExistsError, match=r"another analysis: with the spacing"):
        analyze(image.assign_grid(spacing="2 um"), out=tmp_path, recipe=QUICK)
    again = analyze(image, out=tmp_path, recipe=other, overwrite=True)
    assert float(again["threshold"]) == 15000
    quiet = ndi.gaussian_filter(scan(), 1, output="f4")
    np.testing.assert_array_equal(segmented(tmp_path).compute(), quiet <= 15000)


def test_only_what_is_missing_is_made(tmp_path, monkeypatch):
    image = vr.from_array(scan())
    analyze(image, out=tmp_path, recipe=QUICK)
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    (tmp_path / "figures/histogram.svg").unlink()
    (tmp_path / "report.html").unlink()

    def never(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr("voxelrock.workflow.analysis.find_rock", never)
    analyze(image, out=tmp_path, recipe=QUICK)
    made = {p for p in times if not p.exists() or p.stat().st_mtime_ns != times[p]}
    assert made == {tmp_path / "figures/histogram.svg", tmp_path / "report.html"}


def stop(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["segment", "save", "measure", "write_results", "write_outputs"])
def test_a_run_that_was_stopped_anywhere_goes_on(tmp_path, monkeypatch, where):
    image = vr.from_array(scan())
    with monkeypatch.context() as patch:
        patch.setattr(f"voxelrock.workflow.analysis.{where}", stop)
        with pytest.raises(KeyboardInterrupt):
            analyze(image, out=tmp_path, recipe=QUICK)
    assert (tmp_path / "recipe.toml").exists()
    assert not (tmp_path / "report.html").exists()
    found = analyze(image, out=tmp_path, recipe=QUICK)
    quiet = ndi.median_filter(scan(), 3)
    assert float(found["porosity"]) == (quiet <= threshold_otsu(quiet)).mean()
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize("where", ["segment", "save", "measure", "write_results"])
def test_labels_of_an_analysis_that_is_replaced_are_never_taken_for_the_new_ones(tmp_path, monkeypatch, where):
    image = vr.from_array(scan())
    analyze(image, out=tmp_path, recipe=QUICK)
    bright = Recipe.of(phase="bright", denoise="median", method="otsu").with_sizes(False).with_statistics([])
    with monkeypatch.context() as patch:
        patch.setattr(f"voxelrock.workflow.analysis.{where}", stop)
        with pytest.raises(KeyboardInterrupt):
            analyze(image, out=tmp_path, recipe=bright, overwrite=True)
    found = analyze(image, out=tmp_path, recipe=bright)
    quiet = ndi.median_filter(scan(), 3)
    assert float(found["porosity"]) == (quiet > threshold_otsu(quiet)).mean()
    assert not (tmp_path / ".replacing").exists()


def test_constant_images_have_no_threshold(tmp_path):
    with pytest.raises(DataError, match="the image is constant"):
        analyze(vr.full(shape=8, value=7, dtype="u1"), out=tmp_path)


def test_bright_pores(tmp_path):
    array = scan()
    found = analyze(vr.from_array(array), recipe=Recipe.of(phase="bright", denoise="none", method="otsu"))
    assert float(found["porosity"]) == (array > threshold_otsu(array)).mean()


def test_a_store_of_somebody_else_is_left_alone(tmp_path):
    vr.save(vr.ones(shape=8), tmp_path / "segmented.zarr")
    with pytest.raises(ExistsError, match=r"no recipe\.toml"):
        analyze(vr.from_array(scan()), out=tmp_path)
    assert vr.open(tmp_path / "segmented.zarr").compute().all()


@pytest.mark.parametrize("denoise", ["none", "median", "gaussian"])
@pytest.mark.parametrize("kind", ["value", "nan"])
def test_voxels_without_data_enter_nothing(denoise, kind):
    array = scan().astype("f4")
    missing = np.zeros(array.shape, bool)
    missing[:, :, :9] = True
    missing[4, 5, 20] = True
    array[missing] = 0 if kind == "value" else np.nan
    found = analyze(vr.from_array(array, nodata=0 if kind == "value" else np.nan), recipe=Recipe.of(denoise=denoise, roi="none", threshold=20000))
    reach = {"none": 0, "median": 1, "gaussian": 4}[denoise]
    inside = ~ndi.binary_dilation(missing, np.ones((2 * reach + 1,) * 3)) if reach else ~missing
    other = np.where(missing, 77777, array)  # whatever stands there, the answer is the same
    quiet = {"none": lambda a: a, "median": lambda a: ndi.median_filter(a, 3), "gaussian": lambda a: ndi.gaussian_filter(a, 1, output="f4")}[denoise](other)
    assert float(found["porosity"]) == (quiet <= 20000)[inside].mean()
    assert int(found["bulk_voxels"]) == inside.sum()


def test_labels_that_are_nowhere_are_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no voxel with the label 9; it has 0, 1"):
        analyze(vr.from_array((scan() > 20000).astype("u1")), out=tmp_path, recipe=Recipe.of(phases={9: vr.Phase("pore", "pore")}))


def test_few_values_are_pointed_out():
    found = analyze(vr.from_array((scan() > 20000).astype("u1")))
    assert any("if it is segmented, name its pores" in text for text in found.attrs["warnings"])


def test_labels_with_roles_need_no_more():
    labels = vr.from_array((scan() > 20000).astype("u1"), phases={0: vr.Phase("pore", "pore"), 1: vr.Phase("grain", "solid")})
    assert float(analyze(labels)["porosity"]) == (scan() <= 20000).mean()


def test_an_empty_mask_holds_no_rock(tmp_path):
    np.save(tmp_path / "mask.npy", np.zeros((30, 28, 26), "u1"))
    with pytest.raises(DataError, match="holds no rock: the mask is zero everywhere"):
        analyze(vr.from_array(scan()), recipe=Recipe.of(roi=str(tmp_path / "mask.npy")))
    outside = vr.from_array(np.where(scan() > 20000, 1, 0).astype("u1"))
    with pytest.raises(DataError, match=r"the bulk volume is empty.*region of interest"):
        analyze(
            outside.where(vr.Box(low={"z": 10}, high={}), other=5),
            recipe=Recipe.of(roi="box:z=0..9", phases={0: vr.Phase("pore", "pore"), 5: vr.Phase("air", "outside")}),
        )


def test_a_region_outside_the_image():
    with pytest.raises(ParameterError, match="lies outside the image"):
        analyze(vr.from_array(scan(), spacing="8 um"), recipe=Recipe.of(roi="box:z=5mm..6mm"))


def test_unimodal_histograms_are_warned_about(tmp_path):
    rng = np.random.default_rng(0)
    found = analyze(vr.from_array(rng.normal(20000, 2000, (40, 40, 40)).astype("u2")), out=tmp_path)
    assert any("not bimodal" in text for text in found.attrs["warnings"])
    page = (tmp_path / "report.html").read_text()
    assert page.index("not bimodal") < page.index("Porosity φ")
    assert float(found["porosity_high"]) - float(found["porosity_low"]) > 0.3


def test_room_is_checked_before_the_start(tmp_path, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("voxelrock.workflow.planning.shutil.disk_usage", lambda path: usage(10**9, 10**9, 100))
    with pytest.raises(StorageError, match=r"has 100 B free, and labels need"):
        analyze(vr.from_array(scan()), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_results_say_what_to_do(tmp_path):
    image = vr.from_array(scan())
    analyze(image, out=tmp_path, recipe=QUICK)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(vr.errors.FormatError, match=r"results\.json is damaged.*delete it"):
        analyze(image, out=tmp_path, recipe=QUICK)


def test_a_mask_that_knows_where_it_holds_data_is_measured_there(tmp_path):
    grey = vr.from_array(scan())
    region = vr.Cylinder.inscribed(grey.grid, axis="z", margin=2)
    pores = vr.segmentation.otsu(grey, where=region, phase="dark")
    found = analyze(pores, out=tmp_path / "out")
    assert float(found["porosity"]) == float(vr.statistics.porosity(pores))
    assert int(found["bulk_voxels"]) == int(pores.valid.compute().sum())
    assert vr.viz.look(pores).nature.kind == "segmented"
    assert float(analyze(pores, recipe=Recipe.of(roi="none", phases={1: vr.Phase("pore", "pore")}))["porosity"]) == float(found["porosity"])


def test_nan_in_a_mask_file_is_not_used(tmp_path):
    mask = np.full((30, 28, 26), np.nan, "f4")
    mask[:10] = 1
    np.save(tmp_path / "mask.npy", mask)
    assert int(analyze(vr.from_array(scan()), recipe=Recipe.of(roi=str(tmp_path / "mask.npy")))["bulk_voxels"]) == 10 * 28 * 26


def test_other_bytes_of_the_same_age_are_noticed(tmp_path):
    path = tmp_path / "scan.npy"
    np.save(path, scan())
    analyze(vr.open(path), out=tmp_path / "out", source=path, recipe=QUICK)
    before = path.stat()
    np.save(path, scan()[::-1].copy())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ExistsError, match="of other bytes"):
        analyze(vr.open(path), out=tmp_path / "out", source=path, recipe=QUICK)


def test_a_mask_whose_name_has_a_colon_is_watched(tmp_path):
    mask = np.ones((30, 28, 26), "u1")
    path = tmp_path / "a:mask.npy"
    np.save(path, mask)
    recipe = Recipe.of(roi=str(path))
    analyze(vr.from_array(scan()), out=tmp_path / "out", recipe=recipe)
    mask[:10] = 0
    np.save(path, mask)
    with pytest.raises(ExistsError):
        analyze(vr.from_array(scan()), out=tmp_path / "out", recipe=recipe)


@pytest.mark.parametrize("value", [0, np.nan])
def test_a_recipe_remembers_what_stands_for_no_data(tmp_path, value):
    grey = scan().astype("f4") if np.isnan(value) else scan()
    grey[4:9, 4:9, 4:9] = value
    image = vr.from_array(grey)
    first = analyze(image.assign(nodata=value), out=tmp_path / "out", recipe=QUICK.changed(roi="none"))
    recipe = Recipe.read(tmp_path / "out" / "recipe.toml")
    again = analyze(image, recipe=recipe)
    assert int(again["bulk_voxels"]) == int(first["bulk_voxels"]) < grey.size
    assert float(again["porosity"]) == float(first["porosity"])
    assert int(analyze(vr.from_array(scan()).assign(nodata=65535), recipe=recipe)["bulk_voxels"]) > int(first["bulk_voxels"])  # its own one counts
    analyze(image.assign(nodata=value), out=tmp_path / "out", recipe=recipe)  # the same run


def test_two_runs_keep_off_one_folder(tmp_path):
    folder = Folder(tmp_path / "out")
    image = vr.from_array(scan())
    with folder.held():
        for overwrite in (False, True):
            with pytest.raises(UnfinishedError, match="another run is at work in"):
                analyze(image, out=folder.path, recipe=Recipe.of(threshold=20000), overwrite=overwrite)
        assert not list(folder.path.iterdir())
    analyze(image, out=folder.path, recipe=QUICK)


def test_the_region_that_was_found_can_be_repeated(tmp_path):
    rock = vr.generators.plug(vr.generators.sandstone(shape=64, spacing="4 um", seed=1), radius="100 um")
    image = vr.generators.ct_scan(rock, seed=1)
    found = analyze(image, recipe=QUICK)
    text = found.attrs["roi"].rpartition("(")[2].rstrip(")")
    assert text.startswith("cylinder:")
    assert int(analyze(image, recipe=QUICK.changed(roi=text))["bulk_voxels"]) == int(found["bulk_voxels"]) < image.size
    assert "before denoising" in found["grey_mean"].attrs["definition"]


def test_what_denoising_takes_away_is_told():
    array = np.full((40, 40, 40), 30000, "u2")
    array[:, ::5, :] = 10000  # slits of one voxel, which a median fills
    array[:, :, :8] = 10000
    found = analyze(vr.from_array(array), recipe=Recipe.of(roi="none", threshold=20000, denoise="median"))
    assert float(found["porosity_undenoised"]) == (array <= 20000).mean()
    assert float(found["porosity"]) < float(found["porosity_undenoised"]) - 0.1
    assert any(text.startswith("denoising moves the porosity from 0.36") for text in found.attrs["warnings"])
    assert "porosity_undenoised" not in analyze(vr.from_array(array), recipe=Recipe.of(roi="none", threshold=20000, denoise="none"))


def test_an_outlier_is_told():
    array = scan().astype("f4")
    usual = analyze(vr.from_array(array), recipe=QUICK.changed(roi="none"))
    array[3, 4, 5] = 1e9
    found = analyze(vr.from_array(array), recipe=Recipe.of(roi="none", denoise="none", method="otsu").with_sizes(False).with_statistics([]))
    assert any("lie far from all others" in text for text in found.attrs["warnings"])
    assert not any("lie far" in text for text in usual.attrs["warnings"])


@pytest.mark.parametrize("radius", [1, 2, 5, 30])
def test_the_region_stays_inside_a_plug_by_more_than_filters_reach(radius):
    shape, size = (20, 440, 440), 210
    _, y, x = np.ogrid[:20, :440, :440]
    inside = np.broadcast_to((y - 220) ** 2 + (x - 220) ** 2 <= size**2, shape)
    image = vr.from_array((np.where(inside, 200, 50) + np.random.default_rng(0).normal(0, 8, shape)).astype("u1"))
    margin = size - find_rock(image, Recipe.of(denoise="median", radius_vx=radius)).where.radius
    assert margin > max(radius + 1.5, 0.0195 * size)
    assert margin < max(radius + 2.5, 0.0205 * size)


def test_sizes_are_measured_or_not(tmp_path):
    image = vr.from_array(scan(), spacing="5 um")
    found = analyze(image, out=tmp_path, recipe=SIZED)
    pores = vr.open(tmp_path / "segmented.zarr") == 1
    distribution = vr.pores.pore_size_distribution(pores)
    assert float(found["pore_diameter_d50"]) == float(distribution["d50"]) > 0
    np.testing.assert_array_equal(found["pore_size_density"], distribution["density"])
    curve = vr.pores.capillary_curve(vr.pores.porosimetry(pores))
    np.testing.assert_array_equal(found["mercury_saturation"], curve["saturation"])
    assert float(found["r35"]) == float(curve["r35"])
    assert float(found["critical_radius_y"]) == float(vr.pores.critical_radius(pores, axis="y"))
    page = (tmp_path / "report.html").read_text()
    assert "Pore sizes" in page
    assert "Capillary pressure" in page
    without = analyze(image, recipe=QUICK)
    assert "r35" not in without
    unknown = analyze(vr.from_array(scan()), recipe=SIZED)
    assert "pore_diameter_d50" in unknown
    assert "capillary_pressure" not in unknown  # no pressure without the size of a voxel


def test_a_finished_analysis_needs_no_room(tmp_path, monkeypatch):
    image = vr.from_array(scan())
    analyze(image, out=tmp_path, recipe=QUICK)

    def never(*_):
        raise AssertionError("asked for room")

    monkeypatch.setattr("voxelrock.workflow.analysis.check_space", never)
    analyze(image, out=tmp_path, recipe=QUICK)
