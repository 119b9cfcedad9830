"""What an image says of its values: the field, and the phases of a segmentation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.typing import Json

ROLES = ("pore", "micro", "solid", "fluid", "outside")


@dataclass(frozen=True)
class Field:
    """The physical quantity of the voxels: its name, unit and a description."""

    name: str = ""
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class Phase:
    """A phase of a segmentation.

    Parameters
    ----------
    name
        Such as ``"quartz"``.
    role
        ``"pore"``, ``"micro"`` (microporous solid), ``"solid"``, ``"fluid"`` (a fluid in the pores) or ``"outside"`` (not rock at all).
    color
        A colour of Matplotlib, or empty.
    porosity
        The porosity inside a micro phase; 1 for pores and fluids, 0 for solids.
    """

    name: str
    role: str
    color: str = ""
    porosity: float = math.nan

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ParameterError(f"the role of phase {self.name!r} is one of {', '.join(ROLES)}; got {self.role!r}")
        usual = {"pore": 1.0, "fluid": 1.0, "solid": 0.0, "outside": 0.0}.get(self.role, math.nan)
        if math.isnan(self.porosity):
            if math.isnan(usual):
                raise ParameterError(f"the micro phase {self.name!r} needs its porosity, such as porosity=0.3")
            object.__setattr__(self, "porosity", usual)
        if not 0.0 <= self.porosity <= 1.0:
            raise ParameterError(f"the porosity of phase {self.name!r} is a fraction from 0 to 1; got {self.porosity}")


Phases = Mapping[int, Phase]


def checked_phases(phases: Mapping[int, Phase] | Iterable[tuple[int, Phase]]) -> dict[int, Phase]:
    """Phases by label, in ascending order.

    Raises
    ------
    ParameterError
        A label has two phases, or is no integer.
    ParameterTypeError
        No mapping, or one whose values are no phases.
    """
    if not isinstance(phases, Iterable):
        raise ParameterTypeError(f"phases are a mapping of labels, such as {{0: vr.Phase('pore', 'pore')}}; got {phases!r}")
    pairs = list(phases.items() if isinstance(phases, Mapping) else phases)
    found: dict[int, Phase] = {}
    for label, phase in pairs:
        if not isinstance(phase, Phase):
            raise ParameterTypeError(f"a phase is such as vr.Phase('pore', 'pore'), a name and a role; label {label!r} has {phase!r}")
        if isinstance(label, str) or int(label) != label:
            raise ParameterError(f"the label of a phase is an integer; got {label!r}")
        if int(label) in found and found[int(label)] != phase:
            raise ParameterError(f"label {label} has two roles: {found[int(label)].role} and {phase.role}")
        found[int(label)] = phase
    return dict(sorted(found.items()))


def phases_to_json(phases: Phases) -> list[Json]:
    """Phases as plain JSON."""
    return [{"label": label, **asdict(phase)} for label, phase in phases.items()]


def phases_from_json(rows: Iterable[Mapping[str, Any]]) -> dict[int, Phase]:
    """Phases from plain JSON."""
    return checked_phases((row["label"], Phase(row["name"], row["role"], row.get("color", ""), row.get("porosity", math.nan))) for row in rows)
