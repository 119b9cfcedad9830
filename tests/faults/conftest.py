import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import slow_rock

import voxelrock as vr


@pytest.fixture
def start(tmp_path):
    """Start the slow save in another process; it is gone when the test ends."""
    running = []

    def run(seconds=0.1, command=None, **options):
        line = command or [sys.executable, str(Path(slow_rock.__file__)), str(tmp_path), str(seconds), json.dumps(options)]
        process = subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"VOXELROCK_PROGRESS": "never"})
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def wait_for():
    def wait(condition, seconds=30.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "this took too long"
            time.sleep(0.005)

    return wait


@pytest.fixture
def killed(tmp_path, start, wait_for):
    """A save that was killed in the middle: gives the number of blocks that it had computed."""

    def kill(blocks=8, **options):
        process = start(0.1, **options)
        done = tmp_path / ".rock.zarr.partial" / ".voxelrock" / "done"
        wait_for(lambda: process.poll() is not None or (done.exists() and len(os.listdir(done)) >= blocks))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        return len(os.listdir(done))

    return kill


@pytest.fixture(scope="session")
def rock_truth():
    return slow_rock.truth(*np.ogrid[tuple(slice(n) for n in slow_rock.SHAPE)])


@pytest.fixture(autouse=True)
def small_blocks():
    """The blocks of the processes that these tests start."""
    with vr.options.set(memory=2**20):
        yield


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where the system has a place for that: these tests flush thousands of small files."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)
