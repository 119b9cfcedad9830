"""The steps of a recipe, carried out: where the rock is, what is smoothed, what is pore."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from voxelrock import artefacts, filters, segmentation, statistics
from voxelrock.artefacts.outline import MARGIN, MARGIN_VX
from voxelrock.artefacts.sampling import LEAST
from voxelrock.errors import DataError, ParameterError
from voxelrock.geometry import AXES, Cylinder, Region
from voxelrock.graph.execution import compute
from voxelrock.image import Phase, VoxelImage
from voxelrock.labels import connectivity
from voxelrock.segmentation.automatic import threshold_by
from voxelrock.statistics.counting import value_range
from voxelrock.workflow.phases import color_of
from voxelrock.workflow.recipe import Name, Recipe, Threshold
from voxelrock.workflow.regions import parse_axis, parse_region
from voxelrock.workflow.smoothing import needs_noise, reach_of, smoothed

SOLID, PORE, OUTSIDE = 0, 1, 2
GREY_PHASES = {
    SOLID: Phase("solid", "solid", color_of("solid")),
    PORE: Phase("pore", "pore", color_of("pore")),
    OUTSIDE: Phase("outside", "outside", color_of("outside")),
}
BINS = 2**16
_WRITTEN = 2**12
"""Bins, at most, of a histogram of floats in results."""
_MANY = 64
_CLEAR = 3.2
"""Contrast over noise, as it is found in segmented scans, below which a warning is due (of 2, by the definition of synthetic scans, 1.4 to 2.9 are found,
of 4 they are 3.4 to 5.9: only a part of correlated noise is seen, and the classes hold other minerals)."""
_CONTRAST = "difference of the mean grey values of the two classes, divided by the standard deviation of the noise of a voxel"
_FEW = 8
_APART = 0.05
_LITTLE = 0.005
_STRETCHED = 200
Say = Callable[[str], None]


@dataclass(frozen=True)
class Rock:
    """An image with the part of it that is rock: ``where`` is a region, a mask, or None for all of it; ``air`` the grey of what surrounds it, if known."""

    image: VoxelImage
    where: VoxelImage | Region | None
    words: str
    warnings: tuple[str, ...] = ()
    air: float | None = None

    @property
    def cylinder(self) -> Cylinder | None:
        """The cylinder that the rock fills, if its region is one."""
        return self.where if isinstance(self.where, Cylinder) else None


@dataclass(frozen=True)
class Segmented:
    """Lazy labels with their phases, the image that they were made from, and the facts found on the way."""

    labels: VoxelImage
    filtered: VoxelImage
    facts: dict[str, xr.DataArray] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def find_rock(image: VoxelImage, recipe: Recipe) -> Rock:
    """Where the rock is: the region that the recipe names or that is found, less voxels without data and labels of role outside.

    Raises
    ------
    ParameterError, DataError
        A region that cannot be read or lies outside the image; a mask that is empty.
    """
    outside = _outside_labels(image, recipe)
    rock = _named_region(image, recipe, outside)
    masks = [] if rock.image.nodata is None else [rock.image.valid]
    masks += [~rock.image.assign(nodata=None).isin(outside)] if outside else []
    where = rock.where
    for mask in masks:
        where = mask if where is None else mask & mask.with_data(mask.restriction(where))
    return replace(rock, where=where)


def _outside_labels(image: VoxelImage, recipe: Recipe) -> list[int]:
    phases = dict(recipe.last.phases) if isinstance(recipe.last, Name) else dict(image.phases)
    return [label for label, phase in phases.items() if phase.role == "outside"]


def _named_region(image: VoxelImage, recipe: Recipe, outside: list[int]) -> Rock:
    kind = recipe.roi.partition(":")[0]
    if kind in ("auto", "none") and outside:
        return Rock(image, None, f"the rock is where the label is not {', '.join(map(str, outside))} (outside)")
    if kind not in ("auto", "none"):
        region = parse_region(recipe.roi, image)
        if isinstance(region, VoxelImage) and not float(compute(statistics.porosity(region), label="reading the mask")):
            raise DataError(f"the region of interest {recipe.roi} holds no rock: the mask is zero everywhere")
        return Rock(image, region, f"the region of interest is {recipe.roi}")
    axis = parse_axis(recipe.roi)
    if kind == "auto" and image.dtype.kind == "b" and image.nodata is not None:
        return Rock(image, None, "the rock is where the mask holds data")
    if min(n for name, n in zip(AXES, image.shape) if name != axis) < LEAST:
        return Rock(image, None, "the whole image counts as rock: it is too small to look for a plug in it")
    found = artefacts.outline(image, axis=axis)
    wide = _margin(image, recipe, found.radius)
    if found.region is not None and wide is not None:
        found = artefacts.outline(image, axis=axis, margin=wide)
    if found.padding is not None and math.isnan(found.padding) and image.nodata is None:
        image = image.assign(nodata=math.nan)
    if kind == "auto":
        used = "" if found.region is None else f" ({found.to_text()})"
        return Rock(image, found.region, found.describe() + used, air=found.air_level if found.air else None)
    warnings = () if found.region is None else (f"the whole image counts as rock (roi none), though it has surroundings: {found.describe()}",)
    return Rock(image, None, "the whole image counts as rock", warnings)


def _margin(image: VoxelImage, recipe: Recipe, radius: float) -> float | None:
    """How far the region stays inside a plug where filters reach further than the outline's own margin allows for; else None."""
    reach = reach_of(recipe.denoising)
    wide = (reach + MARGIN_VX - 1) * max(image.grid.spacing)  # the outline's own voxels are blur, and the reach of the smallest median
    return wide if reach > 1 and wide > MARGIN * radius else None


@dataclass(frozen=True)
class Quiet:
    """The smoothed scan, lazy or stored; the rock whose smoothed values know nothing of voxels without data; and facts of the scan as it was."""

    image: VoxelImage
    where: VoxelImage | Region | None
    facts: dict[str, xr.DataArray] = field(default_factory=dict)


def denoised(rock: Rock, recipe: Recipe) -> Quiet:
    """The scan after the recipe's filters, lazy; the level of the noise, and the walls of the pores, are found here and now."""
    step = recipe.last
    first: dict[str, Any] = {"noise_level": statistics.noise_level(rock.image, where=rock.where)} if needs_noise(recipe.denoising) else {}
    first |= {"threshold": _walls(rock, step.phase)} if isinstance(step, Threshold) and step.method == "edges" else {}
    known = dict(compute(first, label="noise and walls")) if first else {}
    image, where = _smoothed(rock, recipe, float(known.get("noise_level", 0.0)))
    return Quiet(image, where, known)


def segment(rock: Rock, recipe: Recipe, quiet: Quiet, say: Say) -> Segmented:
    """Labels of the rock, lazy: the threshold is found here and now, or the labels that the image has."""
    if isinstance(recipe.last, Name):
        return _named(rock, recipe.last)
    return _thresholded(rock, recipe.last, quiet, say)


def _smoothed(rock: Rock, recipe: Recipe, noise: Any) -> tuple[VoxelImage, VoxelImage | Region | None]:
    """The smoothed image, and where it counts."""
    image, where = rock.image, rock.where
    reach = reach_of(recipe.denoising)
    if image.nodata is not None and reach:
        edge = 2 * reach + 1
        whole = filters.uniform(image.valid.astype("f4"), size_vx=edge) > 1 - 0.5 / edge**3
        where = whole & whole.with_data(whole.restriction(where))
        image = image.where(image.valid, other=0).assign(nodata=None)
    return smoothed(image, recipe.denoising, noise), where


def filtered(image: VoxelImage, recipe: Recipe, noise: float) -> VoxelImage:
    """The image as the recipe smooths it, for showing."""
    return smoothed(image.assign(nodata=None), recipe.denoising, noise)


def _walls(rock: Rock, phase: str) -> xr.DataArray:
    """The threshold in the middle of the walls of the pores, of the scan as it is."""
    if phase == "dark":
        return segmentation.edge_threshold(rock.image, where=rock.where)
    image = rock.image if rock.image.nodata is None else rock.image.astype("f4").where(rock.image.valid, other=np.nan)
    return -segmentation.edge_threshold(-image, where=rock.where)


def _thresholded(rock: Rock, step: Threshold, smooth: Quiet, say: Say) -> Segmented:
    quiet, where, known = smooth.image, smooth.where, smooth.facts
    bins = None if value_range(quiet.dtype) else BINS
    wanted: dict[str, Any] = {"histogram": statistics.histogram(quiet, where=where, bins=bins)}
    wanted |= {f"grey_{k}": v for k, v in statistics.summary(rock.image, where=where).items()}
    if step.value is None and "threshold" not in known:
        wanted["threshold"] = threshold_by(quiet, method=step.method, where=where, bins=BINS)
    if quiet is not rock.image:
        wanted["undenoised"] = statistics.histogram(rock.image, where=where, bins=bins)
    facts = known | dict(compute(wanted, label="threshold"))
    for name in (k for k in facts if k.startswith("grey_")):
        facts[name] = facts[name].assign_attrs(definition=f"{facts[name].attrs.get('definition', '')}; of the grey values inside the region, before denoising")
    if step.value is not None:
        facts["threshold"] = xr.DataArray(float(step.value), attrs={"units": "1", "definition": "given by the user; the dark class is value <= threshold"})
    limit = float(facts["threshold"])
    say(f"threshold {limit:g} ({step.method.replace('_', ' ')})")
    facts["histogram"] = _occupied(facts["histogram"])
    trust = segmentation.assess(facts["histogram"], threshold=limit, phase=step.phase)
    facts |= {str(k): v for k, v in trust.items()}
    facts["porosity_curve"] = segmentation.porosity_curve(facts["histogram"], phase=step.phase)
    different = facts["undenoised"] if "undenoised" in facts else facts["histogram"]
    few = np.count_nonzero(different.values) <= _FEW
    warnings = [*trust.attrs["warnings"], *_moved(facts, limit, step.phase), *_outliers(facts["histogram"])]
    if bins is not None:
        facts |= _readable(facts["histogram"], facts["porosity_curve"])
    warnings += _noisy(facts, limit, float(known.get("noise_level", 0.0)))
    if few:
        warnings.append("the image has few different values: if it is segmented, name its pores with --pore (in Python Recipe.of(phases=…))")
    dark = segmentation.threshold(quiet, high=limit)
    pores = dark if step.phase == "dark" else ~dark
    return Segmented(_restricted(pores.astype("u1"), where, GREY_PHASES, OUTSIDE), quiet, facts, tuple(warnings))


def _moved(facts: dict[str, xr.DataArray], limit: float, phase: str) -> list[str]:
    """The porosity of the scan as it was, at the same threshold; a warning where denoising moves it by more than the interval would tell."""
    if "undenoised" not in facts:
        return []
    curve = segmentation.porosity_curve(_occupied(facts.pop("undenoised")), phase=phase)
    below = int((curve["value"].values <= limit).sum()) - 1
    before = float(curve[below]) if below >= 0 else float(phase == "bright")
    words = "porosity of the scan before denoising, at the same threshold"
    facts["porosity_undenoised"] = xr.DataArray(before, attrs={"units": "1", "definition": words})
    after = float(facts["pore_fraction"])
    if abs(after - before) <= max(_LITTLE, _APART * max(after, before)):
        return []
    return [f"denoising moves the porosity from {before:.4f} to {after:.4f} at the same threshold: it removes thin pores, or noise; compare --denoise none"]


def _noisy(facts: dict[str, xr.DataArray], limit: float, noise: float) -> list[str]:
    """A warning where the noise comes near the contrast between the two classes."""
    if not noise:
        return []
    histogram = facts["histogram"]
    values, counts, dark = histogram["value"].values, histogram.values, histogram["value"].values <= limit
    if not (counts[dark].any() and counts[~dark].any()):
        return []
    contrast = abs(np.average(values[~dark], weights=counts[~dark]) - np.average(values[dark], weights=counts[dark]))
    facts["contrast_to_noise"] = xr.DataArray(contrast / noise, attrs={"units": "1", "definition": _CONTRAST})
    if contrast >= _CLEAR * noise:
        return []
    return [
        f"the contrast between pore and solid is {contrast / noise:.1f} times the noise: porosity and surface are uncertain by much more than their interval"
    ]


def _outliers(histogram: xr.DataArray) -> list[str]:
    """A warning where a few voxels stretch the range so far that all others share a few bins."""
    share = np.cumsum(histogram.values) / histogram.values.sum()
    inner = int(np.searchsorted(share, 0.9995) - np.searchsorted(share, 0.0005)) + 1
    if inner * _STRETCHED > histogram.size or histogram.size < BINS // 2:
        return []
    ends = f"{float(histogram['value'][0]):g} to {float(histogram['value'][-1]):g}"
    return [f"a few voxels lie far from all others (values from {ends}): the histogram is coarse for the rock; leave them out (--roi)"]


def _occupied(histogram: xr.DataArray) -> xr.DataArray:
    """A histogram from its first to its last counted value."""
    counted = histogram.values.nonzero()[0]
    return histogram.isel(value=slice(int(counted[0]), int(counted[-1]) + 1))


def _restricted(labels: VoxelImage, where: Any, phases: dict[int, Phase], outside: int) -> VoxelImage:
    """The labels inside, ``outside`` elsewhere."""
    labels = labels.assign(nodata=None)
    if where is None:
        return labels.assign(phases={k: p for k, p in phases.items() if k != outside or not _added(p)})
    kept = labels.where(labels.with_data(labels.restriction(where), phases={}), other=outside)
    return kept.assign(phases=phases)


def _added(phase: Phase) -> bool:
    return phase == GREY_PHASES[OUTSIDE]


def _named(rock: Rock, step: Name) -> Segmented:
    image, phases = rock.image, dict(step.phases)
    if image.dtype.kind == "f":
        raise ParameterError("labels are whole numbers, and this image holds floats; convert it first (image.astype('u1')), or threshold it")
    present = _present(image)
    own = image.dtype.kind == "b" or all(image.phases.get(k) == p for k, p in phases.items())
    missing = [label for label in phases if label not in present]
    if missing and not own:
        hint = "; is it a grey scan? Then leave out --pore" if len(present) > _MANY else ""
        raise DataError(f"the image has no voxel with the label {', '.join(map(str, missing))}; it has {_listed(present)}{hint}")
    warnings = () if len(present) <= _MANY else (f"the image has {len(present)} different labels: is it a grey scan? Then leave out --pore",)
    if len(present) <= _MANY:
        phases |= {label: Phase(f"solid {label}", "solid") for label in present if label not in phases}
    outside = next((k for k, p in phases.items() if p.role == "outside"), None)
    if outside is None:
        outside = next(k for k in range(len(present) + len(phases) + 1) if k not in present and k not in phases)
        phases[outside] = GREY_PHASES[OUTSIDE]
    labels = image.astype("u1") if image.dtype.kind == "b" else image
    return Segmented(_restricted(labels, rock.where, dict(sorted(phases.items())), outside), image, {}, warnings)


def _present(image: VoxelImage) -> list[int]:
    """The labels of an image; of images of more than 16 bits, which should be small numbers all the same, those up to 65535."""
    if image.dtype.kind == "b":
        image = image.astype("u1")
    if value_range(image.dtype) is None:
        image = image.assign(nodata=None).astype("u2")
    table = compute(statistics.histogram(image.assign(phases={})), label="labels")
    return [int(v) for v in table["value"].values[table.values > 0]]


def _listed(labels: list[int]) -> str:
    shown = ", ".join(map(str, labels[:12]))
    return shown if len(labels) <= 12 else f"{shown}, … ({len(labels)} in all)"


def _readable(histogram: xr.DataArray, curve: xr.DataArray) -> dict[str, xr.DataArray]:
    """The histogram of floats in fewer bins, and its curve at fewer values: what is written, drawn, and read by people."""
    step = -(-histogram.size // _WRITTEN)
    first = np.arange(0, histogram.size, step)
    last = np.minimum(first + step, histogram.size) - 1
    middle = (first + last) // 2
    axes = {name: ("value", histogram[name].values[at], histogram[name].attrs) for name, at in (("value", middle), ("left", first), ("right", last))}
    fewer = xr.DataArray(np.add.reduceat(histogram.values, first), dims="value", coords=axes, name=histogram.name, attrs=histogram.attrs)
    return {"histogram": fewer, "porosity_curve": curve.isel(value=middle)}


def exact_shares(facts: dict[str, xr.DataArray], porosity: float) -> dict[str, xr.DataArray]:
    """The classes' shares as the labels have them: in a histogram of floats the threshold lies within a bin."""
    shares = {"pore_fraction": porosity, "solid_fraction": 1.0 - porosity}
    return {k: facts[k].copy(data=np.asarray(v)) for k, v in shares.items() if k in facts}


def measure(labels: VoxelImage) -> dict[str, xr.DataArray]:
    """Numbers and curves of labels, in one reading."""
    roles = {p.role for p in labels.phases.values()}
    wanted: dict[str, Any] = {"porosity": statistics.porosity(labels), "phase_fractions": statistics.phase_fractions(labels)}
    wanted["connected"] = connectivity(labels)
    if "micro" in roles:
        wanted["total_porosity"] = statistics.porosity(labels, total=True)
    if "fluid" in roles:
        wanted["saturation"] = statistics.saturation(labels)
    wanted |= {f"profile_{axis}": statistics.profile(labels, axis=axis) for axis in "zyx"}
    found: dict[str, xr.DataArray] = compute(wanted, label="measuring")
    found |= _bulk(labels, found["phase_fractions"]) | _connected(found.pop("connected"))
    if "saturation" in found:
        found["saturation"] = found["saturation"].rename(label="fluid", phase="fluid_name")
    for axis in "zyx":
        spread = found[f"profile_{axis}"].std(skipna=True)
        facts = {"units": "1", "definition": f"standard deviation of the porosities of the slices across {axis}"}
        found[f"slice_spread_{axis}"] = xr.DataArray(float(spread), attrs=facts)
    return found


def _connected(found: Any) -> dict[str, xr.DataArray]:
    """Effective, percolating and isolated porosity: the table, and as numbers what 6 neighbours join, as fractions of the bulk."""
    kinds = [str(name) for name in found.data_vars if name != "components"]
    definitions = "; ".join(f"{kind}: {found[kind].attrs['definition']}" for kind in kinds)
    facts = {"units": "1", "long_name": "connected porosity", "definition": definitions}
    table = found[kinds].to_dataarray("kind", name="connected_porosity").assign_attrs(facts)
    numbers = {f"{kind}_porosity": found[kind].sel(connectivity=6, of="bulk", drop=True) for kind in kinds if kind != "total"}
    words = "with 6 neighbours, as a fraction of the bulk"
    numbers = {k: v.assign_attrs(definition=f"{v.attrs['definition'].split(', divided')[0]}, {words}") for k, v in numbers.items()}
    count = xr.DataArray(int(found["components"].sel(connectivity=6)), attrs={"units": "1", "definition": "connected components of the pores, 6 neighbours"})
    return {"connected_porosity": table, **numbers, "components": count}


def connectivity_warnings(found: dict[str, xr.DataArray]) -> list[str]:
    """Where porosities with 6 and with 26 neighbours differ by more than 5 %, the pores are hardly resolved."""
    table, told = found["connected_porosity"].sel(of="bulk"), []
    for kind in ("effective", "percolating_z", "percolating_y", "percolating_x"):
        few, many = (float(table.sel(kind=kind, connectivity=n)) for n in (6, 26))
        if abs(many - few) > _APART * max(few, many):
            told.append(f"the {kind.replace('_', ' along ')} porosity is {few:.4f} with 6 neighbours and {many:.4f} with 26")
    return [f"{'; '.join(told)}: throats of about a voxel decide {'it' if len(told) == 1 else 'them'}"] if told else []


def _bulk(labels: VoxelImage, shares: xr.DataArray) -> dict[str, xr.DataArray]:
    """The bulk volume that porosities refer to, and the fractions of it that the phases hold."""
    outside = [k for k, p in labels.phases.items() if p.role == "outside"]
    counts = (shares * labels.size).round()
    inside = counts.sel(label=[k for k in counts["label"].values if k not in outside])
    count = int(inside.sum()) + labels.size - int(counts.sum())  # labels that no phase names are solid
    grid = labels.grid
    known = grid.unit != "voxel"
    volume = count * math.prod(grid.to_unit("mm").spacing if known else grid.spacing)
    units = "mm³" if known else "voxels"
    attrs = {"units": "1", "long_name": "phase fraction", "definition": "voxels with the label divided by those of the bulk"}
    return {
        "phase_fractions": (inside / count).assign_attrs(attrs),
        "bulk_voxels": xr.DataArray(count, attrs={"units": "voxels", "definition": "voxels of the bulk: those that are not outside"}),
        "bulk_volume": xr.DataArray(volume, attrs={"units": units, "definition": "volume of the bulk: its voxels times the volume of one"}),
    }
