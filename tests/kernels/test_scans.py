"""The steps of a synthetic scan."""

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels import scans
from voxelrock.kernels.fields import gaussian_field
from voxelrock.kernels.random import Operation, Stream, normal_field

NOISE, RINGS = Stream(4, Operation.NOISE), Stream(4, Operation.RINGS)
STEPS = {
    "cupping": lambda b, start: scans.cupping(
        b, start=start, around=scans.Axis((4.3, -2.0), (1.0, 0.7)), radius=9.0, coefficients=scans.cupping_coefficients(0.2), air=12.0
    ),
    "noise": lambda b, start: scans.noise(b, start=start, stream=NOISE, std=7.5),
    "white noise": lambda b, start: scans.noise(b, start=start, stream=NOISE, std=7.5, length=(0.0, 0.0, 0.0)),
    "rings": lambda b, start: scans.rings(b, start=start, around=scans.Axis((3.5, 6.0), (0.5, 1.0)), stream=RINGS, amplitude=5.0, width=1.5, density=0.6),
}


def bits(array):
    return array.shape, array.dtype, np.ascontiguousarray(array).tobytes()


def to_strict(array):
    return array_api_strict.asarray(array, device=array_api_strict.Device("device1"))


def from_strict(array):
    assert array.device == array_api_strict.Device("device1")
    return np.asarray(array.to_device(array_api_strict.Device("CPU_DEVICE")))


def grey(shape=(6, 8, 11), seed=0):
    return np.random.default_rng(seed).uniform(-40, 300, shape).astype(np.float32)


@pytest.mark.parametrize("name", STEPS)
@settings(max_examples=10, deadline=None)
@given(start=st.tuples(*[st.integers(-9, 9) | st.just(9_990)] * 3), data=st.data())
def test_steps_are_free_of_blocks_and_bodies_agree(name, start, data):
    step, block = STEPS[name], grey()
    original = block.copy()
    whole = step(block, start)
    assert whole.dtype == np.float32
    assert bits(whole) == bits(from_strict(step(to_strict(block), start)))
    low = [data.draw(st.integers(0, n - 1)) for n in block.shape]
    high = [data.draw(st.integers(a + 1, n)) for a, n in zip(low, block.shape)]
    crop = tuple(slice(a, b) for a, b in zip(low, high))
    assert bits(step(block[crop], tuple(s + a for s, a in zip(start, low)))) == bits(whole[crop])
    assert (block == original).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32"])
def test_grey_levels(dtype):
    phases = np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 3, (5, 6, 7)).astype(dtype)
    levels = (20.0, 128.5, 250.25)
    expected = np.array(levels, dtype=np.float32)[phases.astype(int)]
    assert bits(scans.grey_levels(phases, levels=levels)) == bits(expected)
    assert bits(from_strict(scans.grey_levels(to_strict(phases), levels=levels))) == bits(expected)
    for call in (scans.grey_levels, scans.grey_levels.reference):
        with pytest.raises(DataError, match="phase 1 has no grey level; levels are given for 0, 3"):
            call(np.ones((1, 1, 1), dtype), levels=(1.0, np.nan, np.nan, 2.0))
        with pytest.raises(DataError, match="phase 1 has no grey level"):
            call(np.ones((1, 1, 1), dtype), levels=(1.0,))
        with pytest.raises(DataError, match="phase -1"):
            call(np.full((1, 1, 1), -1), levels=levels)


def test_cupping_lowers_the_axis_and_leaves_air_and_rim():
    block = np.full((2, 41, 41), 200, np.float32)
    out = scans.cupping(block, start=(0, 0, 0), around=scans.Axis((20, 20)), radius=10, coefficients=scans.cupping_coefficients(0.25), air=40.0)
    assert out[0, 20, 20] == pytest.approx(40 + 160 * 0.75)
    assert out[1, 20, 30] == pytest.approx(200)
    assert out[0, 20, 27] == pytest.approx(40 + 160 * (1 - 0.25 * (1 - 0.49)))
    assert out[0, 0, 0] == pytest.approx(200)
    air = scans.cupping(np.full_like(block, 40), start=(0, 0, 0), around=scans.Axis((20, 20)), radius=10, coefficients=(0.5, 0.1, 0.2), air=40.0)
    assert (air == 40).all()


def test_noise_is_the_field_times_its_deviation():
    block, start = np.full((40, 40, 40), 100, np.float32), (5, 9_990, -3)
    out = scans.noise(block, start=start, stream=NOISE, std=8.0)
    field = gaussian_field(start=start, shape=block.shape, stream=NOISE, length=(1.0, 1.0, 1.0))
    assert bits(out) == bits(field * np.float32(8) + block)
    assert out.std() == pytest.approx(8, rel=0.05)
    assert bits(scans.noise(block, start=start, stream=NOISE, std=0.0)) == bits(block)


def test_rings_belong_to_whole_radii():
    block, center = np.zeros((3, 40, 44), np.float32), (60.0, 7.0)
    out = scans.rings(block, start=(2, 50, -10), around=scans.Axis(center), stream=RINGS, amplitude=3.0, width=2.0)
    y, x = np.mgrid[50:90, -10:34].astype(np.float64)
    ring = np.floor(np.sqrt((y - center[0]) ** 2 + (x - center[1]) ** 2) / 2).astype(int)
    offsets = normal_field(start=(0, 0, 0), shape=(1, 1, ring.max() + 1), stream=RINGS)[0, 0] * np.float32(3)
    assert (out == offsets[ring]).all()
    few = scans.rings(block, start=(2, 50, -10), around=scans.Axis(center), stream=RINGS, amplitude=3.0, width=0.2, density=0.1)
    hit = np.array([(few[0][np.floor(np.hypot(y - 60, x - 7) / 0.2).astype(int) == r] != 0).any() for r in range(150)])
    assert 3 <= hit.sum() <= 40


def test_no_voxels_no_trouble():
    empty = np.empty((0, 3, 4), np.float32)
    for step in STEPS.values():
        assert step(empty, (0, 0, 0)).shape == empty.shape
    assert scans.quantize(empty, dtype="uint8").shape == empty.shape


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
def test_quantize_rounds_half_to_even_and_clips(dtype, top):
    values = np.array([-np.inf, -3, -0.4, 0.5, 1.5, 2.5, 100.49, top - 0.5, top + 0.4, 1e9, np.inf], np.float32).reshape(1, 1, -1)
    out = scans.quantize(values, dtype=dtype)
    assert out.dtype == dtype
    assert out.ravel().tolist() == [0, 0, 0, 0, 2, 2, 100, top - 1, top, top, top]
    assert bits(out) == bits(scans.quantize.reference(values, dtype=dtype)) == bits(from_strict(scans.quantize(to_strict(values), dtype=dtype)))


def test_bad_parameters_are_refused():
    block, start = grey(), (0, 0, 0)
    for body in (scans.quantize, scans.quantize.reference):
        with pytest.raises(DataError, match="NaN"):
            body(np.full((1, 1, 2), np.nan, np.float32), dtype="uint8")
    with pytest.raises(ParameterError, match="int64"):
        scans.quantize(block, dtype="int64")
    with pytest.raises(ParameterError, match="deviation"):
        scans.noise(block, start=start, stream=NOISE, std=-1.0)
    with pytest.raises(ParameterError, match="radius"):
        scans.cupping(block, start=start, around=scans.Axis((0, 0)), radius=0.0, coefficients=(1.0,))
    with pytest.raises(ParameterError, match="density"):
        scans.rings(block, start=start, around=scans.Axis((0, 0)), stream=RINGS, amplitude=1.0, density=2.0)
