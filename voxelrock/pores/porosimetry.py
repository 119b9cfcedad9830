"""What a non-wetting fluid invades: all radii in one pass, through the best ways from where it comes in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.geometry.axes import AXES
from voxelrock.geometry.metric import Metric
from voxelrock.graph.patterns import Pointwise
from voxelrock.graph.reductions import Reduction
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.results import number
from voxelrock.image.selection import an_image
from voxelrock.kernels.components import check_connectivity
from voxelrock.kernels.covering import largest, lengths
from voxelrock.kernels.distances import far
from voxelrock.morphology.distances import existing
from voxelrock.morphology.hills import grown
from voxelrock.pores.fields import Where, access, at_sides, cover, phase_of, reached, sides_of, squares
from voxelrock.typing import HostArray

_LENGTHS = Pointwise(lengths, lambda *_, **__: np.dtype("f4"))


@operation
def porosimetry(
    mask: VoxelImage, /, *, inlet: Any = "surface", outlet: Any = None, connectivity: int = 6, border: str = "open", where: Where = None
) -> VoxelImage:
    """Radius of the widest meniscus that brings a non-wetting fluid to a voxel: mercury porosimetry, or drainage.

    A fluid that comes from the inlet with menisci of radius R fills every ball of radius R or more in the pores that is reached, centre by
    centre, through balls as large. At a falling R (rising pressure) more and more is filled; the result is the R at which each voxel is.

    Parameters
    ----------
    mask
        A boolean image: True is the pore space.
    inlet
        Where the fluid comes in: ``"surface"``, all sides of the image or the surface of ``where`` (mercury); or the name of a side, ``"z
        low"``, ``"z high"``, ``"y low"``, …, or a list of them (drainage; the other sides are sealed).
    outlet
        Sides through which the wetting fluid leaves, and then it is trapped where its way out, through what is not yet invaded, is closed before
        it is reached. Without it, nothing is trapped.
    connectivity
        6, 18 or 26: neighbours that the fluid, and what it displaces, pass between; 6 as for connected porosity.
    border
        What lies outside the image and outside ``where``: ``"open"``, nothing; or ``"solid"``.
    where
        True = used. Outside, and where the mask holds no data, no voxel exists: neither pore nor solid.

    Returns
    -------
    VoxelImage
        float32, a **radius** in the grid's unit; 0 in pores that are never invaded, NaN, declared as no data, outside the pores.

    Raises
    ------
    ParameterTypeError
        The image is not boolean.
    ParameterError
        An unknown side, border or connectivity; sides that are inlet and outlet at once.

    Notes
    -----
    Exact: at every radius at once equal to eroding by the ball, keeping what is joined to the inlet and dilating again (M. Hilpert, C. T.
    Miller, Adv. Water Resour. 24 (2001), doi:10.1016/S0309-1708(00)00056-7), voxel for voxel. The way: the best bottleneck to each voxel is a
    reconstruction of the squared distance from the inlet; its balls are painted as in :func:`local_thickness`. Trapping: the lowest pass on the
    way out, another reconstruction. Bitwise at any chunking.

    The throat radius of mercury porosimetry at a pressure is that of :func:`capillary_curve`. Passes and memory: those of the distance,
    of :func:`voxelrock.morphology.reconstruction` and of :func:`local_thickness` one after the other.
    It runs on the host. Of labels with voxels of role outside, say where the rock is: ``porosimetry(labels == 1, where=labels != 2)``.

    Examples
    --------
    >>> import voxelrock as vr
    >>> bottle = vr.from_function(lambda z, y, x: (abs(y - 4) < 3 * (z > 1)) & (abs(x - 4) < 3 * (z > 1)) | (y == 4) & (x == 4), shape=9, dtype=bool)
    >>> radii = porosimetry(bottle, inlet="z low", border="solid").compute()
    >>> float(radii[0, 4, 4]), float(radii[4, 4, 4])
    (1.0, 1.0)
    """
    keep = existing(mask, border, where)
    kind = check_connectivity(connectivity)
    metric = Metric.of(mask.grid.spacing)
    into, out = sides_of(inlet, "inlet"), 0 if outlet is None else sides_of(outlet, "outlet")
    if into & out:
        raise ParameterError(f"a side is inlet or outlet, not both; got inlet={inlet!r} and outlet={outlet!r}")
    found = squares(mask, keep, metric, border)
    field = reached(access(mask, keep, found, sides=into, connectivity=kind), mask, keep)
    if out:
        invaded = cover(field, metric)
        leaves = at_sides(mask, keep, invaded, out, other=_above(invaded.dtype))
        highest = grown(leaves, invaded, phase_of(mask, keep), method="erosion", connectivity=kind)
        data = _LENGTHS(invaded, highest, unit=metric.unit)
    else:
        data = cover(field, metric, metric.unit)
    text = "largest radius of a meniscus that reaches the voxel"
    return mask.with_data(data, nodata=math.nan, phases={}, field=Field("invasion_radius", mask.grid.unit, text))


def _above(dtype: np.dtype[Any]) -> float:
    """More than any square."""
    return math.inf if dtype.kind == "f" else int(far(dtype)) + 1


def _radius(found: float, *, unit: float, none: float) -> HostArray:
    return np.asarray(math.inf if found >= none else math.sqrt(found * unit))


_CRITICAL = Reduction(largest, max, _radius)


def critical_radius(mask: VoxelImage, /, *, axis: str = "z", connectivity: int = 6, border: str = "open", where: Where = None) -> xr.DataArray:
    """Largest radius of a ball that can be moved through the pores from one end to the other.

    Parameters
    ----------
    mask
        A boolean image: True is the pore space.
    axis
        ``"z"``, ``"y"`` or ``"x"``: from the low end to the high one, of the image or of ``where``.
    connectivity, border, where
        As in :func:`porosimetry`.

    Returns
    -------
    xarray.DataArray
        A **radius** in the grid's unit, lazy: the radius of breakthrough; 0 where no pore connects the ends.

    Raises
    ------
    ParameterTypeError, ParameterError
        As :func:`porosimetry`; an unknown axis.

    Notes
    -----
    Exact and bitwise: the greatest bottleneck over all ways of voxels, of the distance to the solid; half of a slit of w voxels, ⌈w/2⌉. Passes
    and memory: those of the distance and of :func:`voxelrock.morphology.reconstruction`. A permeability follows by Katz and Thompson, Phys. Rev.
    B 34 (1986), doi:10.1103/PhysRevB.34.8179: (2 r)² / (226 F), with the formation factor F. It runs on the host.

    Examples
    --------
    >>> import voxelrock as vr
    >>> slit = vr.from_function(lambda z, y, x: (y > 1) & (y < 5), shape=7, dtype=bool, spacing="2 um")
    >>> float(critical_radius(slit, axis="z")), float(critical_radius(slit, axis="y"))
    (4.0, 0.0)
    """
    if axis not in AXES:
        raise ParameterError(f"axis is 'z', 'y' or 'x'; got {axis!r}")
    keep = existing(an_image(mask), border, where)
    metric = Metric.of(mask.grid.spacing)
    found = squares(mask, keep, metric, border)
    best = access(mask, keep, found, sides=sides_of(f"{axis} low", "axis"), connectivity=check_connectivity(connectivity))
    there = at_sides(mask, keep, best, sides_of(f"{axis} high", "axis"))
    data = _CRITICAL(there, shape=(), dtype="f8", finish={"unit": metric.unit, "none": float(far(found.dtype))})
    definition = f"radius of the largest ball that passes along {axis}, {connectivity} neighbours"
    return number(data, "critical_radius", definition=definition, units=mask.grid.unit, axis=axis, connectivity=connectivity, border=border)
