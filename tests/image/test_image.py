import math
from fractions import Fraction

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.ndimage as ndi
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
    with pytest.raises(ParameterTypeError, match="booleans, integers, float32 or float64"):
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


def test_the_accessor_offers_what_works_on_an_image():
    array = vr.full(shape=4, value=1, dtype="u1").to_xarray()
    assert set(vr.segmentation.__all__) - set(dir(array.voxel.segmentation)) == {"FeatureBank", "PixelClassifier", "assess", "porosity_curve"}  # of histograms
    assert set(vr.registration.__all__) - set(dir(array.voxel.registration)) == {"Registration", "Transform"}
    with pytest.raises(AttributeError, match=r"it is voxelrock\.segmentation\.PixelClassifier; it has class_probability"):
        _ = array.voxel.segmentation.PixelClassifier


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
    assert len(dict(y.data.dask)) == y.data.npartitions + 1  # the blocks, and what they share


def test_dask_arrays_are_taken_as_they_are():
    x = vr.from_array(da.ones((4, 6, 8), chunks=(2, 6, 3)))
    assert x.tiling.typical() == (2, 6, 3)
    assert float(vr.statistics.summary(x)["mean"]) == 1


def test_paths_of_different_reach_to_one_image():
    array = np.random.default_rng(0).integers(0, 60000, (24, 24, 24)).astype("u2")
    base = stored(array, ((3,) * 8,) * 3)
    quiet = vr.filters.median(base, radius_vx=1)
    found = vr.filters.median(quiet, radius_vx=1) - vr.filters.gaussian(quiet.rechunk(24), sigma_vx=1.2)
    q = ndi.median_filter(array, 3)
    np.testing.assert_array_equal(found.compute(), ndi.median_filter(q, 3) - ndi.gaussian_filter(q, 1.2, output="f4"))


def test_building_is_linear_in_depth():
    x = vr.ones(shape=2, dtype="f4")
    for _ in range(100):
        x = x + x * 0.5
    assert float(vr.statistics.summary(x)["max"]) == pytest.approx(1.5**100, rel=1e-4)


def test_functions_are_told_apart():
    def make(scale):
        def field(z, y, x):
            return scale * z + 0 * y + 0 * x

        return field

    first, second = (vr.from_function(make(s), shape=4, dtype="u1") for s in (1, 2))
    assert (second - first).compute().max() == 3
    found = vr.compute({"a": vr.statistics.summary(first)["max"], "b": vr.statistics.summary(second)["max"]})
    assert (float(found["a"]), float(found["b"])) == (3, 6)


@pytest.mark.parametrize(
    ("grid", "change", "spacing", "origin", "unit"),
    [
        ({"spacing": "8 um"}, {"origin": "1 mm"}, 0.008, 1.0, "mm"),
        ({"spacing": "0.008 mm", "origin": "1 mm"}, {"spacing": "8 um"}, 8.0, 1000.0, "um"),
        ({}, {"spacing": "8 um"}, 8.0, 0.0, "um"),
        ({}, {"unit": "um"}, 1.0, 0.0, "um"),
        ({"spacing": "8 um"}, {"spacing": 4}, 4.0, 0.0, "um"),
    ],
)
def test_a_new_grid_converts_what_stays(grid, change, spacing, origin, unit):
    found = vr.zeros(shape=4).assign_grid(vr.VoxelGrid.of(shape=4, **grid)).assign_grid(**change).grid
    assert found.unit == unit
    assert found.spacing.x == pytest.approx(spacing)
    assert found.origin.z == pytest.approx(origin)


def test_a_unit_alone_is_unclear():
    with pytest.raises(ParameterError, match="convert it with to_unit"):
        vr.zeros(shape=4, spacing="8 um").assign_grid(unit="mm")


@pytest.mark.parametrize(
    ("source", "value", "target"), [("f4", 2.0**31, "i4"), ("f4", 2.0**32, "u4"), ("f8", 2.0**63, "i8"), ("f8", 2.0**64, "u8"), ("f8", 1e300, "f4")]
)
def test_the_edges_of_types(source, value, target):
    x = image([value, 1], source)
    with pytest.raises(DataError, match="do not fit"):
        x.astype(target).compute()
    clipped = x.astype(target, clip=True).compute().ravel()
    assert clipped[1] == 1
    assert clipped[0] > 0.99 * float(np.finfo(target).max if target == "f4" else np.iinfo(target).max)


def test_wide_unsigned_integers_meet_negative_numbers():
    x = image([2**63 + 5, 3], "u8")
    assert flat(x > -1) == [True, True]
    assert flat(x == -1) == [False, False]
    assert flat(x - 1)[1] == 2
    assert flat(x > image([-1, 5], "i8")) == [True, False]
    assert flat(image([5], "i4") < 2**70) == [True]
    with pytest.raises(ParameterTypeError, match="no integer type holds"):
        _ = x & image([-1, 1], "i8")


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1e8 - 1, 1e8, 1e8 + 1], "f8"),
        ([1e9 - 1e-3, 1e9 + 1e-3], "f8"),
        ([2 * 10**9, 2 * 10**9 + 1], "i4"),
        ([2**62, 2**62 + 3], "i8"),
        ([1e150, -3e150], "f8"),
        ([1e-150, 3e-150], "f8"),
    ],
)
def test_the_standard_deviation_is_exact(values, dtype):
    exact = [Fraction(v) for v in np.array(values, dtype).tolist()]
    mean = sum(exact) / len(exact)
    largest = max(abs(v - mean) for v in exact)
    expected = math.sqrt(sum(((v - mean) / largest) ** 2 for v in exact) / len(exact)) * float(largest)
    assert float(vr.statistics.summary(image(values, dtype))["std"]) == pytest.approx(expected, rel=1e-12)


def test_bins_of_the_smallest_numbers():
    assert vr.statistics.histogram(image([0, 5e-324, 1e-323]), bins=[0, 5e-324, 1e-323]).values.tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i4", ">u2", "f2", "longdouble"])
def test_foreign_types_become_native(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for x in (vr.from_array(array), vr.from_array(da.from_array(array, chunks=2))):
        assert x.dtype.isnative
        assert float(vr.statistics.quantile(x, q=0.5)) == 11.5
        np.testing.assert_array_equal(vr.statistics.profile(x, axis="z"), [5.5, 17.5])
        assert vr.filters.median(x, radius_vx=1).compute().shape == (2, 3, 4)


@pytest.mark.parametrize("dtype", [">f4", ">u2"])
def test_foreign_byte_order_of_an_image_made_of_its_parts_becomes_native(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    x = vr.VoxelImage(da.from_array(array, chunks=2), vr.VoxelGrid.of(shape=array.shape))
    assert x.dtype.isnative
    assert float(vr.segmentation.otsu_threshold(x)) == float(vr.segmentation.otsu_threshold(vr.from_array(array)))


def test_nodata_must_fit():
    x = image([300, 5, 7], "u2", nodata=300)
    with pytest.raises(ParameterError, match="does not fit in uint8"):
        x.astype("u1", clip=True)
    assert image([-9999.0, 1], "f4", nodata=-9999.0).astype("i4").nodata == -9999
    with pytest.raises(ParameterError, match="different no-data values"):
        x.where(x > 5, other=image([1, 2, 3], "u2", nodata=2))
    with pytest.raises(ParameterTypeError, match="nodata is a number"):
        x.assign(nodata="zero")


def test_numpy_scalars_are_numbers():
    x = image([1, 2], "u1")
    assert (x + np.float32(2)).to_xarray().attrs["history"]
    assert x.where(x > 1, other=np.float32(0.1)).dtype == np.float32


def test_zero_length_chunks_and_empty_images():
    array = np.random.default_rng(0).integers(0, 99, (12, 12, 12)).astype("u1")
    for chunks in (((4, 0, 8), (12,), (12,)), ((12,), (12,), (0, 5, 7))):
        x = vr.from_array(da.from_array(array, chunks=chunks))
        np.testing.assert_array_equal(vr.filters.median(x, radius_vx=1).compute(), ndi.median_filter(array, 3))
        assert float(vr.statistics.summary(x.astype("f4"))["max"]) == array.max()
        assert int(vr.statistics.histogram(x).sum()) == array.size
    empty = x[:0]
    assert vr.filters.gaussian(empty, sigma_vx=1).compute().shape == (0, 12, 12)
    assert x[:, :, 0:0:3].compute().shape == (12, 12, 0)


def test_outside_stays_outside_when_pores_are_named():
    labels = image([0, 1, 9, 9], "u1", phases={0: vr.Phase("solid", "solid"), 1: vr.Phase("pore", "pore"), 9: vr.Phase("air", "outside")})
    assert float(vr.statistics.porosity(labels, pore=1)) == 0.5


def test_every_subject_is_bound_to_data_arrays():
    pores = np.random.default_rng(0).random((9, 8, 7)) < 0.4
    image = vr.from_array(pores, spacing="2 um")
    array = image.to_xarray()
    np.testing.assert_array_equal(array.voxel.labels.label(connectivity=26), vr.labels.label(image, connectivity=26).compute())
    np.testing.assert_array_equal(array.voxel.morphology.distance(), vr.morphology.distance(image).compute())
    np.testing.assert_array_equal(array.voxel.pores.local_thickness(), vr.pores.local_thickness(image).compute())
    assert float(array.voxel.structure.euler_number()) == float(vr.structure.euler_number(image))
    seeds = np.where(np.indices(pores.shape)[0] == 0, pores, False)
    grown = vr.morphology.reconstruction(vr.from_array(seeds, spacing="2 um"), image, connectivity=6).compute()
    assert 0 < grown.sum() < pores.sum()
    np.testing.assert_array_equal(array.copy(data=seeds).voxel.morphology.reconstruction(array, connectivity=6), grown)  # a second image by position
    assert set(dir(array.voxel)) == {"image", "filters", "labels", "morphology", "pores", "registration", "segmentation", "statistics", "structure"}
