"""Operations on an image larger than memory, in a cluster of small workers: time per voxel and peak memory.

    python -m benchmarks.scale FOLDER --edge 1536 --operations label,distance,local_thickness,porosimetry,watershed
    python -m benchmarks.scale FOLDER --edge 2048 --memory "2 GB" --operations functionals,chords,correlation,windows,statistics

Makes a rock (blobs, a fifth of it pores) in FOLDER if it is not there; with ``--vug R`` a ball of that radius is dissolved in its middle, with
``--exterior`` all outside an inscribed cylinder is pore too. Prints a row for each operation.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

import voxelrock as vr


def rock(folder: Path, edge: int, vug: int, exterior: bool) -> Path:
    """The image, made if it is not there."""
    path = folder / f"rock{edge}.zarr"
    if not path.exists():
        vr.save(vr.generators.blobs(shape=edge, porosity=0.2, length=14, seed=3), path)
    image, name = vr.open(path), path.stem
    middle = dict.fromkeys("zyx", edge / 2)
    if vug:
        name += f"-vug{vug}"
        image = image | image.with_data(image.restriction(vr.Ball(center=middle, radius=vug)))
    if exterior:
        name += "-exterior"
        image = image | ~image.with_data(image.restriction(vr.Cylinder.inscribed(image.grid)))
    changed = folder / f"{name}.zarr"
    if not changed.exists():
        vr.save(image, changed)
    return changed


def statistics(image: vr.VoxelImage) -> dict[str, Callable[[], Any]]:
    """Numbers and curves, lazy; alone, and all in one reading."""
    structure = vr.structure
    alone: dict[str, Callable[[], Any]] = {
        "functionals": lambda: structure.minkowski(image),
        "chords": lambda: [structure.chord_lengths(image, axis=axis) for axis in "zyx"],
        "correlation": lambda: structure.two_point(image, lag=100),
        "windows": lambda: structure.representative_volume(image),
    }
    return {**alone, "statistics": lambda: [make() for make in alone.values()]}


def operations(image: vr.VoxelImage, distance: Path) -> dict[str, Callable[[], Any]]:
    """What is measured, lazy; the watershed floods stored distances from their maxima."""
    return {
        **statistics(image),
        "label": lambda: vr.labels.label(image),
        "distance": lambda: vr.morphology.distance(image),
        "local_thickness": lambda: vr.pores.local_thickness(image),
        "porosimetry": lambda: vr.pores.porosimetry(image),
        "watershed": lambda: vr.segmentation.watershed(-vr.open(distance), where=image, depth=1),
    }


class Watch:
    """Samples the resident memory of processes, all together."""

    def __init__(self, processes: list[Any]) -> None:
        self.processes, self.peak, self._stop = processes, 0, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            self.peak = max(self.peak, sum(p.memory_info().rss for p in self.processes if p.is_running()))


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--edge", type=int, default=1536)
    parser.add_argument("--vug", type=int, default=0, metavar="R")
    parser.add_argument("--exterior", action="store_true")
    parser.add_argument("--memory", default="3 GB", help="of the two workers together")
    parser.add_argument("--operations", default="label,distance,local_thickness,porosimetry,watershed")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = rock(given.folder, given.edge, given.vug, given.exterior)
    image, distance = vr.open(path), given.folder / f"{path.stem}-distance.zarr"
    print(f"{path.stem}: {image.grid}, porosity {float(vr.statistics.porosity(image)):.4f}, two workers of {given.memory} together")
    with vr.cluster.local(workers=2, threads=1, memory=given.memory, dashboard=False) as client:
        processes = [psutil.Process(number) for number in client.run(os.getpid).values()]
        for name in given.operations.split(","):
            out = distance if name == "distance" else given.folder / "out.zarr"
            if name in statistics(image):  # workers load and compile what they need
                vr.compute(statistics(image[:200, :200, :200])[name]())
            start = time.perf_counter()
            with Watch(processes) as watch:
                found = operations(image, distance)[name]()
                vr.save(found, out, overwrite=True) if isinstance(found, vr.VoxelImage) else vr.compute(found)
            spent = time.perf_counter() - start
            print(f"{name:<16} {spent:8.1f} s {1e9 * spent / image.size:8.1f} ns/voxel, workers at most {watch.peak / 1e9:.2f} GB together", flush=True)


if __name__ == "__main__":
    main()
