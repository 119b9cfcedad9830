"""Drift of the grey level from slice to slice."""

from __future__ import annotations

from voxelrock.artefacts.classes import Where, air_level, corrected_dtype, given_range, grey_image, usual_range
from voxelrock.errors import ParameterError
from voxelrock.geometry.axes import axis_number
from voxelrock.graph.patterns import Pointwise
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted
from voxelrock.kernels.drift import join_slices, mapped_slices, slice_counts, slice_maps

_MAPPED = Pointwise(mapped_slices, lambda first, *_, **__: corrected_dtype(first), located=True)


@operation
def correct_drift(
    image: VoxelImage,
    /,
    *,
    axis: str = "z",
    model: str = "offset",
    air: float | None = None,
    solid: tuple[float, float] | None = None,
    where: Where = None,
) -> VoxelImage:
    """Bring the grey level of every slice to that of the whole: drift of the source or the detector while a plug was scanned.

    Grey values are taken for up to three phases whose levels are the same in all slices but for the drift, while each slice has shares of its own: porosity
    and minerals that change along the axis are no drift. The drift of the median slice is none.

    Parameters
    ----------
    image
        A scan: grey values.
    axis
        The axis across which slices differ.
    model
        ``"offset"`` adds a constant to each slice; ``"gain"`` multiplies what lies above air; ``"linear"`` does both, where there are phases of different
        levels, and changes a small clean scan more than the others do.
    air
        The grey of air for ``"gain"``. By default 1.5 deviations of the noise above the quantile 0.001 (with ``solid``, the median of the class below Otsu's
        threshold): about right where pores are full of air.
    solid
        The least and the largest grey value of a phase that is the reference: the level of a slice is then the median of its voxels between them after the
        last correction, of four; with ``"linear"`` that of darker voxels agrees too, which takes pores in every slice. By default all phases count.
    where
        The voxels whose levels are compared (True = used); no-data voxels never are. The correction is for all voxels.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64 and integers of 32 bits), unrounded and not clipped: ``.astype("u2", clip=True)`` brings the type back. No-data
        voxels keep their value. Slices with hardly any voxel (of the solid, if given) take what lies between their neighbours'. Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        A segmentation or 64-bit integers; an unknown model; air that is not below ``solid``.
    DataError
        All counted voxels have one value, one is NaN, none is solid, or a slice has its solid below air (raised when computed).

    Notes
    -----
    Bitwise at any chunking: histograms of slices are integers, in 1024 bins that reach a fifth of their distance beyond the quantiles 0.001 and 0.999;
    medians are linear within a bin. Readings: quantiles, histograms, correction; the fit takes some milliseconds a slice. Memory: 8 kB a slice; the counting
    runs on the host. Minerals closer than 1.1 deviations of the noise count as one phase, whose level their shares move.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 50 + 100 * (x > 8) + z, shape=32, dtype="u1")
    >>> float(correct_drift(scan).compute()[:, 0, 20].std()) < 0.1
    True
    """
    grey_image(image, "correct_drift")
    number, reference = axis_number(axis), given_range(solid)
    if model not in ("offset", "gain", "linear"):
        raise ParameterError(f"the model is 'offset', 'gain' or 'linear'; got {model!r}")
    level = air_level(air, reference)
    counts = Reduction(slice_counts, join_slices, slice_maps, located=True)
    limits, finish = usual_range(image, where), {"model": model, "air": level, "solid": reference}
    maps = counts(image.data, *counted(image, where), limits=limits, axis=number, shape=(image.shape[number], 2), dtype="f8", finish=finish)
    kind = corrected_dtype(image.dtype).name
    return image.with_data(_MAPPED(image.data, maps=maps, axis=number, nodata=image.nodata, dtype=kind), phases={})
