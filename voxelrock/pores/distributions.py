"""How the volume of a phase is shared out among sizes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from voxelrock import __version__
from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.graph.execution import compute
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.covering import sizes
from voxelrock.parameters import several, whole
from voxelrock.pores.fields import Where
from voxelrock.pores.thickness import local_thickness
from voxelrock.typing import HostArray

RESOLVED_VX = 3
"""Sizes under this many voxels across are called unresolved."""

_BINS = 30
_NAMES = {"local_thickness": "local_thickness", "porosimetry": "invasion_radius"}
_LENGTHS = {*_NAMES.values(), "distance"}
"""Fields of lengths that are easily taken for one another."""

Counts = tuple[HostArray, HostArray]


def merged(partials: list[Counts]) -> Counts:
    """Distinct values, and how often each occurs in all."""
    values, place = np.unique(np.concatenate([p[0] for p in partials]), return_inverse=True)
    total = np.zeros(values.size, np.int64)
    np.add.at(total, place, np.concatenate([p[1] for p in partials]))
    return values, total


def _as_table(found: Counts) -> HostArray:
    table = np.empty((), object)
    table[()] = _Counts(*found)
    return table


class _Counts:
    """Counts as one object: their number is not known before."""

    def __init__(self, values: HostArray, counts: HostArray) -> None:
        self.values, self.counts = values, counts


_SIZES = Reduction(sizes, merged, _as_table)


def counted_sizes(image: VoxelImage, where: Where, *, sizes_of: str = "local_thickness") -> Counts:
    """The distinct sizes of an image, ascending, and the voxels of each; computed now.

    Raises
    ------
    ParameterTypeError
        An image that holds no sizes, or those of another operation: radii are no diameters.
    DataError
        No voxel is counted.
    """
    name = an_image(image).field.name
    if image.dtype.kind != "f" or name in _LENGTHS - {_NAMES[sizes_of]}:
        expected = "or a boolean image, True in the pores" if sizes_of == "local_thickness" else "not the pores themselves, nor diameters"
        raise ParameterTypeError(f"expected what vr.pores.{sizes_of} makes, {expected}; got {name if name in _LENGTHS else image.dtype}")
    lazy = _SIZES(image.data, *counted(image, where), shape=(), dtype=object)
    found: Any = np.asarray(compute(lazy, label="sizes")).item()
    if not found.values.size:
        raise DataError("there is no size to count: the phase is empty" + (" in where=" if where is not None else ""))
    return found.values.astype("f8"), found.counts


def edges_of(values: HostArray, bins: Any, scale: str, smallest: float) -> HostArray:
    """Class edges that hold all finite values.

    Raises
    ------
    ParameterError, ParameterTypeError
        Another scale; edges that do not ascend; no class.
    """
    if scale not in ("log", "linear"):
        raise ParameterError(f"scale is 'log' or 'linear': how classes are divided; got {scale!r}")
    if np.ndim(bins) == 1 or isinstance(bins, list | tuple):
        edges = np.array(several(bins, "bins"), float)
        if edges.size < 2 or not (np.diff(edges) > 0).all() or (scale == "log" and edges[0] <= 0):
            raise ParameterError(f"bins are edges that ascend (from above 0 on a log scale), or their number; got {bins}")
        return edges
    number = whole(bins, "bins")
    if number < 1:
        raise ParameterError(f"bins is at least 1; got {bins}")
    finite = values[np.isfinite(values) & (values > 0)]
    top = float(finite.max()) if finite.size else 2 * smallest
    low = smallest if scale == "log" else 0.0
    high = max(top, 2 * smallest) * (1 + 1e-9)
    return np.geomspace(low, high, number + 1) if scale == "log" else np.linspace(low, high, number + 1)


def pore_size_distribution(image: VoxelImage, /, *, bins: Any = _BINS, scale: str = "log", border: str = "open", where: Where = None) -> xr.Dataset:
    """Share of the pore volume in pores of each size (computes): by volume, not by number.

    Parameters
    ----------
    image
        The sizes, from :func:`local_thickness` (saved before, if the image is large); or a boolean image, True in the pores: its local thickness
        is found first.
    bins
        The number of classes, or their edges in the grid's unit.
    scale
        ``"log"`` or ``"linear"``: how classes divide the sizes, and what the density is per.
    border, where
        Of a boolean image, as in :func:`local_thickness`; of sizes, which voxels are counted.

    Returns
    -------
    xarray.Dataset
        Over ``size``, the middle of a class (a **diameter**; edges in ``left`` and ``right``; ``resolved`` tells classes of at least 3 voxels
        across): ``fraction`` of the phase's volume, ``density`` per decade (or per unit), ``cumulative`` fraction up to the right edge. Numbers:
        ``d10``, ``d50``, ``d90``, the smallest size up to which 10, 50 and 90 % of the volume lie, and the ``mean``, exact and independent of
        classes; ``unresolved``, the fraction under 3 voxels across; ``volume`` in voxels.

    Raises
    ------
    ParameterTypeError, ParameterError
        An image that holds neither diameters nor a phase, such as :func:`porosimetry`'s radii; bins or scale that are none.
    DataError
        The phase is empty.

    Notes
    -----
    Bitwise: voxels are counted by size. Memory: the distinct sizes of an image, a few thousand.

    Examples
    --------
    >>> import voxelrock as vr
    >>> slit = vr.from_function(lambda z, y, x: (z > 1) & (z < 5), shape=7, dtype=bool, spacing="2 um")
    >>> float(pore_size_distribution(slit)["d50"])
    8.0
    """
    thickness = image if an_image(image).dtype.kind != "b" else local_thickness(image, border=border, where=where)
    values, counts = counted_sizes(thickness, where)
    step = max(image.grid.spacing)
    edges = edges_of(values, bins, scale, min(image.grid.spacing))
    share = counts / counts.sum()
    classes = np.histogram(values, edges, weights=counts)[0] / counts.sum()
    widths = np.diff(np.log10(edges)) if scale == "log" else np.diff(edges)
    middle = np.sqrt(edges[:-1] * edges[1:]) if scale == "log" else (edges[:-1] + edges[1:]) / 2
    unit = image.grid.unit
    coords = {
        "size": (middle, {"units": unit, "long_name": "diameter"}),
        "left": ("size", edges[:-1], {"units": unit}),
        "right": ("size", edges[1:], {"units": unit}),
        "resolved": ("size", edges[:-1] >= RESOLVED_VX * step * (1 - 1e-9)),
    }
    found = {
        "fraction": curve(classes, ("size",), coords, "fraction", definition="fraction of the phase's volume in a class"),
        "density": curve(classes / widths, ("size",), coords, "density", units="1" if scale == "log" else f"1/{unit}",
                         definition=f"fraction of the phase's volume per {'decade' if scale == 'log' else unit} of diameter"),
        "cumulative": curve(_up_to(values, share, edges[1:]), ("size",), coords, "cumulative", definition="fraction up to the right edge"),
    }  # fmt: skip
    return xr.Dataset(found | _numbers(values, share, counts, unit, step), attrs={"scale": scale, "resolution": RESOLVED_VX * step, "voxelrock": __version__})


def _up_to(values: HostArray, share: HostArray, edges: HostArray) -> HostArray:
    total = np.append(0.0, np.cumsum(share))
    return total[np.searchsorted(values, edges, side="right")]


def quantile(values: HostArray, counts: HostArray, q: float) -> float:
    """The smallest value up to which a fraction of all counts lies."""
    total = np.cumsum(counts)
    return float(values[np.searchsorted(total, math.ceil(q * int(total[-1]) - 1e-9))])


def _numbers(values: HostArray, share: HostArray, counts: HostArray, unit: str, step: float) -> dict[str, xr.DataArray]:
    found = {}
    for name, q in (("d10", 0.1), ("d50", 0.5), ("d90", 0.9)):
        text = f"smallest diameter up to which {round(100 * q)} % of the phase's volume lie"
        found[name] = curve(np.asarray(quantile(values, counts, q)), (), {}, name, units=unit, definition=text)
    mean = np.asarray(math.fsum(values * counts) / int(counts.sum()))
    found["mean"] = curve(mean, (), {}, "mean", units=unit, definition="mean diameter, weighted by volume")
    small = np.asarray(share[values < RESOLVED_VX * step * (1 - 1e-9)].sum())
    found["unresolved"] = curve(small, (), {}, "unresolved", definition=f"fraction of the phase's volume under {RESOLVED_VX} voxels across")
    found["volume"] = curve(np.asarray(counts.sum()), (), {}, "volume", units="voxels", definition="voxels of the phase")
    return found


def granulometry(image: VoxelImage, /, *, border: str = "open", where: Where = None) -> xr.DataArray:
    """Fraction of a phase that balls of at least a radius can fill, for every radius (computes).

    Parameters
    ----------
    image
        A boolean image: True is the phase; or its :func:`local_thickness`.
    border, where
        As in :func:`pore_size_distribution`.

    Returns
    -------
    xarray.DataArray
        Over ``radius``, each one that occurs, ascending, in the grid's unit: the fraction of the phase's volume that lies in inscribed balls of
        at least that radius. It falls from 1; its steps are the pattern spectrum.

    Raises
    ------
    ParameterTypeError, ParameterError, DataError
        As :func:`pore_size_distribution`.

    Notes
    -----
    Bitwise. The union of all inscribed balls from a radius on shrinks as the radius grows, as a granulometry must (G. Matheron, Random Sets and
    Integral Geometry, Wiley 1975). The opening by the ball of one radius does not on a lattice: a larger digital ball is no union of smaller
    ones; it is part of this union.

    Examples
    --------
    >>> import voxelrock as vr
    >>> slits = vr.from_function(lambda z, y, x: (z == 1) | (z > 2) & (z < 6), shape=8, dtype=bool)
    >>> granulometry(slits).values.tolist()
    [1.0, 0.75]
    """
    thickness = image if an_image(image).dtype.kind != "b" else local_thickness(image, border=border, where=where)
    values, counts = counted_sizes(thickness, where)
    left = np.cumsum(counts[::-1])[::-1] / counts.sum()
    coords = {"radius": (values / 2, {"units": image.grid.unit, "long_name": "radius"})}
    return curve(left, ("radius",), coords, "granulometry", definition="fraction of the phase's volume in inscribed balls of at least the radius")
