"""Spatial statistics of rock: Minkowski functionals, correlation functions, chords, representative volumes. Exact, additive, in one reading."""

from voxelrock.structure.bodies import minkowski_table
from voxelrock.structure.chords import chord_lengths, lineal_path
from voxelrock.structure.correlation import cluster_function, integral_scale, surface_from_correlation, two_point
from voxelrock.structure.distributions import joint_histogram, over_thresholds, phase_profile
from voxelrock.structure.heterogeneity import box_counting, lacunarity, local_porosity
from voxelrock.structure.intercepts import mean_intercept_length
from voxelrock.structure.interfaces import interface_area
from voxelrock.structure.lagmaps import two_point_map, two_point_radial
from voxelrock.structure.maps import grey_porosity, local_map, porosity_map, saturation_map
from voxelrock.structure.minkowski import connectivity_density, euler_number, minkowski, specific_surface
from voxelrock.structure.orientation import orientation
from voxelrock.structure.representative import representative_volume
from voxelrock.structure.variation import autocovariance, variogram

__all__ = [
    "autocovariance", "box_counting", "chord_lengths", "cluster_function", "connectivity_density", "euler_number", "grey_porosity",
    "integral_scale", "interface_area", "joint_histogram", "lacunarity", "lineal_path", "local_map", "local_porosity",
    "mean_intercept_length", "minkowski", "minkowski_table", "orientation", "over_thresholds", "phase_profile", "porosity_map",
    "representative_volume", "saturation_map", "specific_surface", "surface_from_correlation", "two_point", "two_point_map", "two_point_radial", "variogram",
]  # fmt: skip
