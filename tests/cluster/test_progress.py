"""Progress that is right: on a terminal, in a log, in a notebook, with threads and with a cluster."""

import re
import sys
import time
import types

import pytest

import voxelrock as vr
from voxelrock.graph import progress
from voxelrock.graph.progress import LogLines, NotebookBar, TerminalBar, duration

pytestmark = pytest.mark.filterwarnings("default")
LINE = re.compile(r"(.*): (\d+) % \((\d+) of (\d+) blocks\), (.* left|done in .*)$")


def lines(capsys):
    found = [LINE.match(line) for line in capsys.readouterr().err.splitlines()]
    return [(m[1], int(m[2]), int(m[3]), int(m[4]), m[5]) for m in found if m]


@pytest.fixture
def in_a_job(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")


def slow(z, y, x):
    return (z + y + x).astype("u1")


def image():
    return vr.from_function(slow, shape=64, dtype="u1", block=16)


def check(found, label, blocks):
    assert {f[0] for f in found} == {label}
    done = [f[2] for f in found]
    assert done == sorted(done)
    assert done[-1] == blocks == found[0][3]
    assert found[-1][1] == 100
    assert found[-1][4].startswith("done in")
    assert len(found) <= 20


def test_a_log_of_threads(in_a_job, capsys, tmp_path):
    vr.save(image(), tmp_path / "a.zarr", chunks=16, shards=16)
    check(lines(capsys), "saving a.zarr", 64)
    vr.compute(vr.statistics.summary(image()), label="mean")
    check(lines(capsys), "mean", 64)


def test_a_log_of_a_cluster(two, in_a_job, capsys, tmp_path):
    vr.save(image(), tmp_path / "a.zarr", chunks=16, shards=16)
    check(lines(capsys), "saving a.zarr", 64)
    for _ in range(2):  # the second time all tasks have been seen before
        vr.compute(vr.statistics.summary(image()), label="mean")
        check(lines(capsys), "mean", 64)


def test_a_cluster_counts_what_its_scheduler_has(two):
    """The counts themselves, while the blocks are computed, and after all were forgotten."""
    seen = []

    class Seen:
        def __init__(self, total, label, unit):
            self.total = total

        def show(self, done):
            seen.append(done)

        def close(self):
            seen.append("closed")

    pause = vr.from_function(_pause, shape=vr.ZYX(8, 8, 160), dtype="u1", block=8)
    with pytest.MonkeyPatch.context() as patch, vr.options.set(progress="always"):
        patch.setattr(progress, "LogLines", Seen)
        vr.compute(vr.statistics.summary(pause))
    assert seen[-2:] == [20, "closed"]
    assert any(0 < n < 20 for n in seen[:-2])
    assert seen[:-1] == sorted(seen[:-1])


def _pause(z, y, x):
    time.sleep(0.1)
    return (z + y + x).astype("u1")


def test_nothing_is_shown_where_nobody_looks(capsys, monkeypatch):
    for name in progress._JOBS:
        monkeypatch.delenv(name, raising=False)
    vr.compute(vr.statistics.summary(image()))
    with vr.options.set(progress="never"):
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        vr.compute(vr.statistics.summary(image()))
    assert capsys.readouterr().err == ""


def test_a_log_gets_a_line_for_each_twentieth(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    log = LogLines(1000, "saving", "block")
    for done in range(0, 1001, 7):
        clock[0] = done / 10
        log.show(done)
    log.show(400)  # a worker was lost
    log.show(1000)
    found = lines(capsys)
    assert len(found) == 20
    assert [f[1] for f in found] == sorted({f[1] for f in found})
    assert found[0] == ("saving", 5, 56, 1000, "2 min left")
    assert found[9][4] == "50 s left"


def test_the_time_in_words():
    assert [duration(s) for s in (0.2, 59, 60, 3540, 3600, 7500)] == ["1 s", "59 s", "1 min", "59 min", "1 h 0 min", "2 h 5 min"]


def test_a_terminal_gets_a_bar_that_can_fall(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    shown = progress._display(10, "saving", "block")
    assert isinstance(shown, TerminalBar)
    for done in (4, 7, 5, 10):
        shown.show(done)
        assert shown._bar.n == done
    shown.close()


def test_a_notebook_gets_a_bar_that_is_redrawn(monkeypatch):
    drawn = []
    shell = type("ZMQInteractiveShell", (), {})()
    handle = types.SimpleNamespace(update=drawn.append)
    pictures = types.SimpleNamespace(HTML=lambda text: text, display=lambda text, display_id: drawn.append(text) or handle)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", pictures)
    shown = progress._display(4, "saving a<b.zarr", "block")
    assert isinstance(shown, NotebookBar)
    shown.show(1)  # too soon after the first
    shown.show(4)
    shown.close()
    assert len(drawn) == 2
    assert drawn[0].endswith("saving a&lt;b.zarr: 0 % (0 of 4 blocks)")
    assert "100 % (4 of 4 blocks), done in" in drawn[1]
