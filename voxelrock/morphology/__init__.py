"""Shapes of a phase: distances to its surface, and what balls can enter or fill."""

from voxelrock.morphology.balls import closing, dilation, erosion, opening
from voxelrock.morphology.distances import distance

__all__ = ["closing", "dilation", "distance", "erosion", "opening"]
