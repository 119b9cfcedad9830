"""A first look at a scan: what it is, in seconds, from a sample of its voxels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from voxelrock import statistics
from voxelrock.artefacts import Nature, nature
from voxelrock.artefacts.sampling import ACROSS, windows
from voxelrock.graph.arrays import source_of
from voxelrock.graph.execution import compute
from voxelrock.image import VoxelImage
from voxelrock.image.creation import from_array
from voxelrock.typing import HostArray
from voxelrock.viz.curves import draw_histogram
from voxelrock.viz.slices import Cut, colored, cuts_of, draw, edge_of, grey_limits, read_planes, scale_bar
from voxelrock.viz.style import INK, MUTED, figure

LAYERS = 64
"""Planes that are read of a file whose planes lie one after the other."""


@dataclass(frozen=True)
class Look:
    """What a first look shows.

    Parameters
    ----------
    figure
        Three slices and the histogram of the sample.
    nature
        What the image seems to be.
    histogram
        Of the sampled voxels, not of the image.
    """

    figure: Figure
    nature: Nature
    histogram: xr.DataArray

    @property
    def words(self) -> str:
        """What the image seems to be, in one sentence."""
        return self.nature.describe()

    def _repr_png_(self) -> Any:
        return self.figure._repr_png_()  # type: ignore[attr-defined]


def look(image: VoxelImage, /, *, axis: str = "z") -> Look:
    """Three slices, the histogram of a sample, and a guess of what an image is; computes, from a sample.

    Parameters
    ----------
    image
        Any image, of any size: of files whose planes lie one after the other (raw, TIFF) 64 planes are read, of all else three slices.
    axis
        The axis along which a plug is looked for.

    Returns
    -------
    Look
        Its ``figure`` shows itself in a notebook; ``nature`` says what the image seems to be; ``histogram`` is that of the sample.

    Raises
    ------
    ParameterError
        An image without voxels, or an axis that there is not.

    Notes
    -----
    Memory: under 300 MB for any size.

    Examples
    --------
    >>> import voxelrock as vr
    >>> look(vr.generators.blobs(shape=48, porosity=0.3, length=6, seed=1)).nature.kind
    'segmented'
    """
    guess = nature(image, axis=axis)
    cuts = cuts_of(image, None)
    planes, sample = _sampled(image, cuts)
    region = guess.outline.region if guess.outline is not None else None
    layers = edge_of(image, region)
    edges = read_planes(layers, cuts) if layers else {}
    histogram = _histogram(image, sample)
    return Look(_drawn(image, cuts, planes, edges, histogram, guess), guess, histogram)


def _sampled(image: VoxelImage, cuts: list[Cut]) -> tuple[dict[int, HostArray], HostArray]:
    """The slices to show by axis, and the values that were read for them."""
    axis = _stacked(image)
    if axis is None:
        found = read_planes({"image": image}, cuts)
        planes = {cut.axis: found["image", cut.axis] for cut in cuts}
        return planes, np.concatenate([plane.ravel() for plane in planes.values()])
    positions = np.unique(np.linspace(0, image.shape[axis] - 1, LAYERS).round().astype(int))
    middle = int(np.argmin(np.abs(positions - cuts[axis].position)))
    positions[middle] = cuts[axis].position
    across = [n for n in range(3) if n != axis]
    first, second = (-(-image.shape[n] // ACROSS) for n in across)
    rows, columns = ((0, image.shape[n]) for n in across)
    stack = np.stack(windows(image, axis, [(int(p), rows, columns) for p in positions], (first, second)), axis)
    at = {axis: middle} | {n: min(cuts[n].position // s, stack.shape[n] - 1) for n, s in zip(across, (first, second))}
    return {n: np.take(stack, at[n], n) for n in range(3)}, stack.ravel()


def _stacked(image: VoxelImage) -> int | None:
    """The axis along which planes lie one after the other in a file, so that a slice across another one would read it all."""
    source = source_of(image.data)
    if source is None:
        return None
    depth, _, width = source.tile
    return 0 if depth == 1 and width > 1 else 2 if width == 1 and depth > 1 else None


def _histogram(image: VoxelImage, values: HostArray) -> xr.DataArray:
    """The exact histogram of the sample."""
    nodata = image.nodata if isinstance(image.nodata, int | float) else math.nan if values.dtype.kind == "f" else None
    sample = from_array(values.reshape(1, 1, -1), nodata=nodata, block=(1, 1, values.size))
    found: xr.DataArray = compute(statistics.histogram(sample), label="histogram of the sample")
    found.attrs["definition"] = f"number of voxels with each value among {values.size} sampled ones"
    return found


def _drawn(image: VoxelImage, cuts: list[Cut], planes: dict[int, HostArray], edges: dict[Any, HostArray], histogram: xr.DataArray, guess: Nature) -> Figure:
    limits = grey_limits(list(planes.values()))
    page = figure(9.6, 5.6)
    widths = [max(image.grid.extent[n], 0.3 * max(image.grid.extent)) for n in (2, 2, 0)]
    grid = page.add_gridspec(2, 3, height_ratios=[3, 2], width_ratios=widths)
    panels = [page.add_subplot(grid[0, n]) for n in range(3)]
    for axes, cut in zip(panels, cuts):
        draw(axes, colored(image, planes[cut.axis], limits), image, cut, edge=edges.get(("edge", cut.axis)))
        axes.set_anchor("NW")  # room for the title of a narrow slice
    scale_bar(panels[0], image.grid.extent.x, image.grid.extent.y, image.grid.unit)
    bars = page.add_subplot(grid[1, :])
    sampled = int(histogram.sum())
    draw_histogram(bars, histogram, log=True, title=f"histogram of {sampled:,} sampled voxels of {image.size:,}".replace(",", " "))
    page.suptitle(guess.describe(), fontsize=9, color=INK, x=0.01, ha="left", wrap=True)
    bars.annotate(
        f"{image.grid}, {image.dtype}",
        (1, 1),
        xytext=(0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=MUTED,
    )
    return page
