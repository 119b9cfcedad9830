"""Spatial statistics of rock: Minkowski functionals, correlation functions, chords, representative volumes. Exact, additive, in one reading."""

from voxelrock.structure.chords import chord_lengths, lineal_path
from voxelrock.structure.intercepts import mean_intercept_length
from voxelrock.structure.interfaces import interface_area
from voxelrock.structure.minkowski import connectivity_density, euler_number, minkowski, specific_surface

__all__ = [
    "chord_lengths",
    "connectivity_density",
    "euler_number",
    "interface_area",
    "lineal_path",
    "mean_intercept_length",
    "minkowski",
    "specific_surface",
]
