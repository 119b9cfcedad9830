"""Clusters on this machine, and clusters that run already."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dask import config
from dask.system import CPU_COUNT
from distributed import LocalCluster, Nanny, Scheduler, SpecCluster
from distributed.system import MEMORY_LIMIT

from voxelrock.cluster.certificates import read_certificate
from voxelrock.cluster.clients import ClusterClient
from voxelrock.cluster.keeping import ProcessKeeper
from voxelrock.cluster.planning import Workers, fitted, sized, wanted
from voxelrock.cluster.settings import as_bytes, as_count
from voxelrock.errors import ClusterError, MissingFileError, MissingPackageError, ParameterError
from voxelrock.kernels import backend

LOOPBACK = "127.0.0.1"


def local(*results: Any, workers: int | None = None, threads: int | None = None, memory: Any = None, dashboard: bool = True) -> ClusterClient:
    """Start a cluster of processes on this machine, and connect to it.

    It listens on the loopback interface alone: a scheduler of Dask runs any code that reaches it.

    Parameters
    ----------
    results
        Lazy images and results that will be computed: workers are sized so that their blocks fit. None: one thread for each core.
    workers, threads
        How many processes, and threads of each; by default what fits best on the cores.
    memory
        The memory that all workers have together (bytes, or text such as "16 GB"); by default this machine's.
    dashboard
        Serve Dask's dashboard (``client.dashboard_link``), where Bokeh is installed.

    Returns
    -------
    distributed.Client
        Use it in a ``with`` statement: at its end client and workers are gone.

    Raises
    ------
    TooLargeError
        Not one task of the results fits.
    ParameterError
        Numbers that are no sizes of workers.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.zeros(shape=64, dtype="u1")
    >>> with vr.cluster.local(image, workers=1, threads=1, memory="2 GB") as client:
    ...     float(vr.statistics.summary(image)["mean"])
    0.0
    """
    chosen = _workers(results, workers, threads, MEMORY_LIMIT if memory is None else as_bytes(memory, "memory"))
    cluster = LocalCluster(
        n_workers=chosen.count,
        threads_per_worker=chosen.threads,
        memory_limit=chosen.memory,
        host=LOOPBACK,
        dashboard_address=f"{LOOPBACK}:0",
        worker_dashboard_address=f"{LOOPBACK}:0" if dashboard else None,
        scheduler_kwargs={} if dashboard else {"dashboard": False},
    )
    return _kept(cluster)


def _kept(cluster: SpecCluster) -> ClusterClient:
    """A client of processes that are replaced when they are gone."""
    keeper = ProcessKeeper(cluster)
    keeper.start()
    return ClusterClient(cluster, ending=keeper.stop).checked()


def _workers(results: tuple[Any, ...], workers: int | None, threads: int | None, memory: int) -> Workers:
    found = wanted(results)
    if workers is None and threads is None:
        return sized(CPU_COUNT, memory, found)
    count = as_count(workers, "workers") if workers is not None else max(1, CPU_COUNT // as_count(threads, "threads"))
    each = as_count(threads, "threads") if threads is not None else max(1, CPU_COUNT // count)
    given = Workers(count, each, memory // count)
    return given if found is None else Workers(count, fitted(found, given), given.memory)


def connect(address: str | None = None, /, *, certificate: str | Path | None = None, timeout: float = 30) -> ClusterClient:
    """Connect to a cluster that runs already; its workers stay when the client closes.

    Parameters
    ----------
    address
        Of its scheduler, such as "tcp://node17:8786" or "tls://…", or the path of its scheduler file; by default that of Dask's configuration.
    certificate
        The folder of the run's certificate, for a cluster that lets in only who has it.
    timeout
        Seconds to wait for an answer.

    Returns
    -------
    distributed.Client
        Its workers were checked: they have the version of voxelrock that this process has.

    Raises
    ------
    ClusterError
        Nobody answers, the certificate is not the run's, or a worker has no voxelrock or another version.
    MissingFileError
        There is no certificate in the folder.
    ParameterError
        No address is given or configured.

    Examples
    --------
    >>> import voxelrock as vr
    >>> with vr.cluster.connect("tcp://node17:8786") as client:  # doctest: +SKIP
    ...     vr.save(vr.filters.median(scan, radius_vx=1), "/shared/quiet.zarr")
    """
    security = read_certificate(Path(certificate)) if certificate is not None else None
    where: dict[str, Any] = {"address": address}
    if address is not None and "://" not in address and ("/" in address or address.endswith(".json")):
        if not Path(address).is_file():
            raise MissingFileError(f"there is no scheduler file {address}")
        where = {"scheduler_file": address}
    elif address is None and not _configured():
        raise ParameterError(
            "give the address of a scheduler, or write scheduler-address into a file of ~/.config/dask; vr.cluster.local() starts workers here"
        )
    hint = "" if security is not None else "; a run that wants its certificate (tls://…) is joined with certificate="
    place = _address_in(address) if "scheduler_file" in where else address or _configured()
    if security is None and str(place).startswith("tls://") and not config.get("distributed.comm.tls.ca-file", None):
        raise ClusterError(f"no scheduler answers at {place} without a certificate{hint}")  # Dask's client would fail half made, and stay in force
    try:
        client = ClusterClient(**where, security=security, timeout=timeout)
    except (OSError, TimeoutError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"no scheduler answers at {place} ({words}){hint}") from error
    return client.checked()


def _address_in(file: str | None) -> str:
    """The address in a scheduler file; empty while it is being written."""
    try:
        return str(json.loads(Path(str(file)).read_text())["address"])
    except (OSError, ValueError, KeyError):
        return ""


def _configured() -> str:
    """The address in Dask's configuration; empty if there is none."""
    return str(config.get("scheduler-address", None) or "")


def gpu(*results: Any, memory: Any = None) -> ClusterClient:
    """Start one worker for each CUDA device of this machine, and connect to them; has not been measured on a device yet.

    Each worker sees its own device only (``CUDA_VISIBLE_DEVICES``), does one task at a time, and offers the resource ``GPU`` once.

    Parameters
    ----------
    results
        Lazy images and results that will be computed: refused where a task does not fit into a worker's host memory.
    memory
        Host memory that all workers have together; by default this machine's.

    Returns
    -------
    distributed.Client
        Use it in a ``with`` statement.

    Raises
    ------
    MissingPackageError
        CuPy is not installed, or finds no device.
    TooLargeError
        Not one task of the results fits.

    Examples
    --------
    >>> import voxelrock as vr
    >>> with vr.cluster.gpu() as client:  # doctest: +SKIP
    ...     vr.save(vr.filters.median(scan, radius_vx=1), "quiet.zarr")
    """
    module: Any = backend.device_module()
    if module is None:
        raise MissingPackageError(
            "this machine has no CUDA device that CuPy can use (pip install 'voxelrock[gpu]', and a driver); vr.cluster.local() computes on cores"
        )
    count = int(module.cuda.runtime.getDeviceCount())
    total = MEMORY_LIMIT if memory is None else as_bytes(memory, "memory")
    chosen = _workers(results, count, 1, total)
    return _kept(_device_cluster(chosen))


def _device_names(count: int) -> list[str]:
    """What to write into ``CUDA_VISIBLE_DEVICES`` for each device that this process sees: it may have been given some of the machine's alone."""
    given = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return given[:count] if len(given) >= count else [str(n) for n in range(count)]


def _device_cluster(workers: Workers) -> SpecCluster:
    """One process for each device, on the loopback interface."""
    names = _device_names(workers.count)
    common = {"nthreads": 1, "memory_limit": workers.memory, "host": LOOPBACK, "resources": {"GPU": 1}, "dashboard_address": f"{LOOPBACK}:0"}
    spec = {n: {"cls": Nanny, "options": {**common, "env": {"CUDA_VISIBLE_DEVICES": name}}} for n, name in enumerate(names)}
    scheduler = {"cls": Scheduler, "options": {"host": LOOPBACK, "dashboard_address": f"{LOOPBACK}:0"}}
    return SpecCluster(workers=spec, scheduler=scheduler, name="voxelrock-gpu")
