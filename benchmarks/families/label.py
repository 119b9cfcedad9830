"""Connected components of a stored boolean image, numbered in int32, from store to store; and building the graph for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import scipy.ndimage
import zarr
from dask.array.optimization import optimize

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Maker, Operation, Timed, Work

_RANK = {6: 1, 26: 3}
_EDGE = 256


def _mask(job: Job) -> Path:
    return job.data / "mask.zarr"


def _structure(neighbours: int) -> Any:
    return scipy.ndimage.generate_binary_structure(3, _RANK[neighbours])


def _voxelrock(job: Job, *, neighbours: int) -> Work:
    def work() -> Path:
        vr.save(vr.labels.label(vr.open(_mask(job)), connectivity=neighbours), job.result)
        return job.result

    return work


def _in_memory(factory: Callable[[int, int], Callable[[Any], Any]], neighbours: int) -> Maker:
    def make(job: Job) -> Work:
        function = factory(job.threads, neighbours)
        return lambda: stores.write(job.result, function(stores.read(_mask(job))))

    return make


def _scipy(threads: int, neighbours: int) -> Callable[[Any], Any]:
    return lambda image: scipy.ndimage.label(image, _structure(neighbours))[0]


def _skimage(threads: int, neighbours: int) -> Callable[[Any], Any]:
    measure = peers.load("skimage.measure")
    return lambda image: measure.label(image, connectivity=_RANK[neighbours])


def _cc3d(threads: int, neighbours: int) -> Callable[[Any], Any]:
    cc3d = peers.load("cc3d")
    return lambda image: cc3d.connected_components(image, connectivity=neighbours, out_dtype="u4").view("i4")


def _simpleitk(threads: int, neighbours: int) -> Callable[[Any], Any]:
    sitk = peers.load("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return lambda image: sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(image.view("u1")), neighbours == 26)).astype("i4")


def _dask_image(job: Job, *, neighbours: int) -> Work:
    measure = peers.load("dask_image.ndmeasure")
    return lambda: stores.write_lazy(job.result, measure.label(stores.lazy(_mask(job)), _structure(neighbours))[0])


def _nothing(threads: int, neighbours: int) -> Callable[[Any], Any]:
    return lambda image: image.astype("i4")


def _build(pipeline: Callable[[Path], Any], chunks: int, job: Job) -> Work:
    side = 2 if job.tiny else round(chunks ** (1 / 3))
    path = job.out / "virtual.zarr"
    zarr.create_array(path, shape=(side * _EDGE,) * 3, chunks=(_EDGE,) * 3, dtype=bool, overwrite=True)

    def work() -> Timed:
        start = time.perf_counter()
        result = pipeline(path)
        tasks = len(dict(result.__dask_graph__()))
        built = time.perf_counter()
        optimize(result.__dask_graph__(), result.__dask_keys__())
        done = time.perf_counter()
        columns = {"tasks": tasks, "tasks per chunk": round(tasks / side**3, 2), "optimising (s)": round(done - built, 3)}
        return Timed(columns=columns, seconds=built - start)

    return work


def _components(neighbours: int) -> Operation:
    contenders = (
        Contender(VOXELROCK, partial(_voxelrock, neighbours=neighbours)),
        Contender("SciPy", _in_memory(_scipy, neighbours)),
        Contender("scikit-image", _in_memory(_skimage, neighbours), needs=("skimage",)),
        Contender("cc3d", _in_memory(_cc3d, neighbours), needs=("cc3d",)),
        Contender("SimpleITK", _in_memory(_simpleitk, neighbours), needs=("SimpleITK",), compared=False),
        Contender("dask-image", partial(_dask_image, neighbours=neighbours), needs=("dask_image.ndmeasure",), compared=False, most_runs=1),
        Contender("Zarr, read and write int32, no labels", _in_memory(_nothing, neighbours), limit=True, compared=False),
    )
    return Operation(f"{neighbours} neighbours", contenders, data=("mask.zarr",))


def _graph(chunks: int) -> Operation:
    ours, theirs = (lambda path: vr.labels.label(vr.open(path)).data), (lambda path: peers.load("dask_image.ndmeasure").label(stores.lazy(path))[0])
    contenders = (
        Contender(VOXELROCK, partial(_build, ours, chunks)),
        Contender("dask-image", partial(_build, theirs, chunks), needs=("dask_image.ndmeasure",), most_runs=1),
    )
    return Operation(f"{chunks} chunks, build", contenders, tolerance=None)


FAMILY = Family(
    "label",
    "Connected components of a boolean image, store to store",
    (_components(6), _components(26), _graph(216)),
    size=512,
    repeat=3,
    columns=("tasks", "tasks per chunk", "optimising (s)"),
    notes="SimpleITK and dask-image number the components in orders of their own: their answers are not compared. "
    "Building a graph ends when every task exists; nothing is computed. Its rate in voxels means nothing.",
)
