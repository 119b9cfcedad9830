from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_dense import boxes, export, noise, reopen, seeds, shapes, whole

from voxelrock.errors import FormatError, ParameterError
from voxelrock.io.writing import WriteOptions

DTYPES = ["b1", "u1", "i1", "<u2", ">i4", "<u8", "f2", ">f4", "f8"]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), shape=shapes, dtype=st.sampled_from(DTYPES), order=st.sampled_from("CF"), seed=seeds)
def test_any_box_of_what_numpy_saves(tmp_path_factory, data, shape, dtype, order, seed):
    dense = noise(shape, dtype, seed)
    path = tmp_path_factory.mktemp("npy") / "scan.npy"
    np.save(path, np.asarray(dense, order=order))
    scan = reopen(path)
    box = data.draw(boxes(shape))
    np.testing.assert_array_equal(scan.source.read(box), dense[box.slices])
    assert scan.source.dtype == np.dtype(dtype).newbyteorder("=")
    assert not scan.paged


@settings(max_examples=20, deadline=None)
@given(shape=shapes, dtype=st.sampled_from(DTYPES), order=st.sampled_from("CF"), byteorder=st.sampled_from("=<>"))
def test_numpy_loads_what_is_exported(tmp_path_factory, shape, dtype, order, byteorder):
    dense = noise(shape, np.dtype(dtype).newbyteorder("="))
    path = tmp_path_factory.mktemp("npy") / "scan.npy"
    export(path, dense, WriteOptions(order=order, byteorder=byteorder))
    there = np.load(path)
    np.testing.assert_array_equal(there, dense)
    assert there.flags.f_contiguous if order == "F" else there.flags.c_contiguous
    np.testing.assert_array_equal(whole(reopen(path)), dense)


@pytest.mark.parametrize("order", ["C", "F"])
def test_two_axes_are_one_slice(tmp_path, order):
    dense = noise((5, 4), "u2")
    np.save(tmp_path / "slice.npy", np.asarray(dense, order=order))
    np.testing.assert_array_equal(whole(reopen(tmp_path / "slice.npy")), dense[np.newaxis])


def test_bad_files(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, noise((4, 5, 6), "u2"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(FormatError, match=r"has 358 bytes, but 4 × 5 × 6 .* make 368 bytes; the file is truncated"):
        reopen(path)
    path.write_bytes(b"no numpy here")
    with pytest.raises(FormatError, match=r"a.npy is no .npy file"):
        reopen(path)
    path.write_bytes(b"\x93NUMPY\x01\x00\xff\x00{'descr'")
    with pytest.raises(FormatError, match=r"is no .npy file"):
        reopen(path)
    np.save(path, np.zeros(3))
    with pytest.raises(FormatError, match=r"array of 1 axes, shape \(3,\); an image has three"):
        reopen(path)
    np.save(path, np.zeros((3, 0, 2)))
    with pytest.raises(FormatError, match="without voxels"):
        reopen(path)
    np.save(path, np.zeros((3, 3, 2), "c8"))
    with pytest.raises(FormatError, match="values of type complex64"):
        reopen(path)
    np.save(path, np.zeros((3, 3, 2)))
    with pytest.raises(ParameterError, match=r"shape= describes files without a header, but a.npy is read by what it says itself"):
        reopen(path, shape=3)


def test_archives_are_refused_with_a_hint(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    with pytest.raises(FormatError, match=r"archive of arrays.*numpy.save"):
        reopen(tmp_path / "a.npz")
