"""One image on the grid of another: transforms, resampling, registration."""

from voxelrock.registration.registering import Registration, register
from voxelrock.registration.resampling import resample, rotate
from voxelrock.registration.rescaling import rescale
from voxelrock.registration.transforms import Transform

__all__ = ["Registration", "Transform", "register", "resample", "rescale", "rotate"]
