"""Settings that hold for a whole process: ``vr.options.set(device="cpu")``, also as a context manager.

Every option has an environment variable ``VOXELROCK_<NAME>``, which workers inherit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from voxelrock.errors import ParameterError, ParameterTypeError

_DEVICES = ("auto", "cpu", "gpu")


@dataclass(frozen=True)
class Options:
    """The settings; change them with :func:`set`.

    Parameters
    ----------
    device
        Where kernels run: ``"auto"`` (a worker that has a GPU uses it), ``"cpu"`` or ``"gpu"``.
    scratch
        A folder that all workers see, for what one pass leaves for the next. Empty: beside the destination, else ``$SLURM_TMPDIR`` or the system's.
    memory
        Bytes that one task may use; the sizes of blocks follow from it.
    array_limit
        The largest image, in bytes, that ``numpy.asarray`` computes without being asked twice.
    progress
        ``"auto"`` (bars on a terminal), ``"always"`` or ``"never"``.
    workers
        Threads that compute where there is no cluster; 0 stands for one for each core.
    """

    device: str = "auto"
    scratch: str = ""
    memory: int = 512 * 2**20
    array_limit: int = 4 * 2**30
    progress: str = "auto"
    workers: int = 0

    def __post_init__(self) -> None:
        for name in ("workers", "memory", "array_limit"):
            if not isinstance(getattr(self, name), int):
                raise ParameterTypeError(f"options.{name} is a whole number; got {getattr(self, name)!r}")
        if self.device not in _DEVICES:
            raise ParameterError(f"options.device is one of {', '.join(_DEVICES)}; got {self.device!r}")
        if self.progress not in ("auto", "always", "never"):
            raise ParameterError(f"options.progress is one of auto, always, never; got {self.progress!r}")
        if self.workers < 0:
            raise ParameterError(f"options.workers is a number of threads, or 0 for one for each core; got {self.workers}")
        if self.memory < 2**20:
            raise ParameterError(f"options.memory is a number of bytes, at least 1 MiB; got {self.memory}")


def _from_environment() -> Options:
    found: dict[str, Any] = {}
    for item in fields(Options):
        text = os.environ.get(f"VOXELROCK_{item.name.upper()}")
        if text is not None:
            kind: Callable[[str], Any] = int if isinstance(item.default, int) else str
            found[item.name] = kind(text)
    return Options(**found)


_current = _from_environment()


def get() -> Options:
    """The settings in force."""
    return _current


def set(**changes: Any) -> _Restore:
    """Change settings for this process; ``with vr.options.set(device="cpu"): …`` puts them back.

    Raises
    ------
    ParameterError
        An unknown option, or a value that it cannot take.
    """
    global _current
    known = {item.name for item in fields(Options)}
    unknown = sorted(changes.keys() - known)
    if unknown:
        raise ParameterError(f"unknown option {unknown[0]!r}; the options are {', '.join(sorted(known))}")
    before = _current
    _current = replace(_current, **changes)
    return _Restore(before)


class _Restore:
    def __init__(self, before: Options) -> None:
        self._before = before

    def __enter__(self) -> Options:
        return _current

    def __exit__(self, *exception: object) -> None:
        global _current
        _current = self._before
