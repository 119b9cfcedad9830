"""What every public operation shares: it is recorded in the history of the image that it makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import dask.array as da
import numpy as np

from voxelrock import __version__
from voxelrock.geometry import Region
from voxelrock.image.image import VoxelImage
from voxelrock.image.selection import an_image
from voxelrock.typing import Json

P = ParamSpec("P")
R = TypeVar("R")


def operation(function: Callable[P, R]) -> Callable[P, R]:
    """Record calls of a public operation in the history of the images that it returns.

    The record holds the name, the parameters and voxelrock's version; images among the arguments stand there by fingerprint. It is for
    reading: identity and resume use the graph's own fingerprint.
    """
    signature = inspect.signature(function)
    takes_image = any(p.annotation in ("VoxelImage", VoxelImage) for p in list(signature.parameters.values())[:1])
    name = f"{function.__module__.removeprefix('voxelrock.').split('.')[0]}.{function.__name__}"

    @wraps(function)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
        if args and takes_image:
            an_image(args[0])
        result = function(*args, **kwargs)
        if isinstance(result, VoxelImage):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            result = result.recorded(name, {k: readable(v) for k, v in bound.arguments.items()}, before=args[0] if args else None)  # type: ignore[assignment]
        return result

    recorded.__voxelrock_operation__ = name  # type: ignore[attr-defined]
    return recorded


def readable(value: Any) -> Any:
    """A parameter as JSON that a person can read."""
    if isinstance(value, VoxelImage):
        return {"image": value.fingerprint[:12]}
    if isinstance(value, Region):
        return {"region": str(value)}
    if isinstance(value, da.Array) or hasattr(value, "__dask_graph__"):
        return {"computed": str(getattr(value, "name", type(value).__name__))}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(k): readable(v) for k, v in value.items()}
    if hasattr(value, "_asdict"):
        return {k: readable(v) for k, v in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [readable(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {k: readable(v) for k, v in asdict(value).items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def record(name: str, parameters: Json) -> Json:
    """One entry of a history."""
    return {"operation": name, "parameters": parameters, "voxelrock": __version__}
