"""A damaged store is an error that names the chunk, never other voxels."""

import json
import pickle
import shutil

import dask
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from voxelrock.errors import CorruptChunkError, FormatError, StorageError

SHAPE = (20, 18, 22)


@pytest.fixture
def array():
    return np.random.default_rng(1).integers(0, 60000, SHAPE).astype("u2")


@pytest.fixture
def sharded(tmp_path, array):
    return vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=8, shards=16)


@pytest.fixture
def plain(tmp_path, array):
    return vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=24)


def flip(file, position, bit):
    data = bytearray(file.read_bytes())
    data[position] ^= 1 << bit
    file.write_bytes(data)


def counts_of(file, *, chunks):
    """The bytes between the last chunk and the index."""
    table = np.frombuffer(file[-16 * chunks - 4 : -4], "<u8").reshape(-1, 2)
    stored = table[table[:, 0] < 2**63]
    return range(int(stored.sum(axis=1).max()), len(file) - 16 * chunks - 4)


@pytest.mark.parametrize("codec", ["auto", "zstd", "best", "none"])
@pytest.mark.parametrize("shards", [16, 8])
def test_a_flipped_bit_anywhere_is_an_error_that_names_the_chunk(tmp_path, array, codec, shards):
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=8, shards=shards, codec=codec)
    file = tmp_path / "a.zarr" / "c/1/1/1"
    whole = file.read_bytes()
    counts = counts_of(whole, chunks=(shards // 8) ** 3)

    @given(st.integers(0, len(whole) - 1).filter(lambda n: n not in counts), st.integers(0, 7))
    def check(position, bit):
        flip(file, position, bit)
        try:
            with pytest.raises(CorruptChunkError, match=r"a\.zarr: chunk (\d\.\d\.\d|c/1/1/1) \(voxels z \d+:\d+, .*\) is corrupt: .*; restore it from a copy"):
                image.compute(scheduler="sync")
        finally:
            file.write_bytes(whole)

    check()
    np.testing.assert_array_equal(image.compute(), array)


@pytest.mark.parametrize("codec", ["auto", "none"])
@pytest.mark.parametrize("shards", [16, 8])
def test_a_flipped_bit_in_the_counts_beside_the_chunks_changes_no_answer(tmp_path, array, codec, shards):
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=8, shards=shards, codec=codec)
    file, expected = tmp_path / "a.zarr" / "c/1/1/1", np.bincount(array.reshape(-1), minlength=2**16)
    whole = file.read_bytes()

    @given(st.sampled_from(counts_of(whole, chunks=(shards // 8) ** 3)), st.integers(0, 7))
    def check(position, bit):
        flip(file, position, bit)
        np.testing.assert_array_equal(image.compute(scheduler="sync"), array)
        np.testing.assert_array_equal(vr.statistics.histogram(image).compute(scheduler="sync"), expected)
        file.write_bytes(whole)

    check()


def test_a_flipped_bit_in_what_says_where_the_counts_are_changes_no_answer(tmp_path, array):
    """Every bit of the last 24 bytes of the counts: their place among the values, too, is under a checksum."""
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=8, shards=8)
    file, expected = tmp_path / "a.zarr" / "c/1/1/1", np.bincount(array.reshape(-1), minlength=2**16)
    places = counts_of(file.read_bytes(), chunks=1)[-24:]
    for position in places:
        for bit in range(8):
            flip(file, position, bit)
            np.testing.assert_array_equal(vr.statistics.histogram(image).compute(scheduler="sync"), expected, f"byte {position}, bit {bit}")
            flip(file, position, bit)


def test_the_chunk_that_is_named_is_the_one(tmp_path, sharded, array):
    file = tmp_path / "a.zarr" / "c/0/1/0"
    flip(file, 5, 3)  # the first chunk of this shard: voxels y 16:18
    with pytest.raises(CorruptChunkError, match=r"chunk 0\.2\.0 \(voxels z 0:8, y 16:18, x 0:8\) is corrupt: its checksum does not match its data"):
        sharded.compute()
    np.testing.assert_array_equal(sharded[:, :16].compute(), array[:, :16])
    flip(file, 5, 3)
    flip(file, -9, 0)
    with pytest.raises(CorruptChunkError, match=r"chunk c/0/1/0 \(voxels z 0:16, y 16:18, x 0:16\) is corrupt: the index of this shard"):
        sharded.compute()


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_a_cut_file(tmp_path, sharded, array, keep):
    file = tmp_path / "a.zarr" / "c/0/0/0"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CorruptChunkError, match=r"chunk c/0/0/0 \(voxels z 0:16, y 0:16, x 0:16\) is corrupt: the index of this shard"):
        sharded.compute()
    np.testing.assert_array_equal(sharded[16:].compute(), array[16:])


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_a_cut_chunk(tmp_path, plain, keep):
    file = tmp_path / "a.zarr" / "c/0/0/0"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CorruptChunkError, match=r"chunk 0\.0\.0 \(voxels z 0:20, y 0:18, x 0:22\) is corrupt: its checksum does not match its data"):
        plain.compute()


@pytest.mark.parametrize("options", [{"chunks": 8, "shards": 16}, {"chunks": 8, "shards": 8}, {"layout": "zarr2", "chunks": 8}], ids=str)
def test_a_missing_file(tmp_path, array, options):
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr", **options)
    key = "1.0.1" if "layout" in options else "c/1/0/1"
    (tmp_path / "a.zarr" / key).unlink()
    with pytest.raises(CorruptChunkError, match=rf"a\.zarr: chunk {key} is missing from the store; restore it from a copy"):
        image.compute()
    np.testing.assert_array_equal(image[:8].compute(), array[:8])


def test_a_chunk_that_its_shard_says_is_not_there(tmp_path, array):
    """A valid index that leaves a chunk out: zarr reads fill values, a complete store has no such chunk."""
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=8, shards=16)
    store = zarr.open_array(tmp_path / "a.zarr", mode="r+", config={"write_empty_chunks": False})
    store[0:16, 0:16, 0:16] = np.where(np.arange(16)[:, None, None] < 8, 0, array[:16, :16, :16])
    with pytest.raises(CorruptChunkError, match=r"chunk 0\.0\.0 \(voxels z 0:8, y 0:8, x 0:8\) is missing from the store"):
        image.compute()


def test_the_error_crosses_processes(tmp_path, sharded):
    flip(tmp_path / "a.zarr" / "c/0/0/0", 5, 3)
    with pytest.raises(CorruptChunkError, match=r"chunk 0\.0\.0") as caught:
        sharded.compute()
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (CorruptChunkError, str(caught.value))


def test_version_2_finds_only_what_does_not_decompress(tmp_path, array):
    """Zarr 2 has no checksums: a byte flipped in stored (incompressible) voxels is read as data, and ``info`` promises nothing."""
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr", layout="zarr2", chunks=8)
    flip(tmp_path / "a.zarr" / "0.0.0", 4, 0)  # blosc's header
    with pytest.raises(CorruptChunkError, match=r"chunk 0\.0\.0 \(voxels z 0:8, y 0:8, x 0:8\) is corrupt"):
        image.compute()
    assert "may go unnoticed" in vr.storage.inspect_store(tmp_path / "a.zarr")["promise"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"zarr_format": 3}', '{"zarr_format": 3, "node_type": "array", "shape": [1]}'])
def test_damaged_metadata(tmp_path, sharded, text):
    (tmp_path / "a.zarr" / "zarr.json").write_text(text)
    with pytest.raises(FormatError, match=r"a\.zarr .*"):
        vr.open(tmp_path / "a.zarr")
    with pytest.raises(StorageError, match="gone or damaged since it was opened"):
        sharded.compute()


def change(folder, edit):
    file = folder / "zarr.json"
    facts = json.loads(file.read_text())
    edit(facts)
    file.write_text(json.dumps(facts))


def test_an_unknown_codec(tmp_path, sharded):
    change(tmp_path / "a.zarr", lambda f: f["codecs"][0]["configuration"]["codecs"][1].update(name="zfp9"))
    with pytest.raises(FormatError, match=r"a\.zarr .*zfp9"):
        vr.open(tmp_path / "a.zarr")


def test_metadata_from_a_newer_version(tmp_path, sharded):
    change(tmp_path / "a.zarr", lambda f: f["attributes"]["voxelrock"].update(version=99))
    with pytest.raises(FormatError, match=r"written by a newer voxelrock \(attributes version 99, this one reads up to 1\): upgrade voxelrock"):
        vr.open(tmp_path / "a.zarr")


@pytest.mark.parametrize("key", ["grid", "version"])
def test_our_attributes_without_what_they_must_have(tmp_path, sharded, key):
    change(tmp_path / "a.zarr", lambda f: f["attributes"]["voxelrock"].pop(key))
    with pytest.raises(FormatError, match=rf"a\.zarr .*attributes .*{key}"):
        vr.open(tmp_path / "a.zarr")


def test_a_damaged_block_is_named_by_what_is_computed_from_it(tmp_path, sharded):
    flip(tmp_path / "a.zarr" / "c/0/0/0", 5, 3)
    with dask.config.set(num_workers=2), pytest.raises(CorruptChunkError, match=r"chunk 0\.0\.0"):
        vr.save(vr.filters.median(sharded, radius_vx=1), tmp_path / "b.zarr")
    shutil.rmtree(tmp_path / ".b.zarr.partial")
    with pytest.raises(CorruptChunkError, match=r"chunk 0\.0\.0"):
        float(vr.statistics.porosity(vr.filters.median(sharded, radius_vx=1) > 3))
