"""Porosity and phase fractions, with their denominators named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError, ParameterError
from voxelrock.geometry import Region
from voxelrock.graph.execution import compute
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve, number
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.histograms import set_counts
from voxelrock.parameters import whole
from voxelrock.statistics.counting import add, value_range
from voxelrock.statistics.histograms import histogram
from voxelrock.typing import HostArray

Where = VoxelImage | Region | None
Labels = int | Iterable[int] | None


def _labels(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(sorted({whole(v, "a label") for v in ([value] if isinstance(value, str) or not isinstance(value, Iterable) else value)}))


def porosity(image: VoxelImage, /, *, where: Where = None, pore: Labels = None, total: bool = False) -> xr.DataArray:
    """Fraction of the bulk volume that is pore.

    The bulk is every voxel in ``where`` that holds data and is not of role *outside*. Resolved porosity counts the roles *pore* and
    *fluid*; ``total=True`` adds each *micro* phase with its own porosity.

    Parameters
    ----------
    image
        A boolean image (True = pore), or labels with ``phases``, or labels with ``pore=``.
    where
        True = used. Outside nothing exists.
    pore
        The labels that are pore, for an image without phases (all other labels are then solid).
    total
        Count microporosity too.

    Returns
    -------
    xarray.DataArray
        A lazy number from 0 to 1, exact up to the last rounding, with its definition in its attributes.

    Raises
    ------
    ParameterError
        Labels that neither have roles nor are named by ``pore=``; an image of floats.
    DataError
        The bulk holds no voxel (raised when computed).

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(porosity(vr.ones(shape=3, dtype=bool)))
    1.0
    """
    inside, outside, micro, words = roles(an_image(image), pore)
    sets = (outside, inside, *((label,) for label, _ in micro)) if total else (outside, inside)
    finish = {"weights": (1.0, *(share for _, share in micro)) if total else (1.0,)}
    reduction = Reduction(set_counts, add, weighted_fraction)
    if not outside and not total:
        reduction, sets = Reduction(set_counts, add, plain_fraction), (inside,)
        finish = {}
    data = reduction(image.data, *counted(image, where), sets=sets, shape=(), dtype="f8", finish=finish)
    kind = "total" if total else "resolved"
    bulk = "all voxels" + (" in where=" if where is not None else "") + (" that hold data" if image.nodata is not None else "")
    bulk += " that are not of role outside" if outside else ""
    definition = f"{kind} porosity: volume of {words}{' plus micro phases times their porosity' if total else ''}, divided by bulk"
    return number(data, f"{kind}_porosity" if total else "porosity", definition=definition, bulk=bulk)


def roles(image: VoxelImage, pore: Labels) -> tuple[tuple[int, ...], tuple[int, ...], list[tuple[int, float]], str]:
    """Labels of pores and fluids, labels outside, micro phases with their porosity, and the pores in words."""
    if image.dtype.kind == "f":
        raise ParameterError("porosity needs a segmentation (booleans or labels); threshold the image first, as with vr.segmentation.otsu(image, phase='dark')")
    if image.dtype.kind == "b":
        if pore is not None:
            raise ParameterError("pore= names labels; a boolean image is True in its pores (use ~image if it is True in the solid)")
        return (1,), (), [], "pores (True)"
    if pore is not None:
        inside = _labels(pore)
        outside = tuple(k for k, p in image.phases.items() if p.role == "outside" and k not in inside)
        return inside, outside, [], f"labels {', '.join(map(str, inside))}"
    if not image.phases:
        raise ParameterError(
            "these labels have no roles: name the pores with pore=, or assign phases: image.assign(phases={0: vr.Phase('pore', 'pore'), …}); "
            "if it is a grey scan, threshold it first, as with vr.segmentation.otsu(image, phase='dark')"
        )
    inside = tuple(k for k, p in image.phases.items() if p.role in ("pore", "fluid"))
    outside = tuple(k for k, p in image.phases.items() if p.role == "outside")
    micro = [(k, p.porosity) for k, p in image.phases.items() if p.role == "micro"]
    return inside, outside, micro, "roles pore and fluid"


def plain_fraction(found: HostArray) -> HostArray:
    """Voxels of the set over all.

    Raises
    ------
    DataError
        There are none.
    """
    return weighted_fraction(np.array([found[0], 0, found[1]]), weights=(1.0,))


def weighted_fraction(found: HostArray, *, weights: tuple[float, ...]) -> HostArray:
    """Weighted voxels of the sets over all that are not outside.

    Raises
    ------
    DataError
        There are none.
    """
    total, outside, *inside = (int(n) for n in found)
    if total == outside:
        raise DataError("the bulk volume is empty: where=, nodata and role outside leave no voxel")
    return np.asarray(sum(n * w for n, w in zip(inside, weights)) / (total - outside))


def saturation(image: VoxelImage, /, *, where: Where = None) -> xr.DataArray:
    """The volume of each fluid over that of all fluids.

    Parameters
    ----------
    image
        Labels whose ``phases`` have at least one of role *fluid*.
    where
        True = counted. No-data voxels are never counted.

    Returns
    -------
    xarray.DataArray
        Fractions over ``label``, with the fluids' names in the coordinate ``phase``; lazy.

    Raises
    ------
    ParameterError
        No phase has the role fluid.
    DataError
        No voxel is a fluid (raised when computed).

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.from_function(lambda z, y, x: x % 3, shape=6, dtype="u1", phases={0: vr.Phase("oil", "fluid"), 1: vr.Phase("brine", "fluid")})
    >>> saturation(rock).values.tolist()
    [0.5, 0.5]
    """
    fluids = {k: p.name for k, p in image.phases.items() if p.role == "fluid"}
    if not fluids:
        raise ParameterError(
            "no phase has the role fluid: assign phases, such as image.assign(phases={1: vr.Phase('oil', 'fluid'), 2: vr.Phase('brine', 'fluid')})"
        )
    sets = tuple((label,) for label in fluids)
    data: Any = Reduction(set_counts, add, shares)(image.data, *counted(image, where), sets=sets, shape=(len(sets),), dtype="f8")
    result = curve(data, ("label",), {"label": list(fluids)}, "saturation", definition="volume of the fluid divided by the volume of all fluids")
    return result.assign_coords(phase=("label", list(fluids.values())))


def shares(found: HostArray) -> HostArray:
    """Each set over all sets.

    Raises
    ------
    DataError
        The sets are empty.
    """
    total = int(found[1:].sum())
    if not total:
        raise DataError("no voxel is a fluid: a saturation has no denominator")
    return found[1:] / total


def phase_fractions(image: VoxelImage, /, *, where: Where = None, labels: Labels = None) -> xr.DataArray:
    """Fraction of the counted voxels that has each label; finds the labels by computing where neither phases nor ``labels=`` name them.

    Parameters
    ----------
    image
        Booleans or labels.
    where
        True = counted. No-data voxels are never counted.
    labels
        The labels to report; those of ``image.phases`` by default.

    Returns
    -------
    xarray.DataArray
        Fractions over ``label``, with the phases' names in the coordinate ``phase``; lazy, except as said.

    Raises
    ------
    ParameterError
        An image of floats, or wide labels that nothing names.
    DataError
        No voxel counted (raised when computed).

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(phase_fractions(vr.zeros(shape=3, dtype=bool)).sel(label=0))
    1.0
    """
    if an_image(image).dtype.kind == "f":
        raise ParameterError("phase fractions need booleans or labels; got floats")
    names: dict[int, str] = {k: p.name for k, p in image.phases.items()}
    wanted = _labels(labels) or tuple(names)
    if image.dtype.kind == "b":
        wanted, names = (0, 1), {0: "false", 1: "true"}
    if not wanted:
        wanted = _present(image, where)
    sets = tuple((label,) for label in wanted)
    data: Any = Reduction(set_counts, add, fractions)(image.data, *counted(image, where), sets=sets, shape=(len(sets),), dtype="f8")
    definition = "voxels with the label divided by all counted voxels"
    result = curve(data, ("label",), {"label": list(wanted)}, "phase_fraction", definition=definition)
    return result.assign_coords(phase=("label", [names.get(label, "") for label in wanted]))


def _present(image: VoxelImage, where: Where) -> tuple[int, ...]:
    if value_range(image.dtype) is None:
        raise ParameterError(f"name the labels of a {image.dtype} image with labels=, or give it phases")
    table = compute(histogram(image, where=where))
    return tuple(int(v) for v in table["value"].values[table.values > 0])


def fractions(found: HostArray) -> HostArray:
    """Each set over all.

    Raises
    ------
    DataError
        There are no voxels.
    """
    if not found[0]:
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    return found[1:] / int(found[0])
