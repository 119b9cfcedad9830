"""A slow image and ways to store it, for processes that are killed."""

import os
import sys
import time
from pathlib import Path

import voxelrock as vr
from voxelrock.cli.main import main
from voxelrock.storage.shards import Files

SHAPE, EDGE = vr.ZYX(128, 96, 64), 32
UNITS = 4 * 3 * 2
SMALL = 2**20  # bytes of memory, for small blocks


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


def slow_image(folder, seconds=0.0):
    return vr.from_function(Slow(Path(folder), seconds), shape=SHAPE, dtype="i4", block=EDGE, name="slow rock")


def computed(folder):
    """How many blocks were computed."""
    log = Path(folder) / "computed.log"
    return log.stat().st_size if log.exists() else 0


def save(folder, seconds=0.0, **options):
    return vr.save(slow_image(folder, seconds), Path(folder) / "rock.zarr", **({"chunks": EDGE, "shards": EDGE} | options))


def slow_command(folder, seconds, *words):
    """The command line, with slow storing."""
    encode = Files.encode

    def slowly(*args):
        time.sleep(seconds)
        return encode(*args)

    Files.encode = slowly
    sys.argv[1:] = words
    main()


def child(errors, function, args, options):
    """What the other process does: run a function, with its errors in a file."""
    handle = os.open(errors, os.O_WRONLY | os.O_CREAT)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    vr.options.set(memory=SMALL, progress="never")
    globals()[function](*args, **options)
