"""Local thresholds: an image of thresholds, each from the surroundings of its voxel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.filters.reach import within_memory
from voxelrock.graph.patterns import Stencil, smooth_dtype
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image, counted, physical_or_voxels
from voxelrock.kernels.convolution import uniform_halo
from voxelrock.kernels.localthresholds import local_threshold
from voxelrock.parameters import real
from voxelrock.segmentation.thresholds import Where

_LOCAL = Stencil(local_threshold, uniform_halo, smooth_dtype)

Length = float | str | None


@operation
def niblack_threshold(image: VoxelImage, /, *, size: Length = None, size_vx: Any = None, k: float = 0.2, where: Where = None) -> VoxelImage:
    """Niblack's threshold of each voxel: the mean of the box around it minus ``k`` standard deviations.

    ``image > niblack_threshold(image, size_vx=15)`` is the bright phase. Scikit-image's ``threshold_local`` is a filter less an offset:
    ``image > vr.filters.gaussian(image, sigma_vx=2) - offset``.

    Parameters
    ----------
    image
        Grey values.
    size
        Edge of the box, in the grid's unit or as text; rounded to the nearest odd number of voxels along each axis.
    size_vx
        Instead, in voxels: an odd number, or three along (z, y, x).
    k
        How many standard deviations below the mean; negative ones lie above.
    where
        True = used: only those voxels are in means and deviations, which keeps the air around a plug out. Outside, and where the image holds no
        data, the result is NaN, its no-data value then.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64), lazy. The image is mirrored at its border (d c b | a b c d), as there.

    Raises
    ------
    ParameterError
        Neither or both of size and size_vx, an even number of voxels, or a k that is no finite number.

    Notes
    -----
    ``skimage.filters.threshold_niblack``, up to rounding. Bitwise at any chunking: integers of up to 16 bits are added exactly, and their variance is
    exact too (there it is a difference of rounded squares); floats in one order, which takes longer the larger the box. NaN spreads over the box. Halo:
    half the box. Niblack 1986, An Introduction to Digital Image Processing.

    Examples
    --------
    >>> import voxelrock as vr
    >>> ramp = vr.from_function(lambda z, y, x: 10 * x, shape=5, dtype="u1")
    >>> niblack_threshold(ramp, size_vx=3, k=0).compute()[2, 2].tolist()
    [6.666666507720947, 10.0, 20.0, 30.0, 33.33333206176758]
    """
    return _thresholds(image, _box(an_image(image), size, size_vx), _factor(k), None, where)


@operation
def sauvola_threshold(image: VoxelImage, /, *, size: Length = None, size_vx: Any = None, k: float = 0.2, r: float | None = None,
                      where: Where = None) -> VoxelImage:  # fmt: skip
    """Sauvola's threshold of each voxel: the mean of the box around it, times ``1 + k (standard deviation / r - 1)``.

    Parameters
    ----------
    image, size, size_vx, where
        As in :func:`niblack_threshold`.
    k
        How far below the mean the threshold of a uniform box lies.
    r
        The largest standard deviation; half the range of an integer type by default, to be given for floats.

    Returns
    -------
    VoxelImage
        As of :func:`niblack_threshold`; ``image > sauvola_threshold(image, size_vx=15)`` is the bright phase.

    Raises
    ------
    ParameterError
        As :func:`niblack_threshold`; no r for floats, or one that is not positive.

    Notes
    -----
    ``skimage.filters.threshold_sauvola``, up to rounding; as :func:`niblack_threshold` in all else. Sauvola, Pietikäinen 2000,
    doi:10.1016/S0031-3203(99)00055-2.

    Examples
    --------
    >>> import voxelrock as vr
    >>> float(sauvola_threshold(vr.full(shape=5, value=100, dtype="u1"), size_vx=3, k=0.5).compute().max())
    50.0
    """
    kind = an_image(image).dtype
    if r is None and kind.kind == "f":
        raise ParameterError("give r=, the largest standard deviation that the grey values have: floats have no range of their own")
    limit = (0.5 if kind.kind == "b" else (int(np.iinfo(kind).max) - int(np.iinfo(kind).min)) / 2) if r is None else real(r, "r")
    if not (math.isfinite(limit) and limit > 0):
        raise ParameterError(f"r is a positive standard deviation; got {r}")
    return _thresholds(image, _box(image, size, size_vx), _factor(k), limit, where)


def _thresholds(image: VoxelImage, box: tuple[int, int, int], k: float, dynamic: float | None, where: Where) -> VoxelImage:
    keep = counted(image, where)
    data = _LOCAL(image.data, *keep, mode="mirror", size=box, k=k, dynamic=dynamic)
    name = "Niblack's" if dynamic is None else "Sauvola's"
    field = Field("threshold", image.field.unit, f"{name} threshold over boxes of {' × '.join(map(str, box))} voxels")
    found = image.with_data(data, field=field, phases={}, nodata=None)
    return found if not keep else found.where(found.with_data(keep[0]), other=math.nan).assign(nodata=math.nan)


def _factor(k: float) -> float:
    factor = real(k, "k")
    if not math.isfinite(factor):
        raise ParameterError(f"k is a finite number; got {k}")
    return factor


def _box(image: VoxelImage, size: Length, size_vx: Any) -> tuple[int, int, int]:
    parts = physical_or_voxels(image, "size", size, size_vx)
    if size_vx is None:
        parts = tuple(float(2 * max(0, round((p - 1) / 2)) + 1) for p in parts)  # type: ignore[assignment]
    z, y, x = map(int, parts)
    if (float(z), float(y), float(x)) != parts or not all(n % 2 for n in (z, y, x)):
        raise ParameterError(f"the box has an odd number of voxels along each axis; got {size_vx}")
    within_memory(image, "size", uniform_halo(size=(z, y, x)))
    return z, y, x
