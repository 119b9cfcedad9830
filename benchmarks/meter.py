"""Memory of a running process and its children, sampled from outside, as the operating system counts it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_INTERVAL = 0.01


class Memory(NamedTuple):
    """Bytes: private ones (that no file backs), and all resident ones (mapped files among them)."""

    private: int
    resident: int


def memory(pid: int) -> Memory | None:
    """Memory of a process and its children; None where the system has no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmRSS", "RssAnon", "RssShmem"))}
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return None
    below = [m for m in map(memory, map(int, children)) if m is not None]
    private = found.get("RssAnon", 0) + found.get("RssShmem", 0)
    return Memory(private + sum(m.private for m in below), found.get("VmRSS", 0) + sum(m.resident for m in below))


@dataclass
class Meter:
    """Samples of a process's memory over time."""

    samples: list[tuple[float, Memory]] = field(default_factory=list)

    def watch(self, process: subprocess.Popen[str], timeout: float) -> None:
        """Sample until the process ends.

        Raises
        ------
        TimeoutError
            It took too long, and was stopped.
        """
        end = time.monotonic() + timeout
        while process.poll() is None:
            found = memory(process.pid)
            if found is not None:
                self.samples.append((time.monotonic(), found))
            if time.monotonic() > end:
                process.kill()
                process.wait()
                raise TimeoutError(f"stopped after {timeout:.0f} s")
            time.sleep(_INTERVAL)

    def peak(self, start: float, stop: float) -> tuple[Memory, Memory] | None:
        """The peaks in a window of the monotonic clock, and what the process had before it."""
        inside = [m for t, m in self.samples if start <= t <= stop]
        before = [m for t, m in self.samples if t < start]
        if not inside or not before:
            return None
        return Memory(max(m.private for m in inside), max(m.resident for m in inside)), before[-1]
