"""The rules of synthetic rocks, against NumPy in one line each."""

import hashlib

import array_api_strict
import numpy as np
import pytest

from voxelrock.errors import ParameterError
from voxelrock.kernels import rocks
from voxelrock.kernels.fields import gaussian_field
from voxelrock.kernels.grains import Growth, grains
from voxelrock.kernels.packing import pack_spheres
from voxelrock.kernels.random import Operation, Stream
from voxelrock.kernels.spheres import Lattice, SpherePack

SHAPE = (6, 7, 9)


def bits(array):
    return array.shape, array.dtype, np.ascontiguousarray(array).tobytes()


def to_strict(array):
    return array_api_strict.asarray(array, device=array_api_strict.Device("device1"))


def from_strict(array):
    assert array.device == array_api_strict.Device("device1")
    return np.asarray(array.to_device(array_api_strict.Device("CPU_DEVICE")))


def test_minerals_follow_their_fractions_and_the_last_takes_the_smallest():
    fractions, radii = (0.7, 0.2, 0.1), np.random.default_rng(0).uniform(1, 2, 20_000)
    minerals = rocks.grain_minerals(radii, seed=6, fractions=fractions, first=2)
    assert minerals.dtype == np.uint8
    counts = np.bincount(minerals, minlength=5)[2:]
    assert np.abs(counts / 20_000 - fractions).max() < 4 * np.sqrt(0.25 / 20_000)
    assert radii[minerals == 4].max() < radii[minerals != 4].min()
    assert set(rocks.grain_minerals(radii, seed=6, fractions=(1.0,))) == {1}
    assert set(rocks.grain_minerals(radii, seed=6, fractions=(0.0, 1.0))) == {2}
    assert set(rocks.grain_minerals(radii, seed=6, fractions=(0.5, 0.5, 0.0))) == {1, 2}


def test_facets_cut_the_spheres():
    pack = SpherePack(np.arange(60).reshape(20, 3), np.linspace(1, 2, 20))
    table = rocks.grain_table(pack, seed=3, phases=np.full(20, 7, np.uint8), facets=6, cut=0.5)
    assert table.shape == (20, 5 + 24)
    assert (table[:, :4] == pack.table).all()
    assert (table[:, 4] == 7).all()
    planes = table[:, 5:].reshape(20, 6, 4)
    assert np.linalg.norm(planes[..., :3], axis=-1) == pytest.approx(np.ones((20, 6)), abs=1e-12)
    assert ((planes[..., 3] >= 0.5 * pack.radii[:, None]) & (planes[..., 3] <= pack.radii[:, None])).all()
    assert np.abs(planes[..., :3].mean((0, 1))).max() < 4 / np.sqrt(3 * 120)
    assert rocks.grain_table(pack, seed=3, phases=np.ones(20), facets=0).shape == (20, 5)


def test_grains_and_rims_fill_the_shares_asked_for():
    period = (60.0, 66.0, 54.0)
    pack = pack_spheres(seed=2, period=period, radius=5.0, spread=0.3)
    table = rocks.grain_table(pack, seed=2, phases=np.ones(pack.radii.size), facets=8)
    bounds = rocks.gap_bounds(table, period=period, shares=(0.74, 0.8))
    rock = grains(start=(0, 0, 0), shape=(60, 66, 54), table=table, lattice=Lattice(period=period), growth=Growth(*bounds, 2))
    assert np.bincount(rock.ravel()) / rock.size == pytest.approx([0.2, 0.74, 0.06], abs=2e-3)
    digest = hashlib.sha256(table.astype("<f8").tobytes() + np.array(bounds, "<f8").tobytes()).hexdigest()
    assert digest == "62cc23389666d9ee431a92db5dd949a1e884f52d96ffaeac94071a2601479eb5"


@pytest.mark.parametrize("dense", [True, False])
def test_altered(dense):
    phases = np.random.default_rng(1).integers(0, 4, SHAPE).astype(np.uint8)
    texture = gaussian_field(start=(1, 2, 3), shape=SHAPE, stream=Stream(1, Operation.TEXTURE), length=(2.0, 2.0, 2.0))
    low = float(texture[2, 3, 4])
    rules = ((0, -np.inf, low, 5), (2, 0.1, np.inf, 0), (-1, 1.0, 1.5, 9)) if dense else ()
    expected = phases.copy()
    if dense:
        expected[(texture > 1) & (texture <= 1.5)] = 9
        expected[(phases == 2) & (texture > np.float32(0.1))] = 0
        expected[(phases == 0) & (texture <= low)] = 5
    before = phases.copy()
    assert bits(rocks.altered(phases, texture, rules=rules)) == bits(expected)
    assert bits(rocks.altered.reference(phases, texture, rules=rules)) == bits(expected)
    assert bits(from_strict(rocks.altered(to_strict(phases), to_strict(texture), rules=rules))) == bits(expected)
    assert (phases == before).all()


def test_bad_parameters_are_refused():
    radii = np.ones(3)
    with pytest.raises(ParameterError, match="sum to one"):
        rocks.grain_minerals(radii, seed=0, fractions=(0.5, 0.4))
    with pytest.raises(ParameterError, match="fit into uint8"):
        rocks.grain_minerals(radii, seed=0, fractions=(0.5, 0.5), first=255)
    table = np.array([[5.0, 5.0, 5.0, 1.0, 1.0]])
    with pytest.raises(ParameterError, match="too far apart"):
        rocks.gap_bounds(table, period=(10.0, 10.0, 10.0), shares=(0.9,))
    with pytest.raises(ParameterError, match="shares"):
        rocks.gap_bounds(table, period=(10.0, 10.0, 10.0), shares=(1.9,))
