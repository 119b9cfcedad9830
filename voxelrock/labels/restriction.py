"""What an image offers to labelling: which voxels are looked at, and where the region ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import Region
from voxelrock.geometry.axes import AXES
from voxelrock.graph.patterns import Stencil
from voxelrock.image import VoxelImage
from voxelrock.image.selection import an_image, counted
from voxelrock.image.validity import both, inverted
from voxelrock.kernels.components import check_connectivity
from voxelrock.kernels.numbering import Naming
from voxelrock.kernels.pieces import Rules
from voxelrock.kernels.surfaces import SURFACE_HALO, region_code

Where = VoxelImage | Region | None
Roles = str | Iterable[str] | None

_CODE = Stencil(region_code, halo=lambda **_: SURFACE_HALO, dtype=lambda *_, **__: np.dtype("u1"), located=True)
_OTSU = "segment the image first, as with vr.segmentation.otsu(image, phase='dark')"


def refuse_grey(image: VoxelImage, what: str) -> None:
    """Raise ``ParameterTypeError`` for what is no image, or one of floats."""
    if an_image(image).dtype.kind == "f":
        raise ParameterTypeError(f"{what} needs a segmentation (booleans or labels), and this image holds {image.dtype} grey values; {_OTSU}")


def restricted(image: VoxelImage, where: Where) -> tuple[VoxelImage, tuple[Any, ...]]:
    """The image with 0 wherever nothing exists (outside ``where``, no data), and the mask of what does, if anything is left out."""
    keep = counted(image, where)
    bare = image.with_data(image.data, nodata=None)
    if not keep:
        return bare, ()
    if image.dtype.kind == "b":
        return bare.with_data(both(image.data, keep[0])), keep
    return bare.where(image.with_data(keep[0], nodata=None, phases={}), other=0), keep


def without_data(image: VoxelImage, keep: tuple[Any, ...]) -> VoxelImage:
    """A boolean result as one that holds no data where nothing exists; numbers are 0 there."""
    return image.with_data(image.data, nodata=inverted(keep[0])) if keep and image.dtype.kind == "b" else image


def pores(image: VoxelImage, where: Where, through: Roles, what: str) -> tuple[VoxelImage, tuple[Any, ...]]:
    """A boolean image of the phase asked for, and the mask of the bulk, if it is not the whole array.

    Raises
    ------
    ParameterError, ParameterTypeError
        An image that is no segmentation, labels without roles, or unknown roles.
    """
    refuse_grey(image, what)
    if image.dtype.kind == "b":
        if through is not None:
            raise ParameterError("through= names roles of labels with phases; a boolean image is True in its pores")
        return restricted(image, where)
    if not image.phases:
        raise ParameterError(
            f"{what} of labels needs their roles: assign phases, as in image.assign(phases={{0: vr.Phase('pore', 'pore'), …}}), "
            f"or give the pores as a boolean image, as in image.isin([0]); of a grey image, {_OTSU}",
        )
    roles = {"pore", "fluid"} if through is None else {through} if isinstance(through, str) else set(through)
    if not roles or roles - {"pore", "fluid", "micro", "solid"}:
        raise ParameterError(f"through= is one or more of the roles pore, fluid, micro and solid; got {through!r}")
    chosen = [k for k, p in image.phases.items() if p.role in roles]
    outside = [k for k, p in image.phases.items() if p.role == "outside"]
    keep = counted(image, where)
    bare = image.with_data(image.data, nodata=None)
    if outside:
        bulk = inverted(bare.isin(outside).data)
        keep = (both(bulk, keep[0]) if keep else bulk,)
    mask = bare.isin(chosen)
    return (mask.with_data(both(mask.data, keep[0])) if keep else mask), keep


def surfaces(image: VoxelImage, keep: tuple[Any, ...]) -> tuple[Any, ...]:
    """The code of the region whose surface takes the place of the array's sides; nothing where there is no region."""
    return tuple(_CODE(mask, extent=tuple(image.shape)) for mask in keep)


def rules_of(image: VoxelImage, connectivity: int, naming: Naming, periodic: Any = None) -> Rules:
    """The rules of a stitching of this image.

    Raises
    ------
    ParameterError
        No such connectivity, or unknown axes.
    """
    z, y, x = image.shape
    return Rules((z, y, x), check_connectivity(connectivity), _periodic(periodic), naming)


def _periodic(axes: Any) -> tuple[bool, bool, bool]:
    names = () if axes is None else tuple(axes)
    if any(name not in AXES for name in names):
        raise ParameterError(f"periodic= names axes whose ends join, as in 'z', 'yx' or ('z', 'y', 'x'); got {axes!r}")
    a, b, c = (axis in names for axis in AXES)
    return a, b, c
