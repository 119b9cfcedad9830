"""``python -m voxelrock``."""

from voxelrock.cli import main

if __name__ == "__main__":
    main()
