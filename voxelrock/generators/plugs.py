"""A plug: a cylinder of rock in air."""

from __future__ import annotations

from typing import Any

from voxelrock.errors import ParameterError
from voxelrock.generators.frame import Length
from voxelrock.generators.minerals import AIR
from voxelrock.geometry import Cylinder
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation


@operation
def plug(rock: VoxelImage, /, *, radius: Length | None = None, axis: str = "z", center: Any = None, outside: float | None = None) -> VoxelImage:
    """Cut a cylinder out of an image and put air around it.

    Parameters
    ----------
    rock
        Any image: phases, a segmentation, a scan.
    radius
        Of the plug, in the grid's unit or text such as ``"3 mm"``; by default 0.92 of the largest cylinder inside the image. A voxel
        belongs to the plug when its centre lies at most this far from the axis.
    axis
        ``"z"``, ``"y"`` or ``"x"``; the plug reaches from end to end.
    center
        A point on the axis by the names of the other two, ``dict(y=…, x=…)``; by default the middle.
    outside
        The value of the air. By default the first label after those of the image's phases, which joins them with the role "outside"; an
        image without phases needs a value.

    Returns
    -------
    VoxelImage
        Of the rock's type where that holds the air's value, else of the next larger one (uint8 for a boolean rock). Lazy; halo 0; memory: two blocks.

    Raises
    ------
    ParameterError, UnitError
        The radius is not above zero, or the image has no phases and no value of the air.

    Examples
    --------
    >>> from voxelrock.generators import blobs
    >>> plug(blobs(shape=20), radius=8).phases[2].role
    'outside'
    """
    whole = Cylinder.inscribed(rock.grid, axis=axis)
    size = 0.92 * rock.grid.length(whole.radius) if radius is None else radius
    cylinder = Cylinder(axis=axis, radius=size, center=whole.center if center is None else center)
    if outside is None and not rock.phases:
        raise ParameterError("the image has no phases: give the value of the air around the plug, outside=…")
    phases = dict(rock.phases)
    if phases and outside is None:
        outside = max(phases) + 1
    if phases and outside not in phases and outside == int(outside or 0):
        phases[int(outside or 0)] = AIR
    return rock.where(cylinder, outside).assign(phases=phases)
