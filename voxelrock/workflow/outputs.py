"""What an analysis leaves for people: figures, curves, tables and the page; only what is missing is made."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from voxelrock import viz
from voxelrock.image import VoxelImage
from voxelrock.io.tables import save_table
from voxelrock.report import figure_png
from voxelrock.storage import open_zarr
from voxelrock.workflow.correcting import scans_of
from voxelrock.workflow.folder import Folder
from voxelrock.workflow.pages import page_of
from voxelrock.workflow.recipe import Recipe
from voxelrock.workflow.results import write_text
from voxelrock.workflow.sizes import curve_of, distribution_of
from voxelrock.workflow.stages import Say, filtered
from voxelrock.workflow.structures import chords_of, correlation_of, structure_of, table_name, windows_of, write_netcdf, write_rows

CROP = 400
_DPI = 300


class Figures:
    """The figures of an analysis by name; each is drawn once, when it is first asked for."""

    def __init__(self, folder: Folder, image: VoxelImage, results: xr.Dataset) -> None:
        self.folder, self.results = folder, results
        self.recipe = Recipe.from_json(results.attrs["steps"])
        self.image, self.labels = image, open_zarr(folder.segmented)
        self._drawn: dict[str, Figure] = {}
        self.makers = self._makers()

    def __getitem__(self, name: str) -> Figure:
        if name not in self._drawn:
            figure = self._drawn[name] = self.makers[name]()
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once: it is written three times
        return self._drawn[name]

    @property
    def _stages(self) -> dict[str, VoxelImage]:
        if not self.recipe.grey:
            return {"segmented": self.labels}
        stages = {"raw": self.image}
        if self.recipe.correction is not None:
            stages["corrected"] = open_zarr(self.folder.corrected)
        if self.recipe.denoising:
            noise = float(self.results["noise_level"]) if "noise_level" in self.results else 0.0
            stages["filtered"] = filtered(stages.get("corrected", self.image), self.recipe, noise)
        return stages | {"segmented": self.labels}

    def _makers(self) -> dict[str, Callable[[], Figure]]:
        outside = [k for k, p in self.labels.phases.items() if p.role == "outside"]
        edge = ~self.labels.isin(outside) if outside else None
        stages, results = self._stages, self.results
        makers: dict[str, Callable[[], Figure]] = {
            "slices": lambda: viz.slices(self.image if self.recipe.grey else self.labels, outline=edge),
            "stages": lambda: viz.compare(stages, outline=edge),
        }
        makers |= {f"crop_{name}": lambda stage=stage: viz.crop(stage, size=CROP) for name, stage in stages.items()}  # type: ignore[misc]
        if "histogram" in results:
            makers["histogram"] = self._histogram
            limit, width = float(results["threshold"]), float(results["solid_width"])
            makers["porosity_threshold"] = lambda: viz.plot_porosity_curve(results["porosity_curve"], threshold=limit, width=width)
        lines = [results[f"profile_{axis}"] for axis in "zyx"]
        sizes, curve = distribution_of(results), curve_of(results)
        if sizes is not None:
            makers["pore_sizes"] = lambda: viz.plot_size_distribution(sizes)
        if curve is not None:
            makers["capillary_pressure"] = lambda: viz.plot_capillary_curve(curve)
        if "solid_radial" in results:
            makers["solid_profiles"] = lambda: viz.plot_solid_profiles(scans_of(results))
        makers |= self._structure()
        makers["profiles"] = lambda: viz.plot_profiles(lines, mean=float(results["porosity"]))
        return makers

    def _structure(self) -> dict[str, Callable[[], Figure]]:
        correlation, chords, windows = correlation_of(self.results), chords_of(self.results), windows_of(self.results)
        makers: dict[str, Callable[[], Figure]] = {}
        if correlation is not None:
            makers["two_point"] = lambda: viz.plot_two_point(correlation)
        if chords:
            makers["chords"] = lambda: viz.plot_chords(chords)
        if windows is not None:
            makers["windows"] = lambda: viz.plot_windows(windows)
        return makers

    def _histogram(self) -> Figure:
        results, dark = self.results, getattr(self.recipe.last, "phase", "dark") == "dark"
        pore, solid = ("pore", float(results["pore_fraction"])), ("solid", float(results["solid_fraction"]))
        classes = dict((pore, solid) if dark else (solid, pore))
        return viz.plot_histogram(results["histogram"], thresholds={"threshold": float(results["threshold"])}, classes=classes, log=True)


def write_outputs(folder: Folder, image: VoxelImage, results: xr.Dataset, say: Say) -> None:
    """Make those of the figures, curves, tables and the page that are not there yet."""
    makers = _files(folder, image, results)
    missing = {path: make for path, make in makers.items() if not path.exists()}
    if not missing:
        say(f"nothing is missing in {folder.path}")
        return
    say(f"writing {len(missing)} files: tables, curves, figures, the report")
    for path, make in missing.items():
        path.parent.mkdir(exist_ok=True)
        make(path)


def _files(folder: Folder, image: VoxelImage, results: xr.Dataset) -> dict[Path, Callable[[Path], Any]]:
    """Every file of the folder with what writes it; the page comes last."""
    figures = Figures(folder, image, results)
    numbers = {str(k): v for k, v in results.data_vars.items() if v.ndim == 0}
    files: dict[Path, Callable[[Path], Any]] = {folder.path / "results.csv": lambda path: save_table(numbers, path)}
    found = structure_of(results)
    for name, curve in results.data_vars.items():
        if curve.ndim and name not in found:
            files[folder.path / "curves" / f"{name}.csv"] = lambda path, curve=curve: save_table(curve, path)  # type: ignore[misc]
    if found.data_vars:
        files[folder.path / "statistics.nc"] = lambda path: write_netcdf(found, path)
        files[folder.path / table_name()] = lambda path: write_rows(found, path)
    for name in figures.makers:
        for suffix in ("png", "svg"):
            files[folder.path / "figures" / f"{name}.{suffix}"] = lambda path, name=name: _write_figure(figures[name], path, name)  # type: ignore[misc]
    files[folder.report] = lambda path: write_text(path, page_of(results, {name: figure_png(figures[name]) for name in figures.makers}))
    return files


def _write_figure(figure: Figure, path: Path, name: str) -> None:
    """A figure at 300 dots an inch or as SVG; crops keep one pixel for each voxel."""
    buffer = io.BytesIO()
    dpi = figure.dpi if name.startswith("crop_") else _DPI
    figure.savefig(buffer, format=path.suffix[1:], dpi=dpi, metadata={"Date": None} if path.suffix == ".svg" else None)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(buffer.getvalue())
    os.replace(partial, path)
