"""The partial store: who writes it, what is written already, and how it becomes the store.

A save writes to a sibling ``.<name>.partial``. Its folder ``.voxelrock`` holds who owns it (with a heartbeat), the fingerprint of what is
being written, and one small file for each unit whose bytes are safe. When all are, the partial takes the store's name in one step.

Ownership is a chain of claims: the first is ``owner.json``, and whoever succeeds an owner that died links ``after-<its token>.json``. A
link can be made once, so of any number that try to succeed the same owner, one does.
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxelrock.errors import ExistsError, StorageError, UnfinishedError
from voxelrock.storage.files import explained, fsync_path, fsync_store, place_file
from voxelrock.typing import Json, Triple

_BEAT, _DEAD_AFTER = 10.0, 120.0
_AT_FDCWD, _EXCHANGE = -100, 2
_held: set[str] = set()  # the tokens of this process's own claims


def partial_path(path: Path) -> Path:
    """Where a store is written before it is complete."""
    return path.with_name(f".{path.name}.partial")


def _read(place: Path) -> Json:
    try:
        return dict(json.loads(place.read_text()))
    except (OSError, ValueError):
        return {}


@dataclass(frozen=True)
class Record:
    """The records of one partial store, as one run sees them."""

    partial: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def folder(self) -> Path:
        """Where the records lie."""
        return self.partial / ".voxelrock"

    @property
    def staging(self) -> Path:
        """Where this run writes files before they get their names."""
        return self.folder / f"staging-{self.token}"

    def place(self, key: str, parts: Any, *, flush: bool = True) -> int:
        """Put a file into the partial store, safely; gives its size."""
        return place_file(self.partial / key, self.staging, parts, flush=flush)

    def mark(self, index: Triple, files: Mapping[str, int]) -> None:
        """Record that a unit is stored, in files of these sizes; their bytes must be safe already.

        The mark itself is not flushed: one that is lost costs its unit being computed again, one that is torn is no mark.
        """
        self.place(f".voxelrock/done/{'.'.join(map(str, index))}", [json.dumps(files).encode()], flush=False)

    def marked(self) -> int:
        """How many units are marked as stored."""
        with suppress(OSError):
            return len(os.listdir(self.folder / "done"))
        return 0

    def done(self) -> frozenset[Triple]:
        """The units that are stored: marked, and their files are there with the size that they had."""
        if not self.marked():
            return frozenset()
        found = {entry.name: _read(Path(entry.path)) for entry in os.scandir(self.folder / "done")}
        whole = (name for name, files in found.items() if files and all(self._has(f, size) for f, size in files.items()))
        return frozenset(tuple(int(n) for n in name.split(".")) for name in whole)  # type: ignore[misc]

    def _has(self, key: str, size: int) -> bool:
        try:
            return (self.partial / key).stat().st_size == size
        except OSError:
            return False

    def fingerprint(self) -> Json:
        """What the partial store is to hold; nothing if it was not begun."""
        return _read(self.folder / "fingerprint.json")

    def begin(self, fingerprint: Json) -> None:
        """Say what the partial store will hold; from now on it can be resumed."""
        self.place(".voxelrock/fingerprint.json", [json.dumps(fingerprint, indent=1).encode()])

    def clear(self) -> None:
        """Remove what an earlier run left, all but the claims."""
        for entry in list(os.scandir(self.partial)):
            if entry.name != ".voxelrock":
                _remove(Path(entry.path))
        for entry in list(os.scandir(self.folder)):
            if Path(entry.path) != self.staging and not entry.name.endswith(".json"):
                _remove(Path(entry.path))
        (self.folder / "fingerprint.json").unlink(missing_ok=True)

    def _claims(self) -> Iterator[tuple[Path, Json]]:
        place = self.folder / "owner.json"
        while facts := _read(place):
            yield place, facts
            place = self.folder / f"after-{facts['token']}.json"

    def owner(self) -> Json | None:
        """Who claimed the partial last, or None."""
        return next(reversed([facts for _, facts in self._claims()]), None)

    def alive(self) -> bool:
        """Whether the owner still lives: its process, or its heartbeat where it runs on another host."""
        claims = list(self._claims())
        return bool(claims) and _lives(*claims[-1])

    def describe_owner(self) -> str:
        """The owner in words."""
        owner = self.owner() or {}
        job = f", job {owner['job']}" if owner.get("job") else ""
        return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}{job}"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the partial, with a heartbeat, for as long as the block runs; what an earlier run has under way can no longer land.

        Raises
        ------
        UnfinishedError
            Another writer holds it.
        """
        claim = self._claim()
        for entry in list(os.scandir(self.folder)):
            if entry.name.startswith("staging-") and entry.name != self.staging.name:
                shutil.rmtree(entry.path, ignore_errors=True)
        stop = threading.Event()
        beat = threading.Thread(target=_beat, args=(claim, stop), daemon=True)
        beat.start()
        try:
            yield
        finally:
            stop.set()
            beat.join()
            _held.discard(self.token)
            self._release(claim)

    def _claim(self) -> Path:
        claims = list(self._claims())  # read once: the owner that is found dead is the one that is succeeded
        if claims and _lives(*claims[-1]):
            raise UnfinishedError(f"{self.partial} is being written by {self.describe_owner()}; wait for it, or stop it first")
        claim = self.folder / (f"after-{claims[-1][1]['token']}.json" if claims else "owner.json")
        ready = self.staging / "claim"
        try:
            with explained(self.partial):
                self.staging.mkdir(parents=True)
                ready.write_text(json.dumps(_this_process() | {"token": self.token}))
                _held.add(self.token)
                os.link(ready, claim)
                ready.unlink()
                return claim
        except StorageError as error:
            _held.discard(self.token)
            shutil.rmtree(self.staging, ignore_errors=True)
            if isinstance(error.__cause__, FileExistsError | FileNotFoundError):
                raise UnfinishedError(f"{self.partial} was just taken over or completed by another process; wait for it, or stop it first") from None
            raise

    def _release(self, claim: Path) -> None:
        if _read(claim).get("token") != self.token:
            return  # published, or taken over
        if self.fingerprint():
            with suppress(OSError):  # a disk that turned read-only: the claim stays, and is known to be dead
                claim.unlink()
        else:
            shutil.rmtree(self.partial, ignore_errors=True)  # nothing was begun

    def check_still_owned(self) -> None:
        """Raise ``UnfinishedError`` if another writer took over meanwhile."""
        if (self.owner() or {}).get("token") != self.token:
            raise UnfinishedError(f"{self.partial} was taken over by {self.describe_owner()}; this run ends here")


def _beat(claim: Path, stop: threading.Event) -> None:
    while not stop.wait(_BEAT):
        try:
            os.utime(claim)
        except OSError:
            return


def _lives(claim: Path, owner: Json) -> bool:
    if owner["host"] == socket.gethostname():
        if owner["pid"] == os.getpid():
            return owner["token"] in _held
        return _runs(owner["pid"], owner["born"])
    try:
        return time.time() - claim.stat().st_mtime < _DEAD_AFTER
    except OSError:
        return False


def _this_process() -> Json:
    return {"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid()), "job": os.environ.get("SLURM_JOB_ID", "")}


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


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sweep(path: Path) -> None:
    """Remove what an exchange that was killed left of replaced stores."""
    for left in path.parent.glob(f".{_escaped(path.name)}.replaced-*"):
        shutil.rmtree(left, ignore_errors=True)


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def publish(record: Record, path: Path, *, overwrite: bool) -> None:
    """Give a complete partial its name; an old store of that name disappears in the same step.

    The records go last: a run that is killed before the name is given leaves a partial that can be resumed.

    Raises
    ------
    ExistsError
        The path exists and was not to be overwritten.
    """
    partial = record.partial
    fsync_store(partial)
    old = path.with_name(f".{path.name}.replaced-{record.token}")
    if path.exists():
        if not overwrite:
            raise ExistsError(f"{path} exists; pass overwrite=True to replace it (the finished image waits in {partial})")
        if _exchange(partial, path):
            os.rename(partial, old)
        else:
            os.rename(path, old)
            os.rename(partial, path)
        _remove(old)
    else:
        os.rename(partial, path)
    shutil.rmtree(path / ".voxelrock")
    fsync_path(path.parent)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step, where the system can."""
    try:
        libc: Any = ctypes.CDLL(None, use_errno=True)
        return bool(libc.renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _EXCHANGE) == 0)
    except (OSError, AttributeError):
        return False
