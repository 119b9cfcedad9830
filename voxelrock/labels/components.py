"""Connected components, numbered as on the whole image."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.graph.reductions import Reduction
from voxelrock.graph.stitching import Stitching
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.results import number
from voxelrock.kernels import pieces
from voxelrock.kernels.numbering import Choice, ScanOrder, SizeOrder
from voxelrock.labels.restriction import Where, refuse_grey, restricted, rules_of
from voxelrock.typing import HostArray

COMPONENTS = Stitching(pieces.piece, pieces.join, pieces.begin, pieces.descend, pieces.named)


@operation
def label(image: VoxelImage, /, *, connectivity: int = 6, where: Where = None, order: str = "scan", periodic: Any = None) -> VoxelImage:
    """Number the connected components, exactly as ``scipy.ndimage.label`` does on the whole image.

    A component is a set of voxels with one non-zero value that are joined through neighbours. Components are numbered from 1 by their first
    voxels in C order (z, then y, then x), whatever the chunks.

    Parameters
    ----------
    image
        Booleans (True is labelled), or labels: then every non-zero value has components of its own, numbered together.
    connectivity
        6 neighbours (faces; the default for pores, as finite-volume flow sees them), 18 (edges too) or 26 (corners too; the one for the
        solid beside pores of 6).
    where
        True = used. Outside nothing exists: it has no components and joins none. No-data voxels neither.
    order
        ``"scan"``, or ``"size"``: the largest is 1 (equal ones by their first voxels). ``"size"`` keeps 16 bytes for every component in one task.
    periodic
        Axes whose ends join, as in ``"zyx"``.

    Returns
    -------
    VoxelImage
        int32 (int64 from 2³¹ voxels), 0 where there is no component; lazy.

    Raises
    ------
    ParameterError
        Another connectivity, order or axis.
    ParameterTypeError
        An image of grey values (floats).

    Notes
    -----
    Bitwise. Two passes: blocks are read (or made) and labelled in both, which is faster than keeping them, at 300 to 600 million voxels a
    second and core in rock; an expensive chain before it is better saved first. Between them only surfaces travel: the largest task of the
    tree holds two cuts through the image (a byte or less per voxel of them in rock) and one entry per row of voxels. Memory of a task: its
    block, its labels, 20 bytes a run. He, Chao, Suzuki 2008, doi:10.1109/TIP.2008.919369.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: (x != 2) & (y != 1), shape=4, dtype=bool)
    >>> label(image).compute()[0].tolist()
    [[1, 1, 0, 2], [0, 0, 0, 0], [3, 3, 0, 4], [3, 3, 0, 4]]
    """
    refuse_grey(image, "labelling")
    if order not in ("scan", "size"):
        raise ParameterError(f"order is 'scan' (as SciPy numbers) or 'size' (the largest is 1); got {order!r}")
    voxels, _ = restricted(image, where)
    z, y, x = image.shape
    rules = rules_of(image, connectivity, ScanOrder((z, y, x)) if order == "scan" else SizeOrder(), periodic)
    data = COMPONENTS(voxels.data, rules=rules, dtype=np.int32 if image.size < 2**31 else np.int64)
    return image.with_data(data, field=Field("component", "", f"connected components, {connectivity} neighbours"), phases={}, nodata=None)


def total_components(found: list[pieces.Piece]) -> HostArray:
    """The number of components."""
    return np.asarray(found[0].totals[:, 0].sum())


def count(image: VoxelImage, /, *, connectivity: int = 6, where: Where = None, periodic: Any = None) -> xr.DataArray:
    """The number of connected components, a lazy number: the largest label of :func:`label`, in one pass.

    Parameters
    ----------
    image, connectivity, where, periodic
        As in :func:`label`.

    Returns
    -------
    xarray.DataArray
        int64; 0 for an empty phase. Halo 0; memory as the first pass of :func:`label`.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`label`.

    Examples
    --------
    >>> import voxelrock as vr
    >>> int(count(vr.from_function(lambda z, y, x: x != 2, shape=4, dtype=bool)))
    2
    """
    refuse_grey(image, "labelling")
    voxels, _ = restricted(image, where)
    rules = (rules_of(image, connectivity, Choice(), periodic),)
    reduction = Reduction(pieces.pieces, pieces.JoinedPieces(rules), total_components, located=True)
    data = reduction(voxels.data, rules=rules, shape=(), dtype="i8")
    return number(data, "components", definition=f"number of connected components, {connectivity} neighbours", connectivity=connectivity)
