"""An analysis as a batch job: written, submitted once, followed, and submitted again after it was stopped."""

import json
import re
import shutil
import sys
import time
from pathlib import Path

import daemons
import dask
import numpy as np
import pytest
import tifffile

import voxelrock as vr


@pytest.fixture
def scan(tmp_path):
    rng = np.random.default_rng(0)
    array = np.where(rng.random((96, 80, 64)) > 0.3, 200, 60).astype("u1")
    tifffile.imwrite(tmp_path / "scan.tif", array, imagej=True, metadata={"axes": "ZYX"})
    return tmp_path / "scan.tif"


@pytest.fixture
def python(tmp_path):
    """An interpreter whose stores take their time."""

    def make(seconds):
        place = tmp_path / "python"
        place.write_text(f'#!/bin/sh\nSLOWLY={seconds} VOXELROCK_MEMORY=1048576 exec {sys.executable} {Path(__file__).parent}/slowed.py "$@"\n')
        place.chmod(0o755)
        return str(place)

    return make


def test_the_script_is_printed(run, scan, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    site = {"jobqueue.slurm.account": "rocks", "jobqueue.slurm.job-extra-directives": ["--constraint=ib"], "jobqueue.slurm.memory": None}
    with dask.config.set(site):
        said = run("submit", "analyze", scan, "--pore", "60", "--voxel-size", "8 um", "--partition", "long", "--time", "2:00:00", "--cores", "4", "--dry-run")
    lines = said.splitlines()
    for line in ("partition=long", "account=rocks", "time=2:00:00", "cpus-per-task=4", f"output={tmp_path}/scan-analysis/job/%j.log", "requeue"):
        assert f"#SBATCH --{line}" in lines
    assert "#SBATCH --constraint=ib" in lines
    (memory,) = (int(line.split("=")[1][:-1]) for line in lines if "--mem=" in line)
    assert 400 < memory < 4000
    (command,) = (line for line in lines if "-m voxelrock" in line)
    assert command.endswith(f"-m voxelrock --workers 4 analyze --out {tmp_path}/scan-analysis --pore 60 --voxel-size '8 um' {scan}")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scan.tif"]


def test_a_slurm_that_does_not_answer(run, scan, tmp_path, monkeypatch):
    """A machine with SLURM's commands and no configuration, as an image of a container has it."""
    if shutil.which("sinfo") is None:
        pytest.skip(daemons.reason() or "SLURM's commands are not on the path: apt-get install slurm-wlm")
    if Path("/etc/slurm/slurm.conf").exists():
        pytest.skip("this machine has a SLURM of its own, which answers: the test needs one that is installed, and not configured")
    monkeypatch.delenv("SLURM_CONF", raising=False)
    assert "#SBATCH --time=2:00:00" in run("submit", "analyze", scan, "--pore", "60", "--time", "2:00:00", "--dry-run")
    said = run("submit", "analyze", scan, "--pore", "60", ok=False)
    assert "no controller answers: log in to a node of the cluster, or mend slurm.conf" in " ".join(said.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--partition", "x"], "there is no SLURM here: squeue is not on the path"),
        (["--memory", "100 MB"], "with 1 cores the command holds .* at its peak, and the job has 95.* MiB; ask for more memory, or for fewer cores"),
        (["--time", "soon", "--dry-run"], "a walltime is minutes, HH:MM:SS or D-HH:MM:SS"),
        (["--memory", "much", "--dry-run"], "memory is a number of bytes"),
        (["--overwrite"], "a job that is submitted again goes on, and with --overwrite it would begin anew"),
        (["--samples", "a.csv"], "give one PATH, or --samples"),
    ],
)
def test_what_cannot_be_submitted(run, scan, tmp_path, monkeypatch, words, message):
    if "--memory" not in words or "--dry-run" in words:
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        words = [*words, "--dry-run"]
    out = run("submit", "analyze", scan, "--pore", "60", *words, ok=False)
    assert len(out.strip().splitlines()) == 1
    assert re.match(f"voxelrock: {message}", out), out


def test_partitions_that_slurm_has_not(slurm, run, scan):
    out = run("submit", "analyze", scan, "--pore", "60", "--partition", "long", "--memory", "2 GB", ok=False)
    assert out.strip().splitlines()[-1] == "voxelrock: there is no partition 'long'; SLURM has cpu, gpu"
    out = run("submit", "analyze", scan, "--pore", "60", "--memory", "900 GB", "--dry-run", ok=False)
    assert "voxelrock: SLURM refuses such jobs: sbatch says: " in out


def test_a_job_that_dies_at_once(slurm, run, scan, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho 'no such module: numpy' >&2\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    with dask.config.set({"jobqueue.slurm.python": str(tmp_path / "python")}):
        out = run("submit", "analyze", scan, "--pore", "60", "--memory", "2 GB", ok=False)
    assert "failed with exit code 3; its log ends with:" in out
    assert out.strip().splitlines()[-1] == "  no such module: numpy"


def stopped(slurm, run, scan, until, python, *, time_limit="10", stop=True):
    """Submit an analysis that takes long; stop it in the middle of storing, or leave that to its walltime."""
    words = ["submit", "analyze", scan, "--pore", "60", "--memory", "2 GB", "--time", time_limit]
    folder = scan.with_name("scan-analysis")
    done = folder / ".segmented.zarr.partial/.voxelrock/done"
    with dask.config.set({"jobqueue.slurm.python": python(1.0 if stop else 12.0), "voxelrock.slurm.watch": "1 s"}):
        said = run(*words)
        number = json.loads((folder / "job/job.json").read_text())["job"]
        assert f"job {number} was submitted; its log is {folder}/job/{number}.log" in said
        until(lambda: done.exists() and len(list(done.iterdir())) >= 2, 90)
        again = run(*words)
        assert f"job {number} is running already" in again
        other = run("submit", "analyze", scan, "--pore", "200", "--memory", "2 GB", ok=False)
        assert f"job {number} is at work in {folder} with other options" in other
        if stop:
            slurm.ask("scancel", "--full", number)
        until(lambda: number not in slurm.jobs(), 120)
        left = len(list(done.iterdir()))
    return words, folder, number, left


def goes_on(run, scan, words, folder, number, left, python):
    with dask.config.set({"jobqueue.slurm.python": python(0.0)}):
        said = run(*words, "--follow")
        assert "saving segmented.zarr: 100 %" in said
        assert f"of {18 - left} block" in said
        assert json.loads((folder / "job/job.json").read_text())["job"] != number
        assert "nothing is missing" in run(*words, "--follow")
    assert (folder / "report.html").exists()
    found = json.loads((folder / "results.json").read_text())
    assert "porosity" in json.dumps(found)
    labels = vr.open(folder / "segmented.zarr")
    array = tifffile.imread(scan)
    assert int((labels.compute() == 60).sum()) == int((array == 60).sum())


def test_a_job_that_is_stopped_goes_on_when_it_is_submitted_again(slurm, run, scan, until, python):
    goes_on(run, scan, *stopped(slurm, run, scan, until, python), python)


@pytest.mark.slow
def test_a_walltime_that_ends_in_the_middle_of_a_save(slurm, run, scan, until, python):
    begun = time.monotonic()
    words, folder, number, left = stopped(slurm, run, scan, until, python, time_limit="1", stop=False)
    assert time.monotonic() - begun > 55
    assert 2 <= left < 18
    goes_on(run, scan, words, folder, number, left, python)
