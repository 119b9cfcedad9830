"""One measurement, in whatever process this is: warm up, compare the answer, then run the clock."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import stores
from benchmarks.model import TINY, Contender, Job, Operation, Timed


def measure(operation: Operation, contender: Contender, job: Job, tiny: Path, answers: Path) -> dict[str, Any]:
    """Seconds of a contender's work, the window on the monotonic clock in which they fell, and how far its answer is from the reference.

    The work runs once on the tiny image, so that everything is imported and compiled, and its answer there is compared; then on the job's. Where that
    is smaller still (does everything run?) it is the only run.
    """
    assert contender.make is not None
    warm = Job(tiny, job.out / "warm", TINY, job.threads)
    real = Job(job.data, job.out / "run", job.size, job.threads)
    for item in (warm, real):
        item.out.mkdir(parents=True)
    with stores.threads(job.threads):
        if job.size >= TINY:
            difference = compared(operation, contender, _unpack(contender.make(warm)()).answer, answers)
        work = contender.make(real)
        gc.collect()
        ready, start = time.monotonic(), time.perf_counter()
        found = _unpack(work())
        seconds = time.perf_counter() - start
        if job.size < TINY:
            difference = compared(operation, contender, found.answer, answers)
    window = (ready, ready + seconds)
    spent = seconds if found.seconds is None else found.seconds
    return {"seconds": spent, "window": window, "columns": found.columns, "steps": found.steps, "difference": difference}


def _unpack(found: Any) -> Timed:
    return found if isinstance(found, Timed) else Timed(found)


def compared(operation: Operation, contender: Contender, answer: Any, answers: Path) -> float | None:
    """The largest difference from the reference's answer, relative to its largest value; the reference leaves its answer in a file."""
    if operation.tolerance is None or not contender.compared:
        return None
    array = stores.answer(answer)
    if array is None:
        return None
    place = answers / (operation.name.translate(str.maketrans("/ ", "__")) + ".npy")
    if contender == operation.contenders[0]:
        np.save(place, array)
    reference = np.load(place)
    if reference.shape != array.shape:
        raise ValueError(f"{contender.name} answers an array of {array.shape}, not of {reference.shape}")
    if contender.margin:
        inside = (slice(contender.margin, -contender.margin),) * reference.ndim
        reference, array = reference[inside], array[inside]
    scale = float(np.abs(reference.astype("f8")).max()) or 1.0
    return float(np.abs(array.astype("f8") - reference.astype("f8")).max()) / scale
