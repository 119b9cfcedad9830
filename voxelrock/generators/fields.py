"""Rocks from random fields."""

from __future__ import annotations

from typing import Any

from voxelrock.generators.frame import Length, fraction_of, frame, length_on, voxels
from voxelrock.generators.minerals import PORE, SOLID
from voxelrock.graph.patterns import Generate
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.kernels import fields as kernels
from voxelrock.kernels.random import Operation, Stream

_BLOBS = Generate(kernels.blobs)


@operation
def blobs(*, shape: Any, porosity: float = 0.3, length: Length | None = None, seed: int = 0, spacing: Any = None, block: Any = None) -> VoxelImage:
    """A random porous medium without grains: pore is where a Gaussian random field lies in its lowest part.

    Parameters
    ----------
    shape
        ``ZYX(z=…, y=…, x=…)``, one length for a cube, or a whole :class:`VoxelGrid`.
    porosity
        Expected fraction of pore, 0 to 1: the field is cut at the normal distribution's quantile, so the porosity of an image
        of V independent volumes (about 5.6 length³ each) is within √(porosity (1 - porosity) / V) of it.
    length
        Correlation length, a number in the grid's unit or text such as ``"40 um"``: the field's correlation is exp(-(d / length)²), to 0.006. By
        default 8 voxels.
    seed
        0 ≤ seed < 2³². Equal seeds give equal voxels at equal indices in images of any shape.
    spacing
        Distance between voxels, such as ``"8 um"``.
    block
        Shape of the blocks for computing; chosen if not given. No voxel depends on it.

    Returns
    -------
    VoxelImage
        bool, True = pore. Lazy; halo 0 (blocks do not meet); memory: a block of float32 with up to two lengths (at most 32 voxels) on
        each side.

    Raises
    ------
    ParameterError, UnitError
        A parameter is out of range or no length.

    References
    ----------
    Adler 1981, "The geometry of random fields", doi:10.1137/1.9780898718980; Lang & Potthoff 2011, doi:10.1515/mcma.2011.009.

    Examples
    --------
    >>> blobs(shape=64, porosity=0.2, length=6, seed=1).compute().mean().round(1)
    np.float64(0.2)
    """
    grid, tiling = frame(shape, spacing, block)
    lengths = voxels(grid, length_on(grid, length, "length", default_vx=8.0))
    data = _BLOBS(tiling, bool, stream=Stream(seed, Operation.FIELD), length=lengths, porosity=fraction_of(porosity, "porosity"))
    return VoxelImage(data, grid, phases={0: SOLID, 1: PORE})
