"""Sizes of pores and throats: local thickness, size distributions, porosimetry, capillary pressure."""

from voxelrock.pores.capillary import capillary_curve, leverett_j
from voxelrock.pores.distributions import granulometry, pore_size_distribution
from voxelrock.pores.porosimetry import critical_radius, porosimetry
from voxelrock.pores.thickness import local_thickness

__all__ = ["capillary_curve", "critical_radius", "granulometry", "leverett_j", "local_thickness", "pore_size_distribution", "porosimetry"]
