"""Philox words, uniforms and normals of a box of voxels."""

import hashlib
from statistics import NormalDist

import array_api_strict
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelrock.errors import ParameterError
from voxelrock.kernels.random import (
    Operation,
    Stream,
    normal_field,
    normal_quantile,
    philox4x32,
    quantile_table,
    uniform_field,
    word_field,
)

ALL = 2**32 - 1
FIELDS = [word_field, uniform_field, normal_field]
STREAM = Stream(2024, Operation.NOISE)
coordinates = st.integers(-20, 20) | st.integers(9_980, 10_000) | st.sampled_from([-(2**31), 2**31 - 40, 2**16, -(2**16)])
edges = st.integers(1, 9)


def boxes():
    return st.tuples(st.tuples(coordinates, coordinates, coordinates), st.tuples(edges, edges, edges))


def bits(array):
    return array.shape, array.dtype, np.ascontiguousarray(array).tobytes()


def from_strict(array):
    assert array.device == array_api_strict.Device("device1")
    return np.asarray(array.to_device(array_api_strict.Device("CPU_DEVICE")))


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((ALL, ALL, ALL, ALL), (ALL, ALL), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_known_answers_of_random123(counter, key, words):
    got = philox4x32(tuple(np.array([c], dtype=np.uint64) for c in counter), key)
    assert " ".join(f"{int(word[0]):08x}" for word in got) == words


def test_a_box_is_counted_by_z_y_group_of_x_and_draw():
    z, y, x, stream = 0x03198A2E, 5, 0x0370_7344, Stream(0xA4093822, 0x299F31D0, 77)
    counter = tuple(np.array([c], dtype=np.uint64) for c in (z, y, x // 4, 77))
    expected = [int(word[0]) for word in philox4x32(counter, (stream.seed, stream.operation))]
    assert word_field(start=(z, y, x), shape=(1, 1, 4), stream=stream).ravel().tolist() == expected
    counter = tuple(np.array([c], dtype=np.uint64) for c in (2**32 - 1, 2**32 - 3, 2**32 - 1, 77))
    expected = [int(word[0]) for word in philox4x32(counter, (stream.seed, stream.operation))]
    assert word_field(start=(-1, -3, -4), shape=(1, 1, 4), stream=stream).ravel().tolist() == expected


@pytest.mark.parametrize("field", FIELDS)
@settings(max_examples=10, deadline=None)
@given(box=boxes(), seed=st.integers(0, ALL))
def test_bodies_agree_bit_for_bit(field, box, seed):
    start, shape = box
    stream = Stream(seed, Operation.FIELD, 3)
    host = field(start=start, shape=shape, stream=stream)
    strict = field(start=start, shape=shape, stream=stream, xp=array_api_strict, device=array_api_strict.Device("device1"))
    assert host.shape == shape
    assert bits(host) == bits(field.reference(start=start, shape=shape, stream=stream)) == bits(from_strict(strict))


@pytest.mark.parametrize("field", FIELDS)
@settings(max_examples=20, deadline=None)
@given(start=st.tuples(coordinates, coordinates, coordinates), data=st.data())
def test_any_sub_box_is_the_crop(field, start, data):
    whole = field(start=start, shape=(6, 7, 23), stream=STREAM)
    low = [data.draw(st.integers(0, n - 1)) for n in whole.shape]
    high = [data.draw(st.integers(a + 1, n)) for a, n in zip(low, whole.shape)]
    part = field(start=tuple(s + a for s, a in zip(start, low)), shape=tuple(b - a for a, b in zip(low, high)), stream=STREAM)
    assert bits(part) == bits(whole[tuple(slice(a, b) for a, b in zip(low, high))])


def test_streams_and_distant_voxels_differ():
    box = {"start": (0, 0, 0), "shape": (4, 4, 4)}
    streams = [Stream(0, 1), Stream(1, 1), Stream(0, 2), Stream(0, 1, 1), Stream(1, 0)]
    fields = [word_field(stream=stream, **box) for stream in streams]
    fields += [word_field(start=start, shape=(4, 4, 4), stream=streams[0]) for start in ((2**30, 0, 0), (0, 2**30, 0), (0, 0, 2**30))]
    assert len({value for field in fields for value in field.ravel().tolist()}) > 64 * len(fields) - 3


def test_empty_boxes():
    for field in FIELDS:
        assert field(start=(0, 0, 3), shape=(2, 3, 0), stream=STREAM).shape == (2, 3, 0)


def test_uniforms_are_uniform_and_uncorrelated():
    u = uniform_field(start=(9_000, -30, 5), shape=(64, 64, 64), stream=STREAM).astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    assert scipy.stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
    centred = u - 0.5
    for axis in range(3):
        for lag in (1, 2, 4):
            a, b = np.moveaxis(centred, axis, 0)[lag:], np.moveaxis(centred, axis, 0)[:-lag]
            assert abs((a * b).mean() * 12) < 4 / np.sqrt(a.size)


def test_normals_are_normal():
    v = normal_field(start=(-10, 0, 9_999), shape=(100, 100, 100), stream=STREAM).astype(np.float64).ravel()
    n = v.size
    assert abs(v.mean()) < 4 / np.sqrt(n)
    assert abs(v.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((v**3).mean()) < 4 * np.sqrt(15 / n)
    assert abs((v**4).mean() - 3) < 4 * np.sqrt(96 / n)
    assert scipy.stats.kstest(v, "norm").pvalue > 1e-3


def test_normals_are_the_quantiles_of_their_words():
    box = {"start": (3, 1, 2), "shape": (10, 10, 20)}
    words, values = (f(stream=STREAM, **box).ravel() for f in (word_field, normal_field))
    magnitude = [-NormalDist().inv_cdf((2 * (int(w) & 0x7FFFFFFF) + 1) / 2**33) for w in words]
    expected = np.where(words >> 31, -1, 1) * np.array(magnitude)
    assert np.abs(values - expected).max() < 1e-6


def test_the_tabulated_distribution_has_unit_variance_and_right_tails():
    c0, c1, c2 = quantile_table().astype(np.float64)
    squares = c0**2 + c0 * c1 + (c1**2 + 2 * c0 * c2) / 3 + c1 * c2 / 2 + c2**2 / 5
    chance = np.repeat(2.0 ** (np.arange(32) - 32), 32) / 32
    assert abs((squares * chance).sum() - 1) < 1e-6
    assert c0[0] == pytest.approx(-NormalDist().inv_cdf(2.0**-33), rel=1e-6)
    ends = c0 + c1 + c2
    assert np.abs(ends[:-1] - c0[1:]).max() < 1e-6
    assert (c1 < 0).all()


def test_the_table_is_the_same_on_every_platform():
    digest = hashlib.sha256(quantile_table().astype("<f4").tobytes()).hexdigest()
    assert digest == "15a14903a00320113cc65fe5e35b1caad8976ce991b0b3c07e8bab5a982fc108"


def test_quantile_against_the_standard_library():
    for p in np.concatenate([np.logspace(-12, -0.01, 300), 1 - np.logspace(-10, -1, 100)]):
        assert normal_quantile(float(p)) == pytest.approx(NormalDist().inv_cdf(float(p)), rel=1e-14)
    assert normal_quantile(0.5) == 0


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, float("nan")])
def test_quantile_refuses(p):
    with pytest.raises(ParameterError, match="between 0 and 1"):
        normal_quantile(p)


@pytest.mark.parametrize("numbers", [(-1, 0, 0), (2**32, 0, 0), (0, -1, 0), (0, 0, 2**32)])
def test_streams_out_of_range_are_refused(numbers):
    with pytest.raises(ParameterError, match="must lie in"):
        Stream(*numbers)


@pytest.mark.parametrize(("start", "shape"), [((2**31 - 1, 0, 0), (2, 1, 1)), ((0, -(2**31) - 1, 0), (1, 1, 1)), ((0, 0, 0), (1, -1, 1))])
def test_boxes_out_of_range_are_refused(start, shape):
    for field in FIELDS:
        with pytest.raises(ParameterError, match="voxel indices"):
            field(start=start, shape=shape, stream=STREAM)
