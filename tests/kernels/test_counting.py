"""Kernels that give numbers: the compiled bodies, and the references on a device that is not the host's, against dense truths."""

import math
from fractions import Fraction
from itertools import pairwise

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voxelrock.errors import DataError
from voxelrock.kernels import coarsening, exactsum, histograms, orderstatistics, selection
from voxelrock.kernels.thresholds import multi_otsu, otsu

DEVICE = array_api_strict.Device("device1")
DTYPES = ("bool", "u1", "i1", "u2", "i2")


def foreign(array):
    return array_api_strict.asarray(array, device=DEVICE)


def blocks(dtype):
    elements = {"allow_nan": False, "allow_infinity": False} if np.dtype(dtype).kind == "f" else None
    return hnp.arrays(dtype, st.tuples(*[st.integers(1, 5)] * 3), elements=elements)


def span(dtype):
    return (0, 2) if dtype == "bool" else (int(np.iinfo(dtype).min), 2 ** (8 * np.dtype(dtype).itemsize))


@pytest.mark.parametrize("dtype", DTYPES)
def test_value_counts(dtype):
    low, size = span(dtype)

    @given(blocks(dtype), st.integers(0, 2**32))
    def run(block, seed):
        mask = np.random.default_rng(seed).random(block.shape) > 0.4
        for masks in ((), (mask,)):
            chosen = block[mask] if masks else block.ravel()
            expected = np.bincount(chosen.astype("i8") - low, minlength=size)
            np.testing.assert_array_equal(histograms.value_counts(block, *masks, low=low, size=size), expected)
            if size <= 256:
                found = histograms.value_counts(foreign(block), *map(foreign, masks), low=low, size=size)
                np.testing.assert_array_equal(found, expected)

    run()


@pytest.mark.parametrize("view", [np.s_[::2], np.s_[:, ::-1], np.s_[..., 1:3]])
def test_counts_of_views(view):
    block = np.random.default_rng(0).integers(0, 255, (6, 7, 8)).astype("u1")[view]
    np.testing.assert_array_equal(histograms.value_counts(block, low=0, size=256), np.bincount(block.ravel(), minlength=256))
    np.testing.assert_array_equal(histograms.value_counts(block.transpose(2, 0, 1), low=0, size=256), np.bincount(block.ravel(), minlength=256))


EDGES = ((0.0, 1.0, 2.0), (-3.0, 0.1, 0.3, 7.0), tuple(np.linspace(-1, 1, 12)), (0.5, 0.5000001))


@pytest.mark.parametrize("edges", EDGES, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_binned_counts_include_the_right_edge(edges, dtype):
    exact = [np.array(e, dtype) for e in edges]

    @given(st.lists(st.sampled_from(exact) | st.floats(-4, 8, width=32), min_size=1, max_size=20))
    def run(values):
        block = np.array(values, dtype).reshape(1, 1, -1)
        expected = np.histogram(block.astype("f8"), edges)[0]
        np.testing.assert_array_equal(histograms.binned_counts(block, edges=edges), expected)
        np.testing.assert_array_equal(histograms.binned_counts(foreign(block), edges=edges), expected)

    run()


@given(blocks("i2"), st.sets(st.integers(-4, 4), min_size=1), st.sets(st.integers(-40000, 40000)))
def test_set_counts(block, first, second):
    block %= 5
    sets = (tuple(first), tuple(second))
    expected = [block.size, np.isin(block, list(first)).sum(), np.isin(block, list(second)).sum()]
    assert histograms.set_counts(block, sets=sets).tolist() == expected
    assert histograms.set_counts(foreign(block), sets=((*first,), tuple(v for v in second if -32768 <= v < 32768))).tolist() == expected
    assert histograms.set_counts(block.astype("i4"), sets=sets).tolist() == expected


@given(blocks("f4"))
def test_extremes(block):
    expected = [block.size, float(block.min()), float(block.max()), 0]
    assert histograms.extremes(block) == expected
    assert histograms.extremes(foreign(block)) == expected
    assert histograms.extremes(block, np.zeros(block.shape, bool)) == [0, None, None, 0]


@pytest.mark.parametrize("dtype", ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("masked", [False, True])
def test_sums_and_extremes_of_all_types(dtype, masked):
    rng = np.random.default_rng(5)
    block = rng.normal(0, 1e5, (5, 4, 7)).astype(dtype) if dtype[0] == "f" else np.frombuffer(rng.bytes(140 * 8), np.dtype(dtype))[:140].reshape(5, 4, 7)
    if dtype == "bool":
        block = rng.random((5, 4, 7)) < 0.5
    mask = rng.random(block.shape) < 0.4
    mask[2] = False
    chosen = block[mask] if masked else block.ravel()
    expected = [chosen.size, int(sum(map(Fraction, chosen.tolist())) * 2**exactsum.UNIT), chosen.min(), chosen.max()]
    masks = (mask,) if masked else ()
    assert exactsum.sum_and_extremes(block, *masks) == expected
    assert exactsum.sum_and_extremes(np.asfortranarray(block), *masks) == expected
    assert exactsum.sum_and_extremes(foreign(block), *map(foreign, masks)) == expected
    assert exactsum.moments(foreign(block), *map(foreign, masks)) == exactsum.moments(block, *masks)
    assert (
        exactsum.sum_and_extremes(block, np.zeros_like(mask)) == [0, 0, None, None] == exactsum.sum_and_extremes(foreign(block), foreign(np.zeros_like(mask)))
    )


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sums_are_exact(dtype):
    @given(
        hnp.arrays(dtype, st.tuples(*[st.integers(1, 4)] * 3), elements=st.floats(allow_nan=False, allow_infinity=False, width=8 * np.dtype(dtype).itemsize))
    )
    def run(block):
        expected = sum(map(Fraction, block.ravel().tolist()))
        assert Fraction(exactsum.total(block), 1 << exactsum.UNIT) == expected
        if dtype == "f4":
            count, first, second = exactsum.moments(foreign(block))
            assert [count, first, second] == exactsum.moments(block)
            assert Fraction(first, 1 << exactsum.UNIT) == expected
            assert exactsum.slice_sums(foreign(block), axis=1, start=(0, 5, 0), shape=block.shape) == exactsum.slice_sums(
                block, axis=1, start=(0, 5, 0), shape=block.shape
            )

    run()


def test_a_sum_is_rounded_once():
    values = np.array([1e16, 1.0, -1e16, 2.0**-30] * 9).reshape(1, 4, 9)
    assert exactsum.to_float(exactsum.total(values)) == math.fsum(values.ravel())
    with pytest.raises(DataError, match="NaN or infinity"):
        exactsum.total(np.array([[[np.inf]]]))
    with pytest.raises(DataError, match="NaN or infinity"):
        exactsum.sum_and_extremes(np.array([[[1.0, np.nan]]]))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u4", "i8", "u8"])
def test_keys_keep_the_order_and_give_the_values_back(dtype):
    kind = np.dtype(dtype)
    limits = (
        [np.finfo(dtype).min, np.finfo(dtype).max, np.finfo(dtype).tiny, -0.0, 0.0, -1.5]
        if kind.kind == "f"
        else [np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1]
    )
    values = np.sort(np.array(limits, dtype))
    keys = orderstatistics.ordered_keys(values)
    assert np.all(np.diff(keys.astype(object)) >= 0)
    assert [orderstatistics.from_key(int(k), kind) for k in keys] == values.tolist()


@given(st.lists(st.integers(0, 40), min_size=4, max_size=25, unique=True), st.data())
def test_multi_otsu_against_all_splits(values, data):
    table = np.zeros(41, np.int64)
    for value in values:
        table[value] = data.draw(st.integers(1, 50))
    levels = np.arange(41)

    def within(limits):
        edges = [-1, *limits, 40]
        cost = 0.0
        for a, b in pairwise(edges):
            w = table[a + 1 : b + 1]
            if w.sum():
                v = levels[a + 1 : b + 1]
                mean = (w * v).sum() / w.sum()
                cost += (w * (v - mean) ** 2).sum()
        return cost

    best = min(within((a, b)) for a in sorted(values) for b in sorted(values) if a < b)
    found = multi_otsu(table, levels, 3)
    assert within([int(f) for f in found]) == pytest.approx(best, abs=1e-6)


def test_otsu_of_too_few_values():
    with pytest.raises(DataError, match="the image is constant"):
        otsu(np.array([0, 7, 0]), np.arange(3))
    with pytest.raises(DataError, match="no voxel was counted"):
        otsu(np.zeros(3, int), np.arange(3))


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "bool"])
def test_coarse_kernels_on_a_foreign_device(dtype):
    block = (np.random.default_rng(0).random((4, 6, 8)) * 5).astype(dtype)
    for kernel, options in (
        (coarsening.coarse_mean, {"nodata": None, "dtype": "float32"}),
        (coarsening.coarse_mean, {"nodata": 1, "dtype": "float32"}),
        (coarsening.coarse_fraction, {"values": (1, 2) if dtype != "bool" else (True,)}),
        (coarsening.coarse_majority, {}),
        (coarsening.coarse_fraction, {"values": (2, 4), "nodata": 1}),
        (coarsening.coarse_majority, {"nodata": 1}),
    ):
        if dtype == "bool" and options.get("nodata") == 1:
            continue
        host = kernel(block, factor=(2, 3, 4), **options)
        there = kernel(foreign(block), factor=(2, 3, 4), **options)
        np.testing.assert_array_equal(np.asarray(there.to_device(array_api_strict.Device("CPU_DEVICE"))), host)


@given(blocks("f4"), st.floats(-10, 10, allow_nan=False) | st.none(), st.floats(-10, 10, allow_nan=False) | st.none())
def test_bounds_are_compared_exactly(block, low, high):
    expected = np.ones(block.shape, bool)
    wide = block.astype("f8")
    if low is not None:
        expected &= wide >= low
    if high is not None:
        expected &= wide <= high
    np.testing.assert_array_equal(selection.within(block, low=low, high=high), expected)


WEIGHTED = {
    "value_counts": (histograms.value_counts, lambda dtype: dict(zip(("low", "size"), span(dtype)))),
    "set_counts": (histograms.set_counts, lambda dtype: {"sets": ((0,), (1, 7), ())}),
    "extremes": (histograms.extremes, lambda dtype: {}),
    "sum_and_extremes": (exactsum.sum_and_extremes, lambda dtype: {}),
}


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("masked", [False, True])
def test_from_how_often_each_value_occurs_as_from_the_voxels(name, dtype, masked):
    kernel, facts = WEIGHTED[name]

    @given(blocks(dtype), st.integers(0, 9))
    def run(block, modulus):
        values, numbers = np.unique(block, return_counts=True)
        masks = [(array.astype(int) % 10 != modulus,) if masked else () for array in (block, values.reshape(1, 1, -1))]
        found = kernel.weighted_body(numbers, values.reshape(1, 1, -1), *masks[1], **facts(dtype))
        expected = kernel(block, *masks[0], **facts(dtype))
        assert type(found) is type(expected)
        assert list(found) == list(expected)

    run()


def test_extremes_of_real_values_that_occur_several_times():
    block = np.array([[[2.5, -1.0, np.nan, 8.0]]], "f4")
    assert histograms.extremes.weighted_body(np.array([3, 1, 2, 5]), block) == [9, -1.0, 8.0, 2]
    assert histograms.extremes.weighted_body(np.array([3, 1, 2, 5]), block, np.isnan(block)) == [0, None, None, 2]
    assert exactsum.sum_and_extremes.weighted_body(np.array([3, 1, 2, 5]), block) is None  # reals are read, and added exactly
