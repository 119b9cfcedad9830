"""Optional packages: imported when needed, with an error that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any

from voxelrock.errors import MissingPackageError


def require(module: str, *, extra: str) -> Any:
    """Import an optional ``module``, or say which extra of voxelrock brings it.

    Raises
    ------
    MissingPackageError
        The module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPackageError(f"this needs the package {module!r}: pip install 'voxelrock[{extra}]'") from error
