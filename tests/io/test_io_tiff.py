from __future__ import annotations

import json
import pickle
import struct
import time

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from io_dense import boxes, noise, reopen, seeds, shapes, whole

from voxelrock.errors import CorruptChunkError, FormatError, MissingFileError, MissingPackageError, ParameterError, StorageError
from voxelrock.geometry import ZYX, VoxelBox
from voxelrock.io.flat import FlatSource
from voxelrock.io.tiff_directories import count_pages
from voxelrock.io.tiff_pages import PagedSource

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]
LAYOUTS = {
    "plain": {},
    "bare": {"metadata": None},
    "big": {"bigtiff": True, "metadata": None},
    "strips": {"rowsperstrip": 2, "metadata": None, "compression": "zlib"},
    "deflate": {"compression": "zlib", "predictor": True},
    "lzw": {"compression": "lzw"},
    "zstd": {"compression": "zstd", "bigtiff": True},
    "tiles": {"tile": (16, 16), "compression": "zlib", "metadata": None},
    "tiles, uncompressed": {"tile": (16, 16)},
    "packbits": {"compression": "packbits"},
}


def save(path, dense, **more):
    tifffile.imwrite(path, dense, photometric="minisblack", **more)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), layout=st.sampled_from(sorted(LAYOUTS)), dtype=st.sampled_from(DTYPES), order=st.sampled_from("<>"), wide=st.booleans(), seed=seeds)
def test_any_box_of_any_tiff(tmp_path_factory, data, layout, dtype, order, wide, seed):
    shape = data.draw(shapes)
    shape = (shape[0], shape[1] * 6, shape[2] * 7) if wide else shape
    dense = noise(shape, dtype, seed)
    more = LAYOUTS[layout]
    if layout == "deflate" and dense.dtype.kind == "f":
        more = {"compression": "zlib"}
    path = tmp_path_factory.mktemp("tiff") / "scan.tif"
    save(path, dense, byteorder=order, **more)
    scan = reopen(path)
    assert scan.source.shape == shape
    box = data.draw(boxes(shape))
    block = pickle.loads(pickle.dumps(scan.source)).read(box)
    np.testing.assert_array_equal(block, dense[box.slices])
    assert block.dtype == np.dtype(dtype)
    assert block.dtype.isnative
    assert scan.spacing is None
    assert all(1 <= t <= n for t, n in zip(scan.source.tile, shape))


def test_uncompressed_files_are_read_without_their_pages(tmp_path):
    dense = noise((4, 20, 30), "u2")
    save(tmp_path / "a.tif", dense)
    scan = reopen(tmp_path / "a.tif")
    assert isinstance(scan.source, FlatSource)
    assert not scan.paged
    save(tmp_path / "b.tif", dense, compression="zlib")
    scan = reopen(tmp_path / "b.tif")
    assert isinstance(scan.source, PagedSource)
    assert scan.paged
    assert scan.source.tile == (1, 20, 30)
    save(tmp_path / "c.tif", noise((4, 64, 64), "u2"), compression="zlib", tile=(16, 32))
    scan = reopen(tmp_path / "c.tif")
    assert not scan.paged
    assert scan.source.tile == (1, 16, 32)


def test_only_the_pages_of_the_box_are_decoded(tmp_path, monkeypatch):
    dense = noise((9, 20, 30), "u2")
    save(tmp_path / "a.tif", dense, compression="zlib", rowsperstrip=5)
    source = reopen(tmp_path / "a.tif").source
    reads = []
    from voxelrock.io import tiff_pages

    real = tiff_pages.read_bytes
    monkeypatch.setattr(tiff_pages, "read_bytes", lambda *a: reads.append(a) or real(*a))
    np.testing.assert_array_equal(source.read(VoxelBox((3, 6, 2), (5, 12, 20))), dense[3:5, 6:12, 2:20])
    assert len(reads) == 4


def test_bits_are_booleans_and_one_page_is_one_slice(tmp_path):
    bits = noise((3, 11, 13), "b1")
    save(tmp_path / "a.tif", bits, compression="zlib")
    scan = reopen(tmp_path / "a.tif")
    assert scan.source.dtype == bool
    np.testing.assert_array_equal(whole(scan), bits)
    dense = noise((11, 13), "u2")
    for name, more in (("b.tif", {}), ("c.tif", {"compression": "zlib"})):
        save(tmp_path / name, dense, **more)
        np.testing.assert_array_equal(whole(reopen(tmp_path / name)), dense[np.newaxis])


def test_volumetric_pages(tmp_path):
    dense = noise((16, 32, 48), "u2")
    for compression in (None, "zlib"):
        save(tmp_path / "a.tif", dense, volumetric=True, tile=(16, 16, 16), compression=compression)
        source = reopen(tmp_path / "a.tif").source
        box = VoxelBox((3, 5, 7), (9, 30, 40))
        np.testing.assert_array_equal(source.read(box), dense[box.slices])


@pytest.mark.parametrize("pages", [1000])
def test_a_file_of_many_pages_opens_fast(tmp_path, pages):
    dense = noise((pages, 8, 8), "u1")
    save(tmp_path / "a.tif", dense, compression="zlib", metadata=None)
    start = time.perf_counter()
    scan = reopen(tmp_path / "a.tif")
    assert time.perf_counter() - start < 1
    assert len(pickle.dumps(scan.source)) < 1000
    np.testing.assert_array_equal(scan.source.read(VoxelBox((990, 0, 0), (991, 8, 8))), dense[990:991])


@pytest.mark.parametrize(("unit", "canonical"), [("um", "um"), ("\\u00B5m", "um"), ("micron", "um"), ("mm", "mm"), ("nm", "nm"), ("inch", "in"), ("cm", "cm")])
def test_imagej_lengths(tmp_path, unit, canonical):
    dense = noise((3, 4, 5), "u2")
    tifffile.imwrite(
        tmp_path / "a.tif", dense, imagej=True, resolution=(1 / 2.5, 1 / 5.345), metadata={"spacing": 7.5, "unit": unit, "axes": "ZYX", "xorigin": 4}
    )
    scan = reopen(tmp_path / "a.tif")
    assert scan.unit == canonical
    assert scan.spacing == pytest.approx(ZYX(7.5, 5.345, 2.5), rel=1e-6)
    assert scan.origin == pytest.approx(ZYX(0.0, 0.0, -10.0))
    np.testing.assert_array_equal(whole(scan), dense)


def test_imagej_without_a_unit_or_with_a_strange_one(tmp_path):
    dense = noise((3, 4, 5), "u2")
    tifffile.imwrite(tmp_path / "a.tif", dense, imagej=True, metadata={"axes": "ZYX"})
    scan = reopen(tmp_path / "a.tif")
    assert (scan.spacing, scan.unit, scan.notes) == (None, None, ())
    tifffile.imwrite(tmp_path / "b.tif", dense, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX"})
    assert "has no unit and was ignored" in reopen(tmp_path / "b.tif").notes[0]
    tifffile.imwrite(tmp_path / "c.tif", dense, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "unit": "furlong"})
    assert "'furlong' is not known" in reopen(tmp_path / "c.tif").notes[0]
    tifffile.imwrite(tmp_path / "d.tif", dense, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "unit": "um"})
    scan = reopen(tmp_path / "d.tif")
    assert scan.spacing == ZYX(0.5, 0.5, 0.5)
    assert "between slices is not stated" in scan.notes[0]
    tifffile.imwrite(tmp_path / "e.tif", dense, imagej=True, metadata={"axes": "TYX"})
    scan = reopen(tmp_path / "e.tif")
    assert scan.source.shape == (3, 4, 5)
    assert "calls its 3 slices times" in scan.notes[0]
    tifffile.imwrite(tmp_path / "f.tif", dense, imagej=True, resolution=(72, 72), resolutionunit="INCH", metadata={"axes": "ZYX"})
    assert "72 dpi was ignored" in reopen(tmp_path / "f.tif").notes[-1]


def test_ome_lengths(tmp_path):
    dense = noise((3, 4, 5), "u2")
    said = {
        "axes": "ZYX",
        "PhysicalSizeX": 2.5,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 5.345,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 0.0075,
        "PhysicalSizeZUnit": "mm",
    }
    for name, more in (("a.ome.tif", {}), ("b.ome.tif", {"compression": "zlib"})):
        save(tmp_path / name, dense, metadata=said, **more)
        scan = reopen(tmp_path / name)
        assert scan.unit == "um"
        assert scan.spacing == pytest.approx(ZYX(7.5, 5.345, 2.5))
        np.testing.assert_array_equal(whole(scan), dense)
    save(tmp_path / "c.ome.tif", dense, metadata={"axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeY": 3.0})
    scan = reopen(tmp_path / "c.ome.tif")
    assert (scan.spacing, scan.unit) == (ZYX(2.0, 3.0, 2.0), "um")
    assert "between slices is not stated" in scan.notes[0]
    save(
        tmp_path / "d.ome.tif",
        dense,
        metadata={"axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeY": 3.0, "PhysicalSizeXUnit": "pixel", "PhysicalSizeYUnit": "pixel"},
    )
    assert reopen(tmp_path / "d.ome.tif").spacing is None
    save(tmp_path / "e.ome.tif", dense, metadata={"axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeY": 3.0, "PhysicalSizeXUnit": "ly"})
    assert "was ignored: unknown unit 'ly'" in reopen(tmp_path / "e.ome.tif").notes[0]


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing", "note"),
    [
        ((72, 72), "INCH", None, "72 dpi was ignored"),
        ((96, 96), "INCH", None, "96 dpi was ignored"),
        ((28.346, 28.346), "CENTIMETER", None, "72 dpi was ignored"),
        ((1, 1), "INCH", None, "1 pixel per in was ignored"),
        ((2000, 1000), "CENTIMETER", ZYX(5.0, 10.0, 5.0), "read from the resolution tag of 2000 pixels per cm"),
        ((2540, 2540), "INCH", ZYX(10.0, 10.0, 10.0), "per in"),
        ((3, 3), "NONE", None, ""),
    ],
)
def test_resolution_tags(tmp_path, resolution, unit, spacing, note):
    save(tmp_path / "a.tif", noise((3, 4, 5), "u2"), resolution=resolution, resolutionunit=unit, metadata=None)
    scan = reopen(tmp_path / "a.tif")
    assert scan.spacing == (None if spacing is None else pytest.approx(spacing, rel=1e-6))
    assert scan.unit == (None if spacing is None else "um")
    assert note in " ".join(scan.notes)
    assert bool(note) == bool(scan.notes)


def test_palettes_and_inverted_scales_are_told(tmp_path):
    dense = noise((3, 4, 5), "u1")
    tifffile.imwrite(tmp_path / "a.tif", dense, photometric="palette", colormap=np.zeros((3, 256), "u2"))
    assert "palette" in reopen(tmp_path / "a.tif").notes[0]
    np.testing.assert_array_equal(whole(reopen(tmp_path / "a.tif")), dense)
    tifffile.imwrite(tmp_path / "b.tif", dense, photometric="miniswhite")
    assert "MinIsWhite" in reopen(tmp_path / "b.tif").notes[0]
    save(tmp_path / "c.tif", dense, description="BoundingBox 10 18 0 9 4 8", metadata=None)
    assert "spacing of 2, 3, 2 along (z, y, x) in a unit that it does not name" in reopen(tmp_path / "c.tif").notes[0]


def test_colour_and_too_many_axes_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise((4, 5, 3), "u1"), photometric="rgb")
    with pytest.raises(FormatError, match=r"colour image \(3 samples per pixel\).*convert it to 8- or 16-bit grey"):
        reopen(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", noise((6, 4, 5, 3), "u1"), photometric="rgb")
    with pytest.raises(FormatError, match="colour image"):
        reopen(tmp_path / "b.tif")
    tifffile.imwrite(tmp_path / "c.tif", noise((2, 3, 4, 5), "u2"), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(FormatError, match=r"4 axes \(2 T × 3 Z × 4 Y × 5 X\); save one channel"):
        reopen(tmp_path / "c.tif")
    save(tmp_path / "d.tif", noise((3, 4, 5), "f4").astype("c8"))
    with pytest.raises(FormatError, match="values of type complex64"):
        reopen(tmp_path / "d.tif")


def test_pages_that_differ_and_series(tmp_path):
    path = tmp_path / "a.tif"
    stack, other = noise((3, 4, 5), "u2"), noise((6, 7), "u1")
    with tifffile.TiffWriter(path) as writer:
        for page in stack:
            writer.write(page, metadata=None, photometric="minisblack")
        writer.write(other, metadata=None, photometric="minisblack")
    with pytest.raises(
        FormatError,
        match=r"2 image series, not one \(series=0: \(3, 4, 5\) uint16; series=1: .*"
        r"page 3 has \(6, 7\) uint8, page 0 has \(4, 5\) uint16; choose one with series=",
    ):
        reopen(path)
    np.testing.assert_array_equal(whole(reopen(path, series=0)), stack)
    np.testing.assert_array_equal(whole(reopen(path, series=1)), other[np.newaxis])
    with pytest.raises(ParameterError, match=r"has 2 image series, counted from 0; got series=2"):
        reopen(path, series=2)
    with pytest.raises(ParameterError, match="leave dtype= out"):
        reopen(path, dtype="u1")


@pytest.mark.parametrize("layout", ["plain", "bare", "deflate", "big", "strips", "zstd"])
@pytest.mark.parametrize("keep", [0.2, 0.6, 0.95])
def test_a_truncated_file_is_refused_at_opening(tmp_path, layout, keep):
    path = tmp_path / "a.tif"
    save(path, noise((9, 30, 40), "u2"), **LAYOUTS[layout])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(FormatError, match=r"a.tif is truncated: page \d .*but .*has \d+ bytes; copy it again"):
        reopen(path)


def test_a_truncated_imagej_stack_of_one_directory(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise((9, 30, 40), "u2"), imagej=True, metadata={"axes": "ZYX"}, photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        first, end = file.pages[0], file.pages[0].dataoffsets[0] + 9 * 30 * 40 * 2
        place = first.offset + 2 + len(first.tags) * 12
    data = bytearray(path.read_bytes()[:end])
    data[place : place + 4] = struct.pack(f"{'<' if data[:2] == b'II' else '>'}I", 0)
    path.write_bytes(data)
    assert reopen(path).source.shape == (9, 30, 40)
    path.write_bytes(data[:-3000])
    with pytest.raises(FormatError, match=r"is truncated: it announces 9 slices, which end at byte \d+, but it has \d+ bytes"):
        reopen(path)


def test_a_damaged_page_is_named(tmp_path):
    path = tmp_path / "a.tif"
    save(path, noise((9, 30, 40), "u2"), compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[5].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = bytes(40)
    path.write_bytes(data)
    source = reopen(path).source
    assert source.read(VoxelBox((0, 0, 0), (5, 30, 40))).shape == (5, 30, 40)
    with pytest.raises(CorruptChunkError, match=r"page 5 of .*a.tif cannot be decoded \(.*\); the file is damaged"):
        source.read(VoxelBox((4, 0, 0), (7, 30, 40)))


def test_files_that_are_no_tiff(tmp_path):
    path = tmp_path / "a.tif"
    with pytest.raises(MissingFileError, match="does not exist"):
        reopen(path)
    path.touch()
    with pytest.raises(FormatError, match=r"is empty \(0 bytes\)"):
        reopen(path)
    path.write_bytes(b"PNG or so, something else")
    with pytest.raises(FormatError, match=r"is no TIFF file: it starts with b'PNG '"):
        reopen(path)
    path.write_bytes(b"II*\0")
    with pytest.raises(FormatError, match="is no TIFF file"):
        reopen(path)
    path.write_bytes(b"II*\0" + bytes(4))
    with pytest.raises(FormatError, match="without pages"):
        reopen(path)
    path.write_bytes(b"II*\0" + struct.pack("<IHI", 8, 0, 8))
    with pytest.raises(FormatError, match="runs in a circle after page 1"):
        reopen(path)
    path.write_bytes(b"II*\0" + struct.pack("<IHI", 8, 0, 0))
    with pytest.raises(FormatError, match=r"a.tif (cannot be read as TIFF|holds)"):
        reopen(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_headers_raise_only_our_errors(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    save(path, noise((3, 6, 7), "u2"), compression="zlib", metadata=None)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        source = reopen(path).source
        if np.prod(source.shape) < 10**6:
            whole(reopen(path))
    except (FormatError, StorageError, MissingPackageError):
        pass


def test_a_changed_file_is_noticed(tmp_path):
    path = tmp_path / "a.tif"
    save(path, noise((3, 6, 7), "u2"), compression="zlib")
    source = reopen(path).source
    save(path, noise((3, 6, 7), "u2", 1), compression="lzma")
    with pytest.raises(StorageError, match="has changed since it was opened"):
        whole_of(source)


def whole_of(source):
    return source.read(VoxelBox.whole(source.shape))


def test_a_compression_that_needs_a_package_says_so(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    save(path, noise((3, 6, 7), "u2"), compression="lzw")
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'voxelrock\[tiff\]'"):
        reopen(path)


def test_pages_are_counted(tmp_path):
    from voxelrock.io.files import FileStamp

    for big in (False, True):
        save(tmp_path / "a.tif", noise((7, 6, 7), "u2"), compression="zlib", bigtiff=big)
        assert count_pages(FileStamp.of(tmp_path / "a.tif")) == 7


def test_descriptions_are_kept(tmp_path):
    save(tmp_path / "a.tif", noise((3, 4, 5), "u2"), description="a plug", metadata=None)
    assert reopen(tmp_path / "a.tif").description == "a plug"
    save(tmp_path / "b.tif", noise((3, 4, 5), "u2"))
    assert json.loads(reopen(tmp_path / "b.tif").description) == {"shape": [3, 4, 5]}
