"""RockVerse opens what voxelrock writes for it, and the other way round; RockVerse runs in an environment of its own."""

import json
import subprocess

import numpy as np
import pytest

import voxelrock as vr
from benchmarks import peers

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(peers.ROCKVERSE.missing()), reason=f"RockVerse: {peers.ROCKVERSE.missing()}")]


def rockverse(*arguments):
    done = subprocess.run(peers.ROCKVERSE.command(*map(str, arguments)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8", "?"])
def test_rockverse_opens_what_we_write(dtype, tmp_path):
    array = (np.random.default_rng(0).random((10, 20, 30)) * 200).astype(dtype)
    field = vr.Field("Attenuation", "HU", "made by voxelrock")
    image = vr.from_array(array, spacing=vr.ZYX(6.0, 5.0, 4.0), origin=vr.ZYX(3.25, -2.0, 1.5), unit="um", field=field)
    vr.save(image, tmp_path / "ours.zarr", layout="rockverse")
    said = rockverse("describe", tmp_path / "ours.zarr", tmp_path / "values.npy")
    assert said["shape"] == [30, 20, 10]
    assert said["dtype"] == str(array.dtype)
    assert said["voxel_length"] == [4.0, 5.0, 6.0]
    assert said["voxel_origin"] == [1.5, -2.0, 3.25]
    assert said["voxel_unit"] == "um"
    assert (said["field_name"], said["field_unit"], said["description"]) == ("Attenuation", "HU", "made by voxelrock")
    assert np.array_equal(np.load(tmp_path / "values.npy").transpose(), array)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8", "?"])
def test_we_open_what_rockverse_writes(dtype, tmp_path):
    array = (np.random.default_rng(1).random((30, 20, 10)) * 200).astype(dtype)
    np.save(tmp_path / "values.npy", array)
    rockverse("create", tmp_path / "values.npy", tmp_path / "theirs.zarr")
    image = vr.open(tmp_path / "theirs.zarr")
    assert image.shape == (10, 20, 30)
    assert image.dtype == array.dtype
    assert tuple(image.grid.spacing) == (6.0, 5.0, 4.0)
    assert tuple(image.grid.origin) == (3.25, -2.0, 1.5)
    assert image.grid.unit == "um"
    assert image.field == vr.Field("Attenuation", "HU", "made by RockVerse")
    assert np.array_equal(image.compute(), array.transpose())


def test_histograms_agree(tmp_path):
    image = vr.from_array(np.random.default_rng(2).integers(0, 65536, (16, 16, 16)).astype("u2"))
    vr.save(image, tmp_path / "image.zarr", layout="rockverse")
    theirs = rockverse("histogram", tmp_path / "image.zarr", 256)["counts"]
    ours = vr.statistics.histogram(image, bins=np.linspace(-0.5, 65535.5, 257))
    assert np.array_equal(ours.values, theirs)
