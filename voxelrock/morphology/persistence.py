"""How long minima and maxima last while an image is flooded: the merge tree as a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from voxelrock import __version__
from voxelrock.errors import ParameterError
from voxelrock.geometry.axes import AXES
from voxelrock.image import VoxelImage
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.forests import merge_tree, survives
from voxelrock.labels.restriction import Where
from voxelrock.morphology.basins import basin_graph, refuse_wide
from voxelrock.morphology.hills import UPSIDE_DOWN, upright
from voxelrock.parameters import real
from voxelrock.typing import HostArray


def persistence(image: VoxelImage, /, *, of: str = "minima", least: float = 0.0, connectivity: int = 26, where: Where = None) -> xr.Dataset:
    """List the minima or maxima of an image and how far each stands out, computing at once: how many there are, only the voxels know.

    Flooded from below, a minimum is born at its own value and dies at the pass where its water joins that of a lower minimum (of equal ones
    the first in C order is the elder). Death less birth is its persistence. Maxima are minima upside down.

    Parameters
    ----------
    image
        Grey values or distances.
    of
        ``"minima"`` or ``"maxima"``.
    least
        The least persistence, in the image's values, of those that are listed; 0 lists all.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists: no water runs through.

    Returns
    -------
    xarray.Dataset
        Over ``label``, from 1 in the order of first voxels, in memory:

        - ``birth``: the extremum's value; ``death``: that of the pass; ``persistence``: the absolute difference. The last of each part of the
          image never dies: infinite;
        - ``position`` over ``axis``: the centre of the extremum's first voxel, in the grid's unit; ``pass_position`` that of the pass's higher
          voxel (of maxima the lower), NaN where there is none;
        - ``elder``: the label that it joins, 0 for none.

        Of minima, the labels are those of ``vr.segmentation.watershed(image, depth=least)`` with the same connectivity and ``where``.

    Raises
    ------
    ParameterError, ParameterTypeError
        Another ``of`` or connectivity, a negative persistence, 64-bit integers.
    DataError
        NaN inside ``where``.

    Notes
    -----
    Bitwise at any chunking. One pass, halo 1. Memory: 64 bytes for each basin of the image in one task, and about 100 for each row; in a task
    20 bytes per voxel of a block. Edelsbrunner, Letscher, Zomorodian 2002, doi:10.1007/s00454-002-2885-2, define persistence.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: abs(x - 2) * (x < 5) + (2 + abs(x - 7)) * (x > 4), shape=9, dtype="u1")
    >>> found = persistence(image)
    >>> found["birth"].values.tolist(), found["death"].values.tolist(), found["elder"].values.tolist()
    ([0.0, 2.0], [inf, 4.0], [0, 1])
    """
    if of not in ("minima", "maxima"):
        raise ParameterError(f"of is 'minima' or 'maxima'; got {of!r}")
    size = real(least, "least")
    if not (math.isfinite(size) and size >= 0):
        raise ParameterError(f"least is finite and not negative; got {least}")
    refuse_wide(an_image(image), "persistence")
    data = UPSIDE_DOWN(image.data) if of == "maxima" else image.data
    basins, edges = basin_graph(data, counted(image, where), connectivity=connectivity)
    tree = merge_tree(basins, edges)
    chosen = np.flatnonzero(survives(basins, tree, size))
    number = np.zeros(basins.ids.size + 1, np.int64)  # the last: none
    number[chosen] = np.arange(1, chosen.size + 1)
    through = np.append(edges.high, -1)[tree.edge[chosen]]
    birth, death = (upright(values[chosen], image.dtype, of) for values in (basins.bottom, tree.end))
    return _table(image, {"birth": birth, "death": death}, basins.ids[chosen], through, number[tree.elder[chosen]])


def _table(image: VoxelImage, heights: dict[str, HostArray], first: HostArray, through: HostArray, elder: HostArray) -> xr.Dataset:
    unit, length = image.field.unit or "1", image.grid.unit
    lasting = np.abs(heights["death"] - heights["birth"])
    words = {"birth": "value of the extremum", "death": "value of the pass where it joins its elder", "persistence": "difference of birth and death"}
    facts: dict[str, Any] = {k: ("label", v, {"units": unit, "definition": words[k]}) for k, v in {**heights, "persistence": lasting}.items()}
    facts["position"] = (("label", "axis"), _places(image, first), {"units": length, "definition": "centre of the extremum's first voxel"})
    facts["pass_position"] = (("label", "axis"), _places(image, through), {"units": length, "definition": "centre of the last voxel of the pass"})
    facts["elder"] = ("label", elder, {"definition": "label that it joins, 0 for none"})
    return xr.Dataset(facts, coords={"label": np.arange(1, first.size + 1), "axis": list(AXES)}, attrs={"voxelrock": __version__})


def _places(image: VoxelImage, index: HostArray) -> HostArray:
    """Centres of voxels given by their C-order indices; NaN for -1."""
    shape = tuple(max(n, 1) for n in image.shape)
    centres = np.stack(np.unravel_index(np.maximum(index, 0), shape), -1) * np.array(image.grid.spacing) + np.array(image.grid.origin)
    return np.where(index[:, None] >= 0, centres, np.nan)
