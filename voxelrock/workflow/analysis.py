"""From a scan to its numbers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import xarray as xr

from voxelrock import filters, segmentation, statistics
from voxelrock.errors import DataError, ExistsError
from voxelrock.graph.execution import compute
from voxelrock.image import Phase, VoxelImage
from voxelrock.io.saving import save
from voxelrock.report import Section, figure_png, write_page
from voxelrock.typing import Json
from voxelrock.viz import plot_histogram, plot_profiles, slices
from voxelrock.workflow.recipe import Recipe, identity, to_toml, versions
from voxelrock.workflow.regions import parse_region

SOLID, PORE, OUTSIDE = 0, 1, 2
_PHASES = {
    SOLID: Phase("solid", "solid", "#c9c2b0"),
    PORE: Phase("pore", "pore", "#e4572e"),
    OUTSIDE: Phase("outside", "outside", "#e8ecef"),
}
_FEW = 8
FILES = ("report.html", "results.json", "recipe.toml", "segmented.zarr")


@dataclass(frozen=True)
class Analysis:
    """What an analysis found.

    Parameters
    ----------
    scan
        The image that was analysed.
    segmented
        Labels: 0 solid, 1 pore, 2 outside the region of interest; stored.
    results
        Numbers and curves, computed, with units and definitions.
    recipe
        The steps.
    folder
        Where ``report.html``, ``results.json``, ``recipe.toml`` and ``segmented.zarr`` lie.
    timings
        Seconds for each step.
    """

    scan: VoxelImage
    segmented: VoxelImage
    results: xr.Dataset
    recipe: Recipe
    folder: Path
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"


def analyze(image: VoxelImage, /, *, out: str | Path, recipe: Recipe | None = None, source: str | Path | None = None, overwrite: bool = False,
            say: Callable[[str], None] = lambda text: None) -> Analysis:  # fmt: skip
    """Denoise, threshold, measure and report; computes.

    Grey images are denoised (median of 3 × 3 × 3) and thresholded (Otsu inside the region of interest) as the recipe says; segmented ones
    (``recipe.pore``, or booleans) are measured as they are. An analysis that was killed goes on where it stopped.

    Parameters
    ----------
    image
        Any image; stays lazy.
    out
        The folder of the results.
    recipe
        The steps; defaults as said.
    source
        The file that the image comes from, for the record.
    overwrite
        Replace an earlier analysis in the folder.
    say
        Called with what is being done.

    Raises
    ------
    ExistsError
        The folder holds an analysis already.
    DataError
        The image is constant, or has NaN in the region of interest.

    Notes
    -----
    Memory: a few blocks for each thread. A grey image is read twice (histogram, then segmentation), the segmentation once more.

    Examples
    --------
    >>> import tempfile, voxelrock as vr
    >>> rock = vr.from_function(lambda z, y, x: 100 * ((x // 4 + y // 4) % 2), shape=16, dtype="u1")
    >>> found = analyze(rock, out=tempfile.mkdtemp() + "/rock")
    >>> float(found.results["porosity"])
    0.5
    """
    steps = recipe or Recipe()
    steps = replace(steps, pore=_pores_known(image)) if steps.pore is None else steps
    folder = Path(out).absolute()
    _check_folder(folder, overwrite)
    clock = Clock()
    region = _with_data(image, parse_region(steps.roi, image))
    say(f"{image.grid}, {image.dtype}; region of interest: {steps.roi}")
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"voxelrock": versions(), "input": _input(image, source), "recipe": steps.to_json()}
    (folder / "recipe.toml").write_text(to_toml(tables))
    pores, facts = _segmented(image, steps, region, clock, say)
    labels = _labels(pores, region)
    say("segmenting")
    with clock("segmenting and storing"):
        stored = save(labels, folder / "segmented.zarr", overwrite=True, resume=_unfinished(folder) and not overwrite)
    say("measuring")
    with clock("measuring"):
        results = _measured(image, stored, region if steps.pore is None else None, steps)
    results = results.assign({k: v for k, v in facts.items() if k != "histogram"})
    if "histogram" in facts:
        results = results.assign(histogram=facts["histogram"])
    found = Analysis(image, stored, results, steps, folder, clock.seconds)
    _warn(results, steps, say)
    say("writing the report")
    _write(found, source)
    return found


def _warn(results: xr.Dataset, steps: Recipe, say: Callable[[str], None]) -> None:
    """Say what a user should know before trusting the numbers; refuse labels that are nowhere."""
    if steps.pore is not None and float(results["porosity"]) == 0:
        raise DataError(f"no voxel has the label {', '.join(map(str, steps.pore))}: name the pores that the image holds with pore= (--pore)")
    if "histogram" in results and int((results["histogram"] > 0).sum()) <= _FEW:
        say("the image has few different values: if it is segmented, name its pores with pore= (--pore)")


class Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)


def _pores_known(image: VoxelImage) -> tuple[int, ...] | None:
    """The labels that are pore by themselves: True, or those whose phase says so; None for a grey image."""
    if image.dtype.kind == "b":
        return (1,)
    return tuple(label for label, phase in image.phases.items() if phase.role in ("pore", "fluid")) or None


def _check_folder(folder: Path, overwrite: bool) -> None:
    there = [name for name in FILES if (folder / name).exists()]
    stopped = "recipe.toml" in there and "report.html" not in there  # a run of ours that was killed: it goes on
    if there and not stopped and not overwrite:
        raise ExistsError(f"{folder} holds an analysis already ({', '.join(there)}); pass overwrite=True (--overwrite) or another folder")


def _with_data(image: VoxelImage, region: Any) -> Any:
    """The region, without voxels that hold no data or whose label is outside the rock."""
    outside = [label for label, phase in image.phases.items() if phase.role == "outside"]
    masks = [] if image.nodata is None else [image.valid]
    masks += [~image.assign(nodata=None).isin(outside)] if outside else []
    for mask in masks:
        region = mask if region is None else mask & mask.with_data(mask.restriction(region))
    return region


def _unfinished(folder: Path) -> bool:
    return (folder / ".segmented.zarr.partial").exists()


def _segmented(image: VoxelImage, steps: Recipe, region: Any, clock: Clock, say: Callable[[str], None]) -> tuple[VoxelImage, dict[str, Any]]:
    """The pores, and what was found on the way."""
    if steps.pore is not None:
        return image.isin(steps.pore), {}
    quiet = _denoised(image, steps)
    if steps.method == "threshold":
        limit: Any = steps.threshold
        facts: dict[str, Any] = {"threshold": xr.DataArray(float(limit), attrs={"units": "1", "definition": "given; pores are value <= threshold"})}
        with clock("histogram"):
            facts["histogram"] = compute(statistics.histogram(quiet, where=region), label="histogram")
    else:
        say(f"finding the threshold ({steps.denoise} denoising, Otsu)")
        with clock("threshold"):
            wanted = {"threshold": segmentation.otsu_threshold(quiet, where=region), "histogram": statistics.histogram(quiet, where=region)}
            facts = dict(compute(wanted, label="histogram"))
        limit = float(facts["threshold"])
        say(f"Otsu's threshold is {limit:g}")
    dark = segmentation.threshold(quiet, high=limit)
    return (dark if steps.phase == "dark" else ~dark), facts


def _denoised(image: VoxelImage, steps: Recipe) -> VoxelImage:
    if steps.denoise == "none" or steps.radius_vx == 0:
        return image
    if steps.denoise == "gaussian":
        return filters.gaussian(image, sigma_vx=steps.radius_vx)
    return filters.median(image, radius_vx=steps.radius_vx)


def _labels(pores: VoxelImage, region: Any) -> VoxelImage:
    labels = pores.astype("u1")
    if region is not None:
        labels = labels.where(pores.with_data(pores.restriction(region), phases={}), other=OUTSIDE)
    kept = {k: p for k, p in _PHASES.items() if k != OUTSIDE or region is not None}
    return labels.assign(phases=kept)


def _measured(image: VoxelImage, labels: VoxelImage, region: Any, steps: Recipe) -> xr.Dataset:
    wanted: dict[str, Any] = {
        "porosity": statistics.porosity(labels),
        "phase_fractions": statistics.phase_fractions(labels),
        **{f"profile_{axis}": statistics.profile(labels, axis=axis) for axis in "zyx"},
    }
    if steps.pore is None:
        wanted |= {f"grey_{k}": v for k, v in statistics.summary(image, where=region).items()}
    found = compute(wanted, label="measuring")
    return xr.Dataset(found)


def _write(found: Analysis, source: str | Path | None) -> None:
    page = write_page(f"Analysis of {Path(source).name if source else 'an image'}", sections(found, source))
    numbers = {k: _number(v) for k, v in found.results.items() if v.ndim == 0}
    curves = {str(k): _curve(v) for k, v in found.results.items() if v.ndim and k != "histogram"}
    results = {"results": numbers, "curves": curves, "image": _image_facts(found.scan), "recipe": found.recipe.to_json()}
    results |= {"versions": versions(), "timings_s": found.timings}
    (found.folder / "results.json").write_text(json.dumps(_plain(results), indent=1, allow_nan=False))
    found.report.write_text(page, encoding="utf-8")


def _number(value: xr.DataArray) -> Json:
    return {"value": float(value), "units": value.attrs.get("units", "1"), "definition": value.attrs.get("definition", ""), **_bulk(value)}


def _curve(value: xr.DataArray) -> Json:
    facts = {"units": value.attrs.get("units", "1"), "definition": value.attrs.get("definition", "")}
    return {"values": value.values.tolist(), **facts, **{str(d): value[d].values.tolist() for d in value.dims}}


def _bulk(value: xr.DataArray) -> Json:
    return {"bulk": value.attrs["bulk"]} if "bulk" in value.attrs else {}


def _plain(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _image_facts(image: VoxelImage) -> Json:
    grid = image.grid
    return {"shape_zyx": list(grid.shape), "spacing_zyx": list(grid.spacing), "origin_zyx": list(grid.origin), "unit": grid.unit, "dtype": str(image.dtype)}


def _input(image: VoxelImage, source: str | Path | None) -> Json:
    return (identity(Path(source)) if source is not None else {"path": ""}) | _image_facts(image)


def sections(found: Analysis, source: str | Path | None) -> list[Section]:
    """What the report shows, in order."""
    results, grey = found.results, found.recipe.pore is None
    rows = [(k.replace("_", " "), v) for k, v in results.items() if v.ndim == 0]
    rows.sort(key=lambda row: row[0] not in ("porosity", "threshold"))
    parts = [Section.numbers("Results", rows)]
    shown = found.scan if grey else found.segmented
    pictures = slices(shown, overlay=found.segmented if grey else None)
    parts.append(
        Section.picture("Slices", figure_png(pictures), "Three orthogonal slices through the middle" + (", the segmentation on top." if grey else "."))
    )
    if grey:
        raw = slices(found.scan)
        parts.append(Section.picture("The scan", figure_png(raw), "The same slices as they were scanned."))
        plot = plot_histogram(results["histogram"], thresholds={"threshold": float(results["threshold"])})
        caption = "Exact histogram of the denoised grey values in the region of interest; pores are " + (
            "at or below" if found.recipe.phase == "dark" else "above"
        )
        parts.append(Section.picture("Histogram", figure_png(plot), caption + " the threshold."))
    profiles = plot_profiles([results[f"profile_{axis}"] for axis in "zyx"], mean=float(results["porosity"]))
    parts.append(Section.picture("Porosity profiles", figure_png(profiles), "Porosity of each slice across the three axes; slices without rock are left out."))
    parts.append(Section.table("Recipe", [(k, str(v)) for k, v in found.recipe.to_json().items()]))
    parts.append(Section.table("Image", [(k, str(v)) for k, v in _input(found.scan, source).items()]))
    history = [(str(i + 1), f"{h['operation']} {json.dumps(h['parameters'], default=str)}") for i, h in enumerate(found.segmented.history)]
    parts.append(Section.table("History", history))
    seconds = [(f"time for {k}", f"{v:.2f} s") for k, v in found.timings.items()]
    parts.append(Section.table("Versions and timings", [(k, str(v)) for k, v in versions().items()] + seconds))
    return parts
