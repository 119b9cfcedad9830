"""An image on another grid, through a transform: the nearest voxels, or values interpolated between them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import Tiling, VoxelBox, VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.graph.sampling import Sampling
from voxelrock.image import VoxelImage, shaping, validity
from voxelrock.image.arithmetic import float_type
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image
from voxelrock.kernels import resampling as kernels
from voxelrock.parameters import plain
from voxelrock.registration.transforms import Transform, rotation

_NEAREST = Sampling(kernels.nearest, kernels.needed)
_INTERPOLATED = Sampling(kernels.interpolated, kernels.needed)

ORDERS = ("nearest", "linear", "cubic")


@operation
def resample(moving: VoxelImage, /, *, like: Any = None, transform: Transform | None = None, order: str | None = None, fill: Any = None) -> VoxelImage:
    """An image on the grid of another one, through a transform.

    The value at the point p of the new grid is that of ``moving`` at ``transform.apply(p)``.

    Parameters
    ----------
    moving
        Any image.
    like
        The image, or the grid, whose voxels are wanted; by default ``moving`` itself.
    transform
        Where points of the new grid lie in ``moving`` (as :func:`register` finds, and as ITK has it); by default where they are.
    order
        ``"nearest"``, ``"linear"``, or ``"cubic"`` (convolution over 4 × 4 × 4 voxels, which reproduces parabolas and may overshoot at edges).
        By default nearest for masks, images with phases, and integers of 32 bits and more (labels), else linear. Masks and phases have no other.
    fill
        The value of voxels outside ``moving``. By default they hold no data.

    Returns
    -------
    VoxelImage
        Nearest: the type and the phases of ``moving``. Interpolated: float32 (float64 for 32-bit integers and more, and float64), computed in float64
        and rounded once; nothing wraps. What lies outside ``moving`` has its no-data value; where it has none, NaN in floats, a mask beside a mask,
        and in other integers their largest value, which the image must then not have. A point counts as inside up to the faces of the outermost
        voxels; between their centres and faces they are continued. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError, UnitError
        Another order, interpolated labels, a fill that the type does not hold; one of the grids and the transform has no physical unit, and others have.
    DataError
        The value that was to stand for no data is one of the image's (raised when that block is computed).

    Notes
    -----
    Where a voxel without data weighs anything in an interpolated value, that has none. Interpolation looks at 2 (4) voxels along each axis: onto a
    coarser grid it skips voxels, and :func:`rescale` averages them. There is no ``where=``: what is not asked for is not computed.

    Bitwise at any chunking. A task reads the box of the input that its block maps to, with a margin of 1 (linear) or 2 voxels; blocks whose boxes do
    not fit in ``options.memory`` are cut. R. G. Keys, IEEE Trans. Acoust. Speech Signal Process. 29 (1981), doi:10.1109/TASSP.1981.1163711 (cubic).

    Examples
    --------
    >>> import voxelrock as vr
    >>> ramp = vr.from_function(lambda z, y, x: 10 * x, shape=4, dtype="u1")
    >>> resample(ramp, transform=Transform.translation(x=0.5), fill=0).compute()[0, 0].tolist()
    [5.0, 15.0, 25.0, 30.0]
    """
    chosen = _order(an_image(moving), order)
    like = moving if like is None else like
    grid = grid_of(like)
    to = index_map(grid, moving.grid, Transform.identity(unit=grid.unit) if transform is None else transform, chosen)
    tiling = like.tiling if isinstance(like, VoxelImage) else Tiling.compute(grid.shape)
    data, nodata = (_picked if chosen == "nearest" else _interpolated)(moving, to, tiling, fill)
    return moving.with_data(data, grid=grid, nodata=nodata, phases=moving.phases if chosen == "nearest" else {})


@operation
def rotate(
    image: VoxelImage,
    /,
    *,
    angle: float,
    axis: Any = "z",
    center: Any = None,
    order: str | None = None,
    fill: Any = None,
    enlarge: bool = False,
) -> VoxelImage:
    """Turn an image about an axis.

    Parameters
    ----------
    image
        Any image.
    angle
        Degrees; positive ones turn x towards y about z, y towards z about x, z towards x about y.
    axis
        ``"z"``, ``"y"``, ``"x"``, or a direction along (z, y, x).
    center
        A point on the axis, lengths along (z, y, x); by default the middle of the image.
    order, fill
        As in :func:`resample`.
    enlarge
        Whether the grid grows (or shrinks) to the smallest box that holds the turned image; otherwise it stays, and corners are cut.

    Returns
    -------
    VoxelImage
        As from :func:`resample`. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError, UnitError
        Another axis, an angle that is not finite, a center that is no point, and what :func:`resample` refuses.

    Notes
    -----
    Bitwise at any chunking; see :func:`resample`, also for why there is no ``where=``.

    Examples
    --------
    >>> import voxelrock as vr
    >>> steps = vr.from_function(lambda z, y, x: 3 * y + x, shape=3, dtype="u1")
    >>> rotate(steps, angle=90, order="nearest").compute()[0].tolist()
    [[6, 3, 0], [7, 4, 1], [8, 5, 2]]
    """
    grid = an_image(image).grid
    low, high = (np.array(corner) for corner in grid.bounds)
    middle = (low + high) / 2 if center is None else np.array(tuple(grid.length(v) for v in ZYX.of(center)))
    turn = rotation(angle, axis)
    if enlarge:
        corners = np.stack(np.meshgrid(*zip(low, high), indexing="ij"), -1).reshape(-1, 3)
        turned = (corners - middle) @ turn.T + middle
        spacing = np.array(grid.spacing)
        shape = np.maximum(1, np.ceil((np.ptp(turned, axis=0)) / spacing - 1e-6)).astype(int)
        around = (turned.min(axis=0) + turned.max(axis=0)) / 2
        grid = replace(grid, shape=ZYX(*shape.tolist()), origin=ZYX(*(around - (shape - 1) / 2 * spacing).tolist()))
    back = Transform.affine(matrix=turn.T, center=tuple(middle), unit=grid.unit)
    return resample(image, like=grid, transform=back, order=order, fill=fill)


def grid_of(like: Any) -> VoxelGrid:
    """The grid of an image, or a grid itself.

    Raises
    ------
    ParameterTypeError
        It is neither.
    """
    if isinstance(like, VoxelImage):
        return like.grid
    if not isinstance(like, VoxelGrid):
        raise ParameterTypeError(f"like= is an image or a VoxelGrid, whose voxels are wanted; got {type(like).__name__}")
    return like


def index_map(grid: VoxelGrid, moving: VoxelGrid, transform: Transform, order: str) -> kernels.IndexMap:
    """Where the voxels of a grid lie among those of a moving one, in voxels.

    Raises
    ------
    UnitError
        One of the two and the transform has no physical unit, and another one has.
    """
    if not isinstance(transform, Transform):
        raise ParameterTypeError(f"transform= is a Transform, such as Transform.rigid(angle=3) or Transform.load('T.tfm'); got {type(transform).__name__}")
    transform, moving = transform.to_unit(grid.unit), moving.to_unit(grid.unit)
    matrix = np.array(transform.matrix) * np.array(grid.spacing) / np.array(moving.spacing)[:, None]
    first = (transform.apply(np.array(grid.origin)) - np.array(moving.origin)) / np.array(moving.spacing)
    a, b, c = (_clean(v, 1e-9) for v in first.tolist())
    z, y, x = moving.shape
    return kernels.IndexMap(tuple(_clean(v, 1e-12) for v in matrix.reshape(-1).tolist()), (a, b, c), (z, y, x), order)


def _clean(value: float, tolerance: float) -> float:
    """Quarters that rounding missed: then whole steps stay whole, and half ones half."""
    quarter = round(value * 4) / 4
    return quarter if abs(value - quarter) <= tolerance else value


def _order(image: VoxelImage, order: str | None) -> str:
    labels = image.dtype.kind == "b" or bool(image.phases)
    if order is None:
        return "nearest" if labels or (image.dtype.kind in "iu" and image.dtype.itemsize >= 4) else "linear"
    if order not in ORDERS:
        raise ParameterError(f"order is one of {', '.join(ORDERS)}; got {order!r}")
    if labels and order != "nearest":
        what = "a mask" if image.dtype.kind == "b" else "labels"
        raise ParameterError(f"values between the voxels of {what} mean nothing: order='nearest', or image.astype('f4').assign(phases={{}}) for weights")
    return order


def _interpolated(moving: VoxelImage, to: kernels.IndexMap, tiling: Tiling, fill: Any) -> tuple[Any, float | None]:
    dtype = float_type(moving.dtype)
    value = math.nan if fill is None else float(plain(fill, "fill"))
    if not shaping.fits(value, dtype):
        raise ParameterError(f"fill={value} does not fit in {dtype}, the type of the result: give a value that does, or convert the image first, astype('f8')")
    known = validity.blank(moving.data, moving.nodata, dtype)
    data = _INTERPOLATED(known, tiling, dtype, to=to, fill=value, dtype=dtype.name)
    unknown = moving.nodata is not None or (fill is None and to.leaves(VoxelBox.whole(tiling.shape)))
    return data, math.nan if unknown else None


def _picked(moving: VoxelImage, to: kernels.IndexMap, tiling: Tiling, fill: Any) -> tuple[Any, Any]:
    dtype, nodata = moving.dtype, moving.nodata
    value = None if fill is None else plain(fill, "fill")
    if value is not None and not (shaping.fits(value, dtype) or (dtype.kind == "b" and value in (0, 1))):
        raise ParameterError(f"fill={value} does not fit in {dtype}: give a value that does, or convert the image first, astype('f4')")
    outside = value is None and to.leaves(VoxelBox.whole(tiling.shape))
    if validity.is_mask(nodata) or (outside and dtype.kind == "b"):
        missing = nodata if validity.is_mask(nodata) else shaping.constant(moving.tiling, False, np.dtype(bool))
        codes, code = validity.numbered(moving.data, missing, np.dtype("u1"))
        return validity.from_codes(_NEAREST(codes, tiling, codes.dtype, to=to, fill=code if value is None else int(value), unused=False))
    unused = outside and nodata is None and dtype.kind != "f"
    if outside and nodata is None:
        nodata = validity.spare(dtype)
        if nodata in moving.phases:
            raise ParameterError(f"{nodata} is a label of the image and cannot stand for no data outside it: give fill=, the label of what lies outside")
    blank = value if value is not None else 0 if nodata is None else nodata
    return _NEAREST(moving.data, tiling, dtype, to=to, fill=blank, unused=unused), nodata
