"""The partial store: who writes it, what is written already, and how it becomes the store.

A save writes to a sibling ``.<name>.partial``. Its folder ``.voxelrock`` holds the owner (with a heartbeat), the fingerprint of what is
being written, and one small file for each unit whose bytes are safe. When all are, the partial takes the store's name in one step.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxelrock.errors import ExistsError, StorageError, UnfinishedError
from voxelrock.typing import Json, Triple

_BEAT, _DEAD_AFTER = 10.0, 120.0
_AT_FDCWD, _EXCHANGE = -100, 2


def partial_path(path: Path) -> Path:
    """Where a store is written before it is complete."""
    return path.with_name(f".{path.name}.partial")


def fsync_path(path: Path) -> None:
    """Have the system put a file (or the entries of a folder) on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Record:
    """The records of one partial store."""

    partial: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def folder(self) -> Path:
        """Where the records lie."""
        return self.partial / ".voxelrock"

    def mark(self, index: Triple) -> None:
        """Record that a unit is stored; its bytes must be safe already."""
        (self.folder / "done" / ".".join(map(str, index))).touch()

    def done(self) -> frozenset[Triple]:
        """The units that are stored."""
        names = (entry.name for entry in os.scandir(self.folder / "done")) if (self.folder / "done").exists() else ()
        return frozenset(tuple(int(n) for n in name.split(".")) for name in names)  # type: ignore[misc]

    def fingerprint(self) -> Json:
        """What the partial store was to hold."""
        try:
            return dict(json.loads((self.folder / "fingerprint.json").read_text()))
        except (OSError, ValueError):
            return {}

    def begin(self, fingerprint: Json) -> None:
        """Start the records of a new partial store."""
        (self.folder / "done").mkdir(parents=True, exist_ok=True)
        (self.folder / "fingerprint.json").write_text(json.dumps(fingerprint, indent=1))

    def owner(self) -> Json | None:
        """Who writes the partial, or None."""
        try:
            return dict(json.loads((self.folder / "owner.json").read_text()))
        except (OSError, ValueError):
            return None

    def alive(self) -> bool:
        """Whether the owner still lives: its process, or its heartbeat where it runs on another host."""
        owner = self.owner()
        if owner is None:
            return False
        if owner["host"] == socket.gethostname():
            return _runs(owner["pid"], owner["born"])
        try:
            return time.time() - (self.folder / "owner.json").stat().st_mtime < _DEAD_AFTER
        except OSError:
            return False

    def describe_owner(self) -> str:
        """The owner in words."""
        owner = self.owner() or {}
        job = f", job {owner['job']}" if owner.get("job") else ""
        return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}{job}"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the partial, with a heartbeat, for as long as the block runs.

        Raises
        ------
        UnfinishedError
            Another writer holds it.
        """
        self._take()
        stop = threading.Event()
        beat = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        beat.start()
        try:
            yield
        finally:
            stop.set()
            beat.join()
            if (self.owner() or {}).get("token") == self.token:
                (self.folder / "owner.json").unlink(missing_ok=True)

    def _take(self) -> None:
        place = self.folder / "owner.json"
        if place.exists() and self.alive():
            raise UnfinishedError(f"{self.partial} is being written by {self.describe_owner()}; wait for it, or stop it first")
        if place.exists():
            with suppress(FileNotFoundError):  # of two that take over, one finds nothing to rename
                os.rename(place, self.folder / f"dead-{self.token}.json")
        facts = {
            "token": self.token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "born": _born(os.getpid()),
            "job": os.environ.get("SLURM_JOB_ID", ""),
        }
        try:
            with open(place, "x") as file:
                json.dump(facts, file)
        except FileExistsError:
            raise UnfinishedError(f"{self.partial} was just taken over by {self.describe_owner()}") from None

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(_BEAT):
            try:
                os.utime(self.folder / "owner.json")
            except OSError:
                return

    def check_still_owned(self) -> None:
        """Raise ``UnfinishedError`` if another writer took over meanwhile."""
        if (self.owner() or {}).get("token") != self.token:
            raise UnfinishedError(f"{self.partial} was taken over by {self.describe_owner()}; this run ends here")


def _born(pid: int) -> str:
    """When a process started, in the kernel's clock; tells a process from a later one with its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def _runs(pid: int, born: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not born or _born(pid) in ("", born)


def publish(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Give a complete partial its name; an old store of that name disappears in the same step.

    Raises
    ------
    ExistsError
        The path exists and was not to be overwritten.
    """
    if path.exists() and not overwrite:
        raise ExistsError(f"{path} exists; pass overwrite=True to replace it (the finished image waits in {partial})")
    shutil.rmtree(partial / ".voxelrock")
    if path.exists():
        if not _exchange(partial, path):
            old = path.with_name(f".{path.name}.old")
            os.rename(path, old)
            os.rename(partial, path)
            partial = old
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
    else:
        os.rename(partial, path)
    fsync_path(path.parent)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step, where the system can."""
    try:
        libc: Any = ctypes.CDLL(None, use_errno=True)
        return bool(libc.renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _EXCHANGE) == 0)
    except (OSError, AttributeError):
        return False


def check_target(path: Path) -> None:
    """Raise ``StorageError`` unless the folder of a new store exists (it is made) and can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    if not os.access(path.parent, os.W_OK):
        raise StorageError(f"the folder {path.parent} is read-only; choose another path")
