"""Phases slice by slice, values of two images together, and what a threshold decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.graph.execution import compute
from voxelrock.graph.patterns import Pointwise, boolean
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve
from voxelrock.image.selection import an_image, counted, known_where
from voxelrock.image.validity import both
from voxelrock.kernels.ensembles import graded
from voxelrock.kernels.joint import joint_counts
from voxelrock.parameters import several, whole
from voxelrock.statistics.counting import add, as_is, value_limits, value_range
from voxelrock.statistics.profiles import profile
from voxelrock.structure.minkowski import minkowski
from voxelrock.structure.restriction import Where, bulk_of, each_label, refuse_grey
from voxelrock.typing import HostArray

_GRADED = Pointwise(graded, boolean)


def phase_profile(image: VoxelImage, /, *, axis: str = "z", labels: Iterable[int] | None = None, where: Where = None) -> xr.DataArray:
    """The fraction of each phase in each slice across an axis.

    Parameters
    ----------
    image
        Booleans, labels with phases, or labels and ``labels=``.
    axis
        ``"z"``, ``"y"`` or ``"x"``.
    labels
        The labels to report; those of ``image.phases`` by default.
    where
        True = counted. No-data voxels are never counted.

    Returns
    -------
    xarray.DataArray
        float64 over ``label`` and the positions along the axis: voxels with the label divided by counted voxels of the slice, NaN where there are
        none. Lazy, in one reading.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels that nothing names, another axis.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z, shape=3, dtype="u1")
    >>> phase_profile(layers, labels=[0, 1]).values.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    refuse_grey(image, "a profile of phases")
    names = {0: "false", 1: "true"} if image.dtype.kind == "b" else {k: p.name for k, p in image.phases.items()}
    wanted = list(names) if labels is None else sorted({whole(v, "a label") for v in several(labels, "labels")})
    if not wanted:
        raise ParameterError("name the labels with labels=, or assign phases: image.assign(phases={0: vr.Phase('pore', 'pore'), …})")
    plain = image.assign(phases={})
    parts = [profile(plain.isin([bool(label) if image.dtype.kind == "b" else label]), axis=axis, where=where) for label in wanted]
    result = xr.concat(parts, xr.Variable("label", wanted), combine_attrs="override", join="override").rename("phase_profile")
    definition = "voxels with the label in the slice divided by the slice's counted voxels"
    result.attrs |= {"long_name": "phase profile", "definition": definition, "bulk": bulk_of(image, where)}
    return result.assign_coords(phase=("label", [names.get(label, "") for label in wanted]))


def joint_histogram(image: VoxelImage, other: VoxelImage, /, *, bins: int | Sequence[float] | None = None,
                    other_bins: int | Sequence[float] | None = None, where: Where = None, by: VoxelImage | None = None) -> xr.DataArray:  # fmt: skip
    """How often two images have two values at the same voxel; computes the extremes first where neither edges nor 8 bits give them.

    Parameters
    ----------
    image, other
        Images on one grid.
    bins, other_bins
        Bin edges (ascending; a bin has its left edge, the last one both), or a number of equal bins between the extremes. Without them, one bin
        for each value of booleans and 8-bit integers, else 256.
    where
        True = counted. Voxels without data in either image are never counted.
    by
        Labels with phases (or booleans): one histogram for each, along ``label``.

    Returns
    -------
    xarray.DataArray
        int64 over ``value`` and ``other_value`` (the bins' middles). Lazy, except as said.

    Raises
    ------
    ParameterError, GridMismatchError
        Edges that do not ascend, fewer than one bin; images on different grids.
    DataError
        NaN among the counted voxels (raised when computed).

    Notes
    -----
    Bitwise; one task and one table per block. It runs on the host.

    Examples
    --------
    >>> import voxelrock as vr
    >>> a, b = vr.from_function(lambda z, y, x: z, shape=4, dtype="u1"), vr.from_function(lambda z, y, x: y, shape=4, dtype="u1")
    >>> joint_histogram(a, b, bins=[0, 2, 4], other_bins=[0, 1, 4]).values.tolist()
    [[8, 24], [8, 24]]
    """
    an_image(image).same_grid(an_image(other))
    edges, other_edges = _edges(image, bins, where, "bins"), _edges(other, other_bins, where, "other_bins")
    if by is not None:
        given = {"bins": edges.tolist(), "other_bins": other_edges.tolist()}
        return each_label(image, by, where, lambda part: joint_histogram(image, other, where=part, **given))
    keep = counted(image, where)
    if other.nodata is not None:
        keep = (both(keep[0], other.valid.data),) if keep else (other.valid.data,)
    reduction = Reduction(joint_counts, add, as_is)
    facts: dict[str, Any] = {"edges": tuple(edges.tolist()), "other_edges": tuple(other_edges.tolist())}
    data = reduction(image.data, other.data, *keep, shape=(edges.size - 1, other_edges.size - 1), dtype="i8", **facts)
    axes = {
        "value": ((edges[1:] + edges[:-1]) / 2, {"units": image.field.unit or "1", "long_name": image.field.name or "value"}),
        "other_value": ((other_edges[1:] + other_edges[:-1]) / 2, {"units": other.field.unit or "1", "long_name": other.field.name or "other value"}),
    }
    return curve(data, tuple(axes), axes, "joint_histogram", definition="number of counted voxels with each pair of values", units="voxels")


def _edges(image: VoxelImage, bins: Any, where: Where, name: str) -> HostArray:
    if bins is not None and not isinstance(bins, int | np.integer):
        edges = np.asarray(several(bins, name), float)
        if edges.size < 2 or np.any(np.diff(edges) <= 0) or not np.all(np.isfinite(edges)):
            raise ParameterError(f"the edges of {name} are at least two finite, ascending numbers")
        return edges
    span = value_range(image.dtype)
    if bins is None and span is not None and span[1] <= 256:
        return np.arange(span[0], span[0] + span[1] + 1) - 0.5
    number = 256 if bins is None else whole(bins, name)
    if number < 1:
        raise ParameterError(f"a histogram has at least one bin; got {bins}")
    low, high = map(float, compute(value_limits(image, where)))
    return np.linspace(low, high, number + 1) if low < high else np.linspace(low - 0.5, high + 0.5, number + 1)


def over_thresholds(image: VoxelImage, /, *, thresholds: Sequence[float], phase: str = "dark", where: Where = None,
                    by: VoxelImage | None = None, surface: str = "crofton") -> xr.Dataset:  # fmt: skip
    """Porosity, specific surface, curvature and Euler number as functions of the threshold, all in one reading.

    Parameters
    ----------
    image
        Grey values.
    thresholds
        Ascending grey values, such as a few on each side of the one that was chosen.
    phase
        Which class is pore: ``"dark"`` (value <= threshold) or ``"bright"`` (value > threshold).
    where
        True = used. No-data voxels do not exist.
    by
        Labels with phases (or booleans): one result for each, along ``label``.
    surface
        As in :func:`minkowski`.

    Returns
    -------
    xarray.Dataset
        Over ``threshold``: ``volume_fraction``, ``surface_density``, ``mean_curvature_density`` and ``euler_density`` (over ``connectivity`` too) as
        in :func:`minkowski`, and the change of each for one grey level, ``…_slope`` (central differences; NaN for a single threshold). Lazy.

    Raises
    ------
    ParameterError
        Thresholds that do not ascend, another phase.
    DataError
        NaN among the voxels that count (raised when computed).

    Notes
    -----
    Bitwise; one count of configurations for each threshold. ``segmentation.porosity_curve`` gives the porosity at every grey value from a histogram.

    Examples
    --------
    >>> import voxelrock as vr
    >>> ramp = vr.from_function(lambda z, y, x: z * 10, shape=11, dtype="u1")
    >>> found = over_thresholds(ramp, thresholds=[35, 45, 55])
    >>> [round(float(v), 6) for v in found["volume_fraction"]], round(float(found["volume_fraction_slope"][1]), 6)
    ([0.35, 0.45, 0.55], 0.01)
    """
    if by is not None:
        return each_label(image, by, where, lambda part: over_thresholds(image, thresholds=thresholds, phase=phase, surface=surface, where=part))
    limits = np.asarray(several(thresholds, "thresholds"), float)
    if limits.size < 1 or np.any(np.diff(limits) <= 0) or not np.all(np.isfinite(limits)):
        raise ParameterError(f"thresholds are finite, ascending numbers; got {thresholds}")
    if phase not in ("dark", "bright"):
        raise ParameterError(f"phase is 'dark' (value <= threshold) or 'bright' (value > threshold); got {phase!r}")
    keep = counted(an_image(image), where)
    masks = [known_where(image, _GRADED(image.data, *keep, limit=t, dark=phase == "dark"), keep) for t in limits.tolist()]
    parts = [minkowski(mask, surface=surface) for mask in masks]
    units = {"units": image.field.unit or "1", "long_name": "threshold"}
    densities = ["volume_fraction", "surface_density", "mean_curvature_density", "euler_density"]
    whole_set = xr.concat([p[densities] for p in parts], xr.Variable("threshold", limits, units), combine_attrs="override", join="override")
    for name in densities:
        curve_ = whole_set[name]
        slope = curve_.data.rechunk(-1).map_blocks(slopes, at=tuple(limits.tolist()), dtype="f8")
        words = f"change of {name} for one grey level, by central differences"
        curve_.attrs["bulk"] = bulk_of(image, where)
        facts = {"definition": words, "units": f"{curve_.attrs['units']} per {units['units']}", "bulk": curve_.attrs["bulk"]}
        whole_set[f"{name}_slope"] = (curve_.dims, slope, {"long_name": f"{name} slope".replace("_", " "), **facts})
    return whole_set


def slopes(values: HostArray, *, at: tuple[float, ...]) -> HostArray:
    """Differences along the first axis; NaN where there is one value alone."""
    return np.asarray(np.gradient(values, np.array(at), axis=0)) if len(at) > 1 else np.full(values.shape, np.nan)
