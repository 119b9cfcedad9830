"""Figures of spatial statistics: correlation, chords, windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.viz.style import ACCENT, INK, MUTED, PHASES, PORE, figure, shown_unit, tidy

_LINES = (PHASES[1], PHASES[0], PHASES[3], *PHASES[4:])
_BOX: dict[str, Any] = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
_PROPERTIES = {"porosity": "porosity", "specific_surface": "specific surface", "euler_density": "Euler number per volume"}


def plot_two_point(correlation: xr.DataArray, /, *, title: str = "") -> Figure:
    """The two-point function along each direction, between the phase's fraction φ and φ², where nothing is correlated.

    Parameters
    ----------
    correlation
        Of :func:`voxelrock.structure.two_point`.
    title
        Above the figure.

    Raises
    ------
    ParameterTypeError
        It is something else.

    Examples
    --------
    >>> import voxelrock as vr
    >>> stripes = vr.from_function(lambda z, y, x: x % 8 < 3, shape=16, dtype=bool)
    >>> len(plot_two_point(vr.structure.two_point(stripes, lag=7)).axes)
    1
    """
    if not isinstance(correlation, xr.DataArray) or set(correlation.dims) != {"direction", "step"}:
        raise ParameterTypeError("expected a two-point function, as vr.structure.two_point makes")
    page = figure(6.4, 3.4)
    axes = page.subplots()
    unit = shown_unit(str(correlation["lag"].attrs.get("units", "voxel")))
    fractions = correlation.isel(step=0).values.astype(float)
    for color, name in zip(_LINES * 9, correlation["direction"].values):
        line = correlation.sel(direction=name)
        axes.plot(line["lag"].values, line.values, color=color, linewidth=1.5, label=str(name))
    fraction = float(np.nanmean(fractions)) if np.isfinite(fractions).any() else 0.0
    for level, words in ((fraction, f"φ = {fraction:.4f}"), (fraction**2, f"φ² = {fraction**2:.4f}")):
        axes.axhline(level, color=INK, linewidth=0.9, linestyle=":")
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "xytext": (0, 4 if level == fraction else -4), "textcoords": "offset points"}
        axes.annotate(words, (0.995, level), fontsize=8, color=INK, ha="right", va="bottom" if level == fraction else "top", bbox=_BOX, **place)
    tidy(axes, xlabel=f"lag ({unit})", ylabel="two-point probability S₂", title=title)
    axes.set_xlim(left=0)
    axes.set_ylim(0, max(1.12 * fraction, 1e-9))
    axes.legend(fontsize=8, frameon=False, labelcolor=INK, loc="best", title="along", title_fontsize=8)
    return page


def plot_chords(chords: Mapping[str, Mapping[str, xr.Dataset]] | Mapping[str, xr.Dataset], /, *, title: str = "") -> Figure:
    """Densities of chord lengths on a logarithmic axis, with their means; an exponential is a straight line.

    Parameters
    ----------
    chords
        By axis, datasets of :func:`voxelrock.structure.chord_lengths`; or by the name of a phase such mappings, a panel for each.
    title
        Above the figure.

    Raises
    ------
    ParameterError
        Nothing to draw.

    Examples
    --------
    >>> import voxelrock as vr
    >>> stripes = vr.from_function(lambda z, y, x: x % 8 < 3, shape=16, dtype=bool)
    >>> len(plot_chords({"x": vr.structure.chord_lengths(stripes, axis="x")}).axes)
    1
    """
    if not chords:
        raise ParameterError("there are no chord lengths to draw: give those of an axis or more, by name")
    named: dict[str, Any] = dict(chords)
    panels = {"": named} if all(isinstance(v, xr.Dataset) for v in named.values()) else named
    page = figure(3.6 * max(len(panels), 1.6), 3.4)
    for axes, (phase, curves) in zip(page.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        unit = "voxel"
        for color, (name, curve) in zip(_LINES * 9, curves.items()):
            unit = shown_unit(str(curve["length"].attrs.get("units", "voxel")))
            density = curve["density"].values.astype(float)
            density[density <= 0] = np.nan
            mean = float(curve["mean"])
            label = f"{name}: mean {mean:.3g}" if np.isfinite(mean) else f"{name}: none"
            axes.plot(curve["length"].values, density, color=color, linewidth=1.2, marker=".", markersize=2.5, label=label)
        axes.set_yscale("log")
        tidy(axes, xlabel=f"{phase} chord length ({unit})".strip(), ylabel=f"density (1/{unit})", title=title if axes is page.axes[0] else "")
        axes.set_xlim(left=0)
        axes.legend(fontsize=8, frameon=False, labelcolor=INK, loc="upper right")
    return page


def plot_windows(windows: xr.Dataset, /, *, title: str = "") -> Figure:
    """Properties in windows against the windows' size: mean, spread, quantiles, and the representative edge where it is reached.

    Parameters
    ----------
    windows
        Of :func:`voxelrock.structure.representative_volume`.
    title
        Above the figure.

    Raises
    ------
    ParameterTypeError
        It is something else.

    Examples
    --------
    >>> import voxelrock as vr
    >>> stripes = vr.from_function(lambda z, y, x: x % 8 < 3, shape=32, dtype=bool)
    >>> len(plot_windows(vr.structure.representative_volume(stripes)).axes)
    3
    """
    if not isinstance(windows, xr.Dataset) or "representative_edge" not in windows:
        raise ParameterTypeError("expected a table of windows, as vr.structure.representative_volume makes")
    names = [str(name) for name in windows["property"].values]
    page = figure(6.4, 2.1 * len(names) + 0.4)
    panels = page.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    unit = _unit(windows)
    for axes, name in zip(panels, names):
        _property(axes, windows.sel(property=name), shown_unit(str(windows["property_units"].sel(property=name).item())), name)
    panels[-1].set_xlabel(f"edge of the window ({unit})", color=INK, fontsize=9)
    panels[0].set_title(title, color=INK, fontsize=10, loc="left")
    return page


def _unit(windows: xr.Dataset) -> str:
    return shown_unit(str(windows["edge"].attrs.get("units", "voxel")))


def _property(axes: Any, table: xr.Dataset, unit: str, name: str) -> None:
    """One property: quantiles as bands, the mean, the whole, the representative edge."""
    edge, levels = table["edge"].values, table["quantiles"]
    for low, high, alpha in ((0, -1, 0.12), (1, -2, 0.2)):
        if levels.sizes["q"] > 2 * low + 1:
            axes.fill_between(edge, levels.isel(q=low).values, levels.isel(q=high).values, color=ACCENT, alpha=alpha, linewidth=0)
    axes.plot(edge, table["mean"].values, color=ACCENT, linewidth=1.4, marker=".", markersize=4)
    axes.axhline(float(table["whole"]), color=INK, linewidth=0.9, linestyle="--")
    tidy(axes, ylabel=_PROPERTIES.get(name, name) + ("" if unit == "1" else f" ({unit})"))
    axes.set_xlim(0, float(edge[-1]))
    reached = float(table["representative_edge"])
    words = f"representative edge {reached:.3g} {_unit(table)}" if np.isfinite(reached) else "no representative edge in this image"
    if bool(table["has_trend"].values.any()):
        words += "; trend along " + ", ".join(str(a) for a in table["axis"].values[table["has_trend"].values])
    if np.isfinite(reached):
        axes.axvline(reached, color=PORE, linewidth=1.2)
    axes.annotate(words, (0.99, 0.95), xycoords="axes fraction", fontsize=8, color=INK if np.isfinite(reached) else MUTED, ha="right", va="top", bbox=_BOX)
