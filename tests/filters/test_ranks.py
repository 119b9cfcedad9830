"""Percentiles and extremes against SciPy, bit for bit, and body against body."""

import array_api_strict
import numpy as np
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from voxelrock.errors import ParameterError
from voxelrock.kernels.percentiles import extreme, percentile
from voxelrock.testing import stored

HOST, ELSEWHERE = array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")
F = vr.filters


def grey(dtype, shape=(9, 12, 15), seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.4
    if np.dtype(dtype).kind == "f":
        return (rng.choice([-1.0, 1.0, 1e-30, 1e30, 0.0, -0.0, np.inf], shape) * rng.integers(1, 5, shape)).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -(2**40)), min(info.max, 2**40), shape).astype(dtype)


def window(radius, footprint):
    axes = np.meshgrid(*[np.arange(-r, r + 1) / max(r, 1) for r in radius], indexing="ij")
    return np.ones(axes[0].shape, bool) if footprint == "cube" else sum(a * a for a in axes) <= 1 + 1e-12


def elsewhere(kernel, block, **facts):
    found = kernel(array_api_strict.asarray(block, device=ELSEWHERE), **facts)
    return np.asarray(array_api_strict.asarray(found, device=HOST))


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize(("radius", "footprint"), [((1, 1, 1), "cube"), ((2, 2, 2), "ball"), ((0, 3, 1), "cube"), ((3, 1, 2), "ball")])
def test_equal_to_scipy_bit_for_bit(dtype, radius, footprint):
    a = grey(dtype)
    plain = a + a.dtype.type(0) if a.dtype.kind == "f" else a.view("u1") if dtype == "bool" else a
    image, shape = vr.from_array(a), window(radius, footprint)
    facts = dict(radius_vx=radius, footprint=footprint)
    for found, true in [
        (F.minimum(image, **facts), ndi.minimum_filter(plain, footprint=shape)),
        (F.maximum(image, **facts), ndi.maximum_filter(plain, footprint=shape)),
        *((F.percentile(image, percentile=p, **facts), ndi.percentile_filter(plain, p, footprint=shape)) for p in (0, 10, 50, 87.5, 100)),
    ]:
        assert found.dtype == a.dtype
        assert found.compute().tobytes() == true.astype(a.dtype).tobytes()


@pytest.mark.parametrize("dtype", ["bool", "u1", "u8", "f4"])
@pytest.mark.parametrize("footprint", ["cube", "ball"])
def test_the_bodies_agree_and_nan_spreads(dtype, footprint):
    block = grey(dtype)
    if dtype == "f4":
        block[4, 5, 6] = np.nan
    facts = dict(radius=(1, 2, 2), footprint=footprint)
    for kernel, more in ((percentile, dict(percentile=30.0)), (extreme, dict(highest=True)), (extreme, dict(highest=False))):
        found = kernel(block, **facts, **more)
        assert found.tobytes() == elsewhere(kernel, block, **facts, **more).tobytes()
        if dtype == "f4":
            assert np.isnan(found[3, 3, 4])
            assert np.isfinite(found[0, 0, 0]) or np.isinf(found[0, 0, 0])


def test_reaches_over_many_chunks_and_lengths_are_physical():
    a = grey("u1")
    image = vr.from_array(a, spacing=(2.0, 1.0, 1.0))
    expected = F.maximum(image, radius_vx=(1, 3, 3)).compute()
    assert F.maximum(image, radius=3.5).compute().tobytes() == expected.tobytes()
    assert F.maximum(stored(a, ((1,) * 9, (5, 7), (1,) * 15)), radius_vx=(1, 3, 3)).compute().tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda im: F.minimum(im), "give either radius="),
        (lambda im: F.minimum(im, radius_vx=9), "radius reaches"),
        (lambda im: F.maximum(im, radius_vx=1, footprint="star"), "'cube' or 'ball'; got 'star'"),
        (lambda im: F.percentile(im, percentile=101, radius_vx=1), "from 0 to 100; got 101"),
        (lambda im: F.percentile(im, percentile=float("nan"), radius_vx=1), "from 0 to 100; got nan"),
        (lambda im: F.percentile(im.assign(nodata=5), percentile=5, radius_vx=1), "percentile would mix the no-data value 5"),
    ],
)
def test_bad_parameters(call, message):
    with pytest.raises(ParameterError, match=message):
        call(vr.from_array(grey("u1")))
