"""Spatial statistics of rock: Minkowski functionals, correlation functions, chords, representative volumes. Exact, additive, in one reading."""

from voxelrock.structure.interfaces import interface_area
from voxelrock.structure.minkowski import connectivity_density, euler_number, minkowski, specific_surface

__all__ = ["connectivity_density", "euler_number", "interface_area", "minkowski", "specific_surface"]
