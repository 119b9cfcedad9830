"""Smoothing kernels against SciPy, against exact sums, and body against body."""

from __future__ import annotations

import math
from fractions import Fraction

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.kernels.convolution import gaussian, gaussian_halo, uniform, uniform_halo

DTYPES = ["bool", "uint8", "uint16", "int16", "int32", "uint64", "float32", "float64"]
HOST, ELSEWHERE = array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")

shapes = st.tuples(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20))
sigmas = st.tuples(*[st.sampled_from([0.0, 0.1, 0.4, 1.0, 1.7])] * 3)
sizes = st.tuples(*[st.integers(1, 6)] * 3)


def draw(shape, dtype, seed=0):
    values = np.random.default_rng(seed).random(shape)
    return values < 0.4 if dtype == "bool" else (values * 250 - (100 if dtype[0] in "if" else 0)).astype(dtype)


def pad(array, halo):
    return np.pad(array, [(h, h) for h in halo], mode="symmetric")


def by_reference(kernel, block, **parameters):
    result = kernel(array_api_strict.asarray(block, device=ELSEWHERE), **parameters)
    assert result.device == ELSEWHERE
    return np.asarray(array_api_strict.asarray(result, device=HOST))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sigma", [(2.0, 2.0, 2.0), (0.0, 1.0, 3.3), (0.7, 0.0, 0.05)])
def test_gaussian_equals_scipy(dtype, sigma):
    image = draw((21, 37, 150), dtype)
    result = gaussian(pad(image, gaussian_halo(sigma=sigma)), sigma=sigma)
    truth = ndimage.gaussian_filter(image, sigma, output=result.dtype, mode="reflect")
    if dtype == "float64":  # SciPy's weights carry the rounding of one machine's exp; its pairs may then differ by an ulp
        np.testing.assert_allclose(result, truth, rtol=0, atol=250 * 8 * np.finfo(np.float64).eps)
    else:
        assert result.dtype == np.float32
        np.testing.assert_array_max_ulp(result, truth, maxulp=1)
        assert np.mean(result != truth) < 1e-4


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=8)
@given(shape=shapes, sigma=sigmas, seed=st.integers(0, 9))
def test_gaussian_bodies_agree_bit_for_bit(dtype, shape, sigma, seed):
    block = draw([n + 2 * h for n, h in zip(shape, gaussian_halo(sigma=sigma))], dtype, seed)
    result = gaussian(block, sigma=sigma)
    assert result.shape == shape
    assert result.tobytes() == by_reference(gaussian, block, sigma=sigma).tobytes()


@pytest.mark.parametrize(("kernel", "parameters"), [(gaussian, {"sigma": (1.0, 0.6, 1.4)}), (uniform, {"size": (3, 4, 7)})])
@settings(deadline=None, max_examples=10)
@given(corner=st.tuples(*[st.integers(0, 8)] * 3), data=st.data())
def test_a_block_gives_what_the_whole_gives(kernel, parameters, corner, data):
    halo = gaussian_halo(**parameters) if kernel is gaussian else uniform_halo(**parameters)
    image = draw((20, 20, 280), "float32")
    whole = kernel(pad(image, halo), **parameters)
    size = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 272)))
    box = tuple(slice(c, c + n) for c, n in zip(corner, size))
    view = pad(image, halo)[tuple(slice(b.start, b.stop + 2 * h) for b, h in zip(box, halo))]
    assert kernel(view, **parameters).tobytes() == whole[box].tobytes()


@pytest.mark.parametrize(("kernel", "parameters"), [(gaussian, {"sigma": (0.5, 0.5, 0.5)}), (uniform, {"size": (3, 3, 3)})])
def test_any_memory_layout(kernel, parameters):
    wide = draw((30, 32, 64), "uint16")
    views = [wide[::2, ::3, ::4], wide[::-1], wide.T, np.broadcast_to(wide[:, :1], wide.shape), wide[:, :, 1:], wide.astype(">u2")]
    for view in views:
        view.flags.writeable = False
        assert kernel(view, **parameters).tobytes() == kernel(np.ascontiguousarray(view).astype("u2"), **parameters).tobytes()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_gaussian_spreads_what_is_not_finite_over_the_window_only(value):
    block = np.ones((9, 9, 9), np.float32)
    block[4, 4, 4] = value
    result = gaussian(block, sigma=(0.5, 0.5, 0.5))
    assert not np.isfinite(result).any(axis=(1, 2))[[0, 4]].any() or np.isfinite(result[0]).all()
    assert np.isfinite(result).sum() == 5**3 - 5**3  # every window of radius 2 holds the centre
    assert np.isfinite(gaussian(np.pad(block, 1), sigma=(0.5, 0.5, 0.5))).sum() == 7**3 - 5**3


def test_gaussian_keeps_a_constant_and_the_mean():
    constant = np.full((17, 18, 19), 7, np.uint8)
    np.testing.assert_allclose(gaussian(constant, sigma=(1.0, 1.0, 1.0)), 7.0, rtol=1e-6)
    point = np.zeros((33, 33, 33), np.float64)
    point[16, 16, 16] = 1.0
    assert gaussian(point, sigma=(2.0, 2.0, 2.0)).sum() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=8)
@given(shape=shapes, size=sizes, seed=st.integers(0, 9))
def test_uniform_bodies_agree_and_equal_scipy(dtype, shape, size, seed):
    image = draw(shape, dtype, seed)
    block = pad(image, uniform_halo(size=size))
    result = uniform(block, size=size)
    assert result.tobytes() == by_reference(uniform, block, size=size).tobytes()
    truth = ndimage.uniform_filter(image.astype(np.float64), size)
    np.testing.assert_allclose(result, truth, rtol=2e-7 if result.dtype == np.float32 else 0, atol=1e-4 if result.dtype == np.float32 else 1e-12)


def test_uniform_is_the_exact_mean_rounded_once():
    block = draw((3, 3, 6), "float32")
    block[0, 0, 0] = 1e7
    exact = [sum(map(Fraction, block[..., x : x + 3].ravel().tolist())) / 27 for x in range(4)]
    assert uniform(block, size=(3, 3, 3)).ravel().tolist() == [np.float32(float(e)) for e in exact]


def test_what_cannot_be_used_is_refused():
    block = np.zeros((5, 5, 5), np.uint8)
    for sigma in [(-1.0, 1.0, 1.0), (math.nan, 1.0, 1.0), (math.inf, 0.0, 0.0), (1.0, 1.0)]:
        with pytest.raises(ParameterError, match="sigma"):
            gaussian(block, sigma=sigma)
    with pytest.raises(ParameterError, match="truncate"):
        gaussian(block, sigma=(1.0, 1.0, 1.0), truncate=-1.0)
    with pytest.raises(ParameterError, match="halo of"):
        gaussian(block, sigma=(1.0, 1.0, 1.0))
    with pytest.raises(ParameterError, match="size"):
        uniform(block, size=(0, 1, 1))
    with pytest.raises(ParameterError, match="axes"):
        uniform(block[0], size=(1, 1, 1))
    with pytest.raises(ParameterTypeError, match="real"):
        gaussian(block.astype(np.complex64), sigma=(0.1, 0.1, 0.1))
    assert gaussian_halo(sigma=(2.0, 0.0, 0.1), truncate=4.0, unrelated=1) == (8, 0, 0)
    assert uniform_halo(size=(1, 4, 5)) == (0, 2, 2)
