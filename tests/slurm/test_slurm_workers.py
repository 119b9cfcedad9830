"""Workers as jobs of a real SLURM."""

import time

import dask
import numpy as np
import pytest

import voxelrock as vr
from voxelrock.cluster.clients import workers_of as workers
from voxelrock.errors import ClusterError, ParameterError

pytestmark = pytest.mark.filterwarnings("default")
SHAPE = vr.ZYX(32, 32, 320)


def slowly(z, y, x):
    time.sleep(0.15)
    return (z + y + x).astype("u2")


def image():
    return vr.from_function(slowly, shape=SHAPE, dtype="u2", block=(32, 32, 8))


def truth():
    z, y, x = np.ogrid[tuple(slice(n) for n in SHAPE)]
    return (z + y + x).astype("u2")


def test_a_worker_that_is_cancelled_while_it_computes(slurm, until, tmp_path, capsys):
    with vr.cluster.slurm(image(), jobs=2) as client:
        said = capsys.readouterr().err
        assert "ssh -N -L 8787:127.0.0.1:" in said
        (run,) = (tmp_path / "runs").glob("run-*")
        assert f'join: vr.cluster.connect("{client.scheduler.address}", certificate="{run}")' in said
        assert client.scheduler.address.startswith("tls://")
        until(lambda: len(workers(client)) == 2)
        with pytest.raises(ClusterError, match="no scheduler answers at tls://"):
            vr.cluster.connect(client.scheduler.address, timeout=1)
        first = slurm.jobs()
        mean = client.compute(vr.statistics.summary(image())["mean"])
        until(lambda: all(client.processing().values()))
        slurm.ask("scancel", "--signal=KILL", "--full", first[0])
        np.testing.assert_array_equal(vr.save(image(), tmp_path / "a.zarr", chunks=32, shards=32).compute(), truth())
        assert float(mean.result()) == truth().mean()
        until(lambda: len(workers(client)) == 2)
        assert first[0] not in slurm.jobs()
    assert not list((tmp_path / "runs").glob("run-*"))
    until(lambda: not slurm.jobs())


def test_two_queues_of_different_kinds(slurm, until, capsys):
    with vr.cluster.slurm(partition="cpu", jobs=(1, 1), beside=[vr.cluster.Queue(partition="gpu", jobs=1, gpu=True)]) as client:
        until(lambda: len(workers(client)) == 2)
        assert sorted(w["resources"].get("GPU", 0) for w in workers(client).values()) == [0, 1]
        (with_gpu,) = (address for address, w in workers(client).items() if w["resources"])
        assert client.run(eval, "__import__('os').environ.get('CUDA_VISIBLE_DEVICES')", workers=[with_gpu]) == {with_gpu: "0"}
        with dask.annotate(resources={"GPU": 1}):
            assert float(vr.compute(vr.statistics.summary(image())["max"])) == truth().max()
        with dask.annotate(resources={"GPU": 2}), pytest.raises(ClusterError, match="no worker offers them"):
            vr.compute(vr.statistics.summary(image())["max"])


def test_a_number_of_jobs_that_follows_the_load(slurm, until):
    with vr.cluster.slurm(jobs=(1, 2)) as client:
        until(lambda: len(workers(client)) == 1)
        again = client.compute(vr.statistics.summary(image())["mean"])
        until(lambda: len(workers(client)) == 2)
        slurm.ask("scancel", slurm.jobs()[0])
        assert float(again.result()) == truth().mean()


def test_jobs_that_die_at_once(slurm, tmp_path, capsys):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such module: numpy' >&2\nexit 3\n")
    broken.chmod(0o755)
    said = r"3 jobs ended before a worker started .*its log ends with:\n.*\.err:\n  no such module: numpy"
    with dask.config.set({"jobqueue.slurm.python": str(broken)}), vr.cluster.slurm(jobs=1), pytest.raises(ClusterError, match=said):
        vr.compute(vr.statistics.summary(image())["max"])


def test_what_slurm_cannot_do(slurm, monkeypatch, tmp_path):
    with pytest.raises(ClusterError, match=r"there is no partition 'long'; SLURM has cpu, gpu"):
        vr.cluster.slurm(partition="long")
    with pytest.raises(ClusterError, match=r"SLURM refuses such jobs: sbatch says: .*; ask for less"):
        vr.cluster.slurm(cores=64)
    with pytest.raises(ClusterError, match=r"lets jobs run for 1 h 0 min, and the walltime asked for is 2-00:00:00; ask for less"):
        vr.cluster.slurm(walltime="2-00:00:00")
    assert not list((tmp_path / "runs").glob("run-*"))
    with pytest.raises(vr.errors.TooLargeError, match="one task holds"):
        vr.cluster.slurm(vr.statistics.summary(vr.zeros(shape=1024, dtype="f8").rechunk(1024)), memory="2 GB")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(ClusterError, match="there is no SLURM here: sinfo is not on the path"):
            vr.cluster.slurm(partition="cpu")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"cores": None}, "say what cores each job has"),
        ({"walltime": "soon"}, "a walltime is minutes, HH:MM:SS"),
        ({"jobs": (3, 2)}, "jobs is a number, or a pair of the least and the most"),
        ({"jobs": 0}, "jobs is a whole number, at least 1"),
        ({"jobs": (1, 2), "beside": [vr.cluster.Queue(jobs=1, cores=1, memory="1 GB", walltime="1")]}, "follows the load is for one queue"),
    ],
)
def test_what_is_no_job(said, message):
    pytest.importorskip("dask_jobqueue")
    with dask.config.set({"jobqueue.slurm.cores": None}), pytest.raises(ParameterError, match=message):
        vr.cluster.slurm(**({"cores": 1, "memory": "1 GB", "walltime": "10"} | said))
