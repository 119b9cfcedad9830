"""Watershed: regions that meet at the highest points between minima or markers."""

from __future__ import annotations

import math

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted
from voxelrock.kernels.purposes import Markers, Minima
from voxelrock.labels.restriction import Where, refuse_grey, restricted
from voxelrock.morphology.basins import refuse_wide, through_basins
from voxelrock.parameters import real


@operation
def watershed(image: VoxelImage, /, *, markers: VoxelImage | None = None, depth: float = 0.0, connectivity: int = 6, where: Where = None) -> VoxelImage:
    """Divide an image into the regions that drain to its minima, or that grow from markers until they meet.

    All voxels have one strict order: by value, and of equal ones by their C-order index. From a voxel water runs to its lowest neighbour; two
    regions join at the lowest pass between them; a region without a marker joins across its lowest pass first. That is the
    minimum spanning forest rooted in the markers, and there is only one.

    Parameters
    ----------
    image
        What is flooded from below: negative distances (``-distance``), a gradient's magnitude, grey values.
    markers
        Labels; each positive one is a marker, in one part or several, and its region gets the same label. Without it every regional minimum
        is one, numbered from 1 in the order of first voxels.
    depth
        Without markers: minima less deep than this (in the image's values, by persistence) make no region. 0 takes all.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists: no water runs through, and the result is 0.

    Returns
    -------
    VoxelImage
        int32 (int64 for markers of more bits, and from 2³¹ voxels), lazy; no lines between regions. 0 outside ``where``, and in parts of it that hold
        no marker.

    Raises
    ------
    ParameterError
        depth with markers, or a negative one; another connectivity.
    ParameterTypeError
        Markers that are no labels; an image of 64-bit integers.
    GridMismatchError
        Markers on another grid.
    DataError
        NaN inside ``where`` (raised when computed).

    Notes
    -----
    Bitwise at any chunking, which a queue is not: scikit-image decides ties by who came first, and there, on plateaus and in the voxels that drain
    over them, results differ. Cousty, Bertrand, Najman, Couprie 2009, doi:10.1109/TPAMI.2008.173. Two passes, halo 1. What is inside a box is
    decided there, so that memory is that of surfaces: in a task 20 bytes per voxel of a block and 600 for each of its basins (a smooth image has
    few, white noise one for seven voxels), and where regions are numbered 16 bytes for each in one task. For the second pass 12 bytes for each
    basin stay, in memory while they are few, else in files in ``options.scratch``.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: abs(x - 2) * (x < 5) + abs(x - 7) * (x > 4), shape=9, dtype="u1")
    >>> watershed(image).compute()[0, 0].tolist()
    [1, 1, 1, 1, 1, 2, 2, 2, 2]

    Phases of a blurred scan: what is surely one or the other is a marker, and the boundary comes to lie where grey values change most, on the crest of the
    gradient's magnitude.

    >>> scan = vr.from_function(lambda z, y, x: 20 + 160 * (x > 4) - 40 * (x == 5), shape=9, dtype="u1")
    >>> edges = vr.filters.gradient_magnitude(scan, sigma_vx=0.5)
    >>> sure = (scan <= 30).astype("u1") + 2 * (scan >= 170).astype("u1")
    >>> watershed(edges, markers=sure.astype("u1")).compute()[0, 0].tolist()
    [1, 1, 1, 1, 1, 2, 2, 2, 2]
    """
    refuse_wide(image, "watershed")
    shallow = real(depth, "depth")
    if not (math.isfinite(shallow) and shallow >= 0) or (markers is not None and shallow):
        raise ParameterError(f"depth is finite, not negative, and for minima: markers= are taken as they are; got {depth}")
    keep, wide = counted(image, where), image.size >= 2**31
    if markers is None:
        data = through_basins(image.data, keep, Minima(shallow), connectivity=connectivity, dtype=np.dtype("i8" if wide else "i4"))
    else:
        refuse_grey(markers, "growing markers")
        if markers.dtype.kind == "b":
            raise ParameterTypeError("markers are labels, one for each region; number the parts of a mask with vr.labels.label(mask)")
        image.same_grid(markers)
        kind = np.dtype("i4" if np.can_cast(markers.dtype, np.int32) else "i8")
        data = through_basins(image.data, keep, Markers(), restricted(markers, None)[0].data, connectivity=connectivity, dtype=kind)
    return image.with_data(data, field=Field("region", "", f"watershed regions, {connectivity} neighbours"), phases={}, nodata=None)
