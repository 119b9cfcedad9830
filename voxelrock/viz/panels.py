"""The same slices of several images side by side, and voxels one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from voxelrock.errors import ParameterError
from voxelrock.geometry import AXES, Region
from voxelrock.graph.execution import compute
from voxelrock.image import VoxelImage
from voxelrock.viz.slices import colored, cuts_of, draw, edge_of, entries_of, grey_limits, read_planes, scale_bar
from voxelrock.viz.style import INK, Picture, figure, legend_below

_WIDTH = 2.9
_DPI = 100


def compare(
    images: Mapping[str, VoxelImage], /, *, position: Any = None, outline: VoxelImage | Region | None = None, limits: tuple[float, float] | None = None
) -> Figure:
    """Three orthogonal slices of several images side by side: raw, filtered, segmented; reads only the slices that it shows.

    Parameters
    ----------
    images
        Images on one grid by their titles. Grey ones share their black and white.
    position
        The voxel through which the slices go, ``dict(z=…, y=…, x=…)``; the middle by default.
    outline
        A region or a mask whose edge is drawn on the grey images.
    limits
        Grey values shown as black and white; the 0.5 % and 99.5 % quantiles of the first image's slices by default. An image whose values all lie beyond
        them (a probability beside a scan) is shown between its own.

    Raises
    ------
    ParameterError, GridMismatchError
        No images, images on different grids, a position outside.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: x % 7, shape=16, dtype="u1")
    >>> len(compare({"raw": scan, "segmented": scan < 3}).axes)
    6
    """
    if not images:
        raise ParameterError("there is nothing to compare: give images by title")
    first = next(iter(images.values()))
    for other in images.values():
        first.same_grid(other)
    cuts = cuts_of(first, position)
    planes = read_planes(dict(images) | {f"\0{k}": v for k, v in edge_of(first, outline).items()}, cuts)
    shown = {title: grey_limits([planes[title, cut.axis] for cut in cuts]) for title in images}
    common = limits or next(iter(shown.values()))
    shapes = [(first.grid.extent[d], first.grid.extent[r]) for d, r in ((1, 2), (0, 2), (1, 0))]
    ratios = [min(max(height / width, 0.15), 1.25) for height, width in shapes]
    page = figure(_WIDTH * len(images), _WIDTH * sum(ratios) + 1.0)
    panels = page.subplots(3, len(images), height_ratios=ratios, squeeze=False)
    for row, cut in zip(panels, cuts):
        for axes, (title, image) in zip(row, images.items()):
            labelled = bool(image.phases) or image.dtype.kind == "b"
            draw(
                axes,
                colored(image, planes[title, cut.axis], _fitting(common, shown[title])),
                image,
                cut,
                edge=None if labelled else planes.get(("\0edge", cut.axis)),
            )
    for axes, title in zip(panels[0], images):
        axes.annotate(title, (0.5, 1), xytext=(0, 18), xycoords="axes fraction", textcoords="offset points", ha="center", fontsize=10, color=INK, weight="bold")
    scale_bar(panels[0][0], first.grid.extent.x, first.grid.extent.y, first.grid.unit)
    entries = [entry for image in images.values() for entry in entries_of(image)]
    if entries:
        legend_below(page, list(dict.fromkeys(entries)))
    return page


def _fitting(common: tuple[float, float], own: tuple[float, float]) -> tuple[float, float]:
    return own if own[1] <= common[0] or own[0] >= common[1] else common


def crop(image: VoxelImage, /, *, size: int = 400, axis: str = "z", position: Any = None, limits: tuple[float, float] | None = None) -> Figure:
    """A square of one slice at one pixel per voxel: save it with ``figure.savefig("crop.png")`` and every voxel is one pixel.

    Parameters
    ----------
    image
        Any image.
    size
        Edge of the square in voxels; less where the image is smaller.
    axis
        The axis that the slice lies across.
    position
        The voxel in the middle of the square, ``dict(z=…, y=…, x=…)``; the middle of the image by default.
    limits
        Grey values shown as black and white; the 0.5 % and 99.5 % quantiles of the square by default.

    Raises
    ------
    ParameterError
        A position outside, an axis that there is not, a size below one voxel.

    Examples
    --------
    >>> import voxelrock as vr
    >>> figure = crop(vr.zeros(shape=16), size=10)
    >>> [round(float(inches * figure.dpi)) for inches in figure.get_size_inches()]
    [10, 10]
    """
    if size < 1 or axis not in AXES:
        raise ParameterError(f"a crop has at least one voxel and lies across 'z', 'y' or 'x'; got size {size} and axis {axis!r}")
    cut = cuts_of(image, position)[AXES.index(axis)]
    middle = {a: (n // 2 if position is None else dict(position).get(a, n // 2)) for a, n in zip(AXES, image.shape)}
    index: list[slice] = []
    for name, n in zip(AXES, image.shape):
        start = min(max(0, middle[name] - size // 2), max(0, n - size))
        index.append(slice(cut.position, cut.position + 1) if name == axis else slice(start, min(n, start + size)))
    plane = np.asarray(compute(image[tuple(index)].data, label="reading a crop")).squeeze(cut.axis)
    pixels = colored(image, plane, limits or grey_limits([plane]))
    height, width = pixels.shape[:2]
    page = Picture(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    axes = page.add_axes((0, 0, 1, 1))
    axes.imshow(pixels, interpolation="none", aspect="auto")
    axes.axis("off")
    return page
