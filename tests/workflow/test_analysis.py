import json
import tomllib

import numpy as np
import pytest
import scipy.ndimage as ndi
from skimage.filters import threshold_otsu

import voxelrock as vr
from voxelrock.errors import DataError, ExistsError, ParameterError
from voxelrock.workflow import Recipe, analyze, parse_region


def scan(shape=(30, 28, 26)):
    rng = np.random.default_rng(3)
    rock = ndi.gaussian_filter(rng.normal(size=shape), 2) > 0.05
    return (np.where(rock, 30000, 12000) + rng.normal(0, 3000, shape)).clip(0, 65535).astype("u2")


def test_a_grey_scan_from_end_to_end(tmp_path):
    array = scan()
    image = vr.from_array(array, spacing="8 um", block=16)
    said = []
    found = analyze(image, out=tmp_path / "out", say=said.append)
    quiet = ndi.median_filter(array, 3)
    limit = threshold_otsu(quiet)
    assert float(found.results["threshold"]) == limit
    assert float(found.results["porosity"]) == (quiet <= limit).mean()
    np.testing.assert_array_equal(found.segmented.compute(), quiet <= limit)
    np.testing.assert_allclose(found.results["profile_y"], (quiet <= limit).mean(axis=(0, 2)))
    assert found.segmented.grid == image.grid
    assert [p.role for p in found.segmented.phases.values()] == ["solid", "pore"]
    assert any("Otsu" in text for text in said)
    written = json.loads((tmp_path / "out/results.json").read_text())
    assert written["results"]["porosity"]["value"] == float(found.results["porosity"])
    assert "definition" in written["results"]["porosity"]
    recipe = tomllib.loads((tmp_path / "out/recipe.toml").read_text())
    assert recipe["recipe"]["method"] == "otsu"
    assert recipe["voxelrock"]["voxelrock"] == vr.__version__
    page = (tmp_path / "out/report.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    for part in ("Results", "Histogram", "Porosity profiles", "resolved porosity", "filters.median", "Versions and timings"):
        assert part in page


def test_a_region_restricts_everything(tmp_path):
    array = scan()
    image = vr.from_array(array, spacing="8 um")
    found = analyze(image, out=tmp_path / "out", recipe=Recipe(roi="cylinder:axis=z,margin=16um"))
    inside = image.restriction(parse_region("cylinder:axis=z,margin=16um", image)).compute()
    quiet = ndi.median_filter(array, 3)
    pores = quiet <= threshold_otsu(quiet[inside])
    assert float(found.results["porosity"]) == pores[inside].mean()
    labels = found.segmented.compute()
    assert set(np.unique(labels[~inside])) == {2}
    assert float(found.results["grey_count"]) == inside.sum()
    assert "outside" in found.results["porosity"].attrs["bulk"]


def test_segmented_images_are_measured_as_they_are(tmp_path):
    labels = (scan() > 20000).astype("u1") * 3
    found = analyze(vr.from_array(labels), out=tmp_path / "out", recipe=Recipe(pore=(0,)))
    assert float(found.results["porosity"]) == (labels == 0).mean()
    assert "threshold" not in found.results
    pores = analyze(vr.from_array(labels == 0), out=tmp_path / "bool")
    assert float(pores.results["porosity"]) == (labels == 0).mean()


def test_an_analysis_is_not_overwritten_unasked(tmp_path):
    image = vr.from_array(scan())
    analyze(image, out=tmp_path)
    with pytest.raises(ExistsError, match=r"holds an analysis already.*overwrite"):
        analyze(image, out=tmp_path)
    again = analyze(image, out=tmp_path, recipe=Recipe(method="threshold", threshold=15000.0, denoise="gaussian"), overwrite=True)
    assert float(again.results["threshold"]) == 15000


def test_constant_images_have_no_threshold(tmp_path):
    with pytest.raises(DataError, match="the image is constant"):
        analyze(vr.full(shape=8, value=7, dtype="u1"), out=tmp_path)


def test_bright_pores(tmp_path):
    array = scan()
    found = analyze(vr.from_array(array), out=tmp_path, recipe=Recipe(phase="bright", denoise="none"))
    assert float(found.results["porosity"]) == (array > threshold_otsu(array)).mean()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sphere", "cannot read 'sphere' as a region"),
        ("cylinder:margin", "write name=value"),
        ("cylinder:axis=z,size=3", "has no 'size'"),
        ("box:w=1..2", "write box:z="),
        ("box:z=1", "write box:z="),
        ("cylinder:axis=q", "axis is one of"),
        ("missing.tif", "cannot read 'missing.tif'"),
    ],
)
def test_regions_that_cannot_be_read(text, message):
    with pytest.raises(ParameterError, match=message):
        parse_region(text, vr.zeros(shape=20, spacing="8 um"))


def test_regions_as_text(tmp_path):
    image = vr.zeros(shape=20, spacing="8 um")
    assert parse_region("none", image) is None
    box = image.restriction(parse_region("box:z=0um..16um,x=80um..", image)).compute()
    assert box.sum() == 3 * 20 * 10
    tube = parse_region("cylinder:axis=x,radius=30um,y=80um,z=80um,length=40um", image)
    assert image.restriction(tube).compute().sum() == sum((8 * (a - 10)) ** 2 + (8 * (b - 10)) ** 2 <= 900 for a in range(20) for b in range(20)) * 6
    mask = np.zeros((20, 20, 20), "u1")
    mask[3:5] = 9
    vr.save(vr.from_array(mask), tmp_path / "mask.tif")
    assert image.restriction(parse_region(str(tmp_path / "mask.tif"), image)).compute().sum() == 800
    with pytest.raises(ParameterError, match=r"the mask mask\.tif has shape"):
        parse_region(str(tmp_path / "mask.tif"), vr.zeros(shape=3))


@pytest.mark.parametrize("bad", [{"denoise": "magic"}, {"method": "li"}, {"method": "threshold"}, {"threshold": 3.0}, {"phase": "grey"}])
def test_bad_recipes(bad):
    with pytest.raises(ParameterError):
        Recipe(**bad)


def test_a_store_of_somebody_else_is_left_alone(tmp_path):
    vr.save(vr.ones(shape=8), tmp_path / "segmented.zarr")
    with pytest.raises(ExistsError, match="holds an analysis already"):
        analyze(vr.from_array(scan()), out=tmp_path)
    assert vr.open(tmp_path / "segmented.zarr").compute().all()


def test_a_run_that_was_stopped_goes_on_or_starts_anew(tmp_path, monkeypatch):
    image = vr.from_array(scan())

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("voxelrock.workflow.analysis._measured", stop)
        with pytest.raises(KeyboardInterrupt):
            analyze(image, out=tmp_path)
    assert (tmp_path / "recipe.toml").exists()
    first = analyze(image, out=tmp_path)
    other = analyze(image, out=tmp_path, recipe=Recipe(phase="bright"), overwrite=True)
    assert float(first.results["porosity"]) + float(other.results["porosity"]) == pytest.approx(1)


def test_voxels_without_data_are_outside(tmp_path):
    array = scan()
    array[:, :, :9] = 0
    found = analyze(vr.from_array(array, nodata=0), out=tmp_path, recipe=Recipe(denoise="none"))
    inside = array[:, :, 9:]
    inside = inside[inside > 0]
    assert float(found.results["porosity"]) == (inside <= threshold_otsu(inside)).mean()


def test_labels_that_are_nowhere_are_an_error(tmp_path):
    with pytest.raises(DataError, match="no voxel has the label 9"):
        analyze(vr.from_array((scan() > 20000).astype("u1")), out=tmp_path, recipe=Recipe(pore=(9,)))


def test_few_values_are_pointed_out(tmp_path):
    said = []
    analyze(vr.from_array((scan() > 20000).astype("u1")), out=tmp_path, say=said.append)
    assert any("if it is segmented, name its pores" in text for text in said)


def test_labels_with_roles_need_no_more(tmp_path):
    labels = vr.from_array((scan() > 20000).astype("u1"), phases={0: vr.Phase("pore", "pore"), 1: vr.Phase("grain", "solid")})
    assert float(analyze(labels, out=tmp_path).results["porosity"]) == (scan() <= 20000).mean()
    solid = analyze(vr.from_array(scan() > 20000), out=tmp_path / "other", recipe=Recipe(pore=(0,)))
    assert float(solid.results["porosity"]) == (scan() <= 20000).mean()
