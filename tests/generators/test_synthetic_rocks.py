"""Synthetic rocks: what they are made of, and that no voxel depends on blocks."""

import numpy as np
import pytest

from voxelrock.errors import ParameterError, UnitError
from voxelrock.generators import blobs, carbonate, ct_scan, plug, random_sphere_pack, sandstone, tight
from voxelrock.geometry import VoxelGrid
from voxelrock.geometry.axes import ZYX

SMALL = ZYX(z=9, y=11, x=13)
CASES = {
    "blobs": lambda shape, **more: blobs(shape=shape, porosity=0.3, length=3, seed=4, **more),
    "long blobs": lambda shape, **more: blobs(shape=shape, porosity=0.5, length=16, seed=4, **more),
    "random_sphere_pack": lambda shape, **more: random_sphere_pack(shape=shape, radius=3, seed=4, **more),
    "sandstone": lambda shape, **more: sandstone(shape=shape, radius=4, seed=4, **more),
    "carbonate": lambda shape, **more: carbonate(shape=shape, radius=4, seed=4, **more),
    "tight": lambda shape, **more: tight(shape=shape, radius=4, seed=4, porosity=0.08, **more),
    "plug": lambda shape, **more: plug(sandstone(shape=shape, radius=4, seed=4, **more), radius=4),
}


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and (a == b).all()


def shares(image):
    voxels = image.compute().ravel()
    return np.bincount(voxels, minlength=len(image.phases)) / voxels.size


@pytest.mark.parametrize("name", CASES)
def test_blocks_do_not_exist(name):
    whole = CASES[name](SMALL, block=20)
    voxels = whole.compute()
    assert np.unique(voxels).size > 1
    assert same(CASES[name](SMALL, block=(7, 5, 9)).compute(), voxels)
    tiny = ZYX(z=3, y=2, x=4)
    if name != "plug":  # whose axis follows the shape
        assert same(CASES[name](tiny, block=1).compute(), voxels[:3, :2, :4])
    assert whole.fingerprint == CASES[name](SMALL).fingerprint


@pytest.mark.parametrize("name", CASES)
def test_a_far_corner_of_a_huge_image(name):
    huge = CASES[name](10_000)
    assert huge.size == 10**12
    corner = huge[9_990:, 9_990:, 9_990:].compute()
    assert corner.shape == (10, 10, 10)
    if name != "plug":
        assert same(corner, huge[9_985:, 9_980:, 9_990:].compute()[5:, 10:])


@pytest.mark.parametrize("name", CASES)
def test_metadata(name):
    image = CASES[name](SMALL, spacing="8 um")
    assert image.grid.unit == "um"
    assert image.history[-1]["operation"] == f"generators.{name.split()[-1]}"
    assert image.history[-1]["parameters"]
    assert {p.role for p in image.phases.values()} >= {"pore", "solid"}
    assert all(p.color.startswith("#") for p in image.phases.values())
    assert set(np.unique(image.compute())) <= set(image.phases)


def test_seeds_differ():
    assert not same(blobs(shape=24, seed=1).compute(), blobs(shape=24, seed=2).compute())
    assert not same(sandstone(shape=24, radius=4, seed=1).compute(), sandstone(shape=24, radius=4, seed=4).compute())


@pytest.mark.parametrize("porosity", [0.05, 0.3, 0.7])
def test_porosity_of_blobs(porosity):
    pores = blobs(shape=96, porosity=porosity, length="20 um", spacing="5 um", seed=3)
    # One independent volume is (√π length)³ = 356 voxels: about 2 500 of them.
    assert pores.dtype == bool
    assert pores.compute().mean() == pytest.approx(porosity, abs=4 * np.sqrt(porosity * (1 - porosity) / 2_500))
    assert (pores.phases[1].role, pores.phases[0].role) == ("pore", "solid")


def test_lengths_are_physical_on_any_grid():
    grid = VoxelGrid.of(shape=ZYX(z=40, y=80, x=80), spacing=ZYX(z="8 um", y="4 um", x="4 um"))
    voxels = blobs(shape=grid, porosity=0.5, length="0.024 mm", seed=1).compute()
    flips = [np.mean(np.diff(voxels, axis=axis)) for axis in range(3)]
    assert flips[0] == pytest.approx(2 * flips[1], rel=0.15)
    assert flips[1] == pytest.approx(flips[2], rel=0.1)
    assert same(blobs(shape=20, length="5 voxel").compute(), blobs(shape=20, length=5).compute())


@pytest.mark.parametrize(("spread", "fraction"), [(0.0, 0.62), (0.2, 0.6), (0.4, 0.61)])
def test_random_sphere_packs_are_dense(spread, fraction):
    pack = random_sphere_pack(shape=120, radius=3, spread=spread, fraction=fraction, seed=2)  # the cell exactly
    assert pack.compute().mean() == pytest.approx(fraction, abs=2e-3)
    assert same(pack.compute(), random_sphere_pack(shape=240, radius=3, spread=spread, fraction=fraction, seed=2)[120:, 120:, 120:].compute())


@pytest.mark.parametrize("porosity", [0.08, 0.2, 0.3])
def test_sandstone(porosity):
    rock = sandstone(shape=128, porosity=porosity, radius=4, seed=1)
    pore, quartz, feldspar, heavy, cement, clay = shares(rock)
    assert pore == pytest.approx(porosity, abs=0.01)
    assert quartz > 4 * feldspar > 40 * heavy > 0
    assert cement == pytest.approx(0.05, abs=0.01)
    assert clay == pytest.approx(0.12 * porosity, rel=0.3)


@pytest.mark.parametrize("porosity", [0.08, 0.16, 0.25])
def test_carbonate(porosity):
    pore, calcite, micrite, spar = shares(carbonate(shape=128, porosity=porosity, radius=4, seed=1))
    assert pore == pytest.approx(porosity, abs=0.015)
    assert 0.2 < calcite < 0.5
    assert 0.3 < micrite < 0.6
    assert 0.03 < spar < 0.12


def test_tight_rock_has_few_pores():
    pore, quartz, dolomite, pyrite, clay = shares(tight(shape=160, seed=1))
    assert 0.02 < pore < 0.045
    assert quartz > clay > dolomite > pyrite > 0
    assert shares(tight(shape=64, porosity=0.0))[0] == 0


def test_plug_stands_in_air():
    rock = sandstone(shape=40, spacing="10 um", radius="40 um")
    cut = plug(rock, radius="150 um")
    voxels, whole = cut.compute(), rock.compute()
    y, x = np.mgrid[:40, :40] * 10.0 - 195.0
    inside = (y**2 + x**2 <= 150.0**2)[None].repeat(40, 0)
    assert (voxels[inside] == whole[inside]).all()
    assert (voxels[~inside] == 6).all()
    assert (cut.phases[6].role, cut.dtype) == ("outside", np.uint8)
    along_x = plug(rock, radius=100, axis="x", center={"z": 200, "y": 150}, outside=9).compute()
    assert (along_x[:5] == 9).all()
    assert (along_x[20, 15] == whole[20, 15]).all()
    assert 0.6 < (plug(rock).compute() != 6).mean() < 0.7


def test_plug_of_any_image():
    pores = blobs(shape=20, length=3, seed=1)
    voxels = plug(pores, radius=5).compute()
    assert voxels.dtype == np.uint8
    assert voxels[0, 0, 0] == 2
    assert set(np.unique(voxels)) == {0, 1, 2}
    scan = ct_scan(sandstone(shape=20), dtype="u2")
    with pytest.raises(ParameterError, match="no phases"):
        plug(scan)
    cut = plug(scan, radius=5, outside=700)
    assert (cut.dtype, cut.compute()[3, 0, 0]) == (np.uint16, 700)
    assert [h["operation"] for h in cut.history] == ["generators.sandstone", "generators.ct_scan", "generators.plug"]


def test_bad_parameters_are_refused():
    for make in (sandstone, carbonate, tight, blobs):
        with pytest.raises(ParameterError, match="porosity"):
            make(shape=8, porosity=1.5)
    with pytest.raises(ParameterError, match="order of the shape"):
        blobs(shape=(8, 9, 10))
    with pytest.raises(ParameterError, match="length above zero"):
        blobs(shape=8, length=0)
    with pytest.raises(UnitError, match="unknown"):
        sandstone(shape=8, radius="40 um")
    with pytest.raises(ParameterError, match="seed"):
        blobs(shape=8, seed=-1)
    with pytest.raises(ParameterError, match="spread"):
        random_sphere_pack(shape=8, spread=3)
    with pytest.raises(ParameterError, match="sum to one"):
        sandstone(shape=8, minerals_of_grains=(0.5, 0.1, 0.1))
