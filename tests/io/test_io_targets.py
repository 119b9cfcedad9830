from __future__ import annotations

import errno
import os
import pickle
import shutil
from collections import namedtuple

import dask.array as da
import numpy as np
import pytest
from io_dense import export, header, noise, reopen, whole

from voxelrock.errors import ExistsError, FormatError, MissingFileError, ParameterError, StorageError, UnfinishedError
from voxelrock.geometry import ZYX
from voxelrock.graph.sinks import Sink
from voxelrock.io import registry
from voxelrock.io.formats import ReadOptions
from voxelrock.io.targets import slabs
from voxelrock.io.writing import Header, WriteOptions

SUFFIXES = [".raw", ".mhd", ".mha", ".tif", ".npy"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_sink_writes_units_in_any_order(tmp_path, suffix):
    dense = noise((7, 20, 30), "u2")
    path = tmp_path / f"scan{suffix}"
    writing = registry.write(path, header(dense), WriteOptions(planes=2))
    assert pickle.loads(pickle.dumps(writing.target)) == writing.target
    with writing:
        assert not path.exists()
        Sink(writing.target, writing.tiling).store(da.from_array(dense, chunks=(3, 7, 11)), "writing")
    np.testing.assert_array_equal(whole(reopen(path)), dense)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_exists_stays_whole_until_the_end(tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    old, new = noise((2, 3, 4), "u1", 1), noise((2, 3, 4), "u1", 2)
    export(path, old)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ExistsError, match=r"exists already; choose another name, or pass overwrite=True"):
        export(path, new)
    with pytest.raises(KeyboardInterrupt), registry.write(path, header(new), WriteOptions(overwrite=True)):
        raise KeyboardInterrupt
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    export(path, new, WriteOptions(overwrite=True))
    np.testing.assert_array_equal(whole(reopen(path)), new)


def test_an_interrupted_export_is_noticed(tmp_path):
    dense = noise((2, 3, 4), "u1")
    registry.write(tmp_path / "a.npy", header(dense)).begin()
    with pytest.raises(UnfinishedError, match=r"\.a\.npy\.partial is there: another export is at work or was interrupted"):
        export(tmp_path / "a.npy", dense)
    export(tmp_path / "a.npy", dense, WriteOptions(overwrite=True))
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]


def test_a_full_disk_is_met_at_the_start(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1500))
    with pytest.raises(StorageError, match=r"a.npy needs 8\.1 kB, but 1\.5 kB are free in .*; free some space or choose another place"):
        export(tmp_path / "a.npy", noise((10, 10, 10), "f8"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("code", "message"), [(errno.ENOSPC, "no space left while writing"), (errno.EDQUOT, "no space left"), (errno.EIO, "cannot be written: ")]
)
def test_a_disk_that_fails_while_writing(tmp_path, monkeypatch, code, message):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    dense = noise((2, 3, 4), "u1")
    writing = registry.write(tmp_path / "a.raw", header(dense))
    writing.begin()
    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(StorageError, match=message):
        writing.target.write((0, 0, 0), writing.tiling.box((0, 0, 0)), dense)
    writing.abort()
    assert not list(tmp_path.iterdir())


def test_a_target_that_is_read_only(tmp_path, monkeypatch):
    real = os.open

    def refuse(path, flags, *rest):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError, match=r"a.raw cannot be written: Permission denied; choose another place"):
        export(tmp_path / "a.raw", noise((2, 3, 4), "u1"))


def test_folders(tmp_path):
    dense = noise((2, 3, 4), "u1")
    with pytest.raises(MissingFileError, match=r"the folder .*nowhere does not exist; create it first"):
        export(tmp_path / "nowhere" / "a.raw", dense)
    (tmp_path / "a.npy").mkdir()
    with pytest.raises(ExistsError, match="is a folder and cannot be replaced"):
        export(tmp_path / "a.npy", dense, WriteOptions(overwrite=True))


@pytest.mark.parametrize("order", ["C", "F"])
def test_units_cover_the_image_and_keep_their_size(order):
    for shape, itemsize in (((3000, 20, 20), 2), ((4, 40000, 30000), 4), ((1, 1, 1), 8), ((50, 2048, 2048), 2)):
        tiling = slabs(shape, itemsize, order, None)
        assert tiling.shape == shape
        assert np.prod(tiling.typical()) * itemsize <= 256 * 2**20
    assert slabs((10, 4, 6), 1, "C", 4).chunks == ((4, 4, 2), (4,), (6,))
    assert slabs((10, 4, 6), 1, "F", 4).chunks == ((10,), (4,), (4, 2))


def test_parts_of_planes_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr("voxelrock.io.targets._UNIT_BYTES", 16)
    for order in "CF":
        dense = noise((3, 12, 11), "u1")
        export(tmp_path / f"{order}.npy", dense, WriteOptions(order=order))
        np.testing.assert_array_equal(np.load(tmp_path / f"{order}.npy"), dense)


def test_suffixes(tmp_path):
    dense = noise((2, 3, 4), "u1")
    with pytest.raises(FormatError, match=r"'.xyz' files are not written; choose one of .zarr, .raw, .*\.tif.*\.npy"):
        export(tmp_path / "a.xyz", dense)
    with pytest.raises(FormatError, match=r"'.npz' files are not written"):
        export(tmp_path / "a.npz", dense)
    with pytest.raises(FormatError, match=r"scan has no suffix"):
        export(tmp_path / "scan", dense)
    (tmp_path / "a.xyz").write_bytes(dense.tobytes())
    with pytest.raises(FormatError, match=r"the suffix '.xyz' of a.xyz is not known; known are .zarr, .raw, .*shape= and dtype= \(--shape-xyz, --dtype\)"):
        reopen(tmp_path / "a.xyz")
    np.testing.assert_array_equal(whole(reopen(tmp_path / "a.xyz", shape=ZYX(2, 3, 4), dtype="u1")), dense)
    with pytest.raises(MissingFileError, match=r"b.xyz does not exist"):
        reopen(tmp_path / "b.xyz")
    export(tmp_path / "CAPITALS.NPY", dense)
    assert reopen(tmp_path / "CAPITALS.NPY").source.shape == (2, 3, 4)
    assert registry.read(tmp_path / "CAPITALS.NPY").source.shape == (2, 3, 4)
    assert ".npz" not in registry.suffixes()


def test_headers_and_options_that_make_no_sense():
    with pytest.raises(ParameterError, match="without voxels"):
        Header(ZYX(0, 1, 1), np.dtype("u1"))
    with pytest.raises(ParameterError, match="real numbers; got complex64"):
        Header(ZYX(1, 1, 1), np.dtype("c8"))
    with pytest.raises(ParameterError, match="order is 'C'"):
        WriteOptions(order="A")
    with pytest.raises(ParameterError, match="byteorder is"):
        WriteOptions(byteorder="big")
    with pytest.raises(ParameterError, match="planes=0"):
        WriteOptions(planes=0)
    assert ReadOptions(dtype="u1").headerless
    assert not ReadOptions(series=1).headerless
