"""Rows as Markdown, and the file that keeps the last table of each family."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.model import FAMILIES, Family, Operation
from benchmarks.rounds import Row

HEADER = """# Results

Made by `python -m benchmarks --out benchmarks/RESULTS.md`; each family replaces its own section. How it is measured: [README.md](README.md).

- Machine: {machine}
- Versions: {software}
"""


def section(family: Family, rows: list[Row], when: str, image: str = "") -> str:
    """A family's table with its notes, and the reasons of those that could not run; ``image`` names the image if it is no made one."""
    shown = [row for row in rows if row.seconds]
    title = f"## {family.name}: {family.title}" + (f", {image}" if image else "")
    lines = [title, "", _circumstances(family, shown, when), "", *_table(family, shown)]
    if family.notes:
        lines += ["", family.notes]
    absent = {row.contender: row.reason for row in rows if row.reason}
    if absent:
        lines += ["", "Could not run:", "", *(f"- {name}: {reason}" for name, reason in absent.items())]
    return "\n".join(lines) + "\n"


def _circumstances(family: Family, rows: list[Row], when: str) -> str:
    sizes = ", ".join(f"{n}³" for n in sorted({row.size for row in rows}))
    images = f"images of {sizes} voxels; " if family.voxels else ""
    return f"{when}; {images}time ratio: to the first contender of the same operation."


def _table(family: Family, rows: list[Row]) -> list[str]:
    names = ["operation", "contender", "median s", *(["Mvoxel/s"] if family.voxels else []), "time ratio", "peak MB", "runs", "answer", *family.columns]
    lines = ["| " + " | ".join(names) + " |", "|---|---|" + "---:|" * (len(names) - 2)]
    operations = {operation.name: operation for operation in family.operations}
    first: dict[str, float] = {}
    for row in rows:
        seconds = row.median or 0.0
        first.setdefault(row.operation, seconds)
        cells = [row.operation, f"*{row.contender}* (limit)" if row.limit else row.contender, f"{seconds:.3g}"]
        if family.voxels:
            cells.append(_number(row.size**3 / seconds / 1e6))
        cells += [f"{seconds / first[row.operation]:.2f}", _number(max(row.peaks)) if row.peaks else "–", str(len(row.seconds))]
        cells += [_answer(row, operations.get(row.operation)), *(str(row.columns.get(name, "")) for name in family.columns)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _answer(row: Row, operation: Operation | None) -> str:
    if operation is None or operation.tolerance is None or row.difference is None:
        return "–"
    if row.contender == operation.contenders[0].name:
        return "reference"
    if row.difference == 0:
        return "equal"
    return f"within {row.difference:.0e}" if row.difference <= operation.tolerance else f"DIFFERS by {row.difference:.0e}"


def differing(family: Family, rows: list[Row]) -> list[str]:
    """The contenders whose answers lie further from the reference than the operation allows."""
    operations = {operation.name: operation for operation in family.operations}
    found = []
    for row in rows:
        operation = operations.get(row.operation)
        if operation is not None and operation.tolerance is not None and row.difference is not None and row.difference > operation.tolerance:
            found.append(f"{row.operation}: {row.contender} differs by {row.difference:.1e}")
    return found


def merge(path: Path, sections: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """Write the file: new sections, and the old ones of what did not run; a section of a given image is ``family__image``."""
    before = path.read_text() if path.exists() else ""
    kept = dict(re.findall(r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->", before, flags=re.DOTALL))
    kept |= sections
    order = [key for name in FAMILIES for key in sorted(kept) if key.partition("__")[0] == name]
    parts = [f"<!-- begin {key} -->\n{kept[key]}<!-- end {key} -->\n" for key in order]
    path.write_text("\n".join([HEADER.format(**facts), *parts]))
