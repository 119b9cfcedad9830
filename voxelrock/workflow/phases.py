"""Phases as people write them: ``--pore 1,3 --micro 2:0.35``, or a table in a file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path

from voxelrock.errors import FormatError, MissingFileError, ParameterError
from voxelrock.image import Phase, VoxelImage
from voxelrock.image.metadata import ROLES, checked_phases

COLUMNS = ("label", "name", "colour", "role", "porosity")
_COLORS = {"pore": "#e4572e", "micro": "#e9a23b", "solid": "#c9c2b0", "fluid": "#0b6e99", "outside": "#e8ecef"}


def color_of(role: str) -> str:
    """The colour of a role where the user names none."""
    return _COLORS[role]


def parse_labels(text: str, *, option: str = "--pore") -> tuple[int, ...]:
    """Labels from text such as ``"1,3"``."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ParameterError(f"{option} takes labels such as 0 or 1,3; got {text!r}") from None


def parse_micro(texts: Iterable[str]) -> dict[int, float]:
    """Porosities of microporous labels from texts such as ``"2:0.35"``, each of which may hold several, separated by commas."""
    found: dict[int, float] = {}
    for part in (p for text in texts for p in text.split(",")):
        label, colon, porosity = part.partition(":")
        try:
            pair = int(label), float(porosity)
        except ValueError:
            raise ParameterError(f"--micro takes label:porosity, such as 2:0.35; got {part!r}") from None
        if not colon or not 0.0 <= pair[1] <= 1.0:
            raise ParameterError(f"the porosity of a microporous label is a fraction from 0 to 1; got {part!r}")
        if found.get(pair[0], pair[1]) != pair[1]:
            raise ParameterError(f"label {pair[0]} has two porosities: {found[pair[0]]} and {pair[1]}")
        found[pair[0]] = pair[1]
    return found


def phases_from(
    *, pore: Iterable[int] = (), outside: Iterable[int] = (), micro: dict[int, float] | None = None, table: str | Path | None = None
) -> dict[int, Phase]:
    """Phases from labels by role, and from a table.

    Parameters
    ----------
    pore, outside
        Labels.
    micro
        Porosity by label.
    table
        A CSV file with the columns label, name, colour, role, porosity; label and role are needed.

    Raises
    ------
    ParameterError
        A label with two roles, or a table with unknown columns or values.
    """
    named = [] if table is None else list(read_phases(table).items())
    pairs = [*named, *((k, Phase("pore", "pore", _COLORS["pore"])) for k in pore), *((k, Phase("outside", "outside", _COLORS["outside"])) for k in outside)]
    pairs += [(k, Phase("microporous", "micro", _COLORS["micro"], share)) for k, share in (micro or {}).items()]
    roles: dict[int, str] = {}
    for label, phase in pairs:
        if roles.setdefault(label, phase.role) != phase.role:
            raise ParameterError(f"label {label} has two roles: {roles[label]} and {phase.role}")
    # The table's names and colours stand where an option only repeats the role.
    return checked_phases(dict(reversed(pairs)))


def read_phases(path: str | Path) -> dict[int, Phase]:
    """Phases from a CSV file with the columns label, name, colour, role, porosity.

    Raises
    ------
    MissingFileError, FormatError, ParameterError
        No such file; unknown columns or none; a label or number that cannot be read, a label twice, a role that there is not.
    """
    found: dict[int, Phase] = {}
    for number, row in read_rows(Path(path), COLUMNS, needed=("label", "role")):
        role = row["role"].lower()
        if role not in ROLES:
            raise ParameterError(f"{Path(path).name}, line {number}: the role is one of {', '.join(ROLES)}; got {row['role']!r}")
        try:
            label, porosity = int(row["label"]), float(row["porosity"]) if row["porosity"] else math.nan
        except ValueError:
            raise ParameterError(
                f"{Path(path).name}, line {number}: a label is a whole number and a porosity a fraction; got {row['label']!r}, {row['porosity']!r}"
            ) from None
        if label in found:
            raise ParameterError(f"{Path(path).name}, line {number}: label {label} is named twice")
        found[label] = Phase(row["name"] or f"{role} {label}", role, row["colour"] or color_of(role), porosity)
    return found


def read_rows(path: Path, columns: tuple[str, ...], *, needed: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers, every column present as text; comments (#) and empty lines are left out.

    Raises
    ------
    MissingFileError, FormatError
        No such file; columns that are unknown, missing or twice; a row with more cells than columns.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; check the path")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise FormatError(f"{path.name} is no text in UTF-8; save it as CSV (UTF-8)") from None
    kept = [(i + 1, line) for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    if not kept:
        raise FormatError(f"{path.name} is empty; its first line names the columns: {', '.join(columns)}")
    separator = ";" if kept[0][1].count(";") > kept[0][1].count(",") else ","
    rows = [(number, [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]) for number, line in kept]
    head = [name.lower().replace("color", "colour") for name in rows[0][1]]
    unknown = [name for name in head if name not in columns]
    if unknown:
        raise FormatError(f"{path.name} has the unknown column {unknown[0]!r}; it may have {', '.join(columns)}")
    lacking = [name for name in needed if name not in head]
    if lacking or len(set(head)) < len(head):
        raise FormatError(f"{path.name} needs the columns {', '.join(needed)}, each once; it has {', '.join(head)}")
    for number, cells in rows[1:]:
        if len(cells) > len(head):
            raise FormatError(f"{path.name}, line {number}: {len(cells)} cells for {len(head)} columns; put quotes around cells that hold a {separator!r}")
    return [(number, dict.fromkeys(columns, "") | dict(zip(head, cells))) for number, cells in rows[1:]]


def pores_of(labels: VoxelImage) -> tuple[VoxelImage, VoxelImage | None]:
    """The resolved pores of labels, fluids in them too, and where the rock is: None for everywhere."""
    outside = [k for k, p in labels.phases.items() if p.role == "outside"]
    return labels.isin([k for k, p in labels.phases.items() if p.role in ("pore", "fluid")]), ~labels.isin(outside) if outside else None
