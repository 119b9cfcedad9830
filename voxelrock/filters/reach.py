"""What filters ask of their parameters: reaches within the image, numbers that may still be lazy."""

from __future__ import annotations

import math
from typing import Any

import xarray as xr

from voxelrock import options
from voxelrock.errors import ParameterError, ParameterTypeError, TooLargeError
from voxelrock.image import VoxelImage
from voxelrock.image.presentation import describe_memory
from voxelrock.image.selection import physical_or_voxels
from voxelrock.parameters import real
from voxelrock.typing import Triple

Length = float | str | None


def reach_of(image: VoxelImage, name: str, length: Length, voxels: Any) -> Triple:
    """A half-width in whole voxels along (z, y, x), lengths rounded down.

    Raises
    ------
    ParameterError
        Both or neither are given; a negative one, one that is less than a voxel along every axis, or one that leaves the image.
    """
    given = physical_or_voxels(image, name, length, voxels)
    z, y, x = (math.floor(part + 1e-9) for part in given)
    if voxels is not None and (z, y, x) != given:
        raise ParameterError(f"{name}_vx is a whole number of voxels, or three along (z, y, x); got {voxels}")
    if any(given) and not any((z, y, x)):
        raise ParameterError(f"{name}={length} is less than one voxel along every axis: it would change nothing")
    within_image(image, name, (z, y, x))
    return z, y, x


def within_image(image: VoxelImage, name: str, reach: Triple) -> None:
    """Raise ``ParameterError`` where a filter looks further than the image is wide."""
    if any(r >= max(n, 1) for r, n in zip(reach, image.shape) if r):
        raise ParameterError(
            f"{name} reaches {reach} voxels along (z, y, x), beyond an image of {tuple(image.shape)}: take less, or 0 along an axis, as in {name}_vx=(0, 1, 1)"
        )


def within_memory(image: VoxelImage, name: str, reach: Triple) -> None:
    """Raise ``TooLargeError`` where a filter that looks beyond the image would need more for the border of a block than a task may hold."""
    held = math.prod(max(edges) + 2 * r for edges, r in zip(image.data.chunks, reach)) * image.dtype.itemsize
    limit = options.get().memory
    if held > limit and any(r > n for r, n in zip(reach, image.shape)):
        raise TooLargeError(
            f"{name} reaches {reach} voxels along (z, y, x), beyond an image of {tuple(image.shape)}: a block with that border takes "
            f"more than options.memory ({describe_memory(limit)}): take less, or 0 along an axis, as in {name}_vx=(0, 1, 1)"
        )


def slopes_of(image: VoxelImage) -> tuple[float, float, float]:
    """What differences between neighbours along (z, y, x) are multiplied by, so that those along the shortest edge of a voxel are what they are."""
    z, y, x = image.grid.spacing
    least = min(z, y, x)
    return least / z, least / y, least / x


def positive(value: Any, name: str) -> float:
    """A positive, finite number.

    Raises
    ------
    ParameterError
        It is not.
    """
    found = real(value, name)
    if not (math.isfinite(found) and found > 0):
        raise ParameterError(f"{name} is positive and finite; got {found}")
    return found


def positive_or_lazy(value: Any, name: str) -> Any:
    """A positive number, or the array of a lazy one, which is looked at when it is there."""
    found = lazy_or_real(value, name)
    return positive(found, name) if isinstance(found, float) else found


def lazy_or_real(value: Any, name: str) -> Any:
    """A number, or the array of a lazy one.

    Raises
    ------
    ParameterTypeError
        It is neither, or an array of several.
    """
    if isinstance(value, xr.DataArray):
        if value.ndim:
            raise ParameterTypeError(f"{name} is one number; got an array over {', '.join(map(str, value.dims))}")
        return value.data if hasattr(value.data, "dask") else real(value.item(), name)
    return real(value, name)
