"""Files that joints leave on a cluster go when the result that they belong to is done, and no sooner."""

import threading
import time

import numpy as np
import pytest

import voxelrock as vr

pytestmark = pytest.mark.filterwarnings("default")
GREY = np.random.default_rng(3).integers(0, 60000, (64, 64, 64)).astype("u2")


def _late(z, y, x):
    time.sleep(0.05)
    return np.zeros(np.broadcast_shapes(z.shape, y.shape, x.shape), "u2")


@pytest.fixture
def scan(tmp_path):
    return vr.save(vr.from_array(GREY), tmp_path / "scan.zarr", chunks=16, shards=16).rechunk(16)


@pytest.fixture
def scratch(tmp_path):
    """A scratch folder that large images use: everything is large."""
    folder = tmp_path / "scratch"
    with vr.options.set(memory=2**20, scratch=str(folder)):
        yield lambda: [path for path in folder.rglob("*") if path.is_file()]


def basins(image):
    return vr.segmentation.watershed(image)


def test_scratch_is_empty_after_each_result(two, scan, scratch, tmp_path):
    truth = basins(vr.from_array(GREY)).compute(scheduler="sync")
    found = basins(scan)
    made = []
    watcher = Watcher(scratch, made)
    with watcher:
        for turn in range(2):  # computed again, it makes its files anew
            np.testing.assert_array_equal(vr.compute(found), truth, err_msg=f"turn {turn}")
            assert not scratch()
    assert max(made) > 10
    np.testing.assert_array_equal(vr.save(found, tmp_path / "basins.zarr").compute(), truth)
    assert not scratch()


@pytest.mark.parametrize(
    "made",
    [lambda pores: vr.morphology.distance(pores.rechunk(32)), lambda pores: vr.pores.local_thickness(pores.rechunk(32))],
    ids=["survey", "parcels"],
)
def test_so_do_those_of_surveys_and_parcels(two, scratch, tmp_path, made):
    pores = vr.from_array(np.tile(GREY, (3, 1, 1)) > 20000)  # a survey packs two bits a voxel, and keeps an eighth of the memory's size as it is
    around = vr.filters.median(vr.save(pores.astype("u1"), tmp_path / "pores.zarr", chunks=32, shards=32).rechunk(32), radius_vx=1) > 0
    truth = made(vr.filters.median(pores.astype("u1"), radius_vx=1) > 0).compute(scheduler="sync")
    found, counts = made(around), []
    with Watcher(scratch, counts):
        for turn in range(2):
            np.testing.assert_array_equal(vr.compute(found), truth, err_msg=f"turn {turn}")
            assert not scratch()
    assert max(counts) > 10


def test_another_run_of_the_same_result_keeps_its_files(two, scan, scratch):
    """The tasks of both are one on the scheduler; what ends first takes nothing from the other."""
    slow = (scan + vr.from_function(_late, shape=vr.ZYX(*GREY.shape), dtype="u2", block=16)).astype("u2")
    truth = basins(vr.from_array(GREY)).compute(scheduler="sync")
    found = basins(slow)
    corner, whole = found[:16, :16, :16], found.persist()
    np.testing.assert_array_equal(vr.compute(corner), truth[:16, :16, :16])
    np.testing.assert_array_equal(whole.compute(), truth)
    del whole, corner
    vr.compute(basins(scan)[:16, :16, :16])
    assert not scratch()


class Watcher(threading.Thread):
    """Counts files while something runs."""

    def __init__(self, files, counts):
        super().__init__(daemon=True)
        self.files, self.counts, self.over = files, counts, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.counts.append(len(self.files()))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.over.set()
        self.join()
