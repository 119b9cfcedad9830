"""Workers that are killed, stopped, or out of memory, and schedulers that are gone: the answer is right, or the error clear and a resume completes it."""

import os
import random
import signal
import subprocess
import threading
import time

import dask
import numpy as np
import pytest

import voxelrock as vr
from voxelrock.errors import ClusterError, StorageError

pytestmark = pytest.mark.filterwarnings("default")
SHAPE = (48, 40, 56)
GREY = np.random.default_rng(3).integers(0, 60000, SHAPE).astype("u2")

OPERATIONS = {
    "threshold of a filter": lambda im: vr.segmentation.otsu(vr.filters.median(im, radius_vx=1), phase="dark"),
    "labels": lambda im: vr.labels.label(vr.segmentation.otsu(im, phase="dark"), connectivity=26),
    "distance of labels": lambda im: vr.morphology.distance(vr.labels.largest(im > 20000)),
    "watershed": lambda im: vr.segmentation.watershed(vr.filters.gaussian(im, sigma_vx=1).astype("u2")),
    "opening": lambda im: vr.morphology.opening(im > 20000, radius_vx=1.5),
    "reconstruction": lambda im: vr.morphology.reconstruction(im // 2, im),
}


class Killer(threading.Thread):
    """Kills a worker of a cluster at random moments, not so often that none is ever alive."""

    def __init__(self, cluster, seed, most, pause=(0.3, 2.5)):
        super().__init__(daemon=True)
        self.cluster, self.random, self.most, self.pause = cluster, random.Random(seed), most, pause
        self.kills, self.over = 0, threading.Event()

    def run(self):
        while self.kills < self.most and not self.over.wait(self.random.uniform(*self.pause)):
            pids = [nanny.pid for nanny in list(self.cluster.workers.values()) if nanny.pid]
            if pids:
                try:
                    os.kill(self.random.choice(pids), signal.SIGKILL)
                    self.kills += 1
                except ProcessLookupError:
                    pass

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.over.set()
        self.join()


@pytest.fixture
def fragile():
    """A cluster whose workers come back soon."""
    with vr.cluster.local(workers=2, threads=1, memory="4 GB", dashboard=False) as client:
        yield client.cluster


@pytest.fixture
def scan(tmp_path):
    return vr.save(vr.from_array(GREY), tmp_path / "scan.zarr", chunks=8, shards=8).rechunk(8)


def slowed(image):
    """Voxels that take their time, so that kills fall into the middle of a task."""
    return (image + vr.from_function(_nothing, shape=vr.ZYX(*SHAPE), dtype="u2", block=8)).astype("u2")


def _nothing(z, y, x):
    time.sleep(0.004)
    return np.zeros(np.broadcast_shapes(z.shape, y.shape, x.shape), "u2")


def persevere(image, path, tries=20):
    """Save, and go on for as long as the errors are the clear ones."""
    failures = 0
    while True:
        try:
            return vr.save(image, path, chunks=8, shards=8, resume=failures > 0, overwrite=True), failures
        except ClusterError as error:
            clear = "what was saved stays" in str(error)
            assert clear
            failures += 1
            assert failures < tries


@pytest.fixture(scope="module")
def truths():
    with dask.config.set(scheduler="sync"):
        return {name: operation(vr.from_array(GREY, block=48)).compute() for name, operation in OPERATIONS.items()}


def attacked(cluster, scan, truths, names, folder, seed, most):
    """Each operation once, under attack; gives the number of kills and of saves that had to be resumed."""
    kills = resumed = 0
    for name in names:
        start = time.monotonic()
        image = OPERATIONS[name](slowed(scan))
        with Killer(cluster, seed, most) as killer:
            found, failures = persevere(image, folder / "found.zarr")
        np.testing.assert_array_equal(found.compute(scheduler="sync"), truths[name], err_msg=f"{name}, seed {seed}")
        kills, resumed = kills + killer.kills, resumed + failures
        print(f"{name}: {killer.kills} kills, {failures} resumed, {time.monotonic() - start:.1f} s", flush=True)
    return kills, resumed


def test_workers_that_are_killed_at_random_moments(fragile, scan, truths, tmp_path):
    kills, _ = attacked(fragile, scan, truths, ("labels",), tmp_path, seed=5, most=3)
    assert kills >= 2


@pytest.mark.slow
def test_two_hundred_kills(fragile, scan, truths, tmp_path):
    kills = resumed = rounds = 0
    while kills < 200:
        more, again = attacked(fragile, scan, truths, OPERATIONS, tmp_path, seed=rounds, most=8)
        kills, resumed, rounds = kills + more, resumed + again, rounds + 1
        print(f"{rounds} rounds of {len(OPERATIONS)} operations: {kills} kills, {resumed} saves resumed", flush=True)


def test_a_worker_that_has_too_little_memory(tmp_path):
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), vr.cluster.local(workers=1, threads=1, memory="500 MB", dashboard=False):
        greedy = vr.from_function(_greedy, shape=8, dtype="u1", block=8)
        with pytest.raises(ClusterError, match=r"was tried on 1 workers that all died, .*: they ran out of memory \(see vr\.cluster\.plan"):
            vr.save(greedy, tmp_path / "a.zarr")
        with pytest.raises(vr.errors.UnfinishedError, match="save it again with resume=True"):
            vr.open(tmp_path / "a.zarr")


def _greedy(z, y, x):
    held = np.ones(900_000_000, "u1")
    time.sleep(2)
    return (z + y + x + held[0]).astype("u1")


def test_a_scheduler_that_is_gone(foreign, tmp_path):
    foreign.worker()
    image = vr.from_function(_slow, shape=64, dtype="u2", block=16)
    done = tmp_path / ".a.zarr.partial/.voxelrock/done"
    with vr.cluster.connect(str(foreign.file)):

        def kill():
            foreign.wait(lambda: done.exists() and len(list(done.iterdir())) > 5)
            foreign.stop()

        end = threading.Thread(target=kill)
        end.start()
        with pytest.raises(ClusterError, match=r"was restarted, or is gone, .*: connect again, and save with resume=True"):
            vr.save(image, tmp_path / "a.zarr", chunks=16, shards=16)
        end.join()
    before = len(list(done.iterdir()))
    assert 5 < before < 64
    found = vr.save(image, tmp_path / "a.zarr", chunks=16, shards=16, resume=True)
    np.testing.assert_array_equal(found.compute(), sum(np.ogrid[:64, :64, :64]).astype("u2"))


def _cut(dask_worker):
    dask_worker.batched_stream.comm.abort()


def test_a_connection_that_is_cut(foreign, tmp_path):
    """A worker that loses its scheduler in the middle of a save: another does its tasks, and the store is whole."""
    foreign.worker("--no-nanny")
    foreign.worker("--no-nanny")
    done = tmp_path / ".a.zarr.partial/.voxelrock/done"
    cut = []
    with vr.cluster.connect(str(foreign.file)) as client:
        client.wait_for_workers(2, timeout=60)

        def sever():
            foreign.wait(lambda: done.exists() and len(list(done.iterdir())) > 5)
            cut.append(sorted(client.scheduler_info()["workers"])[0])
            client.run(_cut, workers=cut, on_error="ignore")

        end = threading.Thread(target=sever)
        end.start()
        found = vr.save(vr.from_function(_slow, shape=64, dtype="u2", block=16), tmp_path / "a.zarr", chunks=16, shards=16)
        end.join()
        assert cut
        assert cut[0] not in client.scheduler_info()["workers"]
        np.testing.assert_array_equal(found.compute(scheduler="sync"), sum(np.ogrid[:64, :64, :64]).astype("u2"))


def _slow(z, y, x):
    time.sleep(0.05)
    return (z + y + x).astype("u2")


@pytest.mark.slow
def test_a_worker_that_stands_still_and_comes_back(foreign, tmp_path):
    """Its tasks are done by another; what it writes when it wakes changes nothing."""
    foreign.stop()
    foreign.file.unlink()
    foreign.scheduler(DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="3s")
    foreign.worker("--no-nanny", "--name", "one")
    foreign.worker("--no-nanny", "--name", "two")
    with vr.cluster.connect(str(foreign.file)) as client:
        client.wait_for_workers(2, timeout=30)
        done = tmp_path / ".a.zarr.partial/.voxelrock/done"
        sleeper = foreign.running[-1]

        def stop():
            foreign.wait(lambda: done.exists() and len(list(done.iterdir())) > 5)
            sleeper.send_signal(signal.SIGSTOP)

        end = threading.Thread(target=stop)
        end.start()
        image = vr.from_function(_slow, shape=64, dtype="u2", block=16)
        found = vr.save(image, tmp_path / "a.zarr", chunks=16, shards=16)
        end.join()
        sleeper.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        np.testing.assert_array_equal(found.compute(scheduler="sync"), sum(np.ogrid[:64, :64, :64]).astype("u2"))


def test_a_disk_that_is_full(two, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("a full disk is a small one that the test mounts, which only root may: run it as root, or in a container")
    try:
        with pytest.raises(StorageError, match=r"no space left on the disk of .*\.a\.zarr\.partial; free some and save again with resume=True"):
            vr.save(vr.from_array(GREY, block=16), disk / "a.zarr", chunks=16, shards=16)
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        np.testing.assert_array_equal(vr.save(vr.from_array(GREY, block=16), disk / "a.zarr", chunks=16, shards=16, resume=True).compute(), GREY)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
