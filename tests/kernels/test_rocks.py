"""The rules of synthetic rocks, against NumPy in one line each."""

import array_api_strict
import numpy as np
import pytest

from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels import rocks
from voxelrock.kernels.fields import gaussian_field
from voxelrock.kernels.packing import pack_spheres
from voxelrock.kernels.random import Operation, Stream, normal_quantile
from voxelrock.kernels.spheres import spheres

MINERALS, CEMENT = Stream(6, Operation.MINERALS), Stream(6, Operation.CEMENT)
SHAPE = (6, 7, 9)


def bits(array):
    return array.shape, array.dtype, np.ascontiguousarray(array).tobytes()


def to_strict(array):
    return array_api_strict.asarray(array, device=array_api_strict.Device("device1"))


def from_strict(array):
    assert array.device == array_api_strict.Device("device1")
    return np.asarray(array.to_device(array_api_strict.Device("CPU_DEVICE")))


def labels(seed, top=5):
    return np.maximum(np.random.default_rng(seed).integers(-top, top + 1, SHAPE), 0).astype(np.int32)


def field(draw):
    return gaussian_field(start=(1, 2, 3), shape=SHAPE, stream=Stream(1, Operation.TEXTURE, draw), length=(2.0, 2.0, 2.0))


def same(kernel, blocks, expected, **parameters):
    assert bits(kernel(*blocks, **parameters)) == bits(expected)
    assert bits(kernel.reference(*blocks, **parameters)) == bits(expected)
    assert bits(from_strict(kernel(*map(to_strict, blocks), **parameters))) == bits(expected)


def test_minerals_follow_their_fractions_and_belong_to_the_grain():
    fractions = (0.7, 0.2, 0.1)
    table = rocks.grain_minerals(count=20_000, stream=MINERALS, fractions=fractions, first=2)
    assert table.dtype == np.uint8
    assert table[0] == 0
    counts = np.bincount(table[1:], minlength=5)[2:]
    assert counts.sum() == 20_000
    assert np.abs(counts / 20_000 - fractions).max() < 4 * np.sqrt(0.25 / 20_000)
    assert (rocks.grain_minerals(count=300, stream=MINERALS, fractions=fractions, first=2) == table[:301]).all()
    assert set(rocks.grain_minerals(count=50, stream=MINERALS, fractions=(0.0, 1.0))[1:]) == {2}


def test_amounts_belong_to_the_grain():
    amounts = rocks.grain_amounts(count=10_000, stream=CEMENT, mean=2.0, spread=0.5)
    assert amounts.min() >= 1
    assert amounts.max() < 3
    assert amounts.mean() == pytest.approx(2, abs=4 * 2 * 0.5 / np.sqrt(3 * 10_000))
    assert (rocks.grain_amounts(count=10, stream=CEMENT, mean=2.0, spread=0.5) == amounts[:10]).all()


def test_sandstone():
    grains = labels(1)
    cemented = np.where(grains > 0, grains, labels(2))
    table = rocks.grain_minerals(count=5, stream=MINERALS, fractions=(0.5, 0.5))
    expected = np.where(grains > 0, table[grains], np.where(cemented > 0, 9, 0)).astype(np.uint8)
    same(rocks.sandstone, (grains, cemented), expected, minerals=table, cement=9)
    for body in (rocks.sandstone, rocks.sandstone.reference):
        with pytest.raises(DataError, match="beyond the table"):
            body(grains, cemented, minerals=table[:3], cement=9)


def test_cement_lowers_the_porosity_of_a_packing():
    pack = pack_spheres(seed=2, period=(64.0, 64.0, 64.0), radius=6.0)
    grown = pack.grown(rocks.grain_amounts(count=len(pack.radii), stream=CEMENT, mean=0.6, spread=0.3))
    box = {"start": (0, 0, 0), "shape": (64, 64, 64)}
    table = rocks.grain_minerals(count=len(pack.radii), stream=MINERALS, fractions=(0.8, 0.2))
    rock = rocks.sandstone(spheres(pack=pack, **box), spheres(pack=grown, **box), minerals=table, cement=3)
    shares = np.bincount(rock.ravel(), minlength=4) / rock.size
    assert shares[1] + shares[2] == pytest.approx(0.6, abs=3e-3)
    assert 0.15 < shares[0] < 0.3
    assert shares.sum() == 1


def test_carbonate():
    grains, vugs, texture = labels(3), field(0), field(1)
    expected = np.where(vugs <= -1, 4, np.where(grains > 0, 5, np.where(texture <= 0.5, 6, 4))).astype(np.uint8)
    same(rocks.carbonate, (grains, vugs, texture), expected, vug_level=-1.0, micro_level=0.5, phases=(4, 5, 6))


def test_tight():
    pores, texture = field(0), field(1)
    expected = np.where(pores <= -0.5, 0, np.where(texture <= 0.2, 2, 1)).astype(np.uint8)
    same(rocks.tight, (pores, texture), expected, pore_level=-0.5, clay_level=0.2)


def test_porosity_of_a_tight_rock():
    box = {"start": (0, 0, 0), "shape": (64, 64, 64), "length": (2.0, 2.0, 2.0)}
    pores, texture = (gaussian_field(stream=Stream(3, Operation.TEXTURE, draw), **box) for draw in (0, 1))
    rock = rocks.tight(pores, texture, pore_level=normal_quantile(0.03), clay_level=normal_quantile(0.2))
    # One independent volume is (2 √π/2)³ ≈ 45 voxels: about 5 900 of them.
    assert (rock == 0).mean() == pytest.approx(0.03, abs=4 * np.sqrt(0.03 * 0.97 / 5_900))
    assert (rock == 2).mean() == pytest.approx(0.2 * 0.97, abs=4 * np.sqrt(0.16 / 5_900))


def test_plug():
    phases = labels(4).astype(np.uint8)
    start, center, radius, spacing = (0, -2, 5), (3.0, 8.0), 3.0, (1.5, 1.0)
    y, x = np.arange(-2, 5)[:, None] * 1.5 - 3.0, np.arange(5, 14) - 8.0
    expected = np.where(y**2 + x**2 <= 9, phases, 7).astype(np.uint8)
    same(rocks.plug, (phases,), expected, start=start, center=center, radius=radius, spacing=spacing, outside=7)


def test_bad_parameters_are_refused():
    with pytest.raises(ParameterError, match="sum to one"):
        rocks.grain_minerals(count=3, stream=MINERALS, fractions=(0.5, 0.4))
    with pytest.raises(ParameterError, match="fit into uint8"):
        rocks.grain_minerals(count=3, stream=MINERALS, fractions=(0.5, 0.5), first=255)
    with pytest.raises(ParameterError, match="spread"):
        rocks.grain_amounts(count=3, stream=CEMENT, mean=1.0, spread=2.0)
    with pytest.raises(ParameterError, match="radius"):
        rocks.plug(np.zeros((1, 1, 1), np.uint8), start=(0, 0, 0), center=(0, 0), radius=-1.0, spacing=(1.0, 1.0), outside=0)
