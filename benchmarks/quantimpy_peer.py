"""Runs inside QuantImPy's own environment, never in voxelrock's: times it. Prints one line of JSON.

Called as ``quantimpy_peer.py check`` or ``… functionals STORE``.
"""

import json
import sys
import time

import numpy as np
import zarr
from quantimpy.minkowski import functionals as measure


def check():
    """QuantImPy can be imported."""
    return {"ready": True}


def functionals(store):
    """The time of reading a mask and of its four functionals."""
    measure(np.ones((4, 4, 4), bool))
    start = time.perf_counter()
    mask = np.asarray(zarr.open(store, mode="r")[...], bool)
    read = time.perf_counter()
    found = measure(mask)
    stop = time.perf_counter()
    return {"seconds": stop - start, "columns": {"without reading (s)": round(stop - read, 4)}, "counts": [float(v) for v in found]}


if __name__ == "__main__":
    print(json.dumps({"check": check, "functionals": functionals}[sys.argv[1]](*sys.argv[2:])))
