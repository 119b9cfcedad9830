"""Which workers suit an image, and what computing it will take, before anything starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import dask.array as da
from dask.base import unpack_collections
from dask.system import CPU_COUNT
from distributed import Client, get_client
from distributed.deploy.utils import nprocesses_nthreads
from distributed.system import MEMORY_LIMIT

from voxelrock.cluster.clients import workers_of
from voxelrock.cluster.settings import as_bytes, as_count, setting
from voxelrock.errors import ParameterError, TooLargeError
from voxelrock.graph.demand import Demand, demand, measured
from voxelrock.graph.progress import duration
from voxelrock.graph.scratch import scratch_bytes
from voxelrock.image import VoxelImage
from voxelrock.image.presentation import describe_memory
from voxelrock.storage.layout import choose


@dataclass(frozen=True)
class Workers:
    """Workers of one kind: how many, how many tasks each does at once, and the bytes that each may take."""

    count: int
    threads: int
    memory: int

    @property
    def at_once(self) -> int:
        """Tasks at the same time on all of them."""
        return self.count * self.threads


@dataclass(frozen=True)
class Plan:
    """What computing will take.

    Parameters
    ----------
    tasks
        How many tasks there are, about.
    bytes_per_task
        The most that one task holds, predicted.
    workers
        The workers that it is planned for, with as many threads as tasks fit.
    output
        Bytes of the images among the results, uncompressed.
    scratch
        Bytes that are written beside them and removed in the end.
    seconds
        How long it takes, about.
    measured
        Whether the time rests on a block that was computed here, or on what the kernels declare.
    """

    tasks: int
    bytes_per_task: int
    workers: Workers
    output: int
    scratch: int
    seconds: float
    measured: bool

    def lines(self) -> list[str]:
        """The plan, for a terminal."""
        many = self.workers
        how = "by a block computed here" if self.measured else "by the figures of the kernels"
        rows = [
            ("tasks", f"{self.tasks}, {describe_memory(self.bytes_per_task)} each at most"),
            ("workers", f"{many.count} of {describe_memory(many.memory)}, {many.threads} tasks at once on each"),
            ("output, at most", describe_memory(self.output)),
            ("scratch", describe_memory(self.scratch)),
            ("time, about", f"{duration(self.seconds)} ({how})"),
        ]
        return [f"{name:<16} {text}" for name, text in rows]


def plan(*results: Any, workers: int | None = None, threads: int | None = None, memory: Any = None, measure: bool = False) -> Plan:
    """What computing results will take on workers: tasks, memory, room on disks, time; computes nothing, or one block.

    Parameters
    ----------
    results
        Lazy images and results, as for :func:`voxelrock.compute`. Images count as if they are saved.
    workers, threads, memory
        How many workers, the threads and the memory (bytes, or text such as "16 GB") of each. By default the workers of the cluster in
        force, else this machine.
    measure
        Compute one block here, so that the time rests on a measurement.

    Returns
    -------
    Plan
        With as many threads as tasks fit into half of a worker's memory (Dask writes to disk from 60 % on).

    Raises
    ------
    TooLargeError
        Not a single task fits; the error says how much memory would do.
    ParameterError
        No result, or numbers that are no sizes of workers.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.zeros(shape=256, dtype="u2")
    >>> vr.cluster.plan(vr.filters.median(image, radius_vx=1), workers=2, threads=1, memory="4 GB").workers.at_once
    2
    """
    arrays, output, scratch = _arrays(results)
    found = demand(*arrays)
    given = _given(workers, threads, memory)
    fitting = Workers(given.count, fitted(found, given), given.memory)
    factor = measured(*arrays) if measure else math.nan
    known = math.isfinite(factor)
    seconds = found.core_seconds * (factor if known else 1.0) / fitting.at_once
    return Plan(found.tasks, found.bytes_per_task, fitting, output, scratch + found.packed, seconds, known)


def wanted(results: tuple[Any, ...]) -> Demand | None:
    """What results ask for; None where there are none."""
    return demand(*_arrays(results)[0]) if results else None


def _arrays(results: tuple[Any, ...]) -> tuple[list[da.Array], int, int]:
    """The arrays of results, the bytes of the images among them, and those of scratch."""
    arrays: list[da.Array] = []
    output = scratch = 0
    collections, _ = unpack_collections(*results)
    for item in collections:
        if isinstance(item, VoxelImage):
            units = choose(item.shape, item.dtype).tiling(item.shape)
            scratch += scratch_bytes(item.data, units)
            output += item.nbytes
            arrays.append(item.rechunk(units.typical()).data)
        else:
            variables = getattr(item, "variables", {"": getattr(item, "variable", item)})
            arrays += [data for v in variables.values() if isinstance(data := getattr(v, "data", v), da.Array)]
    if not arrays:
        raise ParameterError("give lazy images or results to plan for; these hold nothing that is still to be computed")
    return arrays, output, scratch


def _given(workers: int | None, threads: int | None, memory: Any) -> Workers:
    """The workers that are asked about."""
    if workers is None and threads is None and memory is None and (running := _running()) is not None:
        return running
    count, each = nprocesses_nthreads(CPU_COUNT)
    count = count if workers is None else as_count(workers, "workers")
    each = max(1, CPU_COUNT // count) if threads is None else as_count(threads, "threads")
    return Workers(count, each, MEMORY_LIMIT // count if memory is None else as_bytes(memory, "memory"))


def _running() -> Workers | None:
    """The workers of the cluster in force, each taken as the smallest of them."""
    try:
        client: Client = get_client()
    except ValueError:
        return None
    found = list(workers_of(client).values())
    if not found:
        return None
    limits = [w["memory_limit"] or MEMORY_LIMIT for w in found]
    return Workers(len(found), min(w["nthreads"] for w in found), min(limits))


def usable(memory: int) -> int:
    """The bytes of a worker's memory that tasks may fill."""
    return int(memory * float(setting("cluster.memory-share"))) - as_bytes(setting("cluster.worker-base"), "voxelrock.cluster.worker-base")


def fitted(found: Demand, workers: Workers) -> int:
    """How many tasks fit on each worker at once, no more than it has threads.

    Raises
    ------
    TooLargeError
        Not one.
    """
    fits = usable(workers.memory) // max(1, found.bytes_per_task)
    if fits < 1:
        raise TooLargeError(_refusal(found, workers.memory))
    return min(workers.threads, fits)


def _refusal(found: Demand, memory: int) -> str:
    base = as_bytes(setting("cluster.worker-base"), "voxelrock.cluster.worker-base")
    share = float(setting("cluster.memory-share"))
    need = (found.bytes_per_task + base) / share
    return (
        f"one task holds {describe_memory(found.bytes_per_task)}, and a worker of {describe_memory(memory)} has "
        f"{describe_memory(max(0, usable(memory)))} for tasks; give workers {describe_memory(math.ceil(need))} or more "
        "(fewer workers on a machine), or smaller blocks (image.rechunk(128), or vr.options.set(memory=…) before the image is opened)"
    )


def sized(cores: int, memory: int, found: Demand | None) -> Workers:
    """Processes that share ``cores`` and ``memory``, such that as many tasks as possible run at once; more processes where that is equal.

    Raises
    ------
    TooLargeError
        Not one task fits even if a single process has all of the memory.
    """
    processes, threads = nprocesses_nthreads(cores)
    if found is None:
        return Workers(processes, threads, memory // processes)
    best: Workers | None = None
    while processes:
        each = Workers(processes, max(1, cores // processes), memory // processes)
        fits = min(each.threads, usable(each.memory) // max(1, found.bytes_per_task))
        if fits >= 1 and (best is None or processes * fits > best.at_once):
            best = Workers(processes, fits, each.memory)
        processes //= 2
    if best is None:
        raise TooLargeError(_refusal(found, memory))
    return best
