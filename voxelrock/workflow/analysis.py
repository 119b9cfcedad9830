"""From a scan to its numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from voxelrock.errors import DataError, UnfinishedError
from voxelrock.geometry.units import VOXEL
from voxelrock.image import VoxelImage
from voxelrock.image.presentation import describe_memory
from voxelrock.io.saving import save
from voxelrock.storage import open_zarr
from voxelrock.storage.remote import checked_url, is_url, refuse_url
from voxelrock.workflow.correcting import corrected, solid_levels
from voxelrock.workflow.folder import Folder
from voxelrock.workflow.inputs import describe, peak_memory, run_identity, versions
from voxelrock.workflow.outputs import write_outputs
from voxelrock.workflow.planning import check_space
from voxelrock.workflow.recipe import Correct, Recipe
from voxelrock.workflow.results import read_results, write_results
from voxelrock.workflow.sizes import measure_sizes, sizes_warnings
from voxelrock.workflow.smoothing import dear
from voxelrock.workflow.stages import Quiet, Rock, Say, Segmented, connectivity_warnings, denoised, exact_shares, find_rock, measure, segment
from voxelrock.workflow.structures import measure_structure


def _silent(text: str) -> None:
    """Say nothing."""


class Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)


def analyze(image: VoxelImage, /, *, out: str | Path | None = None, recipe: Recipe | None = None, source: str | Path | None = None,
            sample: str = "", overwrite: bool = False, say: Say = _silent) -> xr.Dataset:  # fmt: skip
    """Find the rock, correct, denoise, threshold, measure and report; computes.

    Grey scans are corrected (if the recipe says so), denoised and thresholded inside the rock; segmented images are measured as they are. With ``out`` the
    folder gets ``report.html``, ``results.json``, ``results.csv``, ``recipe.toml``, ``segmented.zarr`` (and ``corrected.zarr``),
    ``curves/`` and ``figures/``. Called
    again, only what is missing is made: an analysis that was killed goes on where it stopped.

    Parameters
    ----------
    image
        Any image; stays lazy.
    out
        The folder of the results, no URL; without it nothing is written.
    recipe
        The steps; by default ``Recipe.suited(image)``: the plug that is found, non-local means, sharpening, the walls of dark pores.
    source
        The file, or the URL, that the image comes from, for the record.
    sample
        Its name in the report; by default that of the source.
    overwrite
        Replace an earlier analysis in the folder.
    say
        Called with what is being done.

    Returns
    -------
    xarray.Dataset
        Numbers and curves, computed, with units and definitions; in the attributes the sample, the region of interest in words, ``warnings``, steps, input,
        timings, memory, and the folder.

    Raises
    ------
    ExistsError
        The folder holds another analysis.
    DataError
        The image is constant, or has NaN in the region of interest; the region holds no rock; labels that the image does not have.
    ParameterError
        A region that cannot be read or lies outside the image; a URL for the results.
    UnfinishedError
        Another run is at work in the folder.
    StorageError
        Too little room for the results or for scratch.

    Notes
    -----
    Memory: a few blocks for each thread. A grey image is read twice (histogram, then segmentation), its labels once more;
    corrections read it two to four times each. After non-local means the scan is kept in the folder (``denoised.zarr``, floats) until the results are
    there, where the disk has room for it.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.from_function(lambda z, y, x: 100 * ((x // 4 + y // 4) % 2), shape=16, dtype="u1")
    >>> float(analyze(rock, recipe=Recipe.of(roi="none"))["porosity"])
    0.5
    """
    image, steps = (recipe or Recipe.suited(image)).declared(image)
    refuse_url(out)
    source = checked_url(source) if isinstance(source, str) and is_url(source) else source
    name = sample or (Path(source).name if source is not None else "an image")
    if out is None:
        return _measured(image, steps, name, None, say)
    folder = Folder(Path(out).absolute())
    facts = describe(image, source)
    if overwrite or not folder.results.exists():
        check_space(image, folder.path)
    with folder.held():
        going_on = folder.claim(run_identity(image, steps), steps, facts, versions(), overwrite=overwrite)
        if going_on and folder.results.exists() and folder.segmented.exists():
            results = read_results(folder.results)
        else:
            results = _measured(image, steps, name, folder, say).assign_attrs(input=facts)
            write_results(folder.results, results)
            folder.forget(folder.denoised)
        results = results.assign_attrs(folder=str(folder.path))
        write_outputs(folder, image, results, say)
    return results


def _measured(image: VoxelImage, recipe: Recipe, sample: str, folder: Folder | None, say: Say) -> xr.Dataset:
    """All numbers and curves of a sample; its labels are stored where there is a folder."""
    clock = Clock()
    say(f"{sample}: {image.grid}, {image.dtype}")
    with clock("finding the rock"):
        rock = find_rock(image, recipe)
    say(rock.words)
    try:
        levels: dict[str, xr.DataArray] = {}
        if recipe.correction is not None:
            with clock("correcting"):
                rock, levels = _corrected(rock, recipe.correction, folder, say)
        with clock("denoising" if recipe.grey else "labels"):
            quiet = _denoised(rock, recipe, folder, say)
        with clock("threshold" if recipe.grey else "labels"):
            made = segment(rock, recipe, quiet, say)
        labels = made.labels
        if folder is not None:
            say("segmenting")
            with clock("segmenting and storing"):
                labels = _stored(made.labels, folder, folder.segmented)
        say("measuring")
        with clock("measuring"):
            found = measure(labels)
        pores = float(found["connected_porosity"].sel(kind="total", connectivity=6, of="bulk")) > 0
        if recipe.structure is not None and pores:
            say("spatial statistics")
            with clock("spatial statistics"):
                found |= measure_structure(labels, recipe.structure)
        if recipe.sizes is not None and pores:
            say("sizes of pores and throats")
            with clock("sizes of pores and throats"):
                found |= measure_sizes(labels, recipe.sizes)
    except DataError as error:
        raise DataError(f"{error} ({rock.words})") from error
    found["porosity"] = found["porosity"].assign_attrs(bulk=f"{found['porosity'].attrs.get('bulk', '')}; {rock.words}")
    results = xr.Dataset({**found, **made.facts, **exact_shares(made.facts, float(found["porosity"])), **levels})
    warnings = [*_unscaled(image), *rock.warnings, *made.warnings, *connectivity_warnings(found), *sizes_warnings(found)]
    for text in warnings:
        say(f"WARNING: {text}")
    return results.assign_attrs(_attributes(sample, rock, made, recipe, clock) | {"warnings": warnings})


def _unscaled(image: VoxelImage) -> list[str]:
    if image.grid.unit != VOXEL:
        return []
    return ["the size of a voxel is not known: lengths are in voxels, and there are no pressures; give it with --voxel-size (in Python spacing=)"]


def _corrected(rock: Rock, step: Correct, folder: Folder | None, say: Say) -> tuple[Rock, dict[str, xr.DataArray]]:
    """The rock in the scan without artefacts, which is stored where there is a folder, and the solid's grey before and after."""
    image, words = corrected(rock, step, say)
    if folder is not None:
        image = _stored(image, folder, folder.corrected)
    return replace(rock, image=image, warnings=(*rock.warnings, *words)), solid_levels({"raw": rock.image, "corrected": image}, rock, step.axis)


def _denoised(rock: Rock, recipe: Recipe, folder: Folder | None, say: Say) -> Quiet:
    """The scan after the recipe's filters; where they take long it is stored until the results are, if there is a folder, and room on its disk."""
    if not recipe.grey:
        return Quiet(rock.image, rock.where)
    quiet = denoised(rock, recipe)
    if folder is None or not dear(recipe.denoising):
        return quiet
    if not folder.denoised.exists() and folder.room() < quiet.image.nbytes + quiet.image.size:
        say(f"the disk has no {describe_memory(quiet.image.nbytes)} for the denoised scan: it is made three times")
        return quiet
    say("denoising")
    return replace(quiet, image=_stored(quiet.image, folder, folder.denoised))


def _stored(image: VoxelImage, folder: Folder, path: Path) -> VoxelImage:
    """An image from the folder, where an earlier run of these steps finished it, else written now."""
    labels = path == folder.segmented
    if path.exists() and not (labels and folder.replacing.exists()):
        return open_zarr(path)
    try:
        stored = save(image, path, overwrite=True, resume=folder.unfinished(path))
    except UnfinishedError:  # what was left is of other steps, or of another version; somebody who is writing it now is heeded by this too
        stored = save(image, path, overwrite=True)
    if labels:
        folder.replacing.unlink(missing_ok=True)
    return stored


def _attributes(sample: str, rock: Rock, made: Segmented, recipe: Recipe, clock: Clock) -> dict[str, Any]:
    return {
        "sample": sample,
        "roi": rock.words,
        "steps": recipe.to_json(),
        "timings_s": clock.seconds,
        "peak_memory_bytes": peak_memory(),
        "versions": versions(),
        "history": list(made.labels.history),
    }
