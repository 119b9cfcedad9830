"""The grey of the solid against the distance from an axis, and from slice to slice: where cupping, rings and drift show."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.artefacts.classes import Where, given_range, grey_image, usual_range
from voxelrock.artefacts.hardening import checked_cylinder, inside_of, line_of
from voxelrock.artefacts.outline import outline
from voxelrock.geometry import AXES, Cylinder
from voxelrock.geometry.axes import axis_number
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.selection import counted
from voxelrock.kernels.classes import Span, join_tables, solid_means
from voxelrock.kernels.drift import join_slices, slice_counts
from voxelrock.kernels.hardening import shell_counts
from voxelrock.kernels.tallies import Tallies
from voxelrock.typing import HostArray


def _slice_means(found: tuple[Span, list[Tallies]], *, solid: Span | None) -> HostArray:
    span, tallies = found
    return solid_means(tallies[0].counts[:, 0, 0, :], span, solid)


def _shell_means(found: tuple[Span, HostArray], *, solid: Span | None) -> HostArray:
    span, table = found
    return solid_means(table, span, solid)


def solid_profiles(
    image: VoxelImage,
    /,
    *,
    cylinder: Cylinder | None = None,
    axis: str = "z",
    solid: tuple[float, float] | None = None,
    where: Where = None,
) -> xr.Dataset:
    """The mean grey of the solid against the distance from the plug's axis, and in each slice: flat in a scan without cupping, rings and drift.

    Parameters
    ----------
    image
        A scan: grey values.
    cylinder
        The rock. Without it the call computes: :func:`outline` finds it; where the rock fills the image, the axis is the middle's and all voxels count.
    axis
        The axis across which slices lie.
    solid
        The least and the largest grey value of the solid. By default three robust deviations about the median of the class above Otsu's threshold, and
        not below this.
    where
        The voxels that count (True = counted), beside ``cylinder``; no-data voxels never do.

    Returns
    -------
    xarray.Dataset
        ``radial`` over ``distance`` (middles of shells a voxel thick) and ``axial`` over the positions along the axis: means and ``radial_voxels``,
        ``axial_voxels``, the number of voxels of each; NaN where there is none. In the grid's unit. Lazy.

    Raises
    ------
    ParameterTypeError, ParameterError
        A segmentation or 64-bit integers; a cylinder that is none; grey values that do not ascend.
    DataError
        All counted voxels have one value, or one is NaN (raised when computed).

    Notes
    -----
    Bitwise at any chunking: histograms of shells and slices are integers, in 1024 bins that reach a fifth of their distance beyond the quantiles 0.001 and
    0.999. Readings: quantiles, histograms. Memory: 8 kB a shell and a slice; the counting runs on the host.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 100 * (x % 4 > 0) + 2 * z, shape=16, dtype="u1")
    >>> found = solid_profiles(scan).compute()
    >>> [round(float(v)) for v in found["axial"][[0, 15]]]
    [100, 130]
    """
    grey_image(image, "solid_profiles")
    number, reference = axis_number(axis), given_range(solid)
    rock = outline(image).region if cylinder is None else checked_cylinder(cylinder)
    inside = where if rock is None else inside_of(image, rock, where)
    line, grid = line_of(image.grid, rock or Cylinder.inscribed(image.grid)), image.grid
    shared: dict[str, Any] = {"limits": usual_range(image, inside), "dtype": "f8", "finish": {"solid": reference}}
    shells = Reduction(shell_counts, join_tables, _shell_means, located=True)
    slices = Reduction(slice_counts, join_slices, _slice_means, located=True)
    radial = shells(image.data, *counted(image, inside), line=line, shape=(2, line.rings), **shared)
    axial = slices(image.data, *counted(image, inside), axis=number, shape=(2, image.shape[number]), **shared)
    distance = (np.arange(line.rings) + 0.5) * line.pitch
    positions = np.arange(image.shape[number]) * grid.spacing[number] + grid.origin[number]
    units, name = image.field.unit or "1", AXES[number]
    shell = {"units": units, "definition": "mean grey value of the solid in shells about the plug's axis"}
    level = {"units": units, "definition": f"mean grey value of the solid in slices across {name}"}
    count = {"units": "voxels"}
    parts: dict[str, Any] = {
        "radial": ("distance", radial[0], shell),
        "axial": (name, axial[0], level),
        "radial_voxels": ("distance", radial[1], count),
        "axial_voxels": (name, axial[1], count),
    }
    return xr.Dataset(parts, coords={"distance": ("distance", distance, {"units": grid.unit}), name: (name, positions, {"units": grid.unit})})
