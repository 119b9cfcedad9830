from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from io_dense import export, header, noise, reopen, shapes, whole

from voxelrock.errors import DataError, ParameterError
from voxelrock.geometry import ZYX, VoxelGrid
from voxelrock.io import registry
from voxelrock.io.flat import FlatSource
from voxelrock.io.tiff_writing import tiff_export
from voxelrock.io.writing import WriteOptions

SAID = {"spacing": ZYX(1.5, 2.5, 5.345), "origin": ZYX(-3.0, 0.0, 7.25), "unit": "um", "description": "a <plug> & more"}


def write(path, dense, limit, **said):
    writing = tiff_export(path, header(dense, **said), WriteOptions(planes=2), limit=limit)
    with writing:
        for index in writing.tiling:
            box = writing.tiling.box(index)
            writing.target.write(index, box, dense[box.slices])


@settings(max_examples=40, deadline=None)
@given(shape=shapes, dtype=st.sampled_from(["b1", "u1", "i1", "u2", "i2", "f2", "f4"]), big=st.booleans())
def test_tifffile_and_we_read_what_is_exported(tmp_path_factory, shape, dtype, big):
    dense = noise(shape, dtype)
    path = tmp_path_factory.mktemp("tiff") / "scan.tif"
    write(path, dense, 0 if big else 10**9, **SAID)
    expected = dense.astype("u1") * 255 if dtype == "b1" else dense
    scan = reopen(path)
    np.testing.assert_array_equal(whole(scan), expected)
    assert isinstance(scan.source, FlatSource)
    assert scan.unit == "um"
    assert scan.spacing == pytest.approx(SAID["spacing"], rel=1e-9)
    if not big:
        assert scan.origin == pytest.approx(SAID["origin"], rel=1e-12)
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff is big
        assert len(file.pages) == shape[0]
        assert (file.is_ome, file.is_imagej) == (big, not big)
        for page, plane in zip(file.pages, expected):
            np.testing.assert_array_equal(page.asarray(), plane)
        np.testing.assert_array_equal(file.asarray().reshape(shape), expected)
    assert ("255 is True" in " ".join(scan.notes)) is (dtype == "b1")


@pytest.mark.parametrize("spacing", [1e-9, 8e-6, 0.333333333, 5.345, 1.0, 1e6])
@pytest.mark.parametrize("limit", [0, 10**9])
def test_the_grid_survives(tmp_path, spacing, limit):
    dense = noise((2, 3, 4), "u1")
    write(tmp_path / "a.tif", dense, limit, spacing=ZYX.of(spacing), unit="m")
    scan = reopen(tmp_path / "a.tif")
    one = VoxelGrid(ZYX(1000, 1000, 1000), ZYX.of(spacing), unit="m")
    assert not one.differences(VoxelGrid(one.shape, scan.spacing, unit=scan.unit))


def test_images_without_a_scale(tmp_path):
    for limit in (0, 10**9):
        path = tmp_path / f"{limit}.tif"
        write(path, noise((2, 3, 4), "u1"), limit)
        assert (reopen(path).spacing, reopen(path).notes) == (None, ())


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "u8"])
def test_labels_fit_or_are_refused_with_the_alternatives(tmp_path, dtype):
    labels = np.arange(24, dtype=dtype).reshape(2, 3, 4) * 2849
    export(tmp_path / "a.tif", labels)
    scan = reopen(tmp_path / "a.tif")
    assert scan.source.dtype == np.uint16
    np.testing.assert_array_equal(whole(scan), labels)
    worst = [65536, -1] if dtype[0] == "i" else [65536]
    for value in worst:
        labels[1, 2, 3] = value
        with pytest.raises(DataError, match=rf"labels from 0 to 65535, but {value} occurs; write .mhd, .npy, .raw or .zarr instead.*seen in voxels z 0:2"):
            export(tmp_path / "b.tif", labels)
    assert os.listdir(tmp_path) == ["a.tif"]


def test_types_that_lose_something_are_refused(tmp_path):
    for dtype in ("f8", "f16"):
        with pytest.raises(ParameterError, match=rf"no {np.dtype(dtype)}; convert the image to float32, or write .mhd, .npy, .raw or .zarr"):
            export(tmp_path / "a.tif", noise((2, 3, 4), dtype))
    with pytest.raises(ParameterError, match="TIFF is written with x fastest"):
        export(tmp_path / "a.tif", noise((2, 3, 4), "u1"), WriteOptions(byteorder=">"))


def test_more_than_four_gigabytes_become_a_bigtiff(tmp_path):
    def layout(z):
        return registry.write(tmp_path / "a.tif", header(np.broadcast_to(np.uint16(0), (z, 1024, 1024))))

    assert layout(2047).head[2:4] == b"*\0"
    assert layout(2048).head[2:4] == b"+\0"
    assert layout(2048).size > 2**32
