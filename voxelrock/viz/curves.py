"""Histograms and profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from voxelrock.errors import ParameterError
from voxelrock.typing import HostArray
from voxelrock.viz.style import ACCENT, INK, MUTED, PHASES, PORE, figure, shown_unit, tidy

_BARS = 256


def plot_histogram(histogram: xr.DataArray, /, *, thresholds: Mapping[str, float] | None = None, classes: Mapping[str, float] | None = None,
                   log: bool = False, title: str = "") -> Figure:  # fmt: skip
    """A computed histogram with thresholds; many values are drawn as at most 256 bars.

    Parameters
    ----------
    histogram
        Of :func:`voxelrock.statistics.histogram`, computed or lazy.
    thresholds
        Names and values of vertical lines.
    classes
        Names and fractions of the classes between the thresholds, in ascending order of grey value: one more than thresholds.
    log
        Counts on a logarithmic axis, where small classes show.
    title
        Above the figure.

    Raises
    ------
    ParameterError
        The number of classes is not that of the thresholds plus one.

    Examples
    --------
    >>> import voxelrock as vr
    >>> len(plot_histogram(vr.statistics.histogram(vr.ones(shape=4)), log=True).axes)
    1
    """
    lines = dict(sorted((thresholds or {}).items(), key=lambda item: item[1]))
    if classes is not None and len(classes) != len(lines) + 1:
        raise ParameterError(f"{len(lines)} thresholds part {len(lines) + 1} classes; got {len(classes)}")
    page = figure(6.4, 3.2)
    axes = page.subplots()
    low, high = draw_histogram(axes, histogram, log=log, title=title)
    _mark(axes, lines, classes, low, high)
    return page


def draw_histogram(axes: Any, histogram: xr.DataArray, *, log: bool, title: str) -> tuple[float, float]:
    """The bars of a histogram; gives the ends of its occupied part."""
    left, right, counts = _bars(np.asarray(histogram["left"]), np.asarray(histogram["right"]), np.asarray(histogram.values))
    height = counts / (right - left) if log else counts / max(1, counts.sum()) / (right - left)
    axes.stairs(height, np.append(left, right[-1]), fill=True, color=ACCENT, alpha=0.85)
    unit = histogram["value"].attrs.get("units", "1")
    name = histogram["value"].attrs.get("long_name", "value")
    name = "grey value" if name in ("value", "grey") else name
    ylabel = ("voxels for each grey level" if np.all(right - left >= 1) else "voxels for each unit of value") if log else "probability density"
    tidy(axes, xlabel=name if unit == "1" else f"{name} ({unit})", ylabel=ylabel, title=title)
    if log and height.max() > 0:
        axes.set_yscale("log")
        axes.set_ylim(max(0.5 * height[height > 0].min(), height.max() * 1e-7), height.max() * 4)
    else:
        axes.set_ylim(bottom=0)
    return float(left[0]), float(right[-1])


def _mark(axes: Any, lines: Mapping[str, float], classes: Mapping[str, float] | None, low: float, high: float) -> None:
    """Thresholds as lines, and the classes between them by name and fraction."""
    for number, (label, value) in enumerate(lines.items()):
        axes.axvline(value, color=PORE, linewidth=1.4, linestyle=("-", "--", ":")[number % 3])
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (4, 0), "textcoords": "offset points"}
        axes.annotate(f"{label} {value:g}", (value, 0.86 - 0.1 * number), color=INK, fontsize=8, va="top", bbox=box, **place)
    edges = [low, *(min(max(v, low), high) for v in lines.values()), high]
    for number, (name, share) in enumerate((classes or {}).items()):
        middle = (edges[number] + edges[number + 1]) / 2
        axes.axvspan(edges[number], edges[number + 1], color=PHASES[(number + 1) % len(PHASES)], alpha=0.08, linewidth=0)
        axes.annotate(f"{name} {share:.4f}", (middle, 0.97), xycoords=("data", "axes fraction"), color=INK, fontsize=8, va="top", ha="center")


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


def plot_porosity_curve(curve: xr.DataArray, /, *, threshold: float | None = None, width: float | None = None, title: str = "") -> Figure:
    """Porosity against the threshold, with its slope; how far the answer hangs on the choice.

    Parameters
    ----------
    curve
        Of :func:`voxelrock.segmentation.porosity_curve`.
    threshold
        The threshold that was used.
    width
        The standard deviation of the solid mode: the band around the threshold.
    title
        Above the figure.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.from_function(lambda z, y, x: x % 9, shape=12, dtype="u1")
    >>> len(plot_porosity_curve(vr.segmentation.porosity_curve(vr.statistics.histogram(rock)), threshold=3).axes)
    2
    """
    page = figure(6.4, 3.0)
    axes = page.subplots()
    value, share = np.asarray(curve["value"], float), np.asarray(curve, float)
    step = max(1, value.size // 2048)
    axes.plot(value[::step], share[::step], color=ACCENT, linewidth=1.6)
    unit = curve["value"].attrs.get("units", "1")
    tidy(axes, xlabel="threshold" if unit == "1" else f"threshold ({unit})", ylabel="porosity", title=title)
    axes.set_ylim(0, 1)
    other = axes.twinx()
    slope = np.abs(np.gradient(share[::step], value[::step])) if value[::step].size > 1 else np.zeros(1)
    other.plot(value[::step], slope, color=MUTED, linewidth=0.8, alpha=0.8)
    other.set_ylabel("slope (1 / grey level)", color=MUTED, fontsize=9)
    other.tick_params(colors=MUTED, labelsize=8, length=3)
    other.set_ylim(bottom=0)
    for spines in (axes.spines, other.spines):
        spines["top"].set_visible(False)
        for side in ("left", "bottom", "right"):
            spines[side].set_color(MUTED)
    if threshold is not None:
        at = float(np.interp(threshold, value, share))
        axes.axvline(threshold, color=PORE, linewidth=1.4)
        axes.annotate(f"{threshold:g}: {at:.4f}", (threshold, at), xytext=(6, 6), textcoords="offset points", fontsize=8, color=INK)
        if width is not None and width > 0:
            axes.axvspan(threshold - width, threshold + width, color=PORE, alpha=0.12, linewidth=0)
    return page


def plot_profiles(profiles: Sequence[xr.DataArray], /, *, mean: float | None = None, title: str = "") -> Figure:
    """Profiles along the axes, one below the other, each with its mean and standard deviation over the slices.

    Parameters
    ----------
    profiles
        Of :func:`voxelrock.statistics.profile`; slices without counted voxels are left out.
    mean
        A horizontal line: the mean of the whole. By default the mean of the slices.
    title
        Above the figure.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.ones(shape=4, dtype=bool)
    >>> len(plot_profiles([vr.statistics.profile(image, axis=a) for a in "zyx"], mean=1.0).axes)
    3
    """
    page = figure(6.4, 1.75 * len(profiles) + 0.3)
    panels = page.subplots(len(profiles), 1, squeeze=False)[:, 0]
    values = [np.asarray(line, float) for line in profiles]
    for axes, color, line, value in zip(panels, (PHASES[1], PHASES[0], PHASES[3]), profiles, values):
        name = str(line.dims[0])
        counted = value[np.isfinite(value)]
        middle, spread = (float(counted.mean() if mean is None else mean), float(counted.std())) if counted.size else (0.0, 0.0)
        axes.plot(np.asarray(line[name], float), value, color=color, linewidth=1.2)
        axes.axhline(middle, color=INK, linewidth=1, linestyle="--")
        axes.axhspan(middle - spread, middle + spread, color=color, alpha=0.12, linewidth=0)
        unit = shown_unit(str(line[name].attrs.get("units", "")))
        words = f"{middle:.4f} ± {spread:.4f}"
        tidy(axes, xlabel=f"{name} ({unit})" if unit else name, ylabel=str(profiles[0].attrs.get("long_name", "")).replace(" profile", ""))
        axes.annotate(words, (1, 1), xytext=(0, 2), xycoords="axes fraction", textcoords="offset points", fontsize=8, color=INK, ha="right", va="bottom")
    panels[0].set_title(title, color=INK, fontsize=10, loc="left")
    return page


def plot_solid_profiles(profiles: Mapping[str, xr.Dataset], /, *, title: str = "") -> Figure:
    """The grey of the solid against the distance from the axis and along it, of one scan or of several side by side (before and after a correction).

    Parameters
    ----------
    profiles
        By name, of :func:`voxelrock.artefacts.solid_profiles`. Shells of under a thousandth of the solid's voxels are left out: they are noise.
    title
        Above the figure.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 100 * (x % 4 > 0) + 2 * z, shape=16, dtype="u1")
    >>> len(plot_solid_profiles({"as scanned": vr.artefacts.solid_profiles(scan)}).axes)
    2
    """
    page = figure(6.4, 2.8)
    panels = page.subplots(1, 2, sharey=True)
    for color, (label, found) in zip((MUTED, ACCENT, PORE, *PHASES), profiles.items()):
        for axes, name in zip(panels, ("radial", "axial")):
            line, counts = found[name], np.asarray(found[f"{name}_voxels"], float)
            enough = counts > 1e-3 * counts.sum() if name == "radial" else counts > 0
            place = line[str(line.dims[0])]
            axes.plot(np.asarray(place, float)[enough], np.asarray(line, float)[enough], color=color, linewidth=1.3, label=label)
            unit = shown_unit(str(place.attrs.get("units", "")))
            words = "distance from the axis" if name == "radial" else str(place.name)
            tidy(axes, xlabel=f"{words} ({unit})" if unit else words, ylabel="grey value of the solid" if name == "radial" else "")
    panels[0].set_title(title, color=INK, fontsize=10, loc="left")
    if len(profiles) > 1:
        panels[1].legend(frameon=False, fontsize=8)
    return page


def plot_samples(
    names: Sequence[str], values: Sequence[float], /, *, low: Sequence[float] | None = None, high: Sequence[float] | None = None, label: str = "porosity"
) -> Figure:
    """One value of several samples side by side, with intervals.

    Parameters
    ----------
    names, values
        Of the samples; NaN draws nothing.
    low, high
        Ends of the intervals, where there are any.
    label
        What the value is.

    Examples
    --------
    >>> len(plot_samples(["A1", "A2"], [0.19, 0.22], low=[0.18, 0.2], high=[0.2, 0.25]).axes)
    1
    """
    page = figure(6.4, 0.8 + 0.3 * max(1, len(names)))
    axes = page.subplots()
    middle = np.asarray(values, float)
    rows = np.arange(middle.size)
    ends = [middle if part is None else np.where(np.isfinite(np.asarray(part, float)), np.asarray(part, float), middle) for part in (low, high)]
    axes.hlines(rows, np.minimum(ends[0], middle), np.maximum(ends[1], middle), color=ACCENT, linewidth=2, alpha=0.5)
    axes.plot(middle, rows, "o", color=ACCENT, markersize=5)
    tidy(axes, xlabel=label)
    axes.set_yticks(rows, list(names))
    axes.set_ylim(middle.size - 0.4, -0.6)
    axes.set_xlim(left=0)
    return page
