"""A command of voxelrock as one batch job of SLURM: written, submitted once, followed, and submitted again where it stopped."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dask import config

from voxelrock.cluster.commands import answers, call, check_partition, check_script, submit, tail, waiting_or_running, walltime_seconds
from voxelrock.cluster.settings import as_bytes, as_count, duration
from voxelrock.errors import ClusterError, ParameterError, StorageError, TooLargeError
from voxelrock.image.presentation import describe_memory

_LOOK = 0.5
_RECORD = "job.json"
_SPARE = 1.25
"""Memory that is asked for, in multiples of the peak that is predicted."""


@dataclass(frozen=True)
class BatchJob:
    """One job. What is None stands under ``jobqueue: slurm:`` in Dask's configuration.

    Parameters
    ----------
    words
        The command and its arguments, such as ``("analyze", "scan.tif", "--out", "plug")``; run again, it must go on where it stopped.
    folder
        Where the script and the logs go; the nodes must see it.
    partition, walltime, cores
        What is asked of SLURM.
    memory
        Of the job, in bytes or as text; by default what ``peak`` asks for.
    peak
        Predicted bytes of the command at its peak, for a number of cores; None where nothing is known.
    """

    words: tuple[str, ...]
    folder: Path
    partition: str | None = None
    walltime: str | None = None
    cores: int | None = None
    memory: Any = None
    peak: Callable[[int], int] | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """What the job asks of SLURM, filled from the configuration and checked.

        Raises
        ------
        ParameterError
            Something is missing, or cannot be read.
        TooLargeError
            The command needs more memory than the job has.
        """
        partition = self.partition or config.get("jobqueue.slurm.queue", None)
        walltime = str(self.walltime or config.get("jobqueue.slurm.walltime", None) or "01:00:00")
        walltime_seconds(walltime)
        cores = as_count(self.cores or config.get("jobqueue.slurm.cores", None) or 1, "cores")
        peak = self.peak(cores) if self.peak is not None else 0
        given = self.memory or config.get("jobqueue.slurm.memory", None)
        if given is None and not peak:
            raise ParameterError("say how much memory the job has: --memory, or memory under jobqueue: slurm: in ~/.config/dask/jobqueue.yaml")
        memory = as_bytes(given, "memory") if given is not None else int(_SPARE * peak)
        if memory < peak:
            raise TooLargeError(
                f"with {cores} cores the command holds {describe_memory(peak)} at its peak, and the job has {describe_memory(memory)}; "
                "ask for more memory, or for fewer cores"
            )
        return {"partition": partition, "walltime": walltime, "cores": cores, "memory": memory}

    def script(self) -> str:
        """The batch script."""
        asked = self.asked
        place = self.folder.absolute()
        site = list(config.get("jobqueue.slurm.job-extra-directives", None) or [])
        account = config.get("jobqueue.slurm.account", None)
        directives = {
            "job-name": f"voxelrock-{self.words[0]}",
            "partition": asked["partition"],
            "account": account,
            "time": asked["walltime"],
            "ntasks": 1,
            "cpus-per-task": asked["cores"],
            "mem": f"{-(-asked['memory'] // 2**20)}M",
            "output": place / "%j.log",
        }
        python = config.get("jobqueue.slurm.python", None) or sys.executable
        command = [python, "-m", "voxelrock", "--workers", str(asked["cores"]), *self.words]
        return "\n".join(
            [
                "#!/usr/bin/env bash",
                *(f"#SBATCH --{name}={value}" for name, value in directives.items() if value is not None),
                "#SBATCH --requeue",
                "#SBATCH --open-mode=append",
                *(f"#SBATCH {text}" for text in site),
                *(config.get("jobqueue.slurm.job-script-prologue", None) or []),
                f"cd {shlex.quote(os.getcwd())}",
                shlex.join(command),
                "code=$?",
                f"echo $code > {shlex.quote(str(place))}/$SLURM_JOB_ID.exit",
                "exit $code\n",
            ]
        )

    def dry_run(self) -> str:
        """The script; where a SLURM answers, it is asked whether it would take it."""
        text = self.script()
        if answers():
            check_partition(self.asked["partition"], self.asked["walltime"])
            check_script(text)
        return text

    def submit(self, say: Callable[[str], None]) -> str:
        """Submit the job, unless it waits or runs already; gives its number.

        Raises
        ------
        ClusterError
            There is no SLURM, or no such partition; SLURM refuses the job; it died at once; another job is at work in this folder.
        """
        states = waiting_or_running()
        before = self._record()
        if before.get("job") in states:
            if before.get("words") != list(self.words):
                raise ClusterError(
                    f"job {before['job']} is at work in {self.folder.parent} with other options ({shlex.join(before['words'])}); wait, or scancel it"
                )
            say(f"job {before['job']} is {states[before['job']].lower()} already; its log is {self.log(before['job'])}")
            return str(before["job"])
        check_partition(self.asked["partition"], self.asked["walltime"])
        text = self.script()
        check_script(text)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "job.sh").write_text(text)
            number = submit(text)
            (self.folder / _RECORD).write_text(json.dumps({"job": number, "words": list(self.words)}))
        except OSError as error:
            raise StorageError(f"the folder {self.folder} cannot be written ({error.strerror}); choose another with --out") from error
        say(f"job {number} was submitted; its log is {self.log(number)}")
        self._watch(number)
        return number

    def _record(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / _RECORD).read_text()))
        except (OSError, ValueError):
            return {}

    def log(self, number: str) -> Path:
        """Where a job writes."""
        return self.folder.absolute() / f"{number}.log"

    def _watch(self, number: str) -> None:
        """See whether a job dies at once."""
        end = time.monotonic() + duration("slurm.watch")
        while time.monotonic() < end:
            if number not in waiting_or_running():
                self.ended(number)
                return
            time.sleep(_LOOK)

    def ended(self, number: str) -> None:
        """Raise ``ClusterError`` unless a job that is over did what it was to do."""
        file = self.folder / f"{number}.exit"
        for _ in range(10):  # a folder on a network may show it late
            if file.exists():
                break
            time.sleep(_LOOK)
        code = file.read_text().strip() if file.exists() else ""
        if code == "0":
            return
        how = f"failed with exit code {code}" if code else f"was stopped ({_state(number)}); submit it again to go on where it stopped"
        raise ClusterError(f"job {number} {how}; {tail([self.log(number)])}")

    def follow(self, number: str, write: Callable[[str], None]) -> None:
        """Hand on what the job writes, until it is over.

        Raises
        ------
        ClusterError
            The job failed, or was stopped.
        """
        at, log, over = 0, self.log(number), False
        while not over:
            over = number not in waiting_or_running()
            if log.exists():
                with open(log, "rb") as file:
                    file.seek(at)
                    text = file.read()
                at += len(text)
                if text:
                    write(text.decode(errors="replace"))
            if not over:
                time.sleep(_LOOK)
        self.ended(number)


def _state(number: str) -> str:
    """What became of a job, as far as SLURM remembers."""
    try:
        words = call("scontrol", "--oneliner", "show", "job", number).split()
    except ClusterError:
        return "SLURM has forgotten how"
    return next((w.split("=")[1].lower() for w in words if w.startswith("JobState=")), "unknown")


def as_words(values: dict[str, Any], names: dict[str, str]) -> tuple[str, ...]:
    """Arguments from parsed options: ``names`` gives the option of each parameter, the empty text for what stands alone.

    Examples
    --------
    >>> as_words({"path": "a.tif", "micro": ("2:0.3",), "roi": None, "force": True}, {"path": "", "micro": "--micro", "roi": "--roi", "force": "--force"})
    ('--micro', '2:0.3', '--force', 'a.tif')
    """
    options: list[str] = []
    alone: list[str] = []
    for key, value in values.items():
        if value is None or value is False or value == ():
            continue
        for item in value if isinstance(value, tuple) else (value,):
            if not names[key]:
                alone.append(str(item))
            else:
                options += [names[key]] if item is True else [names[key], str(item)]
    return (*options, *(["--"] if any(word.startswith("-") for word in alone) else []), *alone)
