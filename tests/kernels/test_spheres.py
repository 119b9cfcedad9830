"""Voxels of spheres and grains against brute force."""

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelrock.errors import ParameterError
from voxelrock.kernels.grains import Growth, grains, least_gaps
from voxelrock.kernels.rocks import grain_table
from voxelrock.kernels.spheres import Lattice, SpherePack, covered

DEVICE = {"xp": array_api_strict, "device": array_api_strict.Device("device1")}
UNIT = (1.0, 1.0, 1.0)


def bits(array):
    return array.shape, array.dtype, np.ascontiguousarray(array).tobytes()


def from_strict(array):
    assert array.device == array_api_strict.Device("device1")
    return np.asarray(array.to_device(array_api_strict.Device("CPU_DEVICE")))


def some_table(seed, *, count=25, exact=False, facets=0):
    random = np.random.default_rng(seed)
    centers, radii = random.uniform(-2, 14, (count, 3)), random.uniform(0.4, 3.5, count)
    if exact:
        centers, radii = np.round(centers), np.round(radii) + 1
    return grain_table(SpherePack(centers, radii), seed=seed, phases=random.integers(1, 9, count), facets=facets, cut=0.4)


def brute(start, shape, table, spacing, period):
    """Whether covered, the least gap and its row: every sphere and image against every voxel."""
    axes = [np.arange(o, o + n) * step for o, n, step in zip(start, shape, spacing)]
    inside, best, owner = np.zeros(shape, bool), np.full(shape, np.inf), np.zeros(shape, int)
    shifts = [np.zeros(1)] * 3
    if period is not None:
        shifts = [np.arange(np.floor(a[0] / p) - 3, np.ceil(a[-1] / p) + 3) * p for a, p in zip(axes, period)]
    for number, row in enumerate(table):
        for shift in np.stack(np.meshgrid(*shifts, indexing="ij"), -1).reshape(-1, 3):
            dz, dy, dx = np.meshgrid(*(a - c for a, c in zip(axes, row[:3] + shift)), indexing="ij", sparse=True)
            square = dz**2 + dy**2 + dx**2
            inside |= square <= row[3] ** 2
            gap = np.sqrt(square) - row[3]
            for nz, ny, nx, height in row[5:].reshape(-1, 4):
                gap = np.maximum(gap, nz * dz + ny * dy + nx * dx - height)
            wins = gap < best
            best[wins], owner[wins] = gap[wins], number
    return inside, best, owner


@pytest.mark.parametrize("spacing", [UNIT, (0.7, 1.3, 0.9)])
@pytest.mark.parametrize(("period", "start"), [(None, (-3, -1, 0)), ((12.0, 13.5, 11.0), (-3, 20, 5)), ((12.0, 14.0, 10.0), (9_990, -8, 4))])
@pytest.mark.parametrize("exact", [False, True])
def test_covered_against_brute_force(spacing, period, start, exact):
    table, shape = some_table(3, exact=exact)[:, :4], (13, 9, 17)
    inside, _, _ = brute(start, shape, table, spacing, period)
    call = {"start": start, "shape": shape, "table": table[None], "lattice": Lattice(spacing, period)}
    assert 0.1 < inside.mean() < 0.999
    assert bits(covered(**call)) == bits(inside)
    assert bits(covered(**call, inside=False)) == bits(~inside)


@pytest.mark.parametrize("spacing", [UNIT, (0.7, 1.3, 0.9)])
@pytest.mark.parametrize("start", [(-3, 20, 5), (9_990, -8, 4)])
@pytest.mark.parametrize(("exact", "facets"), [(True, 0), (False, 5)])
@pytest.mark.parametrize("bounds", [(-0.2, 0.1), (0.4, 0.9)])
def test_grains_against_brute_force(spacing, start, exact, facets, bounds):
    table, shape, period = some_table(4, count=9, exact=exact, facets=facets), (21, 9, 17), (12.0, 14.0, 10.0)
    _, best, owner = brute(start, shape, table, spacing, period)
    expected = np.where(best <= bounds[0], table[owner, 4], np.where(best <= bounds[1], 9, 0)).astype(np.uint8)
    call = {"start": start, "shape": shape, "table": table, "lattice": Lattice(spacing, period)}
    assert bits(grains(**call, growth=Growth(*bounds, 9))) == bits(expected)
    gaps, rows = least_gaps(**call, limit=0.5)
    near = best <= 0.5
    assert (gaps[near] == best[near]).all()
    assert (rows[near] == owner[near]).all()
    assert (gaps[~near] > 0.5).all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 99), start=st.tuples(*[st.integers(-9, 9) | st.just(9_990)] * 3), periodic=st.booleans())
def test_bodies_agree_bit_for_bit(seed, start, periodic):
    table, period = some_table(seed, count=6, exact=seed % 2 == 0, facets=3), (9.0, 11.0, 10.5)
    call = {"start": start, "shape": (4, 5, 6), "table": table, "lattice": Lattice(UNIT, period if periodic else None)}
    assert bits(covered(**call)) == bits(covered.reference(**call)) == bits(from_strict(covered(**call, **DEVICE)))
    call |= {"lattice": Lattice(UNIT, period), "growth": Growth(0.1, 0.5, 4)}
    assert bits(grains(**call)) == bits(grains.reference(**call)) == bits(from_strict(grains(**call, **DEVICE)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), start=st.tuples(*[st.integers(-20, 20) | st.just(9_980)] * 3), data=st.data())
def test_any_sub_box_is_the_crop(seed, start, data):
    table, period = some_table(seed, exact=seed % 2 == 0, facets=2), (13.0, 11.0, 17.0)
    low = [data.draw(st.integers(0, 18)) for _ in range(3)]
    high = [data.draw(st.integers(a + 1, 19)) for a in low]
    crop = tuple(slice(a, b) for a, b in zip(low, high))
    part = {
        "start": tuple(s + a for s, a in zip(start, low)),
        "shape": tuple(b - a for a, b in zip(low, high)),
        "table": table,
        "lattice": Lattice(UNIT, period),
    }
    whole = {"start": start, "shape": (19, 19, 19), "table": table, "lattice": Lattice(UNIT, period)}
    assert bits(covered(**part)) == bits(covered(**whole)[crop])
    rule = {"growth": Growth(0.0, 0.3, 2)}
    assert bits(grains(**part, **rule)) == bits(grains(**whole, **rule)[crop])


def test_one_sphere_holds_its_lattice_points():
    assert covered(start=(0, 0, 0), shape=(11, 11, 11), table=np.array([[5.0, 5.0, 5.0, 3.0]])).sum() == 123


def test_no_spheres_and_empty_boxes():
    none, some = np.empty((1, 0, 5)), some_table(1)
    rule = {"lattice": Lattice(UNIT, (5.0, 5.0, 5.0)), "growth": Growth(0.0, 0.3, 2)}
    for body in (covered, covered.reference):
        assert not body(start=(0, 0, 0), shape=(2, 3, 4), table=none).any()
        assert body(start=(0, 0, 0), shape=(2, 0, 4), table=some).shape == (2, 0, 4)
    for body in (grains, grains.reference):
        assert not body(start=(0, 0, 0), shape=(2, 3, 4), table=none, **rule).any()
        assert body(start=(0, 0, 0), shape=(0, 3, 4), table=some, **rule).shape == (0, 3, 4)


def test_two_grains_meet_in_a_seam():
    table = np.array([[0.0, 0.0, 3.0, 2.5, 1.0], [0.0, 0.0, 9.0, 2.5, 2.0]])
    rock = grains(start=(-4, -4, 0), shape=(9, 9, 13), table=table, lattice=Lattice(UNIT, (40.0, 40.0, 40.0)), growth=Growth(2.0, 2.0, 3))
    assert set(np.unique(rock[:, :, :6])) == {0, 1}
    assert set(np.unique(rock[:, :, 7:])) == {0, 2}
    assert (rock[:, :, 6][rock[:, :, 6] > 0] == 1).all()


def test_bad_parameters_are_refused():
    with pytest.raises(ParameterError, match="columns"):
        grains(start=(0, 0, 0), shape=(1, 1, 1), table=np.ones((1, 7)), lattice=Lattice(), growth=Growth(0.0, 0.1, 1))
    with pytest.raises(ParameterError, match="spacing"):
        Lattice((1.0, 0.0, 1.0))
    with pytest.raises(ParameterError, match="period"):
        Lattice(UNIT, (1.0, np.nan, 1.0))
    with pytest.raises(ParameterError, match="voxel indices"):
        covered(start=(2**31, 0, 0), shape=(1, 1, 1), table=np.ones((1, 4)))
