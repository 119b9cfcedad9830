"""Rays through slices of known discs."""

import numpy as np
import pytest
import scipy.ndimage as ndi

from voxelrock.kernels import outlines


def disc(shape=(80, 100), center=(38.0, 52.0), radius=25.0):
    a, b = np.ogrid[: shape[0], : shape[1]]
    return ((a - center[0]) ** 2 + (b - center[1]) ** 2 <= radius**2).astype("f4")


def edges(plane, center=(38.0, 52.0), pitch=(1.0, 1.0), outermost=False):
    profiles, step = outlines.ray_profiles(plane, center, pitch)
    return outlines.ray_edges(profiles, step, outermost=outermost)


@pytest.mark.parametrize("outermost", [False, True])
def test_the_edge_of_a_disc_lies_at_its_radius(outermost):
    np.testing.assert_allclose(edges(disc(), outermost=outermost), 25, atol=1.0)
    assert edges(disc(), outermost=outermost).mean() == pytest.approx(25, abs=0.1)


def test_unequal_pitches_are_lengths():
    found = edges(disc()[::2], center=(38.0, 52.0), pitch=(2.0, 1.0))
    assert found.mean() == pytest.approx(25, abs=0.6)


def test_a_thin_wall_around_a_disc_is_not_its_edge():
    plane = disc() + disc(radius=36) - disc(radius=33)
    assert np.median(edges(plane)) == pytest.approx(25, abs=0.5)
    assert np.median(edges(plane, outermost=True)) == pytest.approx(36, abs=0.5)


def test_noise_outside_is_not_an_edge():
    noisy = np.clip(disc() + np.random.default_rng(0).normal(0, 0.35, (80, 100)), 0, 1).astype("f4")
    assert np.median(edges(noisy)) == pytest.approx(25, abs=0.7)


def test_a_ray_that_leaves_the_slice_in_rock_has_no_edge():
    found = edges(disc(center=(38.0, 90.0)), center=(38.0, 80.0))
    assert np.isnan(found[0])  # along +b the disc is cut by the slice
    assert np.isfinite(found[outlines.RAYS // 2])
    assert np.isnan(edges(np.zeros((80, 100), "f4"))).all()


def test_rays_leave_a_slice_where_it_ends():
    reach = outlines.ray_ends((80, 100), (38.0, 52.0), (1.0, 1.0))
    quarter = outlines.RAYS // 4
    assert reach[[0, quarter, 2 * quarter, 3 * quarter]].tolist() == pytest.approx([47, 41, 52, 38])
    points = outlines.ray_points(reach, (38.0, 52.0))
    assert points.min() > -1e-9
    assert (points <= np.array([79, 99]) + 1e-9).all()


def test_box_means_and_block_means_leave_nan_out():
    values = np.random.default_rng(1).normal(size=(2, 12, 15)).astype("f4")
    np.testing.assert_allclose(outlines.box_mean(values, 3)[:, 1:-1, 1:-1], ndi.uniform_filter(values, (1, 3, 3))[:, 1:-1, 1:-1], atol=1e-6)
    values[0, 4, 4] = np.nan
    assert np.isfinite(outlines.box_mean(values, 3)).all()
    np.testing.assert_allclose(outlines.block_means(values, 3)[0, 1, 1], np.nanmean(values[0, 3:6, 3:6]), rtol=1e-6)
    values[0, 3:6, 3:5] = np.nan
    assert np.isnan(outlines.block_means(values, 3)[0, 1, 1])


def test_the_running_rim_forgets_pores_and_keeps_a_missing_side():
    off = np.zeros((4, outlines.RAYS))
    off[:, np.arange(outlines.RAYS) % 3 > 0] = -9.0
    off[:, 100:160] = -20.0
    found = outlines.running_rim(off, width=21)
    assert (found[:80] == 0).all()
    assert (found[115:145] == -20).all()
