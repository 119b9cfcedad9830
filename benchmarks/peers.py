"""The other libraries: imported where they are used, or kept in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from benchmarks.model import Job

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_name("rockverse_peer.py")
ROCKVERSE = Path(os.environ.get("VOXELROCK_BENCH", ROOT / ".bench")) / "rockverse"
_PACKAGES = ("rockverse>=1.2,<1.3", "openmpi")
_LIBRARIES = (
    *("voxelrock", "numpy", "scipy", "numba", "dask", "zarr", "numcodecs"),
    *("scikit-image", "dask-image", "SimpleITK", "diplib", "edt", "opencv-python-headless", "connected-components-3d", "porespy", "localthickness"),
    *("quantimpy", "scikit-learn"),
)


def load(name: str) -> Any:
    """A peer's module."""
    return import_module(name)


def opencv(threads: int) -> Any:
    """OpenCV, held to a number of threads."""
    cv2 = load("cv2")
    cv2.setNumThreads(threads)
    return cv2


def diplib(threads: int) -> Any:
    """DIPlib, held to a number of threads."""
    dip = load("diplib")
    dip.SetNumberOfThreads(threads)
    return dip


def porespy(threads: int) -> Any:
    """PoreSpy, held to a number of threads."""
    module = load("porespy")
    module.settings.ncores = threads
    return module


def versions() -> dict[str, str]:
    """The versions of the libraries that are installed, RockVerse's own among them."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if not rockverse_missing():
        code = "import importlib.metadata as m; print(m.version('rockverse'), m.version('scipy'))"
        text = subprocess.run([rockverse_python(), "-c", code], capture_output=True, text=True, check=True).stdout.split()
        found["RockVerse"] = f"{text[0]} (own environment, SciPy {text[1]})"
    return found


def rockverse_python() -> str:
    """The interpreter of RockVerse's environment."""
    return str(ROCKVERSE / "bin" / "python")


def rockverse_missing() -> str:
    """Why RockVerse cannot run; empty if it can."""
    if not (ROCKVERSE / "ready").exists():
        return "its environment is not there (it pins SciPy ≤ 1.13.1 and needs MPI): run `python -m benchmarks setup-peers`"
    return ""


def rockverse_command(*arguments: str, ranks: int = 1) -> list[str]:
    """A call of the script that runs inside RockVerse's environment, on several MPI ranks if asked."""
    call = [rockverse_python(), str(SCRIPT), *arguments]
    if ranks == 1:
        return call
    launcher = str(ROCKVERSE / "bin" / "mpirun")
    return ["env", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", launcher, "--oversubscribe", "-n", str(ranks), *call]


def rockverse_histogram(bins: int, ranks: int) -> Any:
    """The command of RockVerse's histogram with a number of bins."""

    def command(job: Job) -> list[str]:
        return rockverse_command("histogram", str(job.data / "rockverse.zarr"), str(bins), ranks=ranks)

    return command


def setup() -> int:
    """Make the environments of the peers that conflict with voxelrock's; says what it does, and the reason if one cannot be made."""
    if not rockverse_missing():
        print(f"RockVerse is ready in {ROCKVERSE}")
        return 0
    print(f"making {ROCKVERSE} with {' and '.join(_PACKAGES)} (about a minute)", flush=True)
    venv.create(ROCKVERSE, with_pip=True, clear=True)
    installed = subprocess.run([rockverse_python(), "-m", "pip", "install", "--quiet", *_PACKAGES], check=False)
    works = subprocess.run([rockverse_python(), str(SCRIPT), "check"], check=False) if installed.returncode == 0 else installed
    if works.returncode:
        print("RockVerse cannot run here: see above (it needs Python 3.11 or 3.12, and an MPI library)", file=sys.stderr)
        return 1
    (ROCKVERSE / "ready").touch()
    return 0
