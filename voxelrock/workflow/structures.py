"""Spatial statistics in an analysis: what is measured, the names that it has among the results, and back; and the files that hold it."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from voxelrock import __version__, structure
from voxelrock.geometry.axes import AXES
from voxelrock.graph.execution import compute
from voxelrock.image import VoxelImage
from voxelrock.workflow.phases import pores_of
from voxelrock.workflow.recipe import Structure

LONGEST = 100
"""Voxels along the shortest side of a voxel: the longest lag of a correlation."""
LEAST = 16
"""Times the shortest side of a voxel: the edge of the smallest windows."""

_BODY = {
    "surface_density": "specific_surface",
    "mean_curvature_density": "mean_curvature_density",
}
_MAIN = {"mean_intercept_length": "mean_intercept_length", "fabric_tensor": "fabric_tensor", "degree_of_anisotropy": "degree_of_anisotropy"}
_WINDOWS = {
    **{name: f"windows_{name}" for name in ("mean", "std", "cv", "quantiles", "whole", "trend", "trend_error", "has_trend")},
    "windows": "windows_number",
    "representative_edge": "representative_edge",
    "property": "windows_property",
    "property_units": "windows_property_units",
    "edge": "windows_edge",
    "q": "windows_quantile",
}
_PROPERTY_UNITS, _QUANTILE = _WINDOWS["property_units"], _WINDOWS["q"]
_OF_PROPERTIES = ("windows_mean", "windows_std", "windows_quantiles", "windows_whole")
NUMBERS = (
    *("specific_surface", "specific_surface_pore", "surface_from_correlation", "mean_curvature_density", "euler_number", "connectivity_density"),
    *(f"{kind}_{axis}" for kind in ("integral_scale", "mean_chord_pore", "mean_chord_solid") for axis in AXES),
    "degree_of_anisotropy",
)
"""Those of the results that are plain numbers, in the order of the report."""


def statistics(labels: VoxelImage, step: Structure) -> dict[str, Any]:
    """The lazy statistics of the resolved pores of labels, inside what is not outside."""
    pores, where = pores_of(labels)
    wanted: dict[str, Any] = {}
    for group in step.of:
        wanted |= _GROUPS[group](pores, where)
    return wanted


def measure_structure(labels: VoxelImage, step: Structure) -> dict[str, xr.DataArray]:
    """Numbers and curves of :func:`statistics`, in one reading."""
    made = compute(statistics(labels, step), label="structure")
    found: dict[str, xr.DataArray] = {}
    for name, value in made.items():
        found |= _NAMED.get(name.rpartition(" ")[0] or name, _plain)(name, value)
    return found


def _surface(pores: VoxelImage, where: Any) -> dict[str, Any]:
    if min(pores.shape) < 2:  # no configuration of 2×2×2 voxels
        return {}
    facts = {"where": where}
    return {
        "body": structure.minkowski(pores, **facts),
        "specific_surface_pore": structure.specific_surface(pores, per="pore", **facts),
        "connectivity_density": structure.connectivity_density(pores, **facts),
        "intercepts": structure.mean_intercept_length(pores, **facts),
    }


def _correlation(pores: VoxelImage, where: Any) -> dict[str, Any]:
    steps = min(LONGEST, min(pores.shape) // 2)
    if not steps:
        return {}
    lag = steps * min(pores.grid.spacing)
    return {
        "correlation": structure.two_point(pores, lag=lag, where=where),
        "scale": structure.integral_scale(pores, lag=lag, where=where),
        "surface_from_correlation": structure.surface_from_correlation(pores, where=where),
    }


def _chords(pores: VoxelImage, where: Any) -> dict[str, Any]:
    phases = {"pore": pores, "solid": ~pores}
    return {f"chords {kind}_{axis}": structure.chord_lengths(phase, axis=axis, where=where) for kind, phase in phases.items() for axis in AXES}


def _windows(pores: VoxelImage, where: Any) -> dict[str, Any]:
    wanted = LEAST * min(pores.grid.spacing)
    if any(round(wanted / s) > n for s, n in zip(pores.grid.spacing, pores.shape)):
        return {}
    return {"windows": structure.representative_volume(pores, where=where)}


_GROUPS: dict[str, Callable[[VoxelImage, Any], dict[str, Any]]] = {
    "surface": _surface,
    "correlation": _correlation,
    "chords": _chords,
    "windows": _windows,
}


def _plain(name: str, value: xr.DataArray) -> dict[str, xr.DataArray]:
    return {name: value}


def _of_body(name: str, value: xr.Dataset) -> dict[str, xr.DataArray]:
    euler = value["euler_number"].sel(connectivity=6, drop=True)
    return {new: value[old] for old, new in _BODY.items()} | {"euler_number": euler}


def _of_intercepts(name: str, value: xr.Dataset) -> dict[str, xr.DataArray]:
    kept = value[list(_MAIN)].drop_vars(["z", "y", "x"], errors="ignore").rename(direction="intercept_direction")
    return {new: kept[old] for old, new in _MAIN.items()}


def _of_correlation(name: str, value: xr.DataArray) -> dict[str, xr.DataArray]:
    return {"two_point": value.rename(direction="lag_direction")}


def _of_scale(name: str, value: xr.DataArray) -> dict[str, xr.DataArray]:
    return {f"integral_scale_{axis}": value.sel(direction=axis, drop=True) for axis in AXES}


def _of_chords(name: str, value: xr.Dataset) -> dict[str, xr.DataArray]:
    """Up to the longest chord."""
    of = name.partition(" ")[2]
    counted = np.flatnonzero((value["complete"] + value["cut"]).values)
    density = value["density"].isel(length=slice(0, int(counted[-1]) + 1 if counted.size else 1))
    return {f"chord_density_{of}": density.rename(length=f"chord_length_{of}"), f"mean_chord_{of}": value["mean"]}


def _of_windows(name: str, value: xr.Dataset) -> dict[str, xr.DataArray]:
    renamed = value.rename({old: new for old, new in _WINDOWS.items() if old in value.variables})
    return {new: renamed[new] for new in _WINDOWS.values() if new in renamed.data_vars}


_NAMED: dict[str, Callable[[str, Any], dict[str, xr.DataArray]]] = {
    "body": _of_body,
    "intercepts": _of_intercepts,
    "correlation": _of_correlation,
    "scale": _of_scale,
    "chords": _of_chords,
    "windows": _of_windows,
}


def correlation_of(results: xr.Dataset) -> xr.DataArray | None:
    """The two-point function among results, if it is there."""
    return results["two_point"].rename(lag_direction="direction") if "two_point" in results else None


def chords_of(results: xr.Dataset) -> dict[str, dict[str, xr.Dataset]]:
    """Chord lengths among results, by phase and axis."""
    found: dict[str, dict[str, xr.Dataset]] = {}
    for kind in ("pore", "solid"):
        for axis in AXES:
            of = f"{kind}_{axis}"
            if f"chord_density_{of}" in results:
                density = results[f"chord_density_{of}"].rename({f"chord_length_{of}": "length"})
                found.setdefault(kind, {})[axis] = xr.Dataset({"density": density, "mean": results[f"mean_chord_{of}"]})
    return found


def windows_of(results: xr.Dataset) -> xr.Dataset | None:
    """The table of windows among results, if it is there."""
    if "windows_mean" not in results:
        return None
    there = {new: old for old, new in _WINDOWS.items() if new in results.variables}
    return results[[name for name in there if name in results.data_vars]].rename(there)


def structure_of(results: xr.Dataset) -> xr.Dataset:
    """All spatial statistics among results."""
    starts = ("two_point", "chord_density_", "windows_", "representative_edge", "mean_intercept_length", "fabric_tensor")
    names = [name for name in map(str, results.data_vars) if name in NUMBERS or name.startswith(starts)]
    found = results[names]
    found.attrs = {"sample": str(results.attrs.get("sample", "")), "roi": str(results.attrs.get("roi", "")), "voxelrock": __version__}
    return found


def table_name() -> str:
    """Of the file of all numbers and curves: Parquet where pandas can write it, else CSV."""
    return "statistics.parquet" if find_spec("pyarrow") else "statistics.csv"


def write_netcdf(found: xr.Dataset, path: Path) -> None:
    """All statistics as NetCDF, whole or not at all."""
    kept = found.copy()
    for name in kept.variables:
        kept[name].attrs = {k: v for k, v in found[name].attrs.items() if isinstance(v, str | int | float)}
    partial = path.with_name(f".{path.name}.partial")
    kept.attrs = {k: v for k, v in found.attrs.items() if isinstance(v, str | int | float)}
    kept.to_netcdf(partial)
    os.replace(partial, path)


def write_rows(found: xr.Dataset, path: Path) -> None:
    """All statistics as one long table with a row for each value: statistic, of (direction, property, …), coordinate, at, quantile, value, units."""
    table = pd.concat([_frame(str(name), value) for name, value in found.data_vars.items()], ignore_index=True)
    partial = path.with_name(f".{path.name}.partial")
    if path.suffix == ".parquet":
        table.to_parquet(partial, index=False)
    else:
        table.to_csv(partial, index=False)
    os.replace(partial, path)


def _frame(name: str, value: xr.DataArray) -> pd.DataFrame:
    """The rows of one statistic; values that are not known, such as those beyond the longest lag, are left out."""
    rows = value.to_dataframe(name="value").reset_index() if value.ndim else pd.DataFrame({"value": [value.item()]})
    texts = [column for column in rows.columns if rows[column].dtype.kind in "OUT" and column != _PROPERTY_UNITS]
    numbers = [column for column in rows.columns if column not in (*texts, "value", _PROPERTY_UNITS, _QUANTILE)]
    at = "lag" if "lag" in numbers else (numbers or [""])[0]
    units = rows[_PROPERTY_UNITS] if name in _OF_PROPERTIES else str(value.attrs.get("units", "1"))
    made = {
        "statistic": name,
        "of": rows[texts].agg(" ".join, axis=1) if texts else "",
        "coordinate": at.removeprefix("windows_"),
        "at": rows[at].astype(float) if at else np.nan,
        "quantile": rows.get(_QUANTILE, np.nan),
        "value": rows["value"].astype(float),
        "units": units,
    }
    return pd.DataFrame(made).dropna(subset="value")
