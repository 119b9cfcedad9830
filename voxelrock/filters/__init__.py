"""Image to image: smoothing, denoising, ranks."""

from voxelrock.filters.patches import non_local_means
from voxelrock.filters.smoothing import gaussian, median, uniform

__all__ = ["gaussian", "median", "non_local_means", "uniform"]
