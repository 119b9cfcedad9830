import numpy as np
import pytest

import voxelrock as vr
from voxelrock.artefacts import bad_slices, interpolate_slices


@pytest.fixture(scope="module")
def scan():
    return vr.generators.ct_scan(vr.generators.sandstone(shape=64, seed=1), seed=3).compute()


def numbers(found):
    return found["slice"].values[found["bad"].values].tolist()


def test_finds_what_went_wrong_and_nothing_else(scan):
    assert numbers(bad_slices(vr.from_array(scan))) == []
    a = scan.copy()
    a[5] = 0  # lost
    a[20] = (a[20] * 0.9).astype("u2")  # darker
    a[33] = np.clip(a[33] + np.random.default_rng(0).normal(0, 6000, a[33].shape), 0, 65535)  # noisier
    a[47] = np.roll(a[47], 9, axis=0)  # moved
    a[63] = 65535
    for kind in ("u2", "i4", "f4", "f8"):
        assert numbers(bad_slices(vr.from_array(a.astype(kind)))) == [5, 20, 33, 47, 63]
    assert numbers(bad_slices(vr.from_array(np.ascontiguousarray(a.transpose(1, 2, 0))), axis="x")) == [5, 20, 33, 47, 63]


def test_its_numbers(scan):
    found = bad_slices(vr.from_array(scan, spacing=2.0, unit="um")).compute()
    wide = scan.astype("f8")
    np.testing.assert_allclose(found["mean"], wide.mean((1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found["std"], wide.std((1, 2)), rtol=1e-9)
    steps = np.abs(np.diff(wide, axis=0)).mean((1, 2))
    np.testing.assert_allclose(found["difference"], np.fmin(np.append(np.nan, steps), np.append(steps, np.nan)), rtol=1e-12)
    np.testing.assert_allclose(found["z"], 2.0 * np.arange(64))
    assert bad_slices(vr.full(shape=vr.ZYX(z=1, y=4, x=4), value=3, dtype="u1"))["bad"].values.tolist() == [False]
    assert not bad_slices(vr.full(shape=9, value=3, dtype="f4"))["bad"].values.any()


def test_what_has_no_data_does_not_count(scan):
    a = scan.copy()
    a[10, :30] = 0
    a[40] = 0
    found = bad_slices(vr.from_array(a).assign(nodata=0))
    assert numbers(found) == []
    assert np.isnan(found["mean"].values[40])
    half = vr.Box(low={"y": 30}, high={"y": 63})
    assert numbers(bad_slices(vr.from_array(a), where=half)) == [40]


def test_interpolates_between_good_neighbours(scan):
    found = interpolate_slices(vr.from_array(scan, block=16), slices=[0, 20, 21, 22, 63, 15]).compute()
    wide = scan.astype("f8")
    for n, low, high in ((0, 1, 1), (15, 14, 16), (20, 19, 23), (21, 19, 23), (22, 19, 23), (63, 62, 62)):
        weight = (n - low) / (high - low) if high > low else 0
        np.testing.assert_array_equal(found[n], np.rint(wide[low] + (wide[high] - wide[low]) * weight))
    kept = [n for n in range(64) if n not in (0, 15, 20, 21, 22, 63)]
    np.testing.assert_array_equal(found[kept], scan[kept])
    assert found.dtype == scan.dtype


def test_interpolation_heeds_no_data():
    a = np.broadcast_to(np.array([10, 99, 30], "u1")[:, None, None], (3, 2, 2)).copy()
    a[0, 0, 0] = a[2, 1, 1] = 0
    found = interpolate_slices(vr.from_array(a).assign(nodata=0), slices=[1])
    assert found.nodata == 0
    np.testing.assert_array_equal(found.compute()[1], [[30, 20], [20, 10]])
    floats = np.where(a == 0, np.nan, a).astype("f4")
    np.testing.assert_array_equal(interpolate_slices(vr.from_array(floats).assign(nodata=np.nan), slices=[1]).compute()[1], [[30, 20], [20, 10]])


def test_infinities_elsewhere_stay():
    a = np.ones((4, 2, 2), "f4")
    a[3] = np.inf
    found = interpolate_slices(vr.from_array(a), slices=[1]).compute()
    np.testing.assert_array_equal(found, a)


def test_bad_slices_are_mended(scan):
    a = scan.copy()
    a[[8, 30]] = 0
    image = vr.from_array(a)
    found = interpolate_slices(image, slices=numbers(bad_slices(image))).compute()
    assert np.abs(found.astype("f8") - scan).mean() < np.abs(a.astype("f8") - scan).mean() / 5


def test_what_is_refused(scan):
    image = vr.from_array(scan)
    with pytest.raises(vr.errors.ParameterError, match="slices 0 to 63"):
        interpolate_slices(image, slices=[64])
    with pytest.raises(ValueError, match="no slice is left"):
        interpolate_slices(image[:2], slices=[0, 1])
    with pytest.raises(ValueError, match="whole number"):
        interpolate_slices(image, slices=[1.5])
    for alone in (3, None):
        with pytest.raises(vr.errors.ParameterTypeError, match="expected a list of numbers for slices"):
            interpolate_slices(image, slices=alone)
    with pytest.raises(TypeError, match="segmentation"):
        interpolate_slices(image > 20000, slices=[3])
    with pytest.raises(TypeError, match="segmentation"):
        bad_slices(image > 20000)
    with pytest.raises(ValueError, match="positive"):
        bad_slices(image, threshold=0)
    with pytest.raises(vr.errors.DataError, match="NaN"):
        bad_slices(vr.full(shape=8, value=np.nan, dtype="f4")).compute()
    with pytest.raises(vr.errors.DataError, match="leave infinite ones out"):
        bad_slices(vr.from_array(np.where(scan == scan.max(), np.inf, scan.astype("f4")))).compute()
    with pytest.raises(ValueError, match="grid"):
        bad_slices(image, where=vr.ones(shape=5, dtype=bool))
