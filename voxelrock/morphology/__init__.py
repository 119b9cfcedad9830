"""Shapes: distances, holes, hills and basins. Equal at any chunking to one pass over the whole."""

from voxelrock.morphology.hills import h_maxima, h_minima, reconstruction
from voxelrock.morphology.holes import fill_holes

__all__ = ["fill_holes", "h_maxima", "h_minima", "reconstruction"]
