"""An image with voxels of another size."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.geometry import Tiling, VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.graph.sampling import Sampling
from voxelrock.image import VoxelImage, validity
from voxelrock.image.arithmetic import float_type
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image
from voxelrock.kernels import rescaling as kernels
from voxelrock.parameters import real, several
from voxelrock.registration.resampling import ORDERS, resample

_MEAN = Sampling(kernels.shared_mean, kernels.overlapped)
_MAJORITY = Sampling(kernels.shared_majority, kernels.overlapped)

_AVERAGES = ("mean", "fraction", "majority")


@operation
def rescale(image: VoxelImage, /, *, spacing: Any, how: str | None = None, of: Any = True) -> VoxelImage:
    """An image with voxels of another size, larger or smaller.

    Parameters
    ----------
    image
        Any image.
    spacing
        The distance between new voxels, in the grid's unit or as text: one length, or three along (z, y, x).
    how
        By the volume that a new voxel shares with each old one: ``"mean"``; ``"fraction"``, the share of the values ``of``, so that porosity is kept;
        ``"majority"``, the value that fills most of it (of equal ones the smallest). Or interpolated at its centre, as in :func:`resample`:
        ``"nearest"``, ``"linear"``, ``"cubic"``. By default, where voxels become larger along some axis, the majority for masks, images with
        phases, and integers of 32 bits and more (labels), and the mean for others; else nearest and linear.
    of
        The value, or values, whose share is asked for, with ``"fraction"``.

    Returns
    -------
    VoxelImage
        From the first face of the image on; new voxels that it does not fill are left out at the far ends. Mean: float32 (float64 for 32-bit integers
        and more, and float64). Fraction: float32. Majority: the type and the phases. In float64, rounded once. Voxels without data have no vote;
        where none has, there is no data (NaN in floats). Lazy.

    Raises
    ------
    ParameterError, UnitError
        A spacing that is no length, or larger than the image; an unknown ``how``.

    Notes
    -----
    The mean is antialiased, and the mean of all voxels is that of the image where new voxels fill it. With whole ratios it equals
    :meth:`VoxelImage.coarsen`. Bitwise at any chunking. A task reads the box that its block covers; blocks whose boxes do not fit in
    ``options.memory`` are cut. There is no ``where=``: say where there is no data, ``image.assign(nodata=…)``.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.from_function(lambda z, y, x: x < 3, shape=6, dtype=bool)
    >>> rescale(rock, spacing=1.5, how="fraction").compute()[0, 0].tolist()
    [1.0, 1.0, 0.0, 0.0]
    >>> rescale(rock, spacing=2).compute()[0, 0].tolist()
    [True, False, False]
    """
    grid = _rescaled(an_image(image).grid, spacing)
    labels = image.dtype.kind == "b" or bool(image.phases) or (image.dtype.kind in "iu" and image.dtype.itemsize >= 4)
    if how is None:
        larger = any(a > b * (1 + 1e-9) for a, b in zip(grid.spacing, image.grid.spacing))
        how = ("majority" if labels else "mean") if larger else ("nearest" if labels else "linear")
    if how in ORDERS:
        return resample(image, like=grid, order=how)
    if how not in _AVERAGES:
        raise ParameterError(f"rescale by how={', '.join(map(repr, (*_AVERAGES, *ORDERS)))}; got {how!r}")
    values = tuple(float(v) for v in several(of if isinstance(of, list | tuple | set) else [of], "of")) if how == "fraction" else ()
    if how == "fraction" and not values:
        raise ParameterError("the share of no value is asked for: name some, of=[1, 2]")
    data, nodata = _averaged(image, grid, how, values)
    return image.with_data(data, grid=grid, nodata=nodata, phases=image.phases if how == "majority" else {})


def _averaged(image: VoxelImage, grid: VoxelGrid, how: str, values: tuple[float, ...]) -> tuple[Any, Any]:
    data, nodata, masked = image.data, image.nodata, validity.is_mask(image.nodata)
    if masked:
        data, nodata = validity.numbered(data, nodata, np.dtype("u1"))
    a, b, c = (new / old for new, old in zip(grid.spacing, image.grid.spacing))
    z, y, x = image.shape
    over = kernels.Overlap((a, b, c), (z, y, x), values, nodata)
    tiling = Tiling.regular(grid.shape, (max(1, round(n / r)) for n, r in zip(image.tiling.typical(), (a, b, c))))
    if how == "majority":
        found = _MAJORITY(data, tiling, data.dtype, over=over)
        return validity.from_codes(found) if masked else (found, nodata)
    dtype = np.dtype("f4") if how == "fraction" else float_type(image.dtype)
    return _MEAN(data, tiling, dtype, over=over, dtype=dtype.name), None if nodata is None else math.nan


def _rescaled(grid: VoxelGrid, spacing: Any) -> VoxelGrid:
    """The grid of new voxels from the same first face; those that the image does not fill are left out."""
    steps = ZYX.of(spacing).map(grid.length)
    if not all(math.isfinite(real(s, "spacing")) and s > 0 for s in steps):
        raise ParameterError(f"the spacing is positive and finite; got {spacing}")
    counts = [math.floor(extent / s + 1e-6) for extent, s in zip(grid.extent, steps)]
    if min(counts) < 1:
        raise ParameterError(f"voxels of {tuple(steps)} {grid.unit} are larger than the image, {tuple(grid.extent)} {grid.unit} along (z, y, x)")
    low, _ = grid.bounds
    return replace(grid, shape=ZYX(*counts), spacing=steps, origin=ZYX(*(a + s / 2 for a, s in zip(low, steps))))
