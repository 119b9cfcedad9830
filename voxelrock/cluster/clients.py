"""Clients whose workers are checked before they compute, and whose cluster ends with them."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker, WorkerPlugin

import voxelrock
from voxelrock import options
from voxelrock.cluster.settings import duration
from voxelrock.errors import ClusterError, MissingPackageError, StorageError
from voxelrock.graph import overseers
from voxelrock.graph.layers import varies

_VERSION = "__import__('voxelrock').__version__"
_DEVICE = "__import__('voxelrock.kernels.backend', fromlist=['backend']).device_module() is not None"
_TOPIC = "voxelrock"
_POLL = 0.3
_MOMENT = 0.5
_LATE = 3.0
"""Seconds that a folder on a network may take to show a new file."""


def workers_of(client: Client) -> dict[str, Any]:
    """What the scheduler says of each worker, by address; asked anew (what ``Client.scheduler_info`` gives is overwritten under its hands)."""
    return dict(client.sync(client.scheduler.identity, n_workers=-1)["workers"])


def _settings() -> dict[str, Any]:
    """The options of this process that workers heed."""
    return {k: v for k, v in asdict(options.get()).items() if k in ("device", "memory", "scratch")}


def _admission(values: dict[str, Any]) -> WorkerPlugin:
    """What gives workers, also those that come later, these options, and sends away who has no voxelrock or another version.

    A class within a function travels as code: a worker that lacks voxelrock can run it all the same.
    """
    topic, wanted = _TOPIC, voxelrock.__version__

    class Admission(WorkerPlugin):
        name = "voxelrock-admission"

        def setup(self, worker: Any) -> None:
            try:
                found = import_module("voxelrock").__version__
            except ImportError as error:
                found = f"none ({error})"
            if found == wanted:
                import_module("voxelrock.options").set(**values)
                return
            text = f"the worker {worker.address} was sent away: it has voxelrock {found}, and this run {wanted}; install the same version there"
            worker.log_event(topic, text)
            worker.loop.add_callback(worker.close, reason=text)

    return Admission()


def _tell(event: Any) -> None:
    """Pass on what workers said."""
    print(f"voxelrock: {event[1] if isinstance(event, tuple) else event}", file=sys.stderr, flush=True)


class ClusterClient(Client):
    """A Dask client that is a context manager over its cluster too: at the end of the block both are closed.

    While it is the current client, what voxelrock computes runs on workers that were checked, and progress is asked of its scheduler.
    """

    cluster: Any
    _inspector: Inspector | None = None

    def __init__(self, *args: Any, waiting: Callable[[], None] | None = None, ending: Callable[[], None] | None = None, **keywords: Any) -> None:
        self._ending = ending
        super().__init__(*args, **keywords)
        self._inspector = Inspector(self, waiting)
        overseers.register(self._inspector)

    def close(self, *args: Any, **keywords: Any) -> Any:
        """Close the client and, where it was started with it, the cluster."""
        if self._inspector is not None:
            overseers.withdraw(self._inspector)
        cluster, self.cluster = self.cluster, None
        try:
            return super().close(*args, **keywords)
        finally:
            if cluster is not None:
                cluster.close()
            ending, self._ending = self._ending, None
            if ending is not None:
                ending()

    def checked(self) -> ClusterClient:
        """Check the workers that are there; closes everything where they are unfit.

        Raises
        ------
        ClusterError, MissingPackageError
            As :meth:`Inspector.check`.
        """
        try:
            assert self._inspector is not None
            self._inspector.check_workers()
            self.subscribe_topic(_TOPIC, _tell)
            self._inspector.settle({})
        except BaseException:
            self.close()
            raise
        return self


class Inspector:
    """The overseer of one client."""

    def __init__(self, client: Client, waiting: Callable[[], None] | None = None) -> None:
        self.client, self.address = client, client.scheduler.address
        self._waiting = waiting
        self._verified: set[str] = set()
        self._settled: dict[str, Any] = {}

    def oversees(self, get: Any) -> bool:
        """Whether ``get`` is that client's."""
        return getattr(get, "__self__", None) is self.client

    def workers(self) -> dict[str, Any]:
        """What the scheduler says of each worker, by address."""
        return workers_of(self.client)

    def run(self, tasks: dict[Any, Any], keys: list[Any]) -> list[Any]:
        """Compute, on workers that fit.

        Raises
        ------
        ClusterError
            The workers are unfit, or died again and again under one task.
        """
        self.check()
        self.settle(tasks)
        try:
            return list(self.client.get(tasks, keys))
        except KilledWorker as error:
            raise ClusterError(
                f"the task {error.task} was tried on {error.allowed_failures + 1} workers that all died, the last on {error.last_worker.address}: they ran out "
                "of memory (see vr.cluster.plan; give workers more, or make blocks smaller), were killed, or cannot import what the task needs; "
                "what was saved stays: save again with resume=True"
            ) from error
        except CancelledError as error:
            raise ClusterError(
                f"the scheduler at {self.address} was restarted, or is gone, and with it what was being computed; "
                "what was saved stays: connect again, and save with resume=True"
            ) from error

    def check(self) -> None:
        """Wait for a first worker, and check all.

        Raises
        ------
        ClusterError
            No worker comes; one has no voxelrock, or another version; none offers the resources that are asked for.
        MissingPackageError
            ``options.device`` is ``"gpu"``, and no worker has one.
        """
        self.wait()
        self.check_workers()
        self._check_resources()
        if options.get().device == "gpu":
            self._check_devices()

    def settle(self, tasks: dict[Any, Any]) -> None:
        """Give workers, also those that come later, the options of this process as they are now.

        Where only some workers have a device, tasks whose results differ from device to device all run on the host: one last digit before a
        threshold is another label after it.
        """
        values = _settings()
        if values["device"] == "auto" and varies(tasks) and len(set(self._devices().values())) > 1:
            values["device"] = "cpu"
        if values != self._settled:
            self.client.register_plugin(_admission(values))
            self._settled = values

    def device(self) -> str:
        """``"gpu"`` or ``"cpu"``: where tasks run whose last digits depend on it; on the host unless every worker has a device."""
        wanted = options.get().device
        if wanted != "auto":
            return wanted
        self.wait()
        return "gpu" if set(self._devices().values()) == {True} else "cpu"

    def _devices(self) -> dict[str, bool]:
        """Whether each worker has a device, by address."""
        return {address: answer is True for address, answer in self.client.run(eval, _DEVICE, on_error="return").items()}

    def wait(self) -> None:
        """Wait until a worker is there."""
        end = time.monotonic() + duration("cluster.wait")
        while not self.workers():
            if self._waiting is not None:
                self._waiting()
            elif time.monotonic() > end:
                raise ClusterError(f"the cluster at {self.client.scheduler.address} has no workers; start some, or connect to another")
            time.sleep(_POLL)

    def check_workers(self) -> None:
        """Raise ``ClusterError`` where the scheduler, or a worker that was not seen before, has no voxelrock or another version."""
        if self.address not in self._verified:
            try:
                answer = self.client.run_on_scheduler(eval, _VERSION)
            except ImportError as error:
                answer = error
            self._judge("scheduler", self.address, answer)
        new = self.workers().keys() - self._verified
        answers = self.client.run(eval, _VERSION, workers=sorted(new), on_error="return") if new else {}
        for address, answer in sorted(answers.items()):
            if not isinstance(answer, OSError):  # else it is gone
                self._judge("worker", address, answer)

    def _judge(self, kind: str, address: str, answer: Any) -> None:
        if isinstance(answer, BaseException):
            raise ClusterError(
                f"the {kind} {address} cannot import voxelrock ({answer}); start it in the environment of this process, "
                f"or install voxelrock {voxelrock.__version__} in its own"
            )
        if answer != voxelrock.__version__:
            raise ClusterError(f"the {kind} {address} has voxelrock {answer}, and this process {voxelrock.__version__}; install the same version in both")
        self._verified.add(address)

    def _check_resources(self) -> None:
        wanted = dask.get_annotations().get("resources") or {}
        offered = [w.get("resources") or {} for w in self.workers().values()]
        if wanted and not any(all(o.get(name, 0) >= amount for name, amount in wanted.items()) for o in offered):
            have = ", ".join(sorted({f"{name} {amount:g}" for o in offered for name, amount in o.items()})) or "none"
            asked = ", ".join(f"{name} {amount:g}" for name, amount in wanted.items())
            raise ClusterError(
                f"the tasks ask for the resources {asked}, and no worker offers them (offered: {have}); Dask would wait for ever: start such workers"
            )

    def _check_devices(self) -> None:
        answers = self._devices()
        lacking = sorted(address for address, there in answers.items() if not there)
        if lacking:
            raise MissingPackageError(
                f"options.device is 'gpu', and {len(lacking)} of {len(answers)} workers have no CUDA device that CuPy can use (one is {lacking[0]}); "
                "start workers with one each, or set options.device to 'auto' or 'cpu'"
            )

    def check_folder(self, folder: Path) -> None:
        """Raise ``StorageError`` unless all workers that are there see a file that this process puts into the folder."""
        if not self.workers():
            return
        self.check_workers()
        mark = folder / f".seen-{uuid.uuid4().hex}"
        mark.touch()
        try:
            blind = self._blind(str(mark))
        finally:
            mark.unlink(missing_ok=True)
        if blind:
            raise StorageError(
                f"the folder {folder} is not the same for all workers: {len(blind)} do not see what this process puts there (one is {blind[0]}); "
                "choose a folder on a file system that all nodes share (for scratch, set options.scratch)"
            )

    def _blind(self, mark: str) -> list[str]:
        end = time.monotonic() + _LATE
        while True:
            found = self.client.run(os.path.exists, mark, on_error="return")
            blind = sorted(address for address, seen in found.items() if seen is False)
            if not blind or time.monotonic() > end:
                return blind
            time.sleep(_POLL)

    def unused(self, names: frozenset[str] | None) -> bool:
        """Whether the scheduler has no task of these names (None: of any) to do or in memory; results that were just given back are let go in a moment."""
        busy, end = _busy(), time.monotonic() + _MOMENT
        with suppress(Exception):  # the scheduler is gone: whoever computes is told
            while self.client.run_on_scheduler(busy, None if names is None else sorted(names)):
                if time.monotonic() > end:
                    return False
                time.sleep(_MOMENT / 10)
            return True
        return False

    @contextmanager
    def counting(self, names: frozenset[str], update: Callable[[int], None]) -> Iterator[None]:
        """Ask the scheduler how many tasks of these names are finished, a few times a second."""
        stop = threading.Event()
        poll = threading.Thread(target=partial(self._poll, names, update, stop), daemon=True)
        poll.start()
        try:
            yield
        finally:
            stop.set()
            poll.join()

    def _poll(self, names: frozenset[str], update: Callable[[int], None], stop: threading.Event) -> None:
        count, seen = _counter(), dict[str, tuple[int, int]]()
        while not stop.wait(_POLL):
            with suppress(Exception):  # the scheduler is busy, or gone: whoever waits for results is told
                found = self.client.run_on_scheduler(count, sorted(names))
                gone = {name: (total, total) for name, (_, total) in seen.items() if name not in found}
                seen |= gone | found
                update(sum(done for done, _ in seen.values()))


def _counter() -> Callable[..., dict[str, tuple[int, int]]]:
    """What runs on the scheduler: a function within a function travels as code, so that the scheduler needs no voxelrock."""

    def count(names: list[str], dask_scheduler: Any = None) -> dict[str, tuple[int, int]]:
        found = {}
        for name in names:
            group = dask_scheduler.task_groups.get(name)
            if group is not None:
                states = dict(group.states)
                done = sum(states.get(kind, 0) for kind in ("memory", "released", "forgotten"))
                found[name] = done, sum(states.values())
        return found

    return count


def _busy() -> Callable[..., bool]:
    """As :func:`_counter`."""

    def busy(names: list[str] | None, dask_scheduler: Any = None) -> bool:
        known = dask_scheduler.task_groups
        groups = list(known.values()) if names is None else [known[name] for name in names if name in known]
        return any(count for group in groups for state, count in group.states.items() if state not in ("released", "forgotten", "erred"))

    return busy
