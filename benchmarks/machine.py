"""Where and with what a run was made."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

from benchmarks import peers


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def describe() -> str:
    """Cores, CPU model, memory, system, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    system = f"{platform.system()} {platform.release()}"
    return f"{cores()} cores of {_cpu()}, {memory:.0f} GB of memory, {system}, Python {platform.python_version()}"


def software() -> str:
    """Names and versions of the libraries."""
    return ", ".join(f"{name} {version}" for name, version in peers.versions().items())


def now() -> str:
    """Today's date and the load of the machine."""
    load = f"; load before the run {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}{load}"
