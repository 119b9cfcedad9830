"""Background shading of a scan."""

from __future__ import annotations

from typing import Any

from voxelrock.artefacts.classes import Where, air_level, corrected_dtype, given_range, grey_image, usual_range
from voxelrock.errors import ParameterError
from voxelrock.graph.patterns import Pointwise
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted
from voxelrock.kernels.drift import join_slices
from voxelrock.kernels.shading import Field, fitted_shading, tile_counts, without_shading
from voxelrock.parameters import whole

_WITHOUT = Pointwise(without_shading, lambda first, *_, **__: corrected_dtype(first), located=True)


@operation
def correct_shading(
    image: VoxelImage,
    /,
    *,
    model: str = "gain",
    degree: int = 2,
    air: float | None = None,
    solid: tuple[float, float] | None = None,
    where: Where = None,
) -> VoxelImage:
    """Remove background shading: a slow change of grey across the image, in any direction.

    Grey values are taken for up to three phases whose levels are the same everywhere but for a polynomial of the three coordinates, while each of
    8 × 8 × 8 tiles of the image has shares of its own: pores and minerals that lie unevenly make no shade.

    Parameters
    ----------
    image
        A scan: grey values.
    model
        ``"gain"`` divides what lies above air by the polynomial: uneven illumination; ``"offset"`` subtracts it: scattered light. Either keeps the mean
        grey (above air).
    degree
        The total degree of the polynomial, 1 to 4.
    air
        The grey of air for ``"gain"``, which shading leaves alone. By default 1.5 deviations of the noise above the quantile 0.001 (with ``solid``, the median
        of the class below Otsu's threshold): about right where pores are full of air.
    solid
        The least and the largest grey value of a phase that is the reference: the polynomial then goes through its means in the tiles, weighted by voxels
        and fitted six times, each with the voxels that the last fit brings between these values, and keeps its mean. By default all phases count.
    where
        The voxels of the fit (True = used); no-data voxels never are. The correction is for all voxels: outside, the polynomial goes on, but leaves
        the range that it has in fitted tiles by no more than a quarter of that.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64 and integers of 32 bits), unrounded and not clipped: ``.astype("u2", clip=True)`` brings the type back. No-data
        voxels keep their value. Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        A segmentation or 64-bit integers; an unknown model; a degree that is none; air that is not below ``solid``.
    DataError
        All counted voxels have one value, one is NaN, or there is solid in too few tiles (raised when computed).

    Notes
    -----
    Bitwise at any chunking: histograms of tiles are integers, in 1024 bins that reach a fifth of their distance beyond the quantiles 0.001 and 0.999.
    Readings: quantiles, histograms, correction; the fit takes a second. Memory: 4 MB, and 8 kB a tile for each block; the counting runs on the host.
    Minerals closer than 1.4 deviations of the noise count as one phase, whose level their shares move. About a plug's axis
    :func:`correct_beam_hardening` is the better model.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: (150 + z + y) * (x % 4 > 0), shape=32, dtype="u1")
    >>> flat = correct_shading(scan, air=0).compute()[..., 1]
    >>> float(scan.compute()[..., 1].std()) > 40 * float(flat.std())
    True
    """
    grey_image(image, "correct_shading")
    reference, terms = given_range(solid), whole(degree, "degree")
    if model not in ("gain", "offset"):
        raise ParameterError(f"the model is 'gain' or 'offset'; got {model!r}")
    if not 1 <= terms <= 4:
        raise ParameterError(f"the degree of the polynomial is 1 to 4; got {degree}")
    level, field, gain = air_level(air, reference), Field(image.shape, terms), model == "gain"
    finish: dict[str, Any] = {"field": field, "gain": gain, "air": level, "solid": reference}
    counts = Reduction(tile_counts, join_slices, fitted_shading, located=True)
    shape, limits = (3 + len(field.powers),), usual_range(image, where)
    fit = counts(image.data, *counted(image, where), limits=limits, field=field, shape=shape, dtype="f8", finish=finish)
    kind = corrected_dtype(image.dtype).name
    return image.with_data(_WITHOUT(image.data, field=field, fit=fit, gain=gain, nodata=image.nodata, dtype=kind), phases={})
