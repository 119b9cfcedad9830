"""Diffusion, total variation and the bilateral filter against their definitions and peers, body against body."""

import array_api_strict
import numpy as np
import pytest
from skimage.restoration import denoise_tv_chambolle

import voxelrock as vr
from tests.filters import denoising_dense as dense
from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels import bilateral, diffusion, enhancing, variation
from voxelrock.testing import stored

HOST, ELSEWHERE = array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")
F = vr.filters


def noisy(shape=(12, 17, 14), dtype="u1", seed=0):
    rng = np.random.default_rng(seed)
    z = np.arange(shape[0])[:, None, None]
    return (np.where(z // 5 % 2, 150, 90) + rng.normal(0, 9, shape)).astype(dtype)


def elsewhere(kernel, *blocks, **facts):
    found = kernel(*(array_api_strict.asarray(b, device=ELSEWHERE) for b in blocks), **facts)
    return np.asarray(array_api_strict.asarray(found, device=HOST))


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
@pytest.mark.parametrize("conductance", diffusion.CONDUCTANCES)
def test_steps_of_diffusion_agree_bit_for_bit(dtype, conductance):
    facts = dict(steps=3, contrast=12.0, conductance=conductance, rates=(0.1, 0.05, 0.1), slopes=(1.0, 0.5, 0.9))
    block = noisy(dtype=dtype)
    found = diffusion.diffuse(block, **facts)
    assert found.shape == (6, 11, 8)
    assert found.tobytes() == elsewhere(diffusion.diffuse, block, **facts).tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_edge_enhancing_steps_agree_bit_for_bit(dtype):
    block, smooth = noisy(dtype=dtype), noisy(dtype=dtype, seed=3)
    facts = dict(contrast=8.0, rate=0.12, slopes=(1.0, 0.5, 0.9))
    assert enhancing.enhance_edges(block, smooth, **facts).tobytes() == elsewhere(enhancing.enhance_edges, block, smooth, **facts).tobytes()


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_bilateral_bodies_agree_bit_for_bit(dtype):
    facts = dict(sigma=(0.7, 1.1, 0.0), contrast=12.0, truncate=2.0)
    assert bilateral.bilateral(noisy(dtype=dtype), **facts).tobytes() == elsewhere(bilateral.bilateral, noisy(dtype=dtype), **facts).tobytes()


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
@pytest.mark.parametrize(("start", "image"), [((0, 0, 0), (6, 11, 8)), ((9, 0, 1), (30, 11, 40)), ((1, 2, 7), (7, 14, 15))])
def test_total_variation_bodies_agree_bit_for_bit_wherever_the_block_lies(dtype, start, image):
    facts = dict(start=start, shape=(6, 11, 8), grid=(image, (1.0, 0.5, 0.9)), iterations=3, weight=10.0)
    found = variation.total_variation(noisy(dtype=dtype), xp=np, **facts)
    assert found.tobytes() == elsewhere(variation.total_variation, noisy(dtype=dtype), xp=array_api_strict, **facts).tobytes()


@pytest.mark.parametrize("spacing", [(1, 1, 1), (3.0, 1.5, 1.0)])
@pytest.mark.parametrize("method", ["exponential", "rational"])
def test_diffusion_equals_the_definition(method, spacing):
    a = noisy(dtype="f8")
    image = vr.from_array(a, spacing=spacing)
    found = F.anisotropic_diffusion(image, contrast=15, iterations=6, method=method, step=0.1).compute()
    np.testing.assert_allclose(found, dense.diffused(a, 15, 6, method, 0.1, spacing), rtol=1e-4)
    assert found.mean() == pytest.approx(a.mean(), rel=1e-12)
    assert a.min() <= found.min() <= found.max() <= a.max()


def test_edge_enhancing_equals_the_definition_and_smooths_edges_too():
    a = noisy((16, 16, 16), "f8")
    found = F.anisotropic_diffusion(vr.from_array(a), contrast=12, iterations=5, method="edge-enhancing", sigma_vx=0.8).compute()
    np.testing.assert_allclose(found, dense.enhanced(a, 12, 5, 0.8), rtol=1e-4)
    assert found.mean() == pytest.approx(a.mean(), rel=1e-12)
    plain = F.anisotropic_diffusion(vr.from_array(a), contrast=12, iterations=5).compute()
    assert found[4].std() < 0.7 * plain[4].std()  # the last slice before an edge
    assert found[5].mean() - found[4].mean() > 45  # which stays one


@pytest.mark.parametrize("iterations", [1, 7])
def test_total_variation_equals_scikit_image(iterations):
    a = noisy(dtype="f8")
    found = F.total_variation(vr.from_array(a), weight=12, iterations=iterations).compute()
    np.testing.assert_allclose(found, denoise_tv_chambolle(a, weight=12, eps=0, max_num_iter=iterations + 1), rtol=1e-12)


def test_total_variation_counts_differences_per_length():
    a = noisy((8, 8, 8), "f8")
    flat = np.repeat(a[:1], 8, axis=0)  # nothing changes along z: how far slices lie apart cannot matter but for the step
    found = F.total_variation(vr.from_array(flat, spacing=(100.0, 1.0, 1.0)), weight=12, iterations=200).compute()
    np.testing.assert_allclose(found[3], denoise_tv_chambolle(a[0], weight=12, eps=0, max_num_iter=201), rtol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda im: F.anisotropic_diffusion(im, contrast=15, iterations=9),
        lambda im: F.anisotropic_diffusion(im, contrast=15, iterations=3, method="edge-enhancing"),
        lambda im: F.total_variation(im, weight=10, iterations=25),  # further than the image is wide
        lambda im: F.bilateral(im, sigma_vx=2, contrast=20),
    ],
    ids=["diffusion", "edge-enhancing", "variation", "bilateral"],
)
def test_reaches_over_many_chunks(make):
    a = noisy((8, 9, 11))
    whole = make(vr.from_array(a)).compute()
    assert make(stored(a, ((1,) * 8, (2, 3, 4), (5, 6)))).compute().tobytes() == whole.tobytes()
    lazy = vr.from_array(a).rechunk(3) * 1
    assert make(lazy).compute(scheduler="sync").tobytes() == make(vr.from_array(a) * 1).compute().tobytes()


def test_lazy_parameters():
    image = vr.from_array(noisy((10, 10, 10)))
    level = vr.statistics.noise_level(image)
    for lazy, plain in [
        (F.anisotropic_diffusion(image, contrast=3 * level), F.anisotropic_diffusion(image, contrast=3 * float(level))),
        (F.total_variation(image, weight=level), F.total_variation(image, weight=float(level))),
        (F.bilateral(image, sigma_vx=1, contrast=level), F.bilateral(image, sigma_vx=1, contrast=float(level))),
    ]:
        assert lazy.compute().tobytes() == plain.compute().tobytes()
    with pytest.raises(DataError, match="contrast is positive and finite"):
        F.anisotropic_diffusion(image, contrast=-level).compute()
    with pytest.raises(DataError, match="weight is positive and finite"):
        F.total_variation(image, weight=0 * level).compute()


def test_nan_and_infinity_stay_near():
    a = noisy((12, 12, 12), "f4")
    a[6, 6, 6] = np.nan
    a[0, 0, 0] = np.inf
    image = vr.from_array(a)
    for found in (
        F.anisotropic_diffusion(image, contrast=9, iterations=2),
        F.total_variation(image, weight=9, iterations=2),
        F.bilateral(image, sigma_vx=0.5, contrast=9),
    ):
        values = found.compute()
        assert np.isnan(values[6, 6, 6])
        assert np.isfinite(values[3, 3, 3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda im: F.anisotropic_diffusion(im, contrast=0), "contrast is positive and finite; got 0"),
        (lambda im: F.anisotropic_diffusion(im, contrast=5, iterations=0), "at least one iteration; got 0"),
        (lambda im: F.anisotropic_diffusion(im, contrast=5, step=0.2), r"a step longer than 0.1667 is not stable .* got 0.2"),
        (lambda im: F.anisotropic_diffusion(im, contrast=5, method="curvature"), "exponential, rational, edge-enhancing; got 'curvature'"),
        (lambda im: F.anisotropic_diffusion(im, contrast=5, sigma_vx=1), "sigma is for method='edge-enhancing'"),
        (lambda im: F.total_variation(im, weight=float("nan")), "weight is positive and finite; got nan"),
        (lambda im: F.total_variation(im, weight=1, iterations=1.5), "iterations is a whole number; got 1.5"),
        (lambda im: F.bilateral(im, sigma_vx=9, contrast=1), "sigma reaches .* beyond an image"),
        (lambda im: F.bilateral(im, contrast=1), "give either sigma="),
        (lambda im: F.total_variation(im.assign(nodata=5), weight=1), "total_variation would mix the no-data value 5"),
        (lambda im: F.anisotropic_diffusion(im.assign(nodata=5), contrast=1), "anisotropic_diffusion would mix the no-data value 5"),
        (lambda im: F.bilateral(im.assign(nodata=5), sigma_vx=1, contrast=1), "bilateral would mix the no-data value 5"),
    ],
)
def test_bad_parameters(call, message):
    with pytest.raises(ParameterError, match=message):
        call(vr.from_array(noisy()))
