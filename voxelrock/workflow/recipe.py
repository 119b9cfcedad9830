"""An analysis as a value: steps with their parameters, written so that they can be repeated on another scan."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from voxelrock.errors import FormatError, MissingFileError, ParameterError
from voxelrock.geometry.axes import axis_number
from voxelrock.image import Phase, VoxelImage
from voxelrock.image.metadata import checked_phases, phases_from_json, phases_to_json
from voxelrock.segmentation.automatic import THRESHOLDS
from voxelrock.typing import Json

FORMAT = 1
METHODS = ("edges", *THRESHOLDS, "threshold")
DENOISERS = ("non_local_means", "median", "gaussian", "none")
CORRECTIONS = ("slices", "outliers", "drift", "hardening", "shading", "rings")
STATISTICS = ("surface", "correlation", "chords", "windows")


@dataclass(frozen=True)
class Restrict:
    """Measure in a region of interest only; see :func:`voxelrock.workflow.parse_region` for the texts that ``roi`` takes.

    ``nodata`` is the value of voxels that hold no data (NaN is one), for images that declare none themselves.
    """

    name: ClassVar[str] = "restrict"
    roi: str = "auto"
    nodata: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.roi, str):
            raise ParameterError(f"roi is text, such as 'auto' or 'none'; got {self.roi!r}")
        if self.nodata is not None and (not isinstance(self.nodata, int | float) or isinstance(self.nodata, bool)):
            raise ParameterError(f"nodata is a number (NaN is one); got {self.nodata!r}")


@dataclass(frozen=True)
class Correct:
    """Remove artefacts of a grey scan before it is denoised: some of ``"slices"`` (bad ones are found and interpolated), ``"outliers"``, ``"drift"``,
    ``"hardening"`` (cupping), ``"shading"`` and ``"rings"``, in this order; ``axis`` is that of rotation, across which slices lie."""

    name: ClassVar[str] = "correct"
    of: tuple[str, ...]
    axis: str = "z"

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", _some_of(self.of, CORRECTIONS, "corrections"))
        axis_number(self.axis)


@dataclass(frozen=True)
class Denoise:
    """Smooth a grey scan: ``method`` is ``"non_local_means"`` or ``"median"`` (which look ``radius_vx`` voxels far), ``"gaussian"`` (its sigma) or
    ``"none"``."""

    name: ClassVar[str] = "denoise"
    method: str = "non_local_means"
    radius_vx: float = 2.0

    def __post_init__(self) -> None:
        if self.method not in DENOISERS:
            raise ParameterError(f"denoise is one of {', '.join(DENOISERS)}; got {self.method!r}")
        if not _is_number(self.radius_vx) or not 0 <= self.radius_vx < 1000:
            raise ParameterError(f"radius_vx is a number of voxels, not negative; got {self.radius_vx!r}")


@dataclass(frozen=True)
class Sharpen:
    """Give walls some of the steepness back that the scanner's blur took from them: an unsharp mask, ``amount`` times what a Gaussian removes."""

    name: ClassVar[str] = "sharpen"
    amount: float = 0.75
    sigma_vx: float = 1.0

    def __post_init__(self) -> None:
        if not (_is_number(self.amount) and _is_number(self.sigma_vx) and 0 <= self.amount < 100 and 0 < self.sigma_vx < 1000):
            raise ParameterError(f"amount (not negative) and sigma_vx (positive) are numbers; got {self}")


@dataclass(frozen=True)
class Threshold:
    """Part a grey scan into two classes: by ``method`` ``"edges"`` (the walls of the dark phase), ``"otsu"``, ``"minimum_error"`` or another of ``METHODS``,
    or at a given ``value`` (``method="threshold"``).

    ``phase`` says which class is pore: ``"dark"`` (grey value <= threshold) or ``"bright"``.
    """

    name: ClassVar[str] = "threshold"
    method: str = "edges"
    value: float | None = None
    phase: str = "dark"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ParameterError(f"method is one of {', '.join(METHODS)}; got {self.method!r}")
        if (self.method == "threshold") != (self.value is not None):
            raise ParameterError("method='threshold' and a value for the threshold go together")
        if self.value is not None and not _is_number(self.value):
            raise ParameterError(f"a threshold is a finite number; got {self.value!r}")
        if self.phase not in ("dark", "bright"):
            raise ParameterError(f"phase is 'dark' or 'bright'; got {self.phase!r}")


@dataclass(frozen=True)
class Name:
    """Say what the labels of a segmented image are: ``phases`` are pairs of label and :class:`voxelrock.Phase`; other labels are solid."""

    name: ClassVar[str] = "name"
    phases: tuple[tuple[int, Phase], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "phases", tuple(checked_phases(self.phases).items()))
        if not any(p.role in ("pore", "fluid", "micro") for _, p in self.phases):
            raise ParameterError("no label is pore: name the pores, with --pore, --micro or --phases (in Python phases={1: vr.Phase('pore', 'pore')})")


@dataclass(frozen=True)
class Sizes:
    """Measure sizes of pores and throats, with the tension (N/m) and contact angle (degrees) of the capillary curve."""

    name: ClassVar[str] = "sizes"
    interfacial_tension: float = 0.485
    contact_angle: float = 140.0

    def __post_init__(self) -> None:
        if not _is_number(self.interfacial_tension) or self.interfacial_tension <= 0 or not _is_number(self.contact_angle):
            raise ParameterError(f"interfacial_tension (N/m, positive) and contact_angle (degrees) are numbers; got {self}")


@dataclass(frozen=True)
class Structure:
    """Measure spatial statistics: some of ``"surface"`` (Minkowski functionals, intercepts), ``"correlation"``, ``"chords"`` and ``"windows"``."""

    name: ClassVar[str] = "structure"
    of: tuple[str, ...] = STATISTICS

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", _some_of(self.of, STATISTICS, "statistics"))


Step = Restrict | Correct | Denoise | Sharpen | Threshold | Name | Sizes | Structure
_STEPS: dict[str, type[Any]] = {kind.name: kind for kind in (Restrict, Correct, Denoise, Sharpen, Threshold, Name, Sizes, Structure)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _some_of(said: Any, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    chosen = tuple(said) if isinstance(said, list | tuple) else ()
    if not chosen or any(one not in known for one in chosen) or len(set(chosen)) < len(chosen):
        raise ParameterError(f"{what} are some of {', '.join(known)}; got {', '.join(map(repr, chosen)) or repr(said)}")
    return chosen


@dataclass(frozen=True)
class Recipe:
    """The steps of an analysis, in order.

    Parameters
    ----------
    steps
        At most one ``Restrict``, first; for grey scans at most one ``Correct``, and any number of ``Denoise`` and ``Sharpen``; then one ``Threshold`` (grey
        scans) or one ``Name`` (segmented images); last, if sizes of pores are measured, ``Sizes``, and if spatial statistics are, ``Structure``.

    Raises
    ------
    ParameterError
        The steps are in another order, or there is none that says what is pore.
    """

    steps: tuple[Step, ...] = (Restrict(), Denoise(), Sharpen(), Threshold(), Sizes(), Structure())

    def __post_init__(self) -> None:
        kinds = [step.name for step in self.steps]
        kinds = kinds[:-1] if kinds[-1:] == ["structure"] else kinds
        kinds = kinds[:-1] if kinds[-1:] == ["sizes"] else kinds
        last, middle = kinds[-1:], kinds[1 if kinds[:1] == ["restrict"] else 0 : -1]
        smoothing = middle[1:] if middle[:1] == ["correct"] else middle
        if last not in (["threshold"], ["name"]) or any(k not in ("denoise", "sharpen") for k in smoothing) or (last == ["name"] and middle):
            raise ParameterError(
                f"a recipe is restrict, correct (each at most once), denoise and sharpen (grey scans only), threshold or name, then sizes and structure "
                f"(or not); "
                f"got {', '.join(step.name for step in self.steps) or 'no step'}"
            )

    @classmethod
    def of(cls, *, roi: str = "auto", denoise: str = "non_local_means", radius_vx: float | None = None, method: str | None = None,
           threshold: float | None = None, phase: str = "dark", phases: Mapping[int, Phase] | None = None) -> Recipe:  # fmt: skip
        """The usual recipe: for a grey scan, or with ``phases`` for a segmented image. ``radius_vx`` is 2 for non-local means, which are followed by
        sharpening, and 1 for others, which are not (see :meth:`sharpened`)."""
        if phases is not None:
            return cls((Restrict(roi), Name(tuple(phases.items())), Sizes(), Structure()))
        chosen = method or ("edges" if threshold is None else "threshold")
        usual = denoise == "non_local_means"
        smooth = Denoise(denoise, float((2 if usual else 1) if radius_vx is None else radius_vx))
        smoothing = () if denoise == "none" or not smooth.radius_vx else (smooth,)
        return cls((Restrict(roi), *smoothing, *((Sharpen(),) if usual else ()), Threshold(chosen, threshold, phase), Sizes(), Structure()))

    def sharpened(self, amount: float) -> Recipe:
        """The recipe that sharpens a grey scan by so much after denoising, or not at all (0)."""
        sharp = (Sharpen(amount),) if Sharpen(amount).amount else ()
        steps: list[Step] = []
        for step in self.steps:
            if not isinstance(step, Sharpen):
                steps += [*(sharp if isinstance(step, Threshold) else ()), step]
        return Recipe(tuple(steps))

    def corrected(self, of: Sequence[str], *, axis: str = "z") -> Recipe:
        """The recipe that removes these artefacts of a grey scan first, or none."""
        steps: list[Step] = [s for s in self.steps if not isinstance(s, Correct)]
        if of:
            steps.insert(isinstance(steps[0], Restrict), Correct(tuple(of), axis))
        return Recipe(tuple(steps))

    @classmethod
    def suited(cls, image: VoxelImage, *, roi: str = "auto") -> Recipe:
        """The usual recipe for an image: booleans are True in their pores, labels with phases are what those say, all else is grey."""
        if image.dtype.kind == "b":
            return cls.of(roi=roi, phases={0: Phase("solid", "solid"), 1: Phase("pore", "pore")})
        if any(p.role in ("pore", "fluid", "micro") for p in image.phases.values()):
            return cls.of(roi=roi, phases=dict(image.phases))
        return cls.of(roi=roi)

    @property
    def roi(self) -> str:
        """The region of interest, as text."""
        return next((s.roi for s in self.steps if isinstance(s, Restrict)), "none")

    @property
    def nodata(self) -> float | None:
        """The value of voxels that hold no data, for images that declare none."""
        return next((s.nodata for s in self.steps if isinstance(s, Restrict)), None)

    def declared(self, image: VoxelImage) -> tuple[VoxelImage, Recipe]:
        """The image with the recipe's value for no data where it declares none, and the recipe with that of the image where it does."""
        if image.nodata is None and self.nodata is not None and image.dtype.kind != "b" and (image.dtype.kind == "f" or not math.isnan(self.nodata)):
            image = image.assign(nodata=self.nodata)
        value = image.nodata if isinstance(image.nodata, int | float) else None
        rest = tuple(s for s in self.steps if not isinstance(s, Restrict))
        return image, self if value is None else Recipe((Restrict(self.roi, value), *rest))

    @property
    def correction(self) -> Correct | None:
        """Which artefacts are removed, if any."""
        return next((s for s in self.steps if isinstance(s, Correct)), None)

    @property
    def denoising(self) -> tuple[Denoise | Sharpen, ...]:
        """The steps that smooth and sharpen."""
        return tuple(s for s in self.steps if isinstance(s, Denoise | Sharpen))

    @property
    def last(self) -> Threshold | Name:
        """The step that says what is pore."""
        return next(s for s in self.steps if isinstance(s, Threshold | Name))

    @property
    def sizes(self) -> Sizes | None:
        """How sizes of pores are measured, if they are."""
        return next((s for s in self.steps if isinstance(s, Sizes)), None)

    @property
    def structure(self) -> Structure | None:
        """Which spatial statistics are measured, if any."""
        return next((s for s in self.steps if isinstance(s, Structure)), None)

    @property
    def grey(self) -> bool:
        """Whether it is for grey scans."""
        return isinstance(self.last, Threshold)

    def with_sizes(self, wanted: bool) -> Recipe:
        """The recipe that measures sizes of pores, or not."""
        rest = tuple(s for s in self.steps if not isinstance(s, Sizes | Structure))
        sized = (self.sizes or Sizes(),) if wanted else ()
        return Recipe((*rest, *sized, *((self.structure,) if self.structure else ())))

    def with_statistics(self, of: Sequence[str]) -> Recipe:
        """The recipe that measures some spatial statistics, or none."""
        rest = tuple(s for s in self.steps if not isinstance(s, Structure))
        return Recipe((*rest, Structure(tuple(of)))) if of else Recipe(rest)

    def changed(self, *, roi: str | None = None, threshold: float | None = None, phases: Mapping[int, Phase] | None = None) -> Recipe:
        """The recipe with another region, a given threshold, or (for a segmented image) other phases."""
        steps = [s for s in self.steps if not isinstance(s, Restrict)]
        if phases is not None:
            steps = [Name(tuple(phases.items())), *(s for s in steps if isinstance(s, Sizes | Structure))]
        elif threshold is not None:
            if not isinstance(self.last, Threshold):
                raise ParameterError("a threshold is for grey scans, and this recipe names the labels of a segmented image")
            steps[steps.index(self.last)] = replace(self.last, method="threshold", value=threshold)
        return Recipe((Restrict(self.roi if roi is None else roi, self.nodata), *steps))

    def to_json(self) -> list[Json]:
        """The steps as plain values."""
        return [_step_to_json(step) for step in self.steps]

    @classmethod
    def from_json(cls, rows: Any) -> Recipe:
        """The recipe of plain values.

        Raises
        ------
        ParameterError
            A step or a parameter that this version does not know.
        """
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ParameterError('a recipe holds [[steps]], each with step = "…" and its parameters')
        return cls(tuple(_step_from_json(row) for row in rows))

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """The recipe in a ``recipe.toml``.

        Raises
        ------
        MissingFileError, FormatError, ParameterError
            No such file, no TOML, a newer format, or steps that this version does not know.
        """
        tables = read_toml(Path(path))
        if "steps" not in tables:
            raise FormatError(f"{path} is no recipe of voxelrock: it has no [[steps]]")
        return cls.from_json(tables["steps"])


def _step_to_json(step: Step) -> Json:
    if isinstance(step, Name):
        return {"step": step.name, "phases": phases_to_json(dict(step.phases))}
    return {"step": step.name} | {k: v for k, v in asdict(step).items() if v is not None}


def _step_from_json(row: Json) -> Step:
    said = dict(row)
    name = said.pop("step", None)
    if name not in _STEPS:
        raise ParameterError(f"this version knows no step {name!r}; it knows {', '.join(_STEPS)}")
    kind = _STEPS[name]
    known = {f.name for f in fields(kind)}
    unknown = sorted(said.keys() - known)
    if unknown:
        raise ParameterError(f"the step {name!r} has no parameter {unknown[0]!r}; it has {', '.join(sorted(known))}")
    if kind is Name:
        rows = said.get("phases", [])
        if not isinstance(rows, list) or any(not isinstance(r, dict) or {"label", "name", "role"} - r.keys() for r in rows):
            raise ParameterError("each phase of the step 'name' has a label, a name and a role")
        said["phases"] = tuple(phases_from_json(rows).items())
    made: Step = kind(**said)
    return made


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a recipe.

    Raises
    ------
    MissingFileError, FormatError
        No such file, no TOML, or one of a newer format.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no recipe {path}")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read as TOML: {error}") from None
    form = tables.get("format", FORMAT)
    if not isinstance(form, int) or form > FORMAT:
        raise FormatError(f"{path} has format {form}, which a newer voxelrock wrote; this one reads formats up to {FORMAT}: upgrade voxelrock")
    return tables
