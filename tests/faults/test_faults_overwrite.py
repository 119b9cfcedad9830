"""What is overwritten stays whole until its successor is complete."""

import os
import pickle
import signal

import numpy as np
import pytest
import slow_rock
import zarr

import voxelrock as vr
from voxelrock.errors import ExistsError, StorageError
from voxelrock.storage import records


@pytest.fixture
def array():
    return np.random.default_rng(1).integers(0, 60000, (40, 36, 44)).astype("u2")


@pytest.mark.parametrize("layout", ["voxelrock", "zarr2", "rockverse"])
def test_an_image_may_be_saved_over_what_it_is_computed_from(tmp_path, array, layout):
    place = tmp_path / "a.zarr"
    truth = vr.filters.median(vr.from_array(array), radius_vx=1).compute()
    vr.save(vr.from_array(array), place, layout=layout, chunks=16)
    found = vr.save(vr.filters.median(vr.open(place), radius_vx=1), place, layout=layout, chunks=16, overwrite=True)
    np.testing.assert_array_equal(found.compute(), truth)
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_without_the_systems_exchange(tmp_path, array, monkeypatch):
    monkeypatch.setattr(records, "_exchange", lambda first, second: False)
    vr.save(vr.from_array(array), tmp_path / "a.zarr")
    found = vr.save(vr.open(tmp_path / "a.zarr") + 1, tmp_path / "a.zarr", overwrite=True)
    np.testing.assert_array_equal(found.compute(), array.astype("i4") + 1)
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_the_old_store_survives_a_killed_save(tmp_path, array, killed, rock_truth):
    old = vr.save(vr.from_array(array), tmp_path / "rock.zarr")
    killed(overwrite=True)
    np.testing.assert_array_equal(old.compute(), array)
    np.testing.assert_array_equal(vr.open(tmp_path / "rock.zarr").compute(), array)
    with pytest.raises(ExistsError, match=r"rock.zarr exists; pass overwrite=True \(--overwrite\) to replace it"):
        slow_rock.save(tmp_path, resume=True)
    count = slow_rock.computed(tmp_path)
    found = slow_rock.save(tmp_path, resume=True, overwrite=True)
    np.testing.assert_array_equal(found.compute(), rock_truth)
    assert slow_rock.computed(tmp_path) - count < slow_rock.UNITS
    assert not any(name.startswith(".rock") for name in os.listdir(tmp_path))


def test_overwrite_starts_anew_over_a_partial(tmp_path, killed, rock_truth):
    killed()
    count = slow_rock.computed(tmp_path)
    np.testing.assert_array_equal(slow_rock.save(tmp_path, overwrite=True).compute(), rock_truth)
    assert slow_rock.computed(tmp_path) - count == slow_rock.UNITS


@pytest.mark.parametrize("layout", ["voxelrock", "zarr2", "rockverse"])
@pytest.mark.parametrize("read_before", [True, False])
def test_an_image_of_a_replaced_store_says_so(tmp_path, array, layout, read_before):
    place = tmp_path / "a.zarr"
    old = vr.save(vr.from_array(array), place, layout=layout)
    if read_before:
        np.testing.assert_array_equal(old[3:5].compute(), array[3:5])
    vr.save(vr.from_array(array + 1), place, layout=layout, overwrite=True)
    for image in (old, pickle.loads(pickle.dumps(old))):
        with pytest.raises(StorageError, match=r"the store .*a.zarr changed since it was opened; open it again"):
            image.compute()
    np.testing.assert_array_equal(vr.open(place).compute(), array + 1)


def test_a_store_that_is_replaced_while_it_is_read(tmp_path, array, monkeypatch):
    """The exchange falls between the check before reading and the reading itself."""
    place = tmp_path / "a.zarr"
    old = vr.save(vr.from_array(array), place)
    old[:1].compute()
    from voxelrock.storage import source

    read = source._read_files

    def replaced(*args):
        monkeypatch.undo()
        vr.save(vr.from_array(array + 1), place, overwrite=True)
        return read(*args)

    monkeypatch.setattr(source, "_read_files", replaced)
    with pytest.raises(StorageError, match="changed since it was opened"):
        old.compute()


def test_a_store_that_is_gone_says_so(tmp_path, array):
    old = vr.save(vr.from_array(array), tmp_path / "a.zarr")
    os.rename(tmp_path / "a.zarr", tmp_path / "b.zarr")
    with pytest.raises(StorageError, match=r"a.zarr is gone or damaged since it was opened .*; open it again"):
        old.compute()
    np.testing.assert_array_equal(vr.open(tmp_path / "b.zarr").compute(), array)


def test_new_attributes_do_not_make_another_store(tmp_path, array):
    image = vr.save(vr.from_array(array), tmp_path / "a.zarr")
    zarr.open_array(tmp_path / "a.zarr", mode="r+").attrs["note"] = "mine"
    np.testing.assert_array_equal(image.compute(), array)


def test_what_is_no_store_is_not_replaced(tmp_path, array):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(ExistsError, match="is a folder that holds no Zarr store, so it is not replaced; choose another path, or remove it yourself"):
        vr.save(vr.from_array(array), folder, overwrite=True)
    with pytest.raises(ExistsError, match=r"results exists; pass overwrite=True \(--overwrite\) to replace it"):
        vr.save(vr.from_array(array), folder)
    assert (folder / "thesis.txt").read_text() == "years of work"
    assert os.listdir(tmp_path) == ["results"]


def test_files_links_and_empty_folders_are_replaced(tmp_path, array):
    (tmp_path / "file.zarr").write_text("no store")
    (tmp_path / "empty.zarr").mkdir()
    real = tmp_path / "elsewhere" / "real.zarr"
    vr.save(vr.from_array(array), real)
    (tmp_path / "link.zarr").symlink_to(real)
    for name in ("file.zarr", "empty.zarr", "link.zarr"):
        found = vr.save(vr.from_array(array + 1), tmp_path / name, overwrite=True)
        np.testing.assert_array_equal(found.compute(), array + 1)
        np.testing.assert_array_equal(vr.open(tmp_path / name).compute(), array + 1)
    assert (tmp_path / "link.zarr").is_symlink()
    np.testing.assert_array_equal(vr.open(real).compute(), array + 1)


def test_an_exchange_that_was_killed_leaves_nothing_behind(tmp_path, array, monkeypatch):
    place = tmp_path / "a[1]*.zarr"
    vr.save(vr.from_array(array), place)

    def die(path):
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(records, "_remove", die)
        with pytest.raises(SystemExit):
            vr.save(vr.from_array(array + 1), place, overwrite=True)
    np.testing.assert_array_equal(vr.open(place).compute(), array + 1)
    assert len(os.listdir(tmp_path)) == 2
    vr.save(vr.from_array(array + 2), place, overwrite=True)
    assert os.listdir(tmp_path) == [place.name]


def test_ctrl_c_keeps_the_old_store(tmp_path, array, start, wait_for, rock_truth):
    vr.save(vr.from_array(array), tmp_path / "rock.zarr")
    child = start("save", tmp_path, 0.1, overwrite=True)
    wait_for(child, 3)
    child.end(signal.SIGINT)
    np.testing.assert_array_equal(vr.open(tmp_path / "rock.zarr").compute(), array)
    np.testing.assert_array_equal(slow_rock.save(tmp_path, resume=True, overwrite=True).compute(), rock_truth)
