"""Histograms and profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from voxelrock.typing import HostArray
from voxelrock.viz.style import ACCENT, INK, PHASES, PORE, figure, tidy

_BARS = 256


def plot_histogram(histogram: xr.DataArray, /, *, thresholds: Mapping[str, float] | None = None, title: str = "") -> Figure:
    """A computed histogram with thresholds; many values are drawn as at most 256 bars.

    Parameters
    ----------
    histogram
        Of :func:`voxelrock.statistics.histogram`, computed or lazy.
    thresholds
        Names and values of vertical lines.
    title
        Above the figure.

    Examples
    --------
    >>> import voxelrock as vr
    >>> len(plot_histogram(vr.statistics.histogram(vr.ones(shape=4))).axes)
    1
    """
    left, right, counts = _bars(np.asarray(histogram["left"]), np.asarray(histogram["right"]), np.asarray(histogram.values))
    page = figure(6.4, 3.0)
    axes = page.subplots()
    total = max(1, counts.sum())
    axes.stairs(counts / total / (right - left), np.append(left, right[-1]), fill=True, color=ACCENT, alpha=0.85)
    unit = histogram["value"].attrs.get("units", "1")
    name = histogram["value"].attrs.get("long_name", "value")
    tidy(axes, xlabel=name if unit == "1" else f"{name} ({unit})", ylabel="probability density", title=title)
    for number, (label, value) in enumerate((thresholds or {}).items()):
        axes.axvline(value, color=PORE, linewidth=1.4, linestyle=("-", "--", ":")[number % 3])
        axes.annotate(f"{label} {value:g}", (value, 0.97 - 0.1 * number), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points",
                      color=INK, fontsize=8, va="top")  # fmt: skip
    axes.set_ylim(bottom=0)
    return page


def _bars(left: HostArray, right: HostArray, counts: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """The occupied part of a histogram in at most 256 bars of equal numbers of bins."""
    occupied = np.flatnonzero(counts)
    if not occupied.size:
        return left[:1], right[:1], counts[:1]
    first, last = occupied[0], occupied[-1] + 1
    left, right, counts = left[first:last], right[first:last], counts[first:last]
    group = -(-counts.size // _BARS)
    starts = np.arange(0, counts.size, group)
    ends = np.minimum(starts + group, counts.size) - 1
    return left[starts], right[ends], np.add.reduceat(counts, starts)


def plot_profiles(profiles: Sequence[xr.DataArray], /, *, mean: float | None = None, title: str = "") -> Figure:
    """Profiles along the axes, each over the fraction of the axis' length.

    Parameters
    ----------
    profiles
        Of :func:`voxelrock.statistics.profile`.
    mean
        A horizontal line: the mean of the whole.
    title
        Above the figure.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.ones(shape=4, dtype=bool)
    >>> len(plot_profiles([vr.statistics.profile(image, axis=a) for a in "zyx"], mean=1.0).axes)
    1
    """
    page = figure(6.4, 3.0)
    axes = page.subplots()
    for color, line in zip((PHASES[1], PHASES[0], PHASES[3]), profiles):
        name = str(line.dims[0])
        place = np.asarray(line[name], float)
        span = place[-1] - place[0] if place.size > 1 else 1.0
        axes.plot((place - place[0]) / span, np.asarray(line), color=color, linewidth=1.2, label=f"along {name}")
    if mean is not None:
        axes.axhline(mean, color=INK, linewidth=1, linestyle="--", label=f"whole {mean:.4f}")
    tidy(axes, xlabel="position (fraction of the length)", ylabel=str(profiles[0].attrs.get("long_name", "")), title=title)
    axes.legend(fontsize=8, frameon=False, ncols=4, labelcolor=INK, loc="best")
    return page
