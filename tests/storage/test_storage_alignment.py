"""No chunks of an image and no layout of a store, in any combination, lose a voxel."""

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

import voxelrock as vr
from voxelrock.testing import stored

SHAPE = (21, 18, 23)
BLOCKS = {
    "aligned": (8, 8, 8),
    "the shard": (16, 16, 16),
    "smaller": (4, 4, 4),
    "bigger": (32, 32, 32),
    "misaligned": (5, 7, 3),
    "slabs": (3, 18, 23),
    "one voxel thin": (1, 18, 23),
    "ragged": ((1, 7, 2, 11), (17, 1), (3, 3, 9, 8)),
}
LAYOUTS = {
    "chunks": {"chunks": 8, "shards": 8},
    "shards": {"chunks": 4, "shards": 16},
    "flat shards": {"chunks": (2, 18, 5), "shards": (4, 18, 10)},
    "larger than the image": {"chunks": 32, "shards": 64},
    "chosen": {},
    "zarr2": {"layout": "zarr2", "chunks": (5, 8, 7)},
    "rockverse": {"layout": "rockverse", "chunks": (5, 8, 7)},
}


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("kind", ["lazy", "stored"])
def test_no_combination_loses_a_voxel(tmp_path, voxels, blocks, layout, kind):
    array = voxels(SHAPE)
    data = da.from_array(array, chunks=blocks)
    image = vr.from_array(data) if kind == "lazy" else stored(array, data.chunks)
    with dask.config.set(num_workers=8):
        found = vr.save(image, tmp_path / "rock.zarr", **layout)
    np.testing.assert_array_equal(found.compute(), array)
    whole = zarr.open_array(tmp_path / "rock.zarr", mode="r")[...]
    np.testing.assert_array_equal(whole.transpose() if layout.get("layout") == "rockverse" else whole, array)


def test_the_stock_calls_do_lose_voxels(tmp_path, voxels):
    """Why there is one writer: if this ever fails, dask.array and zarr have become safe."""
    array = voxels((64, 64, 64))
    lost = 0
    for turn in range(5):
        target = zarr.create_array(tmp_path / f"{turn}.zarr", shape=array.shape, chunks=(16,) * 3, shards=(64,) * 3, dtype="u2")
        with dask.config.set(num_workers=8):
            da.store(da.from_array(array, chunks=16), target, lock=False)
        lost += np.count_nonzero(target[...] != array)
    assert lost > 0
    with dask.config.set(num_workers=8):
        kept = vr.save(vr.from_array(da.from_array(array, chunks=16)), tmp_path / "kept.zarr", chunks=16, shards=64)
    np.testing.assert_array_equal(kept.compute(), array)


def cuts(length):
    return st.sets(st.integers(1, max(1, length - 1)), max_size=4).map(lambda s: tuple(np.diff([0, *sorted(s - {length}), length]).tolist()))


@st.composite
def cases(draw):
    shape = draw(st.tuples(*[st.integers(1, 14)] * 3))
    blocks = tuple(draw(cuts(n)) for n in shape)
    inner = draw(st.tuples(*[st.integers(1, 6)] * 3))
    times = draw(st.tuples(*[st.integers(1, 3)] * 3))
    kind = draw(st.sampled_from(["voxelrock", "zarr2", "rockverse"]))
    layout = {"chunks": inner, "layout": kind} | ({"shards": tuple(a * b for a, b in zip(inner, times))} if kind == "voxelrock" else {})
    return (
        shape,
        blocks,
        layout,
        draw(st.sampled_from(["bool", "u1", "i2", "u4", "i8", "f4", "f8"])),
        draw(st.sampled_from(["auto", "lz4", "zstd", "best", "none"])),
    )


def check_case(folder, voxels, case):
    shape, blocks, layout, dtype, codec = case
    array = voxels(shape, dtype, seed=1)
    found = vr.save(vr.from_array(da.from_array(array, chunks=blocks)), folder / "rock.zarr", overwrite=True, codec=codec, **layout)
    assert found.dtype == array.dtype
    assert found.compute().tobytes() == array.tobytes()
    whole = zarr.open_array(folder / "rock.zarr", mode="r")[...]
    assert np.ascontiguousarray(whole.transpose() if layout["layout"] == "rockverse" else whole).tobytes() == array.tobytes()


@given(cases())
def test_any_combination(tmp_path, voxels, case):
    check_case(tmp_path, voxels, case)


@pytest.mark.slow
def test_many_combinations(tmp_path, voxels):
    from hypothesis import settings

    settings(max_examples=300)(given(cases())(lambda case: check_case(tmp_path, voxels, case)))()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_in_memory(voxels, layout):
    array = voxels(SHAPE)
    store = MemoryStore()
    found = vr.save(vr.from_array(da.from_array(array, chunks=(5, 7, 3))), store, **layout)
    np.testing.assert_array_equal(found.compute(), array)
    with pytest.raises(vr.errors.ExistsError, match="overwrite=True"):
        vr.save(found, store)
    doubled = vr.save(found * 2, store, overwrite=True)  # computed from what it replaces
    np.testing.assert_array_equal(doubled.compute(), array.astype(doubled.dtype) * 2)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("memory", [False, True])
def test_chunks_of_zeros_are_stored_too(tmp_path, layout, memory):
    found = vr.save(vr.zeros(shape=vr.ZYX(*SHAPE), dtype="u2"), MemoryStore() if memory else tmp_path / "rock.zarr", **layout)
    assert not found.compute().any()
    if not memory:
        array = zarr.open_array(tmp_path / "rock.zarr", mode="r")
        assert array.nchunks_initialized >= array.nchunks  # whole shards, where they reach beyond the image


@pytest.mark.parametrize("layout", ["voxelrock", "zarr2", "rockverse"])
@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (0, 0, 0), (1, 1, 1)])
def test_empty_axes_and_single_voxels(tmp_path, layout, shape):
    found = vr.save(vr.from_array(np.ones(shape, "f4")), tmp_path / "rock.zarr", layout=layout)
    assert tuple(found.shape) == shape
    assert found.compute().shape == shape
    assert found.compute().all()


@pytest.mark.parametrize("dtype", ["bool", "u1", ">u2", "<i2", ">i4", "u8", "f2", ">f4", ">f8"])
@pytest.mark.parametrize("layout", ["voxelrock", "zarr2", "rockverse"])
def test_any_type_in_any_byte_order(tmp_path, voxels, dtype, layout):
    array = voxels((9, 8, 7), dtype)
    for image in (vr.from_array(array), vr.from_array(da.from_array(array, chunks=4))):
        found = vr.save(image, tmp_path / "rock.zarr", layout=layout, overwrite=True)
        assert found.dtype == (np.float32 if dtype == "f2" else array.dtype.newbyteorder("="))  # images hold float32 and float64
        np.testing.assert_array_equal(found.compute(), array)


def test_layouts_that_cannot_be(tmp_path):
    image = vr.ones(shape=8)
    with pytest.raises(vr.errors.ParameterError, match=r"shards are whole numbers of chunks .* got shards \(6, 6, 6\) of chunks \(4, 4, 4\)"):
        vr.save(image, tmp_path / "a.zarr", chunks=4, shards=6)
    with pytest.raises(vr.errors.ParameterError, match="this kind of store has no shards; leave shards= out"):
        vr.save(image, tmp_path / "a.zarr", layout="zarr2", shards=4)
    with pytest.raises(vr.errors.ParameterError, match=r"chunks are at least one voxel long; got \(0, 4, 4\)"):
        vr.save(image, tmp_path / "a.zarr", chunks=(0, 4, 4))
    with pytest.raises(vr.errors.ParameterError, match="the codec is one of auto, lz4, zstd, best, none; got 'gzip'"):
        vr.save(image, tmp_path / "a.zarr", codec="gzip")
    with pytest.raises(vr.errors.ParameterError, match="the layout is one of voxelrock, zarr2, rockverse; got 'n5'"):
        vr.save(image, tmp_path / "a.zarr", layout="n5")
    assert not list(tmp_path.iterdir())
