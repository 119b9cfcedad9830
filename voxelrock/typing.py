"""Names for the types that travel through the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

Block = Any
"""An array of NumPy, CuPy or any other array-API library: one block of an image, axes (z, y, x)."""

HostArray = NDArray[Any]
"""A NumPy array."""

Triple = tuple[int, int, int]
"""Three integers along (z, y, x), used inside the package only; users meet :class:`voxelrock.ZYX`."""

Json = dict[str, Any]
"""A mapping that can be written as JSON."""

Parameters = Mapping[str, Any]


class SupportsDtype(Protocol):
    """Anything with a NumPy dtype."""

    @property
    def dtype(self) -> np.dtype[Any]: ...


__all__ = ["Block", "DTypeLike", "HostArray", "Json", "Parameters", "SupportsDtype", "Triple"]
