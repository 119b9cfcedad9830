import numpy as np
import pytest

import voxelrock as vr
from voxelrock.artefacts import remove_outliers


@pytest.fixture(scope="module")
def scan():
    return vr.generators.ct_scan(vr.generators.sandstone(shape=64, seed=1), seed=3).compute()


def test_salt_and_pepper_goes_and_the_rest_stays(scan):
    rng = np.random.default_rng(0)
    a, spoilt = scan.copy(), rng.random(scan.shape) < 0.002
    a[spoilt] = np.where(rng.random(spoilt.sum()) < 0.5, 0, 65535)
    found = remove_outliers(vr.from_array(a)).compute()
    assert found.dtype == a.dtype
    assert (found[spoilt & (a == 65535)] < 45000).mean() > 0.99
    assert np.abs(found.astype("f8") - scan)[spoilt].mean() < np.abs(a.astype("f8") - scan)[spoilt].mean() / 5
    assert (found != a)[~spoilt].mean() < 0.005


def test_a_clean_scan_stays_but_for_a_few_voxels(scan):
    assert (remove_outliers(vr.from_array(scan)).compute() != scan).mean() < 0.005


def test_edges_and_the_least_difference_stay():
    a = np.where(np.arange(16) < 8, 20, 200)[None, None, :] + np.random.default_rng(0).integers(0, 5, (16, 16, 16))
    np.testing.assert_array_equal(remove_outliers(vr.from_array(a.astype("u1")), least=4).compute(), a)
    flat = np.full((8, 8, 8), 100, "u1")
    flat[4, 4, 4] = 110
    assert (remove_outliers(vr.from_array(flat)).compute() == 100).all()
    np.testing.assert_array_equal(remove_outliers(vr.from_array(flat), least=10).compute(), flat)


def test_what_is_refused(scan):
    image = vr.from_array(scan)
    with pytest.raises(vr.errors.ParameterError, match="at least 0"):
        remove_outliers(image, threshold=-1)
    with pytest.raises(vr.errors.ParameterError, match="no-data"):
        remove_outliers(image.assign(nodata=0))
    with pytest.raises(TypeError, match="segmentation"):
        remove_outliers(image > 5)
