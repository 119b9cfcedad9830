"""Hills and hollows: reconstruction, and the maxima and minima that stand out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.graph.patterns import Pointwise
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image, counted, known_where
from voxelrock.kernels.backend import kernel, namespace
from voxelrock.kernels.purposes import Bottoms, Flood
from voxelrock.labels.restriction import Where
from voxelrock.morphology.basins import refuse_wide, through_basins
from voxelrock.parameters import real
from voxelrock.typing import Block, HostArray


@kernel(cost=0.3, workspace=0.0)
def upside_down(block: Block, /) -> Block:
    """Values in the opposite order, without loss: the complement of integers, the negative of floats; twice is once around."""
    return -block if namespace(block).isdtype(block.dtype, "real floating") else ~block


UPSIDE_DOWN = Pointwise(upside_down)


def upright(values: HostArray, dtype: np.dtype[Any], of: str) -> HostArray:
    """Heights (float64) of an image that was turned upside down for its maxima, as they were; infinite ones change their sign."""
    if of == "minima":
        return values
    turned: HostArray = -values
    if dtype.kind == "f":
        return turned
    return turned + (1 if dtype.kind == "b" else int(np.iinfo(dtype).max) if dtype.kind == "u" else -1)


@operation
def reconstruction(seed: VoxelImage, mask: VoxelImage, /, *, method: str = "dilation", connectivity: int = 26, where: Where = None) -> VoxelImage:
    """Grow an image under another one (or shrink it above) until nothing changes.

    By dilation each voxel gets the greatest level at which it is reached from a voxel of ``seed`` on a way where ``mask`` is nowhere lower;
    by erosion the least, where it is nowhere higher.

    Parameters
    ----------
    seed
        Where it starts; voxels without data start nothing. What lies above ``mask`` (below it, by erosion) is cut off there.
    mask
        The limit: same grid, same type.
    method
        ``"dilation"`` or ``"erosion"``.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists: no way leads through, and ``mask`` is left as it is.

    Returns
    -------
    VoxelImage
        Of the mask's type, lazy.

    Raises
    ------
    ParameterError
        Another method or connectivity.
    ParameterTypeError
        Images of different types, or of 64-bit integers.
    GridMismatchError
        Images on different grids.
    DataError
        NaN inside ``where`` (raised when computed).

    Notes
    -----
    Bitwise: ``skimage.morphology.reconstruction`` on the whole image, voxel by voxel (Vincent 1993, doi:10.1109/83.217222, defines it). It takes
    two passes whatever the ways are like: the image's basins become a graph, in which a forest of lowest passes holds all best ways, and what is
    inside a box is decided there. Memory: in a task 20 bytes per voxel of a block and 600 for each of its basins (a smooth image has few, white
    noise one for seven voxels); beyond that what lies on the surfaces of boxes. For the second pass 28 bytes for each basin stay, in memory while
    they are few, else in files in ``options.scratch``. Halo 1.

    Examples
    --------
    >>> import voxelrock as vr
    >>> mask = vr.from_function(lambda z, y, x: 5 * (x < 3) + 7 * (x > 3), shape=6, dtype="u1")
    >>> seed = vr.from_function(lambda z, y, x: 4 * (x == 0), shape=6, dtype="u1")
    >>> reconstruction(seed, mask).compute()[0, 0].tolist()
    [4, 4, 4, 0, 0, 0]
    """
    if method not in ("dilation", "erosion"):
        raise ParameterError(f"method is 'dilation' (grow under the mask) or 'erosion' (shrink above it); got {method!r}")
    refuse_wide(mask, "reconstruction")
    an_image(seed).same_grid(mask)
    if seed.dtype != mask.dtype:
        raise ParameterTypeError(f"seed and mask are of one type; got {seed.dtype} and {mask.dtype}: convert one, as with seed.astype({mask.dtype.name!r})")
    keep = counted(mask, where)
    return mask.with_data(grown(_without_gaps(seed, method).data, mask.data, keep, method=method, connectivity=connectivity), nodata=mask.nodata)


def grown(seed: Any, mask: Any, keep: tuple[Any, ...], *, method: str, connectivity: int) -> Any:
    """A reconstruction of lazy arrays; ``keep`` is a mask of what exists, or nothing."""
    data = through_basins(_turned(mask, method), keep, Flood(), _turned(seed, method), connectivity=connectivity, dtype=mask.dtype)
    return _turned(data, method)


def _without_gaps(seed: VoxelImage, method: str) -> VoxelImage:
    """The seeds, where there are no data as low (by erosion high) as can be."""
    if seed.nodata is None or seed.dtype.kind == "b":
        return seed
    low, high = (-math.inf, math.inf) if seed.dtype.kind == "f" else (int(np.iinfo(seed.dtype).min), int(np.iinfo(seed.dtype).max))
    return seed.with_data(seed.data, nodata=None).where(seed.valid, other=low if method == "dilation" else high)


def _turned(data: Any, method: str) -> Any:
    return UPSIDE_DOWN(data) if method == "dilation" else data


def _extremes(image: VoxelImage, least: float, name: str, where: Where, **options: Any) -> VoxelImage:
    size = real(least, name)
    if not (math.isfinite(size) and size >= 0):
        raise ParameterError(f"{name} is finite and not negative; got {least}")
    refuse_wide(image, "finding extremes")
    keep = counted(image, where)
    data = through_basins(_turned(image.data, options["method"]), keep, Bottoms(size), connectivity=options["connectivity"], dtype=np.dtype(bool))
    return known_where(image, data, keep)


@operation
def h_maxima(image: VoxelImage, /, *, height: float, connectivity: int = 26, where: Where = None) -> VoxelImage:
    """True in the regional maxima that stand out by a height: whoever goes from there to a higher one must descend as much.

    Parameters
    ----------
    image
        Grey values or distances.
    height
        The least height, in the image's values; 0 gives all regional maxima. The highest of all stays.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists.

    Returns
    -------
    VoxelImage
        Boolean, lazy: whole plateaus. Equal maxima do not rival each other.

    Raises
    ------
    ParameterError, ParameterTypeError, DataError
        A negative height, another connectivity, 64-bit integers; NaN inside ``where`` (raised when computed).

    Notes
    -----
    Bitwise: ``skimage.morphology.h_maxima`` on the whole image, of integers voxel by voxel. Passes and memory as :func:`reconstruction`.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: 5 * (x == 0) + (x == 2) + 3 * (x == 4), shape=5, dtype="u1")
    >>> h_maxima(image, height=2).compute()[0, 0].tolist()
    [True, False, False, False, True]
    """
    return _extremes(image, height, "height", where, connectivity=connectivity, method="dilation")


@operation
def h_minima(image: VoxelImage, /, *, depth: float, connectivity: int = 26, where: Where = None) -> VoxelImage:
    """True in the regional minima that are deep: whoever goes from there to a lower one must climb as much.

    Parameters
    ----------
    image, connectivity, where
        As in :func:`h_maxima`.
    depth
        The least depth, in the image's values; 0 gives all regional minima. The lowest of all stays.

    Returns
    -------
    VoxelImage
        Boolean, lazy: whole plateaus. Equal minima do not rival each other.

    Raises
    ------
    ParameterError, ParameterTypeError, DataError
        As :func:`h_maxima`.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: 5 - 5 * (x == 0) - (x == 2) - 3 * (x == 4), shape=5, dtype="u1")
    >>> h_minima(image, depth=2).compute()[0, 0].tolist()
    [True, False, False, False, True]
    """
    return _extremes(image, depth, "depth", where, connectivity=connectivity, method="erosion")
