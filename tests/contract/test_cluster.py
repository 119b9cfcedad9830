"""The same lines on a cluster of processes: equal to the last bit, errors of the same class."""

import numpy as np
import pytest

import voxelrock as vr
from tests.contract.cases import CASES, grey
from voxelrock.errors import DataError
from voxelrock.testing import stored

distributed = pytest.importorskip("distributed")
CHUNKS = ((4, 5), (3, 1, 7), (8,))


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster, distributed.Client(cluster) as client:
        yield client


def value(result):
    return np.asarray(result.compute())


@pytest.mark.filterwarnings("default")
def test_every_operation_on_a_cluster(client):
    for case in CASES:
        image = stored(grey((9, 11, 8), case.dtype), CHUNKS)
        without = np.asarray(case.make(image).compute(scheduler="sync"))  # first, so that the workers find its kernels compiled
        with_cluster = value(case.make(image))
        assert with_cluster.tobytes() == without.tobytes(), case.name


@pytest.mark.filterwarnings("default")
def test_several_results_in_one_reading_on_a_cluster(client):
    image = stored(grey((9, 11, 8)), CHUNKS)
    quiet = vr.filters.median(image, radius_vx=1)
    found = vr.compute({"threshold": vr.segmentation.otsu_threshold(quiet), "porosity": vr.statistics.porosity(vr.segmentation.otsu(quiet, phase="dark"))})
    assert float(found["porosity"]) == (quiet.compute() <= float(found["threshold"])).mean()


@pytest.mark.filterwarnings("default")
def test_masks_without_data_on_a_cluster(client, tmp_path):
    array = grey((9, 11, 8), "u1")
    image = stored(array, CHUNKS).assign(nodata=int(array[4, 5, 3]))
    mask = vr.segmentation.otsu(image, phase="dark").persist() | (image > 200)
    known = array != image.nodata
    truth = ((array <= float(vr.segmentation.otsu_threshold(image))) | (array > 200))[known].mean()
    assert float(vr.statistics.porosity(mask)) == truth
    assert float(vr.statistics.porosity(vr.save(mask, tmp_path / "mask.zarr"))) == truth


@pytest.mark.filterwarnings("default")
def test_an_error_arrives_as_it_was_raised(client):
    array = np.full((8, 8, 8), np.nan, "f4")
    with pytest.raises(DataError, match=r"NaN.*seen in voxels"):
        vr.compute(vr.statistics.summary(stored(array, ((4, 4),) * 3)))
