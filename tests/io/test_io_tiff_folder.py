from __future__ import annotations

import os
import pickle
import time
from io import BytesIO

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from io_dense import boxes, noise, reopen, shapes, whole

from voxelrock.errors import CorruptChunkError, FormatError, MissingFileError, StorageError
from voxelrock.geometry import ZYX, VoxelBox
from voxelrock.io.tiff_folder import natural


def fill(folder, dense, name="slice_{}.tif", first=0, **more):
    for z, page in enumerate(dense):
        tifffile.imwrite(folder / name.format(z + first), page, photometric="minisblack", **more)
    return folder


@settings(max_examples=30, deadline=None)
@given(
    data=st.data(),
    shape=shapes,
    dtype=st.sampled_from(["u1", "u2", "i2", "f4"]),
    compression=st.sampled_from([None, "zlib", "lzw"]),
    order=st.sampled_from("<>"),
)
def test_any_box_of_a_folder(tmp_path_factory, data, shape, dtype, compression, order):
    dense = noise(shape, dtype)
    folder = fill(tmp_path_factory.mktemp("slices"), dense, compression=compression, byteorder=order)
    source = reopen(folder).source
    box = data.draw(boxes(shape))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).read(box), dense[box.slices])


def test_the_order_is_natural(tmp_path):
    dense = noise((12, 3, 4), "u2")
    np.testing.assert_array_equal(whole(reopen(fill(tmp_path, dense, first=1))), dense)
    assert sorted(["s10", "s2", "S1", "s002b", "s2a"], key=natural) == ["S1", "s2", "s2a", "s002b", "s10"]


def test_hidden_and_other_files_are_left_out(tmp_path):
    dense = noise((3, 3, 4), "u2")
    fill(tmp_path, dense, name="a{}.TIFF")
    (tmp_path / ".hidden.tif").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "more.tif").mkdir()
    np.testing.assert_array_equal(whole(reopen(tmp_path)), dense)


def test_the_slice_that_differs_is_named(tmp_path):
    fill(tmp_path, noise((5, 3, 4), "u2"))
    tifffile.imwrite(tmp_path / "slice_0.tif", noise((3, 5), "u2"), photometric="minisblack")
    with pytest.raises(FormatError, match=r"slice_0.tif has 3 × 5 pixels \(y, x\) of uint16, but the other slices have 3 × 4 pixels \(y, x\) of uint16"):
        reopen(tmp_path)
    fill(tmp_path, noise((1, 3, 4), "u2"))
    tifffile.imwrite(tmp_path / "slice_3.tif", noise((3, 4), "u1"), photometric="minisblack")
    with pytest.raises(FormatError, match=r"slice_3.tif has 3 × 4 pixels \(y, x\) of uint8, but"):
        reopen(tmp_path)


def test_missing_numbers_are_listed(tmp_path):
    fill(tmp_path, noise((12, 3, 4), "u2"), name="plug_2024_{:04d}.tif", first=5)
    os.unlink(tmp_path / "plug_2024_0008.tif")
    os.unlink(tmp_path / "plug_2024_0011.tif")
    os.unlink(tmp_path / "plug_2024_0012.tif")
    with pytest.raises(MissingFileError, match=r"has slices 5 to 16, but 3 missing: 8, 11, 12; put them there"):
        reopen(tmp_path)


def test_steps_and_irregular_names_are_no_gaps(tmp_path):
    for i, names in enumerate(
        (["a_0", "a_5", "a_10", "a_15"], ["top", "middle", "bottom"], ["t_20200101120000", "t_20210503", "t_999"], ["a1", "b7"], ["a_1", "a_4"])
    ):
        folder = tmp_path / str(i)
        folder.mkdir()
        for name in names:
            tifffile.imwrite(folder / f"{name}.tif", noise((3, 4), "u1"), photometric="minisblack")
        assert reopen(folder).source.shape == (len(names), 3, 4)


def test_empty_folders_and_bad_slices(tmp_path):
    with pytest.raises(MissingFileError, match=r"holds no .tif or .tiff files"):
        reopen(tmp_path)
    with pytest.raises(MissingFileError, match="does not exist"):
        reopen(tmp_path / "nowhere.tif")
    dense = noise((3, 3, 4), "u2")
    fill(tmp_path, dense)
    (tmp_path / "slice_1.tif").write_bytes(b"")
    with pytest.raises(FormatError, match=r"slice_1.tif is empty"):
        reopen(tmp_path)
    (tmp_path / "slice_1.tif").write_bytes(b"garbage")
    with pytest.raises(FormatError, match=r"slice_1.tif cannot be read as TIFF"):
        reopen(tmp_path)
    tifffile.imwrite(tmp_path / "slice_1.tif", dense, photometric="minisblack", metadata=None)
    with pytest.raises(FormatError, match=r"slice_1.tif has several pages; a folder of slices has one page per file"):
        reopen(tmp_path)
    tifffile.imwrite(tmp_path / "slice_1.tif", noise((3, 4, 3), "u1"), photometric="rgb")
    with pytest.raises(FormatError, match=r"slice_1.tif has shape \(3, 4, 3\) .*not colour"):
        reopen(tmp_path)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_truncated_or_changed_slice_is_named(tmp_path, compression):
    dense = noise((4, 30, 40), "u2")
    fill(tmp_path, dense, compression=compression)
    scan = reopen(tmp_path)
    data = (tmp_path / "slice_2.tif").read_bytes()
    (tmp_path / "slice_2.tif").write_bytes(data[:-100])
    with pytest.raises(StorageError, match=r"have changed since it was opened|slice_2.tif has changed"):
        whole(scan)
    source = reopen(tmp_path).source
    with pytest.raises(CorruptChunkError, match=r"slice 2 cannot be read: slice_2.tif ends at byte \d+|page 0 of .*slice_2.tif cannot be decoded"):
        source.read(VoxelBox.whole(source.shape))
    np.testing.assert_array_equal(source.read(VoxelBox((0, 0, 0), (2, 30, 40))), dense[:2])


def test_lengths_come_from_the_first_slice(tmp_path):
    fill(tmp_path, noise((3, 3, 4), "u2"), resolution=(2000, 2000), resolutionunit="CENTIMETER", metadata=None)
    scan = reopen(tmp_path)
    assert scan.spacing == pytest.approx(ZYX(5.0, 5.0, 5.0))
    assert scan.unit == "um"
    assert not scan.paged


def test_two_thousand_slices_open_fast(tmp_path):
    page = BytesIO()
    tifffile.imwrite(page, noise((6, 7), "u2"), photometric="minisblack", compression="zlib")
    for z in range(2000):
        (tmp_path / f"slice_{z:04d}.tif").write_bytes(page.getvalue())
    start = time.perf_counter()
    scan = reopen(tmp_path)
    assert time.perf_counter() - start < 3
    assert scan.source.shape == (2000, 6, 7)
    assert scan.paged
    assert len(pickle.dumps(scan.source)) < 1000
