"""How good a segmentation is where the truth is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError, ParameterError
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.selection import counted
from voxelrock.image.validity import both
from voxelrock.kernels.pairs import label_pairs
from voxelrock.labels.restriction import Where, refuse_grey
from voxelrock.parameters import whole
from voxelrock.statistics.counting import add
from voxelrock.statistics.phases import Labels, roles
from voxelrock.typing import HostArray

_DICE, _JACCARD, _TRUE, _FOUND, _ACCURACY, _ERROR = range(6)

Sets = tuple[tuple[int, ...], tuple[int, ...]]


def qualities(pairs: HostArray, *, pores: tuple[Sets, Sets] | None) -> HostArray:
    """The confusion matrix, and rows of measures that follow from it.

    Raises
    ------
    DataError
        Nothing was counted.
    """
    total = int(pairs.sum())
    if not total:
        raise DataError("no voxel was counted: where= and nodata leave nothing")
    right, true, found = np.diag(pairs), pairs.sum(axis=1), pairs.sum(axis=0)
    rows = np.full((6, len(pairs)), np.nan)
    with np.errstate(invalid="ignore"):
        rows[_DICE] = 2 * right / (true + found)
        rows[_JACCARD] = right / (true + found - right)
    rows[_TRUE], rows[_FOUND], rows[_ACCURACY] = true / total, found / total, right.sum() / total
    if pores is not None:
        shares = [_porosity(counts, sets) for counts, sets in zip((true, found), pores)]
        rows[_ERROR] = shares[1] - shares[0]
    return np.concatenate([pairs.astype(float), rows])


def _porosity(counts: HostArray, sets: Sets) -> float:
    inside, outside = sets
    bulk = int(counts.sum()) - sum(int(counts[i]) for i in outside)
    return sum(int(counts[i]) for i in inside) / bulk if bulk else float("nan")


def compare(found: VoxelImage, truth: VoxelImage, /, *, labels: Iterable[int] | None = None, pore: Labels = None, where: Where = None) -> xr.Dataset:
    """Compare a segmentation with the truth: confusion matrix, overlap of each phase, accuracy and error of porosity, in one reading.

    Parameters
    ----------
    found, truth
        Booleans or labels on one grid.
    labels
        The labels that may occur; those of both images' phases by default, and False and True (0 and 1) of booleans.
    pore
        The labels that are pore, for images without phases.
    where
        True = counted. Voxels without data in either image are never counted.

    Returns
    -------
    xarray.Dataset
        Lazy: ``confusion`` (voxels over ``true_label`` and ``found_label``); over ``label`` ``dice`` (twice the overlap over the sum of both volumes),
        ``jaccard`` (overlap over union), ``true_fraction`` and ``found_fraction`` (of the counted voxels), NaN where neither image has the label;
        ``accuracy`` (the share of voxels with the right label); and, where phases, booleans or ``pore`` say what is pore, ``porosity_error``: the
        resolved porosity found minus the true one, each by :func:`voxelrock.statistics.porosity`.

    Raises
    ------
    ParameterError, ParameterTypeError, GridMismatchError
        Labels that nothing names; grey values; images on different grids.
    DataError
        A counted voxel has a label that is not named, or none is counted (raised when computed).

    Notes
    -----
    Counts are exact integers. It runs on the host. Dice 1945, doi:10.2307/1932409; Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x.

    Examples
    --------
    >>> import voxelrock as vr
    >>> truth = vr.from_function(lambda z, y, x: x < 3, shape=6, dtype=bool)
    >>> result = compare(vr.from_function(lambda z, y, x: x < 4, shape=6, dtype=bool), truth)
    >>> [round(float(v), 4) for v in result["dice"]], round(float(result["porosity_error"]), 4)
    ([0.8, 0.8571], 0.1667)
    """
    for image in (found, truth):
        refuse_grey(image, "a comparison")
    found.same_grid(truth)
    names = _names((truth, found), labels)
    keep = counted(truth, where)
    if found.nodata is not None:
        keep = (both(keep[0], found.valid.data),) if keep else (found.valid.data,)
    known = tuple(sorted(names))
    pores = _pores((truth, found), pore, known)
    reduction = Reduction(label_pairs, add, qualities)
    size = len(known)
    data = reduction(truth.data, found.data, *keep, labels=known, shape=(size + 6, size), dtype="f8", finish={"pores": pores})
    return _described(data, known, [names[k] for k in known], pores is not None)


def _names(images: tuple[VoxelImage, VoxelImage], labels: Any) -> dict[int, str]:
    given = {k: p.name for image in reversed(images) for k, p in image.phases.items()}
    if any(image.dtype.kind == "b" for image in images):
        given = {0: "false", 1: "true"} | given
    if labels is None:
        if not all(image.phases or image.dtype.kind == "b" for image in images):
            raise ParameterError("name the labels with labels=, or assign phases: image.assign(phases={0: vr.Phase('pore', 'pore'), …})")
        return given
    wanted = [labels] if isinstance(labels, str) or not isinstance(labels, Iterable) else list(labels)
    if not wanted:
        raise ParameterError("labels= names at least one label")
    return {whole(k, "a label"): given.get(whole(k, "a label"), "") for k in wanted}


def _pores(images: tuple[VoxelImage, VoxelImage], pore: Labels, known: tuple[int, ...]) -> tuple[Sets, Sets] | None:
    """The places, among the labels, of those that are pore and of those outside, of both images; None where nothing says so."""
    found: list[Sets] = []
    for image in images:
        if image.dtype.kind != "b" and pore is None and not image.phases:
            return None
        inside, outside, _, _ = roles(image, None if image.dtype.kind == "b" else pore)
        found.append((tuple(known.index(k) for k in inside if k in known), tuple(known.index(k) for k in outside if k in known)))
    return found[0], found[1]


def _described(data: Any, known: tuple[int, ...], names: list[str], porous: bool) -> xr.Dataset:
    size = len(known)
    measures = data[size:]
    parts: dict[str, Any] = {
        "confusion": (("true_label", "found_label"), data[:size].astype("i8"), "voxels", "counted voxels with each pair of labels"),
        "dice": (("label",), measures[_DICE], "1", "twice the overlap divided by the sum of both volumes"),
        "jaccard": (("label",), measures[_JACCARD], "1", "overlap divided by union"),
        "true_fraction": (("label",), measures[_TRUE], "1", "fraction of the counted voxels, in the truth"),
        "found_fraction": (("label",), measures[_FOUND], "1", "fraction of the counted voxels, as found"),
        "accuracy": ((), measures[_ACCURACY, 0], "1", "fraction of the counted voxels that have the right label"),
    }
    if porous:
        parts["porosity_error"] = ((), measures[_ERROR, 0], "1", "resolved porosity found minus the true one")
    facts = {k: (dims, v, {"units": units, "definition": words}) for k, (dims, v, units, words) in parts.items()}
    axes = {"label": list(known), "true_label": list(known), "found_label": list(known), "phase": ("label", names)}
    return xr.Dataset(facts, coords=axes)
