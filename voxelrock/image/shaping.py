"""How images change shape, type and choice of voxels: the graph behind the methods of an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import Box, Region, Tiling, VoxelBox, VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.geometry.units import VOXEL
from voxelrock.graph.patterns import Gather, Generate, Pointwise, boolean
from voxelrock.image import validity
from voxelrock.image.arithmetic import float_type
from voxelrock.image.validity import CHOSEN, Nodata
from voxelrock.kernels import coarsening, selection
from voxelrock.parameters import plain, several, whole
from voxelrock.typing import DTypeLike, Triple


def _named(*_: np.dtype[Any], dtype: str, **__: Any) -> np.dtype[Any]:
    return np.dtype(dtype)


_CONSTANT = Generate(selection.constant)
_REGION = Generate(selection.region_mask)
_CONVERTED = Pointwise(selection.converted, _named)
_MEMBER = Pointwise(selection.member, boolean)
_CHOSEN_IMAGE = Pointwise(selection.chosen_image, _named)


def _fine(box: VoxelBox, *, factor: Triple, **_: Any) -> list[VoxelBox]:
    start, stop = (tuple(n * f for n, f in zip(corner, factor)) for corner in (box.start, box.stop))
    return [VoxelBox(start, stop)]  # type: ignore[arg-type]


def _coarse_shape(shape: tuple[int, ...], *, factor: Triple, **_: Any) -> Triple:
    a, b, c = (n // f for n, f in zip(shape, factor))
    return a, b, c


def _coarse_tiling(tiling: Tiling, *, factor: Triple, **_: Any) -> Tiling:
    block = [max(1, round(n / f)) for n, f in zip(tiling.typical(), factor)]
    return Tiling.regular(_coarse_shape(tiling.shape, factor=factor), block)


_MEAN = Gather(coarsening.coarse_mean, _fine, _coarse_shape, _coarse_tiling, _named)
_FRACTION = Gather(coarsening.coarse_fraction, _fine, _coarse_shape, _coarse_tiling, lambda *_, **__: np.dtype("f4"))
_MAJORITY = Gather(coarsening.coarse_majority, _fine, _coarse_shape, _coarse_tiling)


def constant(tiling: Tiling, value: Any, dtype: np.dtype[Any]) -> da.Array:
    """An array of one value."""
    return _CONSTANT(tiling, dtype, value=value, dtype=np.dtype(dtype).name)


def everywhere(tiling: Tiling) -> da.Array:
    """True in all voxels."""
    return constant(tiling, True, np.dtype(bool))


def region(resolved: Region, grid: VoxelGrid, tiling: Tiling) -> da.Array:
    """True in the voxels whose centres lie in a resolved region."""
    return _REGION(tiling, bool, region=resolved, origin=tuple(grid.origin), spacing=tuple(grid.spacing))


def region_of(where: Region | Mapping[str, Any]) -> Region:
    """A region, or the box ``{axis: (low, high)}`` (None leaves a side open).

    Raises
    ------
    ParameterTypeError
        Neither.
    """
    if isinstance(where, Region):
        return where
    if not isinstance(where, Mapping):
        raise ParameterTypeError(f"crop to a region, or to a box such as dict(z=('0 mm', '2 mm')); got {type(where).__name__}")
    for axis, side in where.items():
        if not isinstance(side, tuple | list) or len(side) != 2:
            raise ParameterTypeError(f"a box names two sides along {axis}, ('0 mm', '2 mm'), None where it is open; got {side!r}")
    low = {axis: side[0] for axis, side in where.items() if side[0] is not None}
    high = {axis: side[1] for axis, side in where.items() if side[1] is not None}
    return Box(low=low, high=high)


def changed_grid(grid: VoxelGrid, spacing: Any, origin: Any, unit: str | None) -> VoxelGrid:
    """A grid with another spacing, origin or unit; what is not given stays where it is, converted.

    Raises
    ------
    ParameterError
        Only a unit is given, for a grid that has a physical one.
    """
    if spacing is None and origin is None:
        if unit is None or grid.unit == VOXEL:
            return replace(grid, unit=unit or grid.unit)
        raise ParameterError(f"unit= alone is unclear for a grid in {grid.unit}: convert it with to_unit({unit!r}), or give the spacing")
    named = VoxelGrid.of(shape=grid.shape, spacing=spacing, origin=origin, unit=unit)
    target = named.unit if named.unit != VOXEL else grid.unit
    if grid.unit == VOXEL:
        steps = named.spacing if spacing is not None else grid.spacing
        start = ZYX(*(o / old * new for o, old, new in zip(grid.origin, grid.spacing, steps)))
        return VoxelGrid.of(shape=grid.shape, spacing=steps, origin=start if origin is None else origin, unit=target)
    before = grid.to_unit(target)
    return VoxelGrid.of(shape=grid.shape, spacing=spacing or before.spacing, origin=before.origin if origin is None else origin, unit=target)


def fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether a type holds a value as it is."""
    if math.isnan(value):
        return dtype.kind == "f"
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return math.isinf(value) or bool(np.isfinite(dtype.type(value)))
    return float(value).is_integer() and (dtype.kind != "b" and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def same_nodata(first: float | None, second: float | None) -> bool:
    """Whether two no-data values are one; NaN is NaN."""
    return first == second or (first is not None and second is not None and math.isnan(first) and math.isnan(second))


def voxel_type(dtype: DTypeLike) -> np.dtype[Any]:
    """The type that a user names.

    Raises
    ------
    ParameterTypeError
        It is no type of voxels.
    """
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise ParameterTypeError(f"voxels are booleans, integers or real numbers, such as 'u1', '<u2' or 'f4'; got {dtype!r}") from None
    if found.kind not in "biuf":
        raise ParameterTypeError(f"voxels are booleans, integers or real numbers; got {found}")
    return found


def astype(array: da.Array, nodata: Nodata, dtype: np.dtype[Any], clip: bool) -> tuple[da.Array, Nodata]:
    """Another type, never wrapped, and its no-data; the array itself where it has the type.

    Raises
    ------
    ParameterError
        The type does not hold the no-data value.
    """
    if array.dtype == dtype:
        return array, nodata
    if isinstance(nodata, da.Array):
        return validity.numbered(array, nodata, dtype)
    new = _CONVERTED(array, dtype=dtype.name, clip=clip)
    if nodata is None:
        return new, None
    if dtype.kind == "b":
        return validity.restricted(new, validity.valid(array, nodata))
    if not fits(nodata, dtype):
        raise ParameterError(f"the no-data value {nodata} does not fit in {dtype}; replace it first: image.where(image.valid, other=…).assign(nodata=None)")
    return new, nodata


def isin(array: da.Array, values: Iterable[Any]) -> da.Array:
    """Membership in a set of values."""
    return _MEMBER(array, values=tuple(sorted(set(several(values, "isin")))))


def choose_number(image: tuple[da.Array, Nodata], condition: da.Array, other: Any) -> tuple[da.Array, Nodata]:
    """An array (with its no-data) where the condition holds, a number elsewhere, in a type that holds both.

    Raises
    ------
    ParameterError
        The number is what a mask's no-data voxels get in that type.
    """
    array, nodata = image
    other = plain(other, "other")
    holds = array.dtype.kind == "f" or (not isinstance(other, float) and np.can_cast(np.min_scalar_type(other), array.dtype, "safe"))
    dtype = array.dtype if holds else float_type(array.dtype) if isinstance(other, float) else np.result_type(array.dtype, np.min_scalar_type(other))
    if isinstance(nodata, da.Array):
        if dtype.kind == "b":
            nodata = validity.both(nodata, condition)
        elif same_nodata(other, validity.spare(dtype)):
            raise ParameterError(f"{other} stands for the mask's no-data voxels in {dtype}; give the mask a wider type first: mask.astype('u2')")
        else:
            array, nodata = validity.numbered(array, nodata, dtype)
    return CHOSEN(array, condition, other=other, dtype=dtype.name), nodata


def choose_image(image: tuple[da.Array, Nodata], condition: da.Array, other: tuple[da.Array, Nodata]) -> tuple[da.Array, Nodata]:
    """An array (with its no-data) where the condition holds, another one elsewhere, in a type that holds both.

    Raises
    ------
    ParameterError
        They say "no data" in different ways.
    """
    (first, missing), (second, lacking) = image, other
    data = _CHOSEN_IMAGE(first, condition, second, dtype=np.result_type(first.dtype, second.dtype).name)
    if data.dtype.kind == "b":
        return data, _missing(missing, condition, lacking)
    if isinstance(missing, da.Array) or isinstance(lacking, da.Array):
        raise ParameterError(f"a mask with no-data voxels and numbers do not mix: give the mask the type of the other first, astype('{data.dtype.name}')")
    if lacking is not None and not same_nodata(missing, lacking):
        raise ParameterError(f"the images have different no-data values ({missing} and {lacking}); give them one with assign(nodata=…)")
    return data, missing


def _missing(first: Any, condition: da.Array, second: Any) -> da.Array | None:
    if second is None:
        return None if first is None else validity.both(first, condition)
    elsewhere = validity.both(second, validity.inverted(condition))
    return elsewhere if first is None else validity.either(validity.both(first, condition), elsewhere)


def checked_factor(factor: Any, shape: ZYX[int]) -> Triple:
    """Three integers from 1 to the length of their axis.

    Raises
    ------
    ParameterError
        They are not.
    """
    a, b, c = ZYX.of(factor)
    steps = tuple(whole(f, "the factor of coarsen") for f in (a, b, c))
    if not all(1 <= f <= max(n, 1) for f, n in zip(steps, shape)):
        raise ParameterError(f"coarsen by whole numbers from 1 to the length of the axis; got {steps} for shape {tuple(shape)}")
    return steps  # type: ignore[return-value]


def coarsen(array: da.Array, factor: Triple, how: str, of: Any, nodata: Nodata) -> tuple[da.Array, Nodata]:
    """Coarse voxels and their no-data value; voxels without data have no vote.

    Raises
    ------
    ParameterError
        An unknown way to coarsen.
    """
    if isinstance(nodata, da.Array):
        codes, value = validity.numbered(array, nodata, np.dtype("u1"))
        found = coarsen(codes, factor, how, of, value)
        return validity.from_codes(found[0]) if how == "majority" else found
    missing = None if nodata is None else math.nan
    if how == "mean":
        return _MEAN(array, factor=factor, nodata=nodata, dtype=float_type(array.dtype).name), missing
    if how == "majority":
        return _MAJORITY(array, factor=factor, nodata=nodata), nodata
    if how == "fraction":
        wanted = several(of if isinstance(of, list | tuple | set) else [of], "of")
        values = tuple(v if array.dtype.kind == "b" or not isinstance(v, bool) else int(v) for v in wanted)
        return _FRACTION(array, factor=factor, values=values, nodata=nodata), missing
    raise ParameterError(f"coarsen by how='mean', 'majority' or 'fraction'; got {how!r}")
