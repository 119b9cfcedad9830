"""Fixtures that several folders of tests share: their conftest names those that it wants."""

import os
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from voxelrock.cli import main


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where the system has a place for that: these tests flush thousands of small files."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def run():
    """The command line, which succeeds, or fails where that is expected; gives what it prints."""

    def call(*arguments, ok=True):
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert (result.exit_code == 0) == ok, result.output
        return result.output

    return call
