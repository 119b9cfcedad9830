from __future__ import annotations

import json
import mmap
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_dense import boxes, export, noise, reopen, seeds, shapes, whole

from voxelrock.errors import FormatError, MissingFileError, ParameterError, ParameterTypeError, StorageError
from voxelrock.geometry import ZYX, VoxelBox
from voxelrock.graph.sources import Source
from voxelrock.io.files import FileStamp
from voxelrock.io.flat import FlatSource
from voxelrock.io.shapes import clear_shape, possible_shapes
from voxelrock.io.writing import WriteOptions

DTYPES = [
    "|b1",
    "|u1",
    "|i1",
    "<u2",
    ">u2",
    "<i2",
    ">i2",
    "<u4",
    ">u4",
    "<i4",
    ">i4",
    "<u8",
    ">u8",
    "<i8",
    ">i8",
    "<f2",
    ">f2",
    "<f4",
    ">f4",
    "<f8",
    ">f8",
    "<f16",
    ">f16",
]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=shapes, dtype=st.sampled_from(DTYPES), order=st.sampled_from("CF"), offset=st.integers(0, 9), seed=seeds)
def test_any_box_of_any_raw_file_equals_the_dense_array(tmp_path_factory, data, shape, dtype, order, offset, seed):
    dense = noise(shape, dtype, seed)
    path = tmp_path_factory.mktemp("raw") / "scan.raw"
    path.write_bytes(b"h" * offset + dense.tobytes(order))
    scan = reopen(path, shape=ZYX(*shape), dtype=dtype, offset=offset, order=order)
    assert isinstance(scan.source, Source)
    box = data.draw(boxes(shape))
    block = pickle.loads(pickle.dumps(scan.source)).read(box)
    assert block.dtype == np.dtype(dtype).newbyteorder("=")
    assert block.dtype.isnative
    np.testing.assert_array_equal(block, dense[box.slices])
    assert len(scan.source.tile) == 3
    assert all(1 <= t <= n for t, n in zip(scan.source.tile, shape))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("width", [5, 2000, 40000])
def test_rows_close_together_and_far_apart(tmp_path, order, width):
    dense = noise((3, 4, width), "<u2")
    path = tmp_path / "scan.raw"
    path.write_bytes(dense.tobytes(order))
    source = reopen(path, shape=ZYX(*dense.shape), dtype="<u2", order=order).source
    for box in (VoxelBox((1, 1, 2), (3, 3, width - 1)), VoxelBox((0, 2, 0), (2, 4, width)), VoxelBox((2, 0, width - 1), (3, 4, width))):
        np.testing.assert_array_equal(source.read(box), dense[box.slices])


def test_c_order_has_x_fastest_and_f_order_z(tmp_path):
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(range(24)))
    assert whole(reopen(path, shape=ZYX(2, 3, 4), dtype="u1"))[0, 0].tolist() == [0, 1, 2, 3]
    assert whole(reopen(path, shape=ZYX(2, 3, 4), dtype="u1", order="F"))[:, 0, 0].tolist() == [0, 1]


def test_any_nonzero_byte_of_a_boolean_file_is_true(tmp_path):
    path = tmp_path / "mask.raw"
    path.write_bytes(bytes([0, 1, 2, 255, 0, 0, 0, 0]))
    assert whole(reopen(path, shape=2, dtype="b1")).ravel().tolist() == [False, True, True, True, False, False, False, False]


def test_a_huge_file_is_read_with_the_memory_of_the_block(tmp_path):
    path = tmp_path / "huge.raw"
    with open(path, "wb") as file:
        file.truncate(2048**3)
        for z in (1000, 1127):
            file.seek((z * 2048 + 1000) * 2048 + 1000)
            file.write(b"\x07")
    # In a process of its own, whose largest resident set counts mapped files too.
    done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    total, resident = map(int, done.stdout.split())
    assert total == 14
    assert resident < 64 * 2**20


MEMORY = """
import resource, sys
from pathlib import Path
from voxelrock.geometry import VoxelBox
from voxelrock.io.raw import read_raw
from voxelrock.io.formats import ReadOptions
source = read_raw(Path(sys.argv[1]), ReadOptions(shape=2048, dtype="u1")).source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = source.read(VoxelBox((1000, 1000, 1000), (1128, 1128, 1128))).sum()
for box in (VoxelBox((0, 0, 0), (16, 2048, 2)), VoxelBox((5, 5, 0), (6, 6, 2048)), VoxelBox((0, 0, 0), (512, 40, 40))):
    source.read(box)
print(total, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_reads_are_few(tmp_path, monkeypatch):
    dense = noise((6, 50, 40), "u1")
    path = tmp_path / "scan.raw"
    path.write_bytes(dense.tobytes())
    source = reopen(path, shape=ZYX(6, 50, 40), dtype="u1").source
    calls = []
    real, mapped = os.preadv, mmap.mmap
    monkeypatch.setattr(os, "preadv", lambda *a: calls.append(a) or real(*a))
    monkeypatch.setattr(mmap, "mmap", lambda *a, **more: calls.append(a) or mapped(*a, **more))
    for box, reads in ((VoxelBox((1, 0, 0), (5, 50, 40)), 1), (VoxelBox((1, 3, 0), (5, 20, 40)), 4), (VoxelBox((1, 3, 7), (5, 20, 30)), 1)):
        calls.clear()
        np.testing.assert_array_equal(source.read(box), dense[box.slices])
        assert len(calls) == reads


def test_two_dimensional_files_are_one_slice(tmp_path):
    dense = noise((1, 4, 6), "<u2")
    path = tmp_path / "slice.raw"
    path.write_bytes(dense.tobytes())
    scan = reopen(path, shape={"y": 4, "x": 6}, dtype="<u2")
    assert scan.source.shape == (1, 4, 6)
    np.testing.assert_array_equal(whole(scan), dense)


def test_the_wrong_size_names_both_numbers(tmp_path):
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(999))
    with pytest.raises(FormatError, match=r"has 999 bytes, but 10 × 10 × 10 voxels .* make 1000 bytes; the file is truncated"):
        reopen(path, shape=10, dtype="u1")
    with pytest.raises(FormatError, match=r"has 999 bytes, but 9 × 9 × 9 .* after a header of 5 bytes make 734 bytes; .*offset="):
        reopen(path, shape=9, dtype="u1", offset=5)


def test_missing_empty_and_folders(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        reopen(tmp_path / "no.raw", shape=1, dtype="u1")
    (tmp_path / "empty.raw").touch()
    with pytest.raises(FormatError, match=r"is empty \(0 bytes\)"):
        reopen(tmp_path / "empty.raw", shape=1, dtype="u1")
    with pytest.raises(FormatError, match="is a folder"):
        FileStamp.of(tmp_path)


def test_without_shape_the_fitting_ones_are_listed(tmp_path):
    path = tmp_path / "plug_6x4x5_u2le.raw"
    path.write_bytes(bytes(240))
    with pytest.raises(ParameterError, match=r"give shape= and dtype=.*fits 6 × 4 × 5 \(z, y, x\) <u2, named .*; or 5 × 4 × 6"):
        reopen(path)
    with pytest.raises(ParameterError, match=r"give dtype=, .*fits 6 × 4 × 5 \(z, y, x\) <u2"):
        reopen(path, shape=ZYX(6, 4, 5))


def test_a_bare_shape_shows_both_readings(tmp_path):
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(24))
    with pytest.raises(ParameterError, match=r"\(2, 3, 4\).*shape=ZYX\(z=2, y=3, x=4\), or shape=ZYX\(z=4, y=3, x=2\) if x comes first"):
        reopen(path, shape=(2, 3, 4), dtype="u1")
    with pytest.raises(ParameterError, match=r"dict\(y=4, x=6\), or shape=dict\(y=6, x=4\)"):
        clear_shape((4, 6))
    assert clear_shape((3, 3, 3)) == ZYX(3, 3, 3)
    assert clear_shape([3, 3]) == ZYX(1, 3, 3)
    assert clear_shape(np.int64(3)) == ZYX(3, 3, 3)


@pytest.mark.parametrize("shape", ["2x3x4", (1, 2, 3, 4), ZYX(1.5, 2, 3), "abc"])
def test_shapes_that_are_none(shape):
    with pytest.raises(ParameterTypeError, match="shape"):
        clear_shape(shape)


def test_zero_sized_shapes_and_bad_layouts(tmp_path):
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(8))
    with pytest.raises(ParameterError, match="at least 1; got \\(0, 2, 2\\)"):
        reopen(path, shape=ZYX(0, 2, 2), dtype="u1")
    with pytest.raises(ParameterError, match="order is 'C'"):
        reopen(path, shape=2, dtype="u1", order="x")
    with pytest.raises(ParameterError, match="offset=-1"):
        reopen(path, shape=2, dtype="u1", offset=-1)
    with pytest.raises(ParameterTypeError, match="unknown dtype 'rock'"):
        reopen(path, shape=2, dtype="rock")
    with pytest.raises(ParameterTypeError, match="real numbers; got dtype 'c8'"):
        reopen(path, shape=ZYX(1, 1, 1), dtype="c8")
    with pytest.raises(ParameterError, match=r"series= chooses .* TIFF .* leave series= out"):
        reopen(path, shape=2, dtype="u1", series=1)


def test_a_changed_file_is_noticed(tmp_path):
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(8))
    source = reopen(path, shape=2, dtype="u1").source
    before = source.identity
    path.write_bytes(bytes(9))
    with pytest.raises(StorageError, match="has changed since it was opened; open it again"):
        source.read(VoxelBox.whole((2, 2, 2)))
    path.unlink()
    with pytest.raises(StorageError, match="cannot be read any more"):
        source.read(VoxelBox.whole((2, 2, 2)))
    path.write_bytes(bytes(8))
    os.utime(path, ns=(1, 1))
    assert reopen(path, shape=2, dtype="u1").source.identity != before
    assert str(path) in before


def test_a_file_shorter_than_its_stamp_is_noticed(tmp_path):
    path = tmp_path / "scan.raw"
    path.write_bytes(bytes(8))
    source = FlatSource(FileStamp.of(path), (3, 3, 3), "|u1")
    with pytest.raises(StorageError, match=r"scan.raw ends at byte 8, but 27 bytes were expected"):
        source.read(VoxelBox.whole((3, 3, 3)))
    with pytest.raises(StorageError, match=r"scan.raw cannot be read at byte 0: .*; it is truncated"):
        source.read(VoxelBox((0, 0, 0), (3, 3, 2)))


@settings(max_examples=40, deadline=None)
@given(shape=shapes, dtype=st.sampled_from(DTYPES), order=st.sampled_from("CF"), byteorder=st.sampled_from("=<>"), planes=st.sampled_from([None, 1, 3]))
def test_an_export_opens_without_arguments(tmp_path_factory, shape, dtype, order, byteorder, planes):
    dense = noise(shape, dtype).astype(np.dtype(dtype).newbyteorder("="))
    path = tmp_path_factory.mktemp("raw") / "scan.raw"
    said = {"spacing": ZYX(1.5, 2.5, 5.345), "origin": ZYX(-1.0, 0.0, 7.25), "unit": "um", "description": "a plug"}
    export(path, dense, WriteOptions(order=order, byteorder=byteorder, planes=planes), **said)
    scan = reopen(path)
    np.testing.assert_array_equal(whole(scan), dense)
    assert scan.source.dtype == dense.dtype
    assert (scan.spacing, scan.origin, scan.unit, scan.description, scan.notes) == (said["spacing"], said["origin"], "um", "a plug", ())
    assert path.stat().st_size == dense.size * dense.dtype.itemsize


def test_what_is_given_overrides_the_sidecar_and_says_so(tmp_path):
    path = tmp_path / "scan.raw"
    export(path, noise((2, 3, 4), "u2"))
    scan = reopen(path, shape=ZYX(4, 3, 2))
    assert scan.source.shape == (4, 3, 2)
    assert scan.notes == ("shape=ZYX(z=4, y=3, x=2) overrides ZYX(z=2, y=3, x=4) of scan.raw.json",)
    assert scan.unit is None


def test_a_broken_sidecar_is_named(tmp_path):
    path = tmp_path / "scan.raw"
    export(path, noise((2, 3, 4), "u2"))
    beside = tmp_path / "scan.raw.json"
    said = json.loads(beside.read_text())
    for text, problem in (
        ("{", "Expecting property name"),
        (json.dumps({**said, "dtype": "c8"}), "its dtype is 'c8'"),
        (json.dumps({**said, "order": "X"}), "its order is 'X'"),
        (json.dumps({**said, "shape": {"z": 0, "y": 1, "x": 1}}), "its shape is"),
        (json.dumps({**said, "layout": "voxelrock raw 99"}), "its layout is 'voxelrock raw 99'"),
        (json.dumps({k: v for k, v in said.items() if k != "dtype"}), "no 'dtype'"),
        ("[]", "list indices"),
    ):
        beside.write_text(text)
        with pytest.raises(FormatError, match=rf"scan.raw.json does not describe scan.raw .*{problem}.*give shape= and dtype="):
            reopen(path)
    assert reopen(path, shape=ZYX(2, 3, 4), dtype="u2", offset=0, order="C").source.shape == (2, 3, 4)


def test_the_sidecar_of_rockverse_is_read(tmp_path):
    dense = noise((2, 3, 4), "<u2")
    path = tmp_path / "rv.raw"
    path.write_bytes(dense.tobytes())
    said = {
        "description": "from there",
        "shape": [4, 3, 2],
        "voxel length": [1.0, 2.0, 3.0],
        "voxel_unit": "micron",
        "voxel_origin": [0.5, 0.25, 0.125],
        "array_order": "F",
        "Numpy dtype": "<u2",
        "data type": "16-bit unsigned integer, little endian",
    }
    (tmp_path / "rv.raw.json").write_text(json.dumps(said))
    scan = reopen(path)
    np.testing.assert_array_equal(whole(scan), dense)
    assert (scan.spacing, scan.origin, scan.unit) == (ZYX(3.0, 2.0, 1.0), ZYX(0.125, 0.25, 0.5), "um")


def test_the_macro_for_imagej(tmp_path):
    export(tmp_path / "a.raw", noise((2, 3, 4), "u2"), spacing=ZYX(3.0, 2.0, 1.0), unit="um")
    macro = (tmp_path / "a.raw.ijm").read_text()
    assert "image=[16-bit Unsigned] width=4 height=3 number=2 offset=0 gap=0 little-endian" in macro
    assert 'setVoxelSize(1.0, 2.0, 3.0, "um");' in macro
    export(tmp_path / "b.raw", noise((2, 3, 4), "u2"), WriteOptions(byteorder=">"))
    assert "little-endian" not in (tmp_path / "b.raw.ijm").read_text()
    for name, dtype, order in (("c", "u8", "C"), ("d", "u1", "F"), ("e", "i1", "C")):
        export(tmp_path / f"{name}.raw", noise((2, 3, 4), dtype), WriteOptions(order=order))
        assert not (tmp_path / f"{name}.raw.ijm").exists()
    export(tmp_path / "a.raw", noise((2, 3, 4), "i1"), WriteOptions(overwrite=True))
    assert sorted(p.name for p in tmp_path.glob("a.*")) == ["a.raw", "a.raw.json"]


@pytest.mark.parametrize(
    ("name", "size", "first", "dtype"),
    [
        ("berea_110_u1.raw", 110**3, (110, 110, 110), "u1"),
        ("grey_200x100x100_u2le.raw", 4_000_000, (200, 100, 100), "<u2"),
        ("grey_u2be.raw", 50**3 * 2, (50, 50, 50), ">u2"),
        ("scan_16bit.raw", 40**3 * 2, (40, 40, 40), "<u2"),
        ("scan-float32.vol", 30**3 * 4, (30, 30, 30), "<f4"),
        ("a.raw", 64 * 32 * 32, (64, 32, 32), "u1"),
        ("a_f4.raw", 30 * 25 * 20 * 4, (30, 25, 20), "<f4"),
    ],
)
def test_possible_shapes(tmp_path, name, size, first, dtype):
    path = tmp_path / name
    with open(path, "wb") as file:
        file.truncate(size)
    found = possible_shapes(path)
    assert any(tuple(f.shape) == first and f.dtype == dtype for f in found[:3]), found
    for fit in found:
        assert np.prod(fit.shape) * np.dtype(fit.dtype).itemsize == size
        assert f"{fit.shape.z} × {fit.shape.y} × {fit.shape.x} (z, y, x) {fit.dtype}" in str(fit)
    assert all(f.dtype == "<f4" for f in possible_shapes(path, "<f4"))


def test_possible_shapes_of_a_prime_and_of_nothing(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(9973))
    assert possible_shapes(path) == ()
    with pytest.raises(MissingFileError, match="does not exist"):
        possible_shapes(Path("nowhere.raw"))
