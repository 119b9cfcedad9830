"""The step of a recipe that removes artefacts, before grey values are denoised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import xarray as xr

from voxelrock import artefacts
from voxelrock.geometry import Cylinder
from voxelrock.graph.execution import compute
from voxelrock.image import VoxelImage
from voxelrock.workflow.recipe import CORRECTIONS, Correct
from voxelrock.workflow.stages import Rock, Say

_FEW = 0.1
"""A share of the slices that is more than a few."""


def corrected(rock: Rock, step: Correct, say: Say) -> tuple[VoxelImage, tuple[str, ...]]:
    """The scan without the artefacts that the step names, of the scan's type, lazy; and what there is to say about it.

    Slices that are replaced are found here and now.
    """
    image, words = rock.image, []
    for kind in (k for k in CORRECTIONS if k in step.of):
        say(f"correcting {kind}")
        if kind == "slices":
            image, text = _whole_slices(replace(rock, image=image), step.axis)
            words += text
        else:
            image = _KINDS[kind](replace(rock, image=image), step.axis).astype(rock.image.dtype, clip=True)
    return image.assign(nodata=rock.image.nodata), tuple(words)


def _whole_slices(rock: Rock, axis: str) -> tuple[VoxelImage, list[str]]:
    found = compute(artefacts.bad_slices(rock.image, axis=axis, where=rock.where), label="bad slices")
    bad = [int(n) for n in found["slice"].values[found["bad"].values]]
    if not bad:
        return rock.image, []
    listed = ", ".join(map(str, bad[:20])) + (", …" if len(bad) > 20 else "")
    words = f"{len(bad)} of {found.sizes[axis]} slices across {axis} were replaced by what lies between their neighbours: {listed}"
    if len(bad) > _FEW * found.sizes[axis]:
        words += "; so many may be real: look at them"
    return artefacts.interpolate_slices(rock.image, slices=bad, axis=axis), [words]


_KINDS: dict[str, Callable[[Rock, str], VoxelImage]] = {
    "outliers": lambda rock, axis: artefacts.remove_outliers(rock.image),
    "drift": lambda rock, axis: artefacts.correct_drift(rock.image, axis=axis, where=rock.where),
    "hardening": lambda rock, axis: artefacts.correct_beam_hardening(rock.image, cylinder=rock.cylinder, air=rock.air, where=rock.where),
    "shading": lambda rock, axis: artefacts.correct_shading(rock.image, air=rock.air, where=rock.where),
    "rings": lambda rock, axis: artefacts.remove_rings(rock.image, axis=axis, where=rock.where),
}


def planned(image: VoxelImage, step: Correct) -> VoxelImage:
    """The corrections for a plan, which computes nothing: about the middle, no slice replaced."""
    rock = Rock(image, Cylinder.inscribed(image.grid, axis=step.axis), "")
    for kind in (k for k in CORRECTIONS if k in step.of and k != "slices"):
        if kind == "rings":
            middle = image.grid.point([n // 2 for n in image.shape])
            image = artefacts.remove_rings(image, axis=step.axis, center=middle._asdict(), where=rock.where)
        else:
            image = _KINDS[kind](replace(rock, image=image), step.axis)
        image = image.astype(rock.image.dtype, clip=True)
    return image


def solid_levels(scans: dict[str, VoxelImage], rock: Rock, axis: str) -> dict[str, xr.DataArray]:
    """The solid's grey in shells and in slices of several scans, in one reading: what a person judges corrections by."""
    lazy: dict[str, Any] = {k: artefacts.solid_profiles(v, cylinder=rock.cylinder, axis=axis, where=rock.where) for k, v in scans.items()}
    found = xr.concat(list(compute(lazy, label="solid levels").values()), dim=xr.Variable("scan", list(lazy)))
    return {f"solid_{name}": found[name].rename(None) for name in map(str, found.data_vars)}


def scans_of(results: xr.Dataset) -> dict[str, xr.Dataset]:
    """The solid's grey in results, as :func:`solid_levels` put it there, by scan."""
    names = [str(k) for k in results.data_vars if str(k).startswith("solid_") and "scan" in results[k].dims]
    found = results[names].rename({k: k.removeprefix("solid_") for k in names})
    return {str(k): found.sel(scan=k) for k in found["scan"].values}
