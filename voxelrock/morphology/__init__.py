"""Shapes: distances, balls, holes, hills and basins. Equal at any chunking to one pass over the whole."""

from voxelrock.morphology.balls import closing, dilation, erosion, opening
from voxelrock.morphology.distances import distance
from voxelrock.morphology.hills import h_maxima, h_minima, reconstruction
from voxelrock.morphology.holes import fill_holes
from voxelrock.morphology.persistence import persistence

__all__ = ["closing", "dilation", "distance", "erosion", "fill_holes", "h_maxima", "h_minima", "opening", "persistence", "reconstruction"]
