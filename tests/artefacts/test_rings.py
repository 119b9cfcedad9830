import numpy as np
import pytest

import voxelrock as vr
from tests.artefacts import artefacts_dense as dense
from voxelrock.artefacts import remove_rings
from voxelrock.artefacts.centers import found_center

SHAPE = 96
MIDDLE = (SHAPE - 1) / 2
CENTER = {"y": MIDDLE, "x": MIDDLE}


@pytest.fixture(scope="module")
def rock():
    return vr.generators.sandstone(shape=SHAPE, seed=1)


@pytest.fixture(scope="module")
def solid(rock):
    """Voxels well inside the solid, and the number of the ring that each lies in."""
    labels = rock.compute()
    grains = np.isin(labels, [k for k, p in rock.phases.items() if p.name in ("quartz", "quartz cement")])
    y, x = np.ogrid[:SHAPE, :SHAPE]
    ring = np.floor(np.hypot(y - MIDDLE, x - MIDDLE)).astype(int)
    return grains & (ring > 2) & (ring < 47), np.broadcast_to(ring, grains.shape)


def scan(rock, rings=0.0, **facts):
    return vr.generators.ct_scan(rock, scanner=vr.generators.Scanner(rings=rings, **facts), seed=3)


def ripple(difference, solid):
    """The RMS of the azimuthal means."""
    chosen, ring = solid
    counts = np.bincount(ring[chosen])
    means = np.bincount(ring[chosen], difference[chosen]) / np.maximum(counts, 1)
    return np.sqrt(np.mean(means[counts > 0] ** 2))


@pytest.mark.parametrize("rings", [1000, 2000])
def test_rings_fall_to_a_fifth(rock, solid, rings):
    clean, spoilt = scan(rock).compute().astype("f8"), scan(rock, rings)
    left = remove_rings(spoilt, center=CENTER, depth=31).compute() - clean
    assert ripple(spoilt.compute() - clean, solid) > 0.5 * rings
    assert ripple(left, solid) < ripple(spoilt.compute() - clean, solid) / 5


def test_a_clean_scan_stays_as_it_is_within_its_noise(rock):
    clean = scan(rock)
    change = remove_rings(clean, center=CENTER).compute() - clean.compute().astype("f8")
    assert np.sqrt(np.mean(change**2)) < 0.1 * 2500  # a tenth of a voxel's noise


@pytest.mark.parametrize("rings", [0, 500, 1000, 2000])
def test_the_error_of_porosity_does_not_grow(rock, rings):
    truth = float(vr.statistics.porosity(rock))
    before = scan(rock, rings)
    errors = [abs(float(vr.statistics.porosity(vr.segmentation.otsu(im, phase="dark"))) - truth) for im in (before, remove_rings(before, center=CENTER))]
    assert errors[1] <= errors[0]


@pytest.mark.parametrize("off", [0.0, 3.3, 6.0])
def test_finds_the_centre(rock, off):
    axis = vr.Cylinder(axis="z", radius=48, center={"y": MIDDLE + off, "x": MIDDLE - off})
    found = found_center(scan(rock, 1000, axis=axis), 0)
    assert np.hypot(found[0] - MIDDLE - off, found[1] - MIDDLE + off) <= 0.75
    named = remove_rings(scan(rock, 1000, axis=axis), center={"y": found[0], "x": found[1]})
    assert remove_rings(scan(rock, 1000, axis=axis)).compute().tobytes() == named.compute().tobytes()


def test_without_clear_rings_the_middle_serves(rock):
    assert found_center(scan(rock), 0) == (MIDDLE, MIDDLE)
    assert found_center(vr.full(shape=20, value=3), 0) == (9.5, 9.5)


def test_arcs_of_a_crop_about_a_centre_outside_it():
    y, x = np.ogrid[:60, :60]
    ring = np.floor(np.hypot(y - 30, x + 20)).astype(int)
    noise = np.random.default_rng(0).normal(0, 10, (12, 60, 60))
    scans = (1000 + 100 * (ring % 20 == 7) + noise).astype("f4")
    clean = remove_rings(vr.from_array(scans), center={"y": 30, "x": -20}, solid=(500, 1500)).compute()
    assert np.std(scans - noise) > 5 * np.std(clean - noise)


def test_any_axis_spacing_and_origin():
    a = np.random.default_rng(2).integers(0, 3000, (14, 12, 10)).astype("u2")
    plain = remove_rings(vr.from_array(a), center={"y": 6, "x": 4}, solid=(500, 2600), depth=3).compute()
    np.testing.assert_allclose(plain, dense.without_rings(a, (6, 4), half=1, limits=(500, 2600)), rtol=1e-5, atol=1e-3)
    turned = vr.from_array(np.ascontiguousarray(a.transpose(1, 0, 2)), spacing={"z": 2.0, "y": 7.0, "x": 2.0}, origin={"z": 5.0, "y": 1.0, "x": 9.0}, unit="um")
    found = remove_rings(turned, axis="y", center={"z": "17 um", "x": "17 um"}, solid=(500, 2600), depth=21).compute()
    np.testing.assert_array_equal(found, plain.transpose(1, 0, 2))


def test_flat_pixels_make_round_rings():
    y, x = np.ogrid[:40, :20]
    ring = np.floor(np.hypot(y - 19.5, 2 * x - 19)).astype(int)
    image = vr.from_array(np.broadcast_to(np.where(ring == 12, 130, 100), (3, 40, 20)).astype("u1"), spacing={"z": 1.0, "y": 1.0, "x": 2.0})
    np.testing.assert_allclose(remove_rings(image, center={"y": 19.5, "x": 19}, solid=(50, 200)).compute(), 100)


def test_no_data_keeps_its_value_and_does_not_count():
    a = np.random.default_rng(3).integers(100, 200, (5, 20, 20)).astype("u2")
    a[:, :, :4] = 65535
    center = {"y": 10, "x": 10}
    found = remove_rings(vr.from_array(a).assign(nodata=65535), center=center, solid=(0, 65535))
    assert found.nodata == 65535
    assert found.dtype == np.float32
    assert (found.compute()[:, :, :4] == 65535).all()
    where = remove_rings(vr.from_array(a), center=center, solid=(0, 65535), where=vr.Box(low={"x": 4}, high={"x": 19}))
    np.testing.assert_array_equal(found.compute()[:, :, 4:], where.compute()[:, :, 4:])
    floats = np.where(a == 65535, np.nan, a).astype("f4")
    missing = remove_rings(vr.from_array(floats).assign(nodata=float("nan")), center=center, solid=(0, 65535)).compute()
    assert np.isnan(missing[:, :, :4]).all()
    np.testing.assert_allclose(missing[:, :, 4:], found.compute()[:, :, 4:], rtol=1e-6)


def test_slices_without_solid_stay():
    a = np.random.default_rng(3).integers(100, 200, (5, 20, 20)).astype("u1")
    a[2] = 7
    found = remove_rings(vr.from_array(a), center={"y": 10, "x": 10}, solid=(90, 210), depth=0).compute()
    np.testing.assert_array_equal(found[2], 7)


@pytest.mark.parametrize(("dtype", "result"), [("u1", "f4"), ("i2", "f4"), ("i4", "f8"), ("f4", "f4"), ("f8", "f8")])
def test_types(dtype, result):
    image = vr.from_array(np.arange(1000).reshape(10, 10, 10).astype(dtype))
    assert remove_rings(image, center={"y": 5, "x": 5}, solid=(0, 500)).compute().dtype == np.dtype(result)


def test_what_is_refused():
    image = vr.from_array(np.random.default_rng(0).normal(size=(4, 8, 8)).astype("f4"))
    with pytest.raises(vr.errors.ParameterError, match="farther outside"):
        remove_rings(image, center={"y": 4, "x": 4000})
    with pytest.raises(TypeError, match="names both axes"):
        remove_rings(image, center={"y": 4})
    with pytest.raises(TypeError, match="names both axes"):
        remove_rings(image, center=(4, 4))
    with pytest.raises(ValueError, match="width"):
        remove_rings(image, center={"y": 4, "x": 4}, width=0.2)
    with pytest.raises(ValueError, match="depth"):
        remove_rings(image, center={"y": 4, "x": 4}, depth=-1)
    with pytest.raises(ValueError, match="ascending grey values"):
        remove_rings(image, center={"y": 4, "x": 4}, solid=(3, 1))
    with pytest.raises(TypeError, match="segmentation"):
        remove_rings(image > 0, center={"y": 4, "x": 4})
    with pytest.raises(TypeError, match="64 bits"):
        remove_rings(vr.from_array(np.zeros((4, 4, 4), "i8")), center={"y": 1, "x": 1})
    with pytest.raises(ValueError, match="grid"):
        remove_rings(image, center={"y": 4, "x": 4}, where=vr.ones(shape=5, dtype=bool)).compute()
    holes = image.compute().copy()
    holes[1, 2, 3] = np.nan
    with pytest.raises(vr.errors.DataError, match="NaN"):
        remove_rings(vr.from_array(holes), center={"y": 4, "x": 4}, solid=(-1, 1)).compute()
    with pytest.raises(vr.errors.DataError):
        remove_rings(vr.full(shape=8, value=5, dtype="u1"), center={"y": 4, "x": 4}).compute()


def test_arcs_of_a_real_plug(real):
    image = vr.open(real("plug_slices"))
    found = remove_rings(image, center={"y": 210, "x": 440}, width=50, solid=(7000, 13500))
    y, x = np.ogrid[:320, :400]
    ring = np.floor(np.hypot(y - 210, x - 440)).astype(int).ravel()
    counts = np.bincount(ring)

    def waves(a):
        means = (np.bincount(ring, a.mean(axis=0, dtype="f8").ravel()) / np.maximum(counts, 1))[counts > 100]
        return np.std(means - np.polyval(np.polyfit(np.arange(means.size), means, 3), np.arange(means.size)))

    assert waves(found.compute()) < waves(image.compute()) / 2


@pytest.mark.parametrize("center", [{"y": 0, "x": -1}, {"y": 1e-30, "x": -1}, {"y": 0, "x": 20}, {"y": 0.5, "x": -9}])
def test_slices_that_are_one_row_of_pixels(center):
    a = np.random.default_rng(1).normal(50, 20, (3, 1, 16)).astype("f4")
    found = remove_rings(vr.from_array(a, block=4), center=center).compute()
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, remove_rings(vr.from_array(a), center=center).compute())


def test_values_near_the_least_floats():
    a = np.random.default_rng(1).normal(50, 20, (3, 16, 16)) * 1e-306
    found = remove_rings(vr.from_array(a), center={"y": 8, "x": 8}, solid=(10e-306, 90e-306)).compute()
    np.testing.assert_allclose(found, a, rtol=0, atol=100e-306)
