"""Beam hardening: cupping of a plug."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from voxelrock.artefacts.classes import Where, air_level, corrected_dtype, given_range, grey_image, usual_range
from voxelrock.artefacts.outline import outline
from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import AXES, ZYX, Cylinder, VoxelGrid
from voxelrock.graph.patterns import Pointwise
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import counted
from voxelrock.image.validity import both
from voxelrock.kernels.classes import join_tables
from voxelrock.kernels.hardening import Line, even_fit, shell_counts, without_cupping
from voxelrock.parameters import whole

_SHELLS = 256
_WITHOUT = Pointwise(without_cupping, lambda first, *_, **__: corrected_dtype(first), located=True)


@operation
def correct_beam_hardening(
    image: VoxelImage,
    /,
    *,
    cylinder: Cylinder | None = None,
    air: float | None = None,
    degree: int = 4,
    solid: tuple[float, float] | None = None,
    where: Where = None,
) -> VoxelImage:
    """Divide out the cupping of beam hardening: the gain of grey values as an even polynomial of the distance from the plug's axis.

    Grey above air is taken for two or three phases whose levels are the same everywhere but for the gain, while each shell about the axis has shares of its
    own: minerals and pores that lie unevenly are no cupping. All voxels' grey above air is divided by the gain; the mean grey above air stays.

    Parameters
    ----------
    image
        A scan: grey values.
    cylinder
        The rock: its axis (tilted or not), and where the fit is done. Without it the call computes: :func:`outline` finds it, along z; where the rock fills
        the image, the axis is the middle's and all voxels are used.
    air
        The grey of air, which hardening leaves alone. By default that of the outline that is found, if there is air around it, else 1.5 deviations of the
        noise above the quantile 0.001 (with ``solid``, the median of the class below Otsu's threshold): about right where pores are full of air.
    degree
        The highest power of the distance: 2, 4, 6 or 8.
    solid
        The least and the largest grey value of a phase that is the reference: the polynomial then goes through its means in the shells, fitted six times,
        each with the voxels that the last fit brings between these values, and its mean over them is 1. By default all phases count.
    where
        The voxels of the fit (True = used), beside ``cylinder``; no-data voxels never are. The correction is for all voxels; beyond the shells that were
        fitted it stays as it is at the last of them.

    Returns
    -------
    VoxelImage
        float32 (float64 for float64 and integers of 32 bits), unrounded and not clipped: ``.astype("u2", clip=True)`` brings the type back. No-data
        voxels keep their value. Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        A segmentation or 64-bit integers; no cylinder; a degree that is none; air that is not below ``solid``.
    DataError
        All counted voxels have one value, one is NaN, there are too few shells, or the gain is not positive (raised when computed).

    Notes
    -----
    Bitwise at any chunking: histograms of at most 256 shells of equal thickness are integers, in 1024 bins that reach a fifth of their distance
    beyond the quantiles 0.001 and 0.999. Readings: quantiles, histograms, correction; the fit takes a second. Memory: 8 kB a shell; counting runs on the host.
    Of twelve synthetic scans of 96³ voxels (sandstone, carbonate, tight rock) with a cupping of a tenth and no air around them, the solid's profile is bent
    afterwards by 0.001 to 0.007 of the contrast between pores and solid, where it was by 0.032 to 0.042, and in two by 0.012 and 0.018: that much clean scans
    are changed, too. Trends of minerals nearer to each other than 1.4 deviations of the noise cannot be told from cupping.
    Ketcham & Carlson 2001, doi:10.1016/S0098-3004(00)00116-3.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 150 + ((y - 16) ** 2 + (x - 16) ** 2) / 10 + 0 * z, shape=32, dtype="f4")
    >>> flat = correct_beam_hardening(scan, cylinder=vr.Cylinder(axis="z", radius=16, center=dict(y=16, x=16)), air=0, solid=(100, 300))
    >>> float(flat.compute()[:, 4:28, 4:28].std()) < 0.2
    True
    """
    grey_image(image, "correct_beam_hardening")
    reference = given_range(solid)
    degree = whole(degree, "degree")
    if degree not in (2, 4, 6, 8):
        raise ParameterError(f"the degree is 2, 4, 6 or 8: the polynomial is even; got {degree}")
    level = air_level(air, reference)
    rock, level = _found(image, level) if cylinder is None else (checked_cylinder(cylinder), level)
    line = widened(line_of(image.grid, rock or Cylinder.inscribed(image.grid)))
    inside = where if rock is None else inside_of(image, rock, where)
    finish = {"degree": degree, "air": level, "solid": reference}
    counts = Reduction(shell_counts, join_tables, even_fit, located=True)
    fit = counts(image.data, *counted(image, inside), limits=usual_range(image, inside), line=line, shape=(degree // 2 + 4,), dtype="f8", finish=finish)
    kind = corrected_dtype(image.dtype).name
    return image.with_data(_WITHOUT(image.data, line=line, fit=fit, nodata=image.nodata, dtype=kind), phases={})


def checked_cylinder(cylinder: Any) -> Cylinder:
    """The cylinder, or ``ParameterTypeError`` where it is none."""
    if not isinstance(cylinder, Cylinder):
        raise ParameterTypeError(f"cylinder= is a vr.Cylinder, such as vr.artefacts.outline(image).region; got {type(cylinder).__name__}")
    return cylinder


def _found(image: VoxelImage, air: float | None) -> tuple[Cylinder | None, float | None]:
    """The rock's cylinder and the grey of air, as far as an outline shows them."""
    found = outline(image)
    return found.region, found.air_level if air is None and found.air else air


def inside_of(image: VoxelImage, cylinder: Cylinder, where: Where) -> VoxelImage:
    """The mask of a cylinder and of ``where`` together."""
    mask = image.restriction(cylinder)
    return image.with_data(mask if where is None else both(mask, image.restriction(where)), nodata=None, phases={})


def widened(line: Line) -> Line:
    """The same axis with few enough shells that they cost no memory in large images."""
    rings = min(line.rings, _SHELLS)
    return replace(line, pitch=line.pitch * line.rings / rings, rings=rings)


def line_of(grid: VoxelGrid, cylinder: Cylinder) -> Line:
    """The cylinder's axis, with as many shells as reach the farthest corner.

    Raises
    ------
    ParameterError
        It lies farther outside than the image is wide.
    """
    rock = cylinder.resolve(grid)
    way = np.eye(3)[AXES.index(rock.axis)] if isinstance(rock.axis, str) else np.array(ZYX.of(rock.axis), float)
    way = way / np.sqrt((way * way).sum())
    point = np.array([float(c) - o for c, o in zip(ZYX.of(rock.center), grid.origin)])
    corners = np.stack(np.meshgrid(*([0.0, (n - 1) * h] for n, h in zip(grid.shape, grid.spacing)), indexing="ij"), -1).reshape(-1, 3)
    far = np.sqrt((np.cross(corners - point, way) ** 2).sum(axis=1))
    if far.min() > np.sqrt((np.array(grid.extent) ** 2).sum()):
        raise ParameterError(f"the axis of {cylinder} lies farther outside the image than this is large: lengths are in the grid's unit ({grid.unit})")
    pitch = min(grid.spacing)
    a, b, c = point.tolist()
    u, v, w = way.tolist()
    return Line((a, b, c), (u, v, w), tuple(map(float, grid.spacing)), pitch, int(far.max() / pitch) + 2)  # type: ignore[arg-type]
