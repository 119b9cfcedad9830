import math

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from voxelrock.errors import DataError, GridMismatchError, ParameterError, ParameterTypeError, TooLargeError
from voxelrock.testing import raise_if_computed, stored

INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4")


def image(values, dtype=None, **metadata):
    return vr.from_array(np.asarray(values, dtype).reshape(1, 1, -1), **metadata)


def flat(result):
    return result.compute().ravel().tolist()


@given(st.sampled_from(INTEGERS), st.sampled_from(INTEGERS), st.sampled_from(["+", "-", "*"]), st.data())
def test_arithmetic_between_integers_never_wraps(first, second, sign, data):
    def values(dtype):
        info = np.iinfo(dtype)
        return data.draw(st.lists(st.sampled_from([int(info.min), int(info.max), 0, 1, int(info.max) // 2]), min_size=3, max_size=3))

    a, b = values(first), values(second)
    expected = [eval(f"{p} {sign} {q}") for p, q in zip(a, b)]
    found = eval(f"x {sign} y", {"x": image(a, first), "y": image(b, second)})
    assert flat(found) == expected


@given(st.sampled_from(INTEGERS), st.integers(-(2**20), 2**20), st.sampled_from(["+", "-", "*"]), st.booleans())
def test_arithmetic_with_numbers_never_wraps(dtype, number, sign, reverse):
    info = np.iinfo(dtype)
    values = [int(info.min), int(info.max), 7]
    code = f"n {sign} x" if reverse else f"x {sign} n"
    found = eval(code, {"x": image(values, dtype), "n": number})
    assert flat(found) == [eval(code, {"x": v, "n": number}) for v in values]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_unary_and_comparisons_are_true_to_the_values(dtype):
    info = np.iinfo(dtype)
    x = image([int(info.min), int(info.max), 3], dtype)
    assert flat(-x) == [-int(info.min), -int(info.max), -3]
    assert flat(abs(x)) == [abs(int(info.min)), int(info.max), 3]
    assert flat(x > -1) == [info.min > -1, True, True]
    assert flat(x < 2**33) == [True, True, True]
    assert flat(x == 3.5) == [False, False, False]
    assert flat(np.maximum(x, -5)) == [max(int(info.min), -5), int(info.max), 3]


def test_wide_integers_that_leave_64_bits_are_an_error():
    with pytest.raises(DataError, match="leaves the range of 64-bit integers"):
        (image([2**63 - 1], "i8") + image([5], "i8")).compute()


def test_division_gives_floats_and_by_zero_of_integers_is_an_error():
    assert (image([1, 2], "u1") / 2).dtype == np.float32
    assert (image([1, 2], "i8") / 2).dtype == np.float64
    with pytest.raises(DataError, match="by zero"):
        (image([1, 2], "u1") // image([1, 0], "u1")).compute()


def test_nodata_travels():
    x = image([0, 4, 9], "u1", nodata=0)
    found = x * 2
    assert math.isnan(found.nodata)
    np.testing.assert_array_equal(found.compute().ravel(), [np.nan, 8, 18])
    assert flat(x < 5) == [False, True, False]
    assert flat(x.valid) == [False, True, True]
    assert float(vr.statistics.summary(x)["mean"]) == 6.5
    assert flat(vr.segmentation.threshold(x, high=5)) == [False, True, False]
    with pytest.raises(ParameterError, match="would mix the no-data value 0"):
        vr.filters.median(x, radius_vx=1)


def test_astype_never_wraps():
    with pytest.raises(DataError, match=r"do not fit in uint8.*clip=True"):
        image([300], "u2").astype("u1").compute()
    assert flat(image([300, 5], "u2").astype("u1", clip=True)) == [255, 5]
    assert flat(image([2.5, 3.5, 254.6]).astype("u1")) == [2, 4, 255]
    with pytest.raises(DataError, match="NaN"):
        image([np.nan]).astype("u1").compute()
    assert flat(image([3e9], "f4").astype("i4", clip=True)) == [2147483520]
    assert flat(image([0.0, 2.0]).astype(bool)) == [False, True]


def test_grids_must_agree():
    a, b = vr.zeros(shape=3, spacing="8 um"), vr.zeros(shape=3, spacing="9 um")
    with pytest.raises(GridMismatchError, match="spacing along z 8 against 9 um"):
        _ = a + b
    assert (a + a.to_unit("mm")).shape == (3, 3, 3)


def test_images_are_values():
    x = image([1, 2], "u1")
    with pytest.raises(ParameterError, match="truth of an image is ambiguous"):
        bool(x)
    with pytest.raises(ParameterTypeError, match="never changed in place"):
        x += 1
    with pytest.raises(TypeError):
        hash(x)
    with pytest.raises(ParameterTypeError, match="not iterated"):
        list(x)
    with pytest.raises(ParameterTypeError, match="is not defined for images"):
        np.linalg.norm(x)
    with pytest.raises(ParameterTypeError, match="is not defined for images"):
        np.add.reduce(x)


def test_numpy_functions_stay_lazy():
    x = image([1, 5, 9], "u1")
    with raise_if_computed():
        results = [np.where(x > 4, x, 0), np.clip(x, 2, 6), np.isin(x, [1, 9]), np.sqrt(x)]
    assert [flat(r) for r in results] == [[0, 5, 9], [2, 5, 6], [True, False, True], [1.0, np.sqrt(np.float32(5)), 3.0]]
    assert np.shape(x) == (1, 1, 3)


def test_asarray_has_a_limit():
    x = vr.zeros(shape=100)
    with vr.options.set(array_limit=10), pytest.raises(TooLargeError, match=r"977 KiB.*array_limit"):
        np.asarray(x)
    assert np.asarray(x).sum() == 0


def test_an_image_is_a_dask_collection():
    x = vr.from_array(np.arange(24).reshape(2, 3, 4), block=2)
    assert dask.is_dask_collection(x)
    (y,) = dask.compute(x + 1)
    assert y[1, 2, 3] == 24
    z = (x + 1).persist()
    assert isinstance(z, vr.VoxelImage)
    assert len(z.data.dask) == x.data.npartitions
    assert tokenize(x) == tokenize(vr.from_array(np.arange(24).reshape(2, 3, 4), block=2))


def test_indexing_follows_the_grid():
    x = vr.from_array(np.arange(60).reshape(3, 4, 5), spacing="2 um")
    assert x[1].grid.origin.z == 2
    assert x[..., ::2].grid.spacing.x == 4
    assert x[dict(z=("1 um", None), x=(0, "5 um"))].shape == (2, 4, 3)
    assert x[vr.Ball(center=dict(z=2, y=2, x=2), radius=2)].shape == (3, 3, 3)
    assert float(x.at(z="2 um", y=6, x=8)) == 39
    for bad in (x.__getitem__, lambda k: x[k]):
        with pytest.raises(ParameterError, match="out of range"):
            bad(7)
    with pytest.raises(ParameterError, match="cannot be reversed"):
        x[::-1]
    with pytest.raises(ParameterTypeError, match="not indexed by masks"):
        x[x > 3]


def test_bad_arrays_are_refused():
    with pytest.raises(ParameterError, match="three axes"):
        vr.from_array(np.zeros((2, 2, 2, 2)))
    with pytest.raises(ParameterTypeError, match="booleans, integers or real numbers"):
        vr.from_array(np.zeros((2, 2, 2), complex))
    assert vr.from_array(np.zeros((4, 5))).shape == (1, 4, 5)


def test_phases_and_their_roles():
    with pytest.raises(ParameterError, match="needs its porosity"):
        vr.Phase("clay", "micro")
    with pytest.raises(ParameterError, match="one of pore, micro"):
        vr.Phase("clay", "mud")
    labels = image(
        [0, 1, 2, 3, 3],
        "u1",
        phases={0: vr.Phase("pore", "pore"), 1: vr.Phase("clay", "micro", porosity=0.5), 2: vr.Phase("quartz", "solid"), 3: vr.Phase("air", "outside")},
    )
    assert float(vr.statistics.porosity(labels)) == 1 / 3
    assert float(vr.statistics.porosity(labels, total=True)) == 0.5
    fractions = vr.statistics.phase_fractions(labels)
    assert float(fractions.sel(label=3)) == 0.4
    assert fractions["phase"].values.tolist() == ["pore", "clay", "quartz", "air"]


def test_xarray_and_back():
    x = vr.from_array(np.arange(60).reshape(3, 4, 5), spacing="2 um", field=vr.Field("density", "g/cm3"), nodata=3)
    with raise_if_computed():
        array = x.to_xarray()
        back = vr.from_xarray(array)
    assert back.grid == x.grid
    assert back.field == x.field
    assert back.nodata == 3
    assert array.z.attrs["units"] == "um"
    assert array.sel(z=slice(2, 4), method=None).shape == (2, 4, 5)
    assert int(array.sel(x=3.1, method="nearest").x) == 4
    with pytest.raises(KeyError):
        array.sel(x=3.1)
    assert array.isel(y=slice(None, None, 2)).groupby("z").mean().shape[0] == 3
    assert array.mean("x").compute().shape == (3, 4)
    array.isel(z=0).plot()
    cut = vr.from_xarray(array.isel(x=slice(1, None, 2)))
    assert cut.grid.origin.x == 2
    assert cut.grid.spacing.x == 4


def test_xarray_with_other_names_and_coordinates():
    array = xr.DataArray(np.zeros((3, 4)), dims=("depth", "x"), coords={"depth": [1.0, 1.5, 2.0], "x": np.arange(4.0)})
    found = vr.from_xarray(array, axes={"depth": "z"})
    assert found.shape == (3, 1, 4)
    assert found.grid.spacing.z == 0.5
    with pytest.raises(ParameterError, match="not evenly spaced"):
        vr.from_xarray(array.assign_coords(depth=[1.0, 2.0, 9.0]), axes={"depth": "z"})
    with pytest.raises(ParameterError, match="are not z, y and x"):
        vr.from_xarray(array)


def test_the_accessor_speaks_for_every_subject():
    rng = np.random.default_rng(0)
    x = vr.from_array(rng.integers(0, 99, (6, 6, 6)).astype("u1"), spacing="2 um")
    array = x.to_xarray()
    quiet = array.voxel.filters.median(radius_vx=1)
    assert isinstance(quiet, xr.DataArray)
    np.testing.assert_array_equal(quiet.values, vr.filters.median(x, radius_vx=1).compute())
    pores = array.voxel.segmentation.otsu(phase="dark")
    assert 0 < float(pores.voxel.statistics.porosity(where=pores)) == 1.0
    with pytest.raises(AttributeError, match="has no operation 'nonsense'"):
        _ = array.voxel.filters.nonsense


def test_the_repr_says_what_matters():
    x = vr.filters.median(vr.zeros(shape=100, spacing="8 um"), radius_vx=1)
    text = repr(x)
    for part in ("100 × 100 × 100", "uint8", "8 um", "800 × 800 × 800 um", "977 KiB", "filters.median"):
        assert part in text
    assert "<svg" in x._repr_html_()


def test_history_tells_what_was_done():
    x = vr.zeros(shape=4)
    y = vr.filters.gaussian(vr.filters.median(x, radius_vx=1), sigma_vx=2)
    assert [h["operation"] for h in y.history] == ["filters.median", "filters.gaussian"]
    assert y.history[1]["parameters"]["sigma_vx"] == 2
    assert y.fingerprint == vr.filters.gaussian(vr.filters.median(x, radius_vx=1), sigma_vx=2).fingerprint
    assert y.fingerprint != vr.filters.gaussian(vr.filters.median(x, radius_vx=1), sigma_vx=2.5).fingerprint


def test_the_fingerprint_of_a_stored_image_does_not_depend_on_its_blocks():
    array = np.zeros((16, 16, 16), "u1")
    large, small = (vr.filters.median(vr.filters.gaussian(stored(array, (c,) * 3), sigma_vx=1), radius_vx=2) for c in ((16,), (4,) * 4))
    assert large.fingerprint == small.fingerprint


def test_zero_sized_images_are_images():
    x = vr.zeros(shape=vr.ZYX(0, 3, 4))
    assert (x + 1).compute().shape == (0, 3, 4)
    with pytest.raises(DataError, match="bulk volume is empty"):
        float(vr.statistics.porosity(x > 0))


def test_a_crop_of_a_stored_image_is_still_stored():
    x = stored(np.zeros((8, 8, 8), "u1"), ((4, 4),) * 3)
    y = x[2:7, 1:, :5]
    assert type(next(iter(y.data.dask.layers.values())).expression).__name__ == "Read"
    assert len(dict(y.data.dask)) == y.data.npartitions


def test_dask_arrays_are_taken_as_they_are():
    x = vr.from_array(da.ones((4, 6, 8), chunks=(2, 6, 3)))
    assert x.tiling.typical() == (2, 6, 3)
    assert float(vr.statistics.summary(x)["mean"]) == 1
