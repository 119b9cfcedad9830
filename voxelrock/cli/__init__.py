"""The command line: no logic of its own."""

from voxelrock.cli.main import main

__all__ = ["main"]
