"""Squares of distances: brute force, SciPy, and every way to the same number."""

import math

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.geometry.metric import Metric
from voxelrock.kernels import nearest
from voxelrock.kernels.cells import Bounds, cells_of, edge_of, surveyed
from voxelrock.kernels.distances import far, square_dtype, squared_distance, working_dtype
from voxelrock.kernels.nearest import Sought, nearest_squares

NONE = (0, 0, 0)
METRICS = {"isotropic": (1, 1, 1), "rational": (2.5, 1, 0.5), "root": (2**0.5, 1, 1), "irrational": (math.pi, math.e, 1.0), "long": (1, 1, 700)}


def brute(sites, weights):
    """The smallest square over all sites, added as ((z + y) + x)."""
    found = np.full(sites.shape, np.inf if isinstance(weights[0], float) else far("int64"))
    z, y, x = np.ogrid[tuple(slice(n) for n in sites.shape)]
    for i, j, k in np.argwhere(sites):
        found = np.minimum(found, (weights[0] * (z - i) ** 2 + weights[1] * (y - j) ** 2) + weights[2] * (x - k) ** 2)
    return found


def rock(shape=(24, 31, 28), level=0.4, seed=3, sigma=2):
    field = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma, mode="wrap")
    return field < level * field.std()


@pytest.mark.parametrize("spacing", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("share", [0.001, 0.1, 0.9])
def test_equals_brute_force(spacing, share):
    sites = np.random.default_rng(5).random((16, 17, 19)) < share
    sites[3, 4, 5] = True
    metric = Metric.of(spacing)
    found = squared_distance(sites, weights=metric.weights, before=NONE, after=NONE, limit=far(square_dtype(metric.weights, 2**30)))
    np.testing.assert_array_equal(found, brute(sites, metric.weights))


@pytest.mark.parametrize("spacing", METRICS.values(), ids=METRICS)
def test_equals_scipy(spacing):
    mask, metric = rock(), Metric.of(spacing)
    found = squared_distance(~mask, weights=metric.weights, before=NONE, after=NONE, limit=far("int64") if metric.exact else math.inf)
    np.testing.assert_allclose(np.sqrt(found * metric.unit), ndi.distance_transform_edt(mask, sampling=spacing), rtol=1e-14)


@pytest.mark.parametrize("limit", [1, 2, 5, 80, 32767, 32768, 2**30, 2**31, 2**40])
def test_a_limit_cuts_off_and_changes_nothing_below(limit):
    mask = rock(level=1.5)
    truth = np.rint(ndi.distance_transform_edt(mask) ** 2)
    found = squared_distance(~mask, weights=(1, 1, 1), before=NONE, after=NONE, limit=limit)
    np.testing.assert_array_equal(found, np.minimum(truth, limit))


def test_types_are_the_narrowest_that_hold_the_sums():
    assert working_dtype((1, 1, 1), 32767) == "u2"
    assert working_dtype((1, 1, 1), 32768) == "i4"
    assert working_dtype((5000, 1, 1), 9) == "i4"
    assert working_dtype((1, 1, 1), 2**30) == "i4"
    assert working_dtype((1, 1, 1), 2**30 + 1) == "i8"
    assert working_dtype((1.5, 1.0, 1.0), 9) == "f8"
    assert square_dtype((1, 1, 1), 3 * 10_000**2) == "i4"
    assert square_dtype((1, 1, 1), 3 * 20_000**2) == "i8"


@pytest.mark.parametrize("length", [180, 182, 300])
def test_squares_beyond_sixteen_bits_do_not_wrap(length):
    sites = np.zeros((length, 3, 3), bool)
    sites[0, 1, 1] = True
    for axis in range(3):
        turned = np.moveaxis(sites, 0, axis)
        found = squared_distance(turned, weights=(1, 1, 1), before=NONE, after=NONE, limit=far("int32"))
        assert np.moveaxis(found, axis, 0)[-1, 1, 1] == (length - 1) ** 2


@given(st.tuples(*(st.integers(0, 9) for _ in range(6))))
def test_a_halo_counts_as_sites_and_not_as_results(halo):
    before, after = halo[:3], halo[3:]
    mask = rock()
    found = squared_distance(~mask, weights=(1, 1, 1), before=before, after=after, limit=32767)
    inner = tuple(slice(a, n - b) for a, b, n in zip(before, after, mask.shape))
    np.testing.assert_array_equal(found, np.rint(ndi.distance_transform_edt(mask) ** 2)[inner])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 200, 3), (3, 1, 300), (130, 129, 1), (0, 4, 4)])
def test_any_shape(shape):
    sites = np.random.default_rng(1).random(shape) < 0.05
    found = squared_distance(sites, weights=(1, 1, 1), before=NONE, after=NONE, limit=2**30)
    np.testing.assert_array_equal(found, np.minimum(brute(sites, (1, 1, 1)), 2**30))


def codes_of(mask, where=None):
    codes = mask.astype("u1") + np.uint8(1)
    return codes if where is None else codes * where


def truth_of(mask, where, sought, metric):
    exists = np.ones(mask.shape, bool) if where is None else where
    asked = exists & (~mask if sought.flipped else mask)
    solid = sought.solid and not sought.flipped
    sites = ~asked if solid else exists & (mask if sought.flipped else ~mask)
    free = np.pad(~sites, 1, constant_values=not solid)
    found = ndi.distance_transform_edt(free, sampling=np.sqrt(metric.weights))[1:-1, 1:-1, 1:-1] if not free.all() else np.full(mask.shape, np.inf)
    return np.where(asked, found, 0)


def searched(codes, block, bounds, sought):
    out, read = None, lambda box: codes[box.slices]
    tiling = Tiling.regular(codes.shape, (block,) * 3)
    for index in tiling:
        box = tiling.box(index)
        _, squares = nearest_squares(read, box, bounds, sought)
        out = np.empty(codes.shape, squares.dtype) if out is None else out
        out[box.slices] = squares
    return out


def bounds_of(codes, metric, sought):
    edge = edge_of(codes.shape)
    ((_, found),) = surveyed(codes, start=NONE, shape=codes.shape, edge=edge)
    return Bounds.of(found, codes.shape, edge, (metric.weights, sought.solid, sought.flipped))


@pytest.mark.parametrize("sought", [Sought(), Sought(solid=True), Sought(flipped=True), Sought(True, True)], ids=str)
@pytest.mark.parametrize("level", [-0.8, 0.5, 3.0])
@pytest.mark.parametrize("spacing", ["isotropic", "rational", "irrational"])
@pytest.mark.parametrize("tube", [False, True])
def test_a_search_finds_the_nearest_at_once_and_in_pieces(sought, level, spacing, tube, monkeypatch):
    mask, metric = rock((40, 52, 44), level), Metric.of(METRICS[spacing])
    mask[2, 26, 20] = sought.flipped
    where = (np.indices(mask.shape)[1:] - np.array([26, 22])[:, None, None, None]) ** 2
    codes = codes_of(mask, where.sum(0) < 20**2 if tube else None)
    bounds, truth = bounds_of(codes, metric, sought), truth_of(mask, codes > 0, sought, metric)
    found = {block: searched(codes, block, bounds, sought) for block in (13, 30, 60)}
    monkeypatch.setattr(nearest, "_LEAST", 0)
    monkeypatch.setattr(nearest, "_DENSE", 0)
    monkeypatch.setattr(nearest, "_PIECE", 16)
    found |= {-block: searched(codes, block, bounds, sought) for block in (13, 30, 60)}
    np.testing.assert_allclose(np.sqrt(found[13].astype("f8")), truth, rtol=1e-13)
    assert len({squares.tobytes() for squares in found.values()}) == 1


@pytest.mark.parametrize("solid", [False, True])
def test_bounds_hold_and_candidates_hold_every_nearest_site(solid):
    mask = rock((48, 40, 44), 1.0, sigma=3)
    sites, sought = ~mask, Sought(solid)
    bounds = bounds_of(codes_of(mask), Metric((1, 1, 1), 1.0), sought)
    squares, places = ndi.distance_transform_edt(mask, return_indices=True)
    box = VoxelBox((8, 10, 12), (24, 31, 27))
    window, useful = bounds.candidates(box)
    own = np.argwhere(mask[box.slices]) + box.start
    for z, y, x in own:
        square = squares[z, y, x] ** 2
        to_frame = min(min(p + 1, n - p) for p, n in zip((z, y, x), mask.shape)) ** 2
        bound = bounds.bound[z // 4, y // 4, x // 4]
        assert (min(square, to_frame) if solid else square) <= bound + 1e-6
        if not solid or square < to_frame:
            cell = places[:, z, y, x] // 4 - np.array(window.start)
            assert sites[tuple(places[:, z, y, x])]
            assert useful[tuple(cell)]
    assert useful.mean() < 0.5


@given(st.integers(0, 40), st.integers(1, 30))
def test_cells_of_parts_join_to_those_of_the_whole(start, depth):
    codes = codes_of(rock((71, 9, 13)))
    ((_, whole),) = surveyed(codes, start=NONE, shape=codes.shape, edge=4)
    joined = np.zeros_like(whole)
    for a, b in ((0, start), (start, start + depth), (start + depth, 71)):
        if b > a:
            ((first, part),) = surveyed(codes[a:b], start=(a, 0, 0), shape=(b - a, 9, 13), edge=4)
            assert cells_of(VoxelBox((a, 0, 0), (b, 9, 13)), 4) == VoxelBox(first, tuple(f + n for f, n in zip(first, part.shape)))
            joined[tuple(slice(f, f + n) for f, n in zip(first, part.shape))] |= part
    np.testing.assert_array_equal(joined, whole)


def test_there_are_at_most_sixteen_million_cells():
    assert edge_of((1024, 1024, 1024)) == 4
    assert edge_of((2000, 2000, 2000)) == 8
    assert edge_of((10_000, 10_000, 10_000)) == 40


@pytest.mark.parametrize(("spacing", "weights", "unit"), [
    ((8.0, 8.0, 8.0), (1, 1, 1), 64.0), ((2.5, 1, 1), (25, 4, 4), 0.25), ((0.3, 0.1, 0.1), (9, 1, 1), 0.01), ((2**0.5, 1, 2), (2, 1, 4), 1.0),
    ((math.pi, 1, 1), (math.pi**2, 1.0, 1.0), 1.0),
])  # fmt: skip
def test_metrics_are_whole_numbers_where_they_can_be(spacing, weights, unit):
    metric = Metric.of(spacing)
    assert metric.weights == weights
    assert metric.exact == all(isinstance(w, int) for w in weights)
    assert metric.unit == pytest.approx(unit, rel=1e-12)


def test_a_radius_of_three_voxels_is_three_voxels_in_any_unit():
    for spacing in (1.0, 0.1, 0.7, 1e-6, 3.3e-3):
        metric = Metric.of((spacing,) * 3)
        assert metric.square(3 * spacing) == 9
        assert metric.reach(9) == (2, 2, 2)
    assert Metric.of((1, 1, 1)).square(3.001) == 10
