"""Erosion, dilation, opening and closing by balls, cubes and crosses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voxelrock.errors import ParameterError
from voxelrock.geometry import Region
from voxelrock.geometry.axes import ZYX
from voxelrock.geometry.metric import Metric
from voxelrock.graph.patterns import Generate, Pointwise, Stencil, boolean
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import known_where
from voxelrock.image.validity import both, either, inverted
from voxelrock.kernels.footprints import near_ball, near_ball_halo, near_box, near_box_halo, near_frame
from voxelrock.kernels.selection import within
from voxelrock.morphology.distances import existing, squares_of
from voxelrock.parameters import real, whole
from voxelrock.typing import Triple

Where = VoxelImage | Region | None
Length = float | str | None

_NEAR_BALL = Stencil(near_ball, near_ball_halo, boolean)
_NEAR_BOX = Stencil(near_box, near_box_halo, boolean)
_NEAR_FRAME = Generate(near_frame)
_WITHIN = Pointwise(within, boolean)


@operation
def erosion(
    mask: VoxelImage, /, *, radius: Length = None, radius_vx: Any = None, footprint: str = "ball", border: str = "open", where: Where = None
) -> VoxelImage:
    """The voxels whose whole neighbourhood is True.

    Parameters
    ----------
    mask
        A boolean image.
    radius
        Radius of the ball, in the grid's unit or as text with a unit.
    radius_vx
        Instead, in voxels: of a ball one number; of a cube or a cross whole numbers, one or three along (z, y, x), the centre not counted.
    footprint
        ``"ball"``: the voxels nearer than the radius, |x|² < radius², from centre to centre; ``"cube"``: 2 × radius_vx + 1 voxels along
        each axis; ``"cross"``: those of the cube on its axes.
    border
        What lies outside the image and outside ``where``: ``"open"``, nothing that could erode; ``"solid"``, False voxels without end.
    where
        True = used. Outside, and where the mask holds no data, no voxel exists; the result is False there and holds no data.

    Returns
    -------
    VoxelImage
        Boolean.

    Raises
    ------
    ParameterTypeError
        The image is not boolean.
    ParameterError
        Neither or both of radius and radius_vx; a radius that reaches no other voxel; an unknown footprint or border.

    Notes
    -----
    By a ball these are the voxels of :func:`distance` (its square, without rounding) not less than the radius: a slit of w voxels keeps
    w − 2(⌈R⌉ − 1) of them at a radius of R voxels. A square within 1e-9 of a whole one counts as that, so "0.3 um" are three voxels of 0.1 um.
    Halo: the voxels in the ball, one task per block over a stored image; a ball wider than a block is found by the distance,
    in memory as there. Bitwise at any chunking. Memory: 4 bytes per voxel of the block extended by the halo.

    Source: P. Soille, Morphological Image Analysis, 2nd ed., Springer 2004, doi:10.1007/978-3-662-05088-0.

    Examples
    --------
    >>> import voxelrock as vr
    >>> int(erosion(vr.ones(shape=9, dtype="bool"), radius=2, border="solid").compute().sum())
    343
    """
    keep = existing(mask, border, where)
    element = Element.of(mask, radius, radius_vx, footprint)
    return known_where(mask, _eroded(mask, mask.data, keep, (element, border)), keep)


@operation
def dilation(mask: VoxelImage, /, *, radius: Length = None, radius_vx: Any = None, footprint: str = "ball", where: Where = None) -> VoxelImage:
    """The voxels with a True one in their neighbourhood.

    Parameters
    ----------
    mask
        A boolean image.
    radius, radius_vx, footprint
        As in :func:`erosion`.
    where
        True = used. Outside, and where the mask holds no data, no voxel exists: it reaches nobody; the result is False there and holds no data.

    Returns
    -------
    VoxelImage
        Boolean. What lies outside the image has no part in it.

    Raises
    ------
    ParameterTypeError
        The image is not boolean.
    ParameterError
        As in :func:`erosion`.

    Notes
    -----
    By a ball: distance to the nearest True voxel less than the radius. Halo, memory and tasks as in :func:`erosion`. Bitwise at any chunking.
    The ball reaches straight through what does not exist.

    Examples
    --------
    >>> import voxelrock as vr
    >>> seed = vr.from_function(lambda z, y, x: (z == 4) & (y == 4) & (x == 4), shape=9, dtype="bool")
    >>> int(dilation(seed, radius=2).compute().sum())
    27
    """
    keep = existing(mask, "open", where)
    element = Element.of(mask, radius, radius_vx, footprint)
    return known_where(mask, _dilated(mask, mask.data, keep, element), keep)


@operation
def opening(
    mask: VoxelImage, /, *, radius: Length = None, radius_vx: Any = None, footprint: str = "ball", border: str = "open", where: Where = None
) -> VoxelImage:
    """What is left of a phase when only whole balls may fill it: erosion, then dilation.

    Parameters
    ----------
    mask
        A boolean image.
    radius, radius_vx, footprint
        As in :func:`erosion`.
    border
        Whether a ball may reach beyond the image and ``where`` (``"open"``) or not (``"solid"``). Its centre never lies there.
    where
        True = used. Outside, and where the mask holds no data, no voxel exists; the result is False there and holds no data.

    Returns
    -------
    VoxelImage
        Boolean, True in a part of the mask; a second opening changes nothing.

    Raises
    ------
    ParameterTypeError
        The image is not boolean.
    ParameterError
        As in :func:`erosion`.

    Notes
    -----
    A slit narrower than 2⌈R⌉ − 1 voxels vanishes at a radius of R voxels, a wider one stays whole. Halo twice that of :func:`erosion`, or
    blocks between the two steps where that is cheaper. Bitwise at any chunking.

    Examples
    --------
    >>> import voxelrock as vr
    >>> slit = vr.from_function(lambda z, y, x: (z > 2) & (z < 5), shape=9, dtype="bool")
    >>> bool(opening(slit, radius=2).compute().any())
    False
    """
    keep = existing(mask, border, where)
    element = Element.of(mask, radius, radius_vx, footprint)
    core = _eroded(mask, mask.data, keep, (element, border))
    return known_where(mask, _dilated(mask, core, keep, element), keep)


@operation
def closing(mask: VoxelImage, /, *, radius: Length = None, radius_vx: Any = None, footprint: str = "ball", where: Where = None) -> VoxelImage:
    """A phase with every gap filled that no whole ball fits into: dilation, then erosion.

    Parameters
    ----------
    mask
        A boolean image.
    radius, radius_vx, footprint
        As in :func:`erosion`.
    where
        True = used. Outside, and where the mask holds no data, no voxel exists; the result is False there and holds no data.

    Returns
    -------
    VoxelImage
        Boolean, True at least where the mask is: ``~opening(~mask)``. Balls in the gaps have their centres inside the image and may reach
        beyond it.

    Raises
    ------
    ParameterTypeError
        The image is not boolean.
    ParameterError
        As in :func:`erosion`.

    Notes
    -----
    Halo twice that of :func:`erosion`, or blocks between the two steps where that is cheaper. Bitwise at any chunking.

    Examples
    --------
    >>> import voxelrock as vr
    >>> walls = vr.from_function(lambda z, y, x: (z <= 2) | (z >= 5), shape=9, dtype="bool")
    >>> bool(closing(walls, radius=2).compute().all())
    True
    """
    keep = existing(mask, "open", where)
    element = Element.of(mask, radius, radius_vx, footprint)
    grown = _dilated(mask, mask.data, keep, element)
    return known_where(mask, _eroded(mask, grown, keep, (element, "open")), keep)


@dataclass(frozen=True)
class Element:
    """A neighbourhood: a ball by its metric and the square of its radius, or a cube or a cross; and how far it reaches."""

    footprint: str
    reach: Triple
    metric: Metric = Metric((1, 1, 1), 1.0)
    square: float = 0

    @classmethod
    def of(cls, mask: VoxelImage, radius: Length, radius_vx: Any, footprint: str) -> Element:
        """The neighbourhood that the parameters name.

        Raises
        ------
        ParameterTypeError, ParameterError
            They name none, or one that holds no other voxel.
        """
        if footprint not in ("ball", "cube", "cross"):
            raise ParameterError(f"the footprint is 'ball', 'cube' or 'cross'; got {footprint!r}")
        if (radius is None) == (radius_vx is None):
            raise ParameterError(f"give either radius= (a length in {mask.grid.unit}, or text such as '8 um') or radius_vx= (voxels)")
        element = cls._ball(mask, radius, radius_vx) if footprint == "ball" else cls._box(radius, radius_vx, footprint)
        if not any(element.reach):
            raise ParameterError(f"a {footprint} of radius {radius if radius_vx is None else radius_vx} holds no voxel but its centre: it would change nothing")
        return element

    @classmethod
    def _ball(cls, mask: VoxelImage, radius: Length, radius_vx: Any) -> Element:
        metric = Metric.of(mask.grid.spacing) if radius_vx is None else Metric((1, 1, 1), 1.0)
        length = mask.grid.length(radius) if radius is not None else real(radius_vx, "radius_vx of a ball")
        if not 0 <= length < float("inf"):
            raise ParameterError(f"a radius is finite and not negative; got {radius if radius_vx is None else radius_vx}")
        square = metric.square(length)
        return cls("ball", metric.reach(square), metric, square)

    @classmethod
    def _box(cls, radius: Length, radius_vx: Any, footprint: str) -> Element:
        if radius is not None:
            raise ParameterError(f"a {footprint} is given in voxels: radius_vx=1, or three along (z, y, x)")
        z, y, x = (whole(r, "radius_vx") for r in ZYX.of(radius_vx))
        if min(z, y, x) < 0:
            raise ParameterError(f"radius_vx is not negative; got {radius_vx}")
        return cls(footprint, (z, y, x))

    def near(self, sites: Any) -> Any:
        """True where the neighbourhood holds a True voxel."""
        if self.footprint == "ball":
            return _NEAR_BALL(sites, mode="nearest", weights=self.metric.weights, square=self.square, reach=self.reach)
        return _NEAR_BOX(sites, mode="nearest", radius=self.reach, footprint=self.footprint)

    def wide(self, mask: VoxelImage) -> bool:
        """Whether it is a ball so wide that its halo would be larger than the blocks."""
        return self.footprint == "ball" and any(2 * r > n for r, n in zip(self.reach, mask.tiling.typical()))


def _eroded(mask: VoxelImage, data: Any, keep: tuple[Any, ...], how: tuple[Element, str]) -> Any:
    element, border = how
    if element.wide(mask):
        return _WITHIN(squares_of(data, keep, element.metric, border), low=element.square, high=None)
    inside = both(data, keep[0]) if keep else data
    sites = inverted(inside) if border == "solid" or not keep else both(inverted(data), keep[0])
    near = element.near(sites)
    if border == "solid":
        near = either(near, _NEAR_FRAME(mask.tiling, "bool", whole=tuple(mask.shape), reach=element.reach))
    return both(inside, inverted(near))


def _dilated(mask: VoxelImage, data: Any, keep: tuple[Any, ...], element: Element) -> Any:
    if element.wide(mask):
        return inverted(_WITHIN(squares_of(inverted(data), keep, element.metric, "open"), low=element.square, high=None))
    return element.near(both(data, keep[0]) if keep else data)
