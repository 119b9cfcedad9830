"""All kernels, and where each of them computes."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import voxelrock
from voxelrock.kernels.backend import Kernel

_PACKAGES = ("kernels", "graph", "morphology", "segmentation", "statistics")


def kernels() -> list[Kernel[Any, Any]]:
    """All kernels of the package, by module and name.

    Examples
    --------
    >>> {each.place for each in kernels() if each.__name__ == "gaussian"}
    {'device: array API'}
    """
    found: dict[str, Kernel[Any, Any]] = {}
    for package in _PACKAGES:
        for module in pkgutil.walk_packages([f"{path}/{package}" for path in voxelrock.__path__], f"voxelrock.{package}."):
            for thing in vars(import_module(module.name)).values():
                if isinstance(thing, Kernel) and thing.__module__ == module.name:
                    found[thing.identity] = thing
    return [found[name] for name in sorted(found)]
