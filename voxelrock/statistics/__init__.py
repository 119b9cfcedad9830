"""Numbers from values: histograms, quantiles, porosity, profiles. Results are lazy xarray objects that carry their definitions."""

from voxelrock.statistics.histograms import histogram, quantile, summary
from voxelrock.statistics.noise import noise_level
from voxelrock.statistics.phases import phase_fractions, porosity, saturation
from voxelrock.statistics.profiles import profile

__all__ = ["histogram", "noise_level", "phase_fractions", "porosity", "profile", "quantile", "saturation", "summary"]
