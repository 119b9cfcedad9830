"""``python -m voxelrock``."""

from voxelrock.cli import run

if __name__ == "__main__":
    run()
