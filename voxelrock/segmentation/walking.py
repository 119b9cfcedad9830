"""Random walker: phases grow from markers, and hardly across steps of grey value. It needs the whole image in one place."""

from __future__ import annotations

import math

import numpy as np

from voxelrock import options
from voxelrock.errors import DataError, ParameterError, ParameterTypeError, TooLargeError
from voxelrock.graph.execution import compute
from voxelrock.image import Field, VoxelImage
from voxelrock.image.creation import from_array
from voxelrock.image.operations import operation
from voxelrock.image.presentation import describe_memory
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.walks import BYTES, walked
from voxelrock.labels.restriction import Where, refuse_grey
from voxelrock.parameters import real


@operation
def random_walker(
    image: VoxelImage, /, *, markers: VoxelImage, beta: float = 2.0, tolerance: float = 1e-6, where: Where = None
) -> VoxelImage:  # fmt: skip
    """Give each voxel the label of the markers that a random walker from it most likely reaches first; computes at once, and for subvolumes.

    Where boundaries are weak or broken, a walker still finds its way; :func:`watershed` is for images of any size.

    Parameters
    ----------
    image
        Grey values.
    markers
        Labels on the same grid: positive where a voxel's label is known, 0 elsewhere.
    beta
        How hard steps of grey value are to cross: weights are ``exp(-beta · step² / variance)``, of the variance of the grey values that are used.
    tolerance
        The residual at which a solution is taken, relative to the right-hand side.
    where
        True = used. Outside nothing exists: no walker goes there, and the result is 0.

    Returns
    -------
    VoxelImage
        The type and phases of the markers, in memory; markers stay, and 0 is where no walker reaches one.

    Raises
    ------
    ParameterError, ParameterTypeError, GridMismatchError
        A negative beta, a tolerance that is none; markers that are no labels, or on another grid.
    TooLargeError
        It needs 90 bytes a voxel, and those are more than ``options.array_limit``: crop the image.
    DataError
        No marker, NaN, or no convergence.

    Notes
    -----
    ``skimage.segmentation.random_walker`` with ``beta · 10 / std``, of the standard deviation of its scaled image: its beta changes with the units of the
    grey values, and its ``tol`` of 1e-3 leaves voxels wrong. Conjugate gradients on one thread, in one order; one solution for each label but the
    last. Anisotropic spacing is honoured. It runs on the host. Grady 2006, doi:10.1109/TPAMI.2006.233.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 10 + 90 * (x > 4), shape=9, dtype="u1")
    >>> marks = vr.from_function(lambda z, y, x: (y == 4) * (z == 4) * ((x == 1) + 2 * (x == 7)), shape=9, dtype="u1")
    >>> random_walker(scan, markers=marks).compute()[0, 0].tolist()
    [1, 1, 1, 1, 1, 2, 2, 2, 2]
    """
    refuse_grey(markers, "a random walk to markers")
    if markers.dtype.kind == "b":
        raise ParameterTypeError("markers are labels, one for each phase; number the parts of a mask with vr.labels.label(mask)")
    an_image(image).same_grid(markers)
    steep, close = real(beta, "beta"), real(tolerance, "tolerance")
    if not (math.isfinite(steep) and steep >= 0 and 0 < close < 1):
        raise ParameterError(f"beta is finite and not negative, and tolerance lies between 0 and 1; got {beta} and {tolerance}")
    limit = options.get().array_limit
    if BYTES * image.size > limit:
        raise TooLargeError(
            f"a random walk needs {describe_memory(BYTES * image.size)} here, more than options.array_limit ({describe_memory(limit)}): crop the image, "
            "or take vr.segmentation.watershed, which needs no more than its blocks"
        )
    keep = counted(image, where)
    values, marks, *masks = compute(image.data, markers.data, *keep, label="random walk")
    exists = masks[0] if masks else np.ones(values.shape, bool)
    known = marks if markers.nodata is None else np.where(marks == markers.nodata, 0, marks)
    if not np.any((known > 0) & exists):
        raise DataError("no voxel is marked: give at least one positive marker inside where=")
    found = walked(values, np.maximum(known, 0), exists, steep, tuple(image.grid.spacing), close)
    data = from_array(found.astype(marks.dtype)).data
    return image.with_data(data, field=Field("label", "", f"random walker, beta {steep:g}"), phases=markers.phases, nodata=None)
