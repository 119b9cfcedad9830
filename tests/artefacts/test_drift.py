import numpy as np
import pytest

import voxelrock as vr
from voxelrock.artefacts import correct_drift

SHAPE = 72
WANDER = np.cumsum(np.random.default_rng(5).normal(0, 1, SHAPE))


@pytest.fixture(scope="module")
def rock():
    return vr.generators.sandstone(shape=SHAPE, seed=1)


@pytest.fixture(scope="module")
def clean(rock):
    return vr.generators.ct_scan(rock, seed=3).compute().astype("f8")


def spoilt(clean, model):
    z = WANDER[:, None, None]
    if model == "offset":
        return clean + 300 * z
    gained = 14000 + (clean - 14000) * (1 + 0.02 * z)
    return gained + (200 * np.sin(z) if model == "linear" else 0)


@pytest.mark.parametrize("model", ["offset", "gain", "linear"])
def test_drift_falls_to_a_fifth(rock, clean, model):
    before = spoilt(clean, model).round().astype("u2")
    after = correct_drift(vr.from_array(before), model=model, **({"air": 14000} if model == "gain" else {})).compute()
    solid = rock.compute() == 1

    def wander(a):
        return np.std([np.mean((a[z] - clean[z])[solid[z]]) for z in range(SHAPE)])

    assert wander(after) < wander(before) / 5
    truth = float(vr.statistics.porosity(rock))
    errors = [abs(float(vr.statistics.porosity(vr.segmentation.otsu(vr.from_array(a), phase="dark"))) - truth) for a in (before, after)]
    assert errors[1] <= errors[0]


@pytest.mark.parametrize("model", ["offset", "gain", "linear"])
def test_a_clean_scan_stays_as_it_is_within_its_noise(clean, model):
    after = correct_drift(vr.from_array(clean.astype("u2")), model=model).compute()
    assert np.sqrt(np.mean((after - clean) ** 2)) < (0.2 if model == "linear" else 0.1) * 2500  # a voxel has a noise of 2500


@pytest.mark.parametrize("kind", ["carbonate", "tight"])
def test_minerals_that_change_from_slice_to_slice_are_no_drift(kind):
    """Two minerals that overlap in grey, whose shares differ by tenths; hardly any pores."""
    clean = vr.generators.ct_scan(getattr(vr.generators, kind)(shape=SHAPE, seed=1), seed=3).compute().astype("f8")
    for model in ("offset", "gain", "linear"):
        for scan in (clean, clean + 300 * WANDER[:, None, None]):
            change = correct_drift(vr.from_array(scan.round().astype("u2")), model=model).compute() - clean
            assert np.std(change.mean(axis=(1, 2))) < 0.15 * 2500  # of a voxel's noise


def test_the_fit_does_not_depend_on_chunks(clean):
    array = clean[:30].astype("u2")
    for model in ("offset", "gain", "linear"):
        whole, pieces = (correct_drift(vr.from_array(array, block=block), model=model).compute() for block in (SHAPE, 13))
        assert whole.tobytes() == pieces.tobytes()


def test_porosity_that_changes_is_no_drift():
    rng = np.random.default_rng(0)
    pores = rng.random((40, 50, 50)) < np.linspace(0.02, 0.4, 40)[:, None, None]
    a = (np.where(pores, 60, 180) + rng.normal(0, 8, pores.shape)).astype("u1")
    for model in ("offset", "gain", "linear"):
        assert np.abs(correct_drift(vr.from_array(a), model=model).compute() - a).max() < 3


def test_any_axis_spacing_and_no_data(clean):
    a = spoilt(clean, "offset")[:20, :30, :25].astype("u2")
    plain = correct_drift(vr.from_array(a)).compute()
    turned = vr.from_array(np.ascontiguousarray(a.transpose(1, 2, 0)), spacing={"z": 2.0, "y": 7.0, "x": 3.0}, unit="um")
    np.testing.assert_array_equal(correct_drift(turned, axis="x").compute(), plain.transpose(1, 2, 0))
    a[:, :, 20:] = 65535
    found = correct_drift(vr.from_array(a).assign(nodata=65535))
    assert found.nodata == 65535
    assert (found.compute()[:, :, 20:] == 65535).all()
    inner = correct_drift(vr.from_array(a), where=vr.Box(low={"x": 0}, high={"x": 19})).compute()
    np.testing.assert_array_equal(found.compute()[:, :, :20], inner[:, :, :20])


def test_a_slice_without_solid_takes_what_lies_between():
    a = np.where(np.arange(30) < 8, 50, 150)[None, None, :] + 10 * np.arange(5)[:, None, None] + np.zeros((5, 30, 30), int)
    a[2] = 40
    found = correct_drift(vr.from_array(a.astype("u1")), solid=(120, 240)).compute()
    np.testing.assert_allclose(found[[0, 1, 3, 4], 0, 20], found[0, 0, 20], atol=0.5)
    np.testing.assert_allclose(found[2], 40, atol=0.5)


def test_what_is_refused(rock):
    image = vr.generators.ct_scan(rock, seed=3)
    with pytest.raises(vr.errors.ParameterError, match="offset"):
        correct_drift(image, model="cubic")
    with pytest.raises(ValueError, match="below the solid"):
        correct_drift(image, model="gain", air=30000, solid=(20000, 40000))
    with pytest.raises(TypeError, match="segmentation"):
        correct_drift(rock)
    with pytest.raises(vr.errors.DataError, match="constant"):
        correct_drift(vr.full(shape=8, value=7, dtype="u1")).compute()
    with pytest.raises(vr.errors.DataError, match="no slice"):
        correct_drift(image, solid=(1, 2)).compute()
    with pytest.raises(vr.errors.DataError, match="too close to each other for float64"):
        correct_drift(vr.from_array(np.arange(27.0).reshape(3, 3, 3) * 1e-310)).compute()
    with pytest.raises(vr.errors.DataError, match="NaN"):
        correct_drift(vr.full(shape=8, value=np.nan, dtype="f4")).compute()
    with pytest.raises(ValueError, match="grid"):
        correct_drift(image, where=vr.ones(shape=5, dtype=bool))
