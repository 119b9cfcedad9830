"""Representative elementary volumes: how properties of windows scatter with their size, and from which size on they stand for the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError, ParameterError
from voxelrock.geometry.axes import AXES
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve
from voxelrock.kernels import tallies as t
from voxelrock.kernels.windows import between, central, summed
from voxelrock.parameters import real
from voxelrock.structure.cells import PROPERTIES, Cells
from voxelrock.structure.restriction import Roles, Where, bulk_of, each_label, sampled
from voxelrock.typing import HostArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Which quantiles of the windows are given."""
LEAST = 8
"""How many windows side by side a size needs to be judged."""
_ROWS = ("windows", "mean", "std", "cv", "centred")


def spread(found: list[t.Tallies], *, cells: Cells, cv: float, bias: float) -> HostArray:
    """For each property: rows of :data:`_ROWS` and quantiles over sizes, then whole, REV, and relative trends with their errors along each axis.

    Raises
    ------
    DataError
        There is no bulk.
    """
    everything = found[0].counts.sum(axis=(0, 1, 2))
    if not everything[t.BULK]:
        raise DataError("the bulk volume is empty: where=, nodata and role outside leave no voxel")
    counts = cells.complete(found)
    table, voxels = summed(counts), int(np.prod(cells.edge))
    sizes = range(1, min(cells.counts) + 1)
    rows = np.stack([_of_size(table, k, k**3 * voxels, cells) for k in sizes], axis=-1)  # properties, rows, sizes
    whole = cells.measures(everything)
    rev = [_reached(rows[i], whole[i], cells, (cv, bias)) for i in range(len(whole))]
    trends = np.array([_trend(counts, axis, cells, whole) for axis in range(3)])  # axes, (slope, error), properties
    ends = np.concatenate([whole[:, None], np.array(rev)[:, None], trends[:, 0].T, trends[:, 1].T], axis=1)
    return np.concatenate([rows.reshape(len(whole), -1), ends], axis=1)


def _of_size(table: HostArray, k: int, voxels: int, cells: Cells) -> HostArray:
    sums = between(table, k, k).reshape(-1, t.COLUMNS)
    values = cells.measures(sums[sums[:, t.BULK] == voxels])  # only windows that exist wholly
    middle = central(table, k)
    found = np.full((values.shape[1], len(_ROWS) + len(QUANTILES)), np.nan)
    found[:, 0] = len(values)
    found[:, 4] = cells.measures(middle) if middle[t.BULK] == voxels else np.nan
    if len(values):
        found[:, 1] = values.mean(axis=0)
        found[:, 5:] = np.quantile(values, QUANTILES, axis=0).T
    if len(values) > 1:
        found[:, 2] = values.std(axis=0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[:, 3] = np.where(found[:, 1] != 0, found[:, 2] / np.abs(found[:, 1]), np.nan)
    return found


def _reached(rows: HostArray, whole: float, cells: Cells, limits: tuple[float, float]) -> float:
    """The smallest edge from which on every size that can be judged keeps both limits; NaN where there is none."""
    half = min(n // 2 // e for n, e in zip(cells.shape, cells.edge))
    judged = [k for k in range(1, half + 1) if rows[0, k - 1] >= LEAST]
    reached = np.nan
    for k in reversed(judged):
        if not (rows[3, k - 1] <= limits[0] and abs(rows[1, k - 1] - whole) <= limits[1] * abs(whole)):
            break
        reached = k * cells.length
    return reached


def _trend(counts: HostArray, axis: int, cells: Cells, whole: HostArray) -> HostArray:
    """The change from end to end of the straight line through the layers' values, relative to the whole, and its standard error."""
    sums = counts.sum(axis=tuple(a for a in range(3) if a != axis))
    values = cells.measures(sums)
    known = np.isfinite(values).all(axis=1)
    x, y = np.arange(len(values))[known] + 0.5, values[known]
    if x.size < 3:
        return np.full((2, len(whole)), np.nan)
    x = (x - x.mean()) / (x.max() - x.min())
    slope = x @ (y - y.mean(axis=0)) / (x @ x)
    rest = y - y.mean(axis=0) - x[:, None] * slope
    error = np.sqrt((rest**2).sum(axis=0) / (x.size - 2) / (x @ x))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole != 0, np.stack([slope, error]) / np.abs(whole), np.nan)


def representative_volume(image: VoxelImage, /, *, cell: float | str | None = None, cv: float = 0.1, bias: float = 0.05, where: Where = None,
                          by: VoxelImage | None = None, through: Roles = None) -> xr.Dataset:  # fmt: skip
    """How porosity, specific surface and Euler density of windows scatter with the windows' size, and the representative volume, or none.

    The representative edge is the smallest edge L, at most half of the image, with at least 8 windows side by side, such that for L and every
    larger such size the coefficient of variation is at most ``cv`` and the mean lies within ``bias`` of the value of the whole. It is NaN where it
    is not reached.

    Parameters
    ----------
    image
        A boolean image (True = the phase asked for), or labels with phases (their pores and fluids).
    cell
        The edge of the cells that windows are made of, a length; by default 16 of the smallest spacing, or 32, 64 … where that makes more than a
        million cells.
    cv
        The largest coefficient of variation.
    bias
        The largest difference of the mean from the whole, relative to the whole.
    where
        True = used. Only windows that lie inside wholly are counted.
    by
        Labels with phases (or booleans): one result for each, along ``label``.
    through
        Roles of the labels that make up the phase; pores and fluids by default.

    Returns
    -------
    xarray.Dataset
        Over ``property`` (porosity, specific_surface per bulk, euler_density with 6 neighbours) and ``edge`` (cubes of 1, 2, 3 … cells): ``windows``
        (side by side from the image's first voxel: their number is the number of independent samples), ``mean``, ``std``, ``cv``, ``quantiles``
        (over ``q``), ``centred`` (the window in the middle). Over ``property``: ``whole``, ``representative_edge``, and, over ``axis`` too, ``trend``
        (change from end to end of a straight line through layers of cells, relative to the whole), its ``trend_error``, and ``has_trend``: more than
        ``bias`` and more than three errors. With a trend there is no representative volume, whatever the windows say. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels without roles; cells larger than the image; limits that are not positive.
    DataError
        The bulk holds no voxel (raised when computed).

    Notes
    -----
    Bitwise. One pass of 250 million voxels a second and core makes a table of 18 integers a cell (144 bytes; a few such tables at the end); all windows
    are look-ups in its sums. It runs on the host. Bear 1972, ISBN 978-0-486-65675-5; Zhang, Zhang, Chen & Soll 2000, doi:10.1029/1999GL011184.

    Examples
    --------
    >>> import voxelrock as vr
    >>> board = vr.from_function(lambda z, y, x: (z // 2 + y // 2 + x // 2) % 2 == 0, shape=32, dtype=bool)
    >>> found = vr.compute(representative_volume(board, cell=4))
    >>> float(found["representative_edge"].sel(property="porosity")), float(found["whole"].sel(property="porosity"))
    (4.0, 0.5)
    """
    if by is not None:
        return each_label(image, by, where, lambda part: representative_volume(image, cell=cell, cv=cv, bias=bias, through=through, where=part))
    limits = {"cv": real(cv, "cv"), "bias": real(bias, "bias")}
    for name, value in limits.items():
        if not value > 0:
            raise ParameterError(f"{name} is a positive fraction; got {value}")
    cells = Cells.of(image, cell)
    voxels = sampled(image, where, through, "a representative volume")
    sizes, rows = min(cells.counts), len(_ROWS) + len(QUANTILES)
    data = cells.reduce(voxels, spread, (len(PROPERTIES), rows * sizes + 8), **limits)
    table = data[:, : rows * sizes].reshape(len(PROPERTIES), rows, sizes)
    return _dataset(image, table, data[:, rows * sizes :], cells, {"bulk": bulk_of(image, where), **limits})


def _dataset(image: VoxelImage, table: Any, ends: Any, cells: Cells, facts: dict[str, Any]) -> xr.Dataset:
    unit = image.grid.unit
    edges = {"edge": (np.arange(1, table.shape[2] + 1) * cells.length, {"units": unit, "long_name": "edge of the window"})}
    names = {"property": list(PROPERTIES)}
    texts = {
        "windows": "number of windows side by side that exist wholly",
        "mean": "mean of the windows",
        "std": "standard deviation of the windows (n - 1)",
        "cv": "standard deviation over the size of the mean",
        "centred": "value of the window in the middle of the image",
    }
    found = {k: curve(table[:, i], ("property", "edge"), names | edges, k, definition=texts[k], **facts) for i, k in enumerate(_ROWS)}
    fractions = {"q": list(QUANTILES)}
    quantiles = table[:, len(_ROWS) :]
    found["quantiles"] = curve(quantiles, ("property", "q", "edge"), names | fractions | edges, "quantiles", definition="quantiles of the windows", **facts)
    found["whole"] = curve(ends[:, 0], ("property",), names, "whole", definition="value of the whole bulk", **facts)
    text = f"smallest edge, at most half of the image, with {LEAST} windows or more, from which on cv and bias keep their limits; NaN: not reached"
    found["representative_edge"] = curve(ends[:, 1], ("property",), names, "representative_edge", definition=text, **facts | {"units": unit})
    both = names | {"axis": list(AXES)}
    slope, error = ends[:, 2:5], ends[:, 5:8]
    text = "change from end to end of a straight line through layers of cells, relative to the whole"
    found["trend"] = curve(slope, tuple(both), both, "trend", definition=text, **facts)
    found["trend_error"] = curve(error, tuple(both), both, "trend_error", definition="standard error of the trend", **facts)
    flagged = (abs(slope) > facts["bias"]) & (abs(slope) > 3 * error)
    found["has_trend"] = curve(flagged, tuple(both), both, "has_trend", definition="a trend of more than bias and three errors", **facts)
    units = ("property", [u.format(unit=unit) for u in PROPERTIES.values()])
    return xr.Dataset(found).assign_coords(property_units=units)
