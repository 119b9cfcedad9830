"""The median against SciPy, and body against body."""

from __future__ import annotations

import itertools
import math

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.kernels import rank_search
from voxelrock.kernels.ranks import median, median_halo

DTYPES = ["bool", "int8", "uint8", "uint16", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
HOST, ELSEWHERE = array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")

shapes = st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 20))
radii = st.sampled_from([(1, 1, 1), (0, 0, 0), (0, 1, 1), (1, 0, 2), (2, 2, 2), (1, 2, 3)])


def draw(shape, dtype, seed=0):
    generator = np.random.default_rng(seed)
    if dtype == "bool":
        return generator.random(shape) < 0.4
    if dtype[0] == "f":
        return (generator.choice([-1.0, 1.0, 1e-30, 1e30, 0.0, -0.0], shape) * generator.integers(0, 5, shape)).astype(dtype)
    span = np.iinfo(dtype)
    return np.where(
        generator.random(shape) < 0.5, generator.integers(span.min, span.max, shape, dtype, endpoint=True), generator.integers(0, 9, shape).astype(dtype)
    )


def pad(array, radius):
    return np.pad(array, [(r, r) for r in radius], mode="symmetric")


def window(radius, footprint):
    axes = np.meshgrid(*[np.arange(-r, r + 1) / max(r, 1) for r in radius], indexing="ij")
    return np.ones(axes[0].shape, bool) if footprint == "cube" else sum(a * a for a in axes) <= 1 + 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=12)
@given(shape=shapes, radius=radii, footprint=st.sampled_from(["cube", "ball"]), seed=st.integers(0, 9))
def test_equals_scipy_and_the_bodies_agree_bit_for_bit(dtype, shape, radius, footprint, seed):
    image = draw(shape, dtype, seed)
    block = pad(image, radius)
    result = median(block, radius=radius, footprint=footprint)
    assert result.dtype == image.dtype
    if dtype not in ("int64", "uint64"):  # SciPy orders 64-bit integers as doubles
        np.testing.assert_array_equal(result, ndimage.median_filter(image, footprint=window(radius, footprint)))
    reference = median(array_api_strict.asarray(block, device=ELSEWHERE), radius=radius, footprint=footprint)
    assert reference.device == ELSEWHERE
    assert result.tobytes() == np.asarray(array_api_strict.asarray(reference, device=HOST)).tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("radius", [(1, 1, 1), (1, 1, 2), (2, 2, 2)])
@settings(deadline=None, max_examples=5)
@given(corner=st.tuples(*[st.integers(0, 5)] * 3), size=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 295)))
def test_a_block_gives_what_the_whole_gives(dtype, radius, corner, size):
    padded = pad(draw((10, 10, 300), dtype), radius)
    whole = median(padded, radius=radius)
    box = tuple(slice(c, c + n) for c, n in zip(corner, size))
    view = padded[tuple(slice(b.start, b.stop + 2 * r) for b, r in zip(box, radius))]
    assert median(view, radius=radius).tobytes() == whole[box].tobytes()


@pytest.mark.parametrize("ones", range(28))
def test_the_network_sorts_all_that_zeros_and_ones_can_ask(ones):
    """A comparison network that is right for zeros and ones is right for everything; here random ones, and all ones of few places."""
    generator = np.random.default_rng(ones)
    block = np.zeros((3, 3, 3 * 300), np.uint8)
    for x in range(300):
        block.reshape(9, -1)[tuple(np.divmod(generator.permutation(27)[:ones], 3) + np.array([[0], [3 * x]]))] = 1
    result = median(block, radius=(1, 1, 1))[0, 0, ::3]
    assert (result == (ones >= 14)).all()


def test_the_network_at_every_place_of_the_median():
    order = np.arange(27, dtype=np.uint16).reshape(3, 3, 3)
    for axes in itertools.permutations(range(3)):
        assert median(np.ascontiguousarray(order.transpose(axes)), radius=(1, 1, 1)).item() == 13


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("radius", "footprint"), [((1, 1, 1), "cube"), ((1, 1, 1), "ball"), ((2, 2, 2), "cube"), ((0, 0, 0), "cube")])
def test_nan_in_the_window_gives_nan(dtype, radius, footprint):
    block = draw((9, 12, 140), dtype)
    block[np.random.default_rng(1).random(block.shape) < 0.01] = math.nan
    result = median(block, radius=radius, footprint=footprint)
    assert result.tobytes() == median.reference(block, radius=radius, footprint=footprint).tobytes()
    inner = tuple(slice(r, n - r) for r, n in zip(radius, block.shape))
    np.testing.assert_array_equal(np.isnan(result), ndimage.binary_dilation(np.isnan(block), window(radius, footprint))[inner])
    assert np.isnan(median(np.full_like(block, math.nan), radius=radius, footprint=footprint)).all()


def test_infinities_have_an_order():
    block = np.full((5, 5, 5), -np.inf, np.float32)
    block[3:] = np.inf
    assert median(block, radius=(2, 2, 2)).item() == -np.inf
    assert median(-block, radius=(2, 2, 2), footprint="ball").item() == np.inf


@pytest.mark.parametrize("radius", [(1, 1, 1), (0, 1, 1), (2, 2, 2)])
def test_any_memory_layout(radius):
    wide = draw((30, 32, 64), "uint16")
    views = [wide[::2, ::3, ::4], wide[::-1], wide.T, np.broadcast_to(wide[:, :1], wide.shape), wide[:, :, 1:], wide.astype(">u2")]
    for view in views:
        view.flags.writeable = False
        assert median(view, radius=radius).tobytes() == median(np.ascontiguousarray(view).astype("u2"), radius=radius).tobytes()


def test_half_precision_keeps_its_dtype():
    block = draw((5, 6, 7), "float32").clip(-100, 100).astype(np.float16)
    result = median(block, radius=(1, 1, 1))
    assert result.dtype == np.float16
    np.testing.assert_array_equal(result, median(block.astype(np.float32), radius=(1, 1, 1)))


def test_what_cannot_be_used_is_refused():
    block = np.zeros((5, 5, 5), np.uint8)
    for radius in [(-1, 1, 1), (1, 1), (0.5, 1, 1)]:
        with pytest.raises(ParameterError, match="radius"):
            median(block, radius=radius)
    with pytest.raises(ParameterError, match="footprint"):
        median(block, radius=(1, 1, 1), footprint="star")
    with pytest.raises(ParameterError, match="halo of"):
        median(block, radius=(3, 0, 0))
    with pytest.raises(ParameterTypeError, match="complex64"):
        median(block.astype(np.complex64), radius=(1, 1, 1))
    assert median_halo(radius=(0, 1, 2), footprint="ball") == (0, 1, 2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "int64", "float32", "float64"])
@pytest.mark.parametrize("places", [0, 2**13, 2**16])
@pytest.mark.parametrize(("radius", "footprint"), [((2, 2, 2), "cube"), ((3, 3, 3), "ball"), ((3, 3, 3), "cube"), ((1, 2, 9), "cube")])
def test_values_of_many_bits_are_searched_in_tiles_of_any_size(monkeypatch, dtype, places, radius, footprint):
    monkeypatch.setattr(rank_search, "_PLACES", places)  # tiles of few voxels; none, where all bits are searched
    generator = np.random.default_rng(3)
    image = generator.normal(0, 1000, (9, 13, 150)).astype(dtype if dtype[0] != "u" else "int64").astype(dtype)
    image[:, 4:8] = image[:, :4]  # equal values
    image[2, 3, ::7] = 0
    expected = ndimage.median_filter(image.astype("i8" if dtype[0] != "f" else dtype), footprint=window(radius, footprint))
    assert median(pad(image, radius), radius=radius, footprint=footprint).tobytes() == (expected + 0).astype(dtype).tobytes()
    if dtype[0] == "f":
        image[4, 6, [20, 90]] = math.nan, -math.nan
        lost = ndimage.maximum_filter(np.isnan(image), footprint=window(radius, footprint))
        found = median(pad(image, radius), radius=radius, footprint=footprint)
        np.testing.assert_array_equal(np.isnan(found), lost)
        np.testing.assert_array_equal(found[~lost], expected[~lost])
