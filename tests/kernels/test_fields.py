"""Gaussian random fields and blobs on a box of voxels."""

import array_api_strict
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelrock.errors import ParameterError
from voxelrock.kernels.fields import blobs, correlation, gaussian_field, gaussian_field_halo, kernel_weights, lattice_steps, level, smooth_field
from voxelrock.kernels.random import Operation, Stream, normal_field, normal_quantile

STREAM = Stream(11, Operation.FIELD)
coordinates = st.integers(-30, 30) | st.integers(9_970, 10_000) | st.just(2**31 - 100)
starts = st.tuples(coordinates, coordinates, coordinates)
lengths = st.tuples(*[st.sampled_from([0.0, 1.0, 2.5, 4.0])] * 3)


def bits(array):
    return array.shape, array.dtype, np.ascontiguousarray(array).tobytes()


def from_strict(array):
    assert array.device == array_api_strict.Device("device1")
    return np.asarray(array.to_device(array_api_strict.Device("CPU_DEVICE")))


@settings(max_examples=15, deadline=None)
@given(start=starts, length=lengths, truncate=st.sampled_from([2.0, 4.0]))
def test_bodies_agree_bit_for_bit(start, length, truncate):
    call = {"start": start, "shape": (3, 4, 7), "stream": STREAM, "length": length, "truncate": truncate}
    strict = gaussian_field(**call, xp=array_api_strict, device=array_api_strict.Device("device1"))
    assert bits(gaussian_field(**call)) == bits(gaussian_field.reference(**call)) == bits(from_strict(strict))
    call["porosity"] = 0.3
    del call["truncate"]
    strict = blobs(**call, xp=array_api_strict, device=array_api_strict.Device("device1"))
    assert bits(blobs(**call)) == bits(from_strict(strict))


@settings(max_examples=20, deadline=None)
@given(start=starts, length=lengths, data=st.data())
def test_any_sub_box_is_the_crop(start, length, data):
    whole = gaussian_field(start=start, shape=(6, 7, 21), stream=STREAM, length=length)
    low = [data.draw(st.integers(0, n - 1)) for n in whole.shape]
    high = [data.draw(st.integers(a + 1, n)) for a, n in zip(low, whole.shape)]
    first, shape = tuple(s + a for s, a in zip(start, low)), tuple(b - a for a, b in zip(low, high))
    part = gaussian_field(start=first, shape=shape, stream=STREAM, length=length)
    assert bits(part) == bits(whole[tuple(slice(a, b) for a, b in zip(low, high))])


def test_against_a_dense_convolution():
    length = (2.0, 5.0, 3.0)
    halo = gaussian_field_halo(length=length)
    start, shape = (-4, 9_990, 17), (12, 13, 14)
    noise = normal_field(start=tuple(s - h for s, h in zip(start, halo)), shape=tuple(n + 2 * h for n, h in zip(shape, halo)), stream=STREAM)
    dense = noise.astype(np.float64)
    for axis, (value, radius) in enumerate(zip(length, halo)):
        kernel = np.exp(-2 * (np.arange(-radius, radius + 1) / value) ** 2)
        dense = scipy.ndimage.correlate1d(dense, kernel / np.sqrt((kernel**2).sum()), axis=axis)
    inner = dense[tuple(slice(h, -h) for h in halo)]
    assert np.abs(gaussian_field(start=start, shape=shape, stream=STREAM, length=length) - inner).max() < 2e-6


def test_length_zero_is_white_noise():
    box = {"start": (1, 2, 3), "shape": (4, 5, 6), "stream": STREAM}
    assert bits(gaussian_field(**box, length=(0.0, 0.0, 0.0))) == bits(normal_field(**box))


@pytest.mark.parametrize("length", [0.0, 0.3, 1.0, 2.0, 4.0, 7.5])
def test_weights_give_unit_variance(length):
    half = kernel_weights(length, gaussian_field_halo(length=(length,) * 3)[0]).astype(np.float64)
    assert half[0] ** 2 + 2 * (half[1:] ** 2).sum() == pytest.approx(1, abs=2e-7)


def test_correlation_is_the_gaussian_model_where_the_lattice_resolves_it():
    exact = correlation(4.0)
    assert exact[:13] == pytest.approx(np.exp(-((np.arange(13) / 4) ** 2)), abs=2e-4)
    assert correlation(1.0)[1] == pytest.approx(0.261, abs=1e-3)
    assert correlation(0.0).tolist() == [1.0]


def spread_of_mean(length, shape):
    """Standard deviation of the mean of a unit field, bounded by the whole sum of its correlation."""
    volume = np.prod([2 * correlation(value)[1:].sum() + 1 for value in length])
    return np.sqrt(volume / np.prod(shape))


@pytest.mark.parametrize("length", [(1.0, 1.0, 1.0), (4.0, 4.0, 4.0), (2.0, 6.0, 3.0)])
def test_mean_variance_and_correlation(length):
    shape = (96, 96, 96)
    field = gaussian_field(start=(9_900, -50, 40), shape=shape, stream=STREAM, length=length).astype(np.float64)
    sigma = spread_of_mean(length, shape)
    assert abs(field.mean()) < 4 * sigma
    assert abs((field**2).mean() - 1) < 4 * np.sqrt(2) * sigma
    for axis, value in enumerate(length):
        for lag in (1, 3):
            a, b = np.moveaxis(field, axis, 0)[lag:], np.moveaxis(field, axis, 0)[:-lag]
            expected = np.append(correlation(value), np.zeros(4))[lag]
            assert abs((a * b).mean() - expected) < 4 * np.sqrt(2) * sigma


@pytest.mark.parametrize("porosity", [0.03, 0.2, 0.5, 0.8])
def test_porosity_of_blobs(porosity):
    length, shape = (4.0, 4.0, 4.0), (96, 96, 96)
    pore = blobs(start=(0, 9_000, 0), shape=shape, stream=Stream(5, Operation.FIELD), length=length, porosity=porosity)
    assert pore.dtype == bool
    # Indicators of a Gaussian field are correlated at most as much as the field itself.
    assert abs(pore.mean() - porosity) < 4 * np.sqrt(porosity * (1 - porosity)) * spread_of_mean(length, shape)


long_lengths = st.tuples(*[st.sampled_from([0.0, 4.0, 12.0, 31.0])] * 3)


@settings(max_examples=25, deadline=None)
@given(start=starts, length=long_lengths, data=st.data())
def test_smooth_fields_are_free_of_blocks_and_bodies_agree(start, length, data):
    whole = smooth_field(start=start, shape=(6, 7, 21), stream=STREAM, length=length)
    assert (whole.shape, whole.dtype) == ((6, 7, 21), np.float32)
    strict = smooth_field(start=start, shape=(6, 7, 21), stream=STREAM, length=length, xp=array_api_strict, device=array_api_strict.Device("device1"))
    assert bits(whole) == bits(from_strict(strict))
    low = [data.draw(st.integers(0, n - 1)) for n in whole.shape]
    high = [data.draw(st.integers(a + 1, n)) for a, n in zip(low, whole.shape)]
    first, shape = tuple(s + a for s, a in zip(start, low)), tuple(b - a for a, b in zip(low, high))
    part = smooth_field(start=first, shape=shape, stream=STREAM, length=length)
    assert bits(part) == bits(whole[tuple(slice(a, b) for a, b in zip(low, high))])


def test_smooth_fields_keep_variance_and_correlation():
    length, shape = (12.0, 1.0, 20.0), (128, 128, 160)
    assert lattice_steps(length, 4) == (3, 1, 5)
    assert lattice_steps(length, 8) == (1, 1, 2)
    field = smooth_field(start=(40, 9_000, -60), shape=shape, stream=STREAM, length=length, nodes=4).astype(np.float64)
    sigma = spread_of_mean(length, shape)
    assert abs(field.mean()) < 4 * sigma
    for axis, step in ((0, 3), (2, 5)):
        for place in range(step):  # at the nodes and between them
            part = field[(slice(None),) * axis + (slice(place, None, step),)]
            assert abs((part**2).mean() - 1) < 4 * np.sqrt(2) * sigma
    for axis, lag in ((0, 6), (2, 7)):
        a, b = np.moveaxis(field, axis, 0)[lag:], np.moveaxis(field, axis, 0)[:-lag]
        assert abs((a * b).mean() - np.exp(-((lag / length[axis]) ** 2))) < 0.025 + 4 * np.sqrt(2) * sigma


def test_short_lengths_are_not_interpolated():
    box = {"start": (1, 2, 3), "shape": (4, 5, 6), "stream": STREAM, "length": (15.9, 2.0, 0.0)}
    assert bits(smooth_field(**box)) == bits(gaussian_field(**box))
    assert smooth_field(start=(0, 0, 0), shape=(3, 0, 2), stream=STREAM, length=(30.0, 1.0, 1.0)).shape == (3, 0, 2)


def test_blobs_at_the_ends():
    box = {"start": (0, 0, 0), "shape": (8, 8, 8), "stream": STREAM, "length": (2.0, 2.0, 2.0)}
    assert not blobs(**box, porosity=0.0).any()
    assert blobs(**box, porosity=1.0).all()


def test_levels():
    assert level(0.3) == np.float32(normal_quantile(0.3))
    assert (level(0.0), level(1.0)) == (-np.inf, np.inf)


def test_bad_parameters_are_refused():
    with pytest.raises(ParameterError, match="fraction"):
        level(1.5)
    with pytest.raises(ParameterError, match="correlation lengths"):
        gaussian_field(start=(0, 0, 0), shape=(2, 2, 2), stream=STREAM, length=(1.0, -1.0, 1.0))
    with pytest.raises(ParameterError, match="voxel indices"):
        gaussian_field(start=(0, 0, -(2**31)), shape=(2, 2, 2), stream=STREAM, length=(4.0, 4.0, 4.0))
