"""Workers as jobs of SLURM."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dask import config

from voxelrock import extras
from voxelrock.cluster.certificates import make_certificate, read_certificate, remove_certificate
from voxelrock.cluster.clients import ClusterClient
from voxelrock.cluster.commands import check_partition, check_script, walltime_seconds
from voxelrock.cluster.keeping import JobKeeper
from voxelrock.cluster.machines import LOOPBACK
from voxelrock.cluster.planning import Workers, sized, wanted
from voxelrock.cluster.settings import as_bytes, as_count, duration, folder, setting
from voxelrock.errors import ParameterError
from voxelrock.graph.demand import Demand


@dataclass(frozen=True)
class Queue:
    """Jobs of one kind. What is None stands in ``jobqueue.slurm`` of Dask's configuration.

    Parameters
    ----------
    partition
        SLURM's partition.
    jobs
        How many; a pair is the least and the most of a number that follows the load.
    cores, memory
        Of each job; memory in bytes, or text such as "64 GB".
    walltime
        Of each job, as SLURM writes it: minutes, "HH:MM:SS" or "D-HH:MM:SS".
    gpu
        Ask for one GPU a job (``--gres=gpu:1``); its worker does one task at a time, and offers the resource ``GPU``.
    directives
        More options of ``sbatch``, such as "--constraint=ib".
    """

    partition: str | None = None
    jobs: int | tuple[int, int] | None = None
    cores: int | None = None
    memory: Any = None
    walltime: str | None = None
    gpu: bool = False
    directives: tuple[str, ...] = ()

    def filled(self) -> Queue:
        """With what the configuration says where nothing was said, and checked.

        Raises
        ------
        ParameterError
            Something is missing, or is no size of a job.
        """
        found = {name: getattr(self, name) for name in ("cores", "memory", "walltime")}
        for name, value in found.items():
            found[name] = config.get(f"jobqueue.slurm.{name}") if value is None else value
            if found[name] is None:
                raise ParameterError(f"say what {name} each job has: {name}=…, or {name} under jobqueue: slurm: in ~/.config/dask/jobqueue.yaml")
        jobs = setting("slurm.jobs") if self.jobs is None else self.jobs
        pair = tuple(jobs) if isinstance(jobs, Sequence) else (jobs, jobs)
        if len(pair) != 2 or as_count(pair[0], "jobs") > as_count(pair[1], "jobs"):
            raise ParameterError(f"jobs is a number, or a pair of the least and the most; got {jobs!r}")
        walltime_seconds(found["walltime"])
        place = self.partition or config.get("jobqueue.slurm.queue")
        cores, memory = as_count(found["cores"], "cores"), as_bytes(found["memory"], "memory")
        return Queue(place, (int(pair[0]), int(pair[1])), cores, memory, str(found["walltime"]), self.gpu, self.directives)

    def options(self, found: Demand | None) -> dict[str, Any]:
        """What dask-jobqueue makes a job of, with workers that suit what will be computed."""
        assert self.cores is not None
        workers = Workers(1, 1, self.memory) if self.gpu else sized(self.cores, self.memory, found)
        seconds, margin = walltime_seconds(str(self.walltime)), duration("slurm.margin")
        extra = ["--no-dashboard", *(["--lifetime", f"{int(seconds - margin)}s"] if seconds > 4 * margin else [])]
        site = list(config.get("jobqueue.slurm.job-extra-directives") or [])
        return {
            "queue": self.partition,
            "processes": workers.count,
            "cores": workers.at_once,
            "job_cpu": self.cores,
            "memory": f"{self.memory} B",
            "walltime": self.walltime,
            "job_extra_directives": [*site, *(["--gres=gpu:1"] if self.gpu else []), *self.directives],
            "worker_extra_args": [*(config.get("jobqueue.slurm.worker-extra-args") or []), *extra, *(["--resources", "GPU=1"] if self.gpu else [])],
        }


def slurm(*results: Any, partition: str | None = None, jobs: int | tuple[int, int] | None = None, cores: int | None = None, memory: Any = None,
          walltime: str | None = None, beside: Sequence[Queue] = ()) -> ClusterClient:  # fmt: skip
    """Start workers as jobs of SLURM, and connect to them; the scheduler runs in this process.

    What is not given stands under ``jobqueue: slurm:`` in Dask's files (``~/.config/dask/jobqueue.yaml``, or a site's ``/etc/dask``), so that
    it is written once. Scheduler and workers speak through TLS with a certificate of this run, which its owner alone can read. Jobs that are
    killed or reach their walltime are replaced; after three that never started a worker, the error shows the end of their log.

    Parameters
    ----------
    results
        Lazy images and results that will be computed: workers are sized so that their blocks fit.
    partition, cores, memory, walltime
        Of each job.
    jobs
        How many; a pair is the least and the most of a number that follows the load.
    beside
        Further queues with workers of the same cluster: other partitions, or jobs with a GPU each.

    Returns
    -------
    distributed.Client
        Use it in a ``with`` statement: at its end the jobs are cancelled and the certificate is removed. Computing waits for a first worker.

    Raises
    ------
    ClusterError
        There is no SLURM on the path, no such partition, or no node that could ever run such a job.
    TooLargeError
        Not one task of the results fits into a job's memory.
    ParameterError
        Something is missing, or is no size of a job.
    MissingPackageError
        dask-jobqueue or cryptography is not installed.

    Examples
    --------
    >>> import voxelrock as vr
    >>> with vr.cluster.slurm(scan, partition="short", jobs=8, cores=16, memory="64 GB", walltime="02:00:00") as client:  # doctest: +SKIP
    ...     vr.save(vr.filters.median(scan, radius_vx=1), "/shared/quiet.zarr")
    """
    jobqueue = extras.require("dask_jobqueue", extra="slurm")
    main = Queue(partition, jobs, cores, memory, walltime).filled()
    others = [queue.filled() for queue in beside]
    if others and main.jobs != (main.jobs[1],) * 2:  # type: ignore[index]
        raise ParameterError("a number of jobs that follows the load is for one queue; with beside= give each a number")
    for queue in (main, *others):
        check_partition(queue.partition, str(queue.walltime))
    found = wanted(results)
    place = folder("slurm.folder")
    run = make_certificate(place) if setting("slurm.tls") else None
    try:
        common = _common(place, run)
        shapes = [common | queue.options(found) for queue in (main, *others)]
        for shape in shapes:
            check_script(jobqueue.slurm.SLURMJob("tls://127.0.0.1:1", name="test", **{k: v for k, v in shape.items() if k not in _CLUSTER}).job_script())
        cluster = jobqueue.SLURMCluster(**shapes[0])
    except BaseException:
        if run is not None:
            remove_certificate(run)
        raise
    return _started(cluster, [main, *others], shapes, run)


_CLUSTER = ("security", "scheduler_options", "silence_logs")


def _common(place: Path, run: Path | None) -> dict[str, Any]:
    """What all jobs share."""
    logs = Path(config.get("jobqueue.slurm.log-directory") or place / "logs")
    logs.mkdir(parents=True, exist_ok=True)
    scheduler = {"dashboard_address": f"{LOOPBACK}:0"} | (config.get("jobqueue.slurm.scheduler-options") or {})
    return {
        "python": config.get("jobqueue.slurm.python") or sys.executable,
        "log_directory": str(logs),
        "security": None if run is None else read_certificate(run),
        "protocol": None if run is None else "tls://",
        "scheduler_options": scheduler,
        "job_name": "voxelrock-worker",
    }


def _started(cluster: Any, queues: list[Queue], shapes: list[dict[str, Any]], run: Path | None) -> ClusterClient:
    least, most = queues[0].jobs  # type: ignore[misc]
    for number, (queue, shape) in enumerate(zip(queues[1:], shapes[1:])):
        options = {**cluster.new_spec["options"], **{k: v for k, v in shape.items() if k not in _CLUSTER}}
        spec = {"cls": cluster.new_spec["cls"], "options": options}
        if shape["processes"] > 1:
            spec["group"] = [f"-{i}" for i in range(shape["processes"])]
        for job in range(queue.jobs[1]):  # type: ignore[index]
            cluster.worker_spec[f"{queue.partition or 'queue'}-{number}-{job}"] = spec
    keeper = JobKeeper(cluster, Path(shapes[0]["log_directory"]))
    client = ClusterClient(cluster, waiting=keeper.check, ending=partial(_ended, keeper, run))
    if least == most:
        cluster.scale(jobs=len(cluster.worker_spec) + most)
    else:
        cluster.adapt(minimum_jobs=least, maximum_jobs=most)
    keeper.start()
    _tell(client, run)
    return client.checked()


def _ended(keeper: JobKeeper, run: Path | None) -> None:
    keeper.stop()
    if run is not None:
        remove_certificate(run)


def _tell(client: ClusterClient, run: Path | None) -> None:
    """How to reach the dashboard, and how another process joins."""
    port = client.cluster.scheduler.http_server.port if client.cluster.scheduler.http_server else None
    lines = [f"dashboard: ssh -N -L 8787:{LOOPBACK}:{port} {getpass.getuser()}@{socket.gethostname()}, then http://localhost:8787/status"] if port else []
    if run is not None:
        lines.append(f'join: vr.cluster.connect("{client.scheduler.address}", certificate="{run}")')
    print("\n".join(lines), file=sys.stderr, flush=True)
