"""Rounds: every contender once, one after the other, as often as asked; each measurement in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import data
from benchmarks.measure import compared, measure
from benchmarks.meter import Meter
from benchmarks.model import SMALLEST, TINY, Contender, Family, Job, Operation

ROOT = Path(__file__).absolute().parents[1]
_MB = 1e6


@dataclass(frozen=True)
class Settings:
    """How a run is made; ``here`` measures in this process (tests), without memory; ``mask`` is a file that takes the place of the made mask."""

    folder: Path
    size: int | None = None
    repeat: int | None = None
    threads: int = 2
    here: bool = False
    timeout: float = 3600.0
    mask: Path | None = None


@dataclass
class Row:
    """What was measured of one contender, or of one step of it."""

    operation: str
    contender: str
    size: int
    limit: bool = False
    seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    difference: float | None = None
    reason: str = ""

    @property
    def median(self) -> float | None:
        return median(self.seconds) if self.seconds else None


def run(family: Family, settings: Settings) -> list[Row]:
    """The rows of a family's table; a contender that cannot run has a row with the reason."""
    rows: list[Row] = []
    given = data.given(settings.folder, settings.mask) if settings.mask is not None else None
    for operation in family.operations:
        if given and not operation.data:
            continue
        size = given or (SMALLEST if settings.here else operation.size or settings.size or family.size)
        for name in operation.data:
            for edge in {size} if settings.here else {size, TINY}:
                data.provide(settings.folder / str(edge), edge, name)
        rows += _operation(family, operation, size, settings)
    return rows


def _operation(family: Family, operation: Operation, size: int, settings: Settings) -> list[Row]:
    rows = {c.name: Row(operation.name, c.name, size, c.limit, reason=_reason(c, size, settings)) for c in operation.contenders}
    steps: dict[str, Row] = {}
    for turn in range(1 if settings.here else settings.repeat or family.repeat):
        for contender in operation.contenders:
            row = rows[contender.name]
            if row.reason or turn >= (contender.most_runs or turn + 1):
                continue
            _say(settings, f"{family.name}: {operation.name}, {contender.name}, run {turn + 1}")
            try:
                found, meter = _once(family, operation, contender, size, settings)
            except (subprocess.SubprocessError, TimeoutError, ValueError, OSError) as error:
                row.reason = _brief(error)
                continue
            _enter(row, found, found.get("window"), meter)
            for name, start, stop in found.get("steps", ()):
                step = steps.setdefault(name, Row(f"{operation.name}: {name}", contender.name, size))
                _enter(step, {"seconds": stop - start}, (start, stop), meter)
    return [*rows.values(), *(row for name, row in steps.items() if name != "all")]


def _reason(contender: Contender, size: int, settings: Settings) -> str:
    if contender.largest is not None and size > contender.largest:
        return f"not beyond {contender.largest}³ voxels: it would need more memory than there is"
    if settings.here and contender.command is not None:
        return "not in a tiny run: it needs a process of its own"
    return contender.reason()


def _enter(row: Row, found: dict[str, Any], window: Any, meter: Meter) -> None:
    row.seconds.append(found["seconds"])
    row.columns |= found.get("columns", {})
    if found.get("difference") is not None:
        row.difference = max(row.difference or 0.0, found["difference"])
    memory = meter.peak(*window) if window else None
    if memory is not None:
        peak, before = memory
        row.peaks.append((peak.private - before.private) / _MB)
        row.columns |= {"private, all (MB)": round(peak.private / _MB), "resident, all (MB)": round(peak.resident / _MB)}


def _once(family: Family, operation: Operation, contender: Contender, size: int, settings: Settings) -> tuple[dict[str, Any], Meter]:
    """One measurement; what it wrote is removed, and what was written before it lies on the disk."""
    out = Path(tempfile.mkdtemp(dir=settings.folder))
    answers = settings.folder / "answers" / family.name
    answers.mkdir(parents=True, exist_ok=True)
    job = Job(settings.folder / str(size), out, size, settings.threads)
    tiny = settings.folder / str(TINY)
    try:
        if contender.command is not None:
            return _program(operation, contender, job, tiny, answers, settings.timeout), Meter()
        if settings.here:
            return measure(operation, contender, job, tiny, answers), Meter()
        os.sync()
        places = {"data": job.data, "tiny": tiny, "out": out, "answers": answers, "size": size, "threads": settings.threads}
        options = [text for name, value in places.items() for text in (f"--{name}", str(value))]
        call = [sys.executable, "-m", "benchmarks.run_one", family.name, operation.name, contender.name, *options]
        return _watched(call, settings)
    finally:
        shutil.rmtree(out)


def _watched(call: list[str], settings: Settings) -> tuple[dict[str, Any], Meter]:
    environment = os.environ | {name: str(settings.threads) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")}
    meter = Meter()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(call, stdout=said, stderr=complaints, cwd=ROOT, env=environment, text=True)
        try:
            meter.watch(process, settings.timeout)
        except BaseException:
            process.kill()
            raise
        said.seek(0)
        complaints.seek(0)
        if process.returncode:
            raise subprocess.SubprocessError((complaints.read().strip().splitlines() or [f"ended with {process.returncode}"])[-1])
        found: dict[str, Any] = json.loads(said.read().strip().splitlines()[-1])
    return found, meter


def _program(operation: Operation, contender: Contender, job: Job, tiny: Path, answers: Path, timeout: float) -> dict[str, Any]:
    """A program in another environment: on the tiny image for its answer, then on the image; it keeps its own clock."""
    assert contender.command is not None
    first = _json(contender.command(Job(tiny, job.out, TINY, job.threads)), timeout)
    difference = compared(operation, contender, first["counts"], answers)
    found = _json(contender.command(job), timeout)
    return {"seconds": found["seconds"], "columns": found.get("columns", {}), "difference": difference}


def _json(call: list[str], timeout: float) -> dict[str, Any]:
    done = subprocess.run(call, capture_output=True, text=True, timeout=timeout, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise subprocess.SubprocessError((done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1])
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def _say(settings: Settings, text: str) -> None:
    if not settings.here:
        print(text, file=sys.stderr, flush=True)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, subprocess.SubprocessError) else str(error)
