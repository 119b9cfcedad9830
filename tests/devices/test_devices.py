"""What runs on a device, on a likeness of CuPy, and kernels by themselves on a device too where there is one (``-m gpu``): equal to the host to the last bit."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import voxelrock as vr
from tests.contract.cases import CASES, grey
from tests.devices import likeness
from tests.segmentation.forests_dense import classifier
from voxelrock.kernels import backend, exactsum, histograms, percentiles, ranks
from voxelrock.kernels.arithmetic import arithmetic, quotient, rest_of
from voxelrock.testing import stored

SHAPE = (9, 11, 8)
CHUNKS = ((4, 5), (3, 1, 7), (8,))
QUICK = ("filters.gaussian", "filters.percentile", "image arithmetic", "segmentation.otsu", "statistics.histogram", "structure.minkowski")


@pytest.fixture
def device(monkeypatch):
    """A process that sees a device."""
    monkeypatch.setitem(sys.modules, "cupy", likeness.module)
    monkeypatch.setitem(sys.modules, "cupyx.scipy.ndimage", likeness.filters)
    backend.device_module.cache_clear()
    yield likeness.module
    backend.device_module.cache_clear()


@pytest.fixture(params=["likeness", pytest.param("cupy", marks=pytest.mark.gpu)])
def either(request):
    """The likeness, and a device itself where there is one."""
    if request.param == "likeness":
        return request.getfixturevalue("device")
    backend.device_module.cache_clear()
    found = backend.device_module()
    assert found is not None, "tests of a device were asked for (-m gpu), and none answers CuPy: see nvidia-smi, and install voxelrock[gpu]"
    return found


def values(result):
    return np.asarray(result.compute(scheduler="sync"))


def same_on_both(make):
    with vr.options.set(device="cpu"):
        host = values(make())
    before = likeness.module.uploads
    with vr.options.set(device="gpu"):
        found = values(make())
    assert likeness.module.uploads > before
    assert found.dtype == host.dtype
    np.testing.assert_array_equal(found, host)


@pytest.mark.parametrize("case", [c for c in CASES if c.name in QUICK], ids=lambda c: c.name)
def test_an_operation_on_a_device(device, case):
    same_on_both(lambda: case.make(stored(grey(SHAPE, case.dtype), CHUNKS)))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_every_operation_on_a_device(device, case):
    same_on_both(lambda: case.make(stored(grey(SHAPE, case.dtype), CHUNKS)))


def test_what_only_the_host_makes_meets_what_the_device_has(device):
    image = stored(grey(SHAPE, "u1"), CHUNKS)
    with vr.options.set(device="cpu"):
        forest = classifier(image)
    same_on_both(lambda: forest.classify(image) + image)
    same_on_both(lambda: vr.statistics.histogram(forest.classify(image), bins=[0, 1, 2, 3], where=image > 100))


def test_what_does_not_fit_into_a_device_is_computed_on_the_host(device, monkeypatch):
    def full(*arguments, **keywords):
        raise MemoryError("Out of memory allocating 1 bytes")

    image = stored(grey(SHAPE, "u1"), CHUNKS)
    with vr.options.set(device="cpu"):
        host = values(vr.filters.gaussian(image, sigma=1.0))
    monkeypatch.setattr(likeness._Likeness, "asarray", full)
    with vr.options.set(device="gpu"):
        assert values(vr.filters.gaussian(image, sigma=1.0)).tobytes() == host.tobytes()


def test_what_does_not_fit_at_the_end_of_a_task_is_counted_on_the_host(device, monkeypatch):
    def full(*arguments, **keywords):
        raise MemoryError("Out of memory allocating 1 bytes")

    monkeypatch.setattr(device, "bincount", full, raising=False)
    same_on_both(lambda: vr.statistics.histogram(stored(grey(SHAPE, "u1"), CHUNKS)))


def test_a_device_that_does_not_compute_is_told_of(device, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("CuPy failed to load libnvrtc.so.12")

    monkeypatch.setattr(device, "arange", fail, raising=False)
    with pytest.warns(UserWarning, match=r"a CUDA device is there, and CuPy cannot compute on it \(CuPy failed to load libnvrtc"):
        assert backend.device_module() is None


def test_a_module_that_another_thread_imports_is_no_device(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", type(sys)("cupy"))
    assert backend.namespace(np.zeros(3)) is np
    assert not backend.is_cupy(np.zeros(3))
    assert backend.to_host(np.zeros(3)).size == 3


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("footprint", ["cube", "ball"])
def test_rank_filters(either, monkeypatch, dtype, footprint):
    block = grey((9, 10, 11), dtype)
    if dtype[0] == "f":
        block[4, 5, 6], block[2, 2, 2] = np.nan, -0.0
    for kernel, keywords in ((ranks.median, {}), (percentiles.percentile, {"percentile": 30.0}), (percentiles.percentile, {"percentile": 100.0})):
        for most in (4096, 1):  # larger windows go to the host
            for module in (ranks, percentiles):
                monkeypatch.setattr(module, "DEVICE_WINDOW", most)
            found = kernel(either.asarray(block), radius=(1, 2, 1), footprint=footprint, **keywords)
            expected = kernel(block, radius=(1, 2, 1), footprint=footprint, **keywords)
            assert isinstance(found, either.ndarray)
            assert found.get().tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "u2"])
def test_counts(either, dtype):
    block, mask = grey(SHAPE, dtype), grey(SHAPE, "u1") > 90
    low, size = (0, 2) if dtype == "bool" else (int(np.iinfo(dtype).min), 2 ** (8 * np.dtype(dtype).itemsize))
    for masks in ((), (mask,), (np.zeros_like(mask),)):
        found = histograms.value_counts(either.asarray(block), *map(either.asarray, masks), low=low, size=size)
        np.testing.assert_array_equal(found, histograms.value_counts(block, *masks, low=low, size=size))


NUMBERS = st.floats(width=32) | st.integers(-40, 40).map(lambda n: n * 0.1)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_divisions_of_floats(dtype):
    """By fmod alone, which is exact on a device; CuPy's own operators round before they cut."""

    @given(hnp.arrays("f8", 9, elements=NUMBERS), hnp.arrays("f8", 9, elements=NUMBERS))
    def run(first, second):
        with np.errstate(all="ignore"):
            a, b = np.meshgrid(first.astype(dtype), second.astype(dtype))
            for found, expected in ((quotient(np, a, b), a // b), (rest_of(np, a, b), a % b)):
                assert np.where(np.isnan(found), np.nan, found).tobytes() == np.where(np.isnan(expected), np.nan, expected).tobytes()

    run()


def test_a_division_on_a_device_takes_them(device, monkeypatch):
    monkeypatch.setattr(device.ndarray, "__floordiv__", None)
    found = arithmetic(device.asarray(np.ones((1, 1, 3))), operator="floor_divide", scalars=(None, 0.1), work="float64")
    np.testing.assert_array_equal(found.get(), [[[9.0, 9.0, 9.0]]])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("operator", ["floor_divide", "remainder", "true_divide", "add", "multiply"])
def test_arithmetic_of_floats(either, operator, dtype):
    rng = np.random.default_rng(3)
    numbers = np.concatenate([rng.normal(0, 50, 400), rng.integers(-40, 40, 400) * 0.1, [0.0, np.inf, -np.inf, np.nan]]).astype(dtype)
    a, b = (rng.permutation(numbers).reshape(2, 2, -1) for _ in range(2))
    work = np.dtype(dtype).name
    found = arithmetic(either.asarray(a), either.asarray(b), operator=operator, scalars=(None, None), work=work).get()
    with np.errstate(all="ignore"):
        expected = getattr(np, operator)(a, b)
    assert np.where(np.isnan(found), np.nan, found).tobytes() == np.where(np.isnan(expected), np.nan, expected).tobytes()


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8", "u8", "f4", "f8"])
def test_sums(either, dtype):
    rng = np.random.default_rng(5)
    block = rng.normal(0, 1e5, (5, 4, 7)).astype(dtype) if dtype[0] == "f" else np.frombuffer(rng.bytes(140 * 8), np.dtype(dtype))[:140].reshape(5, 4, 7)
    mask = rng.random(block.shape) < 0.4
    for masks in ((), (mask,)):
        there = [either.asarray(each) for each in (block, *masks)]
        assert exactsum.moments(*there) == exactsum.moments(block, *masks)
        assert exactsum.sum_and_extremes(*there) == exactsum.sum_and_extremes(block, *masks)
        place = {"axis": 1, "start": (0, 0, 0), "shape": block.shape}
        assert exactsum.slice_sums(*there, **place) == exactsum.slice_sums(block, *masks, **place)
