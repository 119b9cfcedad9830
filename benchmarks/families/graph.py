"""Building the graph of Gaussian, threshold and porosity; and importing voxelrock."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import scipy.ndimage
import zarr
from dask.array.optimization import optimize

import voxelrock as vr
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Timed, Work
from benchmarks.stores import lazy

_EDGE = 256
_LEVEL = 20000
_SMOOTH = partial(scipy.ndimage.gaussian_filter, sigma=2, output="f4")


def _store(job: Job, chunks: int) -> Path:
    """The metadata of a Zarr array of so many chunks: building a graph reads no voxel."""
    side = round(chunks ** (1 / 3))
    path = job.out / "virtual.zarr"
    zarr.create_array(path, shape=(side * _EDGE,) * 3, chunks=(_EDGE,) * 3, dtype="u2", overwrite=True)
    return path


def _voxelrock(path: Path) -> Any:
    smooth = vr.filters.gaussian(vr.open(path), sigma_vx=2)
    return vr.statistics.porosity(vr.segmentation.threshold(smooth, high=_LEVEL)).data


def _map_overlap(path: Path) -> Any:
    image = lazy(path)
    smooth = da.map_overlap(_SMOOTH, image, depth=8, boundary="reflect", meta=image._meta.astype("f4"))
    return (smooth <= _LEVEL).mean()


def _build(chunks: int, pipeline: Callable[[Path], Any]) -> Callable[[Job], Work]:
    def make(job: Job) -> Work:
        path = _store(job, 8 if job.tiny else chunks)

        def work() -> Timed:
            start = time.perf_counter()
            result = pipeline(path)
            tasks = len(dict(result.__dask_graph__()))
            built = time.perf_counter()
            optimize(result.__dask_graph__(), result.__dask_keys__())
            done = time.perf_counter()
            count = lazy(path).npartitions
            columns = {"tasks": tasks, "tasks per chunk": round(tasks / count, 2), "optimising (s)": round(done - built, 3)}
            return Timed(columns=columns, seconds=built - start)

        return work

    return make


def _importing(module: str) -> Callable[[Job], Work]:
    def make(job: Job) -> Work:
        code = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"

        def work() -> Timed:
            said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            return Timed(seconds=float(said.stdout))

        return work

    return make


def _operation(chunks: int) -> Operation:
    pipelines = {VOXELROCK: _voxelrock, "Dask map_overlap": _map_overlap}
    runs = {"Dask map_overlap": 1} if chunks > 1000 else {}  # it takes a minute
    contenders = tuple(Contender(name, _build(chunks, pipeline), most_runs=runs.get(name)) for name, pipeline in pipelines.items())
    return Operation(f"{chunks} chunks, build", contenders, tolerance=None)


FAMILY = Family(
    "graph",
    "Building a graph: Gaussian, threshold, porosity",
    (
        _operation(1000),
        _operation(8000),
        Operation("import", tuple(Contender(name, _importing(name)) for name in (VOXELROCK, "dask.array", "zarr", "scipy.ndimage")), tolerance=None),
    ),
    columns=("tasks", "tasks per chunk", "optimising (s)"),
    voxels=False,
    notes="Building ends when every task exists; nothing is computed. Dask's optimisation of the graph is timed apart.",
)
