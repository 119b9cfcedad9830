"""voxelrock: exact, chunk-free analysis of three-dimensional images of rock, of any size."""

__version__ = "0.1.0"
