"""Synthetic rocks and scans of any size: every voxel follows from the seed and its index."""

from voxelrock.generators.fields import blobs
from voxelrock.generators.packs import random_sphere_pack, sphere_pack
from voxelrock.generators.plugs import plug
from voxelrock.generators.rocks import carbonate, sandstone, tight
from voxelrock.generators.scans import Scanner, ct_scan

__all__ = ["Scanner", "blobs", "carbonate", "ct_scan", "plug", "random_sphere_pack", "sandstone", "sphere_pack", "tight"]
