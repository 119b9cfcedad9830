"""Disks that are full, read-only, or not what they seem."""

import os
import subprocess
import time

import numpy as np
import pytest

import voxelrock as vr
from voxelrock.errors import ExistsError, StorageError, UnfinishedError
from voxelrock.storage import files


@pytest.fixture
def mounted(tmp_path):
    """Mount a small disk in memory; skips where that is not allowed."""
    places = []

    def mount(options, name="disk"):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a full disk is a small one that the test mounts, which only root may ({done.stderr.strip()}): run it as root, or in a container")
        places.append(place)
        return place

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 65536, (96, 96, 96)).astype("u2")  # 1.7 MB, incompressible


@pytest.mark.parametrize("layout", ["voxelrock", "zarr2"])
def test_no_space_left(mounted, noise, layout):
    disk = mounted("size=1500k")
    (disk / "ballast").write_bytes(b"0" * 400_000)
    options = {"layout": layout, "chunks": 32} | ({"shards": 32} if layout == "voxelrock" else {})
    with pytest.raises(StorageError, match=r"no space left on the disk of .*\.a\.zarr\.partial; free some and save again with resume=True"):
        vr.save(vr.from_array(noise, block=32), disk / "a.zarr", **options)
    assert not (disk / "a.zarr").exists()
    with pytest.raises(UnfinishedError, match="was never completed; save it again with resume=True"):
        vr.open(disk / "a.zarr")
    (disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    found = vr.save(vr.from_array(noise, block=32), disk / "a.zarr", resume=True, **options)
    np.testing.assert_array_equal(found.compute(), noise)
    assert os.listdir(disk) == ["a.zarr"]


def test_no_space_even_to_begin(mounted):
    disk = mounted("size=16k,nr_inodes=4")
    with pytest.raises(StorageError, match="no space left on the disk of"):
        vr.save(vr.ones(shape=8), disk / "a.zarr")
    subprocess.run(["mount", "-o", "remount,size=4m,nr_inodes=100", str(disk)], check=True)
    assert vr.save(vr.ones(shape=8), disk / "a.zarr").compute().all()


def test_the_old_store_outlives_a_full_disk(mounted, noise):
    disk = mounted("size=3m")
    vr.save(vr.from_array(noise), disk / "a.zarr")
    with pytest.raises(StorageError, match="no space left"):
        vr.save(vr.from_array(noise + 1), disk / "a.zarr", overwrite=True)
    np.testing.assert_array_equal(vr.open(disk / "a.zarr").compute(), noise)


def test_a_read_only_disk(mounted, noise):
    disk = mounted("size=4m")
    vr.save(vr.from_array(noise), disk / "a.zarr")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StorageError, match=r"the folder .*disk is read-only; choose another path"):
        vr.save(vr.ones(shape=4), disk / "b.zarr")
    with pytest.raises(StorageError, match=r"cannot make the folder .*deeper \(Read-only file system\); choose another path"):
        vr.save(vr.ones(shape=4), disk / "deeper" / "b.zarr")
    np.testing.assert_array_equal(vr.open(disk / "a.zarr").compute(), noise)


def test_a_disk_that_turns_read_only(mounted, noise, monkeypatch):
    disk = mounted("size=8m")
    place = files.place_file

    done = []

    def remounted(target, *args, **keywords):
        if target.name == "2" and not done:
            done.append(target)
            for _ in range(500):  # busy for as long as another thread has a file open for writing
                if subprocess.run(["mount", "-o", "remount,ro", str(disk)], stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.01)
        return place(target, *args, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr("voxelrock.storage.records.place_file", remounted)
        with pytest.raises(StorageError, match=r"\.a\.zarr\.partial cannot be written \(Read-only file system\); choose another path"):
            vr.save(vr.from_array(noise, block=32), disk / "a.zarr", chunks=32, shards=32)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    np.testing.assert_array_equal(vr.save(vr.from_array(noise, block=32), disk / "a.zarr", chunks=32, shards=32, resume=True).compute(), noise)


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "notes").write_text("…")
    for place in (tmp_path / "notes" / "a.zarr", tmp_path / "notes" / "deeper" / "a.zarr"):
        with pytest.raises(StorageError, match=r"notes is a file, so .*a\.zarr cannot be made in it; choose another path"):
            vr.save(vr.ones(shape=4), place)


def test_folders_are_made(tmp_path):
    assert vr.save(vr.ones(shape=4), tmp_path / "new" / "newer" / "a.zarr").compute().all()


def test_a_scratch_without_space(mounted, tmp_path, noise):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", noise, compression="zlib")
    disk = mounted("size=1m")
    with pytest.raises(StorageError, match=r"the scratch folder .* has .* GB free and .* GB are needed"):
        vr.save(vr.open(tmp_path / "a.tif"), disk / "a.zarr", chunks=32, shards=32)
    with pytest.raises(ExistsError, match="exists"):
        vr.save(vr.ones(shape=4), tmp_path / "a.tif")
