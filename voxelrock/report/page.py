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
from voxelrock.viz.style import shown_unit

_STYLE = """
:root { color-scheme: light; --ink: #1f2933; --muted: #5b6b7b; --line: #d9e0e6; --accent: #0b6e99; --warn: #b45309; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.5rem 4rem; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: #fff; }
header { border-bottom: 3px solid var(--accent); margin-bottom: 1.5rem; padding-bottom: .8rem; }
h1 { font-size: 1.7rem; margin: 0; overflow-wrap: anywhere; } header p { margin: .3rem 0 0; color: var(--muted); }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .8rem; }
.warnings { border: 1px solid var(--warn); border-left-width: 6px; border-radius: 8px; background: #fffbeb; padding: .8rem 1.2rem; margin: 0 0 1.5rem; }
.warnings b { color: var(--warn); } .warnings ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.headline { border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.2rem; margin-bottom: .8rem; }
.headline b { font-size: 2.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; color: var(--accent); }
.headline i { font-style: normal; color: var(--muted); }
.headline small { display: block; overflow-wrap: anywhere; color: var(--muted); line-height: 1.4; margin-top: .25rem; }
.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: .8rem; }
.number { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; overflow-wrap: anywhere; }
.number b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; color: var(--accent); }
.number span { font-size: .95rem; } .number small { display: block; color: var(--muted); line-height: 1.35; margin-top: .25rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; font-weight: 600; vertical-align: top; padding: .3rem 1.2rem .3rem 0; color: var(--muted); }
tbody th { white-space: nowrap; }
thead th:not(:first-child) { text-align: right; }
td { padding: .3rem 1.2rem .3rem 0; overflow-wrap: anywhere; vertical-align: top; }
tr { border-bottom: 1px solid var(--line); }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 0 0 1rem; } figure img { max-width: 100%; height: auto; display: block; }
figcaption, .notes { color: var(--muted); font-size: .9rem; overflow-wrap: anywhere; }
.pixels { display: flex; flex-wrap: wrap; gap: 1rem; } .pixels figure { max-width: 100%; overflow-x: auto; }
.pixels img { max-width: none; image-rendering: pixelated; } .notes { margin: .6rem 0 0; padding-left: 1.1rem; }
footer { margin-top: 3rem; color: var(--muted); font-size: .85rem; border-top: 1px solid var(--line); padding-top: .8rem; }
@media (max-width: 30rem) { body { padding: 1.2rem .9rem 2rem; } tbody th { white-space: normal; } .headline b { font-size: 2rem; } }
@media print { body { max-width: none; padding: 0; } section { break-inside: avoid; } section.long { break-inside: auto; } }
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
    def headline(cls, title: str, value: str, interval: str, words: str) -> Section:
        """The one number that a reader looks for."""
        text = f"<b>{html.escape(value)}</b> <i>{html.escape(interval)}</i><small>{html.escape(words)}</small>"
        return cls(title, f'<div class="headline">{text}</div>')

    @classmethod
    def table(cls, title: str, rows: Sequence[Sequence[str]], *, head: Sequence[str] = ()) -> Section:
        """Rows of texts, the first of each being its name; with ``head``, the names of the columns, all cells but the first are numbers."""
        kind = " class='n'" if head else ""
        lines = "".join(f"<tr><th scope='row'>{html.escape(k)}</th>{''.join(f'<td{kind}>{html.escape(c)}</td>' for c in cells)}</tr>" for k, *cells in rows)
        top = f"<thead><tr>{''.join(f'<th scope=col>{html.escape(c)}</th>' for c in head)}</tr></thead>" if head else ""
        return cls(title, f"<div class='scroll'><table>{top}<tbody>{lines}</tbody></table></div>")

    @classmethod
    def picture(cls, title: str, png: bytes, caption: str) -> Section:
        """A picture, inside the page."""
        return cls(title, _figure(png, caption))

    @classmethod
    def pixels(cls, title: str, pictures: Iterable[tuple[bytes, str]]) -> Section:
        """Pictures with captions at one pixel of the screen for each of theirs."""
        return cls(title, f'<div class="pixels">{"".join(_figure(png, caption) for png, caption in pictures)}</div>')

    def __add__(self, other: Section) -> Section:
        """Both parts under this one's title."""
        return Section(self.title, self.body + other.body)

    def noted(self, *notes: str) -> Section:
        """The section with definitions and sources under it."""
        lines = "".join(f"<li>{html.escape(note)}</li>" for note in notes if note)
        return Section(self.title, f'{self.body}<ul class="notes">{lines}</ul>' if lines else self.body)


def _figure(png: bytes, caption: str) -> str:
    data, text = base64.b64encode(png).decode(), html.escape(caption)
    return f'<figure><img src="data:image/png;base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def shown(value: xr.DataArray) -> str:
    """A number with its unit: counts in full, all else to six digits."""
    units = value.attrs.get("units", "1")
    text = f"{int(value):,}".replace(",", " ") if units == "voxels" else f"{float(value):.6g}"
    return text if units == "1" else f"{text} {shown_unit(units)}"


def figure_png(figure: Figure) -> bytes:
    """A figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def write_page(title: str, sections: Iterable[Section], *, subtitle: str = "", warnings: Sequence[str] = ()) -> str:
    """A whole page as HTML text: warnings first, then the sections.

    Examples
    --------
    >>> write_page("Rock", [Section.table("Facts", [("shape", "4 × 4 × 4")])]).startswith("<!doctype html>")
    True
    """
    body = "".join(f"<section><h2>{html.escape(s.title)}</h2>{s.body}</section>" for s in sections)
    name = html.escape(title)
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'><title>{name}</title><style>{_STYLE}</style>"
    under = html.escape(f"{subtitle} · voxelrock {__version__}" if subtitle else f"voxelrock {__version__}")
    top = f"<header><h1>{name}</h1><p>{under}</p></header>"
    if warnings:
        lines = "".join(f"<li>{html.escape(text)}</li>" for text in warnings)
        top += f'<div class="warnings" role="alert"><b>Before you trust these numbers</b><ul>{lines}</ul></div>'
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
