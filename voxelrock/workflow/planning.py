"""What an analysis will need, before it starts: memory, room on disks, readings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxelrock import options, segmentation
from voxelrock.errors import StorageError
from voxelrock.geometry import Cylinder, Tiling
from voxelrock.graph.demand import demand
from voxelrock.graph.execution import threads
from voxelrock.graph.scratch import scratch_bytes
from voxelrock.image import Phase, VoxelImage
from voxelrock.image.creation import full_like
from voxelrock.image.presentation import describe_memory
from voxelrock.storage.layout import choose
from voxelrock.workflow.correcting import planned
from voxelrock.workflow.recipe import CORRECTIONS, Correct, Denoise, Name, Recipe, Restrict, Sharpen, Sizes, Structure, Threshold
from voxelrock.workflow.regions import parse_axis, parse_region
from voxelrock.workflow.sizes import Spaces
from voxelrock.workflow.smoothing import dear, smoothed
from voxelrock.workflow.structures import statistics

_BASE = 420 * 2**20
"""Bytes of a process that has loaded everything, compiled its kernels, and draws figures at 300 dpi (measured)."""
_WAITING = 2
_PAGES = 30 * 2**20
_LEAST = 16
"""Labels of rock take at most about a sixteenth of their size when they are compressed."""


@dataclass(frozen=True)
class Plan:
    """What an analysis needs.

    Parameters
    ----------
    steps
        What will be done, in words.
    peak_memory
        Bytes of this process at its peak, predicted.
    output, scratch
        Bytes that the results take at most (uncompressed), and those of scratch: for labels while they are written, and for a scan after non-local means
        until the results are there (without room for it, its filter is computed three times).
    """

    steps: tuple[str, ...]
    peak_memory: int
    output: int
    scratch: int

    def lines(self) -> list[str]:
        """The plan, for a terminal."""
        numbered = [f"{i + 1}. {text}" for i, text in enumerate(self.steps)]
        sizes = [("peak memory", self.peak_memory), ("output, at most", self.output), ("scratch", self.scratch)]
        return [*numbered, *(f"{name:<16} {describe_memory(size)}" for name, size in sizes)]


def plan(image: VoxelImage, /, *, recipe: Recipe | None = None) -> Plan:
    """What :func:`analyze` would do and need; computes nothing.

    Parameters
    ----------
    image
        Any image; stays lazy.
    recipe
        The steps, as in :func:`analyze`.

    Returns
    -------
    Plan
        Steps in words, and predicted bytes: of memory here with the threads in force, of results (uncompressed), and of scratch.

    Raises
    ------
    ParameterError
        A region that cannot be read or lies outside the image.

    Examples
    --------
    >>> import voxelrock as vr
    >>> plan(vr.zeros(shape=64, dtype="u2")).output < 40_000_000
    True
    """
    steps = recipe or Recipe.suited(image)
    if steps.roi.partition(":")[0] == "auto":
        parse_axis(steps.roi)
    else:
        parse_region(steps.roi, image)
    scan = image if steps.correction is None else planned(image.assign(nodata=None), steps.correction)
    stored = image if steps.correction is None else full_like(scan, value=1)
    labels, passes = _lazily(stored, steps)
    kept = [smoothed(stored.assign(nodata=None), steps.denoising, 1.0)] if steps.grey and dear(steps.denoising) else []
    results = [labels, *([] if scan is image else [scan])]
    made = [*passes, *(each.rechunk(units(each).typical()).data for each in (*results, *kept))]
    writing = threads(waiting=_WAITING) * max(demand(each).bytes_per_task for each in made)
    reading = threads() * max((demand(*group).bytes_per_task for group in _afterwards(labels, steps)), default=0)
    scratch = scratch_bytes(labels.data, units(labels)) + sum(each.nbytes for each in kept)
    return Plan(tuple(_words(steps, image)), _BASE + max(writing, reading), _PAGES + sum(each.nbytes for each in results), scratch)


def _afterwards(labels: VoxelImage, steps: Recipe) -> Iterator[list[Any]]:
    """What is measured on the stored labels, together in one reading each; an image of nothing but pores stands for them."""
    roles = {0: "solid", 1: "pore"} | ({} if steps.roi == "none" else {2: "outside"})
    stored = full_like(labels, value=1, dtype="u1").rechunk(units(labels).typical()).assign(phases={k: Phase(v, role=v) for k, v in roles.items()})
    if steps.structure is not None:
        yield list(statistics(stored, steps.structure).values())
    if steps.sizes is not None:
        yield from ([lazy] for lazy in Spaces.of(stored).readings)


def _lazily(image: VoxelImage, steps: Recipe) -> tuple[VoxelImage, list[Any]]:
    """Labels in the making, and what is found before them; a cylinder stands for the region of interest."""
    if isinstance(steps.last, Name):
        labels = image.astype("u1", clip=True)
        return labels, []
    quiet = image.assign(nodata=None)
    quiet = smoothed(quiet, steps.denoising, 1.0)
    where = None if steps.roi == "none" else Cylinder.inscribed(image.grid)
    passes = [segmentation.otsu_threshold(quiet, where=where)]
    if isinstance(steps.last, Threshold) and steps.last.method == "edges":
        passes.append(segmentation.edge_threshold(image.assign(nodata=None), where=where))
    labels = segmentation.threshold(quiet, high=0.0, where=where).astype("u1")
    return labels, [limit.data for limit in passes]


def _voxels(many: float) -> str:
    return f"{many:g} voxel{'' if many == 1 else 's'}"


def units(image: VoxelImage) -> Tiling:
    """The units in which an image is stored."""
    return choose(image.shape, image.dtype).tiling(image.shape)


def _words(recipe: Recipe, image: VoxelImage) -> list[str]:
    found, sized = [f"open {image.grid}, {image.dtype}, {describe_memory(image.nbytes)}"], list[str]()
    for step in recipe.steps:
        if isinstance(step, Restrict):
            found.append(f"find the rock: region of interest {step.roi}" + ("" if step.nodata is None else f"; {step.nodata:g} stands for no data"))
        elif isinstance(step, Correct):
            found.append(f"correct: {', '.join(k for k in CORRECTIONS if k in step.of)}; store the corrected scan (corrected.zarr)")
        elif isinstance(step, Sharpen):
            found.append(f"sharpen: {step.amount:g} of what a Gaussian of {_voxels(step.sigma_vx)} removes")
        elif isinstance(step, Denoise):
            found.append(f"denoise: {step.method.replace('_', ' ')}, {'sigma' if step.method == 'gaussian' else 'radius'} {_voxels(step.radius_vx)}")
        elif isinstance(step, Sizes):
            sized.append("measure sizes of pores and throats, and mercury's capillary pressure")
        elif isinstance(step, Structure):
            sized.append(f"measure spatial statistics: {', '.join(step.of)}")
        elif isinstance(step, Name):
            found.append("name the labels: " + ", ".join(f"{label} {phase.name} ({phase.role})" for label, phase in step.phases))
        else:
            chosen = f"at {step.value:g}" if step.value is not None else f"by {step.method.replace('_', ' ')}"
            found.append(f"threshold {chosen}; pores are {step.phase}")
    return [
        *found,
        "store the labels (segmented.zarr)",
        "measure porosity, phase fractions, profiles",
        *sized,
        "write results, curves, figures and the report",
    ]


def check_space(image: VoxelImage, folder: Path) -> None:
    """Raise ``StorageError`` where the disks have no room for scratch, or hardly any for the labels."""
    unit = choose(image.shape, image.dtype).tiling(image.shape)
    scratch, output = scratch_bytes(image.data, unit), image.size // _LEAST
    chosen = options.get().scratch
    needs = {_there(folder): output}
    place = _there(Path(chosen)) if chosen else _there(folder)
    needs[place] = needs.get(place, 0) + scratch
    for path, need in needs.items():
        free = shutil.disk_usage(path).free
        if free < need:
            what = "labels and scratch" if scratch and path == place else "labels"
            raise StorageError(
                f"{path} has {describe_memory(free)} free, and {what} need {describe_memory(need)}; make room, or choose another disk (--out, options.scratch)"
            )


def _there(path: Path) -> Path:
    """The first folder on the way up that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
