"""Counting finished blocks: tasks say that one is done, whoever shows progress listens.

Tasks in this process reach its listeners; the overseer of a cluster asks the scheduler instead.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Protocol

from tqdm import tqdm

from voxelrock import options
from voxelrock.graph import overseers

_listeners: list[Callable[[int], None]] = []
_lock = threading.Lock()
_STEPS = 20
"""Lines that a log gets: one for each 5 %."""
_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


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


class Display(Protocol):
    """Something that shows how many blocks are finished."""

    def show(self, done: int) -> None:
        """Show a count; it may fall, where a worker was lost with what it had made."""
        ...

    def close(self) -> None:
        """Nothing follows."""
        ...


class TerminalBar:
    """A bar on the terminal, gone when the work is done."""

    def __init__(self, total: int, label: str, unit: str) -> None:
        self._bar = tqdm(total=total, desc=label, unit=unit, leave=False, dynamic_ncols=True)

    def show(self, done: int) -> None:
        """Draw the bar."""
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Wipe the bar."""
        self._bar.close()


class LogLines:
    """A line for each 5 %, with the time left, for logs of batch jobs; each 5 % is told once."""

    def __init__(self, total: int, label: str, unit: str) -> None:
        self.total, self.label, self.unit = total, label, unit
        self.start, self.told = time.monotonic(), 0

    def show(self, done: int) -> None:
        """Print a line where a step was passed."""
        step = _STEPS * done // self.total
        if step <= self.told:
            return
        self.told = step
        spent = time.monotonic() - self.start
        left = f"{duration(spent / done * (self.total - done))} left" if done < self.total else f"done in {duration(spent)}"
        print(f"{self.label}: {100 * done // self.total} % ({done} of {self.total} {self.unit}s), {left}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is left to say."""


class NotebookBar:
    """A bar in a notebook's cell, with the time left, redrawn in place."""

    def __init__(self, total: int, label: str, unit: str) -> None:
        self.total, self.label, self.unit = total, label, unit
        self.start = self.drawn = time.monotonic()
        pictures = sys.modules["IPython.display"]
        self._html: Any = pictures.HTML
        self._handle = pictures.display(self._html(self._text(0)), display_id=True)

    def _text(self, done: int) -> str:
        spent = time.monotonic() - self.start
        left = "" if not done else f", {duration(spent / done * (self.total - done))} left" if done < self.total else f", done in {duration(spent)}"
        words = f"{escape(self.label)}: {100 * done // self.total} % ({done} of {self.total} {self.unit}s){left}"
        return f'<progress value="{done}" max="{self.total}" style="width: 16em"></progress> {words}'

    def show(self, done: int) -> None:
        """Draw the bar, a few times a second."""
        now = time.monotonic()
        if done >= self.total or now - self.drawn > 0.2:
            self.drawn = now
            self._handle.update(self._html(self._text(done)))

    def close(self) -> None:
        """The last state stays."""


def duration(seconds: float) -> str:
    """A time in words: 40 s, 3 min, 2 h 5 min."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell" and "IPython.display" in sys.modules


def _display(total: int, label: str, unit: str) -> Display | None:
    """What fits where this process writes; None where progress is not wanted."""
    setting = options.get().progress
    if setting == "never" or total < 1:
        return None
    if _in_notebook():
        return NotebookBar(total, label, unit)
    if sys.stderr.isatty():
        return TerminalBar(total, label, unit)
    if setting == "always" or any(name in os.environ for name in _JOBS):
        return LogLines(total, label, unit)
    return None


@contextmanager
def bar(total: int, label: str, unit: str = "block", names: frozenset[str] = frozenset()) -> Iterator[None]:
    """Show how many of ``total`` blocks are finished: a bar on a terminal or in a notebook, lines in the log of a batch job (``options.progress``).

    ``names`` are those of the tasks that a cluster's scheduler is asked for.
    """
    shown = _display(total, label, unit)
    if shown is None:
        yield
        return
    overseer = overseers.current()
    try:
        with listening(_adding(shown)) if overseer is None else overseer.counting(names, shown.show):
            yield
        shown.show(total)
    finally:
        shown.close()


def _adding(shown: Display) -> Callable[[int], None]:
    done = [0]

    def update(blocks: int) -> None:
        with _lock:
            done[0] += blocks
            shown.show(done[0])

    return update
