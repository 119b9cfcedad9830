"""Maps, profiles, joint histograms and ensembles of thresholds against plain NumPy."""

import numpy as np
import pytest

import voxelrock as vr
from tests.structure import configurations_dense as cubes
from tests.structure.images import CHUNKS, CYLINDER, disc, noise
from voxelrock.errors import DataError, GridMismatchError, ParameterError, ParameterTypeError
from voxelrock.testing import stored

X = vr.structure
SHAPE = (14, 11, 13)


def grey(seed=0, high=256, dtype="u1"):
    return np.random.default_rng(seed).integers(0, high, SHAPE).astype(dtype)


def test_maps_lie_on_the_coarser_grid_and_hold_no_data_outside():
    a = noise(1)
    image = stored(a, CHUNKS, spacing={"z": 2.0, "y": 1.0, "x": 1.0}, origin={"z": 5.0, "y": 0.0, "x": 0.0})
    found = X.local_map(image, cell=4, measure="specific_surface", where=CYLINDER)
    assert tuple(found.grid.shape) == (7, 2, 3)
    assert tuple(found.grid.spacing) == (4, 4, 4)
    assert found.grid.origin.z == 6
    values = found.compute()
    inside = disc()[2:5, 4:9, 4:9], a[2:5, 4:9, 4:9]
    assert values[1, 1, 1] == pytest.approx(cubes.area_density(inside[1], inside[0], (2.0, 1.0, 1.0)), rel=1e-12)
    corner = stored(a, CHUNKS)
    ball = vr.Ball(center={"z": 0.0, "y": 0.0, "x": 0.0}, radius=4)
    part = X.local_map(corner, cell=3, where=ball)
    assert np.isnan(part.compute()[-1, -1, -1])
    assert float(vr.statistics.summary(part)["count"]) < part.size
    assert vr.compute(X.local_map(corner, cell=7, measure="euler_density")).shape == (2, 1, 1)


def test_porosity_and_saturation_of_a_rock_scanned_three_times():
    rng = np.random.default_rng(2)
    porosity, saturation = rng.random(SHAPE) * 0.4, rng.random(SHAPE)
    dry = (2000 * (1 - porosity)).round().astype("u2")
    wet = (dry + 1000 * porosity).round().astype("u2")
    now = (dry + 1000 * porosity * saturation).round().astype("u2")
    images = {k: stored(v, CHUNKS) for k, v in (("dry", dry), ("saturated", wet), ("image", now))}
    found = X.porosity_map(images["dry"], images["saturated"], fluid=1000, air=0)
    np.testing.assert_allclose(found.compute(), porosity, atol=2e-3)
    assert found.field.name == "porosity"
    assert found.history[-1]["operation"] == "structure.porosity_map"
    water = X.saturation_map(images["image"], dry=images["dry"], saturated=images["saturated"], least=50)
    some = wet.astype(int) - dry > 50
    values = water.compute()
    assert np.isnan(values[~some]).all()
    np.testing.assert_allclose(values[some], ((now - dry.astype(float)) / (wet - dry.astype(float)))[some], rtol=1e-6)
    assert float(vr.statistics.summary(water)["count"]) == some.sum()
    unscanned = images["saturated"].assign(nodata=int(wet[0, 0, 0]))
    assert np.isnan(X.porosity_map(images["dry"], unscanned, fluid=1000, air=0).compute()[0, 0, 0])
    assert np.isnan(X.saturation_map(images["image"], dry=images["dry"], saturated=unscanned).compute()[0, 0, 0])
    grain = X.grey_porosity(images["dry"], pore=0, solid=2000)
    np.testing.assert_allclose(grain.compute(), porosity, atol=1e-3)


def test_phases_slice_by_slice():
    labels = grey(3, 3)
    image = stored(labels, CHUNKS).assign(phases={0: vr.Phase("pore", "pore"), 2: vr.Phase("clay", "micro", porosity=0.4)})
    found = vr.compute(X.phase_profile(image, axis="x", where=CYLINDER))
    assert found["phase"].values.tolist() == ["pore", "clay"]
    for label in (0, 2):
        expected = [np.mean(labels[:, :, i][disc()[:, :, i]] == label) if disc()[:, :, i].any() else np.nan for i in range(13)]
        np.testing.assert_allclose(found.sel(label=label), expected, rtol=1e-15)
    mask = vr.compute(X.phase_profile(stored(labels > 0, CHUNKS)))
    np.testing.assert_allclose(mask.sum("label"), 1)


def test_joint_histograms_of_every_kind_of_image():
    a, b = grey(4), grey(5, 30000, "i2")
    image, other = stored(a, CHUNKS), stored(b, ((14,), (3, 8), (13,)))
    plain, cut = vr.compute(
        X.joint_histogram(image, other, other_bins=5), X.joint_histogram(image, other, bins=[0, 9, 200], other_bins=[5, 80, 900], where=CYLINDER)
    )
    expected = np.histogram2d(a.ravel(), b.ravel(), [np.arange(257) - 0.5, np.linspace(b.min(), b.max(), 6)])[0]
    np.testing.assert_array_equal(plain, expected)
    np.testing.assert_array_equal(cut, np.histogram2d(a[disc()], b[disc()], [[0, 9, 200], [5, 80, 900]])[0])
    floats = stored(b / np.float32(7), CHUNKS)
    same = vr.compute(X.joint_histogram(floats.assign(nodata=0.0), image.assign(nodata=3), bins=4, other_bins=3))
    values, good = b / np.float32(7), (a != 3) & (b != 0)
    edges = [np.linspace(values[b != 0].min(), values[b != 0].max(), 5), np.linspace(a[a != 3].min(), a[a != 3].max(), 4)]
    np.testing.assert_array_equal(same, np.histogram2d(values[good].astype(float), a[good], edges)[0])
    by = stored(a > 100, CHUNKS)
    parts = vr.compute(X.joint_histogram(image, other, bins=[0, 101, 256], other_bins=[0, 30000], by=by))
    assert int(parts.sel(label=1)[0, 0]) == 0
    assert int(parts.sum()) == a.size


def test_thresholds_in_one_reading():
    a = grey(6)
    image = stored(a, CHUNKS)
    source = next(iter(image.data.dask.layers.values())).expression.source
    found = vr.compute(X.over_thresholds(image, thresholds=[50, 100, 110], where=CYLINDER))
    assert source.voxels_read == (6 + 9) * (5 + 7) * (2 + 12)
    for t in (50, 100, 110):
        one = vr.compute(X.minkowski(image <= t, where=CYLINDER))
        for name in ("volume_fraction", "surface_density", "mean_curvature_density", "euler_density"):
            np.testing.assert_array_equal(found[name].sel(threshold=t), one[name])
    np.testing.assert_allclose(found["euler_density_slope"], np.gradient(found["euler_density"], [50, 100, 110], axis=0))
    bright = vr.compute(X.over_thresholds(image, thresholds=[100], phase="bright"))
    assert float(bright["volume_fraction"][0]) == pytest.approx(cubes.share(a > 100), rel=1e-13)
    assert np.isnan(bright["volume_fraction_slope"]).all()


def test_what_cannot_be_measured_is_refused():
    image = stored(grey(), CHUNKS)
    with pytest.raises(ParameterError, match="two different grey values"):
        X.grey_porosity(image, pore=3, solid=3)
    with pytest.raises(GridMismatchError):
        X.porosity_map(image, stored(np.ones((3, 3, 3), "u1")), fluid=2, air=1)
    with pytest.raises(ParameterError, match="not negative"):
        X.saturation_map(image, dry=image, saturated=image, least=-1)
    with pytest.raises(ParameterError, match="measure is one of porosity"):
        X.local_map(image > 3, cell=4, measure="colour")
    with pytest.raises(ParameterTypeError, match=r"grey values.*vr\.segmentation\.otsu"):
        X.phase_profile(stored(np.ones((3, 3, 3), "f4")))
    with pytest.raises(ParameterError, match="labels="):
        X.phase_profile(image)
    with pytest.raises(ParameterError, match="ascending"):
        X.joint_histogram(image, image, bins=[3, 2])
    with pytest.raises(ParameterError, match="at least one bin"):
        X.joint_histogram(image, image, bins=0)
    with pytest.raises(ParameterError, match="ascending"):
        X.over_thresholds(image, thresholds=[3, 2])
    with pytest.raises(ParameterError, match="phase is 'dark'"):
        X.over_thresholds(image, thresholds=[3], phase="grey")
    nan = np.ones(SHAPE, "f4")
    nan[3, 3, 3] = np.nan
    with pytest.raises(DataError, match="NaN among the voxels"):
        vr.compute(X.joint_histogram(stored(nan), image, bins=[0, 1]))
    with pytest.raises(DataError, match="NaN among the voxels has no side"):
        vr.compute(X.over_thresholds(stored(nan), thresholds=[1]))
    known = vr.compute(X.over_thresholds(stored(nan).assign(nodata=float("nan")), thresholds=[1]))
    assert float(known["volume_fraction"][0]) == 1
    assert "hold data" in known["volume_fraction"].attrs["bulk"]
