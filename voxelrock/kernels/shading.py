"""Background shading: the mean of the solid in tiles of the image, a polynomial of the place through it, and its removal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import beside, kernel, namespace, to_host
from voxelrock.kernels.classes import BINS, DARK, Span, count_binned, levels, lower_limit, middles, refuse_nan, span_of
from voxelrock.kernels.tallies import Tallies, cells_of
from voxelrock.kernels.unmixing import Polynomial, guessed_air, unmixed
from voxelrock.typing import Block, HostArray, Triple

_TURNS = 6
"""So often the fit is made, each time with the solid that the last one shows."""
_TILES = 8
"""Along each axis."""
_ROOM = 0.25
"""By so much of its range the polynomial may leave what it is in the tiles that were fitted."""


@dataclass(frozen=True)
class Field:
    """The tiles of an image and the terms of a polynomial of three coordinates, which go from -1 to 1 across the image."""

    shape: Triple
    degree: int

    @property
    def edge(self) -> Triple:
        """Voxels along the edges of a tile."""
        z, y, x = (max(1, -(-n // _TILES)) for n in self.shape)
        return z, y, x

    @property
    def tiles(self) -> Triple:
        """How many there are."""
        z, y, x = (-(-n // e) for n, e in zip(self.shape, self.edge))
        return z, y, x

    @property
    def powers(self) -> list[Triple]:
        """Of each term; along an axis of one voxel there is but the constant."""
        most = [self.degree if n > 1 else 0 for n in self.shape]
        return [(i, j, k) for i, j, k in product(*(range(m + 1) for m in most)) if i + j + k <= self.degree]

    def means(self) -> HostArray:
        """The mean of each term over the voxels of each tile, (tile, term)."""
        lines = []
        for n, e, count in zip(self.shape, self.edge, self.tiles):
            place = coordinates(np, 0, n, n, {})[:, None] ** np.arange(self.degree + 1)
            lines.append([place[i * e : (i + 1) * e].mean(axis=0) for i in range(count)])
        z, y, x = (np.array(line) for line in lines)
        terms = [z[:, None, None, i] * y[None, :, None, j] * x[None, None, :, k] for i, j, k in self.powers]
        return np.stack(terms, axis=-1).reshape(-1, len(terms))


def coordinates(xp: Any, start: int, count: int, length: int, place: dict[str, Any]) -> Block:
    """The coordinates of voxels along an axis, from -1 to 1."""
    number = xp.astype(xp.arange(start, start + count, dtype=xp.int64, **place), xp.float64)
    return (2.0 * number - (length - 1)) / max(length - 1, 1)


@kernel(cost=3.0, workspace=1.0, host_only="it adds to a table of tiles")
def tile_counts(block: Block, /, *mask: Block, limits: Any, field: Field, start: Triple, shape: Triple) -> tuple[Span, list[Tallies]]:
    """The span of 1024 bins about the limits, and for each tile its histogram. It runs on the host: a device's block is copied. Memory: 8 kB a tile.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    values, chosen = to_host(block), to_host(mask[0]) if mask else np.ones((1, 1, 1), bool)
    refuse_nan(values, *(to_host(m) for m in mask))
    box = VoxelBox(start, tuple(a + n for a, n in zip(start, shape)))  # type: ignore[arg-type]
    cells, span = cells_of(box, field.edge), span_of(limits)
    found = np.zeros((*cells.shape, BINS), np.int64)
    rows, columns = (np.arange(a, a + n) // e - c for a, n, e, c in zip(start[1:], shape[1:], field.edge[1:], cells.start[1:]))
    group = rows[:, None] * cells.shape[2] + columns[None, :]
    for i, plane in enumerate(values):
        layer = found[(start[0] + i) // field.edge[0] - cells.start[0]]
        count_binned(plane, chosen[i if mask else 0], bool(mask), group, span, layer.reshape(-1, BINS))
    return span, [Tallies(cells, found)]


def fitted_shading(found: tuple[Span, list[Tallies]], *, field: Field, gain: bool, air: float | None, solid: Span | None) -> HostArray:
    """The grey of air, the least and the largest value that the polynomial may take, and its coefficients.

    With ``gain`` it is what grey above air is divided by, which leaves the mean; else what is subtracted, 0 in the mean. Without limits of the solid it is what
    all phases have in common; with them it goes through the means of the solid in tiles, weighted by voxels, and keeps the solid's mean. What is solid is
    decided by values that the last fit corrected.

    Raises
    ------
    DataError
        Fewer than two different values, too few tiles with solid, or a polynomial that is not positive.
    """
    span, tallies = found
    table = tallies[0].counts.reshape(-1, BINS)
    values, design = middles(span), field.means()
    known = levels(table.sum(axis=0), values)
    base = (float(known[DARK]) if air is None else air) if gain else 0.0
    if solid is None:
        counts = table.sum(axis=1)
        _refuse_few(int((counts > 0).sum()), design.shape[1])
        if gain and air is None:
            base = guessed_air(table[counts > 0], values, Polynomial(design[counts > 0]), lower_limit(span), base)
        coefficients = _unmixed_shading(table[counts > 0], values - base, design[counts > 0], gain)
        change = design @ coefficients
    else:
        change = np.ones(len(table)) if gain else np.zeros(len(table))
        for _ in range(_TURNS):
            corrected = base + (values - base) / change[:, None] if gain else values - change[:, None]
            chosen = np.where((corrected >= solid[0]) & (corrected <= solid[1]), table, 0)
            counts = chosen.sum(axis=1)
            coefficients = _solved(design, (chosen @ values) / np.maximum(counts, 1) - base, counts, gain)
            change = design @ coefficients
            _refuse_dark(change[counts > 0], gain)
            change = np.maximum(change, 1e-3) if gain else change
    seen = change[counts > 0]
    room = _ROOM * float(np.ptp(seen))
    least = float(seen.min()) - room
    return np.array([base, max(least, float(seen.min()) / 2) if gain else least, float(seen.max()) + room, *coefficients])


def _unmixed_shading(counts: HostArray, above: HostArray, design: HostArray, gain: bool) -> HostArray:
    """The coefficients of the gain, or of the offset, that all phases have in common."""
    width = float(above[-1] - above[0])
    found = unmixed(counts, above / width, Polynomial(design, gain))
    if not gain:
        return found.coefficients * width
    mass = counts @ np.maximum(above, 0)
    _refuse_dark(found.gains if found.coefficients.size and mass.sum() > 0 else np.zeros(1), gain)
    return np.asarray(found.coefficients / (mass @ found.gains / mass.sum()))


def _refuse_few(tiles: int, terms: int) -> None:
    if tiles < 2 * terms:
        raise DataError(f"{tiles} tiles of the image hold solid, too few for {terms} terms: lower degree=, or widen solid= or where=")


def _refuse_dark(change: HostArray, gain: bool) -> None:
    if gain and not (change > 0).all():
        raise DataError("the solid is not brighter than air all over: give air= and solid=, or model='offset'")


def _solved(design: HostArray, means: HostArray, counts: HostArray, gain: bool) -> HostArray:
    good, terms = counts >= max(1.0, 1e-6 * counts.sum()), design.shape[1]
    _refuse_few(int(good.sum()), terms)
    weights = counts[good].astype(float)
    root = np.sqrt(weights)
    solution = np.linalg.lstsq(design[good] * root[:, None], means[good] * root, rcond=None)[0]
    middle = float(weights @ (design[good] @ solution) / weights.sum())
    if gain:
        return np.asarray(solution / middle)
    solution[0] -= middle  # the first term is the constant
    return np.asarray(solution)


@kernel(cost=2.0, workspace=2.0)
def without_shading(block: Block, /, *, field: Field, fit: Any, gain: bool, nodata: float | None, dtype: str, start: Triple, **_: Any) -> Block:
    """What lies above air divided by the polynomial, or the values less the polynomial, in a floating type; no-data voxels stay as they are.

    Memory: a block of floats, and planes of float64.
    """
    xp, place = namespace(block), beside(block)
    kind, coefficients = getattr(xp, dtype), np.asarray(fit, float)
    base, low, high = coefficients[:3].tolist()
    terms = dict(zip(field.powers, coefficients[3:].tolist()))
    z, y, x = (coordinates(xp, a, n, length, place) for a, n, length in zip(start, block.shape, field.shape))
    slices = []
    for i in range(block.shape[0]):
        plane = xp.zeros(block.shape[1:], dtype=xp.float64, **place)
        for (a, b, c), value in terms.items():
            plane = plane + (value * z[i] ** a) * (y[:, None] ** b * x[None, :] ** c)
        plane = xp.clip(plane, low, high)
        values = xp.astype(block[i, ...], kind)
        slices.append(((values - base) * xp.astype(1.0 / plane, kind) + base if gain else values - xp.astype(plane, kind))[None, ...])
    result = xp.concat(slices, axis=0) if slices else xp.astype(block, kind)
    if nodata is None or math.isnan(nodata):
        return result
    return xp.where(block == nodata, xp.astype(block, kind), result)
