"""Components kept or left out by what they are: spanning, large, inside, floating. One stitching each, and no table of labels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from voxelrock.errors import ParameterError
from voxelrock.geometry.axes import axis_number
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.validity import both, inverted
from voxelrock.kernels.components import check_connectivity, dual
from voxelrock.kernels.numbering import Choice
from voxelrock.labels.components import COMPONENTS
from voxelrock.labels.restriction import Roles, Where, pores, refuse_grey, restricted, rules_of, surfaces, without_data
from voxelrock.parameters import real, whole

ANY_SIDE = 63
"""The bits of all six surfaces."""


def both_ends(axis: str) -> int:
    """The bits of the two end surfaces across an axis."""
    return 3 << 2 * axis_number(axis)


def _chosen(voxels: VoxelImage, keep: Any, connectivity: int, choice: Choice) -> VoxelImage:
    """The voxels of the chosen components; the code of the region is looked at only where the choice depends on it."""
    code = surfaces(voxels, keep) if choice.every or choice.none else ()
    data = COMPONENTS(voxels.data, *code, rules=rules_of(voxels, connectivity, choice), dtype=voxels.dtype)
    return without_data(voxels.with_data(data, nodata=None), keep)


@operation
def percolating(image: VoxelImage, /, *, axis: str = "z", connectivity: int = 6, where: Where = None, through: Roles = None) -> VoxelImage:
    """True in the clusters that touch both ends along an axis.

    Parameters
    ----------
    image
        A boolean image (True = pore), or labels with phases.
    axis
        ``"z"``, ``"y"`` or ``"x"``.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. The ends are then the region's: voxels of ``where`` whose neighbour along the axis is not in it (and the image's ends).
        The surface of a hole in ``where`` is an end too.
    through
        Roles of the labels that conduct, such as ``["pore", "micro"]``; pores and fluids by default.

    Returns
    -------
    VoxelImage
        Boolean, lazy; nowhere True where nothing percolates. Outside ``where`` it holds no data.

    Raises
    ------
    ParameterError, ParameterTypeError
        Another axis or connectivity, labels without roles, a grey image.

    Notes
    -----
    Two passes, as :func:`label`; memory likewise, and halo 1 of ``where``.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: (x == 0) | (y == 2) & (z < 2), shape=4, dtype=bool)
    >>> int(percolating(image, axis="z").compute().sum())
    22
    """
    ends = both_ends(axis)
    return _chosen(*pores(image, where, through, "percolation"), check_connectivity(connectivity), Choice(every=ends))


@operation
def largest(image: VoxelImage, /, *, connectivity: int = 6, where: Where = None) -> VoxelImage:
    """Keep only the largest component; of several equal ones, the first in C order.

    Parameters
    ----------
    image
        Booleans or labels (components of equal values).
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists.

    Returns
    -------
    VoxelImage
        Of the image's type, 0 elsewhere; lazy; empty for an empty image. Two passes; memory as :func:`label`.

    Raises
    ------
    ParameterError, ParameterTypeError
        Another connectivity, a grey image.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: x != 1, shape=4, dtype=bool)
    >>> largest(image).compute()[0, 0].tolist()
    [False, False, True, True]
    """
    refuse_grey(image, "labelling")
    return _chosen(*restricted(image, where), check_connectivity(connectivity), Choice(largest=True))


@operation
def remove_small(image: VoxelImage, /, *, min_volume: float | None = None, min_voxels: int | None = None, connectivity: int = 6,
                 where: Where = None) -> VoxelImage:  # fmt: skip
    """Remove the components that are smaller than a volume.

    Parameters
    ----------
    image
        Booleans or labels (components of equal values).
    min_volume
        The smallest volume that stays, in the grid's unit cubed.
    min_voxels
        The same as a number of voxels; give one of the two.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists.

    Returns
    -------
    VoxelImage
        Of the image's type, 0 where a component was removed; lazy. Two passes; memory as :func:`label`.

    Raises
    ------
    ParameterError, ParameterTypeError
        Both sizes or neither, a negative one, another connectivity, a grey image.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: x != 1, shape=4, dtype=bool)
    >>> int(remove_small(image, min_voxels=20).compute().sum())
    32
    """
    refuse_grey(image, "labelling")
    if (min_volume is None) == (min_voxels is None):
        raise ParameterError(f"give either min_volume= (in {image.grid.unit}³) or min_voxels=")
    size = real(min_voxels, "min_voxels") if min_volume is None else real(min_volume, "min_volume") / image.grid.voxel_volume
    if not (math.isfinite(size) and size >= 0):
        raise ParameterError(f"a size is finite and not negative; got {min_voxels if min_volume is None else min_volume}")
    least = math.ceil(size * (1 - 1e-12))  # a volume that was meant as n voxels stays n
    return _chosen(*restricted(image, where), check_connectivity(connectivity), Choice(least=least))


@operation
def clear_border(image: VoxelImage, /, *, connectivity: int = 6, where: Where = None) -> VoxelImage:
    """Remove the components that touch a side of the image, or the surface of ``where``.

    Parameters
    ----------
    image
        Booleans or labels (components of equal values).
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists, and its surface is the border.

    Returns
    -------
    VoxelImage
        Of the image's type, 0 where a component was removed; lazy. Two passes; memory as :func:`label`, and halo 1 of ``where``.

    Raises
    ------
    ParameterError, ParameterTypeError
        Another connectivity, a grey image.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: (x == 2) & (y == 2) & (z == 2), shape=4, dtype=bool)
    >>> int(clear_border(image).compute().sum()), int(clear_border(~image).compute().sum())
    (1, 0)
    """
    refuse_grey(image, "labelling")
    return _chosen(*restricted(image, where), check_connectivity(connectivity), Choice(none=ANY_SIDE))


@operation
def floating_solid(image: VoxelImage, /, *, connectivity: int = 6, where: Where = None, through: Roles = None) -> VoxelImage:
    """True in solid that hangs in the pores: joined to no side of the image, nor to the surface of ``where``.

    Parameters
    ----------
    image
        A boolean image (True = pore), or labels with phases.
    connectivity
        The neighbourhood of the *pores*; the solid has the dual one (26 beside 6, 6 beside 18 and 26).
    where
        True = used. Outside there is neither pore nor solid.
    through
        Roles of the labels that are not solid; pores and fluids by default.

    Returns
    -------
    VoxelImage
        Boolean, lazy; outside ``where`` it holds no data. Two passes; memory as :func:`label`, and halo 1 of ``where``.

    Raises
    ------
    ParameterError, ParameterTypeError
        Another connectivity, labels without roles, a grey image.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: ~((x == 2) & (y == 2) & (z == 2)), shape=4, dtype=bool)
    >>> int(floating_solid(image).compute().sum())
    1
    """
    mask, keep = pores(image, where, through, "floating solid")
    solid = inverted(mask.data)
    return _chosen(mask.with_data(both(solid, keep[0]) if keep else solid), keep, dual(check_connectivity(connectivity)), Choice(none=ANY_SIDE))


@operation
def keep(image: VoxelImage, /, *, labels: Any) -> VoxelImage:
    """Keep the voxels of some labels; all others become 0.

    Parameters
    ----------
    image
        Labels.
    labels
        One label or several.

    Returns
    -------
    VoxelImage
        Of the image's type; lazy. Halo 0.

    Raises
    ------
    ParameterTypeError
        A grey image.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: x, shape=4, dtype="u1")
    >>> keep(image, labels=[1, 3]).compute()[0, 0].tolist()
    [0, 1, 0, 3]
    """
    refuse_grey(image, "keeping labels")
    wanted = [whole(v, "a label") for v in ([labels] if isinstance(labels, str) or not isinstance(labels, Iterable) else labels)]
    return image.where(image.with_data(image.data, nodata=None).isin(wanted), other=False if image.dtype.kind == "b" else 0)
