"""Shapes: distances, holes, hills and basins. Equal at any chunking to one pass over the whole."""

from voxelrock.morphology.holes import fill_holes

__all__ = ["fill_holes"]
