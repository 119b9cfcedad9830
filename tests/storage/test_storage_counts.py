"""Shards tell how often each value occurs in them: statistics of what was stored need no voxel, and are never those of anything else."""

import json
import shutil

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from voxelrock.storage.shards import Files

SHAPE = (21, 18, 26)


class Read(Exception):
    """A voxel was read."""


@pytest.fixture
def unread(monkeypatch):
    """No voxel can be read."""

    def refuse(*_, **__):
        raise Read

    monkeypatch.setattr(Files, "read", refuse)


def grey(dtype="u2"):
    kind = np.dtype(dtype)
    low, high = (0, 2) if kind.kind == "b" else (max(np.iinfo(kind).min, -3000), min(np.iinfo(kind).max, 3000) + 1)
    return np.random.default_rng(1).integers(low, high, SHAPE).astype(kind)


def store(path, array, **facts):
    return vr.save(vr.from_array(array, spacing="2 um", **facts), path, chunks=4, shards=8)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "bool"])
def test_statistics_of_a_stored_image_read_no_voxel(tmp_path, unread, dtype):
    array = grey(dtype)
    image = store(tmp_path / "a.zarr", array)
    found = vr.statistics.histogram(image).compute()
    values, numbers = np.unique(array, return_counts=True)
    np.testing.assert_array_equal(found.sel(value=values.astype(int)), numbers)
    assert int(found.sum()) == array.size
    summary = vr.statistics.summary(image).compute()
    assert (summary["min"], summary["max"], summary["count"]) == (array.min(), array.max(), array.size)
    np.testing.assert_allclose([summary["mean"], summary["std"]], [array.mean(), array.std()], rtol=1e-12)
    assert float(vr.statistics.quantile(image, q=0.3)) == np.quantile(array.astype(float), 0.3)
    if dtype == "bool":
        assert float(vr.statistics.porosity(image)) == array.mean()
    else:
        assert float(vr.segmentation.mean_threshold(image)) == array.mean()


def test_what_is_made_of_each_value_alone_is_known_too(tmp_path, unread):
    array = grey()
    image = store(tmp_path / "a.zarr", array)
    cut = float(vr.segmentation.otsu_threshold(image))
    assert float(vr.statistics.porosity(vr.segmentation.threshold(image, high=vr.segmentation.otsu_threshold(image)))) == np.mean(array <= cut)
    assert float(vr.statistics.porosity((image > 500) & (image < 900))) == np.mean((array > 500) & (array < 900))
    assert int(vr.statistics.histogram((image // 1000).astype("u1")).sel(value=2)) == np.sum(array // 1000 == 2)
    known = array[array != array[0, 0, 0]]
    holed = image.assign(nodata=int(array[0, 0, 0]))
    assert float(vr.statistics.summary(holed)["count"]) == known.size
    assert float(vr.segmentation.mean_threshold(holed)) == known.mean()


def test_whole_shards_of_a_view(tmp_path, unread):
    array = grey()
    image = store(tmp_path / "a.zarr", array)
    assert float(vr.statistics.summary(image[8:, :16, 8:24])["mean"]) == array[8:, :16, 8:24].mean()
    with pytest.raises(Read):
        float(vr.statistics.summary(image[8:, 1:])["mean"])


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image[1:],
        lambda image: image.rechunk(7),
        lambda image: vr.filters.median(image, radius_vx=1),
        lambda image: image.where(vr.Ball(center="20 um", radius="9 um"), 0),
        lambda image: image + vr.from_array(grey(), spacing="2 um"),
    ],
    ids=["a crop", "other blocks", "a filter", "a region", "two images"],
)
def test_what_depends_on_where_values_lie_is_read(tmp_path, monkeypatch, change):
    image, beside = store(tmp_path / "a.zarr", grey()), vr.from_array(grey(), spacing="2 um")
    expected = vr.statistics.histogram(change(beside)).compute()
    np.testing.assert_array_equal(vr.statistics.histogram(change(image)).compute(), expected)
    monkeypatch.setattr(Files, "read", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vr.statistics.histogram(change(image)).compute()


@given(st.tuples(*[st.integers(1, n) for n in SHAPE]))
def test_blocks_do_not_matter(stored, chunks):
    image, array = stored
    np.testing.assert_array_equal(vr.statistics.histogram(image.rechunk(chunks)).compute(scheduler="sync"), np.bincount(array.reshape(-1), minlength=2**16))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    array = grey()
    return store(tmp_path_factory.mktemp("counts") / "a.zarr", np.abs(array)), np.abs(array)


def test_where_zarr_wrote_since_the_voxels_count(tmp_path):
    array = grey()
    image = store(tmp_path / "a.zarr", array)
    zarr.open_array(tmp_path / "a.zarr", mode="r+")[3:9, 1:7, 5:8] = 2999
    array[3:9, 1:7, 5:8] = 2999
    np.testing.assert_array_equal(vr.statistics.histogram(image).compute(), np.bincount(array.reshape(-1), minlength=2**16))


def test_counts_of_another_file_are_not_believed(tmp_path):
    """The counts of one shard before the index of another, of the same lengths: as if a file had been put together from two."""
    array = grey()
    array[8:16, :8, :8] = 7
    image = store(tmp_path / "a.zarr", array)
    first, second = ((tmp_path / "a.zarr" / name).read_bytes() for name in ("c/0/0/0", "c/1/0/0"))
    index, start = 16 * 8 + 4, [int(np.frombuffer(f[-16 * 8 - 4 : -4], "<u8").reshape(-1, 2).sum(axis=1).max()) for f in (first, second)]
    mixed = first[: start[0]] + second[start[1] : -index] + first[-index:]
    (tmp_path / "a.zarr" / "c/0/0/0").write_bytes(mixed)
    np.testing.assert_array_equal(vr.statistics.histogram(image).compute(), np.bincount(array.reshape(-1), minlength=2**16))


def test_damaged_voxels_are_an_error_where_they_are_read_and_counts_stay_those_that_were_stored(tmp_path):
    array = grey()
    image = store(tmp_path / "a.zarr", array)
    data = bytearray((tmp_path / "a.zarr" / "c/1/1/1").read_bytes())
    data[20] ^= 1
    (tmp_path / "a.zarr" / "c/1/1/1").write_bytes(data)
    with pytest.raises(vr.errors.CorruptChunkError):
        image.compute()
    assert float(vr.statistics.summary(image)["mean"]) == array.mean()


def test_a_missing_file_is_an_error(tmp_path):
    image = store(tmp_path / "a.zarr", grey())
    (tmp_path / "a.zarr" / "c/1/1/1").unlink()
    with pytest.raises(vr.errors.CorruptChunkError, match="c/1/1/1 is missing"):
        vr.statistics.histogram(image).compute()


def test_a_store_that_was_exchanged_is_an_error(tmp_path):
    image = store(tmp_path / "a.zarr", grey())
    shutil.rmtree(tmp_path / "a.zarr")
    store(tmp_path / "a.zarr", grey() + np.uint16(1))
    with pytest.raises(vr.errors.StorageError, match="open it again"):
        vr.statistics.histogram(image).compute()


def test_stores_without_counts_are_read(tmp_path):
    array = grey()
    made = zarr.create_array(tmp_path / "a.zarr", shape=SHAPE, chunks=(4,) * 3, shards=(8,) * 3, dtype="u2")
    made[...] = array
    assert json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())["codecs"][0]["name"] == "sharding_indexed"
    np.testing.assert_array_equal(vr.statistics.histogram(vr.open(tmp_path / "a.zarr")).compute(), np.bincount(array.reshape(-1), minlength=2**16))
