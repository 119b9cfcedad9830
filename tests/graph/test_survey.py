"""Second passes that find out what they need: tasks, live blocks, voxels read, what the first pass leaves and who clears it away."""

import gc
import os
import pickle

import dask.array as da
import numpy as np
import pytest

import voxelrock as vr
from tests.contract.cases import edt, grey, lengths
from tests.graph.test_budget import Alive, hollow, tasks
from voxelrock.errors import StorageError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import from_source
from voxelrock.graph.packed import Catalogue, pack
from voxelrock.graph.places import Place
from voxelrock.graph.survey import again
from voxelrock.morphology import distance
from voxelrock.testing import MemorySource, stored


def sparse(shape, seed=0, share=0.02):
    return np.random.default_rng(seed).random(shape) > share


@pytest.mark.parametrize("blocks", [2, 4, 8, 16])
def test_two_tasks_per_chunk_and_a_tree(blocks):
    count = blocks**3
    for signed in (False, True):
        array = distance(hollow(blocks) > 0, signed=signed, where=vr.Ball(center={"z": 4, "y": 4, "x": 4}, radius=5)).data
        assert 2 * count < tasks(array) <= count * (2 + 1 / 7) + 4


@pytest.mark.parametrize("blocks", [2, 8])
def test_over_blocks_of_other_tasks_the_same(blocks):
    source = da.zeros((blocks * 4,) * 3, chunks=4, dtype=bool)
    array = distance(vr.from_array(source)).data
    assert tasks(array) - tasks(source) <= blocks**3 * (2 + 1 / 7) + 4


@pytest.mark.parametrize("blocks", [2, 8])
def test_a_small_ball_costs_one_task_per_chunk(blocks):
    array = vr.morphology.erosion(hollow(blocks, edge=16) > 0, radius=3, border="solid").data
    assert tasks(array) == blocks**3 + 1


def test_no_block_is_kept_alive():
    alive = Alive()
    base = da.from_array(sparse((200, 8, 8)), chunks=(1, 8, 8))
    counted = base.map_blocks(alive.make, dtype=bool, meta=np.empty((0, 0, 0), bool))
    image = vr.from_array(counted)
    found = float(vr.statistics.summary(distance(image))["max"].compute(scheduler="sync"))
    gc.collect()
    assert found == edt(sparse((200, 8, 8))).astype("f4").max()
    assert alive.most <= 3  # of 200


def test_a_dear_image_is_computed_once():
    calls = []

    def count(block):
        calls.append(1)
        return block

    base = da.from_array(sparse((32, 32, 32)), chunks=8).map_blocks(count, dtype=bool, meta=np.empty((0, 0, 0), bool))
    distance(vr.from_array(base)).compute()
    assert len(calls) == 64


def test_what_is_read_follows_the_distances():
    for share, most in ((0.3, 3.2), (0.01, 4.5)):
        mask = sparse((96, 96, 96), share=share)
        image = stored(mask, ((32, 32, 32),) * 3)
        source = next(iter(image.data.dask.layers.values())).expression.source
        distance(image).compute()
        assert 2 < source.voxels_read / mask.size < most


def test_a_lonely_void_is_not_read_for():
    mask = np.ones((128, 128, 128), bool)
    mask[0, 0, 0] = False
    image = stored(mask, ((32,) * 4,) * 3)
    source = next(iter(image.data.dask.layers.values())).expression.source
    distance(image).compute()
    assert source.voxels_read < 4 * mask.size


def test_cheap_chains_are_read_again_and_dear_ones_not():
    image = stored(grey((20, 20, 20)), ((10, 10),) * 3)
    assert again((image > 9000).data) is not None
    assert again((image > vr.segmentation.otsu_threshold(image)).data) is not None
    assert again((image[2:, 3:, :-1] > 9000).data) is not None
    assert again((vr.filters.median(image, radius_vx=1) > 9000).data) is None
    assert again((image.coarsen(2) > 9000).data) is None
    assert again((vr.filters.median(vr.filters.gaussian(image, sigma_vx=2), radius_vx=3) > 0).data) is None
    assert again(vr.from_array(np.ones((4, 4, 4), bool)).data) is None


class Pages(MemorySource):
    paged = True


def test_pages_are_not_read_twice():
    mask = sparse((16, 16, 16))
    source = Pages(mask)
    image = vr.VoxelImage(from_source(source, Tiling.regular(mask.shape, (8, 16, 16))), vr.VoxelGrid(vr.ZYX(16, 16, 16)))
    np.testing.assert_array_equal(distance(image).compute(), lengths(mask))
    assert source.voxels_read == mask.size


@pytest.mark.parametrize("place", ["memory", "files"])
def test_packed_blocks_give_any_box(place, tmp_path):
    codes = np.random.default_rng(2).integers(0, 4, (13, 9, 27)).astype("u1")
    tiling = Tiling(((5, 8), (9,), (3, 11, 13)))
    where = Place(str(tmp_path) if place == "files" else "")
    packed = [pickle.loads(pickle.dumps(pack(where, tiling.box(i), codes[tiling.box(i).slices]))) for i in tiling]
    catalogue = Catalogue(packed, tiling, where)
    rng = np.random.default_rng(0)
    for _ in range(60):
        start, stop = np.sort(rng.integers(0, np.array([14, 10, 28]), (2, 3)), axis=0)
        box = VoxelBox(tuple(map(int, start)), tuple(map(int, stop)))
        np.testing.assert_array_equal(catalogue.read(box), codes[box.slices])
    assert len(list(tmp_path.iterdir())) == (6 if place == "files" else 0)
    del catalogue
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_large_images_leave_files_in_scratch_that_go(tmp_path):
    mask = sparse((220, 220, 180), share=0.001)  # packed 2.2 MB
    with vr.options.set(memory=2**20, scratch=str(tmp_path)):
        image = distance(vr.from_array(mask, block=110))
        (folder,) = tmp_path.iterdir()
        assert not list(folder.iterdir())
        found = image.compute()
    gc.collect()
    assert not list(folder.iterdir())
    np.testing.assert_array_equal(found, lengths(mask))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with vr.options.set(memory=2**20, scratch=str(tmp_path)), pytest.raises(StorageError, match=r"options\.scratch"):
        distance(vr.from_array(np.ones((220, 220, 180), bool)))


def test_a_scratch_file_that_is_gone_is_named(tmp_path):
    packed = pack(Place(str(tmp_path)), VoxelBox((0, 0, 0), (2, 2, 2)), np.ones((2, 2, 2), "u1"))
    next(tmp_path.iterdir()).unlink()
    with pytest.raises(StorageError, match=r"cannot be read.*options\.scratch"):
        packed.read(VoxelBox((0, 0, 0), (1, 1, 1)))


def test_a_full_folder_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"cannot be written.*options\.scratch"):
        pack(Place(str(tmp_path / "gone")), VoxelBox((0, 0, 0), (2, 2, 2)), np.ones((2, 2, 2), "u1"))
