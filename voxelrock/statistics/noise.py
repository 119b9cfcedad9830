"""How noisy an image is."""

from __future__ import annotations

import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.geometry import Region
from voxelrock.graph.patterns import Stencil, boolean, smooth_dtype
from voxelrock.image import VoxelImage
from voxelrock.image.results import number
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels import residuals
from voxelrock.parameters import whole
from voxelrock.statistics.histograms import quantile

_RESIDUAL = Stencil(residuals.noise_residual, residuals.residual_halo, smooth_dtype)
_AROUND = Stencil(residuals.known_around, residuals.residual_halo, boolean)


def noise_level(image: VoxelImage, /, *, lag_vx: int = 1, where: VoxelImage | Region | None = None) -> xr.DataArray:
    """Standard deviation of the noise, from the median difference between voxels and the mean of their six neighbours; a lazy number.

    Parameters
    ----------
    image
        Grey values.
    lag_vx
        How far away the neighbours are, in voxels. Of noise that is correlated over a voxel, as that of scans, neighbours at 1 see only a part; those
        at 2 see it all, and more of the structure.
    where
        True = used; voxels count that lie inside with all six neighbours (as they lie in the image). No-data voxels, and those next to them, never count.

    Returns
    -------
    xarray.DataArray
        A lazy number in grey values. The median is exact, so that it is the same at any chunking; edges between phases weigh little in it.

    Raises
    ------
    ParameterError
        A lag below 1, or of half the image or more.
    DataError
        NaN among the voxels, or none that counts (raised when computed).

    Notes
    -----
    The median of ``|v - mean| √(6/7) / 0.6745``: for white normal noise its standard deviation. Two readings (four for float64). Halo: the lag.
    P. Coupé et al., IEEE Trans. Med. Imaging 27 (2008), doi:10.1109/TMI.2007.906087 (the differences).

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.generators.ct_scan(vr.zeros(shape=32), levels={0: 100}, noise=8, dtype="f4", scanner=vr.generators.Scanner(correlation_vx=0))
    >>> 7.5 < float(noise_level(rock)) < 8.5
    True
    """
    lag = whole(lag_vx, "lag_vx")
    if not (lag >= 1 and 2 * lag < min(an_image(image).shape)):
        raise ParameterError(f"lag_vx is at least 1 and less than half of every edge of the image, {tuple(image.shape)} voxels; got {lag}")
    inner = (slice(lag, -lag),) * 3
    known = [_AROUND(mask, lag=lag) for mask in counted(image, where)]
    residual = image.with_data(_RESIDUAL(image.data, lag=lag), nodata=None, phases={})
    keep = residual.with_data(known[0], nodata=None)[inner] if known else None
    found = quantile(residual[inner], q=0.5, where=keep)
    definition = f"median of |v - mean of the six voxels at {lag}| times sqrt(6/7) / 0.6745: the standard deviation of white normal noise"
    return number(found.data, "noise_level", definition=definition, units=image.field.unit or "1")
