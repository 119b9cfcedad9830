from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_dense import boxes, export, noise, reopen, seeds, shapes, whole

from voxelrock.errors import CorruptChunkError, ExistsError, FormatError, MissingFileError, ParameterError
from voxelrock.geometry import ZYX, VoxelBox
from voxelrock.io import inflate
from voxelrock.io.writing import WriteOptions

TYPES = {
    "u1": "MET_UCHAR",
    "i1": "MET_CHAR",
    "u2": "MET_USHORT",
    "i2": "MET_SHORT",
    "u4": "MET_UINT",
    "i4": "MET_LONG",
    "i8": "MET_LONG_LONG",
    "f4": "MET_FLOAT",
    "f8": "MET_DOUBLE",
}


def text(dense, file="LOCAL", *, element=None, **more):
    lines = {
        "ObjectType": "Image",
        "NDims": str(dense.ndim),
        "DimSize": " ".join(map(str, reversed(dense.shape))),
        "ElementType": element or TYPES[dense.dtype.str[1:]],
        **more,
        "ElementDataFile": file,
    }
    return "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None).encode()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), shape=shapes, dtype=st.sampled_from(sorted(TYPES)), big=st.booleans(), compressed=st.booleans(), local=st.booleans(), seed=seeds)
def test_any_box_of_any_metaimage(tmp_path_factory, data, shape, dtype, big, compressed, local, seed):
    dense = noise(shape, (">" if big else "<") + dtype, seed)
    folder = tmp_path_factory.mktemp("meta")
    voxels = zlib.compress(dense.tobytes()) if compressed else dense.tobytes()
    head = text(dense, "LOCAL" if local else "voxels.bin", BinaryDataByteOrderMSB=str(big), CompressedData=str(compressed))
    path = folder / ("a.mha" if local else "a.mhd")
    path.write_bytes(head + (voxels if local else b""))
    (folder / "voxels.bin").write_bytes(voxels)
    scan = reopen(path)
    assert scan.paged is compressed
    box = data.draw(boxes(shape))
    np.testing.assert_array_equal(scan.source.read(box), dense[box.slices])
    assert scan.source.dtype == np.dtype(dtype)


@pytest.mark.parametrize("suffix", [".mhd", ".mha"])
@pytest.mark.parametrize("dtype", ["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_round_trip(tmp_path, suffix, dtype):
    dense = noise((3, 4, 5), dtype)
    path = tmp_path / f"scan{suffix}"
    export(path, dense, WriteOptions(planes=2), spacing=ZYX(1.5, 2.5, 5.345), origin=ZYX(-3.0, 0.0, 7.25), unit="um", description="a  plug")
    scan = reopen(path)
    np.testing.assert_array_equal(whole(scan), dense)
    assert scan.source.dtype == (np.dtype("u1") if dtype == "b1" else np.dtype(dtype))
    assert scan.unit == "um"
    assert scan.spacing == pytest.approx(ZYX(1.5, 2.5, 5.345), rel=1e-14)
    assert scan.origin == pytest.approx(ZYX(-3.0, 0.0, 7.25), rel=1e-14)
    assert scan.description == "a plug"
    assert scan.notes == (("written from a boolean image: 1 is True",) if dtype == "b1" else ())
    head = path.read_bytes().split(b"ElementDataFile")[0].decode()
    assert "DimSize = 5 4 3" in head
    assert "DistanceUnits = mm" in head
    assert "ElementSpacing = 0.005345 0.0025 0.0015" in head


def test_images_without_a_scale(tmp_path):
    export(tmp_path / "a.mha", noise((2, 2, 2), "u1"))
    assert reopen(tmp_path / "a.mha").spacing is None
    export(tmp_path / "b.mha", noise((2, 2, 2), "u1"), spacing=ZYX(2.0, 1.0, 1.0))
    scan = reopen(tmp_path / "b.mha")
    assert (scan.spacing, scan.unit) == (ZYX(2.0, 1.0, 1.0), "voxel")


def test_lengths_without_a_unit_are_millimetres_and_said(tmp_path):
    dense = noise((2, 3, 4), "u1")
    path = tmp_path / "a.mha"
    path.write_bytes(text(dense, ElementSpacing="0.5 0.6 0.7", Offset="1 2 3", TransformMatrix="1 0 0 0 1 0 0 0 1") + dense.tobytes())
    scan = reopen(path)
    assert (scan.spacing, scan.origin, scan.unit) == (ZYX(0.7, 0.6, 0.5), ZYX(3.0, 2.0, 1.0), "mm")
    assert "taken as mm" in scan.notes[0]
    path.write_bytes(text(dense, ElementSize="5 6 7", DistanceUnits="um", TransformMatrix="0 1 0 1 0 0 0 0 1") + dense.tobytes())
    scan = reopen(path)
    assert (scan.spacing, scan.origin, scan.unit) == (ZYX(7.0, 6.0, 5.0), None, "um")
    assert "rotation TransformMatrix" in scan.notes[0]


def test_two_dimensions_are_one_slice_and_header_size(tmp_path):
    dense = noise((3, 4), "u2")
    path = tmp_path / "a.mhd"
    for skipped, voxels in (("6", b"header" + dense.tobytes()), ("-1", b"whatever" + dense.tobytes())):
        (tmp_path / "a.dat").write_bytes(voxels)
        path.write_bytes(text(dense, "a.dat", HeaderSize=skipped))
        np.testing.assert_array_equal(whole(reopen(path)), dense[np.newaxis])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"file": "LIST"}, r"several files \(ElementDataFile = LIST\)"),
        ({"file": "s%03d.raw 1 10 1"}, "several files"),
        ({"ElementNumberOfChannels": "3"}, "3 channels"),
        ({"BinaryData": "False"}, "as text"),
        ({"element": "MET_STRING"}, "ElementType = MET_STRING; the types that are read are MET_CHAR"),
        ({"DimSize": "4 3"}, "NDims = 3 and DimSize = 4 3"),
        ({"DimSize": "4 3 0"}, "whole numbers from 1 on"),
        ({"DimSize": "4 3 x"}, "numbers were expected"),
        ({"DimSize": None}, "has no DimSize"),
        ({"ElementType": None}, "has no ElementType"),
        ({"NDims": "4", "DimSize": "1 2 3 4"}, "two or three dimensions"),
    ],
)
def test_headers_that_are_refused(tmp_path, more, message):
    path = tmp_path / "a.mhd"
    path.write_bytes(text(noise((2, 3, 4), "u1"), **more))
    with pytest.raises(FormatError, match=message):
        reopen(path)


def test_broken_files(tmp_path):
    dense = noise((2, 3, 4), "u1")
    path = tmp_path / "a.mhd"
    path.write_bytes(text(dense, "gone.raw"))
    with pytest.raises(MissingFileError, match=r"a.mhd says that its voxels are in .*gone.raw, which does not exist"):
        reopen(path)
    path.write_bytes(b"what = ever\n")
    with pytest.raises(FormatError, match="no line says ElementDataFile"):
        reopen(path)
    path = tmp_path / "a.mha"
    path.write_bytes(text(dense) + dense.tobytes()[:-1])
    with pytest.raises(FormatError, match=r"a.mha has \d+ bytes, but 2 × 3 × 4 .* after a header of \d+ bytes make \d+ bytes; the file is truncated"):
        reopen(path)


def test_broken_compression_is_named(tmp_path):
    dense = noise((20, 30, 40), "u1")
    squeezed = zlib.compress(dense.tobytes())
    path = tmp_path / "a.mha"
    path.write_bytes(text(dense, CompressedData="True") + squeezed[:-4000])
    with pytest.raises(CorruptChunkError, match=r"a.mha is truncated: its compressed voxels end after \d+ bytes"):
        whole(reopen(path))
    path.write_bytes(text(dense, CompressedData="True") + b"\x00" * 50 + squeezed[50:])
    with pytest.raises(CorruptChunkError, match="is damaged about byte"):
        whole(reopen(path))


def test_compressed_reads_go_on_from_marks(tmp_path, monkeypatch):
    monkeypatch.setattr(inflate, "_STEP", 4096)
    dense = noise((40, 32, 32), "u2") // 5000
    path = tmp_path / "a.mha"
    path.write_bytes(text(dense, CompressedData="True") + zlib.compress(dense.tobytes()))
    source = reopen(path).source
    for z in (39, 3, 20, 0):
        box = VoxelBox((z, 3, 4), (z + 1, 20, 30))
        np.testing.assert_array_equal(source.read(box), dense[box.slices])
    assert len(inflate._marks(source.stamp, source.offset).out) > 10


def test_the_file_of_voxels_of_somebody_else_is_never_replaced(tmp_path):
    dense = noise((2, 2, 2), "u1")
    (tmp_path / "scan.raw").write_bytes(b"precious")
    for overwrite in (False, True):
        with pytest.raises(ExistsError, match=r"scan.raw exists and does not belong to scan.mhd"):
            export(tmp_path / "scan.mhd", dense, WriteOptions(overwrite=overwrite))
    assert (tmp_path / "scan.raw").read_bytes() == b"precious"
    export(tmp_path / "own.mhd", dense)
    with pytest.raises(ExistsError, match="overwrite=True"):
        export(tmp_path / "own.mhd", dense)
    export(tmp_path / "own.mhd", dense + 1, WriteOptions(overwrite=True))
    np.testing.assert_array_equal(whole(reopen(tmp_path / "own.mhd")), dense + 1)


def test_what_metaimage_cannot_hold(tmp_path):
    with pytest.raises(ParameterError, match="no type for float16; convert the image to float32"):
        export(tmp_path / "a.mha", noise((2, 2, 2), "f2"))
    with pytest.raises(ParameterError, match="x fastest and little endian"):
        export(tmp_path / "a.mha", noise((2, 2, 2), "f4"), WriteOptions(order="F"))
