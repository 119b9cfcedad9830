"""The page: sections of numbers, tables and pictures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import xarray as xr
from matplotlib.figure import Figure

from voxelrock import __version__
from voxelrock.graph.execution import compute
from voxelrock.image import VoxelImage
from voxelrock.image.presentation import facts
from voxelrock.statistics import histogram, summary
from voxelrock.viz import plot_histogram, slices

_STYLE = """
:root { color-scheme: light; --ink: #1f2933; --muted: #5b6b7b; --line: #d9e0e6; --accent: #0b6e99; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.5rem 4rem; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: #fff; }
header { border-bottom: 3px solid var(--accent); margin-bottom: 2rem; padding-bottom: .8rem; }
h1 { font-size: 1.7rem; margin: 0; } header p { margin: .3rem 0 0; color: var(--muted); }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .8rem; }
.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .8rem; }
.number { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; }
.number b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; color: var(--accent); }
.number span { font-size: .95rem; } .number small { display: block; color: var(--muted); line-height: 1.35; margin-top: .25rem; }
.number.first { grid-column: 1 / -1; } .number.first b { font-size: 2.4rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; font-weight: 600; white-space: nowrap; vertical-align: top; padding: .3rem 1.2rem .3rem 0; color: var(--muted); }
td { padding: .3rem 0; overflow-wrap: anywhere; } tr { border-bottom: 1px solid var(--line); }
figure { margin: 0; } figure img { max-width: 100%; height: auto; } figcaption { color: var(--muted); font-size: .9rem; }
footer { margin-top: 3rem; color: var(--muted); font-size: .85rem; border-top: 1px solid var(--line); padding-top: .8rem; }
@media print { body { max-width: none; } section { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Section:
    """A titled part of a page; ``body`` is HTML."""

    title: str
    body: str

    @classmethod
    def numbers(cls, title: str, rows: Iterable[tuple[str, xr.DataArray]]) -> Section:
        """Results with units and definitions; the first one stands out."""
        cards = []
        for i, (name, value) in enumerate(rows):
            definition = value.attrs.get("definition", "") + (f"; bulk: {value.attrs['bulk']}" if "bulk" in value.attrs else "")
            number = html.escape(shown(value))
            kind = "number first" if i == 0 else "number"
            cards.append(f'<div class="{kind}"><span>{html.escape(name)}</span><b>{number}</b><small>{html.escape(definition)}</small></div>')
        return cls(title, f'<div class="numbers">{"".join(cards)}</div>')

    @classmethod
    def table(cls, title: str, rows: Sequence[tuple[str, str]]) -> Section:
        """Names and texts."""
        lines = "".join(f"<tr><th scope='row'>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows)
        return cls(title, f"<table>{lines}</table>")

    @classmethod
    def picture(cls, title: str, png: bytes, caption: str) -> Section:
        """A picture, inside the page."""
        data = base64.b64encode(png).decode()
        text = html.escape(caption)
        return cls(title, f'<figure><img src="data:image/png;base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>')


def shown(value: xr.DataArray) -> str:
    """A number with its unit: counts in full, all else to six digits."""
    units = value.attrs.get("units", "1")
    text = f"{int(value):,}".replace(",", " ") if units == "voxels" else f"{float(value):.6g}"
    return text if units == "1" else f"{text} {units}"


def figure_png(figure: Figure) -> bytes:
    """A figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def write_page(title: str, sections: Iterable[Section]) -> str:
    """A whole page as HTML text.

    Examples
    --------
    >>> write_page("Rock", [Section.table("Facts", [("shape", "4 × 4 × 4")])]).startswith("<!doctype html>")
    True
    """
    body = "".join(f"<section><h2>{html.escape(s.title)}</h2>{s.body}</section>" for s in sections)
    name = html.escape(title)
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{name}</title><style>{_STYLE}</style>"
    top = f"<header><h1>{name}</h1><p>voxelrock {__version__}</p></header>"
    foot = "<footer>Every number carries its definition; no number depends on chunks, workers or threads.</footer>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{top}{body}{foot}</body></html>"


def image_sections(image: VoxelImage) -> list[Section]:
    """What there is to say of any image: its facts, slices, exact histogram and summary; computes, in one reading."""
    found = compute({"summary": summary(image), "histogram": histogram(image)}, label="measuring")
    rows = [(str(k), v) for k, v in found["summary"].items()]
    return [
        Section.table("Image", facts(image)),
        Section.picture("Slices", figure_png(slices(image)), "Three orthogonal slices through the middle."),
        Section.picture("Histogram", figure_png(plot_histogram(found["histogram"])), "Exact histogram of all voxels that hold data."),
        Section.numbers("Values", rows),
        Section.table("History", [(str(i + 1), f"{h['operation']} {h['parameters']}") for i, h in enumerate(image.history)]),
    ]
