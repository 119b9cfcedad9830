"""How much of the pore volume is joined: effective, percolating and isolated porosity, exact at any chunking."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError, ParameterError
from voxelrock.geometry.axes import AXES
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve, number
from voxelrock.kernels import pieces
from voxelrock.kernels.numbering import Choice
from voxelrock.labels.restriction import Roles, Where, pores, rules_of, surfaces
from voxelrock.labels.selection import ANY_SIDE, both_ends
from voxelrock.typing import HostArray

_MEASURES = {
    "total": "pores divided by {of}",
    "effective": "pores joined to any outer surface, divided by {of}",
    "percolating_z": "pores in clusters that touch both ends along z, divided by {of}",
    "percolating_y": "pores in clusters that touch both ends along y, divided by {of}",
    "percolating_x": "pores in clusters that touch both ends along x, divided by {of}",
    "isolated": "pores joined to no outer surface, divided by {of}",
}
_OF = {"bulk": "bulk volume", "pore": "pore volume"}
_FLAGS = np.arange(64)


def _volumes(found: pieces.Piece) -> list[int]:
    """Voxels of each measure."""
    voxels = found.totals[:, 1]
    total, inside = int(voxels.sum()), int(voxels[_FLAGS & ANY_SIDE == 0].sum())
    spanning = [int(voxels[_FLAGS & both_ends(axis) == both_ends(axis)].sum()) for axis in AXES]
    return [total, total - inside, *spanning, inside]


def fractions(found: list[pieces.Piece]) -> HostArray:
    """Each measure, for each connectivity, of bulk and of pore volume (NaN of no pore volume).

    Raises
    ------
    DataError
        The bulk holds no voxel.
    """
    if not found[0].bulk:
        raise DataError("the bulk volume is empty: where=, nodata and role outside leave no voxel")
    table = np.array([_volumes(piece) for piece in found], np.int64).T
    pore = int(table[0, 0])
    return np.stack([table / found[0].bulk, table / pore if pore else np.full(table.shape, np.nan)], axis=-1)


def one_fraction(found: list[pieces.Piece], *, measure: int, of: int) -> HostArray:
    """One of the measures."""
    return np.asarray(fractions(found)[measure, 0, of])


def components_and_fractions(found: list[pieces.Piece]) -> HostArray:
    """The fractions, and the number of components as a last measure (whatever it is divided by)."""
    table = fractions(found)
    counts = np.array([piece.totals[:, 0].sum() for piece in found], float)
    return np.concatenate([table, np.repeat(counts[None, :, None], 2, axis=2)])


def _reduced(image: VoxelImage, where: Where, through: Roles, kinds: tuple[int, ...], finalize: Any, **result: Any) -> tuple[Any, str]:
    mask, keep = pores(image, where, through, "connected porosity")
    rules = tuple(rules_of(mask, kind, Choice()) for kind in kinds)
    reduction = Reduction(pieces.pieces, pieces.JoinedPieces(rules), finalize, located=True)
    data = reduction(mask.data, *surfaces(mask, keep), rules=rules, **result)
    bulk = "all voxels" + (" in where=" if where is not None else "") + (" that hold data" if image.nodata is not None else "")
    return data, bulk + (" that are not of role outside" if any(p.role == "outside" for p in image.phases.values()) else "")


def connectivity(image: VoxelImage, /, *, where: Where = None, through: Roles = None) -> xr.Dataset:
    """Total, effective, percolating and isolated porosity with 6 and 26 neighbours, in one pass.

    Effective pores are joined to any outer surface; percolating ones belong to clusters that touch both ends along an axis; isolated is
    total less effective. Outer surfaces and ends are those of ``where``.

    Parameters
    ----------
    image
        A boolean image (True = pore), or labels with phases.
    where
        True = used. The bulk is ``where``, less no-data voxels and those of role *outside*.
    through
        Roles of the labels that count as pores, such as ``["pore", "micro"]``; pores and fluids by default.

    Returns
    -------
    xarray.Dataset
        ``total``, ``effective``, ``percolating_z``, ``percolating_y``, ``percolating_x`` and ``isolated`` over ``connectivity`` (6, 26) and
        ``of`` (fractions of ``bulk`` and of ``pore`` volume; NaN where there is no pore), and ``components`` over ``connectivity``. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Labels without roles, a grey image.
    DataError
        The bulk holds no voxel (raised when computed).

    Notes
    -----
    Bitwise: voxels are counted, and divided once. One task per block and a tree, shared with other results of the same image by
    ``vr.compute``; memory as the first pass of :func:`label`, twice, and halo 1 of ``where``.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: (x == 0) | (x == 2) & (y == 2) & (z == 2), shape=4, dtype=bool)
    >>> vr.compute(connectivity(image))["percolating_z"].sel(of="bulk").values.tolist()
    [0.25, 0.25]
    """
    kinds = (6, 26)
    data, bulk = _reduced(image, where, through, kinds, components_and_fractions, shape=(len(_MEASURES) + 1, 2, 2), dtype="f8")
    dims = {"connectivity": list(kinds), "of": list(_OF)}
    found = {}
    for i, (name, text) in enumerate(_MEASURES.items()):
        found[name] = curve(data[i], tuple(dims), dims, name, definition=text.format(of="bulk or pore volume"), bulk=bulk)
    kinds_only = {"connectivity": list(kinds)}
    count = data[len(_MEASURES), :, 0].astype("i8")
    found["components"] = curve(count, ("connectivity",), kinds_only, "components", definition="number of connected components of the pores")
    return xr.Dataset(found)


def _porosity(name: str, measure: str, image: VoxelImage, of: str, kind: int, **options: Any) -> xr.DataArray:
    if of not in _OF:
        raise ParameterError(f"of is 'bulk' or 'pore': the volume to divide by; got {of!r}")
    finish = {"measure": list(_MEASURES).index(measure), "of": list(_OF).index(of)}
    data, bulk = _reduced(image, options["where"], options["through"], (kind,), one_fraction, shape=(), dtype="f8", finish=finish)
    definition = f"{_MEASURES[measure].format(of=_OF[of])}; {kind} neighbours"
    return number(data, name, definition=definition, bulk=bulk, connectivity=kind)


def effective_porosity(image: VoxelImage, /, *, of: str = "bulk", connectivity: int = 6, where: Where = None, through: Roles = None) -> xr.DataArray:
    """Fraction of the volume that is pore joined to any outer surface.

    Parameters
    ----------
    image
        A boolean image (True = pore), or labels with phases.
    of
        ``"bulk"``: a fraction of the bulk volume; ``"pore"``: of the pore volume.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outer surfaces are then the region's.
    through
        Roles of the labels that count as pores; pores and fluids by default.

    Returns
    -------
    xarray.DataArray
        A lazy number with its definition and its bulk; 0 (of bulk) or NaN (of pore) where there is no pore.

    Raises
    ------
    ParameterError, ParameterTypeError
        Labels without roles, a grey image, another connectivity or denominator.
    DataError
        The bulk holds no voxel (raised when computed).

    Notes
    -----
    Bitwise, one pass; memory as the first pass of :func:`label`, and halo 1 of ``where``. :func:`connectivity` gives all such numbers at once.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: (x == 0) | (x == 2) & (y == 2) & (z == 2), shape=4, dtype=bool)
    >>> float(effective_porosity(image))
    0.25
    """
    return _porosity("effective_porosity", "effective", image, of, connectivity, where=where, through=through)


def isolated_porosity(image: VoxelImage, /, *, of: str = "bulk", connectivity: int = 6, where: Where = None, through: Roles = None) -> xr.DataArray:
    """Fraction of the volume that is pore joined to no outer surface: resolved less effective porosity.

    Parameters
    ----------
    image, of, connectivity, where, through
        As in :func:`effective_porosity`.

    Returns
    -------
    xarray.DataArray
        A lazy number with its definition and its bulk.

    Raises
    ------
    ParameterError, ParameterTypeError, DataError
        As :func:`effective_porosity`.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: (x == 0) | (x == 2) & (y == 2) & (z == 2), shape=4, dtype=bool)
    >>> float(isolated_porosity(image)) * 64
    1.0
    """
    return _porosity("isolated_porosity", "isolated", image, of, connectivity, where=where, through=through)


def percolating_porosity(image: VoxelImage, /, *, axis: str = "z", of: str = "bulk", connectivity: int = 6, where: Where = None,
                         through: Roles = None) -> xr.DataArray:  # fmt: skip
    """Fraction of the volume that is pore in clusters that touch both ends along an axis.

    Parameters
    ----------
    image, of, connectivity, where, through
        As in :func:`effective_porosity`.
    axis
        ``"z"``, ``"y"`` or ``"x"``.

    Returns
    -------
    xarray.DataArray
        A lazy number with its definition and its bulk.

    Raises
    ------
    ParameterError, ParameterTypeError, DataError
        As :func:`effective_porosity`; another axis.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: x == 0, shape=4, dtype=bool)
    >>> float(percolating_porosity(image, axis="z")), float(percolating_porosity(image, axis="x"))
    (0.25, 0.0)
    """
    both_ends(axis)
    return _porosity("percolating_porosity", f"percolating_{axis}", image, of, connectivity, where=where, through=through)
