"""What a cluster adds to running a graph: checks before it starts, a count of finished blocks, folders that every worker sees.

The graph knows no cluster. Whoever makes one registers an overseer for its client, which is asked while that client is the current scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from dask.base import get_scheduler


class Overseer(Protocol):
    """Looks after the graphs that one client computes."""

    def oversees(self, get: Any) -> bool:
        """Whether ``get`` is the scheduler of this client."""
        ...

    def run(self, tasks: dict[Any, Any], keys: list[Any]) -> list[Any]:
        """Compute tasks on workers that were checked first."""
        ...

    def counting(self, names: frozenset[str], update: Callable[[int], None]) -> AbstractContextManager[None]:
        """Call ``update`` with how many tasks of these names are finished, again and again while the block runs."""
        ...

    def unused(self, names: frozenset[str] | None) -> bool:
        """Whether no task of these names (None: of any) is under way or has its result in memory."""
        ...

    def device(self) -> str:
        """``"gpu"`` or ``"cpu"``: where tasks run whose last digits depend on it."""
        ...

    def check_folder(self, folder: Path) -> None:
        """Raise ``StorageError`` unless every worker sees this folder."""
        ...


_registered: list[Overseer] = []


def register(overseer: Overseer) -> None:
    """Have an overseer asked from now on."""
    _registered.append(overseer)


def withdraw(overseer: Overseer) -> None:
    """Ask an overseer no more."""
    if overseer in _registered:
        _registered.remove(overseer)


def current() -> Overseer | None:
    """The overseer of the scheduler in force, if it has one."""
    if not _registered:
        return None
    get = get_scheduler()
    return next((o for o in reversed(_registered) if o.oversees(get)), None)


def check_folder(folder: Path) -> None:
    """Raise ``StorageError`` where a cluster is in force whose workers do not all see this folder."""
    overseer = current()
    if overseer is not None:
        overseer.check_folder(folder)


@contextmanager
def registered(overseer: Overseer) -> Iterator[None]:
    """Have an overseer asked while the block runs."""
    register(overseer)
    try:
        yield
    finally:
        withdraw(overseer)
