"""Pictures one could publish: orthogonal slices, histograms, profiles. Each gives a Matplotlib figure and reads only what it shows."""

from voxelrock.viz.curves import plot_histogram, plot_porosity_curve, plot_profiles, plot_samples, plot_solid_profiles
from voxelrock.viz.looking import Look, look
from voxelrock.viz.panels import compare, crop
from voxelrock.viz.sizes import plot_capillary_curve, plot_size_distribution
from voxelrock.viz.slices import slices
from voxelrock.viz.structure import plot_chords, plot_two_point, plot_windows

__all__ = [
    "Look",
    "compare",
    "crop",
    "look",
    "plot_capillary_curve",
    "plot_chords",
    "plot_histogram",
    "plot_porosity_curve",
    "plot_profiles",
    "plot_samples",
    "plot_solid_profiles",
    "plot_size_distribution",
    "plot_two_point",
    "plot_windows",
    "slices",
]
