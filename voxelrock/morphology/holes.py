"""Holes: what a phase encloses."""

from __future__ import annotations

from voxelrock.errors import ParameterTypeError
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image, known_where
from voxelrock.image.validity import both, either, inverted
from voxelrock.kernels.components import check_connectivity, dual
from voxelrock.kernels.numbering import Choice
from voxelrock.labels.components import COMPONENTS
from voxelrock.labels.restriction import Where, restricted, rules_of, surfaces
from voxelrock.labels.selection import ANY_SIDE


@operation
def fill_holes(image: VoxelImage, /, *, connectivity: int = 6, where: Where = None) -> VoxelImage:
    """Make True what a phase encloses: background that is joined to no side of the image, nor to the surface of ``where``.

    Parameters
    ----------
    image
        Booleans: True is the phase whose holes are filled.
    connectivity
        The neighbourhood of the *phase*; the background has the dual one (26 beside 6, 6 beside 18 and 26).
    where
        True = used. Outside nothing exists: its surface is where the background is open.

    Returns
    -------
    VoxelImage
        Boolean, lazy; outside ``where`` it holds no data.

    Raises
    ------
    ParameterError, ParameterTypeError
        Another connectivity; an image that is not boolean.

    Notes
    -----
    Bitwise; ``scipy.ndimage.binary_fill_holes`` on the whole image, with the structure of the dual neighbourhood. Two passes; memory as
    :func:`voxelrock.labels.label`, and halo 1 of ``where``.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: abs(z - 2) + abs(y - 2) + abs(x - 2) == 1, shape=5, dtype=bool)
    >>> int(image.compute().sum()), int(fill_holes(image, connectivity=26).compute().sum())
    (6, 7)
    """
    if an_image(image).dtype.kind != "b":
        raise ParameterTypeError(
            f"fill_holes takes a mask (True = the phase to be filled), such as vr.segmentation.otsu, image == 1 or image.isin([1]) make; got {image.dtype}"
        )
    mask, keep = restricted(image, where)
    background = both(inverted(mask.data), keep[0]) if keep else inverted(mask.data)
    rules = rules_of(image, dual(check_connectivity(connectivity)), Choice(none=ANY_SIDE))
    holes = COMPONENTS(background, *surfaces(mask, keep), rules=rules, dtype=bool)
    return known_where(mask, either(holes, mask.data), keep)
