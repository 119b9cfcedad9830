"""SLURM's commands, with errors that say what is the matter."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from voxelrock.errors import ClusterError, ParameterError
from voxelrock.graph.progress import duration

_TAIL = 15
_PATIENCE = 60
_LOST = re.compile(r"resolve_ctls|establish a configuration source|[Uu]nable to contact slurm controller")
"""What SLURM's commands say where they find no controller."""


def call(*words: str, text: str | None = None) -> str:
    """What a command prints.

    Raises
    ------
    ClusterError
        There is no such command, or it fails; with what it said.
    """
    if shutil.which(words[0]) is None:
        raise ClusterError(
            f"there is no SLURM here: {words[0]} is not on the path; log in to a node of the cluster, or load its module. "
            "Without SLURM, voxelrock analyze and vr.cluster.local() compute on this machine"
        )
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{words[0]} did not answer within {_PATIENCE} s; is SLURM's controller running?") from None
    if done.returncode:
        said = " ".join(re.sub(rf"{words[0]}: (error: )?", "", done.stderr).split())
        hint = "; SLURM's commands are here, and no controller answers: log in to a node of the cluster, or mend slurm.conf" if _LOST.search(said) else ""
        raise ClusterError(f"{words[0]} says: {said or f'exit code {done.returncode}'}{hint}")
    return done.stdout


def answers() -> bool:
    """Whether there is a SLURM that answers."""
    try:
        call("sinfo", "--noheader", "--format=%P")
    except ClusterError:
        return False
    return True


def partitions() -> dict[str, float]:
    """The partitions that SLURM has, and the seconds that a job may run in each; the default one also under the empty name."""
    found: dict[str, float] = {}
    for row in call("sinfo", "--noheader", "--format=%P %l").splitlines():
        name, limit = row.split()
        seconds = math.inf if limit == "infinite" else float(walltime_seconds(limit))
        found[name.rstrip("*")] = seconds
        if name.endswith("*"):
            found[""] = seconds
    return found


def check_partition(name: str | None, walltime: str) -> None:
    """Raise ``ClusterError`` where SLURM has no partition of this name (None: the default one), or none that lets a job run for so long."""
    found = partitions()
    if name is not None and name not in found:
        raise ClusterError(f"there is no partition {name!r}; SLURM has {', '.join(sorted(found.keys() - {''}))}")
    limit = found.get(name or "", math.inf)
    if walltime_seconds(walltime) > limit:
        longer = ", ".join(sorted(n for n, seconds in found.items() if n and seconds >= walltime_seconds(walltime)))
        raise ClusterError(
            f"the partition {name or 'that is the default'} lets jobs run for {duration(limit)}, and the walltime asked for is {walltime}"
            + (f"; choose {longer}, or ask for less" if longer else "; ask for less: an analysis goes on where it stopped when it is submitted again")
        )


def check_script(script: str) -> None:
    """Raise ``ClusterError`` where SLURM could never run a job script: too many cores, too much memory, too long."""
    try:
        call("sbatch", "--test-only", text=script)
    except ClusterError as error:
        raise ClusterError(f"SLURM refuses such jobs: {error}; ask for less (cores, memory, walltime), or choose another partition") from None


def submit(script: str) -> str:
    """The number of the job that a script was submitted as."""
    return call("sbatch", "--parsable", text=script).strip().split(";")[0]


def waiting_or_running() -> dict[str, str]:
    """The states of all jobs that SLURM has not finished, by number."""
    rows = call("squeue", "--noheader", "--format=%A %T").split("\n")
    return dict(row.split(maxsplit=1) for row in rows if row.strip())


def tail(logs: Sequence[Path]) -> str:
    """The last lines of logs that say anything, for an error."""
    lines: list[str] = []
    for log in logs:
        if log.is_file():
            found = [line.rstrip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
            lines += [f"{log}:", *found[-_TAIL:]] if found else []
    return "\n  ".join(["its log ends with:", *lines]) if lines else "it left no log"


def walltime_seconds(text: str) -> int:
    """Seconds of SLURM's ways to write a time: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS.

    Raises
    ------
    ParameterError
        It is none of them.

    Examples
    --------
    >>> walltime_seconds("1-02:30:00"), walltime_seconds("90"), walltime_seconds("10:30")
    (95400, 5400, 630)
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", str(text).strip())
    if match is None:
        raise ParameterError(f"a walltime is minutes, HH:MM:SS or D-HH:MM:SS, as SLURM writes it; got {text!r}")
    days, *parts = (None if g is None else int(g) for g in match.groups())
    given = [p for p in parts if p is not None]
    if days is not None:
        hours, minutes, seconds = (*given, 0, 0)[:3]
    elif len(given) == 3:
        hours, minutes, seconds = given
    else:
        hours, (minutes, seconds) = 0, (*given, 0)[:2]
    return ((days or 0) * 24 + hours) * 3600 + minutes * 60 + seconds
