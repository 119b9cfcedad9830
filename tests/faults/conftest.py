import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from tests.fixtures import tmp_path

__all__ = ["tmp_path"]
import slow_rock

import voxelrock as vr


class Child:
    """Another process, made from one that has voxelrock loaded already."""

    def __init__(self, folder, function, args, options):
        self.errors = folder / f"errors-{time.monotonic_ns()}.txt"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["voxelrock.cli.commands", "voxelrock.accessor"])
        self.process = context.Process(target=slow_rock.child, args=(self.errors, function, args, options))
        self.process.start()
        self.pid = self.process.pid

    def runs(self):
        return self.process.is_alive()

    def end(self, number=None):
        """Wait for the end, after a signal perhaps; gives the exit code and what was printed."""
        if number is not None and self.runs():
            os.kill(self.pid, number)
        self.process.join(60)
        return self.process.exitcode, self.errors.read_text()


@pytest.fixture
def start(tmp_path):
    """Run a function of ``slow_rock`` in another process; it is gone when the test ends."""
    running = []

    def run(function, *args, **options):
        running.append(Child(tmp_path, function, args, options))
        return running[-1]

    yield run
    for child in running:
        child.process.kill()
        child.process.join()
        child.process.close()


@pytest.fixture
def wait_for(tmp_path):
    """Wait until some blocks of the save in another process are stored."""
    done = tmp_path / ".rock.zarr.partial" / ".voxelrock" / "done"

    def wait(child, blocks, seconds=30.0):
        end = time.monotonic() + seconds
        while not (done.exists() and len(os.listdir(done)) >= blocks):
            assert child.runs(), child.end()
            assert time.monotonic() < end, "this took too long"
            time.sleep(0.005)
        return done

    return wait


@pytest.fixture
def killed(tmp_path, start, wait_for):
    """A save that was killed in the middle: gives the number of blocks that it had stored."""

    def kill(blocks=8, **options):
        child = start("save", tmp_path, 0.05, **options)
        done = wait_for(child, blocks)
        code, errors = child.end(signal.SIGKILL)
        assert code == -signal.SIGKILL, errors
        return len(os.listdir(done))

    return kill


@pytest.fixture(scope="session")
def rock_truth():
    return slow_rock.truth(*np.ogrid[tuple(slice(n) for n in slow_rock.SHAPE)])


@pytest.fixture(autouse=True)
def small_blocks():
    """The blocks of the processes that these tests start."""
    with vr.options.set(memory=slow_rock.SMALL):
        yield
