"""Settings of clusters: Dask's own files, with defaults beside this module."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dask import config
from dask.utils import parse_bytes, parse_timedelta

from voxelrock.errors import ParameterError

config.update_defaults(next(iter(config.collect_yaml([str(Path(__file__).with_name("voxelrock.yaml"))]))))


def setting(name: str) -> Any:
    """A setting of ours, such as ``"slurm.jobs"``."""
    return config.get(f"voxelrock.{name}")


def duration(name: str) -> float:
    """A setting of ours that is a time, in seconds."""
    return float(parse_timedelta(setting(name)))


def folder(name: str) -> Path:
    """A setting of ours that is a folder, with ``~`` and variables replaced."""
    return Path(os.path.expandvars(str(setting(name)))).expanduser().absolute()


def as_bytes(value: Any, what: str) -> int:
    """A size in bytes from a number, or from text with a unit.

    Raises
    ------
    ParameterError
        It is neither, or not positive.
    """
    try:
        size = int(parse_bytes(value))
    except (ValueError, TypeError):
        size = 0
    if size < 1:
        raise ParameterError(f"{what} is a number of bytes, or text such as '4 GB'; got {value!r}")
    return size


def as_count(value: Any, what: str) -> int:
    """A whole number of at least one.

    Raises
    ------
    ParameterError
        It is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ParameterError(f"{what} is a whole number, at least 1; got {value!r}")
    return value
