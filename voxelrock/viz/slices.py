"""Three orthogonal slices through an image, with a scale bar and phases on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure

from voxelrock.errors import ParameterError
from voxelrock.geometry import AXES, ZYX, Region
from voxelrock.graph.execution import compute
from voxelrock.image import VoxelImage
from voxelrock.typing import HostArray
from voxelrock.viz.style import ACCENT, INK, MUTED, PHASES, ROI, figure, legend, nice, shown_unit

_PIXELS = 900
_NOTHING = (0.93, 0.94, 0.95, 1.0)
"""The colour of voxels that hold no data."""


@dataclass(frozen=True)
class Cut:
    """One slice: which axis it lies across, which voxel along it, and the voxels shown (every ``step``-th)."""

    axis: int
    position: int
    step: int

    @property
    def across(self) -> tuple[int, int]:
        """The axes down and across the picture."""
        down, right = (a for a in range(3) if a != self.axis)
        return down, right

    def of(self, image: VoxelImage) -> VoxelImage:
        """The slice as an image of one voxel's thickness."""
        index: list[Any] = [slice(None, None, self.step)] * 3
        index[self.axis] = slice(self.position, self.position + 1)
        return image[tuple(index)]


def slices(image: VoxelImage, /, *, overlay: VoxelImage | None = None, position: Any = None, limits: tuple[float, float] | None = None,
           outline: VoxelImage | Region | None = None, alpha: float = 0.6, cmap: str = "gray") -> Figure:  # fmt: skip
    """Three orthogonal slices with a scale bar; reads only the slices that it shows, at most 900 voxels a side.

    Parameters
    ----------
    image
        Any image; booleans and labels with phases are shown in the colours of their phases.
    overlay
        Booleans (True is coloured) or labels with phases, on the same grid, drawn over the image.
    position
        The voxel through which the slices go, ``dict(z=…, y=…, x=…)``; the middle by default.
    limits
        Grey values shown as black and white; the 0.5 % and 99.5 % quantiles of what is shown by default.
    outline
        A region or a mask whose edge is drawn: a region of interest.
    alpha
        Opacity of the overlay.
    cmap
        Matplotlib's name of the grey scale.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig("slices.png")``.

    Raises
    ------
    ParameterError
        A position outside the image, or an image without voxels.

    Examples
    --------
    >>> import voxelrock as vr
    >>> slices(vr.zeros(shape=16, spacing="8 um")).axes[0].get_title(loc="left")
    'z = 64 µm'
    """
    if image.size == 0:
        raise ParameterError("an image without voxels cannot be shown")
    if overlay is not None:
        image.same_grid(overlay)
    cuts = cuts_of(image, position)
    layers = {"image": image} | ({} if overlay is None else {"overlay": overlay}) | edge_of(image, outline)
    planes = read_planes(layers, cuts)
    page, panels, corner = _layout(image.grid.extent)
    range_shown = limits or grey_limits([planes["image", c.axis] for c in cuts])
    for axes, cut in zip(panels, cuts):
        shown = colored(image, planes["image", cut.axis], range_shown, cmap)
        if overlay is not None:
            shown = _blend(shown, _colors(overlay, planes["overlay", cut.axis], overlaid=True), alpha)
        draw(axes, shown, image, cut, edge=planes.get(("edge", cut.axis)))
    scale_bar(panels[0], image.grid.extent.x, image.grid.extent.y, image.grid.unit)
    entries = entries_of(overlay if overlay is not None else image)
    if entries:
        legend(corner, entries)
    elif image.field.unit:
        _bar(corner, image, range_shown, cmap)
    return page


def _bar(corner: Any, image: VoxelImage, limits: tuple[float, float], cmap: str) -> None:
    """The colours of a physical quantity, in the corner."""
    bar = corner.figure.colorbar(ScalarMappable(Normalize(*limits), cmap), cax=corner.inset_axes((0.12, 0.1, 0.06, 0.8)))
    bar.set_label(f"{image.field.name.replace('_', ' ')} ({shown_unit(image.field.unit)})", fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, colors=MUTED, length=2)
    bar.outline.set_visible(False)


def edge_of(image: VoxelImage, outline: VoxelImage | Region | None) -> dict[str, VoxelImage]:
    """A layer of the voxels inside an outline, or none."""
    return {} if outline is None else {"edge": image.with_data(image.restriction(outline), nodata=None, phases={})}


def read_planes(layers: Mapping[str, VoxelImage], cuts: Sequence[Cut]) -> dict[tuple[str, int], HostArray]:
    """The slices of several images, by name and axis, in one reading."""
    wanted = {(name, cut.axis): cut.of(image).data for name, image in layers.items() for cut in cuts}
    found = compute(list(wanted.values()), label="reading slices")
    return {(name, axis): np.asarray(plane).squeeze(axis) for (name, axis), plane in zip(wanted, found)}


def cuts_of(image: VoxelImage, position: Any) -> list[Cut]:
    """The three slices through a voxel, the middle one by default."""
    middle = image.shape.map(lambda n: n // 2)
    where = middle if position is None else ZYX(*((dict(position).get(a, m)) for a, m in zip(AXES, middle)))
    cuts = []
    for axis in range(3):
        if not 0 <= where[axis] < image.shape[axis]:
            raise ParameterError(f"position {where[axis]} along {AXES[axis]} is outside the image, which has {image.shape[axis]} voxels")
        longest = max(n for a, n in enumerate(image.shape) if a != axis)
        cuts.append(Cut(axis, int(where[axis]), max(1, -(-longest // _PIXELS))))
    return cuts


def grey_limits(planes: list[HostArray]) -> tuple[float, float]:
    """Grey values shown as black and white: the 0.5 % and 99.5 % quantiles."""
    values = np.concatenate([p.ravel() for p in planes]).astype(float)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.quantile(values, [0.005, 0.995])
    return float(low), float(high) if high > low else float(low) + 1.0


def entries_of(image: VoxelImage) -> list[tuple[str, str]]:
    """Names and colours of an image's phases."""
    if image.phases:
        return [(p.name, p.color or PHASES[i % len(PHASES)]) for i, p in enumerate(image.phases.values())]
    return [("True", PHASES[1])] if image.dtype.kind == "b" else []


def _colors(image: VoxelImage, plane: HostArray, *, overlaid: bool = False) -> HostArray:
    """Red, green, blue and opacity of labels; solids are left transparent where they lie over a scan."""
    shown = np.zeros((*plane.shape, 4))
    labels = list(image.phases) or [1]
    for label, (_, color) in zip(labels, entries_of(image) or [("", PHASES[1])]):
        hidden = overlaid and label in image.phases and image.phases[label].role == "solid"
        shown[plane == label] = (*to_rgb(color), 0.0 if hidden else 1.0)
    return shown


def colored(image: VoxelImage, flat: HostArray, limits: tuple[float, float], cmap: str = "gray") -> HostArray:
    """A slice as red, green and blue: phases in their colours, grey values between the limits."""
    if image.phases or flat.dtype == bool:
        base = _colors(image, flat)
        base[base[..., 3] == 0] = _NOTHING
        return base[..., :3]
    from_map = colormaps[cmap]
    level = np.clip((flat.astype(float) - limits[0]) / (limits[1] - limits[0]), 0, 1)
    shown = np.asarray(from_map(np.nan_to_num(level)))[..., :3]
    shown[np.isnan(level)] = _NOTHING[:3]
    return shown


def _blend(shown: HostArray, top: HostArray, alpha: float) -> HostArray:
    weight = top[..., 3:] * alpha
    return shown * (1 - weight) + top[..., :3] * weight


def _layout(extent: ZYX[float]) -> tuple[Figure, list[Any], Any]:
    """Panels at one scale: the slice across z, below it the one across y, to its right the one across x; and a corner for the legend."""
    z, y, x = (max(e, 0.18 * max(extent)) for e in extent)
    scale = 6.6 / max(x + z, 1.1 * (y + z))
    page = figure(scale * (x + z) + 0.9, scale * (y + z) + 0.9)
    grid = page.subplots(2, 2, width_ratios=[x, z], height_ratios=[y, z])
    grid[1, 1].axis("off")
    return page, [grid[0, 0], grid[1, 0], grid[0, 1]], grid[1, 1]


def draw(axes: Any, shown: HostArray, image: VoxelImage, cut: Cut, *, edge: HostArray | None = None) -> None:
    """A slice with its position and the directions of its axes; the edge of a region on it."""
    grid, unit = image.grid, shown_unit(image.grid.unit)
    down, right = cut.across
    if cut.axis == 2:  # z runs across, so that y stays level with the slice across z
        shown, down, right = shown.transpose(1, 0, 2), right, down
        edge = None if edge is None else edge.T
    height, width = grid.extent[down], grid.extent[right]
    axes.imshow(shown, extent=(0, width, height, 0), interpolation="nearest", aspect="equal")
    if edge is not None and edge.any() and not edge.all():
        # A frame of outside closes the line where the region ends at the image's own edge.
        rows, columns = ((np.arange(n + 2) - 0.5) * length / n for n, length in zip(edge.shape, (height, width)))
        axes.contour(columns, rows, np.pad(edge, 1).astype(float), levels=[0.5], colors=[ROI], linewidths=1.2)
        axes.set(xlim=(0, width), ylim=(height, 0))
    place = grid.point(ZYX(*(cut.position if a == cut.axis else 0 for a in range(3))))[cut.axis]
    axes.set_title(f"{AXES[cut.axis]} = {place:g} {unit}", fontsize=9, color=INK, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    small: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right", "fontsize": 7, "color": MUTED}
    axes.annotate(f"{AXES[right]} →", (1, 0), xytext=(0, -3), va="top", **small)
    axes.annotate(f"{AXES[down]} ↓", (0, 0), xytext=(-3, 0), va="bottom", **small)


def scale_bar(axes: Any, width: float, height: float, unit: str) -> None:
    """A bar of a round length in a corner."""
    length = nice(width / 3)
    x, y = 0.05 * width, 0.95 * height
    for color, thickness in (("white", 5.0), (ACCENT, 3.0)):
        axes.plot([x, x + length], [y, y], color=color, linewidth=thickness, solid_capstyle="butt")
    label = f"{length:g} {shown_unit(unit)}" + ("s" if unit == "voxel" and length != 1 else "")
    axes.text(
        x + length / 2, y - 0.025 * height, label, ha="center", va="bottom", fontsize=8, color=INK,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5, "boxstyle": "round,pad=0.2"},
    )  # fmt: skip
