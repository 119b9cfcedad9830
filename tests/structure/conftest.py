import numpy as np
import pytest

from voxelrock.testing import stored


@pytest.fixture(scope="session")
def boolean_model():
    """Overlapping spheres of one radius at random points: the image (True = spheres), their radius, their number per volume."""
    rng, edge, radius = np.random.default_rng(1), 192, 15.0
    intensity = 0.6 / (4 / 3 * np.pi * radius**3)
    wide = edge + 2 * radius
    count, a = round(intensity * wide**3), np.zeros((edge,) * 3, bool)
    for center in rng.random((count, 3)) * wide - radius:
        low = np.maximum(np.ceil(center - radius), 0).astype(int)
        high = np.minimum(np.floor(center + radius) + 1, edge).astype(int)
        if (high > low).all():
            grid = np.ogrid[tuple(slice(p, q) for p, q in zip(low, high))]
            a[tuple(slice(p, q) for p, q in zip(low, high))] |= sum((g - c) ** 2 for g, c in zip(grid, center)) <= radius**2
    return stored(a, ((70, 122), (192,), (60, 132))), radius, intensity
