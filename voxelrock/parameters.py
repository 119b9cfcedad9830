"""Numbers among the parameters: what they may be, refused kindly where they are something else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError


def plain(value: Any, name: str) -> bool | int | float:
    """A boolean, integer or real number as Python's own; a result of voxelrock (a 0-d DataArray) is computed.

    Raises
    ------
    ParameterTypeError
        It is none.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = (value.compute() if hasattr(value, "compute") else value).item()
    if not isinstance(value, bool | int | float):
        raise ParameterTypeError(f"{name} is a number; got {_shown(value)}")
    return value


def real(value: Any, name: str) -> float:
    """A number as a float; booleans are none.

    Raises
    ------
    ParameterTypeError
        It is no number.
    """
    number = plain(value, name)
    if isinstance(number, bool):
        raise ParameterTypeError(f"{name} is a number; got {number}")
    return float(number)


def whole(value: Any, name: str) -> int:
    """A whole number; floats that are whole are taken.

    Raises
    ------
    ParameterTypeError, ParameterError
        It is no number, or has a fraction.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterTypeError(f"{name} is a whole number; got {_shown(value)}")
    if value != value or value in (float("inf"), float("-inf")) or int(value) != value:
        raise ParameterError(f"{name} is a whole number; got {value}")
    return int(value)


def several(values: Any, name: str) -> list[bool | int | float]:
    """A list of numbers.

    Raises
    ------
    ParameterTypeError
        It is no list, or holds something else.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable) or np.ndim(values if isinstance(values, np.ndarray) else 1) > 1:
        raise ParameterTypeError(f"expected a list of numbers for {name}, such as [1, 2]; got {_shown(values)}")
    return [plain(v, f"each item of {name}") for v in values]


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float | list | tuple) else "None" if value is None else type(value).__name__
