"""What an operation *is*, in a form that is equal in every process: no pickles, no addresses, no clocks."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterTypeError


def describe(value: Any) -> Any:
    """A value as plain JSON: numbers, text, lists and mappings; arrays by their contents.

    Raises
    ------
    ParameterTypeError
        The value has no identity that outlives the process (a lambda, an open file).
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic):
        return [value.dtype.str, value.item().__repr__()]
    if isinstance(value, int | float | complex):
        return value if isinstance(value, int) else repr(value)
    if isinstance(value, bytes):
        return ["bytes", hashlib.sha256(value).hexdigest()]
    if isinstance(value, np.dtype):
        return ["dtype", value.str]
    identity = getattr(value, "identity", None)
    if isinstance(identity, str):
        return ["identity", identity]
    return _describe_compound(value)


def _describe_compound(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        contents = hashlib.sha256(np.ascontiguousarray(value).view(np.uint8).reshape(-1).data).hexdigest()
        return ["array", value.dtype.str, list(value.shape), contents]
    if isinstance(value, Mapping):
        return {"mapping": sorted(([describe(k), describe(v)] for k, v in value.items()), key=str)}
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__qualname__, {f.name: describe(getattr(value, f.name)) for f in fields(value) if f.compare}]
    if isinstance(value, list | tuple | set | frozenset):
        items = [describe(v) for v in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    if isinstance(value, slice):
        return ["slice", value.start, value.stop, value.step]
    if isinstance(value, type):
        return ["type", f"{value.__module__}.{value.__qualname__}"]
    return ["function", function_name(value)]


def function_name(function: Any) -> str:
    """The importable name of a function.

    Raises
    ------
    ParameterTypeError
        It has none: a lambda, a nested or redefined function, a bound method, one of a notebook or script.
    """
    name = getattr(function, "__qualname__", "<")
    module = getattr(function, "__module__", None)
    found: Any = sys.modules.get(module) if module not in (None, "__main__") else None
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not function:
        raise ParameterTypeError(f"{function!r} has no importable name; define it at the top of a module, or give it a name=")
    return f"{module}.{name}"


def fingerprint(*values: Any) -> str:
    """Forty hexadecimal digits that are equal for equal values in every process."""
    text = json.dumps([describe(v) for v in values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:40]
