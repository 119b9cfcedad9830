"""The phases that synthetic rocks are made of: names, roles, colours, and how bright a scanner sees them."""

from __future__ import annotations

from collections.abc import Mapping

from voxelrock.errors import ParameterError
from voxelrock.image import Phase
from voxelrock.image.metadata import Phases

PORE = Phase("pore", "pore", "#1f6fb4")
SOLID = Phase("solid", "solid", "#d9c9a3")
AIR = Phase("air", "outside", "#ffffff")
QUARTZ = Phase("quartz", "solid", "#e3cf9c")
FELDSPAR = Phase("feldspar", "solid", "#d08c60")
HEAVY = Phase("heavy mineral", "solid", "#6d2e46")
CEMENT = Phase("quartz cement", "solid", "#b9a26a")
CLAY = Phase("clay", "micro", "#7a9e7e", porosity=0.4)
CALCITE = Phase("calcite", "solid", "#cfd4dc")
SPAR = Phase("calcite spar", "solid", "#9aa5b8")
MICRITE = Phase("micrite", "micro", "#8c9a6b", porosity=0.3)
SHALE = Phase("clay matrix", "micro", "#6f7f72", porosity=0.05)
CARBONATE = Phase("dolomite", "solid", "#b7a6c9")
PYRITE = Phase("pyrite", "solid", "#d4af37")

_ATTENUATION = {
    QUARTZ.name: 1.0,
    CEMENT.name: 1.0,
    FELDSPAR.name: 1.17,
    HEAVY.name: 2.6,
    CLAY.name: 1.05,
    CALCITE.name: 1.4,
    SPAR.name: 1.44,
    MICRITE.name: 1.4,
    SHALE.name: 0.88,
    CARBONATE.name: 1.3,
    PYRITE.name: 2.7,
}
"""Attenuation of the solid itself relative to quartz, at the energies of a laboratory scanner, roughly."""

_ROLES = {"pore": 0.0, "outside": 0.0, "fluid": 0.35, "solid": 1.0, "micro": 1.0}
"""The same for phases of other names; pores and surroundings hold air."""


def attenuation(phase: Phase) -> float:
    """Attenuation relative to quartz, pores inside the phase taken for air."""
    solid = _ATTENUATION.get(phase.name, _ROLES[phase.role])
    return solid * (1.0 - phase.porosity) if phase.role == "micro" else solid


def grey_of(phases: Phases, *, air: float, contrast: float) -> dict[int, float]:
    """The grey level of each label: that of air, and ``contrast`` more for quartz."""
    return {label: air + contrast * attenuation(phase) for label, phase in phases.items()}


def contrast_of(phases: Phases, levels: Mapping[int, float]) -> float:
    """The difference between the grey of pores (the first pore, fluid or outside phase) and of the first solid phase.

    Without phases, between the two lowest levels.

    Raises
    ------
    ParameterError
        There are no two levels that differ.
    """
    empty = [levels[k] for k, p in phases.items() if p.role in ("pore", "fluid", "outside") and k in levels]
    solid = [levels[k] for k, p in phases.items() if p.role in ("solid", "micro") and k in levels]
    if empty and solid and empty[0] != solid[0]:
        return abs(solid[0] - empty[0])
    distinct = sorted(set(levels.values()))
    if len(distinct) < 2:
        raise ParameterError("the noise follows from the contrast of two phases, and there is one grey level only; give noise=")
    return distinct[1] - distinct[0]
