"""Watershed, reconstruction and extremes against truths on the whole image: any chunks, plateaus, chains of blocks, cylinders, threads."""

import dask
import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st
from skimage.morphology import h_maxima, h_minima, reconstruction
from skimage.segmentation import watershed

import voxelrock as vr
from tests.labels.components_dense import structure
from tests.morphology import basins_dense as dense
from voxelrock.errors import DataError, GridMismatchError, ParameterError, ParameterTypeError
from voxelrock.kernels.purposes import Flood, Markers, Minima
from voxelrock.morphology.basins import through_basins
from voxelrock.testing import raise_if_computed, stored

G, M = vr.segmentation, vr.morphology
SHAPE = (7, 9, 8)
each = pytest.mark.parametrize("connectivity", [6, 18, 26])
rng = np.random.default_rng(5)
IMAGES = {
    "constant": np.zeros(SHAPE, "u2"),
    "checkerboard": (np.indices(SHAPE).sum(0) % 2).astype("i4"),
    "plateaus": rng.integers(0, 3, SHAPE).astype("u1"),
    "noise": rng.normal(size=SHAPE).astype("f4"),
    "smooth": (ndi.gaussian_filter(rng.random(SHAPE), 1.5) * 1e6).astype("i4"),
    "slope": -np.arange(np.prod(SHAPE)).reshape(SHAPE).astype("i2"),  # every block drains into the next
    "signed zeros": np.where(rng.random(SHAPE) < 0.5, -0.0, 0.0),
}
CHUNKS = {"one": None, "ragged": ((3, 1, 3), (9,), (5, 3)), "voxels": ((1,) * 4, (1,) * 5, (1,) * 4)}


def tube(shape=SHAPE):
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    return np.broadcast_to((y - 4) ** 2 + (x - 3.5) ** 2 <= 3.3**2, shape) & (z < 6)


TUBE = vr.Cylinder(axis="z", center={"z": 2.5, "y": 4.0, "x": 3.5}, radius=3.3, length=6.0)


def cuts(length):
    return st.sets(st.integers(1, length - 1), max_size=5).map(lambda s: tuple(np.diff([0, *sorted(s), length]).tolist()))


chunkings = st.tuples(*(cuts(n) for n in SHAPE))


def sparse(seed, shape=SHAPE):
    random = np.random.default_rng(seed)
    return np.where(random.random(shape) < 0.04, random.integers(1, 6, shape), 0).astype("u2")


def result(image):
    return image.compute(scheduler="sync")


@each
@pytest.mark.parametrize("cut", CHUNKS)
@pytest.mark.parametrize("name", IMAGES)
def test_regions_are_the_minimum_spanning_forest_of_all_voxels(name, cut, connectivity):
    corner = tuple(slice(n) for n in ((4, 5, 4) if cut == "voxels" else SHAPE))  # a task for each voxel: fewer will do
    array, chunks, markers = IMAGES[name][corner].copy(), CHUNKS[cut], sparse(1)[corner].copy()
    image = stored(array, chunks)
    found = G.watershed(image, connectivity=connectivity)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(result(found), dense.regions(array, connectivity))
    np.testing.assert_array_equal(
        result(G.watershed(image, markers=stored(markers, chunks), connectivity=connectivity)), dense.grown(array, markers, connectivity)
    )


@each
@given(chunkings, st.integers(0, 99), st.integers(1, 60))
def test_any_chunks_any_plateaus_in_a_cylinder(connectivity, chunks, seed, levels):
    array = np.random.default_rng(seed).integers(0, levels, SHAPE).astype("i4")
    image, markers, inside = stored(array, chunks), sparse(seed), tube()
    options = {"connectivity": connectivity, "where": TUBE}
    np.testing.assert_array_equal(result(G.watershed(image, **options)), dense.regions(array, connectivity, inside))
    np.testing.assert_array_equal(result(G.watershed(image, markers=stored(markers), **options)), dense.grown(array, markers, connectivity, inside))
    np.testing.assert_array_equal(
        result(M.reconstruction(stored(array + sparse(seed + 1), chunks).astype("i4"), image, method="erosion", **options)),
        dense.shrunk(array + sparse(seed + 1), array, connectivity, inside),
    )


@each
@pytest.mark.parametrize("levels", [2, 12])
def test_minima_are_deep_by_the_way_to_any_lower_one(connectivity, levels):
    for seed, chunks in enumerate((CHUNKS["one"], CHUNKS["ragged"])):
        array, inside = np.random.default_rng(seed).integers(0, levels, SHAPE).astype("i2"), tube()
        for depth in (0, levels / 3):
            found = M.h_minima(stored(array, chunks), depth=depth, connectivity=connectivity, where=TUBE)
            np.testing.assert_array_equal(result(found), dense.deep(array, depth, connectivity, inside))


@each
@given(chunkings, st.integers(0, 99), st.sampled_from(["u1", "u2", "i4", "f4"]))
def test_reconstruction_and_extremes_are_scikit_images(connectivity, chunks, seed, dtype):
    random = np.random.default_rng(seed)
    mask = ndi.uniform_filter(random.integers(0, 200, SHAPE), 2).astype(dtype)
    below, above = (np.clip(mask + sign * random.integers(0, 50, SHAPE), 0, 255).astype(dtype) for sign in (-1, 1))
    for seeds, method in ((below, "dilation"), (above, "erosion")):
        found = M.reconstruction(stored(seeds, chunks), stored(mask, chunks), method=method, connectivity=connectivity)
        assert found.dtype == mask.dtype
        np.testing.assert_array_equal(result(found), reconstruction(seeds, mask, method=method, footprint=structure(connectivity)))
    if connectivity == 26 and dtype == "i4":
        for size in (1, 7, 30):
            np.testing.assert_array_equal(result(M.h_maxima(stored(mask, chunks), height=size)), h_maxima(mask, size))
            np.testing.assert_array_equal(result(M.h_minima(stored(mask, chunks), depth=size)), h_minima(mask, size))


def test_scikit_image_agrees_but_for_ties():
    random = np.random.default_rng(3)
    distinct = random.permutation(24**3).reshape((24,) * 3).astype("f4")
    smooth = ndi.gaussian_filter(random.random((24,) * 3), 2)
    smooth = np.argsort(np.argsort(smooth, axis=None)).reshape(smooth.shape).astype("i4")
    share = {}
    for name, array in (("white noise", distinct), ("smooth", smooth)):
        ours = G.watershed(stored(array, ((7, 17),) * 3)).compute()
        share[name] = (ours == watershed(array)).mean()
        assert ours.max() == watershed(array).max()
    assert share["smooth"] > 0.99
    assert share["white noise"] > 0.9


def test_shallow_minima_make_no_region():
    array = IMAGES["plateaus"].astype("i4") * 10 + rng.integers(0, 4, SHAPE, dtype="i4")
    for depth in (0, 4, 12, 25):
        markers = dense.deep(array, depth, 6, first=True)
        expected = dense.grown(array, np.where(markers, dense.minima(array), 0))
        found = result(G.watershed(stored(array, ((3, 4), (2, 7), (8,))), depth=depth))
        table = dict(zip(found.ravel().tolist(), expected.ravel().tolist()))
        np.testing.assert_array_equal(np.vectorize(table.get)(found), expected)
        assert sorted(table) == list(range(1, len(set(table.values())) + 1))


def test_a_distance_in_threads_and_a_lazy_image_made_twice():
    rock = ndi.gaussian_filter(np.random.default_rng(0).normal(size=(40, 36, 44)), 2) > 0
    distance = -np.rint(ndi.distance_transform_edt(rock) ** 2).astype("i4")
    whole = result(G.watershed(stored(distance), where=stored(rock), connectivity=26))
    assert whole.max() > 10
    assert ((whole > 0) == rock).all()
    for scheduler in ("sync", "threads"):
        lazy = vr.filters.median(vr.from_array(distance, block=13), radius_vx=0)
        found = G.watershed(lazy, where=stored(rock, ((13, 13, 14), (36,), (11, 33))), connectivity=26)
        np.testing.assert_array_equal(found.compute(scheduler=scheduler), whole)
    with raise_if_computed():
        assert G.watershed(lazy).shape == rock.shape


def test_marker_in_two_parts_and_two_markers_in_one_basin():
    line = np.array([0, 1, 2, 3, 4, 5, 4, 3, 9, 3, 3, 3], "u1").reshape(1, 1, -1)
    marks = np.array([0, 7, 0, 0, 2, 0, 0, 0, 0, 0, 0, 7], "u1").reshape(1, 1, -1)
    expected = [7, 7, 7, 7, 2, 2, 2, 2, 2, 7, 7, 7]  # the ridge has two equal neighbours: the first
    np.testing.assert_array_equal(dense.grown(line, marks).ravel(), expected)
    for chunks in (None, ((1,), (1,), (3, 2, 5, 2)), ((1,), (1,), (1,) * 12)):
        assert result(G.watershed(stored(line, chunks), markers=stored(marks, chunks))).ravel().tolist() == expected


def test_what_no_marker_reaches_is_zero_and_what_holds_no_data_is_nobodys():
    array = np.ones((3, 3, 7), "f4")
    array[:, :, 3] = np.nan
    marks = np.zeros(array.shape, "u1")
    marks[1, 1, 5] = 4
    image = stored(array, ((3,), (2, 1), (2, 2, 3)))
    found = result(G.watershed(image.assign(nodata=float("nan")), markers=stored(marks)))
    assert found[0, 0].tolist() == [0, 0, 0, 0, 4, 4, 4]
    for make in (lambda im: G.watershed(im), lambda im: M.h_minima(im, depth=1), lambda im: M.reconstruction(im, im)):
        with pytest.raises(DataError, match="NaN has no place in the order"):
            result(make(image))
    kept = M.reconstruction(image.assign(nodata=float("nan")), image.assign(nodata=float("nan")))
    np.testing.assert_array_equal(result(kept), array)
    seeds = stored(np.where(np.arange(7) == 1, np.nan, np.ones(array.shape)).astype("f4"))
    with pytest.raises(DataError, match="NaN has no place"):
        result(M.reconstruction(seeds, stored(np.ones(array.shape, "f4"))))


def test_empty_images_and_wrong_arguments():
    empty = vr.from_array(np.zeros((0, 4, 4), "u1"))
    assert result(G.watershed(empty)).shape == (0, 4, 4)
    image, labels = stored(IMAGES["plateaus"]), stored(sparse(0))
    assert not result(G.watershed(image, where=vr.Ball(center={"z": 99.0, "y": 0.0, "x": 0.0}, radius=1.0))).any()
    with pytest.raises(ParameterError, match="for minima"):
        G.watershed(image, markers=labels, depth=2)
    with pytest.raises(ParameterError, match="not negative"):
        G.watershed(image, depth=-1)
    with pytest.raises(ParameterError, match="number of neighbours"):
        G.watershed(image, connectivity=8)
    with pytest.raises(ParameterTypeError, match=r"vr\.labels\.label"):
        G.watershed(image, markers=labels > 0)
    with pytest.raises(ParameterTypeError, match="up to 32 bits"):
        G.watershed(image.astype("i8"))
    with pytest.raises(GridMismatchError):
        G.watershed(image, markers=vr.full(shape=3, value=1))
    with pytest.raises(ParameterTypeError, match="of one type"):
        M.reconstruction(image.astype("i4"), image)
    with pytest.raises(ParameterError, match="'dilation'"):
        M.reconstruction(image, image, method="opening")
    with pytest.raises(ParameterError, match="height is finite"):
        M.h_maxima(image, height=float("nan"))
    with pytest.raises(ParameterTypeError, match="takes a mask"):
        M.fill_holes(image)
    with pytest.raises(ParameterError, match="low is not above high"):
        G.hysteresis(image, low=3, high=2)
    with pytest.raises(ParameterError, match="'bright' or 'dark'"):
        G.hysteresis(image, low=1, high=2, phase="pore")


def test_shells_in_shells_are_filled_across_blocks():
    z, y, x = np.ogrid[-12:13, -12:13, -12:13]
    radius = np.sqrt(z**2 + y**2 + x**2)
    shells = ((radius > 4) & (radius < 6)) | ((radius > 9) & (radius < 11))
    image = stored(shells, ((3, 9, 13), (25,), (1, 12, 12)))
    for connectivity in (6, 18, 26):
        expected = ndi.binary_fill_holes(shells, structure(26 if connectivity == 6 else 6))
        np.testing.assert_array_equal(M.fill_holes(image, connectivity=connectivity).compute(), expected)
    assert expected.sum() == (radius < 11).sum()


def test_one_reading_per_pass_and_two_tasks_a_block_and_a_tree():
    image = stored(np.zeros((32, 32, 32), "u1"), ((8,) * 4,) * 3)
    graph = dict(G.watershed(image).data.__dask_graph__())
    assert 128 <= len(graph) <= 2 * 64 + 3 * 9 + 3
    with dask.config.set(scheduler="sync"):
        assert set(np.unique(G.watershed(image).compute())) == {1}


@pytest.mark.parametrize("smooth", [0, 1.2])
def test_boxes_in_boxes_decide_as_the_whole_image(smooth):
    random = np.random.default_rng(11)
    array = ndi.gaussian_filter(random.random((24, 20, 27)), smooth)
    array = np.rint(array * 400).astype("i4")
    markers = np.where(random.random(array.shape) < 0.01, random.integers(1, 9, array.shape), 0).astype("u2")
    seeds = np.where(random.random(array.shape) < 0.003, array, 1000).astype("i4")
    found = []
    for size in (3, 64):  # four levels of boxes, and none
        image = stored(array, tuple(tuple(min(size, n - i) for i in range(0, n, size)) for n in array.shape))
        regions = [G.watershed(image, depth=depth, connectivity=18) for depth in (0, np.ptp(array) // 20, np.ptp(array) // 4)]
        others = G.watershed(image, markers=stored(markers)), M.h_minima(image, depth=3), M.reconstruction(stored(seeds), image, method="erosion")
        found.append([result(each) for each in (*regions, *others)])
    for ours, whole in zip(*found):
        np.testing.assert_array_equal(ours, whole)
    assert len({int(each.max()) for each in found[0][:3]}) == 3


@pytest.mark.parametrize("purpose", [Minima(0.0), Minima(0.2), Markers(), Flood()])
def test_a_node_keeps_basins_of_its_surface(purpose):
    noise = np.random.default_rng(2).random((48, 48, 48)).astype("f4")
    image = stored(noise, ((12,) * 4,) * 3)
    third = () if not purpose.takes else (stored((noise > 0.999).astype("u2" if purpose.takes == "markers" else "f4")).data,)
    graph = dict(through_basins(image.data, (), purpose, *third, connectivity=26, dtype="f4" if purpose == Flood() else "i4").__dask_graph__())
    nodes = [key for key in graph if key[0].endswith("-node")]
    pieces = [node[0] for node in dask.get(graph, nodes)]
    assert {piece.box.shape for piece in pieces} == {(24, 24, 24), (48, 48, 48)}
    for piece in pieces:
        assert piece.basins.ids.size <= 1.25 * piece.opened.size  # a few wait for an open one
        assert piece.edges.a.size < max(piece.basins.ids.size, 1)
    assert next(p for p in pieces if p.box.shape == (48, 48, 48)).basins.ids.size == 0
