"""The commands."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import xarray as xr

from voxelrock.errors import DataError, ExistsError, ParameterError, VoxelrockError
from voxelrock.generators import ct_scan, sandstone
from voxelrock.geometry import ZYX
from voxelrock.graph.execution import compute
from voxelrock.image import VoxelImage
from voxelrock.image.presentation import describe_memory, facts
from voxelrock.io.opening import open as open_image
from voxelrock.io.saving import save
from voxelrock.io.shapes import possible_shapes
from voxelrock.report import image_sections, shown, write_page
from voxelrock.statistics import porosity
from voxelrock.storage import inspect_store
from voxelrock.storage.opening import is_store
from voxelrock.storage.remote import bare, is_url
from voxelrock.viz import look as look_at
from voxelrock.workflow import Recipe, analyze_samples, plan
from voxelrock.workflow import analyze as run_analysis
from voxelrock.workflow.batch import Sample, parse_voxel_size, read_samples
from voxelrock.workflow.phases import parse_labels, parse_micro, phases_from
from voxelrock.workflow.recipe import CORRECTIONS, DENOISERS, METHODS, STATISTICS
from voxelrock.workflow.regions import HELP as ROI_HELP

_COLUMN = 25
"""Width of the names of results on the terminal."""

_FILE_OPTIONS: list[Callable[..., Any]] = [
    click.option("--voxel-size", metavar="LENGTH", help="Distance between voxels with its unit: 8um, 5.345um; or along z,y,x: 10um,8um,8um."),
    click.option("--shape-xyz", metavar="XxYxZ", help="Shape of a headerless file, x first: 1000x1000x1250."),
    click.option("--shape-zyx", metavar="ZxYxX", help="Shape of a headerless file, z first."),
    click.option("--dtype", help="Type of a headerless file's voxels: u1, <u2, >i2, f4, …"),
    click.option("--offset", type=click.IntRange(min=0), help="Bytes before the first voxel of a headerless file."),
    click.option("--order", type=click.Choice(["C", "F"]), help="C: x changes fastest in a headerless file; F: z does."),
]


def file_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how a file is read."""
    for option in reversed(_FILE_OPTIONS):
        function = option(function)
    return function


def opened(path: str, voxel_size: str | None, shape_xyz: str | None, shape_zyx: str | None, **file: Any) -> VoxelImage:
    """The image that the options describe."""
    said = {k: v for k, v in file.items() if v is not None}
    if shape_xyz is not None and shape_zyx is not None:
        raise ParameterError("give --shape-xyz or --shape-zyx, not both")
    if shape_xyz is not None:
        x, y, z = _lengths(shape_xyz)
        said["shape"] = ZYX(z=z, y=y, x=x)
    if shape_zyx is not None:
        said["shape"] = ZYX(*_lengths(shape_zyx))
    image = open_image(path, spacing=parse_voxel_size(voxel_size), **said)
    for note in (n for h in image.history for n in h["parameters"].get("notes", ())):
        click.echo(f"note: {note}", err=True)
    return image


def _lengths(text: str) -> list[int]:
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 3 or not all(p.strip().isdigit() for p in parts):
        raise ParameterError(f"a shape is three whole numbers, such as 1000x1000x1250; got {text!r}")
    return [int(p) for p in parts]


def beside(path: str, ending: str) -> Path:
    """A name beside a file or folder (that of the folder that one is in, where it is given as a dot); here, for what lies in an object store."""
    if is_url(path):
        return Path(Path(bare(path)).stem + ending)
    place = Path(path) if Path(path).name not in ("", "..") else Path(path).resolve()
    return place.with_name(place.stem + ending)


def say(text: str) -> None:
    """Tell the user what is being done."""
    click.echo(f"· {text}", err=True)


_STEP_OPTIONS: list[Callable[..., Any]] = [
    click.option("--roi", metavar="REGION", help=f"Where to measure: {ROI_HELP}. Default: auto."),
    click.option("--pore", metavar="LABELS", help="The image is segmented, and these labels are pore: 0, or 1,3."),
    click.option("--outside", metavar="LABELS", help="Labels of a segmented image that are no rock."),
    click.option("--micro", metavar="LABEL:POROSITY", multiple=True, help="A microporous label and its porosity, 2:0.35; may be repeated."),
    click.option("--phases", metavar="FILE", help="CSV table of the labels: label, name, colour, role, porosity."),
    click.option("--correct", metavar="LIST", help=f"Artefacts to remove first: all, none, or some of {','.join(CORRECTIONS)}. Default: none."),
    click.option("--denoise", type=click.Choice([name.replace("_", "-") for name in DENOISERS]), help="How a grey scan is denoised. Default: non-local-means."),
    click.option("--radius", type=float, help="How far it looks (of the Gaussian: sigma), in voxels. Default: 2, of others than non-local means 1."),
    click.option("--sharpen", type=float, metavar="AMOUNT", help="Unsharp mask after denoising, 0 for none. Default: 0.75 after non-local means."),
    click.option(
        "--segment",
        "--method",
        "method",
        type=click.Choice([name.replace("_", "-") for name in METHODS[:-1]]),
        help="How the threshold is found. Default: edges, in the middle of the walls of the pores.",
    ),
    click.option("--threshold", type=float, help="Grey value at or below which a voxel is pore (above which, with --phase bright), instead of a method."),
    click.option("--phase", type=click.Choice(["dark", "bright"]), help="Which class of a grey scan is pore. Default: dark."),
    click.option("--recipe", metavar="FILE", help="Repeat the steps of a recipe.toml; takes the place of the options above."),
]

_STEP_NAMES = (
    *("roi", "pore", "outside", "micro", "phases", "correct", "denoise"),
    *("radius", "sharpen", "method", "threshold", "phase", "recipe"),
)


def step_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what is done."""
    for option in reversed(_STEP_OPTIONS):
        function = option(function)
    return function


@click.command()
@click.argument("path", required=False)
@file_options
@click.option("--nodata", type=float, help="Grey value of voxels that hold no data (nan is one).")
@step_options
@click.option("--sizes/--no-sizes", default=None, help="Measure sizes of pores and throats, and capillary pressure. Default: yes.")
@click.option("--statistics", metavar="LIST", help=f"Spatial statistics to measure: all, none, or some of {','.join(STATISTICS)}. Default: all.")
@click.option("--samples", metavar="FILE", help="Many samples: a CSV file with sample, path, voxel_size, pore, outside, roi, threshold.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the results; PATH with -analysis by default.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier analysis; without it, only what is missing is made.")
@click.option("--dry-run", is_flag=True, help="Print the steps, peak memory, output and scratch, and stop.")
def analyze(
    path: str | None, samples: str | None, out: Path | None, overwrite: bool, dry_run: bool, nodata: float | None, sizes: bool | None, **options: Any
) -> None:
    """Find the rock, segment and measure it, and report: report.html, results.json, results.csv, statistics.nc, recipe.toml, curves, figures,
    segmented.zarr.

    PATH is a Zarr store, a TIFF file or folder of slices, a .raw, .mhd, .mha or .npy file. A grey scan is denoised (non-local means) and
    thresholded (in the middle of the pores' walls) inside the plug that is found; a segmented one (--pore) is measured as it is. Run again, only
    what is missing is made: after an interruption it goes on where it stopped.
    """
    said, statistics = steps_of(options), options.pop("statistics")
    recipe = recipe_of(said)
    if (path is None) == (samples is None):
        raise ParameterError("give one PATH, or --samples with a CSV file")

    def open_one(place: Any, voxel_size: str) -> VoxelImage:
        image = opened(str(place), **{**options, "voxel_size": voxel_size or options["voxel_size"]})
        return image if nodata is None else image.assign(nodata=nodata)

    if (sizes, statistics) != (None, None) and recipe is None and samples is not None:
        raise ParameterError("with --samples, say --no-sizes or --statistics together with other steps (such as --denoise median), or in a --recipe")
    if recipe is not None:
        recipe = _measuring(recipe, sizes, statistics)
    if samples is not None:
        _campaign(samples, (out, overwrite, dry_run), recipe, said["roi"] or "", open_one)
        return
    assert path is not None
    image = open_one(path, "")
    steps = recipe or _measuring(Recipe.suited(image, roi=said["roi"] or "auto"), sizes, statistics)
    if dry_run:
        for line in plan(image, recipe=steps).lines():
            click.echo(line)
        return
    folder = out or beside(path, "-analysis")
    show(run_analysis(image, out=folder, recipe=steps, source=path, overwrite=overwrite, say=say))


def _measuring(recipe: Recipe, sizes: bool | None, statistics: str | None) -> Recipe:
    """The recipe with what the options say of measuring."""
    if sizes is not None:
        recipe = recipe.with_sizes(sizes)
    return recipe if statistics is None else recipe.with_statistics(_listed(statistics, STATISTICS))


def _campaign(samples: str, how: tuple[Path | None, bool, bool], recipe: Recipe | None, roi: str, open_one: Callable[[Any, str], VoxelImage]) -> None:
    """Every sample of a file; exit code 1 where some failed."""
    out, overwrite, dry_run = how
    if dry_run:
        _plans(read_samples(samples), recipe, roi, open_one)
        return
    folder = out or Path(samples).with_name(Path(samples).stem + "-analysis")
    found = analyze_samples(samples, out=folder, recipe=recipe, overwrite=overwrite, say=say, open_sample=open_one, roi=roi)
    failed = [str(name) for name, status in zip(found["sample"].values, found["status"].values) if status == "failed"]
    for i, name in enumerate(found["sample"].values):
        porosity = float(found["porosity"][i]) if "porosity" in found else math.nan
        click.echo(f"{name:<16} {'porosity ' + format(porosity, '.6g') if math.isfinite(porosity) else 'failed: ' + str(found['error'].values[i])}")
    click.echo(f"summary          {folder.absolute() / 'summary.html'}")
    if failed:
        raise DataError(f"{len(failed)} of {found.sizes['sample']} samples failed: {', '.join(failed)}; mend them and run again: only they are done")


def _plans(samples: Iterable[Sample], recipe: Recipe | None, roi: str, open_one: Callable[[Any, str], VoxelImage]) -> None:
    """What every sample will need; those that cannot be opened are named, and exit code 1 then."""
    failed = []
    for sample in samples:
        click.echo(f"{sample.name}:")
        try:
            image = open_one(sample.path, sample.voxel_size)
            lines = plan(image, recipe=sample.recipe(recipe, image, roi=roi)).lines()
        except VoxelrockError as error:
            failed.append(sample.name)
            lines = [f"FAILED: {error}"]
        for line in lines:
            click.echo(f"  {line}")
    if failed:
        raise DataError(f"{', '.join(failed)} would fail; mend {'it' if len(failed) == 1 else 'them'} first")


def steps_of(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options that say what is done out of all options."""
    return {k: options.pop(k) for k in _STEP_NAMES}


def recipe_of(said: dict[str, Any]) -> Recipe | None:
    """The recipe that the options describe; None where they leave it to the image."""
    steps = {k: v for k, v in said.items() if k != "recipe" and v not in (None, ())}
    if said["recipe"] is not None:
        if steps:
            raise ParameterError(f"--recipe says all steps: leave out --{next(iter(steps))}, or change the recipe's file")
        return Recipe.read(said["recipe"])
    labels = {k: steps.pop(k) for k in ("pore", "outside", "micro", "phases") if k in steps}
    if labels:
        others = [k for k in steps if k != "roi"]
        if others:
            raise ParameterError(f"--{others[0]} is for grey scans, and --{next(iter(labels))} says that the image is segmented")
        named = {k: parse_labels(labels[k], option=f"--{k}") for k in ("pore", "outside") if k in labels}
        phases = phases_from(**named, micro=parse_micro(labels.get("micro", ())), table=labels.get("phases"))
        return Recipe.of(roi=steps.get("roi", "auto"), phases=phases)
    if not steps.keys() - {"roi"}:
        return None
    if "method" in steps and "threshold" in steps:
        raise ParameterError("give --segment or --threshold, not both")
    names, amount, correct = {"radius": "radius_vx"}, steps.pop("sharpen", None), _listed(steps.pop("correct", "none"), CORRECTIONS)
    made = Recipe.of(**{names.get(k, k): v.replace("-", "_") if k in ("method", "denoise") else v for k, v in steps.items()})
    return (made if amount is None else made.sharpened(amount)).corrected(correct)


def _listed(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The items of a list with commas; ``all`` and ``none`` are those."""
    named = {"all": known, "none": ()}.get(text.strip())
    return tuple(one.strip() for one in text.split(",")) if named is None else named


def show(found: xr.Dataset) -> None:
    """The numbers, and where the report is."""
    first = ("porosity", "porosity_low", "porosity_high", "total_porosity", "effective_porosity", "isolated_porosity", "threshold")
    numbers = {str(k): v for k, v in found.data_vars.items() if v.ndim == 0}
    for name in [*(n for n in first if n in numbers), *(n for n in numbers if n not in first)]:
        click.echo(f"{name.replace('_', ' '):<{_COLUMN}} {shown(numbers[name])}")
    for text in found.attrs["warnings"]:
        click.echo(f"{'WARNING':<{_COLUMN}} {text}")
    click.echo(f"{'report':<{_COLUMN}} {Path(found.attrs['folder']) / 'report.html'}")


@click.command()
@click.argument("path")
@file_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The picture (.png, .svg, .pdf); PATH with -look.png by default.")
@click.option("--axis", type=click.Choice(["z", "y", "x"]), default="z", show_default=True, help="The axis along which a plug is looked for.")
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def look(path: str, out: Path | None, axis: str, overwrite: bool, **options: Any) -> None:
    """Show a scan in seconds, without converting it: three slices, a histogram of a sample of its voxels, and a guess of what it is.

    For a file without a header and without --shape-xyz, the shapes that fit its size.
    """
    place = Path(path)
    try:
        image = opened(path, **options)
    except VoxelrockError:
        if not (place.is_file() and _headerless(place)) or options["shape_xyz"] or options["shape_zyx"]:
            raise
        _show_shapes(place, options["dtype"])
        return
    target = out or beside(path, "-look.png")
    if target.exists() and not overwrite:
        raise ExistsError(f"{target} exists; pass --overwrite or another --out")
    _show_facts(image)
    seen = look_at(image, axis=axis)
    click.echo(f"{'it looks like':<16} {seen.words}")
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    seen.figure.savefig(target)
    click.echo(f"{'picture':<16} {target.absolute()}")


def _headerless(place: Path) -> bool:
    return place.suffix.lower() in (".raw", ".bin", ".dat", ".img", "")


@click.command()
@click.argument("path")
@file_options
def info(path: str, **options: Any) -> None:
    """Say what a file or store holds; for a headerless file, which shapes fit its size."""
    place = Path(path)
    if place.is_file() and _headerless(place) and not (options["shape_xyz"] or options["shape_zyx"]):
        try:
            _show_facts(opened(path, **options))
        except VoxelrockError:
            _show_shapes(place, options["dtype"])
        return
    _show_facts(opened(path, **options))
    if is_store(place):
        for name, value in inspect_store(place).items():
            if name not in ("attributes",):
                text = describe_memory(value) if name == "stored_bytes" else f"{value:.3g}" if isinstance(value, float) else str(value)
                click.echo(f"{name.replace('_', ' '):<16} {text}")


def _show_facts(image: VoxelImage) -> None:
    for name, text in facts(image):
        click.echo(f"{name:<16} {text}")
    if image.field.description:
        click.echo(f"{'description':<16} {image.field.description.splitlines()[0][:120]}")


def _show_shapes(place: Path, dtype: str | None) -> None:
    found = possible_shapes(place, dtype)
    click.echo(f"{place.name} has no header; it holds {place.stat().st_size} bytes. Shapes that fit:")
    for shape in found:
        click.echo(f"  {shape}")
    if not found:
        click.echo("  none that is close to a cube: give --shape-xyz and --dtype")


@click.command()
@click.argument("source")
@click.argument("target")
@file_options
@click.option("--layout", type=click.Choice(["voxelrock", "zarr2", "rockverse"]), help="Layout of a Zarr store.")
@click.option("--codec", type=click.Choice(["auto", "lz4", "zstd", "best", "none"]), help="Compression of a Zarr store.")
@click.option("--overwrite", is_flag=True, help="Replace what exists.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted conversion stopped.")
def convert(source: str, target: str, layout: str | None, codec: str | None, overwrite: bool, resume: bool, **options: Any) -> None:
    """Convert SOURCE to TARGET; the suffix says the format: .zarr, .raw, .mhd, .mha, .tif, .npy."""
    image = opened(source, **options)
    extra = {k: v for k, v in {"layout": layout, "codec": codec, "resume": resume or None}.items() if v is not None}
    start = time.perf_counter()
    stored = save(image, target, overwrite=overwrite, **extra)
    seconds = time.perf_counter() - start
    click.echo(f"{target}: {stored.grid}, {stored.dtype}, {describe_memory(image.nbytes)} in {seconds:.1f} s ({image.size / seconds / 1e6:.0f} Mvoxel/s)")
    if stored.grid.unit != image.grid.unit:
        say(f"WARNING: a {Path(target).suffix} file has no place for the voxel size: {image.grid} opens as {stored.grid}; give --voxel-size when you open it")


@click.command()
@click.argument("path")
@file_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"), show_default=True, help="The page.")
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
def report(path: str, out: Path, overwrite: bool, **options: Any) -> None:
    """Write one self-contained page on any image: its facts, slices, exact histogram and summary."""
    if out.exists() and not overwrite:
        raise ExistsError(f"{out} exists; pass --overwrite or another --out")
    image = opened(path, **options)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    out.write_text(write_page(Path(bare(path) if is_url(path) else path).name, image_sections(image)), encoding="utf-8")
    click.echo(f"report           {out.absolute()}")


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("demo"), show_default=True, help="Folder of the demonstration.")
@click.option("--size", type=click.IntRange(min=32), default=256, show_default=True, help="Edge of the synthetic scan, in voxels.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number makes another rock.")
def demo(out: Path, size: int, seed: int) -> None:
    """Make a synthetic grey scan of a sandstone, analyse it, and compare with its true porosity."""
    say(f"making a synthetic sandstone of {size}³ voxels of 4 um, and a noisy scan of it")
    rock = sandstone(shape=size, spacing="4 um", seed=seed)
    scan = save(ct_scan(rock, seed=seed), out / "scan.zarr", overwrite=True)
    truth = float(compute(porosity(rock), label="true porosity"))
    say("running the main job: denoise, threshold, segment, measure, report")
    found = run_analysis(scan, out=out / "analysis", source=out / "scan.zarr", overwrite=True, say=say)
    show(found)
    measured = float(found["porosity"])
    click.echo(f"{'true porosity':<{_COLUMN}} {truth:.6g} (the scan's {measured:.6g} differs by {abs(measured - truth):.2g})")
    if not math.isfinite(measured):
        raise ParameterError("the demonstration found no porosity")
