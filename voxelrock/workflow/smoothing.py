"""The steps of a recipe that change grey values, as filters: for the analysis, for its figures, and for its plan."""

from __future__ import annotations

import math
from typing import Any

from voxelrock import filters
from voxelrock.image import VoxelImage
from voxelrock.workflow.recipe import Denoise, Sharpen

_PATCH = 1
"""Half-width of the patches that non-local means compare, in voxels."""


def needs_noise(steps: tuple[Denoise | Sharpen, ...]) -> bool:
    """Whether a step asks how much noise there is."""
    return any(isinstance(step, Denoise) and step.method == "non_local_means" for step in steps)


def dear(steps: tuple[Denoise | Sharpen, ...]) -> bool:
    """Whether the steps take so much longer than writing and reading an image that what they made is stored, not made again."""
    return any(isinstance(step, Denoise) and step.method == "non_local_means" and math.ceil(step.radius_vx) for step in steps)


def reach_of(steps: tuple[Denoise | Sharpen, ...]) -> int:
    """How many voxels away the steps look, one after the other."""
    return sum(_reach(step) for step in steps)


def _reach(step: Denoise | Sharpen) -> int:
    if isinstance(step, Sharpen):
        return int(4 * step.sigma_vx + 0.5) if step.amount else 0
    if step.method == "gaussian":
        return int(4 * step.radius_vx + 0.5)
    return math.ceil(step.radius_vx) + (_PATCH if step.method == "non_local_means" and step.radius_vx else 0)


def smoothed(image: VoxelImage, steps: tuple[Denoise | Sharpen, ...], noise: Any) -> VoxelImage:
    """The image after the steps, lazy; ``noise`` is the standard deviation of the noise, for the steps that need it."""
    for step in steps:
        if isinstance(step, Sharpen):
            image = filters.unsharp_mask(image, sigma_vx=step.sigma_vx, amount=step.amount) if step.amount else image
        elif step.method == "gaussian":
            image = filters.gaussian(image, sigma_vx=step.radius_vx)
        elif step.method == "median" and step.radius_vx:
            image = filters.median(image, radius_vx=tuple(min(step.radius_vx, n - 1) for n in image.shape))
        elif step.method == "non_local_means" and math.ceil(step.radius_vx):
            within = tuple(min(math.ceil(step.radius_vx), n - 1) for n in image.shape)
            image = filters.non_local_means(image, search_vx=within, patch_vx=tuple(min(_PATCH, r) for r in within), noise=noise)
    return image
