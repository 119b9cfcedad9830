"""Which voxels hold data: a value of numeric images that stands for none, a mask of its own beside the voxels of boolean ones.

A boolean image has no spare value, so its ``nodata`` is a lazy boolean array on the same grid, True where there is no data, and its voxels
are False there. Both are expressions over the same sources, so that a task that needs both evaluates them together.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import dask.array as da
import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.graph.arrays import lift, tiling_of, to_array
from voxelrock.graph.expressions import Apply
from voxelrock.graph.patterns import Pointwise, boolean
from voxelrock.kernels import selection
from voxelrock.kernels.arithmetic import logical

Nodata: TypeAlias = float | da.Array | None
"""A number (NaN is one), a lazy boolean array, or None where every voxel holds data."""

CODE = 255
"""What stands for "no data" where a boolean image becomes bytes."""


def _named(*_: np.dtype[Any], dtype: str, **__: Any) -> np.dtype[Any]:
    return np.dtype(dtype)


CHOSEN = Pointwise(selection.chosen, _named)
_LOGICAL = Pointwise(logical, boolean)
_VALID = Pointwise(selection.valid, boolean)
_BLANKED = Pointwise(selection.blanked, _named)


def is_mask(nodata: Nodata) -> bool:
    """Whether the no-data voxels of a boolean image are told by a mask."""
    return isinstance(nodata, da.Array)


def checked(nodata: Any, data: da.Array) -> Nodata:
    """The no-data value, or mask, that an image may have.

    Raises
    ------
    ParameterTypeError
        It is neither, or not of the image's kind.
    """
    if nodata is None:
        return None
    if isinstance(nodata, da.Array):
        if data.dtype.kind != "b" or nodata.dtype.kind != "b" or nodata.shape != data.shape:
            raise ParameterTypeError(f"only a boolean image has a mask as nodata, boolean and of its shape {data.shape}; got {nodata.dtype} of {nodata.shape}")
        return nodata
    if not isinstance(nodata, bool | int | float | np.generic):
        raise ParameterTypeError(f"nodata is a number, NaN or None; got {nodata if isinstance(nodata, str) else type(nodata).__name__!r}")
    if data.dtype.kind == "b":
        raise ParameterTypeError(f"a boolean image has no value for no data (got {nodata!r}): say where there is none, mask.assign(nodata=boolean image)")
    return nodata.item() if isinstance(nodata, np.generic) else nodata


def number_for(nodata: Any, dtype: np.dtype[Any]) -> float:
    """A no-data value as the voxels of a numeric image hold it.

    Raises
    ------
    ParameterTypeError, ParameterError
        It is no number, or one that no integer equals.
    """
    if not isinstance(nodata, bool | int | float | np.generic):
        raise ParameterTypeError(f"nodata is a number, NaN or None; got {nodata if isinstance(nodata, str) else type(nodata).__name__!r}")
    if dtype.kind == "f":
        return float(nodata)
    if not float(nodata).is_integer():
        raise ParameterError(f"the no-data value of an image of {dtype} is a whole number; got {nodata}")
    return int(nodata)


def inverted(mask: da.Array) -> da.Array:
    """Not the mask; twice not is the mask itself."""
    expression = lift(mask)
    if isinstance(expression, Apply) and expression.kernel is logical and ("operator", "invert") in expression.parameters:
        return to_array(expression.inputs[0], tiling_of(mask))
    return _LOGICAL(mask, operator="invert", scalars=(None,), work="bool")


def both(first: da.Array, second: da.Array) -> da.Array:
    """True where two masks are."""
    return first if first.name == second.name else _LOGICAL(first, second, operator="bitwise_and", scalars=(None, None), work="bool")


def either(first: da.Array, second: da.Array) -> da.Array:
    """True where one of two masks is."""
    return first if first.name == second.name else _LOGICAL(first, second, operator="bitwise_or", scalars=(None, None), work="bool")


def equal(data: da.Array, value: float) -> da.Array:
    """True where the voxels have a value that their type holds."""
    return _LOGICAL(data, operator="equal", scalars=(None, value), work=data.dtype.name)


def valid(data: da.Array, nodata: float | da.Array) -> da.Array:
    """True where voxels hold data."""
    return inverted(nodata) if isinstance(nodata, da.Array) else _VALID(data, nodata=nodata)


def restricted(mask: da.Array, keep: da.Array) -> tuple[da.Array, da.Array]:
    """A mask that is known where ``keep`` is True: its voxels (False elsewhere), and where there is no data."""
    return both(mask, keep), inverted(keep)


def blank(data: da.Array, nodata: Nodata, dtype: np.dtype[Any]) -> da.Array:
    """The voxels in a floating type, NaN where there is no data."""
    if nodata is None:
        return data
    if is_mask(nodata):
        return CHOSEN(data, inverted(nodata), other=math.nan, dtype=dtype.name)
    return _BLANKED(data, nodata=nodata, dtype=dtype.name)


def spare(dtype: np.dtype[Any]) -> float:
    """The no-data value that a mask gets when it becomes numbers: NaN, or the largest integer (255 in u1)."""
    return math.nan if dtype.kind == "f" else int(np.iinfo(dtype).max)


def numbered(data: da.Array, missing: da.Array, dtype: np.dtype[Any]) -> tuple[da.Array, float]:
    """A mask as numbers 0 and 1 with a no-data value."""
    value = spare(dtype)
    return CHOSEN(data, inverted(missing), other=value, dtype=dtype.name), value


def from_codes(codes: da.Array) -> tuple[da.Array, da.Array]:
    """A mask and its no-data voxels from bytes: 1 is True, 255 no data."""
    return equal(codes, 1), equal(codes, CODE)


def carried(data: da.Array, nodata: float | da.Array, new: da.Array) -> tuple[da.Array, Nodata]:
    """New voxels in place of an image's, and their no-data: what had no data has none.

    Raises
    ------
    ParameterTypeError
        The image is a mask, which has no value for "no data", and the new voxels are numbers.
    """
    if new.dtype.kind == "b" and new.shape == data.shape:
        return restricted(new, valid(data, nodata))
    if isinstance(nodata, da.Array) or new.dtype.kind == "b":
        raise ParameterTypeError(f"say which of the new voxels ({new.dtype}, {new.shape}) hold no data: with_data(…, nodata=…), None if all do")
    return new, nodata
