"""One look for all figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

INK, MUTED, GRID = "#1f2933", "#66788a", "#d9e0e6"
ACCENT, PORE, SOLID, OUTSIDE = "#0b6e99", "#e4572e", "#c9b458", "#8d99a6"
ROI = "#18a558"
PHASES = ("#0b6e99", "#e4572e", "#c9b458", "#5b8c5a", "#7a5195", "#8d99a6", "#b56576", "#3d5a80")


class Picture(Figure):
    """A Matplotlib figure that notebooks show by themselves."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, without pyplot: figures are values and can be made in any thread."""
    return Picture(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")


def tidy(axes: Any, *, xlabel: str = "", ylabel: str = "", title: str = "") -> None:
    """Labels, thin axes, a light grid."""
    axes.set_xlabel(xlabel, color=INK, fontsize=9)
    axes.set_ylabel(ylabel, color=INK, fontsize=9)
    axes.set_title(title, color=INK, fontsize=10, loc="left")
    axes.tick_params(colors=MUTED, labelsize=8, length=3)
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)


def legend(axes: Any, entries: Sequence[tuple[str, str]]) -> None:
    """A legend of colours."""
    handles = [Line2D([], [], color=color, linewidth=6, solid_capstyle="butt") for _, color in entries]
    axes.legend(handles, [name for name, _ in entries], loc="upper left", fontsize=8, frameon=False, labelcolor=INK, handlelength=1.2)


def legend_below(page: Any, entries: Sequence[tuple[str, str]]) -> None:
    """A legend of colours under all panels of a figure."""
    handles = [Line2D([], [], color=color, linewidth=6, solid_capstyle="butt") for _, color in entries]
    page.legend(
        handles,
        [name for name, _ in entries],
        loc="outside lower center",
        ncols=min(6, len(entries)),
        fontsize=8,
        frameon=False,
        labelcolor=INK,
        handlelength=1.2,
    )


def nice(length: float) -> float:
    """The largest of 1, 2, 5, 10, 20, … not above a length."""
    power = 1.0
    while power * 10 <= length:
        power *= 10
    while power > length:
        power /= 10
    return max(step for step in (power, 2 * power, 5 * power) if step <= length)


def shown_unit(unit: str) -> str:
    """A unit as it is printed: µm for um, µm³ for um³, 1/µm² for um-2."""
    for power, sign in (("-1", ""), ("-2", "²"), ("-3", "³")):
        if unit.endswith(power):
            return f"1/{shown_unit(unit.removesuffix(power))}{sign}"
    return "µm" + unit[2:] if unit in ("um", "um²", "um³") else unit
