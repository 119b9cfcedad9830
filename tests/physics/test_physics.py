"""Analytic answers, with their tolerance and source."""

import math

import numpy as np
import pytest

import voxelrock as vr


@pytest.mark.parametrize("radius", [10.0, 17.3])
def test_the_volume_of_a_ball(radius):
    """4πr³/3; the count of lattice points deviates by less than the surface's share, O(r^1.5) (Gauss' circle problem in 3-D)."""
    grid = vr.VoxelGrid.of(shape=48, spacing=1.0)
    ball = vr.Ball(center={"z": 23.4, "y": 23.9, "x": 24.2}, radius=radius)
    image = vr.full(shape=grid, value=True).where(ball, other=False)
    volume = float(vr.statistics.porosity(image)) * grid.size
    assert volume == pytest.approx(4 / 3 * math.pi * radius**3, rel=4 * radius**1.5 / radius**3)


def test_a_ball_on_an_anisotropic_grid_has_its_volume():
    grid = vr.VoxelGrid.of(shape=vr.ZYX(24, 48, 96), spacing=vr.ZYX("4 um", "2 um", "1 um"))
    ball = vr.Ball(center={"z": "46 um", "y": "47 um", "x": "47.5 um"}, radius="40 um")
    image = vr.full(shape=grid, value=True).where(ball, other=False)
    volume = float(vr.statistics.porosity(image)) * grid.size * grid.voxel_volume
    assert volume == pytest.approx(4 / 3 * math.pi * 40**3, rel=0.004)


def test_a_gaussian_filter_of_a_point_is_a_gaussian():
    """The response has unit sum, and variance sigma² up to sampling and truncation at 4 sigma (under 0.2 %)."""
    array = np.zeros((41, 41, 41), "f4")
    array[20, 20, 20] = 1
    image = vr.from_array(array, spacing=vr.ZYX("2 um", "2 um", "2 um"))
    found = vr.filters.gaussian(image, sigma="5 um").compute().astype("f8")
    assert found.sum() == pytest.approx(1, abs=1e-6)
    place = np.arange(41) * 2.0 - 40
    for axis in range(3):
        marginal = found.sum(axis=tuple(a for a in range(3) if a != axis))
        assert math.sqrt((marginal * place**2).sum()) == pytest.approx(5, rel=2e-3)


def test_white_noise_is_quieted_by_a_mean_as_the_root_of_its_voxels():
    rng = np.random.default_rng(0)
    image = vr.from_array(rng.normal(100, 10, (60, 60, 60)).astype("f4"))
    inner = vr.filters.uniform(image, size_vx=3)[1:-1, 1:-1, 1:-1]  # the reflected border counts some voxels twice
    found = vr.compute(vr.statistics.summary(inner))
    assert float(found["std"]) == pytest.approx(10 / math.sqrt(27), rel=0.03)


def test_layers_have_their_porosity_profile():
    image = vr.from_function(lambda z, y, x: (z % 10) < 3, shape=vr.ZYX(40, 20, 20), dtype=bool, spacing="8 um")
    along, across = (vr.statistics.profile(image, axis=a).values for a in "zx")
    assert set(along) == {0.0, 1.0}
    np.testing.assert_array_equal(across, 0.3)


def test_otsu_of_two_classes_lies_between_them_and_finds_the_porosity():
    """Two well separated normal classes: the threshold lies between the means, the misclassified tails are negligible."""
    rock = vr.generators.blobs(shape=96, porosity=0.3, length=8, seed=3)
    scan = vr.generators.ct_scan(rock, levels={0: 30000, 1: 10000}, noise=1500, seed=4, scanner=vr.generators.Scanner(blur_vx=0))
    limit = float(vr.segmentation.otsu_threshold(scan))
    assert 15000 < limit < 25000
    truth = float(vr.statistics.porosity(rock))
    assert float(vr.statistics.porosity(vr.segmentation.otsu(scan, phase="dark"))) == pytest.approx(truth, abs=2e-3)


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_a_thresholded_gaussian_field_has_its_porosity(fraction):
    """The quantile is analytic; the deviation is that of about (96/(2·length))³ independent volumes."""
    rock = vr.generators.blobs(shape=96, porosity=fraction, length=4, seed=5)
    independent = (96 / 8) ** 3
    assert float(vr.statistics.porosity(rock)) == pytest.approx(fraction, abs=4 * math.sqrt(fraction * (1 - fraction) / independent))


@pytest.mark.parametrize(("neighbours", "threshold"), [(6, 0.3116), (26, 0.0976)])
def test_random_sites_percolate_above_their_threshold_and_not_below(neighbours, threshold):
    """Site percolation on the cubic lattice: Wang et al. 2013, doi:10.1103/PhysRevE.87.052107 (6); Kurzawski, Malarz 2012,
    doi:10.1016/S0034-4877(12)60036-6 (26). At 80³ the transition is narrower than ±10 %."""
    sites = np.random.default_rng(6).random((80, 80, 80))
    for share, spans in ((0.9, False), (1.1, True)):
        image = vr.from_array(sites < share * threshold, block=32)
        found = [float(vr.labels.percolating_porosity(image, axis=axis, connectivity=neighbours, of="pore")) for axis in "zyx"]
        assert [value > 0 for value in found] == [spans] * 3


def test_apart_spheres_are_counted_and_have_their_volumes():
    """Balls on a lattice that do not touch: as many components, each with the volume of a ball, 4πr³/3 up to the surface's share."""
    centers = np.stack(np.meshgrid(*[np.arange(10.0, 60, 20)] * 3, indexing="ij"), -1).reshape(-1, 3)
    image = vr.generators.sphere_pack(dict(zip("zyx", centers.T)), 8.0, shape=60, block=23)
    balls = ~image if float(vr.statistics.porosity(image)) > 0.5 else image
    assert int(vr.labels.count(balls)) == 27
    table = vr.labels.table(vr.labels.label(balls))
    np.testing.assert_allclose(table["volume"], 4 / 3 * math.pi * 8**3, rtol=4 * 8**1.5 / 8**3)
    np.testing.assert_allclose(table["centroid"].values[:, 0], np.sort(centers[:, 0]), atol=1e-9)
    assert not table["touches"].values.any()
