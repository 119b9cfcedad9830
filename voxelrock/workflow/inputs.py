"""Which input an analysis is of, and with which software: what makes two runs the same."""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from voxelrock import __version__
from voxelrock.image import VoxelImage
from voxelrock.image.metadata import phases_to_json
from voxelrock.storage.remote import checked_url, is_url
from voxelrock.typing import Json
from voxelrock.workflow.recipe import Recipe

PACKAGES = ("numpy", "dask", "zarr", "xarray", "scipy", "numba", "matplotlib")
SMALL = 2**30
"""Inputs up to this many bytes are hashed unless the user says otherwise."""


def versions() -> Json:
    """Versions of voxelrock, Python and the packages that results rest on."""
    return {"voxelrock": __version__, "python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def peak_memory() -> int:
    """The most bytes that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage's, this figure knows nothing of the process that started this one
        return next(1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())


def describe(image: VoxelImage, source: str | Path | None, *, sha256: bool | None = None) -> Json:
    """The input for the record: path, number of files, bytes, time of the last change, SHA-256 or ``"skipped"``, and the image's facts.

    Parameters
    ----------
    image
        The image.
    source
        The file or folder that it comes from; of an object store its URL, which is all that is told.
    sha256
        Hash all bytes; by default those of inputs of up to 1 GiB.
    """
    facts: Json = {"path": ""}
    if is_url(source):
        facts = {"path": checked_url(str(source))}
    elif source is not None:
        files = _files(Path(source))
        stats = [f.stat() for f in files]
        total = sum(s.st_size for s in stats)
        facts = {"path": str(Path(source).resolve()), "files": len(files), "bytes": total, "changed": max((s.st_mtime for s in stats), default=0.0)}
        wanted = total <= SMALL if sha256 is None else sha256
        facts["sha256"] = _sha256(Path(source), files) if wanted else "skipped"
    return facts | image_facts(image)


def _sha256(root: Path, files: list[Path]) -> str:
    """Of one file its bytes' hash; of a folder that of all names and contents, in the order of the names."""
    digest = hashlib.sha256()
    for file in files:
        if file != root:
            digest.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode())
        for part in _parts(file):
            digest.update(part)
    return digest.hexdigest()


def _parts(file: Path) -> Iterator[bytes]:
    with open(file, "rb") as handle:
        while part := handle.read(2**22):
            yield part


def image_facts(image: VoxelImage) -> Json:
    """Shape, grid and type."""
    grid = image.grid
    facts: Json = {
        "shape_zyx": list(grid.shape),
        "spacing_zyx": list(grid.spacing),
        "origin_zyx": list(grid.origin),
        "unit": grid.unit,
        "dtype": str(image.dtype),
    }
    return facts if image.nodata is None else facts | {"nodata": image.nodata if isinstance(image.nodata, int | float) else "mask"}


def run_identity(image: VoxelImage, recipe: Recipe) -> str:
    """Forty digits that are equal for equal steps on equal inputs."""
    facts = {
        "image": image.fingerprint,
        "facts": image_facts(image),
        "phases": phases_to_json(image.phases),
        "steps": recipe.to_json(),
        "roi": _file(recipe.roi),
    }
    return hashlib.sha1(json.dumps(facts, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _file(roi: str) -> Json:
    """A region that is a file changes with it."""
    path = Path(roi)
    if roi.partition(":")[0] in ("auto", "none", "cylinder", "box") or not path.exists():
        return {}
    return {"files": [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in _files(path)]}
