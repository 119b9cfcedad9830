"""Tasks, live blocks, bytes moved and bytes held, from 8 to 8000 chunks."""

import gc
import threading
import tracemalloc
import weakref

import dask
import dask.array as da
import numpy as np
import pytest

import voxelrock as vr
from voxelrock.geometry import Tiling
from voxelrock.graph.arrays import from_source
from voxelrock.graph.budget import predict
from voxelrock.graph.execution import merge_readings
from voxelrock.graph.layers import copy_edges, copy_faces
from voxelrock.graph.reductions import ReductionLayer
from voxelrock.testing import MemorySource, stored


class Hollow(MemorySource):
    """A large image that takes no memory."""

    def __init__(self, shape):
        super().__init__(np.broadcast_to(np.zeros((1, 1, 1), "u1"), shape))
        self.identity = f"hollow {shape}"


def hollow(blocks, edge=4):
    shape = (blocks * edge,) * 3
    return vr.VoxelImage(from_source(Hollow(shape), Tiling.regular(shape, (edge,) * 3)), vr.VoxelGrid(vr.ZYX(*shape)))


def tasks(array):
    return len(dict(array.__dask_graph__()))


CHAIN = {
    "pointwise": lambda im: (im > 3).data,
    "stencil": lambda im: vr.filters.median(im, radius_vx=1).data,
    "chain": lambda im: vr.segmentation.threshold(vr.filters.median(im, radius_vx=1), low=1).data,
    "crop": lambda im: im[1:-1, 1:-1, 1:-1].data,
    "coarsen": lambda im: im.coarsen(2).data,
}


@pytest.mark.parametrize("name", CHAIN)
@pytest.mark.parametrize("blocks", [2, 20])
def test_one_task_per_chunk_over_a_stored_image(name, blocks):
    array = CHAIN[name](hollow(blocks))
    assert tasks(array) - 1 == array.npartitions == predict(array).blocks  # one more is what they share
    assert predict(array).tasks_per_block == 1


@pytest.mark.parametrize("blocks", [2, 20])
def test_a_lazy_stencil_costs_three_tasks_per_chunk(blocks):
    source = da.zeros((blocks * 4,) * 3, chunks=4, dtype="u1")
    image = vr.from_array(source)
    array = vr.filters.median(image, radius_vx=1).data
    assert tasks(array) - tasks(source) == 3 * blocks**3 + 1
    assert predict(array).tasks_per_block == 3


@pytest.mark.parametrize("blocks", [2, 8])
def test_a_reduction_with_a_margin_costs_one_task_per_chunk_and_borders(blocks):
    count = blocks**3
    array = vr.structure.euler_number(hollow(blocks, edge=16) > 0).data
    assert tasks(array) <= count + count / 7 + 4
    source = da.zeros((blocks * 4,) * 3, chunks=4, dtype=bool)
    lazy = vr.structure.two_point(vr.from_array(source), lag=2).data
    assert tasks(lazy) - tasks(source) <= 3 * count + count / 7 + 4  # faces and edges are copied, whole neighbours never sent


def test_what_is_made_of_results_shares_the_reading_too():
    image = stored(np.random.default_rng(0).random((16, 16, 16)) < 0.5, ((8, 8),) * 3)
    source = next(iter(image.data.dask.layers.values())).expression.source
    porosity, profile = vr.statistics.porosity(image), vr.statistics.profile(image)
    solid, excess, histogram = vr.compute(1 - porosity, profile - porosity, vr.statistics.histogram(image))
    assert source.voxels_read == 16**3
    assert float(solid) == 1 - float(porosity)
    assert abs(float(excess.mean())) < 1e-12
    assert int(histogram.sum()) == 16**3


@pytest.mark.parametrize("blocks", [2, 8, 20])
def test_a_reduction_costs_one_task_per_chunk_and_a_tree(blocks):
    array = vr.statistics.porosity(hollow(blocks) > 0).data
    count = blocks**3
    assert tasks(array) <= count + count / 7 + 3
    assert predict(array).tree_per_block == pytest.approx(1 / 7)


def test_several_results_share_one_reading():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 255, (16, 16, 16)).astype("u1")
    image = stored(array, ((8, 8),) * 3)
    source = next(iter(image.data.dask.layers.values())).expression.source
    quiet = vr.filters.median(image, radius_vx=1)
    wanted = {"histogram": vr.statistics.histogram(image), "summary": vr.statistics.summary(image), "profile": vr.statistics.profile(quiet)}
    vr.compute(wanted)
    assert source.voxels_read == 8 * 9**3  # every block once, with the median's halo
    graph = merge_readings(dask.highlevelgraph.HighLevelGraph.merge(*(c.__dask_graph__() for c in dask.base.unpack_collections(wanted)[0])))
    assert sum(isinstance(layer, ReductionLayer) for layer in graph.layers.values()) == 1


def test_a_gaussian_reads_each_block_with_its_halo_once():
    image = stored(np.zeros((24, 24, 24), "u1"), ((8, 8, 8),) * 3)
    source = next(iter(image.data.dask.layers.values())).expression.source
    vr.filters.gaussian(image, sigma_vx=0.5).compute()
    reach = [8 + 2, 8 + 4, 8 + 2]
    assert source.voxels_read == sum(reach) ** 3


class Alive:
    """Counts the blocks that are alive at once."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def make(self, block):
        block = block.copy()
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        weakref.finalize(block, self.gone)
        return block

    def gone(self):
        with self.lock:
            self.now -= 1


def test_a_threshold_found_in_the_image_keeps_no_block_alive():
    alive = Alive()
    rng = np.random.default_rng(0)
    base = da.from_array(rng.integers(0, 99, (200, 8, 8)).astype("u1"), chunks=(1, 8, 8))
    counted = base.map_blocks(alive.make, dtype="u1", meta=np.empty((0, 0, 0), "u1"))
    image = vr.from_array(counted)
    found = vr.statistics.porosity(vr.segmentation.otsu(image, phase="dark"))
    found.compute(scheduler="sync")
    gc.collect()
    assert alive.most <= 3  # of 200


def test_borders_are_copies_and_move_little():
    edge, halo = 64, 1
    image = vr.from_array(da.zeros((3 * edge,) * 3, chunks=edge, dtype="u1"))
    array = vr.filters.median(image, radius_vx=halo).data
    moved = predict(array).bytes_moved
    own = edge**3
    assert moved - own < 0.7 * own  # whole neighbours would be 26 times as much as a block
    block = np.zeros((8, 8, 8))
    for border in (copy_faces(block, (1, 1, 1)), copy_edges(block, (1, 1, 1))):
        assert all(part.base is None for part in border.values())


@pytest.mark.parametrize("make", [
    lambda im: vr.filters.median(im, radius_vx=1),
    lambda im: vr.segmentation.threshold(vr.filters.gaussian(im, sigma_vx=2), high=100.0),
    lambda im: im * 2 + 1,
], ids=["median", "gaussian + threshold", "arithmetic"])  # fmt: skip
def test_the_bytes_of_a_task_are_as_predicted(make):
    array = np.random.default_rng(0).integers(0, 60000, (96, 96, 96)).astype("u2")
    image = stored(array)
    result = make(image)
    result.compute(scheduler="sync")  # compile first
    tracemalloc.start()
    result.compute(scheduler="sync")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.4 * predict(result.data).bytes_per_task < peak < 1.35 * predict(result.data).bytes_per_task


def test_fusing_stops_where_recomputing_costs_too_much():
    image = hollow(4, edge=8)
    cheap = vr.filters.median(vr.filters.median(image, radius_vx=1), radius_vx=1).data
    dear = vr.filters.gaussian(vr.filters.median(image, radius_vx=3), sigma_vx=1).data
    small_part = vr.filters.median(vr.filters.gaussian(image, sigma_vx=2), radius_vx=3).data
    assert tasks(cheap) == 64 + 1 or predict(cheap).tasks_per_block == 3
    assert tasks(dear) == 4 * 64 + 2
    assert tasks(small_part) == 64 + 1  # the median takes so much longer that the Gaussian may be repeated at borders


@pytest.mark.slow
def test_eight_thousand_chunks_stay_linear():
    image = hollow(20)
    array = vr.statistics.porosity(vr.segmentation.threshold(vr.filters.gaussian(image, sigma_vx=0.5), low=0.5)).data
    assert tasks(array) <= 8000 * (1 + 1 / 7) + 4


@pytest.mark.parametrize("setting", ["options", "dask"])
def test_the_number_of_threads_is_the_one_asked_for(setting, tmp_path):
    seen = set()

    def field(z, y, x):
        seen.add(threading.get_ident())
        return z + y + x

    image = vr.from_function(field, shape=16, dtype="u1", block=4)
    with vr.options.set(workers=1 if setting == "options" else 0), dask.config.set(num_workers=1 if setting == "dask" else None):
        vr.save(image, tmp_path / "rock.zarr", chunks=4, shards=4)
        image.compute()
    assert len(seen) <= 2  # one pool of one thread for each of the two
