"""What is said of an image that is written to a file: how, and what stands beside the voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.geometry import ZYX

VOXEL_KINDS = "biuf"
"""The kinds of NumPy types that voxels may have."""


@dataclass(frozen=True)
class WriteOptions:
    """How an image is written.

    Parameters
    ----------
    overwrite
        Replace what exists, once the new file is complete.
    order
        ``"C"``: x changes fastest in the file; ``"F"``: z changes fastest (raw and .npy only).
    byteorder
        ``"="`` (this machine's), ``"<"`` or ``">"`` (raw and .npy only).
    planes
        Planes per write unit, best a multiple of the image's chunk length; None chooses about 64 MiB.
    """

    overwrite: bool = False
    order: str = "C"
    byteorder: str = "="
    planes: int | None = None

    def __post_init__(self) -> None:
        if self.order not in ("C", "F"):
            raise ParameterError(f"order is 'C' (x changes fastest in the file) or 'F' (z changes fastest); got {self.order!r}")
        if self.byteorder not in ("=", "<", ">"):
            raise ParameterError(f"byteorder is '=' (this machine's), '<' or '>'; got {self.byteorder!r}")
        if self.planes is not None and self.planes < 1:
            raise ParameterError(f"a write unit has at least one plane; got planes={self.planes}")

    def plain(self, format_name: str) -> None:
        """Refuse orders that a format cannot store.

        Raises
        ------
        ParameterError
            Another order of axes or bytes than the usual one.
        """
        if self.order != "C" or self.byteorder not in ("=", "<"):
            raise ParameterError(
                f"{format_name} is written with x fastest and little endian; write .raw or .npy for order={self.order!r}, byteorder={self.byteorder!r}"
            )


@dataclass(frozen=True)
class Header:
    """What is written beside the voxels.

    Parameters
    ----------
    shape
        Number of voxels along (z, y, x).
    dtype
        Type of the blocks that will arrive.
    spacing, origin, unit
        As in :class:`voxelrock.VoxelGrid`.
    name, field_unit, description
        What the values are, and in which unit.
    """

    shape: ZYX[int]
    dtype: np.dtype[Any]
    spacing: ZYX[float] = ZYX(1.0, 1.0, 1.0)
    origin: ZYX[float] = ZYX(0.0, 0.0, 0.0)
    unit: str = "voxel"
    name: str = ""
    field_unit: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise ParameterError(f"an image without voxels cannot be written; its shape is {tuple(self.shape)} along (z, y, x)")
        if self.dtype.kind not in VOXEL_KINDS:
            raise ParameterError(f"voxels are booleans, integers or real numbers; got {self.dtype}")
