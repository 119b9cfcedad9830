"""The command that hands an analysis to SLURM."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from voxelrock import options
from voxelrock.cli.commands import analyze, beside, opened, recipe_of, say, steps_of
from voxelrock.cluster.batch import BatchJob, as_words
from voxelrock.errors import ParameterError
from voxelrock.workflow import Recipe, plan

_JOB_OPTIONS = [
    click.Option(["--partition"], help="SLURM's partition; by default that of Dask's configuration, or SLURM's own."),
    click.Option(["--time", "walltime"], metavar="TIME", help="Walltime of the job: minutes, HH:MM:SS or D-HH:MM:SS. Default: one hour."),
    click.Option(["--cores"], type=click.IntRange(min=1), help="Cores of the job. Default: 1."),
    click.Option(["--memory"], metavar="SIZE", help="Memory of the job, 16GB; by default what the analysis is predicted to need."),
    click.Option(["--follow"], is_flag=True, help="Show the log until the job is over."),
    click.Option(["--dry-run"], is_flag=True, help="Print the batch script, and stop."),
]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def submit() -> None:
    """Run a command as a batch job of SLURM. Submitted again, a job that is still there is left alone, and one that was stopped goes on."""


def _submit(path: str | None, samples: str | None, out: Path | None, overwrite: bool, dry_run: bool, partition: str | None, walltime: str | None,
            cores: int | None, memory: str | None, follow: bool, nodata: float | None, **said: Any) -> None:  # fmt: skip
    if (path is None) == (samples is None):
        raise ParameterError("give one PATH, or --samples with a CSV file")
    if overwrite:
        raise ParameterError(
            "a job that is submitted again goes on, and with --overwrite it would begin anew: remove the folder of the results, or choose another"
        )
    place = (out or beside(str(path or samples), "-analysis")).absolute()
    values = {"path": path, "samples": samples, "out": place, "nodata": nodata, **said}
    names = {p.name: "" if isinstance(p, click.Argument) else p.opts[0] for p in analyze.params if p.name != "workers"}
    words = ("analyze", *as_words(values, {str(k): v for k, v in names.items()}))

    peak = None if path is None else partial(_peak, path, nodata, said)
    job = BatchJob(words, place / "job", partition, walltime, cores, memory, peak)
    if dry_run:
        click.echo(job.dry_run(), nl=False)
        return
    number = job.submit(say)
    if follow:
        job.follow(number, lambda text: click.echo(text, nl=False))


def _peak(path: str, nodata: float | None, said: dict[str, Any], cores: int) -> int:
    """What the analysis holds at its peak, with so many threads."""
    options_of_file = dict(said)
    steps = steps_of(options_of_file)
    image = opened(path, **options_of_file)
    image = image if nodata is None else image.assign(nodata=nodata)
    with options.set(workers=cores):
        return plan(image, recipe=recipe_of(steps) or Recipe.suited(image, roi=steps["roi"] or "auto")).peak_memory


submit.add_command(
    click.Command(
        "analyze",
        params=[*(p for p in analyze.params if p.name not in ("dry_run", "workers")), *_JOB_OPTIONS],
        callback=_submit,
        help="Submit voxelrock analyze: the same options, and those of the job.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
)
