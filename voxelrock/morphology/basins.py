"""The graph of an image's basins, and what images are made through it."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.errors import ParameterTypeError
from voxelrock.graph.arrays import lift, tiling_of, to_array
from voxelrock.graph.execution import compute
from voxelrock.graph.expressions import Apply
from voxelrock.graph.patterns import Stencil
from voxelrock.graph.reductions import Reduction
from voxelrock.graph.stitching import Stitching
from voxelrock.image import VoxelImage
from voxelrock.image.selection import an_image
from voxelrock.kernels import catchments, descent
from voxelrock.kernels.components import check_connectivity
from voxelrock.kernels.forests import Basins, Edges
from voxelrock.kernels.purposes import Whole

_DESCENT = Stencil(descent.descent, halo=lambda **_: descent.HALO, dtype=lambda *_, **__: np.dtype("u1"), located=True)
_BASINS = Stitching(catchments.catchment, catchments.join, catchments.begin, catchments.descend, catchments.filled, joints=1.0)


def refuse_wide(image: VoxelImage, what: str) -> None:
    """Raise ``ParameterTypeError`` for what is no image, or one of 64-bit integers, which float64 does not hold."""
    if an_image(image).dtype.kind in "iu" and image.dtype.itemsize == 8:
        raise ParameterTypeError(f"{what} takes integers of up to 32 bits, and floats; got {image.dtype}: convert it, as with image.astype('i4')")


def through_basins(data: Any, keep: Any, purpose: catchments.Purpose, *third: Any, connectivity: int, dtype: Any) -> Any:
    """An image (as a lazy array) that follows from the graph of the basins of another; ``keep`` is a mask of what exists, or nothing."""
    code, seen, rules = _looked_at(data, keep, purpose, connectivity)
    return _BASINS(code, seen, *third, rules=rules, dtype=dtype)


def basin_graph(data: Any, keep: Any, *, connectivity: int) -> tuple[Basins, Edges]:
    """The basins of an image and the spanning forest of the passes between them, computed at once; ids are C-order indices of first voxels."""
    code, seen, rules = _looked_at(data, keep, Whole(), connectivity)
    whole = Reduction(catchments.graph, catchments.JoinedCatchments(rules), as_object, located=True)(code, seen, rules=rules, shape=(), dtype=object)
    found = compute(whole).item()
    return found.basins, found.edges


def as_object(piece: catchments.Catchment) -> Any:
    """The piece itself."""
    return piece


def _looked_at(data: Any, keep: Any, purpose: catchments.Purpose, connectivity: int) -> tuple[Any, Any, catchments.Rules]:
    """The ways down, the voxels as they were seen for them (made once, not twice, where they are dear), and the rules of the graph."""
    z, y, x = data.shape
    kind = check_connectivity(connectivity)
    code = _DESCENT(data, *keep, connectivity=kind, extent=(z, y, x))
    root = lift(code)
    assert isinstance(root, Apply)
    return code, to_array(root.inputs[0], tiling_of(data)), catchments.Rules((z, y, x), kind, purpose)
