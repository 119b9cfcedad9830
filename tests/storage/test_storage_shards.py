"""The direct path skips work; it is never another format: what it writes zarr-python reads, and the other way round."""

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec

import voxelrock as vr
from voxelrock.geometry import VoxelBox
from voxelrock.storage.shards import Files

SHAPE = (13, 10, 9)
CODECS = {
    "lz4": [BloscCodec(typesize=2, cname="lz4", clevel=5, shuffle="shuffle"), Crc32cCodec()],
    "bits": [BloscCodec(typesize=2, cname="zstd", clevel=1, shuffle="bitshuffle"), Crc32cCodec()],
    "zstd": [ZstdCodec(level=1), Crc32cCodec()],
    "plain": [Crc32cCodec()],
    "unchecked": [BloscCodec(typesize=2, cname="lz4", clevel=5, shuffle="noshuffle")],
    "bare": [],
}


def boxes(shape):
    return st.tuples(*[st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)) for n in shape]).map(
        lambda t: VoxelBox(tuple(min(a, b) for a, b in t), tuple(max(a, b) + 1 for a, b in t))
    )


@pytest.mark.parametrize("codecs", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("shards", [None, (8, 6, 8)], ids=["unsharded", "sharded"])
@pytest.mark.parametrize("empty", [True, False], ids=["empty chunks written", "left out"])
def test_reads_what_zarr_writes(tmp_path, voxels, codecs, shards, empty):
    array = voxels(SHAPE)
    array[:4] = 7  # the fill value
    made = zarr.create_array(
        tmp_path / "a.zarr", shape=SHAPE, chunks=(4, 3, 4), shards=shards, dtype="u2", compressors=codecs, fill_value=7, config={"write_empty_chunks": empty}
    )
    made[...] = array
    files = Files.of(made, str(tmp_path / "a.zarr"))
    assert files is not None

    @given(boxes(SHAPE))
    def check(box):
        np.testing.assert_array_equal(files.read(box, strict=False), array[box.slices])

    check()


@pytest.mark.parametrize("codec", ["lz4", "zstd", "best", "none"])
@pytest.mark.parametrize("dtype", ["bool", "u1", "u2", "f4"])
@pytest.mark.parametrize("shards", [(8, 6, 8), (4, 3, 4)])
def test_zarr_reads_what_it_writes(tmp_path, voxels, codec, dtype, shards):
    array = voxels(SHAPE, dtype, seed=1)
    vr.save(vr.from_array(array), tmp_path / "a.zarr", codec=codec, chunks=(4, 3, 4), shards=shards)
    opened = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert Files.of(opened, str(tmp_path / "a.zarr")) is not None
    assert opened[...].tobytes() == array.tobytes()
    assert opened[3:11, 2:9, 5:6].tobytes() == array[3:11, 2:9, 5:6].tobytes()


def test_zarr_can_go_on_writing(tmp_path, voxels):
    array = voxels(SHAPE)
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=(4, 3, 4), shards=(8, 6, 8))
    zarr.open_array(tmp_path / "a.zarr", mode="r+")[2:9, 1:7, 5:8] = 3
    array[2:9, 1:7, 5:8] = 3
    np.testing.assert_array_equal(image.compute(), array)


@pytest.mark.parametrize("dtype", ["u2", "f4", "bool"])
def test_same_metadata_and_same_chunks_as_zarr(tmp_path, voxels, dtype):
    """The same bytes: a file of ours is one of zarr's, with the counts of values between its only chunk and its index."""
    array = voxels((8, 8, 8), dtype, seed=1)
    vr.save(vr.from_array(array), tmp_path / "a.zarr", chunks=4, shards=4)
    ours = zarr.open_array(tmp_path / "a.zarr", mode="r")
    made = zarr.create_array(tmp_path / "b.zarr", shape=(8, 8, 8), chunks=(4,) * 3, shards=(4,) * 3, dtype=dtype, compressors=ours.compressors)
    made[...] = array
    assert made.metadata.codecs == ours.metadata.codecs
    for file in (tmp_path / "b.zarr" / "c").rglob("*"):
        if file.is_file():
            found, expected = (tmp_path / "a.zarr" / file.relative_to(tmp_path / "b.zarr")).read_bytes(), file.read_bytes()
            assert (len(found) > len(expected)) == (dtype != "f4")  # real numbers are not counted
            assert found[: len(expected) - 20] + found[-20:] == expected


UNUSUAL = {
    "zarr 2": {"zarr_format": 2},
    "another compressor": {"compressors": [GzipCodec()]},
    "big-endian": {"serializer": {"name": "bytes", "configuration": {"endian": "big"}}},
    "filters": {"filters": [{"name": "transpose", "configuration": {"order": [2, 1, 0]}}]},
    "other names of chunks": {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}}},
}


@pytest.mark.parametrize("options", UNUSUAL.values(), ids=UNUSUAL)
def test_anything_unusual_is_left_to_zarr(tmp_path, voxels, options):
    array = voxels(SHAPE)
    made = zarr.create_array(tmp_path / "a.zarr", shape=SHAPE, chunks=(4, 3, 4), dtype="u2", **options)
    made[...] = array
    assert Files.of(made, str(tmp_path / "a.zarr")) is None
    np.testing.assert_array_equal(vr.open(tmp_path / "a.zarr").compute(), array)


@pytest.mark.parametrize("codec", [ShardingCodec(chunk_shape=(4, 3, 4), index_location="start")])
def test_unusual_shards_are_left_to_zarr(tmp_path, voxels, codec):
    array = voxels((8, 6, 8))
    made = zarr.create_array(tmp_path / "a.zarr", shape=(8, 6, 8), chunks=(8, 6, 8), dtype="u2", serializer=codec, compressors=None)
    made[...] = array
    assert Files.of(made, str(tmp_path / "a.zarr")) is None
    np.testing.assert_array_equal(vr.open(tmp_path / "a.zarr").compute(), array)
