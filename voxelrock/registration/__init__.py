"""One image on the grid of another: transforms, resampling, registration."""

from voxelrock.registration.transforms import Transform

__all__ = ["Transform"]
