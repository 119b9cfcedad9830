"""The dense random packing."""

import hashlib
import pickle

import numpy as np
import pytest
import scipy.spatial

from voxelrock.errors import ParameterError
from voxelrock.kernels.packing import pack_spheres, relaxed_centers, sphere_radii
from voxelrock.kernels.spheres import Lattice, SpherePack, covered


def overlap(pack):
    """The greatest overlap relative to the sum of two radii, by a periodic tree."""
    tree = scipy.spatial.cKDTree(pack.centers, boxsize=pack.period)
    pairs = tree.query_pairs(2.1 * pack.radii.max(), output_type="ndarray")
    apart = pack.centers[pairs[:, 0]] - pack.centers[pairs[:, 1]]
    apart -= np.round(apart / pack.period) * pack.period
    return (1 - np.sqrt((apart**2).sum(1)) / pack.radii[pairs].sum(1)).max()


@pytest.mark.parametrize(("fraction", "spread"), [(0.6, 0.0), (0.62, 0.2), (0.62, 0.4), (0.3, 0.2)])
def test_packings_are_as_dense_as_asked_and_free_of_overlap(fraction, spread):
    pack = pack_spheres(seed=3, period=(22.0, 20.0, 24.0), radius=1.0, spread=spread, fraction=fraction)
    assert pack.fraction == pytest.approx(fraction, rel=1e-12)
    assert overlap(pack) < 0
    assert len(pack.radii) > 500
    assert np.median(pack.radii) == pytest.approx(1.0, rel=0.1)


def test_thousands_of_spheres_in_voxels():
    period = (120.0, 120.0, 120.0)
    pack = pack_spheres(seed=1, period=period, radius=4.2, spread=0.2, fraction=0.61)
    solid = covered(start=(-7, 1_000, 120), shape=(120, 120, 120), table=pack.table, lattice=Lattice(period=period))
    assert len(pack.radii) > 2_500
    assert solid.mean() == pytest.approx(0.61, abs=1e-3)
    assert (solid == covered(start=(113, 40, -120), shape=(120, 120, 120), table=pack.table, lattice=Lattice(period=period))).all()


def test_a_packing_is_the_same_on_every_platform():
    pack = pack_spheres(seed=7, period=(10.0, 10.0, 10.0), radius=1.0, fraction=0.58)
    again = pack_spheres(seed=7, period=(10.0, 10.0, 10.0), radius=1.0, fraction=0.58)
    both = np.column_stack([pack.centers, pack.radii]).astype("<f8").tobytes()
    assert both == np.column_stack([again.centers, again.radii]).tobytes()
    assert hashlib.sha256(both).hexdigest() == "2062e56f8440e673d5614dc2f2e6f79973f72d20c5d33352499aad69be435d49"
    other = pack_spheres(seed=8, period=(10.0, 10.0, 10.0), radius=1.0, fraction=0.58)
    assert other.centers.shape != pack.centers.shape or not np.allclose(other.centers, pack.centers)


def test_radii_are_log_normal():
    radii = sphere_radii(seed=2, period=(60.0, 60.0, 60.0), radius=1.0, spread=0.25)
    logarithm = np.log(radii)
    assert logarithm.std() == pytest.approx(0.25 * 0.8796, rel=0.05)
    assert abs(logarithm - np.median(logarithm)).max() < 0.52


def test_impossible_packings_are_refused():
    with pytest.raises(ParameterError, match="smaller fraction"):
        pack_spheres(seed=1, period=(9.0, 9.0, 9.0), radius=1.0, spread=0.0, fraction=0.72, steps=300)
    with pytest.raises(ParameterError, match="too small"):
        pack_spheres(seed=1, period=(3.0, 9.0, 9.0), radius=1.0)
    with pytest.raises(ParameterError, match="fraction"):
        sphere_radii(seed=1, period=(9.0, 9.0, 9.0), radius=1.0, fraction=1.5)
    assert relaxed_centers(np.empty(0), period=(1.0, 1.0, 1.0), seed=1).shape == (0, 3)


def test_packs_and_kernels_travel():
    pack = pack_spheres(seed=7, period=(10.0, 10.0, 10.0), radius=1.0, fraction=0.4)
    kernel, other = pickle.loads(pickle.dumps((covered, pack)))
    assert kernel is covered
    assert (other.table == pack.table).all()
    with pytest.raises(ValueError, match="read-only"):
        pack.radii[0] = 1


def test_bad_packs_are_refused():
    with pytest.raises(ParameterError, match="shape"):
        SpherePack(np.zeros((2, 3)), np.ones(3))
    with pytest.raises(ParameterError, match="radii"):
        SpherePack(np.zeros((1, 3)), np.zeros(1))
    with pytest.raises(ParameterError, match="period"):
        SpherePack(np.zeros((1, 3)), np.ones(1), (1.0, 0.0, 1.0))
    with pytest.raises(ParameterError, match="period"):
        _ = SpherePack(np.zeros((1, 3)), np.ones(1)).fraction
