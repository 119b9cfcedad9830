"""Image to image: smoothing, denoising, ranks."""

from voxelrock.filters.evolution import anisotropic_diffusion, total_variation
from voxelrock.filters.patches import bilateral, non_local_means
from voxelrock.filters.smoothing import gaussian, median, uniform

__all__ = ["anisotropic_diffusion", "bilateral", "gaussian", "median", "non_local_means", "total_variation", "uniform"]
