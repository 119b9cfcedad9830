"""The other libraries: imported where they are used, or kept in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from benchmarks.model import Job

ROOT = Path(__file__).parents[1]
_LIBRARIES = (
    *("voxelrock", "numpy", "scipy", "numba", "dask", "zarr", "numcodecs"),
    *("scikit-image", "dask-image", "SimpleITK", "diplib", "edt", "opencv-python-headless", "connected-components-3d", "porespy", "localthickness"),
    "scikit-learn",
)


@dataclass(frozen=True)
class Environment:
    """A peer that conflicts with voxelrock's libraries, in an environment of its own: ``why`` it is there, and the script that runs inside."""

    name: str
    packages: tuple[str, ...]
    script: str
    why: str

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return Path(os.environ.get("VOXELROCK_BENCH", ROOT / ".bench")) / self.name.lower()

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def missing(self) -> str:
        """Why the peer cannot run; empty if it can."""
        return "" if (self.folder / "ready").exists() else f"its environment is not there ({self.why}): run `python -m benchmarks setup-peers`"

    def command(self, *arguments: str) -> list[str]:
        """A call of the script."""
        return [self.python, str(Path(__file__).with_name(self.script)), *arguments]

    def version(self) -> str:
        """Its version, for the table."""
        code = f"import importlib.metadata as m; print(m.version({self.name.lower()!r}), m.version('numpy'))"
        text = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        return f"{text[0]} (own environment, NumPy {text[1]})"

    def setup(self) -> bool:
        """Make it, unless it is there; says what it does, and the reason if it cannot be made."""
        if not self.missing():
            print(f"{self.name} is ready in {self.folder}")
            return True
        print(f"making {self.folder} with {' and '.join(self.packages)} (about a minute)", flush=True)
        venv.create(self.folder, with_pip=True, clear=True)
        installed = subprocess.run([self.python, "-m", "pip", "install", "--quiet", *self.packages], check=False)
        works = subprocess.run(self.command("check"), check=False) if installed.returncode == 0 else installed
        if works.returncode:
            print(f"{self.name} cannot run here: see above ({self.why})", file=sys.stderr)
            return False
        (self.folder / "ready").touch()
        return True


ROCKVERSE = Environment("RockVerse", ("rockverse>=1.2,<1.3", "openmpi"), "rockverse_peer.py", "it pins SciPy ≤ 1.13.1 and needs MPI")
QUANTIMPY = Environment("QuantImPy", ("quantimpy>=0.2.6", "numpy<2", "zarr>=3.0"), "quantimpy_peer.py", "it does not load with NumPy 2")
ENVIRONMENTS = (ROCKVERSE, QUANTIMPY)


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
    """The versions of the libraries that are installed, those in environments of their own among them."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found |= {peer.name: peer.version() for peer in ENVIRONMENTS if not peer.missing()}
    return found


def rockverse_histogram(bins: int, ranks: int) -> Any:
    """The command of RockVerse's histogram with a number of bins, on several MPI ranks."""

    def command(job: Job) -> list[str]:
        launcher = str(ROCKVERSE.folder / "bin" / "mpirun")
        allowed = ["env", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"]
        return [*allowed, launcher, "--oversubscribe", "-n", str(ranks), *ROCKVERSE.command("histogram", str(job.data / "rockverse.zarr"), str(bins))]

    return command


def setup() -> int:
    """Make the environments of the peers that conflict with voxelrock's; 1 where one cannot be made."""
    failed = [peer for peer in ENVIRONMENTS if not peer.setup()]
    return 1 if failed else 0
