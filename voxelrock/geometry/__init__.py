"""Pure *where*: axes, units, grids, boxes of voxels, tilings, regions. No Dask, no files."""

from voxelrock.geometry.axes import AXES, ZYX
from voxelrock.geometry.boxes import VoxelBox
from voxelrock.geometry.grid import VoxelGrid
from voxelrock.geometry.regions import Ball, Box, Cylinder, Polygon, Region
from voxelrock.geometry.tiling import Tiling

__all__ = ["AXES", "Ball", "Box", "Cylinder", "Polygon", "Region", "Tiling", "VoxelBox", "VoxelGrid", "ZYX"]
