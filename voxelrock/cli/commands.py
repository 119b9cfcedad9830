"""The commands."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from voxelrock.errors import ExistsError, ParameterError, VoxelrockError
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
from voxelrock.workflow import Analysis, Recipe
from voxelrock.workflow import analyze as run_analysis
from voxelrock.workflow.regions import HELP as ROI_HELP

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
    image = open_image(path, spacing=_spacing(voxel_size), **said)
    for note in (n for h in image.history for n in h["parameters"].get("notes", ())):
        click.echo(f"note: {note}", err=True)
    return image


def _lengths(text: str) -> list[int]:
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 3 or not all(p.strip().isdigit() for p in parts):
        raise ParameterError(f"a shape is three whole numbers, such as 1000x1000x1250; got {text!r}")
    return [int(p) for p in parts]


def _spacing(text: str | None) -> Any:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) not in (1, 3):
        raise ParameterError(f"--voxel-size is one length, or three along z,y,x; got {text!r}")
    return text if len(parts) == 1 else ZYX(*parts)


def say(text: str) -> None:
    """Tell the user what is being done."""
    click.echo(f"· {text}", err=True)


@click.command()
@click.argument("path")
@file_options
@click.option("--pore", metavar="LABELS", help="The image is segmented, and these labels are pore: 0, or 1,3.")
@click.option("--roi", default="none", show_default=True, metavar="REGION", help=f"Where to measure: {ROI_HELP}.")
@click.option("--denoise", type=click.Choice(["median", "gaussian", "none"]), default="median", show_default=True, help="How a grey scan is denoised.")
@click.option("--radius", type=float, default=1.0, show_default=True, help="Reach of the median, or sigma of the Gaussian, in voxels.")
@click.option("--threshold", type=float, help="Grey value at or below which a voxel is pore; Otsu's by default.")
@click.option("--phase", type=click.Choice(["dark", "bright"]), default="dark", show_default=True, help="Which class of a grey scan is pore.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the results; PATH with -analysis by default.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier analysis.")
def analyze(path: str, pore: str | None, out: Path | None, overwrite: bool, **options: Any) -> None:
    """Segment and measure a scan; write report.html, results.json, recipe.toml and segmented.zarr.

    PATH is a Zarr store, a TIFF file or folder of slices, a .raw, .mhd, .mha or .npy file. A grey scan is denoised (median of 3 × 3 × 3) and
    thresholded (Otsu); a segmented one (--pore) is measured as it is. Run again after an interruption, it goes on where it stopped.
    """
    steps = {k: options.pop(k) for k in ("roi", "denoise", "radius", "threshold", "phase")}
    image = opened(path, **options)
    labels = None if pore is None else tuple(_label(p) for p in pore.split(","))
    method = "otsu" if steps["threshold"] is None else "threshold"
    recipe = Recipe(labels, steps["roi"], steps["denoise"], steps["radius"], method, steps["threshold"], steps["phase"])
    folder = out or Path(path.rstrip("/")).with_name(Path(path.rstrip("/")).stem + "-analysis")
    found = run_analysis(image, out=folder, recipe=recipe, source=path, overwrite=overwrite, say=say)
    show(found)


def _label(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ParameterError(f"--pore takes labels such as 0 or 1,3; got {text!r}") from None


def show(found: Analysis) -> None:
    """The numbers, and where the report is."""
    for name, value in found.results.items():
        if value.ndim == 0:
            click.echo(f"{str(name).replace('_', ' '):<16} {shown(value)}")
    click.echo(f"report           {found.report}")


@click.command()
@click.argument("path")
@file_options
def info(path: str, **options: Any) -> None:
    """Say what a file or store holds; for a headerless file, which shapes fit its size."""
    place = Path(path)
    headerless = place.is_file() and place.suffix.lower() in (".raw", ".bin", ".dat", ".img", "")
    if headerless and not (options["shape_xyz"] or options["shape_zyx"]):
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
    out.write_text(write_page(Path(path).name, image_sections(image)), encoding="utf-8")
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
    measured = float(found.results["porosity"])
    click.echo(f"true porosity    {truth:.6g} (the scan's {measured:.6g} differs by {abs(measured - truth):.2g})")
    if not math.isfinite(measured):
        raise ParameterError("the demonstration found no porosity")
