"""Counting finished blocks: tasks say that one is done, whoever shows progress listens.

Tasks in this process reach its listeners; a cluster registers a way of its own.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from voxelrock import options

_listeners: list[Callable[[int], None]] = []
_lock = threading.Lock()


def advance(blocks: int = 1) -> None:
    """Tell every listener that blocks were finished."""
    for listener in tuple(_listeners):
        listener(blocks)


@contextmanager
def listening(listener: Callable[[int], None]) -> Iterator[None]:
    """Call ``listener`` with the number of blocks that tasks of this process finish."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _wanted() -> bool:
    setting = options.get().progress
    return setting == "always" or (setting == "auto" and sys.stderr.isatty())


@contextmanager
def bar(total: int, label: str, unit: str = "block") -> Iterator[None]:
    """A progress bar for ``total`` blocks on the terminal; nothing where there is no terminal (``options.progress``)."""
    if not _wanted() or total < 1:
        yield
        return
    with tqdm(total=total, desc=label, unit=unit, leave=False, dynamic_ncols=True) as shown:

        def update(blocks: int) -> None:
            with _lock:
                shown.update(blocks)

        with listening(update):
            yield
