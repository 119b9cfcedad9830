"""``voxelrock register``: one scan brought onto another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from voxelrock.cli.commands import beside, file_options, opened, say
from voxelrock.errors import ExistsError
from voxelrock.io.saving import save
from voxelrock.registration import Transform, resample
from voxelrock.registration import register as find_transform
from voxelrock.workflow import parse_region

_ROI = "Where to compare, on FIXED: cylinder[:axis=z,margin=100um], box:z=0um..800um, or a mask file (non-zero = used). Default: everywhere."


@click.command()
@click.argument("moving")
@click.argument("fixed")
@file_options
@click.option("--model", type=click.Choice(["translation", "rigid", "affine"]), default="rigid", show_default=True, help="What the transform may do.")
@click.option("--metric", type=click.Choice(["correlation", "mutual-information"]), default="correlation", show_default=True, help="How likeness is measured.")
@click.option("--roi", metavar="REGION", default="none", help=_ROI)
@click.option("--initial", metavar="FILE", help="A transform to start from (.tfm), instead of a search.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The transform; MOVING with .tfm by default.")
@click.option("--resampled", metavar="FILE", help="Also store MOVING on the grid of FIXED: .zarr, .tif, .mhd, …")
@click.option("--interpolation", type=click.Choice(["nearest", "linear", "cubic"]), help="Default: linear, nearest for labels.")
@click.option("--fill", type=float, help="Value of voxels outside MOVING. Default: no data.")
@click.option("--overwrite", is_flag=True, help="Replace what exists.")
def register(
    moving: str, fixed: str, model: str, metric: str, roi: str, initial: str | None, out: Path | None, resampled: str | None, overwrite: bool, **options: Any
) -> None:
    """Find the transform that brings MOVING onto FIXED, two scans of one rock, and write it in ITK's text format.

    Options that say how a file is read hold for both. Dry and wet scans, or scans of two energies: --metric mutual-information.
    """
    order, fill = options.pop("interpolation"), options.pop("fill")
    target = out or beside(moving, ".tfm")
    if target.exists() and not overwrite:
        raise ExistsError(f"{target} exists; pass --overwrite or another --out")
    if resampled is not None and Path(resampled).exists() and not overwrite:
        raise ExistsError(f"{resampled} exists; pass --overwrite or another --resampled")
    first, second = opened(moving, **options), opened(fixed, **options)
    start = None if initial is None else Transform.load(initial)
    say("comparing, coarse to fine")
    found = find_transform(first, second, model=model, metric=metric.replace("-", " "), where=parse_region(roi, second), initial=start)
    for line in str(found).splitlines():
        click.echo(line)
    click.echo(f"{'transform':<16} {found.transform.save(target, overwrite=overwrite).absolute()}")
    if resampled is not None:
        say("resampling")
        save(resample(first, like=second, transform=found.transform, order=order, fill=fill), resampled, overwrite=overwrite)
        click.echo(f"{'resampled':<16} {Path(resampled).absolute()}")
