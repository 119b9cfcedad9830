"""Every benchmark runs tiny: all contenders that are installed, and they agree."""

import subprocess
import warnings
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from benchmarks import cli, table
from benchmarks.model import FAMILIES, family
from benchmarks.rounds import Row, Settings, run

GUARANTEED = {"voxelrock", "SciPy", "scikit-image", "Zarr, scikit-image", "dask.array.histogram", "Dask map_overlap", "lz4 (default)"}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_runs_and_its_contenders_agree(name, tmp_path):
    if name == "classify":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers' own
        rows = run(family(name), Settings(tmp_path, here=True))
    assert table.differing(family(name), rows) == []
    for row in rows:
        assert row.seconds or row.reason
        assert row.seconds or row.contender not in GUARANTEED, row.reason
    text = table.section(family(name), rows, "today")
    assert all(row.contender in text for row in rows)


def test_a_measurement_in_its_own_process(tmp_path):
    found = family("read")
    alone = replace(found.operations[0], contenders=found.operations[0].contenders[:1])
    (ours,) = rows = run(replace(found, operations=(alone,)), Settings(tmp_path, size=160, repeat=1))
    assert ours.median > 0
    assert 0 <= ours.peaks[0] < 1000
    assert ours.difference == 0
    assert {row.reason for row in rows} == {""}


def test_a_given_mask_takes_the_place_of_the_made_one(tmp_path):
    pores = np.random.default_rng(0).random((70, 70, 70)) < 0.3
    tifffile.imwrite(tmp_path / "stone.tif", np.where(pores, 0, 255).astype("u1"))
    found = family("label")
    ours = tuple(replace(each, contenders=each.contenders[:1]) for each in found.operations)
    rows = run(replace(found, operations=ours), Settings(tmp_path, here=True, mask=tmp_path / "stone.tif"))
    assert {row.size for row in rows} == {70}
    np.testing.assert_array_equal(np.load(tmp_path / "70" / "mask.npy"), pores)
    assert len(rows) == sum(bool(each.data) for each in found.operations)
    text = table.section(found, rows, "today", "stone")
    table.merge(tmp_path / "all.md", {"label": "made\n", "label__stone": text, "read": "other\n"}, {"machine": "", "software": ""})
    table.merge(tmp_path / "all.md", {"label": "anew\n"}, {"machine": "", "software": ""})
    whole = (tmp_path / "all.md").read_text()
    assert whole.index("other") < whole.index("anew") < whole.index("store to store, stone") < whole.index("70³")


def test_contenders_alternate_and_the_median_is_taken(tmp_path, monkeypatch):
    calls = []

    def once(family, operation, contender, size, settings):
        calls.append(contender.name)
        return {"seconds": float(len(calls)), "difference": 0.0}, None  # no window: the meter is not asked

    monkeypatch.setattr("benchmarks.rounds._once", once)
    monkeypatch.setattr("benchmarks.data.provide", lambda *_: None)
    rows = run(family("read"), Settings(tmp_path, repeat=3))
    names = [c.name for c in family("read").operations[0].contenders]
    assert calls == names * 3
    assert rows[0].median == 1.0 + len(names)


def test_a_contender_that_fails_is_listed_with_its_reason(tmp_path, monkeypatch):
    def once(family, operation, contender, size, settings):
        if contender.name == "voxelrock":
            return {"seconds": 1.0, "difference": 0.0}, None
        raise subprocess.SubprocessError("no such luck")

    monkeypatch.setattr("benchmarks.rounds._once", once)
    monkeypatch.setattr("benchmarks.data.provide", lambda *_: None)
    text = table.section(family("otsu"), run(family("otsu"), Settings(tmp_path, repeat=2)), "today")
    assert "Could not run:" in text
    assert "- Zarr, scikit-image: no such luck" in text


def test_a_difference_is_shown_and_told():
    found = family("median")
    operation = found.operations[0]
    rows = [Row(operation.name, c.name, 8, seconds=[1.0], difference=0.5 * n) for n, c in enumerate(operation.contenders[:2])]
    assert "DIFFERS" in table.section(found, rows, "today")
    assert len(table.differing(found, rows)) == 1


def test_families_replace_their_own_sections(tmp_path):
    file = tmp_path / "RESULTS.md"
    facts = {"machine": "m", "software": "s"}
    table.merge(file, {"otsu": "old otsu\n", "ingest": "ingest\n"}, facts)
    table.merge(file, {"otsu": "new otsu\n"}, facts)
    text = file.read_text()
    assert "old" not in text
    assert text.index("ingest\n") < text.index("new otsu")
    assert text.count("<!-- begin otsu -->") == 1


def test_the_command_line_lists_and_refuses(capsys):
    assert cli.main(["otsu", "--list"]) == 0
    assert "scikit-image" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["no-such-family"])


def test_the_command_line_writes_a_table(tmp_path):
    file = tmp_path / "RESULTS.md"
    assert cli.main(["read", "--tiny", "--out", str(file), "--folder", str(tmp_path)]) == 0
    assert "| Zarr u2 → NumPy | voxelrock |" in file.read_text()
