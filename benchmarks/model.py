"""What a benchmark is: families of operations, each done by several contenders on the same data."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAMILIES = (
    *("ingest", "read", "histogram", "otsu", "thresholds", "gaussian", "median", "denoise", "label", "table", "distance", "watershed", "thickness"),
    *("porosimetry", "resample", "structure", "classify", "graph", "memory", "analyze", "codecs", "cluster", "weak"),
)
TINY = 128
"""Edge of the image that warms every contender up and that their answers are compared on: one shard of two inner chunks per axis."""
SMALLEST = 64
"""Edge of the image of a tiny run."""
VOXELROCK = "voxelrock"


@dataclass(frozen=True)
class Job:
    """Where a contender finds its data, and where it may write."""

    data: Path
    out: Path
    size: int
    threads: int = 2

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size,) * 3

    @property
    def tiny(self) -> bool:
        """Whether this is no measurement, only a warm-up or a test."""
        return self.size <= TINY

    @property
    def grey(self) -> Path:
        """The u2 image as voxelrock's Zarr store."""
        return self.data / "grey.zarr"

    @property
    def result(self) -> Path:
        """Where a contender that stores an image puts it."""
        return self.out / "result.zarr"


@dataclass(frozen=True)
class Timed:
    """What a contender gives when it says more than its answer: own figures per operation, and steps as (name, start, stop) by the monotonic clock."""

    answer: Any = None
    columns: dict[str, Any] = field(default_factory=dict)
    steps: tuple[tuple[str, float, float], ...] = ()
    seconds: float | None = None


Work = Callable[[], Any]
Maker = Callable[[Job], Work]


@dataclass(frozen=True)
class Contender:
    """One way to do an operation.

    ``make(job)`` prepares without the clock and gives the work to time, which returns its answer: a path of a Zarr array, an array, a number,
    or :class:`Timed`. ``needs`` are modules to be importable; ``limit`` marks what does less than the operation and bounds it.
    ``command(job)`` instead runs a program in another environment, which prints JSON with ``seconds``; ``missing()`` says why it cannot.
    ``largest`` is the edge of the largest image that it can take. ``margin`` is a border in voxels that is not compared, for a peer that extends the
    image in another way.
    """

    name: str
    make: Maker | None = None
    needs: tuple[str, ...] = ()
    limit: bool = False
    compared: bool = True
    margin: int = 0
    command: Callable[[Job], list[str]] | None = None
    missing: Callable[[], str] | None = None
    most_runs: int | None = None
    largest: int | None = None

    def reason(self) -> str:
        """Why it cannot run here; empty if it can."""
        if self.missing is not None:
            return self.missing()
        absent = [name for name in self.needs if not _importable(name)]
        return f"{', '.join(absent)} cannot be imported; install the extra `bench`" if absent else ""


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@dataclass(frozen=True)
class Operation:
    """A job, and who does it; the first contender is the one that the others are measured against.

    ``tolerance`` is how far answers may lie apart on the tiny image, relative to the largest value (0: bit for bit; None: not compared).
    ``size`` fixes the edge of the image whatever the command line says.
    """

    name: str
    contenders: tuple[Contender, ...]
    data: tuple[str, ...] = ()
    tolerance: float | None = 0.0
    size: int | None = None


@dataclass(frozen=True)
class Family:
    """Operations that make one table."""

    name: str
    title: str
    operations: tuple[Operation, ...]
    size: int = 512
    repeat: int = 5
    columns: tuple[str, ...] = ()
    voxels: bool = True
    notes: str = ""


def family(name: str) -> Family:
    """A family by name, from its module."""
    found: Family = importlib.import_module(f"benchmarks.families.{name}").FAMILY
    return found
