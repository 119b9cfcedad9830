"""Distances of masks: large voids, lonely sites, regions, signs, units, schedulers."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from tests.contract.cases import lengths
from voxelrock.errors import GridMismatchError, ParameterError, ParameterTypeError
from voxelrock.geometry import VoxelBox
from voxelrock.kernels.cells import Bounds, surveyed
from voxelrock.kernels.distances import far
from voxelrock.kernels.nearest import Sought, nearest_squares
from voxelrock.morphology import distance
from voxelrock.morphology.distances import squared_distance
from voxelrock.testing import stored


def rock(shape=(40, 33, 37), level=0.3, seed=1, sigma=2):
    field = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma, mode="wrap")
    return field < level * field.std()


def cut(array, block, **grid):
    return stored(array, tuple((block,) * (n // block) + ((n % block,) if n % block else ()) for n in array.shape), **grid)


def cavern(radius, edge):
    z, y, x = np.ogrid[:edge, :edge, :edge]
    c = edge / 2 - 0.3
    return rock((edge,) * 3, -0.8) | ((z - c) ** 2 + (y - c) ** 2 + (x - c) ** 2 < radius**2)


def test_a_void_much_larger_than_the_blocks():
    mask = cavern(40, 96)
    found = distance(cut(mask, 16)).compute()
    assert found.tobytes() == lengths(mask).tobytes()
    assert found.max() > 36
    assert distance(vr.from_array(mask, block=16)).compute().tobytes() == found.tobytes()


def test_a_void_in_pieces(monkeypatch):
    monkeypatch.setattr("voxelrock.kernels.nearest._LEAST", 0)
    monkeypatch.setattr("voxelrock.kernels.nearest._DENSE", 8)
    mask = cavern(28, 64)
    assert distance(cut(mask, 16)).compute().tobytes() == lengths(mask).tobytes()


def test_the_memory_of_a_task_does_not_grow_with_the_void(monkeypatch):
    monkeypatch.setattr("voxelrock.kernels.nearest._LEAST", 0)
    mask = cavern(60, 160)
    codes, box = mask.astype("u1") + np.uint8(1), VoxelBox((64, 64, 64), (96, 96, 96))
    ((_, found),) = surveyed(codes, start=(0, 0, 0), shape=mask.shape, edge=4)
    bounds = Bounds.of(found, mask.shape, 4, ((1, 1, 1), False, False))
    nearest_squares(lambda b: codes[b.slices].copy(), box, bounds, Sought())  # compile first
    tracemalloc.start()
    _, squares = nearest_squares(lambda b: codes[b.slices].copy(), box, bounds, Sought())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert squares.max() > 50**2
    assert peak < 60 * box.size  # at once, the void would take three times as much


@pytest.mark.parametrize("border", ["open", "solid"])
def test_one_site_in_a_far_corner(border):
    mask = np.ones((50, 30, 70), bool)
    mask[49, 0, 69] = False
    assert distance(cut(mask, 7), border=border).compute().tobytes() == lengths(mask, solid=border == "solid").tobytes()


@pytest.mark.parametrize("value", [False, True])
def test_masks_of_one_value(value):
    mask = np.full((9, 8, 7), value)
    image = cut(mask, 4)
    assert (distance(image).compute() == (math.inf if value else 0)).all()
    assert (distance(image, signed=True).compute() == (math.inf if value else -math.inf)).all()
    np.testing.assert_array_equal(distance(image, border="solid").compute(), lengths(mask, solid=True))
    squares, metric = squared_distance(image)
    assert metric.exact
    assert (squares.compute() == (far(squares.dtype) if value else 0)).all()


def test_an_image_without_voxels():
    assert distance(vr.zeros(shape=vr.ZYX(z=0, y=4, x=4), dtype="bool")).compute().shape == (0, 4, 4)


@given(st.tuples(*(st.integers(1, 14) for _ in range(3))), st.booleans())
def test_any_blocks(block, lazy):
    mask = rock((13, 9, 11), 0.8)
    image = stored(mask) if not lazy else vr.from_array(mask)
    tiles = image.rechunk(vr.ZYX(*(min(b, n) for b, n in zip(block, mask.shape))))
    assert distance(tiles, border="solid").compute().tobytes() == lengths(mask, solid=True).tobytes()


@pytest.mark.parametrize("border", ["open", "solid"])
@pytest.mark.parametrize("level", [0.3, 2.5])
def test_in_a_cylinder(border, level):
    mask = rock(level=level)
    grid = {"spacing": "2 um"}
    image = cut(mask, 13, **grid)
    plug = vr.Cylinder.inscribed(image.grid)
    inside = image.restriction(plug).compute()
    truth = lengths(mask, inside, solid=border == "solid", spacing=(2, 2, 2))
    found = distance(image, border=border, where=plug)
    np.testing.assert_array_equal(found.compute(), truth)
    assert math.isnan(found.nodata)
    assert found.field.unit == "um"
    assert found.valid.compute().sum() == inside.sum()
    signed = distance(image, border=border, where=plug, signed=True).compute()
    np.testing.assert_array_equal(signed, truth - np.where(mask & inside, 0, lengths(~mask, inside, spacing=(2, 2, 2))))


def test_what_has_no_data_does_not_exist():
    grey = (rock() * 90 + 10).astype("u1")
    grey[:, 5:9, 4:30] = 0
    mask = vr.segmentation.threshold(cut(grey, 14).assign(nodata=0), low=50)
    np.testing.assert_array_equal(distance(mask).compute(), lengths(grey > 50, grey > 0))
    assert float(vr.statistics.summary(distance(mask))["count"]) == (grey > 0).sum()


@pytest.mark.parametrize("spacing", [(2.5, 1.0, 1.0), (math.pi, 1.0, 1.7), (8e-6, 8e-6, 8e-6)])
def test_every_chunking_gives_the_same_bits_on_any_grid(spacing):
    mask = rock()
    grid = {"spacing": spacing, "unit": "mm"}
    found = {distance(cut(mask, b, **grid), signed=True).compute().tobytes() for b in (5, 19, 64)}
    assert len(found) == 1
    truth = lengths(mask, spacing=spacing) - lengths(~mask, spacing=spacing)
    np.testing.assert_allclose(np.frombuffer(found.pop(), "f4").reshape(mask.shape), truth, rtol=2e-7)


def test_squares_are_whole_and_compare_without_rounding():
    mask = rock()
    squares, metric = squared_distance(cut(mask, 11, spacing="0.1 um"))
    truth = np.rint(ndi.distance_transform_edt(mask) ** 2)
    assert squares.dtype == "i4"
    np.testing.assert_array_equal(squares.compute(), truth)
    np.testing.assert_array_equal((squares >= metric.square(0.3)).compute(), truth >= 9)


def test_a_distance_feeds_what_follows_at_other_blocks(tmp_path):
    mask = rock()
    image = distance(cut(mask, 16))
    truth = lengths(mask)
    saved = vr.save(vr.filters.median(image, radius_vx=1), tmp_path / "d.zarr", chunks=10, shards=20)
    np.testing.assert_array_equal(saved.compute(), ndi.median_filter(truth, 3))
    np.testing.assert_array_equal(image[3:30, ::2, 5].compute(), truth[3:30, ::2, 5:6])
    np.testing.assert_array_equal(distance(image > 2).compute(), lengths(truth > 2))


def test_the_fingerprint_is_that_of_the_voxels_not_of_the_blocks():
    mask = rock()
    one, other = distance(cut(mask, 16)), distance(cut(mask, 9))
    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != distance(cut(mask, 16), border="solid").fingerprint
    assert one.fingerprint != distance(cut(~mask, 16)).fingerprint


def test_refusals():
    image = cut(rock(), 16)
    with pytest.raises(ParameterTypeError, match=r"boolean image.*got uint8"):
        distance(image.astype("u1"))
    with pytest.raises(ParameterError, match=r"'open' or 'solid'; got 'closed'"):
        distance(image, border="closed")
    with pytest.raises(GridMismatchError):
        distance(image, where=vr.ones(shape=3, dtype="bool"))


def test_the_history_tells():
    (entry,) = distance(cut(rock(), 16), border="solid").history
    assert entry["operation"] == "morphology.distance"
    assert entry["parameters"]["border"] == "solid"
