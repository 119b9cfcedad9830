"""Clusters as users start and join them: what is checked before anything computes."""

import os
import re
import subprocess
import sys

import dask
import distributed
import numpy as np
import psutil
import pytest

import voxelrock as vr
from voxelrock.cluster.certificates import make_certificate, read_certificate
from voxelrock.cluster.clients import ClusterClient, Inspector, workers_of
from voxelrock.cluster.machines import _device_cluster, _device_names
from voxelrock.cluster.planning import Workers
from voxelrock.errors import ClusterError, MissingFileError, MissingPackageError, ParameterError, StorageError, TooLargeError
from voxelrock.graph import overseers
from voxelrock.testing import stored

pytestmark = pytest.mark.filterwarnings("default")
IMAGE = np.random.default_rng(0).integers(1, 60000, (40, 36, 44)).astype("u2")


def listening():
    here = psutil.Process()
    for process in (here, *here.children(recursive=True)):
        yield from (c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN)


def test_a_local_cluster_computes_and_listens_on_loopback_alone(two, tmp_path):
    assert isinstance(two, distributed.Client)
    assert {w["nthreads"] for w in workers_of(two).values()} == {1}
    quiet = vr.filters.median(vr.from_array(IMAGE, block=16), radius_vx=1)
    found = vr.save(quiet, tmp_path / "a.zarr", chunks=16, shards=16)
    np.testing.assert_array_equal(found.compute(), quiet.compute(scheduler="sync"))
    assert set(listening()) <= {"127.0.0.1", "::1"}


def test_client_and_cluster_end_together():
    with vr.cluster.local(workers=1, threads=1, memory="1 GB", dashboard=False) as client:
        cluster = client.cluster
        pids = list(client.run(os.getpid).values())
        assert vr.cluster.plan(vr.ones(shape=8)).workers.count == 1
    assert cluster.status.name == "closed"
    assert not [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]
    assert float(vr.statistics.summary(vr.ones(shape=8))["mean"]) == 1


def test_workers_are_sized_for_blocks():
    image = vr.zeros(shape=512, dtype="f4").rechunk(256)  # 64 MiB a block, at least twice that in a filter
    found = vr.cluster.plan(vr.filters.gaussian(image, sigma_vx=2), workers=3, threads=8, memory="2 GB")
    assert found.workers.count == 3
    assert 1 <= found.workers.threads < 8
    assert found.workers.threads * found.bytes_per_task <= 1e9
    assert found.output == image.nbytes
    with pytest.raises(TooLargeError, match=r"one task holds .* MiB, and a worker of .* has .* for tasks; give workers .* or more .*image\.rechunk"):
        vr.cluster.plan(image, workers=1, memory="600 MB")
    with pytest.raises(TooLargeError, match="one task holds"):
        vr.cluster.local(vr.filters.gaussian(image, sigma_vx=2), memory="700 MB")
    enough = 2 * (found.bytes_per_task + 256 * 2**20)
    assert vr.cluster.plan(vr.filters.gaussian(image, sigma_vx=2), workers=1, memory=enough).workers.at_once == 1


def test_fewer_processes_where_blocks_are_large():
    sized = vr.cluster.planning.sized
    demand = vr.cluster.planning.demand(vr.zeros(shape=512, dtype="f4").rechunk(256).data)
    assert sized(16, 2**37, demand).at_once == 16
    few = sized(16, 2**31, demand)
    assert few.count == 1
    assert 1 <= few.threads < 16
    assert few.threads * demand.bytes_per_task <= 2**30


def test_a_plan_measures_one_block_and_tells_scratch(tmp_path):
    image = stored(IMAGE)
    found = vr.cluster.plan(vr.filters.median(image, radius_vx=1), vr.statistics.summary(image), workers=1, threads=1, memory="2 GB", measure=True)
    assert found.measured
    assert 0 < found.seconds < 60
    assert [line.split("  ")[0] for line in found.lines()] == ["tasks", "workers", "output, at most", "scratch", "time, about"]
    chain = vr.labels.label(vr.segmentation.otsu(vr.filters.median(image, radius_vx=1), phase="dark"))
    assert vr.cluster.plan(chain, workers=1, threads=1, memory="2 GB").tasks > 0
    with vr.options.set(memory=2**20, scratch=str(tmp_path)):
        deep = vr.morphology.distance(vr.labels.label(vr.zeros(shape=128, dtype="u1").rechunk(32)) > 3)
        assert vr.cluster.plan(deep, workers=1, threads=1, memory="2 GB").scratch == 128**3 // 4


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"workers": 0}, "workers is a whole number, at least 1; got 0"),
        ({"threads": 1.5}, "threads is a whole number, at least 1; got 1.5"),
        ({"memory": "much"}, "memory is a number of bytes, or text such as '4 GB'; got 'much'"),
    ],
)
def test_sizes_that_are_none(said, message):
    with pytest.raises(ParameterError, match=message):
        vr.cluster.plan(vr.ones(shape=4), **said)
    with pytest.raises(ParameterError, match=message):
        vr.cluster.local(**said)


def test_nothing_to_plan():
    with pytest.raises(ParameterError, match="give lazy images or results to plan for"):
        vr.cluster.plan(3.0)


def test_resources_that_nobody_offers_are_refused(two, tmp_path):
    with dask.annotate(resources={"GPU": 1}), pytest.raises(ClusterError, match=r"ask for the resources GPU 1, and no worker offers them \(offered: none\)"):
        vr.save(vr.from_array(IMAGE), tmp_path / "a.zarr")


def test_a_device_that_no_worker_has_is_refused(two):
    with vr.options.set(device="gpu"), pytest.raises(MissingPackageError, match="2 of 2 workers have no CUDA device"):
        vr.compute(vr.statistics.summary(vr.from_array(IMAGE)))
    with pytest.raises(MissingPackageError, match="no CUDA device"):
        vr.cluster.gpu()


def test_workers_heed_the_options_of_now(two):
    """One worker that has a device, and one that has none: kernels that are equal to a tolerance only keep off the device."""
    device = "__import__('voxelrock').options.get().device"
    image = vr.from_array(IMAGE)
    seen = lambda: set(two.run(eval, device).values())  # noqa: E731
    vr.compute(image + 1)
    assert seen() == {"auto"}
    with vr.options.set(device="cpu"):
        vr.compute(image + 1)
        assert seen() == {"cpu"}
    first, second = workers_of(two)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inspector, "_devices", lambda inspector: {first: True, second: False})
        vr.compute(image + 1)
        assert seen() == {"auto"}
        np.testing.assert_allclose(vr.compute(np.log(image + 1.0)), np.log(IMAGE + 1.0), rtol=1e-6)
        assert seen() == {"cpu"}
        assert overseers.current().device() == "cpu"
        patch.setattr(Inspector, "_devices", lambda inspector: {first: True, second: True})
        assert overseers.current().device() == "gpu"
    vr.compute(np.log(image + 1.0))
    assert seen() == {"auto"}


@pytest.mark.parametrize(
    ("given", "names"),
    [(None, ["0", "1"]), ("", ["0", "1"]), ("2, 3", ["2", "3"]), ("GPU-8f3a,GPU-91bc,GPU-aa01", ["GPU-8f3a", "GPU-91bc"]), ("5", ["0", "1"])],
)
def test_workers_share_the_devices_of_this_process(monkeypatch, given, names):
    """A job that was given devices 2 and 3 of a machine does not take 0 and 1."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert _device_names(2) == names


def test_one_worker_for_each_device(monkeypatch):
    """The processes of :func:`voxelrock.cluster.gpu`, without devices."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with _device_cluster(Workers(2, 1, 2**30)) as cluster, ClusterClient(cluster).checked() as client:
        seen = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        assert sorted(seen.values()) == ["0", "1"]
        with dask.annotate(resources={"GPU": 1}):
            assert float(vr.compute(vr.statistics.summary(vr.from_array(IMAGE))["max"])) == IMAGE.max()
        with dask.annotate(resources={"GPU": 2}), pytest.raises(ClusterError, match=r"GPU 2, .*\(offered: GPU 1\)"):
            vr.compute(vr.statistics.summary(vr.from_array(IMAGE))["max"])


def test_joining_a_cluster_that_runs(foreign, tmp_path, capfd):
    told: list[str] = []
    foreign.worker()
    with vr.options.set(device="cpu"), vr.cluster.connect(str(foreign.file)) as client:
        found = vr.save(vr.from_array(IMAGE, block=16) + 1, tmp_path / "a.zarr", chunks=16, shards=16)
        assert found.compute().sum() == IMAGE.sum(dtype="i8") + IMAGE.size
        assert list(client.run(eval, "__import__('voxelrock').options.get().device").values()) == ["cpu"]
        address = client.scheduler.address
    assert capfd.readouterr().err == ""
    with vr.cluster.connect(address) as client:  # it runs on
        other = tmp_path / "wrong/voxelrock"
        other.mkdir(parents=True)
        (other / "__init__.py").write_text("__version__ = '0.0.7'\n")
        foreign.worker("--name", "old", PYTHONPATH=str(other.parent))
        foreign.running[-1].wait(timeout=60)
        assert len(workers_of(client)) == 1
        foreign.wait(lambda: "0.0.7" in (told.append(capfd.readouterr().err) or "".join(told)))
        assert re.search(
            rf"^voxelrock: the worker tcp://.* was sent away: it has voxelrock 0\.0\.7, and this run {vr.__version__}; install", "".join(told), re.M
        )
        assert vr.save(vr.from_array(IMAGE), tmp_path / "b.zarr").compute().max() == IMAGE.max()


def test_a_worker_of_another_version(foreign, tmp_path):
    other = tmp_path / "wrong/voxelrock"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("__version__ = '0.0.7'\n")
    foreign.worker(PYTHONPATH=str(other.parent))
    with distributed.Client(scheduler_file=str(foreign.file), set_as_default=False) as client:
        client.wait_for_workers(1, timeout=30)
    with pytest.raises(ClusterError, match=rf"the worker tcp://.* has voxelrock 0\.0\.7, and this process {vr.__version__}; install the same"):
        vr.cluster.connect(str(foreign.file))


def test_a_worker_without_voxelrock(foreign, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "without/voxelrock.py").write_text("raise ModuleNotFoundError(\"No module named 'voxelrock'\")\n")
    foreign.worker(PYTHONPATH=str(tmp_path / "without"))
    with distributed.Client(scheduler_file=str(foreign.file), set_as_default=False) as client:
        client.wait_for_workers(1, timeout=30)
    with pytest.raises(ClusterError, match=r"cannot import voxelrock \(No module named 'voxelrock'\); start it in the environment of this process"):
        vr.cluster.connect(str(foreign.file))


def test_a_scheduler_without_voxelrock(foreign, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "without/voxelrock.py").write_text("raise ModuleNotFoundError(\"No module named 'voxelrock'\")\n")
    foreign.stop()
    foreign.file.unlink()
    foreign.scheduler(PYTHONPATH=str(tmp_path / "without"))
    with pytest.raises(ClusterError, match=r"the scheduler tcp://.* cannot import voxelrock \(No module named 'voxelrock'\)"):
        vr.cluster.connect(str(foreign.file))


def test_a_folder_that_workers_do_not_share(foreign, tmp_path, monkeypatch):
    monkeypatch.setattr("voxelrock.cluster.clients._LATE", 0.2)
    private = tmp_path / "private"
    private.mkdir()
    apart = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs none {private} && exec "$@"', "sh"]
    if subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("a folder that one worker alone sees needs root and the command unshare (util-linux): run it as root, or in a container")
    foreign.worker(before=apart)
    with vr.cluster.connect(str(foreign.file)) as client:
        client.wait_for_workers(1, timeout=30)
        with pytest.raises(StorageError, match=r"private/\.a\.zarr\.partial is not the same for all workers: 1 do not see"):
            vr.save(vr.from_array(IMAGE), private / "a.zarr")
        with pytest.raises(StorageError, match=r"is not the same for all workers: 1 do not see"):
            vr.save(vr.from_array(IMAGE), private / "a.raw")
        with vr.options.set(memory=2**20, scratch=str(private)), pytest.raises(StorageError, match=r"for scratch, set options\.scratch"):
            vr.morphology.distance(vr.labels.label(vr.zeros(shape=128, dtype="u1").rechunk(64)) > 3)
        assert vr.save(vr.from_array(IMAGE), tmp_path / "b.zarr").compute().max() == IMAGE.max()


def test_who_has_no_certificate_is_refused(tmp_path):
    pytest.importorskip("cryptography")
    place = make_certificate(tmp_path / "runs")
    assert [oct(p.stat().st_mode & 0o777) for p in (place, place / "key.pem")] == ["0o700", "0o600"]
    security = read_certificate(place)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, security=security, host="127.0.0.1", dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with vr.cluster.connect(address, certificate=place):
            assert float(vr.statistics.summary(vr.from_array(IMAGE))["max"]) == IMAGE.max()
        other = make_certificate(tmp_path / "others")
        for said in ({}, {"certificate": other}):
            with pytest.raises(ClusterError, match="no scheduler answers at tls://"):
                vr.cluster.connect(address, timeout=1, **said)
        with pytest.raises(ClusterError, match="no scheduler answers at tcp://"):
            vr.cluster.connect(address.replace("tls", "tcp"), timeout=1)
    with pytest.raises(MissingFileError, match="holds no certificate"):
        vr.cluster.connect(address, certificate=tmp_path)


def test_addresses_that_lead_nowhere(tmp_path):
    with pytest.raises(ParameterError, match="give the address of a scheduler"):
        vr.cluster.connect()
    with pytest.raises(MissingFileError, match="there is no scheduler file"):
        vr.cluster.connect(str(tmp_path / "none.json"))
    for address in ("tcp://127.0.0.1:1", "tls://127.0.0.1:1"):
        with pytest.raises(ClusterError, match=rf"no scheduler answers at {address}"):
            vr.cluster.connect(address, timeout=0.5)
    assert dask.config.get("scheduler", None) != "dask.distributed" or distributed.get_client()


def test_defaults_are_dasks_own(tmp_path):
    (tmp_path / "voxelrock.yaml").write_text("voxelrock:\n  cluster:\n    memory-share: 0.25\n")
    code = "import voxelrock as vr, dask; vr.cluster; print(dask.config.get('voxelrock.cluster.memory-share'), dask.config.get('voxelrock.slurm.tls'))"
    run = subprocess.run([sys.executable, "-c", code], env=os.environ | {"DASK_CONFIG": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["0.25", "True"]
