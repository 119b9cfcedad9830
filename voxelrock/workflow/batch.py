"""Many samples, one summary: what a campaign of a laboratory is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import FormatError, ParameterError
from voxelrock.geometry import ZYX
from voxelrock.geometry.units import VOXEL, conversion, parse_length
from voxelrock.image import Phase, VoxelImage
from voxelrock.io.opening import open as open_image
from voxelrock.io.tables import save_table
from voxelrock.report import Section, figure_png, shown, write_page
from voxelrock.storage.remote import is_url
from voxelrock.viz import plot_samples
from voxelrock.workflow.analysis import analyze
from voxelrock.workflow.phases import parse_labels, phases_from, read_rows
from voxelrock.workflow.recipe import Name, Recipe
from voxelrock.workflow.results import write_text
from voxelrock.workflow.stages import Say

_OURS = ("summary.csv", "summary.html")
COLUMNS = ("sample", "path", "voxel_size", "pore", "outside", "roi", "threshold")
_TABLE = ("porosity", "porosity_low", "porosity_high", "total_porosity", "effective_porosity", "threshold", "separability", "bulk_volume", "slice_spread_z")


@dataclass(frozen=True)
class Sample:
    """A row of a samples file: a name, a path, and what differs from the common recipe."""

    name: str
    path: Path | str
    voxel_size: str = ""
    pore: tuple[int, ...] = ()
    outside: tuple[int, ...] = ()
    roi: str = ""
    threshold: float | None = None

    def recipe(self, common: Recipe | None, image: VoxelImage, *, roi: str = "") -> Recipe:
        """The steps for this sample; ``roi`` is that of samples that name none."""
        steps = common or Recipe.suited(image)
        phases = self._phases(common) if self.pore or self.outside else None
        return steps.changed(roi=self.roi or roi or None, threshold=self.threshold, phases=phases)

    def _phases(self, common: Recipe | None) -> dict[int, Phase]:
        """The phases of this sample: its pores and outside in place of the common ones, all else as in the common recipe."""
        own = phases_from(pore=self.pore, outside=self.outside)
        if common is None or not isinstance(common.last, Name):
            return own
        replaced = {phase.role for phase in own.values()}
        kept = {label: phase for label, phase in common.last.phases if phase.role not in replaced}
        for label, phase in kept.items():
            if label in own and phase.role != "solid":
                raise ParameterError(f"label {label} has two roles: {phase.role} in the common recipe and {own[label].role} in the samples file")
        return kept | own


def read_samples(path: str | Path) -> list[Sample]:
    """The samples of a CSV file with the columns sample, path, voxel_size, pore, outside, roi, threshold; only the first two are needed.

    Paths, those of masks among them, are relative to the file; a path may be a URL of an object store.
    Labels are separated by spaces or semicolons, or by commas inside quotes.

    Raises
    ------
    MissingFileError, FormatError, ParameterError
        No such file; unknown columns; two samples of one name; a cell that cannot be read.
    """
    place = Path(path)
    found: list[Sample] = []
    for number, row in read_rows(place, COLUMNS, needed=("sample", "path")):
        at = f"{place.name}, line {number}"
        name = row["sample"]
        if not name or not row["path"]:
            raise FormatError(f"{at}: a sample needs a name and a path")
        if "/" in name or "\\" in name or name.startswith("."):
            raise FormatError(f"{at}: the name of a sample names its folder, so it has no slash and no leading dot; got {name!r}")
        if name.lower() in _OURS:
            raise FormatError(f"{at}: {name} is the name of a file beside the samples' folders; name the sample otherwise")
        if name.lower() in (s.name.lower() for s in found):
            raise FormatError(f"{at}: there are two samples of the name {name!r}")
        try:
            threshold = float(row["threshold"]) if row["threshold"] else None
        except ValueError:
            raise ParameterError(f"{at}: a threshold is a number; got {row['threshold']!r}") from None
        labels = {
            key: parse_labels(",".join(row[key].replace(";", " ").replace(",", " ").split()), option=f"{at}: {key}") if row[key] else ()
            for key in ("pore", "outside")
        }
        if threshold is not None and (labels["pore"] or labels["outside"]):
            raise ParameterError(f"{at}: a threshold is for grey scans, and pore or outside says that the image is segmented; leave one of them empty")
        mask = place.parent / row["roi"]
        roi = str(mask) if row["roi"] and mask.is_file() else row["roi"]
        scan = row["path"] if is_url(row["path"]) else place.parent / row["path"]
        found.append(Sample(name, scan, row["voxel_size"], labels["pore"], labels["outside"], roi, threshold))
    if not found:
        raise FormatError(f"{place.name} names no sample")
    return found


def parse_voxel_size(text: str | None) -> Any:
    """One length, or three along z, y, x separated by commas, as what :func:`voxelrock.open` takes for ``spacing``; None for no text.

    Raises
    ------
    ParameterError
        Another number of lengths, or one without a unit.
    """
    parts = text.split(",") if text else []
    if len(parts) not in (0, 1, 3):
        raise ParameterError(f"a voxel size is one length, or three along z,y,x; got {text!r}")
    if parts and all(parse_length(part)[1] is None for part in parts):
        raise ParameterError(f"the voxel size {text!r} has no unit; write {text}um for micrometres, or {text}voxel where its scale is unknown")
    return ZYX(*parts) if len(parts) == 3 else text or None


def _open(path: Path | str, voxel_size: str) -> VoxelImage:
    return open_image(path, spacing=parse_voxel_size(voxel_size))


def analyze_samples(path: str | Path, /, *, out: str | Path, recipe: Recipe | None = None, overwrite: bool = False, say: Say = lambda text: None,
                    open_sample: Callable[[Path | str, str], VoxelImage] = _open, roi: str = "") -> xr.Dataset:  # fmt: skip
    """Analyse every sample of a file, each into a folder of its own; computes.

    A sample that fails is reported and the rest go on. Called again, only what is missing is done. The folder gets ``summary.csv`` and
    ``summary.html``, which are brought up to date after every sample.

    Parameters
    ----------
    path
        A CSV file; see the columns in the notes.
    out
        The folder of the campaign; each sample gets a folder in it.
    recipe
        The common steps; the columns roi, threshold, pore and outside change them for one sample.
    overwrite
        Do everything anew.
    say
        Called with what is being done.
    open_sample
        Opens a path with a voxel size (text, may be empty); for files without a header. By default :func:`voxelrock.open`.
    roi
        The region of interest of samples whose row names none; by default that of the common recipe.

    Returns
    -------
    xarray.Dataset
        Over ``sample``: ``status`` ("done" or "failed"), ``error``, and the numbers, NaN where a sample has none.

    Raises
    ------
    MissingFileError, FormatError, ParameterError
        The samples file cannot be read.

    Notes
    -----
    Columns: ``sample`` and ``path`` (relative to the file), then ``voxel_size`` ("8um"), ``pore``, ``outside`` (labels of segmented images), ``roi``,
    ``threshold``; empty cells take the common recipe.

    Examples
    --------
    >>> import tempfile, pathlib, voxelrock as vr
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = vr.save(vr.generators.blobs(shape=16, porosity=0.3, length=3, seed=1), folder / "a.npy")
    >>> _ = (folder / "samples.csv").write_text("sample,path\\nA,a.npy\\nB,missing.npy\\n")
    >>> analyze_samples(folder / "samples.csv", out=folder / "campaign").status.values.tolist()
    ['done', 'failed']
    """
    samples = read_samples(path)
    folder = Path(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for number, sample in enumerate(samples):
        say(f"sample {number + 1} of {len(samples)}: {sample.name}")
        rows.append(_one(sample, folder, overwrite, say, lambda s=sample: _opened(s, recipe, roi, open_sample)))  # type: ignore[misc]
        _summarize(folder, rows, samples[number + 1 :])
    return _table(rows)


def _opened(sample: Sample, common: Recipe | None, roi: str, open_sample: Callable[[Path | str, str], VoxelImage]) -> tuple[VoxelImage, Recipe]:
    image = open_sample(sample.path, sample.voxel_size)
    return image, sample.recipe(common, image, roi=roi)


def _one(sample: Sample, folder: Path, overwrite: bool, say: Say, opened: Callable[[], tuple[VoxelImage, Recipe]]) -> dict[str, Any]:
    try:
        image, steps = opened()
        found = analyze(image, out=folder / sample.name, recipe=steps, source=sample.path, sample=sample.name, overwrite=overwrite, say=say)
    except Exception as error:  # whatever one sample does, the campaign goes on
        words = " ".join(f"{error}".split()) or type(error).__name__
        say(f"FAILED {sample.name}: {words}")
        return {"sample": sample.name, "status": "failed", "error": words, "results": None}
    return {"sample": sample.name, "status": "done", "error": "", "results": found}


def _table(rows: list[dict[str, Any]]) -> xr.Dataset:
    """All numbers over the samples."""
    numbers: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        for name, value in row["results"].data_vars.items() if row["results"] is not None else ():
            if value.ndim == 0:
                numbers.setdefault(str(name), {"units": value.attrs.get("units", "1"), "definition": value.attrs.get("definition", "")})
    table = xr.Dataset(coords={"sample": [row["sample"] for row in rows]})
    for name in ("status", "error"):
        table[name] = ("sample", np.array([row[name] for row in rows], object))
    table["warnings"] = ("sample", np.array(["; ".join(row["results"].attrs["warnings"]) if row["results"] is not None else "" for row in rows], object))
    for name, facts in numbers.items():
        found = [row["results"][name] if row["results"] is not None and name in row["results"] else None for row in rows]
        units = _common_units([str(value.attrs.get("units", "1")) for value in found if value is not None])
        values = [np.nan if value is None else float(value) * _factor(str(value.attrs.get("units", "1")), units) for value in found]
        table[name] = ("sample", values, {**facts, "units": units})
    return table


def _common_units(units: list[str]) -> str:
    """The first physical unit of several, else the first of all."""
    return next((u for u in units if u not in ("voxels", "1")), units[0])


def _factor(units: str, common: str) -> float:
    """What turns a value in some units into one in those of the table; NaN where nothing does, as in a volume of unknown scale."""
    if units == common:
        return 1.0
    if VOXEL + "s" in (units, common) or not (units.endswith("³") and common.endswith("³")):
        return float("nan")
    return conversion(units[:-1], common[:-1]) ** 3


def _summarize(folder: Path, rows: list[dict[str, Any]], waiting: Iterable[Sample]) -> None:
    """The table and the page as they stand, samples that wait included."""
    all_rows = [*rows, *({"sample": s.name, "status": "waiting", "error": "", "results": None} for s in waiting)]
    table = _table(all_rows)
    save_table(table, folder / "summary.csv", overwrite=True)
    write_text(folder / "summary.html", _page(table))


def _page(table: xr.Dataset) -> str:
    names = [n for n in _TABLE if n in table]
    rows = []
    for i, sample in enumerate(table["sample"].values):
        cells = [shown(table[n][i]) if np.isfinite(float(table[n][i])) else "–" for n in names]
        rows.append((str(sample), str(table["status"].values[i]), *cells))
    parts = [Section.table("Samples", rows, head=("sample", "status", *(n.replace("_", " ") for n in names))).noted(
        *(f"{n.replace('_', ' ')}: {table[n].attrs.get('definition', '')}." for n in names))]  # fmt: skip
    if "porosity" in table:
        ends = {key: table[f"porosity_{key}"].values for key in ("low", "high") if f"porosity_{key}" in table}
        figure = plot_samples([str(s) for s in table["sample"].values], table["porosity"].values, **ends)
        parts.append(
            Section.picture(
                "Porosity", figure_png(figure), "Resolved porosity of the samples; the line is the interval of the threshold, one noise width either way."
            )
        )
    failed = [(str(s), str(e)) for s, e in zip(table["sample"].values, table["error"].values) if e]
    if failed:
        parts.append(Section.table("Failed samples", failed))
    warnings = [f"{s}: {w}" for s, w in zip(table["sample"].values, table["warnings"].values) if w]
    return write_page("Comparison of samples", parts, subtitle=f"{len(rows)} samples", warnings=warnings)
