"""Mean intercept lengths in thirteen directions, and the fabric tensor that fits them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.geometry.axes import AXES
from voxelrock.geometry.crofton import DIRECTIONS, shares, steps
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve, number
from voxelrock.kernels.configurations import INNER, LINES, VOXELS, configurations
from voxelrock.statistics.counting import add
from voxelrock.structure.minkowski import corner_margin
from voxelrock.structure.restriction import Roles, Where, bulk_of, each_label, refuse_grey, sampled
from voxelrock.typing import HostArray

_COUNT = len(DIRECTIONS)


def intercepts(found: HostArray, *, spacing: tuple[float, float, float]) -> HostArray:
    """Mean intercept lengths (13), fabric tensor (9), its eigenvalues, descending (3); NaN where nothing is met or nothing fits."""
    inner = found[0, INNER]
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = 2 * (inner @ VOXELS / 8) * steps(spacing) / (inner @ LINES / 4)
    tensor, principal = _fabric(lengths, spacing)
    return np.concatenate([np.where(np.isfinite(lengths), lengths, np.nan), tensor.ravel(), principal])


def _fabric(lengths: HostArray, spacing: tuple[float, float, float]) -> tuple[HostArray, HostArray]:
    none = np.full((3, 3), np.nan), np.full(3, np.nan)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        return none
    vectors = np.array(DIRECTIONS) * np.array(spacing)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    terms = np.stack([units[:, i] * units[:, j] * (1 if i == j else 2) for i, j in pairs], axis=1)
    weights = np.sqrt(shares(vectors))
    fitted = np.linalg.lstsq(terms * weights[:, None], weights / lengths**2, rcond=None)[0]
    ellipsoid = np.zeros((3, 3))
    for value, (i, j) in zip(fitted, pairs):
        ellipsoid[i, j] = ellipsoid[j, i] = value
    values, axes = np.linalg.eigh(ellipsoid)
    if values[0] <= 0:
        return none
    return (axes / np.sqrt(values)) @ axes.T, 1 / np.sqrt(values)


def mean_intercept_length(image: VoxelImage, /, *, where: Where = None, by: VoxelImage | None = None, through: Roles = None) -> xr.Dataset:
    """Mean intercept length of a phase in thirteen directions, and its fabric tensor.

    The mean intercept length along a direction is the length that lines of that direction have in the phase, divided by half the number of
    times that they cross its surface; it needs no chord to be complete. The fabric tensor is that of the ellipsoid which fits the lengths
    best: its eigenvalues are the lengths along its principal axes.

    Parameters
    ----------
    image
        A boolean image (True = the phase asked for), or labels with phases (their pores and fluids).
    where
        True = used. Outside nothing exists. No-data voxels and those of role *outside* do not exist either.
    by
        Labels with phases (or booleans): one result for each, along ``label``.
    through
        Roles of the labels that make up the phase; pores and fluids by default.

    Returns
    -------
    xarray.Dataset
        ``mean_intercept_length`` over ``direction`` (in steps of voxels along z, y and x; the coordinates ``z``, ``y``, ``x`` hold unit vectors),
        ``fabric_tensor`` over ``axis`` and ``other_axis``, ``principal_intercepts`` (descending), all in the grid's unit, and
        ``degree_of_anisotropy``, the largest over the smallest of them. NaN where no surface is met, or where no ellipsoid fits. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels without roles.

    Notes
    -----
    Counts are bitwise, from cells of 2×2×2 voxels that lie inside wholly, in the same pass as :func:`minkowski`; the fit is made once, with
    each direction weighted by its share of all directions. Whitehouse 1974, doi:10.1111/j.1365-2818.1974.tb03878.x; Harrigan & Mann 1984,
    doi:10.1007/BF00540446.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z % 4 < 2, shape=9, dtype=bool)
    >>> round(float(mean_intercept_length(layers)["mean_intercept_length"].sel(direction="1 0 0")), 12)
    2.0
    """
    if by is not None:
        refuse_grey(image, "the mean intercept length")
        return each_label(image, by, where, lambda part: mean_intercept_length(image, where=part, through=through))
    spacing = tuple(image.grid.spacing)
    reduction = Reduction(configurations, add, intercepts, located=True, margin=corner_margin)
    voxels = sampled(image, where, through, "the mean intercept length")
    data: Any = reduction(*voxels, sets=((1,),), shape=(_COUNT + 12,), dtype="f8", finish={"spacing": spacing})
    facts: dict[str, Any] = {"units": image.grid.unit, "bulk": bulk_of(image, where)}
    vectors = np.array(DIRECTIONS) * np.array(spacing) / steps(spacing)[:, None]
    directions = {"direction": [" ".join(map(str, d)) for d in DIRECTIONS]}
    text = "length of lines in the phase divided by half the number of times that they cross its surface"
    lengths = curve(data[:_COUNT], ("direction",), directions, "mean_intercept_length", definition=text, **facts)
    axes = {"axis": list(AXES), "other_axis": list(AXES)}
    text = "square root of the inverse of the tensor that fits the inverse squares of the mean intercept lengths"
    principal = data[_COUNT + 9 :]
    ratio = number(principal[0] / principal[2], "degree_of_anisotropy", definition="largest over smallest principal intercept", bulk=facts["bulk"])
    return xr.Dataset({
        "mean_intercept_length": lengths.assign_coords({a: ("direction", vectors[:, i]) for i, a in enumerate(AXES)}),
        "fabric_tensor": curve(data[_COUNT : _COUNT + 9].reshape(3, 3), tuple(axes), axes, "fabric_tensor", definition=text, **facts),
        "principal_intercepts": curve(
            principal, ("principal",), {"principal": [0, 1, 2]}, "principal_intercepts", definition="eigenvalues of fabric_tensor", **facts
        ),
        "degree_of_anisotropy": ratio,
    })  # fmt: skip
