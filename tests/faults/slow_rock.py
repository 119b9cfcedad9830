"""A slow image and ways to store it, for processes that are killed. Run: ``python slow_rock.py FOLDER SECONDS [options as JSON]``."""

import json
import os
import sys
import time
from pathlib import Path

import voxelrock as vr

SHAPE, EDGE = vr.ZYX(128, 96, 64), 32
UNITS = 4 * 3 * 2


class Slow:
    """Voxels that are their own number; each block takes its time and leaves a trace."""

    def __init__(self, folder, seconds):
        self.folder, self.seconds = folder, seconds

    def __call__(self, z, y, x):
        handle = os.open(self.folder / "computed.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, b".")
        os.close(handle)
        time.sleep(self.seconds)
        return truth(z, y, x)


def truth(z, y, x):
    return (z * 10000 + y * 100 + x + 1).astype("i4")


def slow_image(folder, seconds=0.0, name="slow rock", offset=0):
    return vr.from_function(Slow(Path(folder), seconds), shape=SHAPE, dtype="i4", block=EDGE, name=name)


def computed(folder):
    """How many blocks were computed."""
    log = Path(folder) / "computed.log"
    return log.stat().st_size if log.exists() else 0


def save(folder, seconds=0.0, **options):
    return vr.save(slow_image(folder, seconds), Path(folder) / "rock.zarr", **({"chunks": EDGE, "shards": EDGE} | options))


if __name__ == "__main__":
    vr.options.set(memory=2**20)  # small blocks
    save(sys.argv[1], float(sys.argv[2]), **json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
