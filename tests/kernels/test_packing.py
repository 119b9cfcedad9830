"""Voxels of spheres against brute force, and the dense random packing."""

import hashlib
import pickle

import array_api_strict
import numpy as np
import pytest
import scipy.spatial
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelrock.errors import ParameterError
from voxelrock.kernels.packing import pack_spheres, relaxed_centers, sphere_radii
from voxelrock.kernels.spheres import SpherePack, sphere_distance, spheres

DEVICE = {"xp": array_api_strict, "device": array_api_strict.Device("device1")}


def bits(array):
    return array.shape, array.dtype, np.ascontiguousarray(array).tobytes()


def from_strict(array):
    assert array.device == array_api_strict.Device("device1")
    return np.asarray(array.to_device(array_api_strict.Device("CPU_DEVICE")))


def some_pack(seed, period, *, count=25, exact=False):
    random = np.random.default_rng(seed)
    centers, radii = random.uniform(-2, 14, (count, 3)), random.uniform(0.4, 3.5, count)
    if exact:
        centers, radii = np.round(centers), np.round(radii) + 1
    return SpherePack(centers, radii, period)


def brute(start, shape, pack, spacing):
    """Labels and signed distance, every sphere and image against every voxel."""
    axes = [np.arange(o, o + n) * step for o, n, step in zip(start, shape, spacing)]
    labels, best, nearest = np.zeros(shape, np.int32), np.full(shape, np.inf), np.full(shape, np.inf)
    shifts = [np.zeros(1)] * 3
    if pack.period is not None:
        shifts = [np.arange(np.floor(a[0] / p) - 3, np.ceil(a[-1] / p) + 3) * p for a, p in zip(axes, pack.period)]
    for number, (center, radius) in enumerate(zip(pack.centers, pack.radii), 1):
        for shift in np.stack(np.meshgrid(*shifts, indexing="ij"), -1).reshape(-1, 3):
            dz, dy, dx = (a - c for a, c in zip(axes, center + shift))
            square = (dz**2)[:, None, None] + (dy**2)[:, None] + dx**2
            depth = square - radius**2
            wins = (square <= radius**2) & (depth < best)
            labels[wins], best[wins] = number, depth[wins]
            nearest = np.minimum(nearest, np.sqrt(square) - radius)
    return labels, nearest


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.3, 0.9)])
@pytest.mark.parametrize(("period", "start"), [(None, (-3, -1, 0)), ((12.0, 13.5, 11.0), (-3, 20, 5)), ((12.0, 14.0, 10.0), (9_990, -8, 4))])
@pytest.mark.parametrize("exact", [False, True])
def test_against_brute_force(spacing, period, start, exact):
    pack, shape = some_pack(3, period, exact=exact), (13, 9, 17)
    labels, nearest = brute(start, shape, pack, spacing)
    call = {"start": start, "shape": shape, "pack": pack, "spacing": spacing}
    got = spheres(**call)
    assert bits(got) == bits(labels)
    distance = sphere_distance(**call, limit=1.5)
    assert bits(distance) == bits(np.clip(nearest, -1.5, 1.5).astype(np.float32))
    assert ((distance <= 0) == (got > 0)).all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 99), start=st.tuples(*[st.integers(-9, 9) | st.just(9_990)] * 3), periodic=st.booleans())
def test_bodies_agree_bit_for_bit(seed, start, periodic):
    pack = some_pack(seed, (9.0, 11.0, 10.5) if periodic else None, count=6, exact=seed % 2 == 0)
    call = {"start": start, "shape": (4, 5, 6), "pack": pack}
    assert bits(spheres(**call)) == bits(spheres.reference(**call)) == bits(from_strict(spheres(**call, **DEVICE)))
    call["limit"] = 1.25
    assert bits(sphere_distance(**call)) == bits(sphere_distance.reference(**call)) == bits(from_strict(sphere_distance(**call, **DEVICE)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), start=st.tuples(*[st.integers(-20, 20) | st.just(9_980)] * 3), data=st.data())
def test_any_sub_box_is_the_crop(seed, start, data):
    pack = some_pack(seed, (13.0, 11.0, 17.0), exact=seed % 2 == 0)
    low = [data.draw(st.integers(0, 14)) for _ in range(3)]
    high = [data.draw(st.integers(a + 1, 15)) for a in low]
    crop = tuple(slice(a, b) for a, b in zip(low, high))
    part = {"start": tuple(s + a for s, a in zip(start, low)), "shape": tuple(b - a for a, b in zip(low, high)), "pack": pack}
    whole = {"start": start, "shape": (15, 15, 15), "pack": pack}
    assert bits(spheres(**part)) == bits(spheres(**whole)[crop])
    assert bits(sphere_distance(**part, limit=2.0)) == bits(sphere_distance(**whole, limit=2.0)[crop])


def test_the_order_of_the_spheres_changes_the_numbers_only():
    pack = some_pack(8, None)
    order = np.random.default_rng(0).permutation(len(pack.radii))
    mixed = SpherePack(pack.centers[order], pack.radii[order])
    box = {"start": (0, 0, 0), "shape": (12, 12, 12)}
    names = np.concatenate([[0], order + 1])
    assert (names[spheres(pack=mixed, **box)] == spheres(pack=pack, **box)).all()
    assert bits(sphere_distance(pack=mixed, limit=2.0, **box)) == bits(sphere_distance(pack=pack, limit=2.0, **box))


def test_one_sphere_holds_its_lattice_points():
    pack = SpherePack(np.array([[5.0, 5.0, 5.0]]), np.array([3.0]))
    assert (spheres(start=(0, 0, 0), shape=(11, 11, 11), pack=pack) > 0).sum() == 123


def test_no_spheres_and_empty_boxes():
    none = SpherePack(np.empty((0, 3)), np.empty(0), (5.0, 5.0, 5.0))
    assert not spheres(start=(0, 0, 0), shape=(2, 3, 4), pack=none).any()
    assert (sphere_distance(start=(0, 0, 0), shape=(2, 3, 4), pack=none, limit=2.0) == 2).all()
    assert spheres(start=(0, 0, 0), shape=(2, 0, 4), pack=some_pack(1, None)).shape == (2, 0, 4)
    assert none.fraction == 0


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
    pack = pack_spheres(seed=1, period=(120.0, 120.0, 120.0), radius=4.2, spread=0.2, fraction=0.61)
    labels = spheres(start=(-7, 1_000, 120), shape=(120, 120, 120), pack=pack)
    assert len(pack.radii) > 2_500
    assert (labels > 0).mean() == pytest.approx(0.61, abs=1e-3)
    assert np.unique(labels).size == len(pack.radii) + 1
    assert bits(labels) == bits(spheres(start=(113, 40, -120), shape=(120, 120, 120), pack=pack))


def test_overgrowth_closes_pores_and_meets_in_planes():
    pack = SpherePack(np.array([[0.0, 0.0, 3.0], [0.0, 0.0, 9.0]]), np.array([2.5, 2.5]))
    labels = spheres(start=(-4, -4, 0), shape=(9, 9, 13), pack=pack.grown(np.array([2.0, 2.0])))
    assert (labels[4, 4] > 0).all()
    assert set(np.unique(labels[:, :, :6])) == {0, 1}
    assert set(np.unique(labels[:, :, 7:])) == {0, 2}
    assert (labels[:, :, 6][labels[:, :, 6] > 0] == 1).all()


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
    pack = some_pack(2, (9.0, 9.0, 9.0))
    kernel, other = pickle.loads(pickle.dumps((spheres, pack)))
    assert kernel is spheres
    assert bits(kernel(start=(0, 0, 0), shape=(5, 5, 5), pack=other)) == bits(spheres(start=(0, 0, 0), shape=(5, 5, 5), pack=pack))
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
    with pytest.raises(ParameterError, match="spacing"):
        spheres(start=(0, 0, 0), shape=(1, 1, 1), pack=some_pack(0, None), spacing=(1.0, 0.0, 1.0))
    with pytest.raises(ParameterError, match="limit"):
        sphere_distance(start=(0, 0, 0), shape=(1, 1, 1), pack=some_pack(0, None), limit=-1.0)
