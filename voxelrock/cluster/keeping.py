"""Keeping the workers of a cluster: those that are gone are replaced, and jobs that never start a worker are reported."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Status

from voxelrock.cluster.commands import tail, waiting_or_running
from voxelrock.cluster.settings import duration
from voxelrock.errors import ClusterError

_EVERY = 1.0
_FAILURES = 3
"""Jobs in a row that never started a worker, before no more are tried."""


class Keeper:
    """Looks after the workers of a cluster from a thread, every few seconds: what is gone for good is forgotten, so that Dask starts another."""

    def __init__(self, cluster: Any, every: float) -> None:
        self.cluster, self._every = cluster, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(self._every):
            with suppress(RuntimeError):  # SLURM's controller is busy (ClusterError), or workers come and go under our hands
                self.look()

    def look(self) -> None:
        """Replace what is gone."""
        raise NotImplementedError

    def replace(self, name: Any, worker: Any) -> None:
        """Forget a worker or a job that is gone, and start another in its place."""

        def forget() -> None:
            if self.cluster.workers.get(name) is worker:
                del self.cluster.workers[name]
            self.cluster._correct_state()

        self.cluster.loop.add_callback(forget)


class ProcessKeeper(Keeper):
    """For processes of this machine: a nanny whose worker is killed while it starts gives up, and Dask would wait for ever without it."""

    def __init__(self, cluster: Any) -> None:
        super().__init__(cluster, _EVERY)

    def look(self) -> None:
        """Replace nannies that have given up."""
        for name, nanny in list(self.cluster.workers.items()):
            if nanny.status in (Status.closed, Status.failed):
                self.replace(name, nanny)
        if self.cluster.worker_spec.keys() - self.cluster.workers.keys():  # Dask has forgotten one itself
            self.cluster.loop.add_callback(self.cluster._correct_state)


class JobKeeper(Keeper):
    """For jobs of SLURM: one that SLURM does not know any more is forgotten, so that the cluster submits another.

    Dask replaces a killed job only where the number of jobs follows the load, and never where a job has several workers.
    """

    def __init__(self, cluster: Any, logs: Path) -> None:
        super().__init__(cluster, duration("slurm.look-every"))
        self.logs = logs
        self.failed: list[str] = []
        self._begun = time.monotonic()
        self._told = False

    def look(self) -> None:
        """Replace jobs that are gone; give up after some that never started a worker."""
        known = waiting_or_running()
        joined = {str(w["name"]) for w in self.cluster.scheduler_info["workers"].values()}
        for name, job in list(self.cluster.workers.items()):
            started = any(j == str(name) or j.startswith(f"{name}-") for j in joined)
            if started:
                self.failed.clear()
            elif job.job_id is not None and str(job.job_id) not in known:
                if not getattr(job, "voxelrock_seen", False):
                    self.failed.append(str(job.job_id))
                if len(self.failed) < _FAILURES:
                    self.replace(name, job)
            if started:
                job.voxelrock_seen = True
        if self.cluster.worker_spec.keys() - self.cluster.workers.keys():  # Dask has forgotten one itself
            self.cluster.loop.add_callback(self.cluster._correct_state)
        if len(self.failed) >= _FAILURES:
            print(f"voxelrock: {self.trouble()}", file=sys.stderr, flush=True)
            self._over.set()

    def trouble(self) -> str:
        """What is the matter with jobs that end before they start a worker."""
        last = self.failed[-1]
        logs = sorted(self.logs.glob(f"*-{last}.*"))
        return f"{len(self.failed)} jobs ended before a worker started (the last was {last}); {tail(logs)}"

    def check(self) -> None:
        """Raise ``ClusterError`` where no worker will come; say once what is waited for."""
        if len(self.failed) >= _FAILURES:
            raise ClusterError(self.trouble())
        if time.monotonic() - self._begun > duration("slurm.queue-wait"):
            raise ClusterError("no job has started within voxelrock.slurm.queue-wait; see squeue, or choose another partition")
        if not self._told:
            self._told = True
            print(f"waiting for the first of {len(self.cluster.worker_spec)} jobs of workers", file=sys.stderr, flush=True)
