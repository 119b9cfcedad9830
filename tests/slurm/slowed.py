"""The command line with slow storing, for jobs that are stopped in the middle."""

import os
import sys
import time

from voxelrock.cli.main import main
from voxelrock.storage.shards import Files

encode = Files.encode


def slowly(*args):
    time.sleep(float(os.environ["SLOWLY"]))
    return encode(*args)


if __name__ == "__main__":
    Files.encode = slowly
    del sys.argv[1:3]  # -m voxelrock
    main()
