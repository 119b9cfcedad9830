"""Two scans of one rock: the same grey field through a known transform, each with noise of its own."""

from functools import lru_cache

import numpy as np

import voxelrock as vr
from voxelrock.generators import ct_scan, sandstone
from voxelrock.registration import Transform, resample

EDGE = 128
DRY = dict(enumerate([14000.0, 29000.0, 27000.0, 36000.0, 29000.0, 22000.0]))
WET = DRY | {0: 20000.0, 5: 24500.0}
INVERTED = {label: 50000.0 - grey for label, grey in DRY.items()}
NOISE = 3750.0  # pores and quartz of the dry rock differ by four times as much
MIDDLE = (EDGE - 1) / 2


@lru_cache(maxsize=2)
def rock(edge=EDGE, seed=1):
    """With a rim of 16 voxels, so that what moves in is rock too."""
    made = sandstone(shape=edge + 32, radius=8, seed=seed)
    return vr.from_array(made.compute()).assign(phases=made.phases)


@lru_cache(maxsize=4)
def greys(levels, edge=EDGE, seed=1):
    clean = ct_scan(rock(edge, seed), levels=dict(levels), noise=0, dtype="f4")
    return vr.from_array(clean.compute()).assign_grid(origin=-16)


def scan(levels=DRY, transform=None, *, seed, edge=EDGE, spacing=1.0, noise=NOISE, rock_seed=1):
    """A scan at a spacing in whose voxel p the rock is seen that is at ``transform.apply(p)``; the voxels of the rock are 1 um."""
    steps = vr.ZYX.of(spacing)
    grid = vr.VoxelGrid(vr.ZYX(*(int(edge / s) for s in steps)), steps)
    seen = resample(greys(tuple(levels.items()), edge, rock_seed), like=grid, transform=transform or Transform.identity(), order="cubic", fill=14000.0)
    grains = ct_scan(vr.from_array(np.zeros(tuple(grid.shape), "u1")), levels={0: 0.0}, noise=noise, dtype="f4", seed=seed)
    return vr.from_array((seen + grains.assign_grid(grid)).compute()).assign_grid(grid).assign_grid(unit="um")
