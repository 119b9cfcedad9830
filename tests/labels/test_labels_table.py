"""The table of labels against one label at a time, in plain NumPy."""

import math
from fractions import Fraction

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import regionprops

import voxelrock as vr
from tests.labels import components_dense as dense
from voxelrock.errors import DataError, GridMismatchError, ParameterTypeError
from voxelrock.kernels.tables import LabelTable, covariances
from voxelrock.testing import evaluate_foreign, stored

GRID = {"spacing": {"z": "2 um", "y": "3 um", "x": "5 um"}, "origin": {"z": "10 um", "y": "-7 um", "x": "0 um"}}
STEP, ORIGIN = np.array([2.0, 3.0, 5.0]), np.array([10.0, -7.0, 0.0])


def blobs(seed=0, shape=(14, 11, 13), density=0.35):
    return dense.label(np.random.default_rng(seed).random(shape) < density).astype("i4")


def facts(labels, value, grey=None, inside=None):
    """One row, the long way."""
    mask = labels == value
    inside = np.ones(labels.shape, bool) if inside is None else inside
    points = np.argwhere(mask) * STEP + ORIGIN
    area = 0.0
    for axis, face in enumerate(np.prod(STEP) / STEP):
        low, high = ([slice(None)] * 3 for _ in range(2))
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        a, b = tuple(low), tuple(high)
        area += face * ((mask[a] != mask[b]) & inside[a] & inside[b]).sum()
    row = {
        "voxels": mask.sum(),
        "volume": mask.sum() * 30.0,
        "equivalent_diameter": (6 / np.pi * mask.sum() * 30.0) ** (1 / 3),
        "centroid": points.mean(0),
        "box_start": np.argwhere(mask).min(0),
        "box_stop": np.argwhere(mask).max(0) + 1,
        "touches": [dense.end(inside, axis, low)[mask].any() for axis in range(3) for low in (True, False)],
        "second_moments": np.cov(points.T, bias=True) if mask.sum() > 1 else np.zeros((3, 3)),
        "face_area": area,
    }
    if grey is not None:
        values = [Fraction(v) for v in grey[mask].tolist()]
        mean = sum(values) / len(values)
        row |= {"grey_mean": float(mean), "grey_min": min(values), "grey_max": max(values), "grey_voxels": len(values)}
        row["grey_std"] = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return row


def check(found, labels, **options):
    values = np.unique(labels[labels != 0])
    np.testing.assert_array_equal(found["label"], values)
    for value in values:
        row = found.sel(label=value)
        for name, expected in facts(labels, value, **options).items():
            exact = name in ("voxels", "box_start", "box_stop", "touches", "grey_min", "grey_max", "grey_voxels", "grey_mean", "grey_std", "face_area")
            np.testing.assert_allclose(
                np.asarray(row[name], float), np.asarray(expected, float), rtol=1e-15 if exact else 1e-11, atol=0 if exact else 1e-11, err_msg=name
            )


def cuts(length):
    return st.sets(st.integers(1, length - 1), max_size=5).map(lambda s: tuple(np.diff([0, *sorted(s), length]).tolist()))


@given(st.tuples(cuts(14), cuts(11), cuts(13)), st.integers(0, 50), st.sampled_from(["u1", "i2", "i4", "u8", "i8", "f4", "f8", "bool"]))
def test_rows_are_as_one_label_at_a_time(chunks, seed, dtype):
    labels = blobs(seed)
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 2**62, labels.shape) * rng.choice([-1, 1] if np.dtype(dtype).kind in "if" else [1], labels.shape)
    grey = (grey * 10.0 ** rng.integers(-50, -10, labels.shape)).astype(dtype) if dtype in ("f4", "f8") else grey.astype(dtype)
    found = vr.labels.table(stored(labels, chunks, **GRID), grey=stored(grey, chunks, **GRID))
    check(found, labels, grey=grey)
    assert found["grey_min"].dtype == grey.dtype


def test_the_same_bits_at_any_chunking_and_on_processes():
    labels = blobs(3)
    grey = np.random.default_rng(3).normal(size=labels.shape).astype("f4")
    whole = vr.labels.table(stored(labels), grey=stored(grey))
    for chunks in (((1,) * 14, (11,), (13,)), ((5, 9), (4, 7), (1, 12))):
        assert vr.labels.table(stored(labels, chunks), grey=stored(grey)).identical(whole)
    lazy = vr.from_array(da.from_array(labels, chunks=6))
    with dask.config.set(scheduler="processes", num_workers=2):
        assert vr.labels.table(lazy, grey=stored(grey)).identical(whole)


def test_in_a_cylinder():
    labels = blobs(5)
    y, x = np.ogrid[:11, :13]
    inside = np.broadcast_to((y - 5) ** 2 + (x - 6) ** 2 <= 25, labels.shape)
    image = stored(labels, ((5, 9), (4, 7), (6, 7)), **GRID)
    where = vr.from_array(np.ascontiguousarray(inside)).assign_grid(image.grid)
    check(vr.labels.table(image, where=where), np.where(inside, labels, 0), inside=inside)


def test_grey_values_without_data_are_left_out():
    labels = np.ones((4, 4, 4), "u1")
    labels[2:] = 2
    grey = np.arange(64, dtype="f4").reshape(4, 4, 4)
    grey[1] = np.nan
    grey[2:] = np.nan
    found = vr.labels.table(stored(labels), grey=stored(grey, ((2, 2),) * 3).assign(nodata=float("nan")))
    assert found["grey_voxels"].values.tolist() == [16, 0]
    assert found["grey_mean"].values[0] == np.arange(16).mean()
    assert np.isnan(found["grey_mean"].values[1])
    assert np.isnan(found["grey_min"].values[1])
    with pytest.raises(DataError, match=r"NaN or infinity among the grey values.*seen in voxels"):
        vr.labels.table(stored(labels), grey=stored(grey))


def test_a_table_of_components_in_one_go_agrees_with_scikit_image():
    array = np.random.default_rng(9).random((20, 20, 20)) < 0.25
    image = stored(array, ((8, 12),) * 3)
    found = vr.labels.table(vr.labels.label(image, connectivity=26))
    props = regionprops(dense.label(array, 26))
    np.testing.assert_array_equal(found["voxels"], [p.area for p in props])
    np.testing.assert_allclose(found["centroid"], [p.centroid for p in props], rtol=1e-14)
    np.testing.assert_array_equal(np.c_[found["box_start"], found["box_stop"]], [p.bbox for p in props])


def test_a_mask_is_one_label_and_nothing_has_no_rows():
    assert vr.labels.table(stored(np.ones((3, 3, 3), bool)))["voxels"].values.tolist() == [27]
    empty = vr.labels.table(stored(np.zeros((3, 3, 3), "u2"), ((1, 2),) * 3), grey=stored(np.zeros((3, 3, 3), "f8")))
    assert empty.sizes["label"] == 0
    assert empty["grey_mean"].shape == (0,)


def test_a_ball_has_the_moments_of_a_ball():
    ball = vr.Ball(center={"z": 20.0, "y": 20.0, "x": 20.0}, radius=15)
    mask = vr.from_array(np.ones((41, 41, 41), bool), block=16)
    found = vr.labels.table(mask & mask.with_data(mask.restriction(ball)))
    np.testing.assert_allclose(found["principal_second_moments"][0], 15**2 / 5, rtol=5e-3)
    assert float(found["equivalent_diameter"][0]) == pytest.approx(30, rel=2e-3)
    assert float(found["face_area"][0]) == pytest.approx(1.5 * 4 * np.pi * 15**2, rel=0.02)  # the staircase of a ball: half as much again


def test_moments_of_labels_too_large_for_64_bits():
    edge = 10_000  # a label that fills an image of 10¹² voxels
    n, first = edge**3, edge**3 * (edge - 1) // 2
    second, mixed = edge**2 * ((edge - 1) * edge * (2 * edge - 1) // 6), edge * (edge * (edge - 1) // 2) ** 2
    words = [[(v >> 32 * k) & 0xFFFFFFFF if k == 0 else v >> 32 for k in range(2)] for v in (second,) * 3 + (mixed,) * 3]
    none = np.zeros((1, 3), np.int64)
    table = LabelTable(np.array([1]), np.array([[n, first, first, first]]), np.array([words]), none, none + edge - 1, none, np.zeros(1, "u1"), None)
    np.testing.assert_allclose(covariances(table)[0], [(edge**2 - 1) / 12] * 3 + [0] * 3, rtol=1e-15, atol=1e-9)


def test_faces_and_regions_are_found_on_any_device():
    image = stored(np.random.default_rng(1).random((6, 7, 8)) < 0.5)
    code = vr.labels.table.__globals__["_FACES"]
    assert evaluate_foreign(image.with_data(code(image.data))).dtype == np.uint8
    numbers = stored(np.random.default_rng(1).integers(0, 3, (6, 7, 8)).astype("u2"))
    np.testing.assert_array_equal(evaluate_foreign(numbers.with_data(code(numbers.data))), code(numbers.data).compute())


def test_wrong_arguments_are_refused():
    labels = stored(np.ones((3, 3, 3), "u1"))
    with pytest.raises(ParameterTypeError, match=r"grey values.*vr\.segmentation\.otsu"):
        vr.labels.table(stored(np.ones((3, 3, 3), "f4")))
    with pytest.raises(GridMismatchError, match="different grids"):
        vr.labels.table(labels, grey=stored(np.ones((3, 3, 4))))
    with pytest.raises(ParameterTypeError, match=r"grey= is an image.*ndarray"):
        vr.labels.table(labels, grey=np.ones((3, 3, 3)))


def test_one_task_per_block():
    labels = stored(blobs(), ((2,) * 7, (11,), (13,)))
    source = next(iter(labels.data.dask.layers.values())).expression.source
    vr.labels.table(labels)
    assert source.voxels_read == (2 * 7 + 2 * 6) * 11 * 13  # every block once, with its halo
