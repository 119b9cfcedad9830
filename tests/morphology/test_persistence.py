"""The table of persistence against a union-find over all voxels in their order."""

import math

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from tests.morphology import basins_dense as dense
from tests.morphology.test_basins import IMAGES, SHAPE, TUBE, chunkings, tube
from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.morphology import persistence
from voxelrock.testing import stored


def lives(f, connectivity, inside):
    """For the first voxel of each minimum: its death, the voxel of the pass, and its elder's first voxel (-1: none)."""
    values, parent = f.ravel().astype("f8"), list(range(f.size))
    first = {i: i for i in range(f.size)}  # of each tree, its lowest voxel
    found = {}
    for i, j in zip(*dense.pairs(f, connectivity, inside)):
        a, b = (first[dense.find(parent, k)] for k in (i, j))
        if a == b:
            continue
        elder, younger = sorted((a, b), key=lambda k: (values[k], k))
        root = dense.find(parent, i)
        parent[root] = dense.find(parent, j)
        first[dense.find(parent, j)] = elder
        if values[i] > values[younger]:
            found[younger] = values[i], i, elder
    for root in {dense.find(parent, i) for i in np.flatnonzero(inside.ravel()).tolist()}:
        found[first[root]] = math.inf, -1, -1
    return dict(sorted(found.items()))


def check(found, f, connectivity, inside, least=0.0, sign=1):
    rows = {i: row for i, row in lives(f, connectivity, inside).items() if row[0] - f.ravel()[i] >= least}
    names = {-1: 0, **{i: n for n, i in enumerate(rows, 1)}}
    np.testing.assert_array_equal(found["birth"], [sign * float(f.ravel()[i]) for i in rows])
    np.testing.assert_array_equal(found["death"], [sign * death for death, _, _ in rows.values()])
    np.testing.assert_array_equal(found["persistence"], [death - f.ravel()[i] for i, (death, _, _) in rows.items()])
    np.testing.assert_array_equal(found["elder"], [names[elder] for _, _, elder in rows.values()])
    np.testing.assert_array_equal(found["label"], np.arange(1, len(rows) + 1))
    np.testing.assert_array_equal(found["position"], np.stack(np.unravel_index(list(rows), f.shape), -1))
    through = np.array([at for _, at, _ in rows.values()])
    place = np.stack(np.unravel_index(np.maximum(through, 0), f.shape), -1)
    np.testing.assert_array_equal(found["pass_position"], np.where(through[:, None] < 0, np.nan, place))


@given(chunkings, st.sampled_from(sorted(IMAGES)), st.sampled_from([6, 18, 26]), st.booleans())
def test_equals_a_union_find_of_all_voxels(chunks, name, connectivity, plug):
    array, inside = IMAGES[name], tube() if plug else np.ones(SHAPE, bool)
    options = {"connectivity": connectivity, "where": TUBE if plug else None}
    check(persistence(stored(array, chunks), **options), array, connectivity, inside)
    if array.dtype.kind != "u":
        check(persistence(stored(array, chunks), of="maxima", **options), -array.astype("f8"), connectivity, inside, sign=-1)


@pytest.mark.parametrize("dtype", ["u1", "i2", "bool"])
def test_maxima_of_integers_have_their_values(dtype):
    array = np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 100, SHAPE).astype(dtype)
    check(persistence(stored(array), of="maxima", connectivity=6), -array.astype("f8"), 6, np.ones(SHAPE, bool), sign=-1)


def test_labels_are_those_of_a_watershed_of_that_depth():
    array = (ndi.gaussian_filter(np.random.default_rng(3).random((16, 18, 20)), 1) * 1000).astype("i4")
    image = stored(array, ((5, 11), (18,), (9, 11)), spacing="2 um", origin="1 um")
    for least in (0, 20, 90):
        found = persistence(image, least=least, connectivity=6)
        regions = vr.segmentation.watershed(image, depth=least, connectivity=6).compute()
        voxels = ((found["position"].values - 1) / 2).astype(int)
        np.testing.assert_array_equal(regions[tuple(voxels.T)], found["label"])
        assert regions.max() == found.sizes["label"] > 0
        assert (found["persistence"] >= least).all()


def test_nothing_and_wrong_arguments():
    image = vr.zeros(shape=4)
    assert persistence(image)["death"].values.tolist() == [math.inf]
    assert persistence(image, where=image > 1).sizes["label"] == 0
    assert persistence(vr.zeros(shape=0)).sizes["label"] == 0
    with pytest.raises(ParameterError, match="'minima' or 'maxima'; got 'saddles'"):
        persistence(image, of="saddles")
    with pytest.raises(ParameterError, match="not negative"):
        persistence(image, least=-1)
    with pytest.raises(ParameterError, match="number of neighbours"):
        persistence(image, connectivity=5)
    with pytest.raises(ParameterTypeError, match="up to 32 bits"):
        persistence(image.astype("i8"))
    with pytest.raises(DataError, match="NaN has no place"):
        persistence(vr.full(shape=3, value=math.nan, dtype="f4"))
