"""Sizes of pores and throats in an analysis: what is measured, the names that it has among the results, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.geometry.axes import AXES
from voxelrock.geometry.units import VOXEL
from voxelrock.image import VoxelImage
from voxelrock.pores import capillary_curve, critical_radius, local_thickness, pore_size_distribution, porosimetry
from voxelrock.pores.distributions import RESOLVED_VX
from voxelrock.workflow.phases import pores_of
from voxelrock.workflow.recipe import Sizes

_SIZES = {
    "density": "pore_size_density",
    "fraction": "pore_size_fraction",
    "cumulative": "pore_size_cumulative",
    "d10": "pore_diameter_d10",
    "d50": "pore_diameter_d50",
    "d90": "pore_diameter_d90",
    "mean": "pore_diameter_mean",
    "unresolved": "pore_volume_unresolved",
    "left": "size_left",
    "right": "size_right",
    "resolved": "size_resolved",
}
_MERCURY = {
    "pressure": "capillary_pressure",
    "saturation": "mercury_saturation",
    "distribution": "throat_size_distribution",
    "entry_radius": "entry_radius",
    "entry_pressure": "entry_pressure",
    "modal_radius": "throat_radius_mode",
    "r35": "r35",
    "irreducible": "pore_volume_not_intruded",
    "resolution_pressure": "resolution_pressure",
    "left": "throat_left",
    "right": "throat_right",
    "resolved": "radius_resolved",
}

_MUCH = 0.2
"""Of the pore volume, unresolved: beyond, a warning is due."""


@dataclass(frozen=True)
class Spaces:
    """What sizes are read off, lazily: local thickness, critical radii by axis, and radii of invasion where the size of a voxel is known."""

    thickness: VoxelImage
    critical: dict[str, xr.DataArray]
    radii: VoxelImage | None

    @classmethod
    def of(cls, labels: VoxelImage) -> Spaces:
        """Those of the resolved pores of labels, inside what is not outside."""
        pores, where = pores_of(labels)
        critical = {axis: critical_radius(pores, axis=axis, where=where) for axis in AXES}
        return cls(local_thickness(pores, where=where), critical, porosimetry(pores, where=where) if labels.grid.unit != VOXEL else None)

    @property
    def readings(self) -> list[Any]:
        """What is computed, one after the other."""
        return [self.thickness.data, *self.critical.values(), *([] if self.radii is None else [self.radii.data])]


def measure_sizes(labels: VoxelImage, step: Sizes) -> dict[str, xr.DataArray]:
    """Curves and numbers of the resolved pores of labels, inside what is not outside; nothing where there are none.

    Pressures need the size of a voxel: without it there is no capillary curve.
    """
    spaces = Spaces.of(labels)
    found = _renamed(pore_size_distribution(spaces.thickness), _SIZES)
    for axis, radius in spaces.critical.items():
        found[f"critical_radius_{axis}"] = radius.copy(data=float(radius))
    if spaces.radii is not None:
        curve = capillary_curve(spaces.radii, interfacial_tension=step.interfacial_tension, contact_angle=step.contact_angle)
        found |= _renamed(curve, _MERCURY)
    return found


def _renamed(curves: xr.Dataset, names: dict[str, str]) -> dict[str, xr.DataArray]:
    kept = curves[[name for name in curves.data_vars if name in names]]
    renamed = kept.rename({k: v for k, v in names.items() if k in kept.variables})
    return {str(k): v for k, v in renamed.data_vars.items()}


def distribution_of(results: xr.Dataset) -> xr.Dataset | None:
    """The pore size distribution among results, if it is there."""
    found = _back(results, _SIZES, "pore_size_density")
    if found is None:
        return None
    return found.assign_attrs(scale="log", resolution=RESOLVED_VX * _step(results))


def _step(results: xr.Dataset) -> float:
    """The longest side of a voxel."""
    return max(results.attrs.get("input", {}).get("spacing_zyx") or [1.0])


def curve_of(results: xr.Dataset) -> xr.Dataset | None:
    """The capillary curve among results, if it is there and pores are reached through a throat at all."""
    found = _back(results, _MERCURY, "capillary_pressure")
    if found is None or not np.isfinite(found["radius"].values).any():
        return None
    return found.assign_attrs(resolution=RESOLVED_VX / 2 * _step(results))


def _back(results: xr.Dataset, names: dict[str, str], needed: str) -> xr.Dataset | None:
    if needed not in results:
        return None
    there = {new: old for old, new in names.items() if new in results.variables}
    return results[[name for name in there if name in results.data_vars]].rename(there)


def sizes_warnings(found: dict[str, Any]) -> list[str]:
    """Where a good part of the pore volume is hardly resolved."""
    share = float(found["pore_volume_unresolved"]) if "pore_volume_unresolved" in found else 0.0
    if share <= _MUCH:
        return []
    return [f"{share:.0%} of the pore volume lie in pores under {RESOLVED_VX} voxels across: their sizes, and pressures above them, are not resolved"]
