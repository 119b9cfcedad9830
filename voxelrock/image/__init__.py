"""The voxel image."""

from voxelrock.image.image import VoxelImage
from voxelrock.image.metadata import Field, Phase

__all__ = ["Field", "Phase", "VoxelImage"]
