"""Six samples, one broken, one done already, killed in the middle and called again."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from voxelrock.errors import FormatError
from voxelrock.workflow import Recipe, analyze_samples

NAMES = [f"S{i}" for i in range(6)]
BROKEN = "S4"


def rock(seed, shape=(40, 44, 42)):
    rng = np.random.default_rng(seed)
    return (ndi.gaussian_filter(rng.normal(size=shape), 2) > 0.02 * seed).astype("u1")


@pytest.fixture
def campaign(tmp_path):
    lines = ["sample,path,voxel_size,pore,roi"]
    for seed, name in enumerate(NAMES):
        vr.save(vr.from_array(rock(seed)), tmp_path / f"{name}.tif")
        lines.append(f"{name},{name}.tif,{seed + 2}um,0,none")
    (tmp_path / f"{BROKEN}.tif").write_bytes((tmp_path / f"{BROKEN}.tif").read_bytes()[:1000])
    (tmp_path / "samples.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def check(folder, found):
    for seed, name in enumerate(NAMES):
        row = found.sel(sample=name)
        if name == BROKEN:
            assert str(row["status"].values) == "failed"
            assert f"{BROKEN}.tif" in str(row["error"].values)
            assert np.isnan(float(row["porosity"]))
        else:
            assert str(row["status"].values) == "done"
            assert float(row["porosity"]) == (rock(seed) == 0).mean()
            assert (folder / name / "report.html").exists()
            assert float(row["bulk_volume"]) == pytest.approx(rock(seed).size * (seed + 2) ** 3 * 1e-9)
    text = (folder / "summary.csv").read_text()
    assert text.count("done") == 5
    assert text.count("failed") == 1
    page = (folder / "summary.html").read_text()
    assert all(name in page for name in NAMES)
    assert "waiting" not in page


def test_a_campaign_that_was_killed_goes_on(campaign):
    out = campaign / "campaign"
    (campaign / "one.csv").write_text("\n".join((campaign / "samples.csv").read_text().splitlines()[:2]))
    analyze_samples(campaign / "one.csv", out=out)
    command = [sys.executable, "-m", "voxelrock", "analyze", "--samples", str(campaign / "samples.csv"), "--out", str(out)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"MPLBACKEND": "Agg"})
    start = time.monotonic()
    while not (out / NAMES[2] / "recipe.toml").exists() and time.monotonic() - start < 240 and run.poll() is None:
        time.sleep(0.02)
    assert run.poll() is None, "the campaign ended before it could be killed"
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (out / NAMES[-1]).exists()
    assert "waiting" in (out / "summary.csv").read_text()
    before = {p: p.stat().st_mtime_ns for p in (out / NAMES[0]).rglob("*") if p.is_file()}
    check(out, analyze_samples(campaign / "samples.csv", out=out))
    assert before == {p: p.stat().st_mtime_ns for p in (out / NAMES[0]).rglob("*") if p.is_file()}
    # A mended sample is done, and nothing else.
    vr.save(vr.from_array(rock(4)), campaign / f"{BROKEN}.tif", overwrite=True)
    mended = analyze_samples(campaign / "samples.csv", out=out)
    assert set(mended["status"].values) == {"done"}


def test_rows_change_the_common_recipe(campaign):
    rng = np.random.default_rng(0)
    grey = (rng.random((20, 20, 20)) * 200).astype("u1")
    vr.save(vr.from_array(grey), campaign / "grey.tif")
    (campaign / "two.csv").write_text("sample,path,threshold,roi\nlow,grey.tif,50,\nhigh,grey.tif,150,box:z=0..9\n")
    found = analyze_samples(campaign / "two.csv", out=campaign / "two", recipe=Recipe.of(denoise="none", roi="none"))
    assert found["porosity"].values.tolist() == [(grey <= 50).mean(), (grey[:10] <= 150).mean()]


def test_one_file_under_two_names_or_names_in_two_cases(campaign):
    (campaign / "twice.csv").write_text("sample,path\nA,S1.tif\nA,S2.tif\n")
    with pytest.raises(FormatError, match="two samples of the name 'A'"):
        analyze_samples(campaign / "twice.csv", out=campaign / "out")


def test_volumes_of_one_table_have_one_unit(campaign):
    (campaign / "units.csv").write_text('sample,path,voxel_size,pore\nA,S1.tif,,0\nB,S2.tif,8um,0\nC,S3.tif,0.008mm,0\nD,S5.tif,"8um,0.004mm,2um",0\n')
    found = analyze_samples(campaign / "units.csv", out=campaign / "units")
    size = rock(1).size
    assert found["bulk_volume"].attrs["units"] == "mm³"
    assert np.isnan(found["bulk_volume"].values[0])  # of unknown scale
    assert found["bulk_volume"].values[1:] == pytest.approx([size * 512e-9, size * 512e-9, size * 64e-9])
    assert found["bulk_voxels"].values.tolist() == [size] * 4


def test_labels_of_a_row_leave_the_other_phases(campaign):
    labels = rock(1)
    labels[:4], labels[4:8] = 2, 3
    vr.save(vr.from_array(labels), campaign / "four.npy")
    (campaign / "micro.csv").write_text("sample,path,pore,outside\nA,four.npy,0,3\nB,four.npy,2,\n")
    phases = {1: vr.Phase("clay", "micro", porosity=0.25), 3: vr.Phase("more clay", "micro", porosity=0.5), 0: vr.Phase("pore", "pore")}
    found = analyze_samples(campaign / "micro.csv", out=campaign / "micro", recipe=Recipe.of(roi="none", phases=phases))
    assert found["status"].values.tolist() == ["failed", "done"]
    assert "label 3 has two roles: micro in the common recipe and outside" in str(found["error"].values[0])
    truth = ((labels == 2).sum() + 0.25 * (labels == 1).sum() + 0.5 * (labels == 3).sum()) / labels.size
    assert float(found["total_porosity"][1]) == pytest.approx(truth, abs=1e-14)


def test_names_with_a_hash_are_read_back(campaign):
    (campaign / "hash.csv").write_text("sample,path,pore\nA#1,S1.tif,0\nB,lost#2.tif,0\n")
    analyze_samples(campaign / "hash.csv", out=campaign / "hash")
    table = pd.read_csv(campaign / "hash" / "summary.csv", comment="#")
    assert table["sample"].tolist() == ["A#1", "B"]
    assert "lost#2.tif does not exist" in table["error"][1]
    assert table["porosity"][0] == (rock(1) == 0).mean()
