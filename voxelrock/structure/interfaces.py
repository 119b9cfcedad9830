"""Areas of the interfaces between phases."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import ParameterError
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve
from voxelrock.image.selection import counted
from voxelrock.kernels.configurations import LINES, configurations
from voxelrock.parameters import several, whole
from voxelrock.statistics.counting import add
from voxelrock.structure.minkowski import corner_margin, surface_weights
from voxelrock.structure.restriction import Where, bulk_of, each_label, refuse_grey
from voxelrock.typing import HostArray


def areas(found: HostArray, *, weights: tuple[float, ...], number: int) -> HostArray:
    """The area between each two of ``number`` sets; the changes between two are those of the one, and of the other, that their union has not."""
    changes = found.sum(axis=1) @ LINES
    table = np.zeros((number, number))
    for place, (i, j) in enumerate(combinations(range(number), 2), start=number):
        table[i, j] = table[j, i] = (changes[i] + changes[j] - changes[place]) // 2 @ np.array(weights) / 4
    return table


def interface_area(image: VoxelImage, /, *, labels: Iterable[int] | None = None, where: Where = None, by: VoxelImage | None = None,
                   surface: str = "crofton") -> xr.DataArray:  # fmt: skip
    """The area of the interface between each two phases.

    Parameters
    ----------
    image
        Labels with phases, or labels and ``labels=``.
    labels
        The labels to report; those of ``image.phases`` that are not of role *outside* by default.
    where
        True = used. Outside nothing exists, and has no interface.
    by
        Labels with phases (or booleans): one result for each, along ``by``.
    surface
        ``"crofton"`` (changes along 13 directions) or ``"faces"`` (of voxels); see :func:`minkowski`.

    Returns
    -------
    xarray.DataArray
        float64 over ``label`` and ``other``, in unit²; 0 on the diagonal. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels that nothing names, fewer than two of them, an unknown ``surface``.

    Notes
    -----
    Bitwise: with 𝑛 labels, 𝑛 (𝑛 + 1) / 2 counts of configurations in one pass; see :func:`minkowski` for their cost, memory and sources.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z // 2, shape=6, dtype="u1")
    >>> interface_area(layers, labels=[0, 1, 2], surface="faces").values.tolist()
    [[0.0, 36.0, 0.0], [36.0, 0.0, 36.0], [0.0, 36.0, 0.0]]
    """
    if by is not None:
        return each_label(image, by, where, lambda part: interface_area(image, labels=labels, surface=surface, where=part), "by")
    refuse_grey(image, "an interface area")
    wanted, names = _labels(image, labels)
    weights = surface_weights(image, surface)
    sets = tuple((label,) for label in wanted) + tuple(combinations(wanted, 2))
    reduction = Reduction(configurations, add, areas, located=True, margin=corner_margin)
    finish = {"weights": weights, "number": len(wanted)}
    data: Any = reduction(image.data, *counted(image, where), sets=sets, shape=(len(wanted),) * 2, dtype="f8", finish=finish)
    definition = f"area between two phases from {'13 directions (Crofton)' if surface == 'crofton' else 'voxel faces'}"
    coordinates = {"label": list(wanted), "other": list(wanted)}
    result = curve(data, ("label", "other"), coordinates, "interface_area", definition=definition, units=f"{image.grid.unit}2", bulk=bulk_of(image, where))
    return result.assign_coords(phase=("label", [names.get(label, "") for label in wanted]))


def _labels(image: VoxelImage, labels: Iterable[int] | None) -> tuple[tuple[int, ...], dict[int, str]]:
    names = {k: p.name for k, p in image.phases.items()}
    if image.dtype.kind == "b":
        return (0, 1), {0: "false", 1: "true"}
    if labels is not None:
        wanted = tuple(sorted({whole(v, "a label") for v in several(labels, "labels")}))
    else:
        wanted = tuple(k for k, p in image.phases.items() if p.role != "outside")
    if len(wanted) < 2:
        raise ParameterError("an interface lies between two phases: name at least two with labels=, or assign phases: image.assign(phases={…})")
    return wanted, names
