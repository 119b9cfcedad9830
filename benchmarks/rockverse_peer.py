"""Runs inside RockVerse's own environment, never in voxelrock's: times it, and reads and writes stores for the tests. Prints one line of JSON.

Called as ``rockverse_peer.py check``, ``… histogram STORE BINS``, ``… describe STORE VALUES.npy`` or ``… create VALUES.npy STORE``.
"""

import json
import sys
import time

import numpy as np
import rockverse
from rockverse.voxel_image.histogram import Histogram

METADATA = {
    "field_name": "Attenuation",
    "field_unit": "HU",
    "description": "made by RockVerse",
    "voxel_origin": (1.5, -2.0, 3.25),
    "voxel_length": (4.0, 5.0, 6.0),
    "voxel_unit": "um",
}


def check():
    """RockVerse can be imported, MPI with it."""
    return {"ready": True}


def histogram(store, bins):
    """The time of one histogram of u2; a tiny one first, so that Numba has compiled it."""
    tiny = rockverse.voxel_image.from_array(np.random.default_rng(0).integers(0, 65535, (16, 16, 16)).astype("u2"))
    Histogram(tiny, bins=np.linspace(-0.5, 65535.5, 17))
    edges = np.linspace(-0.5, 65535.5, int(bins) + 1)
    start = time.perf_counter()
    found = Histogram(rockverse.open(store), bins=edges)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "counts": found.count["full"].tolist()}


def describe(store, values):
    """What RockVerse reads from a store; its axes are (x, y, z)."""
    image = rockverse.open(store)
    np.save(values, image[:, :, :])
    return {
        "shape": [int(n) for n in image.shape],
        "dtype": str(image.dtype),
        "voxel_length": [float(h) for h in image.voxel_length],
        "voxel_origin": [float(o) for o in image.voxel_origin],
        "voxel_unit": image.voxel_unit,
        "field_name": image.field_name,
        "field_unit": image.field_unit,
        "description": image.description,
    }


def create(values, store):
    """A store written by RockVerse."""
    rockverse.voxel_image.from_array(np.load(values), store=store, chunks=(8, 8, 8), **METADATA)
    return {"metadata": METADATA}


if __name__ == "__main__":
    actions = {"check": check, "histogram": histogram, "describe": describe, "create": create}
    said = actions[sys.argv[1]](*sys.argv[2:])
    if rockverse.mpi_rank == 0:
        print(json.dumps(said))
