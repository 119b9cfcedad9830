"""Stitching: tasks from 8 to 8000 chunks, what is alive, what travels."""

import gc
import tracemalloc
import weakref
from dataclasses import replace
from math import prod

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from tests.graph.test_budget import Alive, Hollow
from tests.labels.components_dense import label as dense_label
from tests.labels.components_dense import outer
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import from_source, top
from voxelrock.graph.budget import predict
from voxelrock.graph.trees import below, levels, nodes
from voxelrock.kernels import pieces
from voxelrock.kernels.backend import kernel
from voxelrock.labels.components import COMPONENTS
from voxelrock.testing import raise_if_computed, stored


def hollow(blocks, edge=4):
    counts = (blocks,) * 3 if isinstance(blocks, int) else blocks
    shape = tuple(n * edge for n in counts)
    return vr.VoxelImage(from_source(Hollow(shape), Tiling.regular(shape, (edge,) * 3)), vr.VoxelGrid(vr.ZYX(*shape)))


def tasks(array):
    return len(dict(array.__dask_graph__()))


@pytest.mark.parametrize("blocks", [2, 5, 20])
def test_two_tasks_per_chunk_over_a_stored_image_and_three_trees(blocks):
    with raise_if_computed():
        array = vr.labels.label(hollow(blocks)).data
    count = blocks**3
    assert 2 * count <= tasks(array) <= 2 * count + 3 * count / 7 + 3
    assert predict(array).tasks_per_block == 2


@pytest.mark.parametrize("blocks", [2, 9, 20])
def test_a_lazy_image_costs_its_own_blocks_twice_and_no_borders(blocks):
    source = da.zeros((blocks * 4,) * 3, chunks=4, dtype="u1")
    array = vr.labels.label(vr.from_array(source)).data
    count = blocks**3
    assert tasks(array) - 2 * tasks(source) <= 2 * count + 3 * count / 7 + 3


@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 1, 1), (17, 1, 1), (100, 3, 1), (9, 9, 9), (3, 3, 3), (1, 50, 50)])
def test_trees_join_neighbours_that_fill_boxes(counts):
    total, boxes = 0, {i: VoxelBox(i, tuple(n + 1 for n in i)) for i in nodes(counts)}
    for low, high in levels(counts):
        above = {}
        for index in nodes(high):
            parts = [boxes[i] for i in below(index, high, low)]
            above[index] = parts[0]
            for part in parts:
                above[index] = above[index] | part
            assert sum(p.size for p in parts) == above[index].size  # nothing is missing, nothing twice
        assert prod(high) <= prod(low) / 8 or prod(high) == 1
        assert sum(b.size for b in above.values()) == prod(counts)
        boxes, total = above, total + prod(high)
    assert total <= prod(counts) / 7 + 1


def test_no_block_stays_alive_between_the_passes():
    alive = Alive()
    array = np.random.default_rng(0).random((200, 8, 8)) < 0.4
    counted = da.from_array(array, chunks=(1, 8, 8)).map_blocks(alive.make, dtype=bool, meta=np.empty((0, 0, 0), bool))
    image = vr.from_array(counted)
    labels = vr.labels.label(image)
    found = vr.statistics.summary(image.where(labels == 1, other=False) * 1, where=labels > 0)["mean"]
    found.compute(scheduler="sync")
    gc.collect()
    assert alive.most <= 4  # of 200


_ALIVE = set()
_SEEN = []


@kernel()
def counted_piece(block, /, *, rules, start, shape):
    """A piece that is counted while it is alive."""
    made = pieces.piece(block, rules=rules, start=start, shape=shape)[0]
    _ALIVE.add(id(made))
    weakref.finalize(made, _ALIVE.discard, id(made))
    return made, None


@kernel()
def counting_named(block, /, *, rules, message, dtype, start, shape):
    """The second pass, which says how many pieces of blocks are alive."""
    _SEEN.append(len(_ALIVE))
    return pieces.named(block, rules=rules, message=message, dtype=dtype, start=start, shape=shape)


def test_pieces_of_blocks_are_gone_before_the_second_pass():
    _SEEN.clear()
    array = np.random.default_rng(0).random((32, 32, 32)) < 0.3
    image = stored(array, ((4,) * 8,) * 3)
    counting = replace(COMPONENTS, label=counted_piece, relabel=counting_named)
    found = counting(image.data, rules=top(vr.labels.label(image).data).rules, dtype="i4").compute(scheduler="sync")
    np.testing.assert_array_equal(found, dense_label(array))
    assert len(_SEEN) == 512
    assert max(_SEEN) <= 8  # those of the last node of the first level, at most


def test_a_node_holds_its_surface_and_a_block_learns_its_own_names():
    rng = np.random.default_rng(1)
    array = rng.random((64, 64, 64)) < 0.25  # noise: as many components as there can be
    image = stored(array, ((8,) * 8,) * 3)
    array_of = vr.labels.label(image).data
    graph = dict(array_of.__dask_graph__())
    keys = [key for key in graph if key[0].endswith(("-node", "-messages"))]
    values = dict(zip(keys, dask.get(graph, keys)))
    for key, value in values.items():
        if key[0].endswith("-node"):
            piece, _, _ = value
            surface = 2 * sum(prod(piece.box.shape) // n for n in piece.box.shape)
            assert len(piece.members.key) <= surface / 2
            assert sum(p.nbytes for p in piece.faces.values()) <= 8 * surface
            assert piece.ledger[0].size <= piece.box.shape[0] * piece.box.shape[1]
        elif key[1] == 0:
            assert len(value) == 8
            for box, (message, _) in value.items():
                assert len(message.names) <= 6 * 8 * 8 / 2
                assert box.shape == (8, 8, 8)


def test_the_graph_is_built_lazily_and_named_by_what_it_is():
    image = hollow(20)
    one, two = vr.labels.label(image), vr.labels.label(image)
    assert one.data.name == two.data.name
    assert not top(one.data).is_materialized()
    assert vr.labels.label(image, connectivity=26).data.name != one.data.name
    again = vr.labels.label(image.rechunk(8))
    assert again.data.name != one.data.name
    assert again.fingerprint == one.fingerprint  # the same image at another tiling


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_do_not_matter(threads):
    array = np.random.default_rng(3).random((40, 30, 50)) < 0.31
    image = stored(array, ((9, 31), (30,), (11, 2, 37)))
    with dask.config.set(num_workers=threads):
        np.testing.assert_array_equal(vr.labels.label(image).compute(), dense_label(array))


def test_images_of_different_shapes_are_refused():
    image = hollow(2)
    other = da.zeros((3, 3, 3), chunks=3, dtype="u1")
    with pytest.raises(vr.errors.ParameterError, match="different shapes"):
        COMPONENTS(image.data, other, rules=None, dtype="i4")


def test_an_error_names_the_block():
    image = stored(np.zeros((8, 8, 8), "f4"), ((4, 4),) * 3)
    array = COMPONENTS(image.data, rules=top(vr.labels.label(hollow(2)).data).rules, dtype="i4")
    with pytest.raises(vr.errors.ParameterTypeError, match=r"booleans or integers; got float32 \(seen in voxels z"):
        array.compute(scheduler="sync")


def test_a_chain_of_stitchings_grows_in_line():
    source = da.zeros((16, 16, 16), chunks=4, dtype=bool)
    image = vr.from_array(source)
    counts = [tasks(source)]
    for _ in range(4):
        image = vr.labels.remove_small(image, min_voxels=2)
        counts.append(tasks(image.data))
    steps = np.diff(counts)
    assert all(np.diff(steps, 2) <= 64)  # every pass makes its blocks anew, but no tree: quadratic in the chain, never doubling
    assert steps[-1] < 2 * steps[-2]


def test_a_chain_of_stitchings_is_right_and_keeps_nothing_alive():
    alive = Alive()
    array = np.random.default_rng(2).random((120, 8, 8)) < 0.5
    blocks = da.from_array(array, chunks=(1, 8, 8)).map_blocks(alive.make, dtype=bool, meta=np.empty((0, 0, 0), bool))
    large = vr.labels.remove_small(vr.from_array(blocks), min_voxels=4)
    found = vr.labels.label(vr.labels.clear_border(~large, connectivity=26)).compute(scheduler="sync")
    table = dense_label(array)
    first = array & (np.append(0, np.bincount(table.ravel())[1:])[table] >= 4)
    np.testing.assert_array_equal(found, dense_label(~first & ~outer(~first, 26)))
    gc.collect()
    assert alive.most <= 6  # of 120


def test_a_threshold_is_found_once_for_both_passes():
    calls = []
    array = np.random.default_rng(2).integers(0, 99, (40, 8, 8)).astype("u1")
    blocks = da.from_array(array, chunks=(1, 8, 8)).map_blocks(lambda b: calls.append(1) or b, dtype="u1", meta=np.empty((0, 0, 0), "u1"))
    dark = vr.segmentation.otsu(vr.filters.gaussian(vr.from_array(blocks), sigma_vx=1), phase="dark")
    vr.labels.label(dark).compute(scheduler="sync")
    assert len(calls) == 4 * 40  # the extremes, the histogram, the first pass, the second: the threshold is not found again


@pytest.mark.parametrize("smooth", [0, 3])
def test_the_bytes_of_a_task_are_as_predicted(smooth):
    field = ndi.gaussian_filter(np.random.default_rng(0).random((96, 96, 96)), smooth)
    labels = vr.labels.label(stored(field < np.quantile(field, 0.2))).data
    labels.compute(scheduler="sync")
    tracemalloc.start()
    labels.compute(scheduler="sync")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected = predict(labels).bytes_per_task
    assert 0.4 * expected < peak < (1.35 if smooth else 1.8) * expected  # white noise is the worst: a run for every six voxels
