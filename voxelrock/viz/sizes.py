"""Figures of pore and throat sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from voxelrock.errors import DataError, ParameterTypeError
from voxelrock.viz.style import ACCENT, INK, MUTED, PORE, figure, shown_unit, tidy


def plot_size_distribution(distribution: xr.Dataset, /, *, title: str = "") -> Figure:
    """Density and cumulative share of the pore volume against diameter, with d10, d50 and d90; sizes that are not resolved are shaded.

    Parameters
    ----------
    distribution
        Of :func:`voxelrock.pores.pore_size_distribution`.
    title
        Above the figure.

    Raises
    ------
    ParameterTypeError
        It is something else.

    Examples
    --------
    >>> import voxelrock as vr
    >>> slit = vr.from_function(lambda z, y, x: (z > 1) & (z < 5), shape=7, dtype=bool)
    >>> len(plot_size_distribution(vr.pores.pore_size_distribution(slit)).axes)
    2
    """
    if not isinstance(distribution, xr.Dataset) or "density" not in distribution:
        raise ParameterTypeError("expected a pore size distribution, as vr.pores.pore_size_distribution makes")
    page = figure(6.4, 3.4)
    axes = page.subplots()
    left, right = distribution["left"].values, distribution["right"].values
    logarithmic = distribution.attrs.get("scale", "log") == "log"
    axes.stairs(distribution["density"].values, np.append(left, right[-1]), fill=True, color=ACCENT, alpha=0.85)
    unit = shown_unit(distribution["size"].attrs.get("units", "voxel"))
    per = "decade" if logarithmic else unit
    tidy(axes, xlabel=f"pore diameter ({unit})", ylabel=f"share of the pore volume per {per}", title=title)
    if logarithmic:
        _logarithmic(axes, axes.xaxis)
    axes.set_xlim(left[0], right[-1])
    axes.set_ylim(bottom=0, top=1.25 * max(float(distribution["density"].max()), 1e-9))
    second = axes.twinx()
    second.plot(right, distribution["cumulative"].values, color=PORE, linewidth=1.4)
    _right_axis(second, "cumulative share")
    second.set_ylim(0, 1.25)
    second.set_yticks(np.linspace(0, 1, 6))
    _shade(axes, float(left[0]), float(distribution.attrs["resolution"]))
    for name in ("d10", "d50", "d90"):
        value = float(distribution[name])
        if np.isfinite(value):
            axes.axvline(value, color=INK, linewidth=0.9, linestyle=":")
            axes.annotate(f"{name}\n{value:.3g}", (value, 0.985), xycoords=("data", "axes fraction"), fontsize=7.5, va="top", color=INK, **_beside())
    return page


def _logarithmic(axes: Any, axis: Any) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 of each decade."""
    getattr(axes, f"set_{axis.axis_name}scale")("log")
    _plain_ticks(axis)


def _plain_ticks(axis: Any) -> None:
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _beside() -> dict[str, Any]:
    return {"xytext": (3, 0), "textcoords": "offset points", "bbox": {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0}}


def _right_axis(axes: Any, label: str) -> None:
    axes.set_ylabel(label, color=PORE, fontsize=9)
    axes.tick_params(colors=PORE, labelsize=8, length=3)
    for side in ("top", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["right"].set_color(PORE)


def _shade(axes: Any, low: float, resolution: float) -> None:
    """The sizes that are not resolved."""
    axes.axvspan(low, resolution, color=MUTED, alpha=0.18, linewidth=0)
    place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "va": "bottom", "rotation": 90, "zorder": 5}
    axes.annotate("unresolved", (low, 0.03), color=MUTED, fontsize=7.5, **place, **_beside())


def plot_capillary_curve(curve: xr.Dataset, /, *, title: str = "") -> Figure:
    """Capillary pressure against saturation with an axis of throat radii, and the throat size distribution beside it.

    Parameters
    ----------
    curve
        Of :func:`voxelrock.pores.capillary_curve`.
    title
        Above the figure.

    Raises
    ------
    ParameterTypeError, DataError
        It is something else; no radius in it is finite, since nothing was invaded or there is no solid.

    Examples
    --------
    >>> import voxelrock as vr
    >>> slit = vr.from_function(lambda z, y, x: (y > 1) & (y < 5), shape=7, dtype=bool, spacing="1 um")
    >>> len(plot_capillary_curve(vr.pores.capillary_curve(vr.pores.porosimetry(slit))).axes)
    2
    """
    if not isinstance(curve, xr.Dataset) or "resolution_pressure" not in curve:
        raise ParameterTypeError("expected a capillary curve, as vr.pores.capillary_curve makes")
    known = np.isfinite(curve["radius"].values)
    if not known.any():
        raise DataError("there is no pressure to draw: nothing was invaded, or the image holds no solid")
    page = figure(7.2, 3.5)
    first, second = page.subplots(1, 2)
    unit = shown_unit(curve["radius"].attrs.get("units", "um"))
    name, pascals = ("MPa", 1e6) if float(curve["resolution_pressure"]) >= 1e6 else ("kPa", 1e3)
    radii, pressure, saturation = curve["radius"].values, curve["pressure"].values / pascals, curve["saturation"].values
    scale = float(np.median(pressure[known] * radii[known]))
    first.step(np.append(0.0, saturation[known]), np.append(pressure[known], pressure[known][-1:]), where="post", color=ACCENT, linewidth=1.4)
    tidy(first, xlabel="saturation of the invading fluid", ylabel=f"capillary pressure ({name})", title=title)
    first.set_xlim(0, 1)
    _logarithmic(first, first.yaxis)
    first.set_ylim(0.8 * float(pressure[known][0]), 1.25 * float(curve["resolution_pressure"]) / pascals)
    other = first.secondary_yaxis("right", functions=(lambda p: scale / np.maximum(p, 1e-300), lambda r: scale / np.maximum(r, 1e-300)))
    other.set_ylabel(f"throat radius ({unit})", color=INK, fontsize=9)
    other.tick_params(colors=MUTED, labelsize=8, length=3)
    _plain_ticks(other.yaxis)
    _marks(first, curve, (scale, pascals), (name, unit))
    _throats(second, curve, unit)
    return page


def _marks(axes: Any, curve: xr.Dataset, scales: tuple[float, float], units: tuple[str, str]) -> None:
    """Entry pressure, r35, and the limit of the resolution."""
    scale, pascals = scales
    limit = scale / _resolution(curve)
    axes.axhspan(limit, 10 * limit, color=MUTED, alpha=0.18, linewidth=0)
    axes.annotate("unresolved", (0.02, limit), xycoords=("axes fraction", "data"), color=MUTED, fontsize=7.5, va="bottom")
    r35, entry = float(curve["r35"]), float(curve["entry_pressure"]) / pascals
    if np.isfinite(entry) and entry > 0:
        axes.axhline(entry, color=INK, linewidth=0.9, linestyle=":")
        axes.annotate(f"entry {entry:.3g} {units[0]}", (0.98, entry), xycoords=("axes fraction", "data"), fontsize=7.5, ha="right", va="bottom", color=INK)
    if np.isfinite(r35) and r35 > 0:
        axes.plot([0.35], [scale / r35], "o", color=PORE, markersize=4)
        axes.annotate(f"r35 {r35:.3g} {units[1]}", (0.35, scale / r35), xytext=(6, -10), textcoords="offset points", fontsize=7.5, color=INK)


def _throats(axes: Any, curve: xr.Dataset, unit: str) -> None:
    """dV / dlog r."""
    distribution = curve["distribution"]
    left, right = distribution["left"].values, distribution["right"].values
    axes.stairs(distribution.values, np.append(left, right[-1]), fill=True, color=ACCENT, alpha=0.85)
    tidy(axes, xlabel=f"throat radius ({unit})", ylabel="dV / dlog₁₀ r (share of the pore volume)")
    _logarithmic(axes, axes.xaxis)
    axes.set_xlim(left[0], right[-1])
    axes.set_ylim(0, 1.15 * max(float(distribution.max()), 1e-9))
    _shade(axes, float(left[0]), _resolution(curve))


def _resolution(curve: xr.Dataset) -> float:
    """The least radius that is resolved; of voxels with equal sides, if the curve does not say."""
    return float(curve.attrs.get("resolution", 1.5 * float(curve["distribution"]["left"][0])))
