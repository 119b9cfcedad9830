"""A save that is killed goes on where it stopped, for one heir, and only with the same image."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import slow_rock

import voxelrock as vr
from voxelrock.cli.main import main
from voxelrock.errors import UnfinishedError
from voxelrock.storage.records import Record


def record_of(folder):
    return Record(folder / ".rock.zarr.partial")


@pytest.mark.parametrize("layout", ["voxelrock", "zarr2", "rockverse"])
def test_a_killed_save_goes_on(tmp_path, killed, rock_truth, layout):
    options = {"layout": layout} | ({} if layout == "voxelrock" else {"shards": None})
    before = killed(**options)
    with pytest.raises(UnfinishedError, match=rf"rock.zarr was never completed; save it again with resume=True \({before} blocks are in .*partial\)"):
        vr.open(tmp_path / "rock.zarr")
    with pytest.raises(UnfinishedError, match=rf"was left unfinished \({before} of .* blocks\): pass resume=True to go on, or overwrite=True to start anew"):
        slow_rock.save(tmp_path, **options)
    assert not (tmp_path / "rock.zarr").exists()
    started = slow_rock.computed(tmp_path)
    done = len(record_of(tmp_path).done())
    found = slow_rock.save(tmp_path, resume=True, **options)
    np.testing.assert_array_equal(found.compute(), rock_truth)
    assert done == before
    assert slow_rock.computed(tmp_path) - started == slow_rock.UNITS - done
    assert os.listdir(tmp_path / "rock.zarr").count(".voxelrock") == 0
    assert not record_of(tmp_path).partial.exists()


def test_torn_files_and_marks_are_written_again(tmp_path, killed, rock_truth):
    killed()
    record = record_of(tmp_path)
    marks = sorted((record.folder / "done").iterdir())
    files = {mark.name: record.partial / "c" / mark.name.replace(".", "/") for mark in marks}
    unmarked = files[marks[0].name]  # bytes without a mark, torn
    unmarked.write_bytes(unmarked.read_bytes()[:20])
    marks[0].unlink()
    short = files[marks[1].name]  # a mark, and a file that the disk lost half of
    short.write_bytes(short.read_bytes()[:20])
    files[marks[2].name].unlink()  # a mark without a file
    marks[3].write_text("")  # a mark that was torn itself
    assert len(record.done()) == len(marks) - 4
    found = slow_rock.save(tmp_path, resume=True)
    np.testing.assert_array_equal(found.compute(), rock_truth)


def test_killed_before_anything_was_begun(tmp_path, rock_truth):
    record = record_of(tmp_path)
    record.folder.mkdir(parents=True)
    (record.partial / "zarr.json").write_text('{"zarr_for')
    np.testing.assert_array_equal(slow_rock.save(tmp_path).compute(), rock_truth)


def test_killed_after_the_last_block(tmp_path, rock_truth, monkeypatch):
    def die(*args, **keywords):
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr("voxelrock.storage.saving.publish", die)
        with pytest.raises(SystemExit):
            slow_rock.save(tmp_path)
    count = slow_rock.computed(tmp_path)
    np.testing.assert_array_equal(slow_rock.save(tmp_path, resume=True).compute(), rock_truth)
    assert slow_rock.computed(tmp_path) == count


@pytest.fixture
def begun(tmp_path):
    """A partial store of one block, left by nobody in particular."""

    def stop(index, *args):
        raise RuntimeError("power cut")

    def begin(image, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("voxelrock.storage.saving.ZarrTarget.write", stop)
            with pytest.raises(RuntimeError, match="power cut"):
                vr.save(image, tmp_path / "rock.zarr", **options)

    return begin


CHANGED = {
    "image": (lambda im: vr.from_function(slow_rock.truth, shape=im.shape, dtype="i4"), {}, "another image, so"),
    "type": (lambda im: im.astype("i8"), {}, r"another image, type \(<i4 then, <i8 now\)"),
    "grid": (lambda im: im.assign_grid(spacing="2 um"), {}, r"another grid \(.*128.* then, .*2 um.* now\)"),
    "chunks": (lambda im: im, {"chunks": 16}, r"another chunks \(\[32, 32, 32\] then, \[16, 16, 16\] now\)"),
    "shards": (lambda im: im, {"shards": 128}, r"another shards \(\[64, 64, 64\] then, \[128, 128, 128\] now\)"),
    "codec": (lambda im: im, {"codec": "best"}, r"another codec \(lz4 then, best now\)"),
    "layout": (lambda im: im, {"layout": "rockverse", "shards": None}, r"layout \(voxelrock then, rockverse now\)"),
}


@pytest.mark.parametrize(("change", "options", "message"), CHANGED.values(), ids=CHANGED)
def test_resuming_something_else_is_refused(tmp_path, begun, change, options, message):
    image = slow_rock.slow_image(tmp_path)
    begun(image, chunks=32, shards=64)
    with pytest.raises(UnfinishedError, match=message):
        vr.save(change(image), tmp_path / "rock.zarr", resume=True, **({"chunks": 32, "shards": 64} | options))
    found = vr.save(image, tmp_path / "rock.zarr", resume=True, chunks=32, shards=64)
    assert found.compute().any()


def test_a_resumed_store_has_the_metadata_of_the_last_save(tmp_path, begun):
    image = slow_rock.slow_image(tmp_path)
    for layout in ("voxelrock", "zarr2"):
        begun(image, layout=layout, chunks=32)
        found = vr.save(image.assign(nodata=-1), tmp_path / "rock.zarr", resume=True, layout=layout, chunks=32)
        assert found.nodata == -1
        shutil.rmtree(tmp_path / "rock.zarr")


def test_a_living_owner_refuses_a_second_writer(tmp_path, start, wait_for):
    child = start("save", tmp_path, 0.1)
    wait_for(child, 3)
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(UnfinishedError, match=rf"is being written by process {child.pid} on {socket.gethostname()}; wait for it, or stop it first"):
            slow_rock.save(tmp_path, **options)
    with pytest.raises(UnfinishedError, match=f"is being written by process {child.pid}"):
        vr.open(tmp_path / "rock.zarr")
    code, errors = child.end()
    assert code == 0, errors
    assert vr.open(tmp_path / "rock.zarr").shape == slow_rock.SHAPE


def test_of_two_that_resume_one_wins(tmp_path, killed, start, rock_truth):
    killed()
    ends = [child.end() for child in [start("save", tmp_path, 0.05, resume=True) for _ in range(3)]]
    assert [code for code, _ in ends].count(0) == 1
    for code, errors in ends:
        assert code == 0 or "UnfinishedError" in errors or "ExistsError" in errors
    np.testing.assert_array_equal(vr.open(tmp_path / "rock.zarr").compute(), rock_truth)


def test_of_many_that_claim_one_owns(tmp_path):
    """The claims themselves, raced many times over a dead owner."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    for turn in range(20):
        records = [Record(tmp_path / f".{turn}.partial") for _ in range(6)]
        records[0].folder.mkdir(parents=True)
        dead = {"token": "dead", "host": socket.gethostname(), "pid": int(gone.stdout), "born": "0", "job": ""}
        (records[0].folder / "owner.json").write_text(json.dumps(dead))
        together, hold, winners, losers = threading.Barrier(6), threading.Barrier(7), [], []

        def claim(record, together=together, hold=hold, winners=winners, losers=losers):
            together.wait()
            try:
                with record.owned():
                    winners.append(record)
                    hold.wait()
            except UnfinishedError:
                losers.append(record)
                hold.wait()

        threads = [threading.Thread(target=claim, args=(record,)) for record in records]
        for thread in threads:
            thread.start()
        hold.wait()
        for thread in threads:
            thread.join()
        assert (len(winners), len(losers)) == (1, 5)


def test_an_owner_on_another_host_lives_as_long_as_its_heart_beats(tmp_path, begun):
    image = slow_rock.slow_image(tmp_path)
    begun(image, chunks=32)
    claim = record_of(tmp_path).folder / "owner.json"
    claim.write_text(json.dumps({"token": "far", "host": "node17", "pid": 4, "born": "1", "job": "8812"}))
    with pytest.raises(UnfinishedError, match="is being written by process 4 on node17, job 8812; wait for it, or stop it first"):
        vr.save(image, tmp_path / "rock.zarr", chunks=32, resume=True)
    os.utime(claim, (time.time() - 500, time.time() - 500))
    assert vr.save(image, tmp_path / "rock.zarr", chunks=32, resume=True).compute().any()


def test_a_run_that_was_replaced_cannot_write_late(tmp_path):
    """A task of a run that was interrupted, still under way when another run has taken over."""
    early, late = record_of(tmp_path), record_of(tmp_path)
    with early.owned():
        early.begin({"image": "a"})
        early.place("c/0/0/0", [b"early"])
    with late.owned():
        with pytest.raises(UnfinishedError, match=r"rock.zarr.partial was taken over by another run, or removed; this run ends here"):
            early.place("c/0/0/0", [b"too late"])
        assert (late.partial / "c/0/0/0").read_bytes() == b"early"


def test_ctrl_c_leaves_it_resumable_and_says_so(tmp_path, start, wait_for, rock_truth):
    child = start("save", tmp_path, 0.1)
    wait_for(child, 4)
    code, errors = child.end(signal.SIGINT)
    assert code == 1
    assert "KeyboardInterrupt" in errors
    assert f"of {slow_rock.UNITS} blocks are safe in {tmp_path / '.rock.zarr.partial'}; save again with resume=True (--resume) to go on" in errors
    done, started = len(record_of(tmp_path).done()), slow_rock.computed(tmp_path)
    np.testing.assert_array_equal(slow_rock.save(tmp_path, resume=True).compute(), rock_truth)
    assert slow_rock.computed(tmp_path) - started == slow_rock.UNITS - done


def test_ctrl_c_on_the_command_line(tmp_path, start, wait_for):
    array = np.random.default_rng(3).integers(0, 9, (100, 90, 110)).astype("u2")
    np.save(tmp_path / "rock.npy", array)
    words = ["convert", str(tmp_path / "rock.npy"), str(tmp_path / "rock.zarr")]
    child = start("slow_command", tmp_path, 0.1, *words)
    wait_for(child, 2)
    code, errors = child.end(signal.SIGINT)
    assert code == 130, errors
    assert "Traceback" not in errors
    assert re.search(r"\d+ of \d+ blocks are safe in .*; save again with resume=True \(--resume\) to go on", errors)
    assert "voxelrock: interrupted" in errors
    main([*words, "--resume"], standalone_mode=False)
    np.testing.assert_array_equal(vr.open(tmp_path / "rock.zarr").compute(), array)
