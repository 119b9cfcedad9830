"""How an image shows itself: text for a terminal, HTML for a notebook."""

from __future__ import annotations

import html
from typing import Any

from dask.array.svg import svg

from voxelrock.image.validity import is_mask


def describe_memory(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.3g} {unit}"
        count /= 1024
    raise AssertionError


def _extent(image: Any) -> str:
    grid = image.grid
    if grid.unit == "voxel":
        return "scale unknown"
    return " × ".join(f"{e:.4g}" for e in grid.extent) + f" {grid.unit}"


def facts(image: Any) -> list[tuple[str, str]]:
    """What is worth knowing of an image, as pairs of words."""
    tiling = image.tiling
    block = tiling.typical()
    rows = [
        ("shape (z, y, x)", " × ".join(map(str, image.shape))),
        ("type", str(image.dtype) + (f", {image.field.name}" if image.field.name else "") + (f" ({image.field.unit})" if image.field.unit else "")),
        ("spacing", ("" if image.grid.isotropic else "(z, y, x) ") + str(image.grid).rsplit("of ", 1)[-1]),
        ("extent", _extent(image)),
        ("size", describe_memory(image.nbytes)),
        ("blocks", f"{len(tiling)} of {' × '.join(map(str, block))} ({describe_memory(block[0] * block[1] * block[2] * image.dtype.itemsize)} each)"),
    ]
    if image.nodata is not None:
        rows.append(("no data", "in some voxels" if is_mask(image.nodata) else f"{image.nodata}"))
    if image.phases:
        rows.append(("phases", ", ".join(f"{label} {p.name} ({p.role})" for label, p in image.phases.items())))
    if image.history:
        rows.append(("history", " → ".join(["…"] * (len(image.history) > 4) + [str(h["operation"]) for h in image.history[-4:]])))
    return rows


def as_text(image: Any) -> str:
    """Lines for a terminal."""
    width = max(len(name) for name, _ in facts(image))
    return "<VoxelImage>\n" + "\n".join(f"  {name:<{width}}  {text}" for name, text in facts(image))


def as_html(image: Any) -> str:
    """A table and a drawing of the blocks, for a notebook."""
    rows = "".join(
        f"<tr><th style='text-align:left;padding-right:1em'>{html.escape(name)}</th><td style='text-align:left'>{html.escape(text)}</td></tr>"
        for name, text in facts(image)
    )
    drawing = svg(image.data.chunks, size=140) if image.size else ""
    return f"<div style='display:flex;gap:2em;align-items:center'><table><caption>VoxelImage</caption>{rows}</table>{drawing}</div>"
