"""Maps: of porosity and saturation from scans of the same rock, dry and filled, and of any property on a coarser grid."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image
from voxelrock.kernels import tallies as t
from voxelrock.parameters import real
from voxelrock.structure.cells import PROPERTIES, Cells
from voxelrock.structure.restriction import Roles, Where, sampled
from voxelrock.typing import HostArray


def _apart(first: object, second: object, names: tuple[str, str]) -> tuple[float, float]:
    a, b = real(first, names[0]), real(second, names[1])
    if a == b or not (math.isfinite(a) and math.isfinite(b)):
        raise ParameterError(f"{names[0]} and {names[1]} are two different grey values; got {a:g} and {b:g}")
    return a, b


def _named(image: VoxelImage, name: str, description: str) -> VoxelImage:
    return replace(image, field=Field(name, "1", description), phases={})


@operation
def grey_porosity(image: VoxelImage, /, *, pore: float, solid: float) -> VoxelImage:
    """The porosity of each voxel from its grey value, on the line through pore and solid.

    Parameters
    ----------
    image
        Grey values.
    pore
        The grey value of a voxel that is all pore, such as ``pore_mode`` of ``segmentation.assess``.
    solid
        That of one that is all solid.

    Returns
    -------
    VoxelImage
        (solid - v) / (solid - pore) in float32 (float64 for 32-bit values and more), not clipped: means of it are unbiased. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Equal or infinite grey values.

    Notes
    -----
    Voxel by voxel. Cnudde & Boone 2013, doi:10.1016/j.earscirev.2013.04.003.

    Examples
    --------
    >>> import voxelrock as vr
    >>> ramp = vr.from_function(lambda z, y, x: 100 + 25 * x, shape=5, dtype="u1")
    >>> grey_porosity(ramp, pore=100, solid=200).compute()[0, 0].tolist()
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    dark, bright = _apart(pore, solid, ("pore", "solid"))
    return _named((bright - an_image(image)) / (bright - dark), "porosity", f"(solid - v) / (solid - pore), solid {bright:g}, pore {dark:g}")


@operation
def porosity_map(dry: VoxelImage, saturated: VoxelImage, /, *, fluid: float, air: float) -> VoxelImage:
    """The porosity of each voxel from two scans of one rock, dry and filled with a fluid, on one grid.

    Parameters
    ----------
    dry
        The scan of the dry rock.
    saturated
        The scan of the filled rock, registered to it.
    fluid
        The grey value of the fluid.
    air
        The grey value of air, in the same units.

    Returns
    -------
    VoxelImage
        (saturated - dry) / (fluid - air), not clipped: means of it are unbiased. Without data where either scan has none. Lazy.

    Raises
    ------
    ParameterError, GridMismatchError
        Equal or infinite grey values; scans on different grids.

    Notes
    -----
    Voxel by voxel. Withjack 1988, doi:10.2118/16951-PA.

    Examples
    --------
    >>> import voxelrock as vr
    >>> dry, wet = vr.full(shape=3, value=500, dtype="u2"), vr.full(shape=3, value=700, dtype="u2")
    >>> round(float(porosity_map(dry, wet, fluid=1000, air=0).compute().mean()), 6)
    0.2
    """
    liquid, gas = _apart(fluid, air, ("fluid", "air"))
    an_image(dry).same_grid(an_image(saturated))
    return _named((saturated - dry) / (liquid - gas), "porosity", f"(saturated - dry) / (fluid - air), fluid {liquid:g}, air {gas:g}")


@operation
def saturation_map(image: VoxelImage, /, *, dry: VoxelImage, saturated: VoxelImage, least: float = 0.0) -> VoxelImage:
    """The saturation of each voxel from three scans of one rock: as it is, dry, and filled.

    Parameters
    ----------
    image
        The scan of the partly filled rock.
    dry, saturated
        The scans of the dry and of the filled rock, registered to it.
    least
        Voxels whose dry and filled values differ by no more than this have no pore to speak of, and no saturation.

    Returns
    -------
    VoxelImage
        (image - dry) / (saturated - dry) in floats, not clipped; NaN (no data) where there is no pore. Lazy. The saturation of a volume is not the
        mean of these, but the sum of numerators over that of denominators.

    Raises
    ------
    ParameterError, GridMismatchError
        ``least`` is negative; scans on different grids.

    Notes
    -----
    Voxel by voxel. Withjack 1988, doi:10.2118/16951-PA.

    Examples
    --------
    >>> import voxelrock as vr
    >>> dry, wet, now = (vr.full(shape=2, value=v, dtype="u2") for v in (100, 300, 150))
    >>> float(saturation_map(now, dry=dry, saturated=wet).compute().mean())
    0.25
    """
    limit = real(least, "least")
    if not (math.isfinite(limit) and limit >= 0):
        raise ParameterError(f"least is a difference of grey values, not negative; got {least}")
    for other in (dry, saturated):
        an_image(image).same_grid(an_image(other))
    room = saturated - dry
    floats = room.astype("f8" if room.dtype.itemsize > 4 else "f4")
    some = replace(abs(room) > limit, nodata=None)  # what holds no data is False there
    room = replace(floats, nodata=None).where(some, math.nan).assign(nodata=math.nan)
    return _named((image - dry) / room, "saturation", f"(image - dry) / (saturated - dry), where these differ by more than {limit:g}")


def one_property(found: list[t.Tallies], *, cells: Cells, column: int) -> HostArray:
    """One of the properties of every cell."""
    return cells.measures(cells.complete(found))[..., column]


@operation
def local_map(image: VoxelImage, /, *, cell: float | str, measure: str = "porosity", where: Where = None, through: Roles = None) -> VoxelImage:
    """A property of a phase in cells of one size, as an image on a coarser grid.

    Parameters
    ----------
    image
        A boolean image (True = the phase asked for), or labels with phases (their pores and fluids).
    cell
        The edge of the cells, a length; rounded to whole voxels along each axis.
    measure
        ``"porosity"``, ``"specific_surface"`` (per bulk) or ``"euler_density"`` (6 neighbours).
    where
        True = used. A cell has the property of what of it exists.
    through
        Roles of the labels that make up the phase; pores and fluids by default.

    Returns
    -------
    VoxelImage
        float64, NaN (no data) where nothing of a cell exists; incomplete cells at the far ends are left out. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels without roles; another measure; a cell larger than the image.

    Notes
    -----
    Bitwise. One pass, and a table of 144 bytes a cell in one task; see :func:`representative_volume`. It runs on the host.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z < 4, shape=8, dtype=bool)
    >>> local_map(layers, cell=4).compute()[:, 0, 0].tolist()
    [1.0, 0.0]
    """
    if measure not in PROPERTIES:
        raise ParameterError(f"measure is one of {', '.join(PROPERTIES)}; got {measure!r}")
    cells = Cells.of(image, cell)
    data = cells.reduce(sampled(image, where, through, "a map"), one_property, cells.counts, column=list(PROPERTIES).index(measure))
    unit = PROPERTIES[measure].format(unit=image.grid.unit)
    return VoxelImage(data, image.grid.coarsen(cells.edge), Field(measure, unit, f"{measure} of cells"), nodata=np.nan)
