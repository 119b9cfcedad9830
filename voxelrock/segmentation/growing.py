"""Region growing: from seeds to all that is joined to them within an interval of values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.graph.patterns import Generate, Pointwise, boolean
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image, counted, known_where
from voxelrock.image.validity import CHOSEN, both
from voxelrock.kernels.components import check_connectivity
from voxelrock.kernels.numbering import Choice
from voxelrock.kernels.selection import placed, within
from voxelrock.labels.components import COMPONENTS
from voxelrock.labels.restriction import Where, rules_of
from voxelrock.parameters import real
from voxelrock.typing import Triple

_WITHIN = Pointwise(within, boolean)
_PLACED = Generate(placed)
_SEED = 1
"""The bit of a voxel that is a seed."""


@operation
def region_growing(image: VoxelImage, /, *, seeds: Any, low: float, high: float, connectivity: int = 6, where: Where = None) -> VoxelImage:
    """True in the components of ``low <= value <= high`` that hold a seed.

    Parameters
    ----------
    image
        Grey values.
    seeds
        A boolean image on the same grid, or points: ``dict(z=…, y=…, x=…)`` in the grid's unit and coordinates (numbers, text such as
        ``"8 um"``, or as many numbers along each axis as there are points), or a list of such points. A seed whose value is not within the
        interval, or that lies outside ``where``, starts nothing.
    low, high
        The interval; both ends belong to it. ``-math.inf`` and ``math.inf`` leave a side open.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists: it joins nothing.

    Returns
    -------
    VoxelImage
        Boolean, lazy; nowhere True without seeds. Outside ``where``, and where the image holds no data, it holds none.

    Raises
    ------
    ParameterError
        low above high, or no number; a point outside the image or without names of axes; another connectivity.
    ParameterTypeError
        Seeds that are neither a boolean image nor points.
    GridMismatchError
        Seeds on another grid.

    Notes
    -----
    Bitwise, whatever the order of the seeds; ``skimage.segmentation.flood`` on the whole image gives the part of each seed. Two passes; memory as
    :func:`voxelrock.labels.label`. Adams, Bischof 1994, doi:10.1109/34.295913, name the method; here the interval is fixed.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: 5 * (x != 3) + (x > 3), shape=6, dtype="u1")
    >>> region_growing(image, seeds={"z": 0, "y": 0, "x": 1}, low=5, high=9).compute()[0, 0].tolist()
    [True, True, True, False, False, False]
    """
    first, last = real(low, "low"), real(high, "high")
    if not first <= last:
        raise ParameterError(f"low is not above high, and both are numbers; got low={low}, high={high}")
    kind, keep = check_connectivity(connectivity), counted(an_image(image), where)
    likely = _WITHIN(image.data, low=first, high=last)
    bare = image.with_data(both(likely, keep[0]) if keep else likely, nodata=None, phases={})
    start = _started(image, seeds)
    code = CHOSEN(start, start, other=0, dtype="uint8")
    data = COMPONENTS(bare.data, code, rules=rules_of(bare, kind, Choice(every=_SEED)), dtype=np.dtype(bool))
    return known_where(bare, data, keep)


def _started(image: VoxelImage, seeds: Any) -> Any:
    """The seeds as a lazy mask."""
    if not isinstance(seeds, VoxelImage):
        return _PLACED(image.tiling, bool, voxels=_voxels(image.grid, seeds))
    if seeds.dtype.kind != "b":
        raise ParameterTypeError(f"seeds are a boolean image (True = seed) or points; got an image of {seeds.dtype}: make one, as with seeds > 0")
    image.same_grid(seeds)
    return seeds.data


def _voxels(grid: VoxelGrid, seeds: Any) -> tuple[Triple, ...]:
    """The voxels that hold points, in C order."""
    points = [seeds] if isinstance(seeds, Mapping | ZYX) else list(seeds) if isinstance(seeds, Iterable) else [seeds]
    if not all(isinstance(point, Mapping | ZYX) for point in points):
        raise ParameterTypeError(
            f"name the axes of points: seeds=dict(z=…, y=…, x=…), each a number or as many as there are points; got {type(seeds).__name__}"
        )
    found = {grid.voxel(ZYX(*row)) for point in points for row in _rows(ZYX.of(point))}
    return tuple(sorted((z, y, x) for z, y, x in found))


def _rows(columns: ZYX[Any]) -> list[tuple[Any, ...]]:
    """The points of a mapping: one, or one for each row of its columns."""
    lists = [c if np.ndim(c) == 0 else list(c) for c in columns]
    if not any(isinstance(c, list) for c in lists):
        return [tuple(lists)]
    if not all(isinstance(c, list) and len(c) == len(lists[0]) for c in lists):
        raise ParameterError("points need as many numbers along each axis: dict(z=[…], y=[…], x=[…])")
    return list(zip(*lists))
