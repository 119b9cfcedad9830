"""Contrast: stretched by the whole, evened out by tiles; no-data voxels, and values that are none."""

import numpy as np
import pytest

import voxelrock as vr
from tests.filters import contrast_dense as dense
from voxelrock.errors import DataError, ParameterError, ParameterTypeError

F = vr.filters


def grey(dtype="u1", shape=(12, 10, 15), seed=0):
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 100, shape[2])
    return (rng.normal(60, 15, shape) + ramp).clip(0, 250).astype(dtype)


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "u2", "f4", "f8"])
@pytest.mark.parametrize("tiles", [(1, 1, 1), (3, 2, 4)])
def test_local_contrast_equals_the_definition(dtype, tiles):
    a = grey() > 110 if dtype == "bool" else grey(dtype)
    edges = tuple(n / t for n, t in zip(a.shape, tiles))
    found = F.local_contrast(vr.from_array(a), tile_vx=edges, clip=0.02, bins=64).compute()
    np.testing.assert_allclose(found, dense.local(a, tiles, 0.02, 64), rtol=1e-6, atol=1e-7)


def test_what_is_left_out_counts_nowhere_and_holds_no_data():
    a = grey("f4")
    a[:, :, 8:] = 1e9
    mask = np.zeros(a.shape, bool)
    mask[:, :, :8] = True
    expected = dense.local(a, (2, 2, 3), 0.1, 32, where=mask)
    image, where = vr.from_array(a), vr.from_array(mask)
    for found in (
        F.local_contrast(image, tile_vx=(6, 5, 5), clip=0.1, bins=32, where=where),
        F.local_contrast(image.assign(nodata=1e9), tile_vx=(6, 5, 5), clip=0.1, bins=32),
    ):
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-6)
        assert np.isnan(found.nodata)
        assert int(vr.statistics.summary(found)["count"]) == mask.sum()


def test_contrast_rises_where_it_was_low():
    a = grey("u2")
    a[:, :, :5] = a[:, :, :5] // 20 + 50
    found = F.local_contrast(vr.from_array(a), tile_vx=5, clip=1).compute()
    assert found[:, :, :3].std() > 5 * (a[:, :, :3] / a.max()).std()


def test_rescaling():
    a = grey("u1")
    image = vr.from_array(a)
    low, high = np.quantile(a, [0.02, 0.9])
    true = (a - low) / (high - low)
    found = F.rescale(image, percentiles=(2, 90), to=(10, -5), clip=False)
    np.testing.assert_allclose(found.compute(), true * -15 + 10, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(F.rescale(image, percentiles=(2, 90)).compute(), true.clip(0, 1), rtol=1e-6)
    missing = F.rescale(image.assign(nodata=int(a.max())))
    assert np.isnan(missing.compute()[a == a.max()]).all()
    assert float(vr.statistics.summary(missing)["max"]) == 1
    inside = F.rescale(image, where=vr.from_array(a < 100), clip=False).compute()
    assert inside[a == a[a < 100].max()].max() == 1
    assert inside.max() > 1


def test_normalising():
    a = grey("f8")
    found = F.normalise(vr.from_array(a)).compute()
    np.testing.assert_allclose(found, (a - a.mean()) / a.std(), atol=1e-12)
    a[0, 0, 0] = np.nan
    known = np.isfinite(a)
    found = F.normalise(vr.from_array(a).assign(nodata=np.nan)).compute()
    np.testing.assert_allclose(found[known], (a[known] - a[known].mean()) / a[known].std(), atol=1e-12)
    assert np.isnan(found[0, 0, 0])


@pytest.mark.parametrize("power", [-1000, 1000])
def test_normalising_values_whose_squares_no_float_holds(power):
    a = grey("f8")
    found = F.normalise(vr.from_array(np.ldexp(a, power))).compute()
    np.testing.assert_allclose(found, F.normalise(vr.from_array(a)).compute(), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda im: F.rescale(im), "NaN"),
        (lambda im: F.normalise(im), "NaN"),
        (lambda im: F.local_contrast(im, tile_vx=5), "NaN"),
        (lambda im: F.rescale(im * 0 + 1, where=im > 0), "two different, finite ends; got 1.0 and 1.0"),
        (lambda im: F.normalise(im * 0 + 1, where=im > 0), "the second is not 0"),
        (lambda im: F.local_contrast(im / (im > 100), tile_vx=5, where=im > 0), "leave infinite ones out with where=, or give limits="),
        (lambda im: F.normalise(im, where=im > 1e9), "no voxel was counted"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_bad_values(call, message):
    a = grey("f4")
    a[3, 3, 3] = np.nan
    with pytest.raises(DataError, match=message):
        call(vr.from_array(a)).compute()


def test_limits_make_do_without_a_reading_and_take_what_is_beyond():
    a = grey("f4")
    a[0, 0, 0], a[1, 1, 1], a[2, 2, 2] = np.nan, np.inf, -np.inf
    found = F.local_contrast(vr.from_array(a), tile_vx=5, limits=(50, 150)).compute()
    assert np.isnan(found[0, 0, 0])
    assert found[1, 1, 1] == pytest.approx(1)
    assert found[2, 2, 2] == 0


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda im: F.rescale(im, to=(0, 1e300)), ParameterError, "to= does not fit in float32"),
        (lambda im: F.rescale(im, percentiles=(90, 10)), ParameterError, "percentiles ascend and are from 0 to 100"),
        (lambda im: F.rescale(im, to=(0, 1, 2)), ParameterError, "to is two finite numbers"),
        (lambda im: F.rescale(im, to=3), ParameterTypeError, "a list of numbers for to"),
        (lambda im: F.local_contrast(im), ParameterError, "give either tile="),
        (lambda im: F.local_contrast(im, tile_vx=0.5), ParameterError, "at least one voxel wide"),
        (lambda im: F.local_contrast(im.rechunk(5), tile_vx=5, clip=0), ParameterError, "clip is above 0"),
        (lambda im: F.local_contrast(im, tile_vx=5, bins=1), ParameterError, "2 to 65536 bins"),
        (lambda im: F.local_contrast(im, tile_vx=5, limits=(2, 1)), ParameterError, "limits ascend"),
        (lambda im: F.local_contrast(vr.zeros(shape=40), tile_vx=2), ParameterError, "at most 4096 tiles.*take larger tiles"),
    ],
)
def test_bad_parameters(call, kind, message):
    with pytest.raises(kind, match=message):
        call(vr.from_array(grey()))
