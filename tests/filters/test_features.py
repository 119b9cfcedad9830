"""Derivatives and what is made of them: against SciPy bit for bit, body against body, in physical units."""

import array_api_strict
import numpy as np
import pytest
import scipy.ndimage as ndi
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

import voxelrock as vr
from tests.filters import features_dense as dense
from voxelrock.errors import ParameterError, TooLargeError
from voxelrock.kernels import derivatives as kernels
from voxelrock.kernels.convolution import gaussian_halo
from voxelrock.kernels.eigenvalues import eigenvalue

HOST, ELSEWHERE = array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")
F = vr.filters


def smooth(shape=(20, 17, 24), dtype="f4", seed=0):
    a = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1)
    return (a / a.std() * 30 + 100).astype(dtype)


def elsewhere(kernel, *blocks, **facts):
    found = kernel(*(array_api_strict.asarray(b, device=ELSEWHERE) for b in blocks), **facts)
    return np.asarray(array_api_strict.asarray(found, device=HOST))


@pytest.mark.parametrize("dtype", ["bool", "u1", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("order", [(0, 0, 0), (1, 0, 0), (0, 1, 2), (1, 1, 1), (0, 3, 0), (0, 0, 4)])
def test_derivatives_are_scipys(dtype, order):
    a = smooth() > 100 if dtype == "bool" else smooth(dtype=dtype)
    sigma = (1.0, 1.3, 0.8)
    found = F.gaussian_derivative(vr.from_array(a), order=order, sigma_vx=sigma).compute()
    if dtype == "f8":
        np.testing.assert_allclose(found, ndi.gaussian_filter(a, sigma, order=order), rtol=0, atol=1e-12)
    else:
        assert found.tobytes() == ndi.gaussian_filter(a.view("u1") if dtype == "bool" else a, sigma, order=order, output="f4").tobytes()


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "f8"])
@pytest.mark.parametrize(
    ("kernel", "facts"),
    [
        (kernels.gaussian_derivative, dict(order=(1, 2, 0), scale=0.7)),
        (kernels.gradient_magnitude, dict(scales=(1.0, 0.5, 0.3))),
        (kernels.laplacian_of_gaussian, dict(scales=(1.0, 0.5, 0.3))),
        (kernels.hessian_eigenvalue, dict(scales=(1.0, 0.5, 0.3), rank=2)),
        (kernels.structure_tensor_eigenvalue, dict(scales=(1.0, 0.5, 0.3), rank=1, integration=(0.6, 0.3, 0.5))),
    ],
)
def test_the_bodies_agree_bit_for_bit(kernel, facts, dtype):
    facts = dict(sigma=(0.5, 0.8, 0.6), truncate=4.0) | facts
    block = smooth(dtype=dtype)
    found = kernel(block, **facts)
    assert found.dtype == ("f8" if dtype == "f8" else "f4")
    assert found.tobytes() == elsewhere(kernel, block, **facts).tobytes()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_eigenvalues_of_any_matrix(rank):
    rng = np.random.default_rng(0)
    m = rng.normal(size=(9, 10, 11, 3, 3)) * 10.0 ** rng.integers(-6, 6, (9, 10, 11, 1, 1))
    m[0] = 0  # nothing
    m[1] = np.eye(3) * 5.0  # three alike
    m[2] = np.diag([2.0, 2.0, -1.0])  # two alike
    m[3] = np.diag([2.0, -1.0, -1.0])
    m[4] = rng.normal(size=(10, 11, 3, 1)) * np.ones(3)
    m[4] = m[4] @ np.swapaxes(m[4], -1, -2)  # of rank 1
    m = (m + np.swapaxes(m, -1, -2)) / 2
    parts = [np.ascontiguousarray(m[..., i, j]) for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
    found = eigenvalue(parts, factors=(1.0,) * 6, rank=rank)
    true = np.linalg.eigvalsh(m)
    assert (np.abs(found - true[..., 3 - rank]) <= 1e-6 * np.abs(true).max(-1)).all()
    assert found.tobytes() == elsewhere(lambda *p: eigenvalue(p, factors=(1.0,) * 6, rank=rank), *parts).tobytes()


def test_hessian_eigenvalues_are_scikit_images_inside():
    a = smooth((24, 24, 24), "f8")
    theirs = hessian_matrix_eigvals(hessian_matrix(a, 1.0, use_gaussian_derivatives=True))
    inside = (slice(8, -8),) * 3
    for rank in (1, 2, 3):
        ours = F.hessian_eigenvalues(vr.from_array(a), rank=rank, sigma_vx=1).compute()
        np.testing.assert_allclose(
            ours[inside], theirs[rank - 1][inside], rtol=0, atol=0.03 * np.abs(theirs).max()
        )  # they derive twice by a first derivative each


def test_lengths_are_physical():
    a = smooth((14, 14, 14), "f8")
    spacing = (2.0, 1.0, 0.5)
    image = vr.from_array(a, spacing=spacing, unit="um")
    sigma = (0.75, 1.5, 3.0)
    np.testing.assert_allclose(
        F.gaussian_derivative(image, order=(1, 0, 2), sigma="1.5 um").compute(), dense.derivative(a, sigma, (1, 0, 2), spacing), atol=1e-10
    )
    np.testing.assert_allclose(F.hessian_eigenvalues(image, rank=3, sigma=1.5).compute(), dense.hessian(a, sigma, 3, spacing), atol=1e-8)
    np.testing.assert_allclose(
        F.structure_tensor_eigenvalues(image, rank=1, sigma=1.5, integration=1).compute(), dense.structure_tensor(a, sigma, (0.5, 1, 2), 1, spacing), rtol=1e-6
    )
    slope = [dense.derivative(a, sigma, row, spacing) for row in np.eye(3, dtype=int)]
    np.testing.assert_allclose(F.gradient_magnitude(image, sigma=1.5).compute(), np.sqrt(sum(s**2 for s in slope)), atol=1e-10)
    bends = [dense.derivative(a, sigma, 2 * row, spacing) for row in np.eye(3, dtype=int)]
    np.testing.assert_allclose(F.laplacian_of_gaussian(image, sigma=1.5).compute(), sum(bends), atol=1e-10)


def test_a_dark_sheet_a_fibre_and_a_blob_bend_one_two_and_three_ways():
    z, y, x = np.ogrid[:25, :25, :25]
    for count, distance in enumerate(((z - 12) ** 2 + 0 * (y + x), (z - 12) ** 2 + (y - 12) ** 2 + 0 * x, (z - 12) ** 2 + (y - 12) ** 2 + (x - 12) ** 2), 1):
        image = vr.from_array((100 - 80 * np.exp(-distance / 8)).astype("f4"))
        found = [F.hessian_eigenvalues(image, rank=k, sigma_vx=2).compute()[12, 12, 12] for k in (1, 2, 3)]
        assert [v > 2 for v in found] == [k < count for k in range(3)]


def test_sharpening_overshoots_and_nothing_wraps():
    a = np.where(np.arange(16) > 7, 250, 5).astype("u1") * np.ones((16, 16, 16), "u1")
    found = F.unsharp_mask(vr.from_array(a), sigma_vx=1.5, amount=2).compute()
    assert found.dtype == np.float32
    assert found.min() < -20
    assert found.max() > 275
    np.testing.assert_allclose(found, dense.unsharp(a.astype("f8"), 1.5, 2), atol=1e-3)


def test_nan_and_infinity_stay_within_the_window():
    a = smooth()
    a[10, 8, 12] = np.nan
    for make in (
        lambda im: F.gradient_magnitude(im, sigma_vx=0.5),
        lambda im: F.hessian_eigenvalues(im, rank=1, sigma_vx=0.5),
        lambda im: F.unsharp_mask(im, sigma_vx=0.5),
    ):
        found = make(vr.from_array(a)).compute()
        assert np.isnan(found[10, 8, 12])
        assert np.isnan(found).sum() <= 5**3
    assert gaussian_halo(sigma=(0.5,) * 3, truncate=4.0) == (2, 2, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda im: F.gradient_magnitude(im), "give either sigma="),
        (lambda im: F.gradient_magnitude(im, sigma_vx=(1, 0, 1)), "needs a sigma that reaches a voxel along every axis"),
        (lambda im: F.gaussian_derivative(im, order=(5, 0, 0), sigma_vx=1), "from 0 to 4 along each axis"),
        (lambda im: F.gaussian_derivative(im, order=(0.5, 0, 0), sigma_vx=1), "order is a whole number"),
        (lambda im: F.hessian_eigenvalues(im, rank=0, sigma_vx=1), r"1 \(the largest\), 2 or 3; got 0"),
        (lambda im: F.structure_tensor_eigenvalues(im, rank=1, sigma_vx=1), "give either integration="),
        (lambda im: F.laplacian_of_gaussian(im, sigma_vx=1, truncate=0), "truncate is positive"),
        (lambda im: F.unsharp_mask(im, sigma_vx=1, amount=float("inf")), "amount is a finite number"),
        (lambda im: F.unsharp_mask(im.assign(nodata=3), sigma_vx=1), "unsharp_mask would mix the no-data value 3"),
        (lambda im: F.hessian_eigenvalues(im.assign(nodata=3), rank=1, sigma_vx=1), "hessian_eigenvalues would mix the no-data value 3"),
    ],
)
def test_bad_parameters(call, message):
    with pytest.raises(ParameterError, match=message):
        call(vr.from_array(smooth()))


@pytest.mark.parametrize(
    "call",
    [
        lambda im: F.gaussian(im, sigma_vx=1e6),
        lambda im: F.gaussian(im, sigma_vx=1, truncate=1e9),
        lambda im: F.uniform(im, size_vx=10**7 + 1),
        lambda im: F.gradient_magnitude(im, sigma_vx=1e300),
        lambda im: F.structure_tensor_eigenvalues(im, rank=1, sigma_vx=1, integration_vx=1e6),
        lambda im: F.unsharp_mask(im, sigma_vx=1e6),
        lambda im: F.anisotropic_diffusion(im, contrast=5, method="edge-enhancing", sigma_vx=1e6),
        lambda im: vr.segmentation.niblack_threshold(im, size_vx=10**7 + 1),
        lambda im: vr.segmentation.edge_threshold(im, scale_vx=1e6),
    ],
)
def test_a_border_that_no_task_can_hold_is_refused(call):
    with pytest.raises(TooLargeError, match=r"beyond an image of \(6, 7, 8\).*more than options.memory.*take less"):
        call(vr.ones(shape=vr.ZYX(6, 7, 8)))


@pytest.mark.parametrize("call", [F.median, vr.segmentation.majority_vote], ids=["median", "vote"])
def test_windows_are_of_whole_voxels_within_the_image(call):
    image = vr.ones(shape=vr.ZYX(6, 7, 8))
    with pytest.raises(ParameterError, match=r"radius reaches \(6, 6, 6\) voxels along \(z, y, x\), beyond an image of \(6, 7, 8\): take less"):
        call(image, radius_vx=6)
    with pytest.raises(ParameterError, match="radius_vx is a whole number of voxels"):
        call(image, radius_vx=1.5)
    assert call(image, radius_vx=5).compute().all()


def test_a_filter_may_look_beyond_the_image():
    a = np.random.default_rng(1).random((1, 9, 7)).astype("f4")
    np.testing.assert_array_equal(F.gaussian(vr.from_array(a), sigma_vx=4).compute(), ndi.gaussian_filter(a, 4, output="f4"))
