"""The command line: no logic of its own."""

from voxelrock.cli.main import main, run

__all__ = ["main", "run"]
