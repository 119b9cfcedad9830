"""Local thresholds against scikit-image, in masks, and at the edges of what 64 bits hold."""

import numpy as np
import pytest
from skimage import filters as peer

import voxelrock as vr
from tests.segmentation import thresholds_dense as dense
from tests.segmentation.test_automatic import scan
from voxelrock.errors import ParameterError
from voxelrock.kernels.localthresholds import local_threshold
from voxelrock.testing import stored

G = vr.segmentation


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "f8"])
@pytest.mark.parametrize("size", [3, 15, (1, 5, 7)])
def test_equals_scikit_image(dtype, size):
    a = scan(1, dtype)
    r = None if dtype[0] != "f" else 2.0
    wide = a.astype("f8") if dtype == "f4" else a
    image = stored(a, ((9, 15), (24,), (7, 7, 10)))
    alike = {"rtol": 1e-6, "atol": 1e-6 * np.abs(a.astype("f8")).max()} if dtype != "f8" else {"rtol": 1e-8}  # its sums are differences of integral images
    np.testing.assert_allclose(G.niblack_threshold(image, size_vx=size, k=0.5).compute(), peer.threshold_niblack(wide, size, 0.5), **alike)
    np.testing.assert_allclose(G.sauvola_threshold(image, size_vx=size, r=r).compute(), peer.threshold_sauvola(wide, size, r=r), **alike)


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [(3, 5, 1), (37, 37, 37)])  # the second is too large for variances in 64 bits
def test_bodies_agree(dtype, masked, size):
    rng = np.random.default_rng(2)
    a = rng.integers(0, 2 if dtype == "?" else 100, tuple(n + 3 for n in size)).astype(dtype)
    mask = (rng.random(a.shape) < 0.5,) if masked else ()
    for dynamic in (None, 50.0):
        facts = {"size": size, "k": 0.3, "dynamic": dynamic}
        assert local_threshold(a, *mask, **facts).tobytes() == local_threshold.reference(a, *mask, **facts).tobytes()


def test_the_variance_of_a_plateau_is_nothing():
    a = np.full((9, 9, 40), 65535, "u2")
    a[..., 20:] = 64001
    found = G.niblack_threshold(vr.from_array(a), size_vx=5, k=10).compute()
    np.testing.assert_array_equal(found[..., 2:18], 65535)
    np.testing.assert_array_equal(found[..., 22:], 64001)


def test_only_what_counts_is_seen():
    a = scan(2)
    _, y, x = np.ogrid[:24, :24, :24]
    inside = np.broadcast_to((y - 12) ** 2 + (x - 12) ** 2 <= 81, a.shape)
    image = vr.from_array(a, spacing="2 um")
    expected = dense.niblack(a, (5, 5, 5), 0.2, inside)
    found = G.niblack_threshold(image, size="10 um", where=vr.from_array(inside, spacing="2 um"))
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-6)
    bright = image > found
    np.testing.assert_array_equal(bright.compute(), inside & (a > np.nan_to_num(found.compute())))
    assert float(vr.statistics.porosity(bright)) == pytest.approx((a > expected)[inside].mean())
    hole = vr.from_array(np.where(inside, a, 0), spacing="2 um").assign(nodata=0)
    np.testing.assert_array_equal(G.niblack_threshold(hole, size_vx=5).compute(), found.compute())


def test_refusals():
    image, floats = vr.from_array(scan(1)), vr.from_array(scan(1, "f4"))
    for make, words in (
        (lambda: G.niblack_threshold(image, size_vx=4), "an odd number of voxels"),
        (lambda: G.niblack_threshold(image), "give either size="),
        (lambda: G.niblack_threshold(image, size_vx=3, k=float("nan")), "k is a finite number"),
        (lambda: G.sauvola_threshold(floats, size_vx=3), "give r="),
        (lambda: G.sauvola_threshold(image, size_vx=3, r=0), "r is a positive"),
    ):
        with pytest.raises(ParameterError, match=words):
            make()
