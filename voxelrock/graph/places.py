"""Where a first pass leaves what a second one needs: in memory while it is small, else in files of a folder that all workers see.

The files lie in a folder of their own in ``options.scratch``, ``$SLURM_TMPDIR`` or the system's temporary folder. They go when the pass
that read them is done: where that ran in this process with the objects that name them; where it ran on a cluster, when its scheduler knows of
no task that could still read them. What is left goes at the end of this process.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from voxelrock import options
from voxelrock.errors import StorageError
from voxelrock.graph.overseers import check_folder

_SHARE = 8  # what is left stays in memory while all of it takes at most this part of what one task may


_watched: dict[Place, tuple[weakref.ref[Any], frozenset[str] | None]] = {}
"""Places whose files workers of a cluster make: for whom, and the names of the tasks that hold them; None where any task may."""


class _Folder:
    """A folder of this process, removed at its end."""

    def __init__(self, parent: str) -> None:
        self.path = tempfile.mkdtemp(prefix="voxelrock-", dir=parent)
        weakref.finalize(self, _remove_folder, self.path, os.getpid())


def _remove_folder(path: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


@cache
def _folder(parent: str, process: int) -> _Folder:
    return _Folder(parent)


@dataclass(frozen=True)
class Place:
    """Memory, or a folder. No part of any identity."""

    folder: str = ""
    process: int = field(default_factory=os.getpid)
    identity: str = "packed"
    size: int = 0
    """The bytes that are expected in all."""
    prefix: str = ""
    """With what the names of files begin that other processes make."""

    @classmethod
    def of(cls, size: float) -> Place:
        """Memory for what takes few bytes in all, else a folder.

        Raises
        ------
        StorageError
            There can be no such folder.
        """
        if size <= options.get().memory / _SHARE:
            return cls()
        parent = options.get().scratch or os.environ.get("SLURM_TMPDIR") or tempfile.gettempdir()
        try:
            Path(parent).mkdir(parents=True, exist_ok=True)
            folder = _folder(parent, os.getpid()).path
        except OSError as error:
            raise StorageError(f"the scratch folder {parent} cannot be used ({error.strerror}); set options.scratch to another") from error
        check_folder(Path(folder))
        return cls(folder, size=int(size), prefix=f"{uuid.uuid4().hex[:12]}-")

    def write(self, ending: str, fill: Callable[[BinaryIO], Any]) -> str:
        """Make a file in the folder; ``fill`` writes it.

        Raises
        ------
        StorageError
            The folder is full, or gone.
        """
        prefix = "" if os.getpid() == self.process else self.prefix
        path = Path(self.folder) / f"{prefix}{uuid.uuid4().hex}.{ending}"
        try:
            with path.open("wb") as file:
                fill(file)
        except OSError as error:
            raise StorageError(f"the scratch folder {self.folder} cannot be written ({error.strerror}); set options.scratch to another") from error
        return str(path)

    def keep(self, thing: Any) -> Any:
        """The thing itself, or the file that has it: :func:`kept` gives it back.

        Raises
        ------
        StorageError
            The folder is full, or gone.
        """
        if not self.folder or thing is None:
            return thing
        found = Filed(self.write("pickle", lambda file: pickle.dump(thing, file, pickle.HIGHEST_PROTOCOL)))
        if os.getpid() == self.process:
            found.own()
        return found

    def release(self, owner: Any, paths: Iterable[str]) -> None:
        """Remove files when their owner, an object of the process that made the place, is gone."""
        if self.folder and os.getpid() == self.process:
            weakref.finalize(owner, _remove_files, list(paths))

    def watch(self, owner: Any, names: Iterable[str] | None = None) -> None:
        """Have :func:`sweep` remove what workers leave here; tasks of these names, made by the owner's layer, hold the files, or any task does."""
        if self.prefix:
            _watched[self] = weakref.ref(owner), None if names is None else frozenset(names)


def sweep(unused: Callable[[frozenset[str] | None], bool]) -> None:
    """Remove what workers left in watched places, where ``unused`` says that no task of these names is under way, or has its result in memory.

    A result that is computed again makes its files anew; those are not among the ones that were listed before asking.
    """
    for place, (owner, names) in list(_watched.items()):
        files = [str(path) for path in Path(place.folder).glob(f"{place.prefix}*")]
        if files and unused(names):
            _remove_files(files)
        elif not files and owner() is None:
            del _watched[place]


class Filed:
    """A thing in a file. The file goes with it, unless it goes to another process, or to disk, as a pickle."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._owner: Any = None

    def own(self) -> None:
        """Remove the file when this is gone."""
        self._owner = weakref.finalize(self, _remove_files, [self.path])

    def __reduce__(self) -> tuple[Any, ...]:
        if self._owner is not None:
            self._owner.detach()
        return Filed, (self.path,)


def kept(thing: Any) -> Any:
    """What :meth:`Place.keep` was given.

    Raises
    ------
    StorageError
        Its file cannot be read.
    """
    if not isinstance(thing, Filed):
        return thing
    try:
        with open(thing.path, "rb") as file:
            return pickle.load(file)  # written by this run
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise unreadable(thing.path, error) from error


def unreadable(path: str, error: Exception) -> StorageError:
    """What is raised for a file that another process cannot read."""
    return StorageError(f"the scratch file {path} cannot be read ({error}); set options.scratch to a folder that all workers see")


def _remove_files(paths: list[str]) -> None:
    for path in paths:
        Path(path).unlink(missing_ok=True)
