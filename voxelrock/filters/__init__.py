"""Image to image: smoothing and ranks."""

from voxelrock.filters.smoothing import gaussian, median, uniform

__all__ = ["gaussian", "median", "uniform"]
