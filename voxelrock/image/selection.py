"""Which voxels count: ``where=`` and no-data together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import dask.array as da

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry.axes import ZYX
from voxelrock.image.image import VoxelImage
from voxelrock.image.validity import both, is_mask, restricted
from voxelrock.parameters import real


def an_image(value: Any) -> VoxelImage:
    """The image that an operation is given.

    Raises
    ------
    ParameterTypeError
        It is something else.
    """
    if not isinstance(value, VoxelImage):
        raise ParameterTypeError(f"expected a VoxelImage; got {type(value).__name__} (vr.from_array and vr.from_xarray make images of arrays)")
    return value


def counted(image: VoxelImage, where: Any) -> tuple[da.Array, ...]:
    """A mask of the voxels that count, or nothing where all do."""
    masks = [] if where is None else [image.restriction(where)]
    if image.nodata is not None:
        masks.append(image.valid.data)
    if len(masks) == 2:
        masks = [both(*masks)]
    return tuple(masks)


def known_where(image: VoxelImage, mask: da.Array, keep: Sequence[da.Array]) -> VoxelImage:
    """A mask found in an image; outside ``keep`` (a mask, or nothing) it is False and holds no data."""
    data, nodata = restricted(mask, keep[0]) if keep else (mask, None)
    return image.with_data(data, nodata=nodata, phases={})


def refuse_nodata(image: VoxelImage, name: str) -> None:
    """Raise ``ParameterError`` where a filter would mix no-data values into its neighbours."""
    if image.nodata is not None:
        what = "no-data voxels" if is_mask(image.nodata) else f"the no-data value {image.nodata}"
        raise ParameterError(
            f"{name} would mix {what} into their neighbours; give those voxels a value first: image.where(image.valid, other=…).assign(nodata=None)",
        )


def refuse_mask(image: VoxelImage, place: str) -> None:
    """Raise ``ParameterError`` where a place has no way to say which voxels of a mask hold no data."""
    if is_mask(image.nodata):
        raise ParameterError(
            f"{place} cannot say which voxels of a mask hold no data: save mask.astype('u1'), where they are 255 (open it with nodata=255), "
            "or forget them with mask.assign(nodata=None); a .zarr store of voxelrock keeps them",
        )


def physical_or_voxels(image: VoxelImage, name: str, length: Any, voxels: Any) -> tuple[float, float, float]:
    """A length in voxels along (z, y, x), from a length or from its twin in voxels; exactly one of them is given.

    Raises
    ------
    ParameterError
        Both or neither are given, or a length is negative.
    """
    if (length is None) == (voxels is None):
        raise ParameterError(f"give either {name}= (a length in {image.grid.unit}, or text such as '8 um') or {name}_vx= (voxels)")
    parts = ZYX.of(voxels) if voxels is not None else image.grid.to_voxels(length)
    a, b, c = (real(p, name if voxels is None else f"{name}_vx") for p in parts)
    if not all(math.isfinite(p) and p >= 0 for p in (a, b, c)):
        raise ParameterError(f"{name} is finite and not negative; got {length if voxels is None else voxels}")
    return a, b, c
