import re
import subprocess
import sys

import numpy as np
import pytest
import tifffile

import voxelrock as vr


def row(name, value):
    return f"{name:<25} {value:.6g}"


@pytest.fixture
def scan(tmp_path):
    rng = np.random.default_rng(0)
    array = np.where(rng.random((20, 24, 22)) > 0.3, 200, 60).astype("u1")
    tifffile.imwrite(tmp_path / "scan.tif", array, imagej=True)
    return tmp_path / "scan.tif"


def test_analyze_a_scan(run, scan, tmp_path):
    out = run("analyze", scan, "--voxel-size", "8um", "--denoise", "none", "--out", tmp_path / "out")
    porosity = (tifffile.imread(scan) == 60).mean()
    assert f"{porosity:.6g}" in out
    assert "report.html" in out
    for name in ("report.html", "results.json", "recipe.toml", "segmented.zarr"):
        assert (tmp_path / "out" / name).exists()
    again = run("analyze", scan, "--out", tmp_path / "out", ok=False)
    assert "holds another analysis: with the spacing" in again.strip().splitlines()[-1]
    assert "nothing is missing" in run("analyze", scan, "--voxel-size", "8um", "--denoise", "none", "--out", tmp_path / "out")
    run("analyze", scan, "--pore", "60", "--out", tmp_path / "out", "--overwrite")


def test_look_converts_nothing(run, scan, tmp_path):
    out = run("look", scan)
    assert "it looks like    a segmented image of 2 labels" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scan-look.png", "scan.tif"]
    assert "exists; pass --overwrite" in run("look", scan, ok=False)
    run("look", scan, "--out", tmp_path / "pictures/a.svg")
    np.arange(24, dtype="u2").tofile(tmp_path / "plain.raw")
    assert "Shapes that fit" in run("look", tmp_path / "plain.raw")


def test_a_dry_run_writes_nothing(run, scan, tmp_path):
    out = run("analyze", scan, "--dry-run", "--method", "minimum-error")
    for part in ("threshold by minimum error", "peak memory", "output, at most", "scratch"):
        assert part in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scan.tif"]


def test_phases_from_the_command_line(run, tmp_path):
    array = np.random.default_rng(0).choice(np.array([0, 1, 2, 3], "u1"), size=(20, 22, 24), p=[0.3, 0.2, 0.2, 0.3])
    tifffile.imwrite(tmp_path / "seg.tif", array, photometric="minisblack")
    out = run("analyze", tmp_path / "seg.tif", "--pore", "1,3", "--outside", "0", "--micro", "2:0.35", "--voxel-size", "2um", "--out", tmp_path / "a")
    bulk, pore, micro = (array != 0).sum(), np.isin(array, [1, 3]).sum(), (array == 2).sum()
    assert row("porosity", pore / bulk) in out
    assert row("total porosity", (pore + 0.35 * micro) / bulk) in out
    (tmp_path / "phases.csv").write_text("label,name,role,porosity\n0,air,outside,\n1,oil,fluid,\n3,brine,fluid,\n2,clay,micro,0.35\n")
    again = run("analyze", tmp_path / "seg.tif", "--phases", tmp_path / "phases.csv", "--voxel-size", "2um", "--out", tmp_path / "b")
    assert row("total porosity", (pore + 0.35 * micro) / bulk) in again
    assert "brine" in (tmp_path / "b/report.html").read_text()
    other = run("analyze", tmp_path / "seg.tif", "--recipe", tmp_path / "a/recipe.toml", "--voxel-size", "2um", "--out", tmp_path / "c")
    assert row("porosity", pore / bulk) in other


def test_samples_from_the_command_line(run, scan, tmp_path):
    (tmp_path / "samples.csv").write_text("sample,path,pore\nA,scan.tif,60\nB,missing.tif,60\n")
    out = run("analyze", "--samples", tmp_path / "samples.csv", "--voxel-size", "3um", ok=False)
    assert "voxelrock: 1 of 2 samples failed: B" in out
    assert f"A                porosity {(tifffile.imread(scan) == 60).mean():.6g}" in out
    for name in ("summary.csv", "summary.html", "A/report.html"):
        assert (tmp_path / "samples-analysis" / name).exists()
    (tmp_path / "one.csv").write_text("sample,path,pore\nA,scan.tif,60\n")
    assert "peak memory" in run("analyze", "--samples", tmp_path / "one.csv", "--dry-run")


def test_a_region_for_all_samples(run, scan, tmp_path):
    (tmp_path / "samples.csv").write_text("sample,path,pore\nA,scan.tif,60\n")
    part = (tifffile.imread(scan)[:5] == 60).mean()
    out = run("analyze", "--samples", tmp_path / "samples.csv", "--roi", "box:z=0..4")
    assert f"A                porosity {part:.6g}\n" in out


def test_a_folder_given_as_a_dot(run, scan, tmp_path, monkeypatch):
    (tmp_path / "slices").mkdir()
    for n, plane in enumerate(tifffile.imread(scan)):
        tifffile.imwrite(tmp_path / "slices" / f"{n:02}.tif", plane)
    monkeypatch.chdir(tmp_path / "slices")
    run("look", ".")
    run("analyze", ".", "--denoise", "none")
    assert (tmp_path / "slices-look.png").exists()
    assert (tmp_path / "slices-analysis" / "report.html").exists()


def test_nodata_from_the_command_line(run, scan, tmp_path):
    out = run("analyze", scan, "--nodata", "60", "--threshold", "100", "--denoise", "none", "--out", tmp_path / "out")
    assert row("porosity", 0) + "\n" in out


def test_the_default_folder_lies_beside_the_scan(run, scan, tmp_path):
    run("analyze", scan, "--pore", "60")
    assert (tmp_path / "scan-analysis/report.html").exists()


def test_analyze_a_headerless_file(run, tmp_path):
    array = np.zeros((6, 5, 4), "<u2")
    array[:3] = 9
    array.tofile(tmp_path / "rock.raw")
    out = run("analyze", tmp_path / "rock.raw", "--shape-xyz", "4x5x6", "--dtype", "<u2", "--pore", "9", "--out", tmp_path / "out")
    assert row("porosity", 0.5) in out
    assert "Shapes that fit" in run("info", tmp_path / "rock.raw")
    assert "6 × 5 × 4" in run("info", tmp_path / "rock.raw", "--shape-zyx", "6x5x4", "--dtype", "u2")


def test_convert_and_info(run, scan, tmp_path):
    out = run("convert", scan, tmp_path / "scan.zarr", "--voxel-size", "2um")
    assert "Mvoxel/s" in out
    text = run("info", tmp_path / "scan.zarr")
    for part in ("20 × 24 × 22", "2 um", "voxelrock", "every chunk is checked"):
        assert part in text
    run("convert", tmp_path / "scan.zarr", tmp_path / "scan.mhd")
    assert "has no place for the voxel size" in " ".join(run("convert", tmp_path / "scan.zarr", tmp_path / "scan.npy").split())
    np.testing.assert_array_equal(vr.open(tmp_path / "scan.mhd").compute(), tifffile.imread(scan))
    assert "(--overwrite)" in run("convert", scan, tmp_path / "scan.mhd", ok=False)
    assert "(--overwrite)" in run("convert", scan, tmp_path / "scan.zarr", ok=False)
    run("convert", scan, tmp_path / "rv.zarr", "--layout", "rockverse")
    assert "RockVerse" in run("info", tmp_path / "rv.zarr")


def test_report_on_any_image(run, scan, tmp_path):
    run("report", scan, "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Histogram" in page
    assert "exists" in run("report", scan, "--out", tmp_path / "page.html", ok=False)


def test_the_demonstration(run, tmp_path):
    out = run("demo", "--size", "64", "--out", tmp_path / "demo")
    measured = float(out.split("porosity")[1].split()[0])
    truth = float(out.split("true porosity")[1].split()[0])
    assert abs(measured - truth) < 0.03
    assert (tmp_path / "demo/analysis/report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "nothing.tif"], "voxelrock: nothing.tif does not exist; check the path"),
        (["analyze", "SCAN", "--voxel-size", "8 parsec"], "voxelrock: unknown unit 'parsec'"),
        (["analyze", "SCAN", "--voxel-size", "8"], "voxelrock: the voxel size '8' has no unit; write 8um for micrometres"),
        (["analyze", "SCAN", "--voxel-size", "-8um"], "voxelrock: the spacing must be positive"),
        (["analyze", "SCAN", "--pore", "a"], "voxelrock: --pore takes labels such as 0 or 1,3"),
        (["analyze", "SCAN", "--shape-xyz", "4x4"], "voxelrock: a shape is three whole numbers"),
        (["analyze", "SCAN", "--roi", "sphere"], "voxelrock: cannot read 'sphere' as a region"),
        (["analyze"], "voxelrock: give one PATH, or --samples"),
        (["analyze", "SCAN", "--samples", "x.csv"], "voxelrock: give one PATH, or --samples"),
        (["analyze", "SCAN", "--recipe", "r.toml", "--pore", "0"], "voxelrock: --recipe says all steps: leave out --pore"),
        (["analyze", "SCAN", "--recipe", "r.toml"], "voxelrock: there is no recipe r.toml"),
        (["analyze", "SCAN", "--pore", "60", "--threshold", "3"], "voxelrock: --threshold is for grey scans, and --pore says"),
        (["analyze", "SCAN", "--segment", "otsu", "--threshold", "3"], "voxelrock: give --segment or --threshold, not both"),
        (["analyze", "SCAN", "--pore", "60", "--outside", "60"], "voxelrock: label 60 has two roles: pore and outside"),
        (["analyze", "SCAN", "--micro", "60:1.5"], "voxelrock: the porosity of a microporous label is a fraction"),
        (["analyze", "SCAN", "--pore", "7"], "voxelrock: the image has no voxel with the label 7; it has 60, 200"),
        (["analyze", "SCAN", "--roi", "box:z=100..200"], "voxelrock: the region Box"),
        (["analyze", "--samples", "none.csv"], "voxelrock: none.csv does not exist"),
    ],
)
def test_errors_are_one_clear_line(run, scan, arguments, message):
    out = run(*[str(scan) if a == "SCAN" else a for a in arguments], ok=False)
    lines = [line for line in out.strip().splitlines() if line.startswith("voxelrock:")]
    assert len(lines) == 1
    assert lines[0].startswith(message)
    assert "Traceback" not in out


def test_an_unknown_voxel_size_is_a_warning(run, scan, tmp_path):
    said = ("analyze", scan, "--denoise", "none", "--no-sizes", "--statistics", "none", "--out")
    warning = "the size of a voxel is not known: lengths are in voxels, and there are no pressures; give it with --voxel-size"
    assert warning in run(*said, tmp_path / "without")
    assert warning not in run(*said, tmp_path / "with", "--voxel-size", "2um")


def test_a_headerless_file_asks_for_what_is_missing_alone(run, tmp_path):
    np.zeros((4, 5, 6), "u1").tofile(tmp_path / "scan.raw")
    out = run("analyze", tmp_path / "scan.raw", "--shape-xyz", "6x5x4", ok=False)
    assert "give dtype=, such as dtype='<u2' (--dtype '<u2')" in out
    assert "--shape-xyz 1000x1000x1250" in run("analyze", tmp_path / "scan.raw", ok=False)


def test_debug_shows_the_traceback(tmp_path):
    result = subprocess.run([sys.executable, "-m", "voxelrock", "--debug", "info", "nothing.tif"], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1
    assert "Traceback" in result.stderr


@pytest.mark.parametrize("words", [("--workers", "1", "convert"), ("convert", "--workers", "1")], ids=["before", "after"])
def test_workers_may_stand_on_either_side_of_a_command(run, scan, tmp_path, words):
    before = vr.options.get()
    with vr.options.set(workers=0):
        run(*words, scan, tmp_path / "a.zarr")
        assert vr.options.get().workers == 1
    assert vr.options.get() == before


def test_a_mistyped_command_names_the_nearest(run):
    assert "there is no command 'anlyze'; is it 'analyze'?" in run("anlyze", ok=False)
    assert "No such command 'frobnicate'" in run("frobnicate", ok=False)


def test_help_is_quick_and_complete(run):
    out = run("--help")
    for command in ("analyze", "convert", "demo", "info", "look", "report", "submit"):
        assert command in out
        assert "--help" in run(command, "--help")


def test_statistics_from_the_command_line(run, tmp_path):
    array = (np.random.default_rng(0).random((20, 22, 24)) < 0.3).astype("u1")
    tifffile.imwrite(tmp_path / "seg.tif", array, photometric="minisblack")
    said = ("analyze", tmp_path / "seg.tif", "--pore", "1", "--voxel-size", "2um", "--no-sizes")
    out = run(*said, "--out", tmp_path / "all")
    pores = vr.from_array(array == 1, spacing="2 um")
    assert row("specific surface", float(vr.structure.specific_surface(pores, per="bulk"))) in out
    assert {"statistics.nc", "results.json"} <= {p.name for p in (tmp_path / "all").iterdir()}
    out = run(*said, "--out", tmp_path / "some", "--statistics", "chords, windows")
    assert "mean chord pore z" in out
    assert "specific surface" not in out
    assert 'of = ["chords", "windows"]' in (tmp_path / "some" / "recipe.toml").read_text()
    assert "mean chord" not in run(*said, "--out", tmp_path / "none", "--statistics", "none")
    assert "some of surface, correlation, chords, windows; got 'chord'" in run(*said, "--out", tmp_path / "no", "--statistics", "chord", ok=False)
    assert "spatial statistics: chords" in run(*said, "--statistics", "chords", "--dry-run")


def test_every_sample_is_planned_whatever_the_others_lack(run, scan, tmp_path):
    (tmp_path / "samples.csv").write_text(f"sample,path\nA,{scan}\nB,nothing.tif\nC,{scan}\n")
    out = run("analyze", "--samples", tmp_path / "samples.csv", "--dry-run", ok=False)
    assert out.count("peak memory") == 2
    assert "FAILED" in out.split("B:")[1].split("C:")[0]
    assert "B would fail; mend it first" in out


def test_the_list_of_kernels(run):
    text = run("kernels")
    assert re.search(r"kernels.ranks +median +device: a body of its own, bitwise", text)
    assert re.search(r"kernels.pieces +piece +host: labels join through a forest", text)
    assert re.search(r"\d+ kernels, \d+ of them on the host alone; (a|no) CUDA device answers here", text)
    assert "device:" not in run("kernels", "--host")


def test_corrections_are_planned(run, scan):
    out = run("analyze", scan, "--correct", "rings,hardening", "--denoise", "median", "--dry-run")
    assert "correct: hardening, rings; store the corrected scan" in out
    assert "Gaussian of 1 voxel removes" in run("analyze", scan, "--dry-run")
    assert "cannot read 'sphere' as a region" in run("analyze", scan, "--roi", "sphere", "--dry-run", ok=False)
    assert "axis is one of" in run("analyze", scan, "--roi", "auto:axis=q", "--dry-run", ok=False)
    assert "corrections are some of slices, outliers" in run("analyze", scan, "--correct", "noise", "--dry-run", ok=False)
