"""Which way a rock is layered or drawn out: the structure tensor, of the whole and of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import ParameterTypeError
from voxelrock.geometry.axes import AXES
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.gradients import COUNT, around, gradient_sums
from voxelrock.kernels.tallies import Tallies, join_tallies
from voxelrock.statistics.counting import value_range
from voxelrock.structure.cells import Cells
from voxelrock.structure.restriction import Where, bulk_of, each_label
from voxelrock.typing import HostArray, Triple

_PLACES = ((0, 3, 4), (3, 1, 5), (4, 5, 2))
"""Where the elements of the tensor are among the sums."""
_FACTS = 9 + 3 + 9 + 3


def tensors(found: list[Tallies], *, cells: Cells | None, spacing: tuple[float, float, float]) -> HostArray:
    """Tensor, eigenvalues (descending), their directions, and the three shares, of the whole or of each cell; NaN where no gradient was seen."""
    sums = found[0].counts.sum(axis=(0, 1, 2)) if cells is None else cells.complete(found)
    count = sums[..., COUNT].astype("f8")
    step = 2 * np.array(spacing)
    with np.errstate(divide="ignore", invalid="ignore"):
        tensor = sums[..., np.array(_PLACES)] / np.where(count > 0, count, np.nan)[..., None, None] / (step[:, None] * step)
        values, vectors = np.linalg.eigh(np.nan_to_num(tensor))
        values = np.maximum(values[..., ::-1], 0.0)
        known = (count > 0) & (values[..., 0] > 0)
        a, b, c = (values[..., i] for i in range(3))
        shares = np.stack([(a - b) / a, (b - c) / a, c / a], axis=-1)
    ways = np.swapaxes(vectors[..., ::-1], -1, -2)
    first = np.take_along_axis(ways, np.argmax(np.abs(ways) > 1e-9, axis=-1)[..., None], axis=-1)
    ways = ways * np.where(first < 0, -1.0, 1.0)
    values = np.where((count > 0)[..., None], values, np.nan)
    ways, shares = np.where(known[..., None, None], ways, np.nan), np.where(known[..., None], shares, np.nan)
    flat = [part.reshape(*count.shape, -1) for part in (tensor, values, ways, shares)]
    return np.concatenate(flat, axis=-1)


def orientation(image: VoxelImage, /, *, cell: float | str | None = None, where: Where = None, by: VoxelImage | None = None) -> xr.Dataset:
    """Orientation by the structure tensor: the mean product of the gradient's components, its principal directions, and how marked they are.

    The gradient is largest across layers, and least along fibres: the first direction is normal to layering, the third runs along fibres.

    Parameters
    ----------
    image
        Booleans or integers of up to 16 bits: a phase, or grey values, smoothed before to the scale that is asked about
        (``vr.filters.gaussian(image, sigma_vx=2).astype("u2")``).
    cell
        The edge of the cells of a map, a length; without it one result for the whole.
    where
        True = used. Voxels count that lie inside with their six neighbours; no-data voxels never do.
    by
        Labels with phases (or booleans): one result for each, along ``label``; without ``cell``.

    Returns
    -------
    xarray.Dataset
        ``structure_tensor`` (over ``axis`` and ``other_axis``) in squared values per squared length, ``eigenvalue`` over ``principal`` (1 to 3,
        descending), ``direction`` over ``principal`` and ``axis`` (unit vectors, the first component that is not 0 positive), and
        ``planarity`` (λ₁ - λ₂)/λ₁, ``linearity`` (λ₂ - λ₃)/λ₁ and ``isotropy`` λ₃/λ₁, which add to 1. With ``cell`` all over ``z``, ``y`` and ``x``
        too, the centres of the cells that lie in the image wholly. NaN where nothing changes. Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        Floats, wider integers; a cell larger than the image; ``by`` with ``cell``.

    Notes
    -----
    Bitwise: differences between the two neighbours along each axis, their products added as integers. One pass, margin 1, 64 bytes a cell in one task. It
    runs on the host. J. Bigün, G. Granlund, Proc. ICCV (1987) 433-438 (the tensor); C.-F. Westin et al., Med. Image Anal. 6 (2002),
    doi:10.1016/S1361-8415(02)00053-1 (the shares).

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z % 8 < 4, shape=16, dtype=bool)
    >>> found = orientation(layers)
    >>> found["direction"].values[0].tolist(), float(found["planarity"])
    ([1.0, 0.0, 0.0], 1.0)
    """
    if value_range(an_image(image).dtype) is None:
        raise ParameterTypeError(
            f"gradients are added exactly for booleans and integers of up to 16 bits; got {image.dtype}: scale the values and convert them, "
            "as in (image * 100).astype('u2')"
        )
    if by is not None:
        if cell is not None:
            raise ParameterTypeError("by= is for results of the whole: leave out cell=, or use where= for a map of one label")
        return each_label(image, by, where, lambda part: orientation(image, where=part))
    cells = None if cell is None else Cells.of(image, cell)
    shape: tuple[int, ...] = () if cells is None else cells.counts
    a, b, c = (max(1, n) for n in image.shape) if cells is None else cells.edge
    z, y, x = image.grid.spacing
    finish = {"cells": cells, "spacing": (z, y, x)}
    reduction = Reduction(gradient_sums, join_tallies, tensors, located=True, margin=around)
    data = reduction(image.data, *counted(image, where), edge=(a, b, c), shape=(*shape, _FACTS), dtype="f8", finish=finish)
    return _described(image, data, (a, b, c), shape, bulk_of(image, where))


def _described(image: VoxelImage, data: Any, edge: Triple, shape: tuple[int, ...], bulk: str) -> xr.Dataset:
    outer = AXES if shape else ()
    unit = image.grid.unit
    squared = f"({image.field.unit}/{unit})2" if image.field.unit else f"{unit}-2"
    vectors = (*outer, "principal", "axis")
    parts: dict[str, Any] = {
        "structure_tensor": ((*outer, "axis", "other_axis"), data[..., :9].reshape((*shape, 3, 3)), squared, "mean product of components of the gradient"),
        "eigenvalue": ((*outer, "principal"), data[..., 9:12], squared, "eigenvalues of the structure tensor, descending"),
        "direction": (vectors, data[..., 12:21].reshape((*shape, 3, 3)), "1", "unit vectors of the eigenvalues"),
        "planarity": (outer, data[..., 21], "1", "(first - second eigenvalue) / first: layers"),
        "linearity": (outer, data[..., 22], "1", "(second - third eigenvalue) / first: fibres"),
        "isotropy": (outer, data[..., 23], "1", "third eigenvalue / first"),
    }
    facts = {name: (dims, values, {"units": units, "definition": words, "bulk": bulk}) for name, (dims, values, units, words) in parts.items()}
    coords: dict[str, Any] = {"axis": list(AXES), "other_axis": list(AXES), "principal": [1, 2, 3]}
    if shape:
        grid = image.grid.coarsen(edge)
        coords |= {a: (a, grid.origin[i] + grid.spacing[i] * np.arange(n), {"units": unit}) for i, (a, n) in enumerate(zip(AXES, shape))}
    return xr.Dataset(facts, coords=coords)
