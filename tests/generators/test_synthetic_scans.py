"""Synthetic scans: levels, noise, blur and artefacts as asked for."""

import numpy as np
import pytest
import scipy.ndimage

from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.generators import Scanner, blobs, ct_scan, plug, sandstone, tight
from voxelrock.geometry import Cylinder
from voxelrock.geometry.axes import ZYX
from voxelrock.image.creation import from_array, full
from voxelrock.kernels.fields import correlation

PLAIN = Scanner(blur_vx=0, correlation_vx=0)
WILD = Scanner(cupping=0.2, rings=30, ring_width_vx=2)


def flat(shape=64, value=1, **more):
    return full(shape=shape, value=value, dtype="u1", **more)


def test_blocks_do_not_exist():
    shape = ZYX(z=9, y=11, x=13)

    def scan(block, **more):
        return ct_scan(sandstone(shape=shape, radius=4, seed=1, block=block), scanner=WILD, seed=3, **more)

    whole = scan(20).compute()
    assert (scan((7, 5, 9)).compute() == whole).all()
    assert (scan((2, 3, 4)).compute() == whole).all()
    assert (scan((7, 5, 9), partial_volume=2).compute() == scan(20, partial_volume=2).compute()).all()
    tiny = ct_scan(blobs(shape=ZYX(z=3, y=2, x=4), block=1), scanner=WILD).compute()
    assert (tiny == ct_scan(blobs(shape=ZYX(z=3, y=2, x=4)), scanner=WILD).compute()).all()


def test_a_far_corner_of_a_huge_scan():
    corner = ct_scan(sandstone(shape=10_000, seed=1), scanner=WILD)[9_990:, 9_990:, 9_990:]
    assert corner.compute().std() > 0


def test_levels_are_recovered():
    phases = from_array(np.repeat([0, 1, 2], 24)[:, None, None].repeat(48, 1).repeat(48, 2).astype("u1"))
    scan = ct_scan(phases, levels={0: 1_000, 1: 20_000, 2: 41_234}, noise=500).compute()
    inner = [scan[s : s + 12].mean() for s in (6, 30, 54)]
    assert scan.dtype == np.uint16
    assert inner == pytest.approx([1_000, 20_000, 41_234], abs=4 * 500 * np.sqrt(5 / 27_000))
    exact = ct_scan(phases, levels=(5, 70, 255), noise=0, scanner=PLAIN, dtype="u1").compute()
    assert (exact == np.array([5, 70, 255])[phases.compute()]).all()


@pytest.mark.parametrize("length", [0.0, 1.0, 2.0])
def test_noise_has_the_deviation_and_correlation_asked_for(length):
    noise = ct_scan(flat(), levels={1: 30_000}, noise=800, scanner=Scanner(correlation_vx=length), dtype="f4", seed=5).compute() - 30_000
    volume = (2 * correlation(length)[1:].sum() + 1) ** 3
    assert noise.std() == pytest.approx(800, rel=4 * np.sqrt(volume / 2 / noise.size))
    expected = np.append(correlation(length), np.zeros(3))
    for axis in range(3):
        a, b = np.moveaxis(noise, axis, 0)[1:], np.moveaxis(noise, axis, 0)[:-1]
        assert (a * b).mean() / 800**2 == pytest.approx(expected[1], abs=4 * np.sqrt(2 * volume / noise.size))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_contrast_over_noise_is_six_unless_asked(dtype):
    rock = sandstone(shape=96, radius=10, porosity=0.3, seed=2)
    voxels, scan = rock.compute(), ct_scan(rock, dtype=dtype).compute().astype(float)
    cores = [scipy.ndimage.binary_erosion(np.isin(voxels, labels), iterations=3) for labels in ((0,), (1, 4))]
    pore, quartz = (scan[core] for core in cores)
    assert min(pore.size, quartz.size) > 5_000
    assert abs(quartz.mean() - pore.mean()) / quartz.std() == pytest.approx(6, rel=0.03)
    assert pore.std() == pytest.approx(quartz.std(), rel=0.05)


def test_blur_is_a_gaussian():
    point = np.zeros((21, 21, 21), "u1")
    point[10, 10, 10] = 1
    scan = ct_scan(from_array(point), levels=(0, 1_000), noise=0, scanner=Scanner(blur_vx=1.5), dtype="f4").compute()
    assert np.abs(scan - scipy.ndimage.gaussian_filter(point * np.float32(1_000), 1.5)).max() < 1e-4


def test_partial_volume_averages_and_coarsens():
    pores = blobs(shape=ZYX(z=12, y=14, x=17), length=3, spacing="2 um", seed=1)
    scan = ct_scan(pores, levels=(800, 0), noise=0, partial_volume=2, scanner=PLAIN, dtype="f4")
    mean = (~pores.compute()[:, :, :16]).reshape(6, 2, 7, 2, 8, 2).mean((1, 3, 5)) * 800
    assert (scan.compute() == mean.astype("f4")).all()
    assert (scan.shape, scan.grid.spacing.x) == ((6, 7, 8), 4.0)


def radial(scan, center=(31.5, 31.5)):
    """Mean over z and over rings one voxel wide, about the axis."""
    y, x = np.mgrid[: scan.shape[1], : scan.shape[2]]
    ring = np.floor(np.hypot(y - center[0], x - center[1])).astype(int)
    return np.bincount(ring.ravel(), scan.mean(0).ravel()) / np.bincount(ring.ravel())


def test_cupping_is_seen_in_radial_means():
    phases = plug(flat(phases=sandstone(shape=4).phases), radius=28)
    levels = {1: 30_000, 6: 10_000}
    made = ct_scan(phases, levels=levels, noise=500, scanner=Scanner(blur_vx=0, cupping=0.3)).compute()
    profile = radial(made)
    at = np.arange(27) + 0.5
    assert profile[2:27] == pytest.approx(10_000 + 20_000 * (1 - 0.3 * (1 - (at[2:] / 32) ** 2)), abs=150)
    assert made[:, :3, :3].mean() == pytest.approx(10_000, abs=120)
    assert np.ptp(radial(ct_scan(phases, levels=levels, noise=500, scanner=PLAIN).compute())[2:27]) < 300


def test_rings_are_seen_in_radial_means():
    def profile(**rings):
        scanner = Scanner(axis=Cylinder(axis="z", radius=30, center={"y": 30, "x": 28}), **rings)
        return radial(ct_scan(flat(), levels={1: 20_000}, noise=300, scanner=scanner, dtype="f4", seed=2).compute(), (30, 28))[3:30]

    assert profile().std() < 40
    found = profile(rings=400, ring_share=1.0)
    assert found.std() == pytest.approx(400, rel=0.4)
    few = profile(rings=400, ring_share=0.2)
    assert 2 <= (np.abs(few - 20_000) > 100).sum() <= 12


@pytest.mark.parametrize(("dtype", "top"), [("u1", 255), ("u2", 65_535)])
def test_clipping_never_wraps(dtype, top):
    for level, other in ((0, top), (top, 0)):
        scan = ct_scan(flat(24), levels={1: level}, noise=0.1 * top, dtype=dtype).compute()
        assert scan.dtype == np.dtype(dtype)
        assert (scan == level).mean() == pytest.approx(0.5, abs=0.05)
        assert np.abs(scan.astype(float) - other).min() > 0.4 * top


def test_levels_by_name_and_role():
    rock = tight(shape=48, seed=1)
    scan = ct_scan(rock, noise=0, scanner=PLAIN).compute()
    means = [scan[rock.compute() == k].mean() for k in (0, 4, 1, 2, 3)]
    assert means == sorted(means)
    assert means[2] == 29_000
    pores = ct_scan(blobs(shape=8, seed=1), noise=0, scanner=PLAIN, dtype="u1").compute()
    assert set(np.unique(pores)) == {54, 112}


def test_metadata():
    scan = ct_scan(sandstone(shape=8, spacing="5 um"), scanner=WILD, seed=9)
    assert (scan.field.name, dict(scan.phases), scan.grid.unit) == ("grey", {}, "um")
    assert scan.history[-1]["operation"] == "generators.ct_scan"
    assert scan.history[-1]["parameters"]["scanner"]["rings"] == 30
    assert scan.dtype == np.uint16


def test_bad_parameters_are_refused():
    labels = flat(8)
    with pytest.raises(ParameterError, match="does not say what its labels are"):
        ct_scan(labels)
    with pytest.raises(ParameterError, match="one grey level only"):
        ct_scan(labels, levels={1: 5})
    with pytest.raises(DataError, match="phase 1 has no grey level"):
        ct_scan(labels, levels={0: 5, 2: 8}).compute()
    with pytest.raises(ParameterError, match="u1, u2 or f4"):
        ct_scan(labels, levels=(1, 2), dtype="i4")
    with pytest.raises(ParameterTypeError, match="segmentation"):
        ct_scan(full(shape=4, value=1.5), levels=(1, 2))
    with pytest.raises(ParameterError, match="labels from 0"):
        ct_scan(labels, levels={-1: 5, 2: 8})
    with pytest.raises(ParameterError, match="noise"):
        ct_scan(labels, levels=(1, 2), noise=-3)
    with pytest.raises(ParameterError, match="coarsen"):
        ct_scan(labels, levels=(1, 2), partial_volume=0)
    for wrong in ({"blur_vx": -1}, {"cupping": 1.0}, {"ring_width_vx": 0}, {"rings": np.nan}, {"axis": Cylinder(axis="x", radius=1, center={"z": 0, "y": 0})}):
        with pytest.raises(ParameterError):
            Scanner(**wrong)
