"""Salt and pepper: single voxels that are far off their neighbourhood."""

from __future__ import annotations

import math

import numpy as np

from voxelrock.artefacts.classes import grey_image
from voxelrock.errors import ParameterError
from voxelrock.filters.smoothing import median
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import refuse_nodata
from voxelrock.parameters import real


@operation
def remove_outliers(image: VoxelImage, /, *, threshold: float = 6.0, least: float = 0.0) -> VoxelImage:
    """Replace voxels that are far off their neighbourhood by its median: hot and dead pixels, zingers.

    A voxel is an outlier where it differs from the median of 3 × 3 × 3 voxels by more than ``threshold`` robust deviations and by more than ``least``. The
    deviation is 1.4826 times the median, over as many voxels, of the distances from their own medians: large at edges, which stay.

    Parameters
    ----------
    image
        A scan: grey values, without no-data voxels. Takes no ``where=``, as a voxel outside would vote in medians inside.
    threshold
        Robust deviations; 6 by default.
    least
        A difference in grey levels that is never an outlier, for images that are flat in places.

    Returns
    -------
    VoxelImage
        Of the image's type; all other voxels stay bit for bit. The image is reflected beyond its border. Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        A segmentation, 64-bit integers, no-data voxels, or a threshold or a difference that is negative.

    Notes
    -----
    Halo 2. Bitwise at any chunking. Two medians a voxel. Things of one voxel are lost, real ones too.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 100 + (3 * x + 5 * y + 7 * z) % 4 + 90 * ((x == 8) & (y == 8) & (z == 8)), shape=16, dtype="u1")
    >>> int(scan.compute().max()), int(remove_outliers(scan).compute().max())
    (190, 103)
    """
    grey_image(image, "remove_outliers")
    refuse_nodata(image, "remove_outliers")
    limit, floor = real(threshold, "threshold"), real(least, "least")
    if not (math.isfinite(limit) and math.isfinite(floor) and limit >= 0 and floor >= 0):
        raise ParameterError(f"threshold and least are finite and at least 0; got {threshold} and {least}")
    middle = median(image, radius_vx=1)
    off = np.abs(image - middle)
    usual = median(off, radius_vx=1)
    return image.where((off <= usual * (1.4826 * limit)) | (off <= floor), other=middle)
