"""Small images that several tests look at."""

import numpy as np

import voxelrock as vr

SPACING = {"z": 2.5, "y": 1.0, "x": 1.5}
STEP = tuple(SPACING.values())
CHUNKS = ((5, 9), (4, 7), (1, 12))


def noise(seed=0, shape=(14, 11, 13), density=0.35):
    return np.random.default_rng(seed).random(shape) < density


def disc(shape=(14, 11, 13), radius=5.2):
    y, x = np.ogrid[: shape[1], : shape[2]]
    return np.broadcast_to((y - 5) ** 2 + (x - 6) ** 2 <= radius**2, shape)


CYLINDER = vr.Cylinder(axis="z", radius=5.2, center={"y": 5.0, "x": 6.0})


def menger(level):
    a = np.ones((1, 1, 1), bool)
    kept = np.array([[[(z == 1) + (y == 1) + (x == 1) < 2 for x in range(3)] for y in range(3)] for z in range(3)])
    for _ in range(level):
        a = np.kron(kept, a)
    return a.astype(bool)
