"""Image to image: smoothing, denoising, ranks, features, contrast."""

from voxelrock.filters.contrast import local_contrast, normalise, rescale
from voxelrock.filters.evolution import anisotropic_diffusion, total_variation
from voxelrock.filters.features import (
    gaussian_derivative,
    gradient_magnitude,
    hessian_eigenvalues,
    laplacian_of_gaussian,
    structure_tensor_eigenvalues,
    unsharp_mask,
)
from voxelrock.filters.patches import bilateral, non_local_means
from voxelrock.filters.ranks import maximum, minimum, percentile
from voxelrock.filters.smoothing import gaussian, median, uniform

__all__ = [
    "anisotropic_diffusion", "bilateral", "gaussian", "gaussian_derivative", "gradient_magnitude", "hessian_eigenvalues", "laplacian_of_gaussian",
    "local_contrast", "maximum", "median", "minimum", "non_local_means", "normalise", "percentile", "rescale", "structure_tensor_eigenvalues",
    "total_variation", "uniform", "unsharp_mask",
]  # fmt: skip
