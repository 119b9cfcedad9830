"""Touching balls come apart at their necks; seeds grow into what they are joined to."""

import numpy as np
import pytest
import scipy.ndimage as ndi
from skimage.morphology import h_maxima
from skimage.segmentation import flood, watershed

import voxelrock as vr
from tests.labels import components_dense as dense
from tests.morphology import basins_dense
from voxelrock.errors import GridMismatchError, ParameterError, ParameterTypeError
from voxelrock.testing import stored

G = vr.segmentation


def balls(shape, centres, radius):
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    return np.any([(z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= radius**2 for a, b, c in centres], axis=0)


@pytest.mark.parametrize("shift", [10, 13, 16])
def test_two_overlapping_balls_part_at_their_neck(shift):
    mask = balls((23, 23, 23 + shift), [(11, 11, 11), (11, 11, 11 + shift)], 10.2)
    found = G.split_touching(stored(mask, ((8, 15), (5, 18), (11, 12 + shift)))).compute()
    assert found.max() == 2
    middle = 11 + shift / 2
    x = np.broadcast_to(np.arange(mask.shape[2]), mask.shape)
    assert (found[mask & (x < middle)] == 1).all()
    assert (found[mask & (x > middle)] == 2).all()
    assert not found[~mask].any()


def test_a_cubic_lattice_of_touching_balls_has_as_many_labels():
    lattice = 8 + 16 * np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    mask = balls((49,) * 3, lattice, 8)
    assert ndi.label(mask)[1] == 1
    found = G.split_touching(stored(mask, ((20, 29),) * 3, spacing="3 um")).compute()
    assert found.max() == 27
    shared = np.bincount(found[mask])[1:]
    assert shared.max() - shared.min() <= 6  # each pair shares one voxel
    np.testing.assert_array_equal(found[tuple(lattice.T)], np.arange(1, 28))  # in the order of their first voxels
    assert G.split_touching(stored(mask), depth=20).compute().max() == 1


def rock(shape=(40, 36, 44), seed=0):
    return ndi.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2) > 0


def test_a_pipeline_of_scikit_image_agrees_but_for_ties():
    mask = rock()
    ours = G.split_touching(stored(mask, ((17, 23), (36,), (30, 14))), depth=0.7).compute()
    distance, cross = np.rint(ndi.distance_transform_edt(mask) * 1000), dense.structure(6)
    level = (distance * 2**16 + np.arange(mask.size)[::-1].reshape(mask.shape)).astype("i4")  # of equal ones the first is the highest, as here
    markers, count = ndi.label(h_maxima(level, 700 * 2**16, footprint=cross), cross)
    theirs = watershed(-level, markers, mask=mask, connectivity=1)
    assert ours.max() == count > 50
    pairs, sizes = np.unique(np.stack([ours[mask], theirs[mask]]), axis=1, return_counts=True)
    best = np.zeros(count + 1)
    np.maximum.at(best, pairs[0], sizes)
    assert best.sum() / mask.sum() > 0.98  # 0.989; on plateaus and ridges queues decide otherwise


def test_depth_and_grid_are_physical():
    mask = rock((20, 18, 22))
    truth = basins_dense.regions(-ndi.distance_transform_edt(mask, sampling=(2, 1, 1)).astype("f4"), 6, mask, 1.5)
    grid = {"spacing": vr.ZYX("8 um", "4 um", "4 um")}
    for depth in ("6 um", 6):
        found = G.split_touching(stored(mask, ((7, 13), (18,), (4, 18)), **grid), depth=depth)
        np.testing.assert_array_equal(found.compute(), truth)
    assert "depth 6 um" in found.field.description


def test_seeds_grow_into_what_they_are_joined_to():
    array = (ndi.uniform_filter(np.random.default_rng(2).random((16, 15, 17)), 3) * 250).astype("u1")
    image = stored(array, ((5, 11), (15,), (8, 9)), spacing="2 um", origin="10 um")
    low, high = 115, 255
    point = tuple(np.argwhere(array >= low)[40])
    at = {axis: 10 + 2 * float(i) for axis, i in zip("zyx", point)}
    apart = tuple(np.argwhere(array < low)[3])  # starts nothing
    other = {axis: f"{10 + 2 * float(i)} um" for axis, i in zip("zyx", apart)}
    truth = flood((array >= low).astype("u1"), point, connectivity=1)
    for seeds in (at, [at, other], {axis: [at[axis], at[axis]] for axis in "zyx"}, vr.ZYX(**at)):
        np.testing.assert_array_equal(G.region_growing(image, seeds=seeds, low=low, high=high).compute(), truth)
    mask = np.zeros(array.shape, bool)
    mask[point] = mask[apart] = True
    for chunks in (None, ((16,), (7, 8), (17,))):
        found = G.region_growing(image, seeds=stored(mask, chunks, spacing="2 um", origin="10 um"), low=low, high=high)
        np.testing.assert_array_equal(found.compute(), truth)
    assert not G.region_growing(image, seeds=[], low=low, high=high).compute().any()
    assert not G.region_growing(image, seeds=other, low=low, high=high).compute().any()
    known = G.region_growing(image.assign(nodata=int(array[point])), seeds=at, low=low, high=high)
    assert not known.compute().any()  # a seed without data starts nothing
    np.testing.assert_array_equal(known.valid.compute(), array != array[point])


def test_refusals():
    image, there = stored(np.zeros((6, 7, 8), "u1")), {"z": 1, "y": 1, "x": 1}
    for bad, kind, message in (
        ({"low": 3, "high": 2}, ParameterError, "low is not above high"),
        ({"low": float("nan"), "high": 2}, ParameterError, "both are numbers"),
        ({"connectivity": 8}, ParameterError, "number of neighbours"),
        ({"seeds": (1, 1, 1)}, ParameterTypeError, r"name the axes of points: seeds=dict\(z=…, y=…, x=…\).*got tuple"),
        ({"seeds": "here"}, ParameterTypeError, "name the axes of points.*got str"),
        ({"seeds": {"z": 1, "x": 2}}, ParameterError, "keys z, y and x"),
        ({"seeds": {"z": [1, 2], "y": 1, "x": [1, 2]}}, ParameterError, "as many numbers along each axis"),
        ({"seeds": {"z": 9, "y": 1, "x": 1}}, ParameterError, r"the point \(z=9, y=1, x=1\) lies outside the image"),
        ({"seeds": image}, ParameterTypeError, r"seeds are a boolean image \(True = seed\) or points; got an image of uint8"),
        ({"seeds": vr.ones(shape=3, dtype="bool")}, GridMismatchError, "different grids"),
    ):
        with pytest.raises(kind, match=message):
            G.region_growing(image, **{"seeds": there, "low": 0, "high": 1, **bad})
    with pytest.raises(ParameterTypeError, match=r"boolean image.*segmentation\.otsu.*got uint8"):
        G.split_touching(image)
    for bad, message in (({"depth": -1}, "not negative"), ({"connectivity": 5}, "number of neighbours"), ({"border": "wrap"}, "'open' or 'solid'")):
        with pytest.raises(ParameterError, match=message):
            G.split_touching(image > 0, **bad)
