"""How unevenly a phase is spread: local porosity, lacunarity, box counting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError, ParameterError
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve, number
from voxelrock.kernels import tallies as t
from voxelrock.kernels.windows import between, summed
from voxelrock.parameters import whole
from voxelrock.structure.cells import Cells
from voxelrock.structure.restriction import Roles, Where, bulk_of, each_label, sampled
from voxelrock.typing import HostArray

_GLIDE = 4
"""Cells along the edge of a gliding window of local porosity."""


def _windows(found: list[t.Tallies], cells: Cells, k: int) -> HostArray:
    """Voxels of the phase in every window of k cells, at every cell, that exists wholly."""
    sums = between(summed(cells.complete(found)[..., :2]), k, 1).reshape(-1, 2)
    return sums[sums[:, t.BULK] == k**3 * math.prod(cells.edge), t.PHASE]


def local_shares(found: list[t.Tallies], *, cells: Cells, bins: int) -> HostArray:
    """The density of the porosities of gliding windows, over bins of equal width from 0 to 1.

    Raises
    ------
    DataError
        No window exists wholly.
    """
    inside = _windows(found, cells, _GLIDE)
    if not inside.size:
        raise DataError("no window lies wholly in where= and in what holds data: take a smaller one")
    size = _GLIDE**3 * math.prod(cells.edge)
    places = np.minimum(inside * bins // size, bins - 1)  # integers: a porosity on an edge belongs to the bin above it
    return np.bincount(places, minlength=bins) * (bins / inside.size)


def local_porosity(image: VoxelImage, /, *, window: float | str, bins: int = 50, where: Where = None, by: VoxelImage | None = None,
                   through: Roles = None) -> xr.DataArray:  # fmt: skip
    """The distribution of the porosity of windows of one size: the local porosity distribution μ(φ, L).

    Parameters
    ----------
    image
        A boolean image (True = the phase asked for), or labels with phases (their pores and fluids).
    window
        The edge of the windows, a length; they glide by a quarter of it. Rounded to four cells of whole voxels (the attribute ``window``).
    bins
        The number of equal bins from 0 to 1.
    where
        True = used. Only windows that lie inside wholly are counted.
    by
        Labels with phases (or booleans): one result for each, along ``label``.
    through
        Roles of the labels that make up the phase; pores and fluids by default.

    Returns
    -------
    xarray.DataArray
        float64 over ``porosity`` (the bins' middles): a probability density, its mean over the bins is 1. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels without roles; a window larger than the image; fewer than one bin.
    DataError
        No window lies inside wholly (raised when computed).

    Notes
    -----
    Bitwise; a pass and a table as in :func:`representative_volume`. It runs on the host. Windows overlap, so that their number is not that of
    independent samples. Hilfer 1991, doi:10.1103/PhysRevB.44.60.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z % 4 == 0, shape=16, dtype=bool)
    >>> local_porosity(layers, window=8, bins=4).values.tolist()
    [0.0, 4.0, 0.0, 0.0]
    """
    if by is not None:
        return each_label(image, by, where, lambda part: local_porosity(image, window=window, bins=bins, through=through, where=part))
    number_of_bins = whole(bins, "bins")
    if number_of_bins < 1:
        raise ParameterError(f"a distribution has at least one bin; got {bins}")
    cells = Cells.of(image, image.grid.length(window) / _GLIDE)
    edges = [_GLIDE * length for length in cells.lengths]
    if any(n < _GLIDE for n in cells.counts):
        raise ParameterError(f"a window of {window} is larger than the image, {image.grid.shape}")
    data = cells.reduce(sampled(image, where, through, "local porosity"), local_shares, (number_of_bins,), bins=number_of_bins)
    middles = {"porosity": (np.arange(number_of_bins) + 0.5) / number_of_bins}
    definition = "density of the porosity of windows that glide by a quarter of their edge"
    return curve(data, ("porosity",), middles, "local_porosity", definition=definition, window=edges, bulk=bulk_of(image, where))


def lacunarities(found: list[t.Tallies], *, cells: Cells) -> HostArray:
    """The mean square of the phase's volume in gliding windows over the square of its mean; NaN where there is none."""
    result = np.full(min(cells.counts), np.nan)
    for k in range(1, result.size + 1):
        inside = _windows(found, cells, k).astype("f8")
        if inside.any():
            result[k - 1] = np.mean(inside**2) / np.mean(inside) ** 2
    return result


def lacunarity(image: VoxelImage, /, *, cell: float | str | None = None, where: Where = None, by: VoxelImage | None = None,
               through: Roles = None) -> xr.DataArray:  # fmt: skip
    """The lacunarity of a phase: how unevenly gliding windows are filled, against their size.

    Parameters
    ----------
    image, where, by, through
        As in :func:`local_porosity`.
    cell
        The edge of the cells that windows are made of and glide by, a length; by default as in :func:`representative_volume`. Cells of one voxel give
        the classical gliding box; the table then takes 144 bytes a voxel.

    Returns
    -------
    xarray.DataArray
        float64 over ``edge`` (cubes of 1, 2, 3 … cells): the mean square of the phase's volume over the square of its mean; 1 where all windows are
        filled alike, NaN where they are empty. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`local_porosity`.

    Notes
    -----
    As :func:`local_porosity`. It runs on the host. Allain & Cloitre 1991, doi:10.1103/PhysRevA.44.3552.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z < 4, shape=8, dtype=bool)
    >>> lacunarity(layers, cell=4).values.tolist()
    [2.0, 1.0]
    """
    if by is not None:
        return each_label(image, by, where, lambda part: lacunarity(image, cell=cell, where=part, through=through))
    cells = Cells.of(image, cell)
    data = cells.reduce(sampled(image, where, through, "lacunarity"), lacunarities, (min(cells.counts),))
    edges = {"edge": (np.arange(1, min(cells.counts) + 1) * cells.length, {"units": image.grid.unit, "long_name": "edge of the window"})}
    definition = "mean square of the phase's volume in gliding windows over the square of its mean"
    return curve(data, ("edge",), edges, "lacunarity", definition=definition, cell=list(cells.lengths), bulk=bulk_of(image, where))


def box_counts(found: tuple[HostArray, list[t.Tallies]], *, base: int, levels: int, shape: tuple[int, int, int], limits: tuple[float, float]) -> HostArray:
    """Counts of boxes, residuals of the fit, and its slope, over all levels (3, levels); the slope stands first in its row."""
    counts, parts = found
    top = counts.size - 1
    filled = np.zeros([-(-n // base**top) for n in shape], bool)
    for part in parts:
        filled[part.box.slices] = part.counts
    all_counts = list(counts.tolist())
    while len(all_counts) < levels:
        filled = np.pad(filled, [(0, -n % base) for n in filled.shape])
        a, b, c = (n // base for n in filled.shape)
        filled = np.asarray(filled.reshape(a, base, b, base, c, base).any(axis=(1, 3, 5)))
        all_counts.append(int(filled.sum()))
    sizes = float(base) ** np.arange(levels)
    result = np.full((3, levels), np.nan)
    result[0] = all_counts
    used = (sizes >= limits[0]) & (sizes <= limits[1]) & (result[0] > 0)
    if used.sum() >= 2:
        x, y = np.log(sizes[used]), np.log(result[0, used])
        slope = (x - x.mean()) @ (y - y.mean()) / ((x - x.mean()) @ (x - x.mean()))
        result[1, used], result[2, 0] = y - y.mean() - slope * (x - x.mean()), -slope
    return result


def box_counting(image: VoxelImage, /, *, smallest_vx: int = 1, largest_vx: int | None = None, base: int = 2, where: Where = None,
                 by: VoxelImage | None = None, through: Roles = None) -> xr.Dataset:  # fmt: skip
    """The box-counting dimension of a phase, with the counts that it comes from, its range of scales and the residuals of the fit.

    Boxes have edges of 1, 2, 4 … voxels (powers of ``base``) and are aligned to the image's first voxel.

    Parameters
    ----------
    image
        A boolean image (True = the phase asked for), or labels with phases (their pores and fluids).
    smallest_vx, largest_vx
        The range of edges, in voxels, that the line is fitted to; by default from one voxel to a quarter of the shortest axis.
    base
        The ratio of one edge to the next, from 2 to 16; that of a self-similar set gives its dimension without ripples.
    where
        True = used.
    by
        Labels with phases (or booleans): one result for each, along ``label``.
    through
        Roles of the labels that make up the phase; pores and fluids by default.

    Returns
    -------
    xarray.Dataset
        ``count`` over ``edge_vx``: boxes that hold a voxel of the phase, up to one box for the whole image; ``residual``: difference of ln(count) from
        the line, NaN out of its range; ``dimension``: minus its slope, NaN with fewer than two sizes. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels without roles, an empty range of scales, another base.

    Notes
    -----
    Bitwise counts. Margin: at most 15 voxels after each block; larger boxes are joined in a table of a byte each. It runs on the host.
    A dimension from less than two decades of scales says little. Mandelbrot 1982, ISBN 978-0-7167-1186-5.

    Examples
    --------
    >>> import voxelrock as vr
    >>> plane = vr.from_function(lambda z, y, x: z == 5, shape=32, dtype=bool)
    >>> round(float(box_counting(plane)["dimension"]), 12)
    2.0
    """
    if by is not None:
        return each_label(
            image, by, where, lambda part: box_counting(image, smallest_vx=smallest_vx, largest_vx=largest_vx, base=base, through=through, where=part)
        )
    z, y, x = image.shape
    largest = max(1, min(image.shape) // 4) if largest_vx is None else whole(largest_vx, "largest_vx")
    smallest = whole(smallest_vx, "smallest_vx")
    if not 1 <= smallest <= largest:
        raise ParameterError(f"box counting needs 1 <= smallest_vx <= largest_vx; got {smallest} and {largest}")
    ratio = whole(base, "base")
    if not 2 <= ratio <= 16:
        raise ParameterError(f"the ratio of one edge to the next is from 2 to 16; got {base}")
    levels = 2
    while ratio ** (levels - 1) < max(image.shape):
        levels += 1
    top = max(n for n in range(levels) if ratio**n <= 16)
    mask = sampled(image, where, through, "box counting")[0]
    finish = {"base": ratio, "levels": levels, "shape": (z, y, x), "limits": (float(smallest), float(largest))}
    reduction = Reduction(t.occupied, t.join_occupied, box_counts, located=True, margin=t.box_margin)
    data: Any = reduction(mask, base=ratio, levels=top, shape=(3, levels), dtype="f8", finish=finish)
    edges = {"edge_vx": (ratio ** np.arange(levels), {"units": "voxels"})}
    facts: dict[str, Any] = {"fitted_edges_vx": [smallest, largest], "bulk": bulk_of(image, where)}
    found = {
        "count": curve(data[0].astype("i8"), ("edge_vx",), edges, "count", definition="boxes that hold a voxel of the phase", units="boxes", **facts),
        "residual": curve(data[1], ("edge_vx",), edges, "residual", definition="ln(count) less the fitted line", **facts),
        "dimension": number(data[2, 0], "dimension", definition="minus the slope of ln(count) against ln(edge)", **facts),
    }
    return xr.Dataset(found)
