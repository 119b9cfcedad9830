"""How the contenders that know nothing of voxelrock read and write the same stores: plain Zarr, the same layout, the same codec."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr

from benchmarks.model import Job, Maker, Work
from voxelrock.storage import codecs, layout


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Hold Dask's and Zarr's pools to a number of threads."""
    with dask.config.set(scheduler="threads", num_workers=count), zarr.config.set({"threading.max_workers": count}):
        yield


def read(path: Path) -> Any:
    """A whole Zarr array in memory, with a type that says native byte order (diplib asks for that)."""
    array = zarr.open_array(path, mode="r")[:]
    return array.view(array.dtype.newbyteorder("="))


def create(path: Path, shape: tuple[int, ...], dtype: Any) -> zarr.Array[Any]:
    """An empty Zarr array with the layout and the codec that voxelrock gives an image of this shape and type."""
    kind = np.dtype(dtype)
    plan = layout.choose(shape, kind)
    compressors = codecs.v3_codecs(codecs.resolve("auto", kind, labels=False), kind)
    return zarr.create_array(path, shape=shape, chunks=plan.chunks, shards=plan.shards, dtype=kind, compressors=compressors)


def write(path: Path, array: Any) -> Path:
    """Store an array in memory."""
    create(path, array.shape, array.dtype)[:] = array
    return path


def lazy(path: Path) -> da.Array:
    """A Zarr array in Dask, in blocks of whole shards, as its documentation advises."""
    array = zarr.open_array(path, mode="r")
    return da.from_array(array, chunks=array.shards or array.chunks)


def write_lazy(path: Path, array: da.Array) -> Path:
    """Store a Dask array safely: blocks of whole shards, into an array that exists."""
    target = create(path, array.shape, array.dtype)
    da.to_zarr(array.rechunk(target.shards or target.chunks), target)
    return path


def in_memory(factory: Callable[[int], Callable[[Any], Any]], name: str = "grey.zarr") -> Maker:
    """A contender that filters NumPy arrays, from store to store (the one of ``name``); ``factory(threads)`` gives the filter."""

    def make(job: Job) -> Work:
        function = factory(job.threads)
        return lambda: write(job.result, function(read(job.data / name)))

    return make


def of_array(factory: Callable[[int], Callable[[Any], Any]], name: str = "grey.zarr") -> Maker:
    """A contender that reduces a NumPy array read from the store (the one of ``name``)."""

    def make(job: Job) -> Work:
        function = factory(job.threads)
        return lambda: function(read(job.data / name))

    return make


def answer(result: Any) -> Any:
    """What a contender answered, as an array; None if it answered nothing."""
    if isinstance(result, Path):
        return read(result)
    return None if result is None else np.asarray(result)
