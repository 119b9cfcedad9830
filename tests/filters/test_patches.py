"""Non-local means against the definition, body against body, and what it is for."""

import array_api_strict
import numpy as np
import pytest
from skimage.restoration import denoise_nl_means

import voxelrock as vr
from tests.filters import denoising_dense as dense
from tests.filters import noise_dense
from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels.nonlocal_means import non_local_means, non_local_means_halo
from voxelrock.testing import stored

HOST, ELSEWHERE = array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")


def noisy(shape=(12, 17, 14), dtype="u1", seed=0):
    rng = np.random.default_rng(seed)
    z = np.arange(shape[0])[:, None, None]
    return (np.where(z // 5 % 2, 150, 90) + rng.normal(0, 9, shape)).astype(dtype)


def block_of(a, search, patch):
    return np.pad(a, [(s + p,) * 2 for s, p in zip(search, patch)], mode="symmetric")


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "f4", "f8"])
@pytest.mark.parametrize(
    ("search", "patch"), [((2, 3, 1), (1, 1, 2)), ((1, 1, 1), (0, 0, 0)), ((0, 2, 2), (0, 2, 2)), ((2, 2, 2), (3, 1, 4)), ((0, 0, 0), (1, 1, 1))]
)
@pytest.mark.parametrize("rician", [False, True])
def test_equals_the_definition_and_the_bodies_agree_bit_for_bit(dtype, search, patch, rician):
    a = noisy(dtype=dtype)
    facts = dict(search=search, patch=patch, noise=9.0, strength=0.8, rician=rician)
    block = block_of(a, search, patch)
    found = non_local_means(block, **facts)
    assert found.dtype == ("f8" if dtype == "f8" else "f4")
    np.testing.assert_allclose(found, dense.non_local_means(a, search, patch, 9.0, 0.8, rician), rtol=3e-5)
    elsewhere = non_local_means(array_api_strict.asarray(block, device=ELSEWHERE), **facts)
    assert np.asarray(array_api_strict.asarray(elsewhere, device=HOST)).tobytes() == found.tobytes()


def test_a_block_gives_what_the_whole_gives_across_tiles():
    a = noisy((30, 55, 150))
    search, patch = (2, 2, 2), (1, 1, 1)
    halo = non_local_means_halo(search=search, patch=patch)
    wide = block_of(a, search, patch)
    whole = non_local_means(wide, search=search, patch=patch, noise=9.0, strength=1.0)
    for corner, size in [((0, 0, 0), (7, 9, 11)), ((20, 40, 100), (10, 15, 50)), ((3, 47, 125), (25, 3, 9))]:
        part = wide[tuple(slice(c, c + n + 2 * h) for c, n, h in zip(corner, size, halo))]
        found = non_local_means(part, search=search, patch=patch, noise=9.0, strength=1.0)
        assert found.tobytes() == whole[tuple(slice(c, c + n) for c, n in zip(corner, size))].tobytes()


def scan(noise, seed=1, correlation=0.0):
    rock = vr.generators.sandstone(shape=48, seed=1, radius=8)
    return vr.generators.ct_scan(rock, noise=noise, seed=seed, scanner=vr.generators.Scanner(correlation_vx=correlation))


def psnr(found, truth):
    return 10 * np.log10(15000**2 / np.mean((np.asarray(found, "f8") - truth) ** 2))


def test_is_as_good_as_scikit_image_at_the_best_strength_of_each():
    truth = scan(0).compute().astype("f8")
    image = scan(2500)
    values = image.compute().astype("f4")
    ours = max(psnr(vr.filters.non_local_means(image, search_vx=4, patch_vx=1, noise=2500, strength=s).compute(), truth) for s in (0.8, 0.9, 1.0, 1.2))
    theirs = max(psnr(denoise_nl_means(values, 3, 4, h=2500 * s, sigma=2500, fast_mode=True), truth) for s in (0.3, 0.4, 0.5, 0.6))
    assert ours > theirs - 0.05
    assert ours > psnr(values, truth) + 9


def test_finds_the_noise_level_itself():
    image = scan(2500)
    level = vr.statistics.noise_level(image)
    assert float(level) == pytest.approx(2500, rel=0.05)
    own = vr.filters.non_local_means(image, search_vx=2).compute()
    assert own.tobytes() == vr.filters.non_local_means(image, search_vx=2, noise=level).compute().tobytes()
    assert own.tobytes() == vr.filters.non_local_means(image, search_vx=2, noise=float(level)).compute().tobytes()
    assert own.tobytes() == vr.filters.non_local_means(image.rechunk(17), search_vx=2).compute().tobytes()


def test_noise_that_is_correlated_is_seen_whole_further_away():
    image = vr.generators.ct_scan(vr.zeros(shape=48), levels={0: 20000}, noise=2500, scanner=vr.generators.Scanner(correlation_vx=1.0))
    assert float(vr.statistics.noise_level(image)) < 2100
    assert float(vr.statistics.noise_level(image, lag_vx=3)) == pytest.approx(2500, rel=0.03)


def test_noise_beside_no_data_and_outside_where_counts_nothing():
    a = noisy((20, 20, 20), "f4")
    a[:, :, 10:] = 1e6
    mask = np.zeros(a.shape, bool)
    mask[:, :, :10] = True
    expected = noise_dense.level(a, where=mask)
    assert float(vr.statistics.noise_level(vr.from_array(a), where=vr.from_array(mask))) == expected
    assert float(vr.statistics.noise_level(vr.from_array(a).assign(nodata=1e6))) == expected


def test_magnitudes_lose_their_bias():
    rng = np.random.default_rng(0)
    truth = np.where(np.arange(24)[:, None, None] < 12, 0.0, 40.0) * np.ones((24, 24, 24))
    a = np.hypot(truth + rng.normal(0, 10, truth.shape), rng.normal(0, 10, truth.shape)).astype("f4")
    image = vr.from_array(a)
    found = vr.filters.non_local_means(image, search_vx=3, noise=10, strength=1.5, model="rician").compute()
    plain = vr.filters.non_local_means(image, search_vx=3, noise=10, strength=1.5).compute()
    assert abs(found[:8].mean()) < 0.5 * plain[:8].mean()
    assert found[16:].mean() == pytest.approx(40, abs=0.6)


def test_extremes():
    flat = vr.from_array(np.full((6, 6, 6), 7, "u2"))
    assert (vr.filters.non_local_means(flat, search_vx=2).compute() == 7).all()  # no noise: the values themselves
    far = noisy((8, 8, 8), "f4")
    far[4, 4, 4] = 1e30  # weights of what is unlike are 0, not garbage
    found = vr.filters.non_local_means(vr.from_array(far), search_vx=2, noise=9).compute()
    assert np.isfinite(found).all()
    assert found[4, 4, 4] == np.float32(1e30)
    far[4, 4, 4] = np.nan
    found = vr.filters.non_local_means(vr.from_array(far), search_vx=1, noise=9).compute()
    assert np.isnan(found[4, 4, 4])
    assert np.isfinite(found[0, 0, 0])
    wide = noisy((10, 10, 10))
    small = vr.filters.non_local_means(stored(wide, ((1,) * 10,) * 3), search_vx=4, noise=9)  # reaches over many chunks
    assert small.compute().tobytes() == vr.filters.non_local_means(vr.from_array(wide), search_vx=4, noise=9).compute().tobytes()


def test_a_length_is_physical_and_rounded_down():
    a = noisy((9, 9, 9))
    image = vr.from_array(a, spacing={"z": "4 um", "y": "2 um", "x": "2 um"})
    found = vr.filters.non_local_means(image, search="5 um", noise=9).compute()
    assert found.tobytes() == vr.filters.non_local_means(image, search_vx=(1, 2, 2), noise=9).compute().tobytes()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "give either search="),
        ({"search_vx": 12}, r"search reaches \(12, 12, 12\) voxels along \(z, y, x\), beyond an image of \(12, 17, 14\): take less"),
        ({"search_vx": 1.5}, "search_vx is a whole number of voxels"),
        ({"search": 0.5}, "less than one voxel along every axis"),
        ({"search_vx": 2, "noise": -1}, "noise is a standard deviation"),
        ({"search_vx": 2, "strength": 0}, "strength is positive and finite; got 0"),
        ({"search_vx": 2, "model": "poisson"}, "'gaussian' or 'rician'; got 'poisson'"),
        ({"search_vx": 2, "patch_vx": 20}, "patch reaches"),
    ],
)
def test_bad_parameters(how, message):
    with pytest.raises(ParameterError, match=message):
        vr.filters.non_local_means(vr.from_array(noisy()), **how)


def test_bad_values():
    image = vr.from_array(noisy(dtype="f4"))
    with pytest.raises(ParameterError, match="non_local_means would mix the no-data value 5"):
        vr.filters.non_local_means(image.assign(nodata=5), search_vx=1)
    hole = noisy(dtype="f4")
    hole[3, 3, 3] = np.nan
    with pytest.raises(DataError, match="NaN"):
        vr.filters.non_local_means(vr.from_array(hole), search_vx=1).compute()
    with pytest.raises(DataError, match="leaves the range of float64"):
        vr.filters.non_local_means(vr.from_array(noisy(dtype="f8") * 1e-300), search_vx=1).compute()
    with pytest.raises(DataError, match="finite and not negative"):
        vr.filters.non_local_means(image, search_vx=1, noise=vr.statistics.summary(image - 1000.0)["mean"]).compute()
    with pytest.raises(ParameterError, match=r"lag_vx is at least 1 and less than half of every edge of the image, \(12, 17, 14\) voxels; got 6"):
        vr.statistics.noise_level(image, lag_vx=6)
