"""The report of an analysis: what a reader of a paper asks, in that order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.image.presentation import describe_memory
from voxelrock.report import Section, shown, write_page
from voxelrock.viz.style import shown_unit
from voxelrock.workflow.structures import NUMBERS

_CITATIONS = {
    "edges": "Threshold: the median grey value in the middle of the steepest walls beside dark voxels, of the scan before denoising; after J. Weszka, R. "
    "Nagel, A. Rosenfeld (1974), A threshold selection technique, IEEE Trans. Computers C-23, 1322–1326, doi:10.1109/T-C.1974.223780, and J. Canny (1986), A "
    "computational approach to edge detection, IEEE Trans. PAMI 8, 679–698, doi:10.1109/TPAMI.1986.4767851.",
    "otsu": "Threshold: N. Otsu (1979), A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 62–66, doi:10.1109/TSMC.1979.4310076.",
    "minimum_error": "Threshold: J. Kittler, J. Illingworth (1986), Minimum error thresholding, Pattern Recogn. 19, 41–47, doi:10.1016/0031-3203(86)90030-0.",
    "isodata": "Threshold: T. W. Ridler, S. Calvard (1978), Picture thresholding using an iterative selection method, doi:10.1109/TSMC.1978.4310039.",
    "li": "Threshold: C. H. Li, P. K. S. Tam (1998), An iterative algorithm for minimum cross entropy thresholding, doi:10.1016/S0167-8655(98)00057-9.",
    "maximum_entropy": "Threshold: J. N. Kapur, P. K. Sahoo, A. K. C. Wong (1985), doi:10.1016/0734-189X(85)90125-2.",
    "mean": "Threshold: the mean grey value; C. A. Glasbey (1993), doi:10.1006/cgip.1993.1040.",
    "minimum": "Threshold: J. M. S. Prewitt, M. L. Mendelsohn (1966), The analysis of cell images, doi:10.1111/j.1749-6632.1965.tb11715.x.",
    "triangle": "Threshold: G. W. Zack, W. E. Rogers, S. A. Latt (1977), doi:10.1177/25.7.70454.",
    "yen": "Threshold: J. C. Yen, F. J. Chang, S. Chang (1995), A new criterion for automatic multilevel thresholding, doi:10.1109/83.366472.",
    "threshold": "Threshold: given by the user.",
}
_TRUST = (
    "separability",
    "pore_fraction",
    "solid_fraction",
    "pore_mode",
    "solid_mode",
    "solid_width",
    "porosity_low",
    "porosity_high",
    "porosity_slope",
    "peaks",
)
_PORES = ("pore_diameter_d10", "pore_diameter_d50", "pore_diameter_d90", "pore_diameter_mean", "pore_volume_unresolved")
_THROATS = (
    *("entry_pressure", "entry_radius", "throat_radius_mode", "r35", "pore_volume_not_intruded", "resolution_pressure"),
    *("critical_radius_z", "critical_radius_y", "critical_radius_x"),
)
_FIRST = ("total_porosity", "effective_porosity", "isolated_porosity", "threshold", "bulk_volume", "bulk_voxels")
_CAPTIONS = {"raw": "as scanned", "corrected": "without artefacts", "filtered": "after denoising", "segmented": "phases"}


def page_of(results: xr.Dataset, figures: Mapping[str, bytes]) -> str:
    """The page as HTML, from results and the PNGs of the figures."""
    facts = results.attrs
    grey = "histogram" in results
    parts = [
        _first(results),
        _sample(facts),
        Section.picture("Region of interest", figures["slices"], f"Three orthogonal slices through the middle; {facts['roi']}."),
        _numbers(results),
    ]
    if "stages" in figures and grey:
        parts.append(
            Section.picture(
                "From grey values to phases",
                figures["stages"],
                f"The same three slices as scanned, {'after correction, ' if 'solid_radial' in results else ''}after denoising and segmented"
                f"{'; the line is the edge of the region' if _restricted(results) else ''}.",
            )
        )
    parts += _corrections(results, figures)
    crops = [(png, f"{name.removeprefix('crop_')}: {_CAPTIONS[name.removeprefix('crop_')]}") for name, png in figures.items() if name.startswith("crop_")]
    parts.append(Section.pixels("Voxel by voxel", crops).noted("One pixel for each voxel, across z, in the middle of the image."))
    if grey:
        parts += _thresholding(results, figures)
    parts += [_phases(results), _connected(results), *_structure(results, figures), *_sizes(results, figures)]
    words = "Porosity of each slice inside the region; dashed: the whole; band: ± one standard deviation of the slices."
    parts.append(Section.picture("Porosity profiles", figures["profiles"], words).noted(results["profile_z"].attrs.get("definition", "")))
    return write_page(f"{facts['sample']}", [*parts, *_provenance(facts)], subtitle="Porosity and phases of a digital rock", warnings=facts["warnings"])


def _restricted(results: xr.Dataset) -> bool:
    """Whether some voxels are outside of the rock."""
    return int(results["bulk_voxels"]) < math.prod(results.attrs.get("input", {}).get("shape_zyx", [0]))


def _first(results: xr.Dataset) -> Section:
    value = results["porosity"]
    interval = ""
    if "porosity_low" in results:
        interval = f"({float(results['porosity_low']):.4f} to {float(results['porosity_high']):.4f} with the threshold one noise width either way)"
    words = f"{value.attrs.get('definition', '')}; bulk: {value.attrs.get('bulk', '')}"
    if "porosity_undenoised" in results:
        words += f". Before denoising, at the same threshold: {float(results['porosity_undenoised']):.4f}."
    return Section.headline("Porosity φ", f"{float(value):.4f}", interval, words)


def _sample(facts: Mapping[Any, Any]) -> Section:
    said = facts.get("input", {})
    spacing, unit = said.get("spacing_zyx", []), said.get("unit", "")
    size = (
        "unknown: lengths are in voxels"
        if unit == "voxel"
        else " × ".join(f"{s:g}" for s in (spacing[:1] if len(set(spacing)) == 1 else spacing)) + f" {shown_unit(unit)}"
    )
    rows = [
        ("sample", str(facts["sample"])),
        ("source", str(said.get("path") or "an image in memory")),
        ("shape (z, y, x)", " × ".join(map(str, said.get("shape_zyx", [])))),
        ("voxel size", size),
        ("type", str(said.get("dtype", ""))),
        ("region of interest", str(facts["roi"])),
    ]
    return Section.table("Sample", rows)


def _numbers(results: xr.Dataset) -> Section:
    plain = {str(k): v for k, v in results.data_vars.items() if v.ndim == 0 and k not in (*_TRUST, *_PORES, *_THROATS, *NUMBERS, "porosity")}
    names = [*(n for n in _FIRST if n in plain), *(n for n in plain if n not in _FIRST)]
    return Section.numbers("Results", [(n.replace("_", " "), plain[n]) for n in names])


def _corrections(results: xr.Dataset, figures: Mapping[str, bytes]) -> list[Section]:
    """The solid's grey before and after artefacts were removed."""
    if "solid_profiles" not in figures:
        return []
    step = next(s for s in results.attrs["steps"] if s["step"] == "correct")
    rows = []
    for name, what in (("radial", "from the axis outwards"), ("axial", f"along {step['axis']}")):
        levels, counts = results[f"solid_{name}"], results[f"solid_{name}_voxels"]
        rows.append((what, *(f"{_spread(levels.sel(scan=k), counts.sel(scan=k)):.4g}" for k in ("raw", "corrected"))))
    words = (
        f"Mean grey value of the solid against the distance from the plug's axis, and slice by slice along {step['axis']}, as scanned and after the removal "
        f"of {', '.join(step['of'])}. A scan without cupping, rings and drift is flat, as far as its minerals are the same all over."
    )
    spreads = Section.table("", rows, head=("standard deviation of the solid's level", "as scanned", "corrected"))
    return [Section.picture("Artefacts", figures["solid_profiles"], words) + spreads]


def _spread(levels: xr.DataArray, counts: xr.DataArray) -> float:
    """The standard deviation of levels, weighted by voxels."""
    known = np.isfinite(levels.values)
    values, weights = levels.values[known], counts.values[known]
    return float(np.sqrt(np.average((values - np.average(values, weights=weights)) ** 2, weights=weights)))


def _thresholding(results: xr.Dataset, figures: Mapping[str, bytes]) -> list[Section]:
    step = next(s for s in results.attrs["steps"] if s["step"] == "threshold")
    rows = [(name.replace("_", " "), "none" if np.isnan(results[name]) else shown(results[name])) for name in _TRUST if name in results]
    notes = [f"{name.replace('_', ' ')}: {results[name].attrs.get('definition', '')}." for name in _TRUST if name in results]
    kind = "Histogram" if "left" in results["histogram"].coords else "Exact histogram"
    caption = f"{kind} of the denoised grey values inside the region, on a logarithmic axis, with the threshold and the fraction of the voxels in each class."
    curve = "Porosity against the threshold (blue) and its slope (grey); the band is the standard deviation of the solid mode on either side of the threshold."
    return [
        Section.picture("Histogram", figures["histogram"], caption).noted(_CITATIONS[step["method"]]),
        Section.picture("Porosity against the threshold", figures["porosity_threshold"], curve),
        Section.table("Trust in the threshold", rows).noted(*notes),
    ]


def _phases(results: xr.Dataset) -> Section:
    fractions = results["phase_fractions"]
    rows = [(str(label), str(name), f"{value:.6g}") for label, name, value in zip(fractions["label"].values, fractions["phase"].values, fractions.values)]
    table = Section.table("Phases", rows, head=("label", "phase", "fraction")).noted(fractions.attrs.get("definition", ""))
    if "saturation" not in results:
        return table
    fluids = results["saturation"]
    rows = [(str(label), str(name), f"{value:.6g}") for label, name, value in zip(fluids["fluid"].values, fluids["fluid_name"].values, fluids.values)]
    return table + Section.table("", rows, head=("label", "fluid", "saturation")).noted(fluids.attrs.get("definition", ""))


def _connected(results: xr.Dataset) -> Section:
    """Connected porosity: 6 beside 26 neighbours, as fractions of bulk and of pore volume."""
    table = results["connected_porosity"]
    columns = [(n, of) for of in ("bulk", "pore") for n in (6, 26)]
    rows = []
    for kind in table["kind"].values:
        cells = [f"{float(table.sel(kind=kind, connectivity=n, of=of)):.6g}" for n, of in columns]
        rows.append((str(kind).replace("_", " along "), *cells))
    head = ("porosity", *(f"{n} neighbours, of {of}" for n, of in columns))
    notes = table.attrs.get("definition", "").split("; ")
    return Section.table("Connected porosity", rows, head=head).noted(
        *notes, "Pores joined through faces (6) are what flow sees; 26 neighbours join edges and corners too."
    )


def _sizes(results: xr.Dataset, figures: Mapping[str, bytes]) -> list[Section]:
    """Sizes of pores, and what mercury would tell of their throats."""
    sections = []
    if "pore_sizes" in figures:
        words = (
            "Share of the pore volume by diameter of the largest inscribed ball (local thickness; Hildebrand and Rüegsegger 1997): "
            "density (blue) and cumulative share (red), by volume, not by number. Shaded: sizes under 3 voxels across, which the scan does not resolve."
        )
        sections.append(Section.picture("Pore sizes", figures["pore_sizes"], words) + Section.numbers("", _rows(results, _PORES)))
    if "capillary_pressure" in figures:
        step = next(s for s in results.attrs["steps"] if s["step"] == "sizes")
        words = (
            f"Mercury from all sides (interfacial tension {step['interfacial_tension']:g} N/m, contact angle {step['contact_angle']:g}°), "
            "no trapping: capillary pressure against the share of the resolved pore volume that is intruded, and the distribution of throat radii. "
            "Shaded: not resolved; the curve ends at one voxel."
        )
        sections.append(Section.picture("Capillary pressure", figures["capillary_pressure"], words) + Section.numbers("", _rows(results, _THROATS)))
    return sections


def _structure(results: xr.Dataset, figures: Mapping[str, bytes]) -> list[Section]:
    """Spatial statistics: numbers, then the curves that a paper shows."""
    rows = _rows(results, NUMBERS)
    sections = [Section.numbers("Structure", rows)] if rows else []
    words = {
        "two_point": (
            "Two-point correlation",
            "Probability that two voxels a lag apart along an axis are both pore: exact counts, no periodicity. It starts at the porosity φ with a slope of "
            "minus a quarter of the specific surface, and ends at φ² where nothing is correlated any more.",
        ),
        "chords": ("Chord lengths", "Densities of the lengths of lines inside pores and inside solid, along the axes; chords cut by the border are left out."),
        "windows": (
            "Representative volume",
            "Porosity, specific surface and Euler number in windows side by side, against their edge: mean, quantiles (5 to 95 % and 25 to 75 %), the whole "
            "(dashed), and the edge from which on the windows vary by less than 10 % and their mean lies within 5 % of the whole.",
        ),
    }
    return sections + [Section.picture(title, figures[name], caption) for name, (title, caption) in words.items() if name in figures]


def _rows(results: xr.Dataset, names: tuple[str, ...]) -> list[tuple[str, xr.DataArray]]:
    return [(n.replace("_", " "), results[n]) for n in names if n in results]


def _provenance(facts: Mapping[Any, Any]) -> list[Section]:
    steps = [(str(i + 1), step["step"], ", ".join(f"{k} {_words(v)}" for k, v in step.items() if k != "step")) for i, step in enumerate(facts["steps"])]
    seconds = [(f"time for {k}", f"{v:.2f} s") for k, v in facts["timings_s"].items()]
    memory = [("peak memory of the process", describe_memory(facts["peak_memory_bytes"]))]
    history = [(str(i + 1), f"{h['operation']} {json.dumps(h['parameters'], default=str)}") for i, h in enumerate(facts.get("history", []))]
    return [
        Section.table("Steps", steps).noted("recipe.toml repeats them on another scan."),
        Section.table("Input", [(k.replace("_", " "), _words(v)) for k, v in facts.get("input", {}).items()]),
        *([Section.table("History", history)] if history else []),
        Section.table("Versions, timings, memory", [(k, str(v)) for k, v in facts["versions"].items()] + seconds + memory),
    ]


def _words(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(f"{row['label']} {row['name']} ({row['role']})" for row in value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
