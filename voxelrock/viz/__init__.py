"""Pictures one could publish: orthogonal slices, histograms, profiles. Each gives a Matplotlib figure and reads only what it shows."""

from voxelrock.viz.curves import plot_histogram, plot_profiles
from voxelrock.viz.slices import slices

__all__ = ["plot_histogram", "plot_profiles", "slices"]
