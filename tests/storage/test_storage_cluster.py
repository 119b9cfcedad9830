"""The same answers and the same errors from workers in other processes."""

import dask
import numpy as np
import pytest
from zarr.storage import MemoryStore

import voxelrock as vr
from voxelrock.errors import CorruptChunkError, DataError, ParameterError


@pytest.fixture
def array(voxels):
    return voxels((40, 36, 44))


@pytest.mark.parametrize("layout", ["voxelrock", "zarr2", "rockverse"])
def test_a_cluster_saves_and_reads_the_same(tmp_path, client, array, layout):
    options = {"layout": layout, "chunks": 16} | ({"shards": 16} if layout == "voxelrock" else {})
    found = vr.save(vr.from_array(array, block=11), tmp_path / "a.zarr", **options)
    np.testing.assert_array_equal(found.compute(), array)
    smooth = vr.save(vr.filters.median(found, radius_vx=1), tmp_path / "a.zarr", overwrite=True, **options)
    np.testing.assert_array_equal(smooth.compute(), vr.filters.median(vr.from_array(array), radius_vx=1).compute(scheduler="sync"))


def test_one_image_in_two_places_at_once(tmp_path, client, array):
    """Equal images, so equal blocks; but each place is written."""
    for name in ("a", "b"):
        np.testing.assert_array_equal(vr.save(vr.from_array(array, block=11), tmp_path / f"{name}.zarr", chunks=16, shards=16).compute(), array)


def test_errors_of_workers_arrive_as_they_are(tmp_path, client, array):
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=16, shards=32)
    file = tmp_path / "a.zarr" / "c/0/0/0"
    data = bytearray(file.read_bytes())
    data[9] ^= 4
    file.write_bytes(data)
    with pytest.raises(CorruptChunkError, match=r"a\.zarr: chunk 0\.0\.0 \(voxels z 0:16, y 0:16, x 0:16\) is corrupt: .*; restore it from a copy"):
        image.compute()
    with pytest.raises(CorruptChunkError, match=r"chunk 0\.0\.0"):
        vr.save(image + 1, tmp_path / "b.zarr")


def fail_late(z, y, x):
    if z.max() > 20:
        raise DataError("nothing is there")
    return np.broadcast_to(z, np.broadcast_shapes(z.shape, y.shape, x.shape))


def test_a_save_that_failed_on_a_worker_goes_on(tmp_path, client):
    image = vr.from_function(fail_late, shape=32, dtype="i8", block=8)
    with pytest.raises(DataError, match=r"nothing is there \(seen in voxels z .*\)"):
        vr.save(image, tmp_path / "a.zarr", chunks=8, shards=8)
    with pytest.raises(vr.errors.UnfinishedError, match=r"was left unfinished \(\d+ of 64 blocks\)"):
        vr.save(image, tmp_path / "a.zarr", chunks=8, shards=8)


@pytest.mark.parametrize("scheduler", ["client", "processes"])
def test_memory_is_not_saved_to_from_other_processes(request, scheduler):
    image = vr.ones(shape=4)
    refused = pytest.raises(
        ParameterError, match="a MemoryStore lives in one process, and the workers of a cluster are others; save to a path that they all see"
    )
    if scheduler == "client":
        request.getfixturevalue("client")
        with refused:
            vr.save(image, MemoryStore())
    else:
        with dask.config.set(scheduler=scheduler), refused:
            vr.save(image, MemoryStore())


@pytest.mark.parametrize("scheduler", ["threads", "sync", "single-threaded"])
def test_memory_is_saved_to_from_this_process(scheduler):
    store = MemoryStore()
    with dask.config.set(scheduler=scheduler):
        vr.save(vr.ones(shape=4), store)
    assert vr.open(store).compute().all()


def test_the_client_is_gone_after_its_test():
    assert vr.save(vr.ones(shape=4), MemoryStore()).compute().all()
