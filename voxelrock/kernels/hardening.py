"""Beam hardening: grey values against the distance from an axis, an even polynomial of it as the gain, and its removal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import beside, kernel, namespace, to_host
from voxelrock.kernels.classes import BINS, DARK, Span, count_binned, levels, lower_limit, middles, refuse_nan, span_of
from voxelrock.kernels.gains import PARTS, common_gain, least_spread, pooled
from voxelrock.typing import Block, HostArray, Triple

_TURNS = 6
"""So often the fit to a solid that is given is made, each time with the voxels that the last one shows."""


@dataclass(frozen=True)
class Line:
    """An axis in space, with ``rings`` shells of ``pitch`` about it: a point relative to the first voxel and a unit vector, in the grid's unit.

    The image reaches from the first to the second of the ``ends`` along it, and falls there into so many ``parts`` of equal length.
    """

    point: tuple[float, float, float]
    direction: tuple[float, float, float]
    spacing: tuple[float, float, float]
    pitch: float
    rings: int
    ends: tuple[float, float] = (0.0, 0.0)
    parts: int = 1

    @property
    def upright(self) -> bool:
        """Whether it runs along z, so that all slices are alike."""
        return self.direction[1:] == (0.0, 0.0)


def _places(xp: Any, line: Line, start: Triple, shape: Triple, place: dict[str, Any]) -> Iterator[Block]:
    """Along (z, y, x), how far the voxels of a block lie from the point of the axis."""
    return (xp.astype(xp.arange(a, a + n, dtype=xp.int64, **place), xp.float64) * h - p for a, n, h, p in zip(start, shape, line.spacing, line.point))


def _squares(xp: Any, line: Line, start: Triple, shape: Triple, place: dict[str, Any]) -> Iterator[Block]:
    """For each slice of a block, the squared distances from the axis over that of the outermost shell, float64."""
    z, y, x = _places(xp, line, start, shape, place)
    u, v, w = line.direction
    y, x, most = y[:, None], x[None, :], (line.rings * line.pitch) ** 2
    square: Block = None
    for i in range(shape[0]):
        if square is None or not line.upright:
            a, b, c = y * w - x * v, x * u - z[i] * w, z[i] * v - y * u
            square = (b * b + c * c + a * a) / most
        yield square


def _parts(line: Line, start: Triple, shape: Triple) -> Iterator[HostArray]:
    """For each slice of a block, the part along the axis in which its voxels lie."""
    z, y, x = _places(np, line, start, shape, {})
    low, high = line.ends
    across = y[:, None] * line.direction[1] + x[None, :] * line.direction[2]
    for along in z * line.direction[0]:
        yield np.clip(np.floor((along + across - low) / max(high - low, 1e-300) * line.parts), 0, line.parts - 1).astype(np.int64)


def _profile(xp: Any, squares: Block, fit: Any) -> Block:
    """The fitted polynomial; beyond the shells that were fitted it goes on as it is there."""
    coefficients, low, high = fit[:-2], float(fit[-2]), float(fit[-1])
    u = xp.clip(squares, low, high)
    value = xp.zeros_like(u)
    for c in reversed(list(coefficients)):
        value = value * u + float(c)
    return value


@kernel(cost=4.0, workspace=1.0, host_only="it adds to a table of shells")
def shell_counts(block: Block, /, *mask: Block, limits: Any, line: Line, start: Triple, shape: Triple) -> tuple[Span, HostArray]:
    """The span of 1024 bins about the limits, and the histograms (part and shell, bin), part by part. It runs on the host: a device's block is copied.

    Memory: 8 kB a shell of a part, and a few planes of floats.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    values, chosen = to_host(block), to_host(mask[0]) if mask else np.ones((1, 1, 1), bool)
    refuse_nan(values, *(to_host(m) for m in mask))
    found, span = np.zeros((line.parts * line.rings, BINS), np.int64), span_of(limits)
    for i, (square, part) in enumerate(zip(_squares(np, line, start, shape, {}), _parts(line, start, shape))):
        if i == 0 or not line.upright:
            shell = np.minimum((np.sqrt(square) * line.rings).astype(np.int64), line.rings - 1)
        count_binned(values[i], chosen[i if mask else 0], bool(mask), part * line.rings + shell, span, found)
    return span, found


def even_fit(found: tuple[Span, HostArray], *, degree: int, air: float | None, solid: tuple[float, float] | None) -> HostArray:
    """The grey of air, the coefficients of the even polynomial, and the squares, relative to the outermost shell's, of the first and the last shell that
    were fitted.

    Without limits of the solid the polynomial is the gain that all phases have in common; with them, it goes through the means of the solid in the shells,
    weighted by voxels, where the solid is decided by values that the last fit corrected, so that cupping hides none.

    Raises
    ------
    DataError
        Fewer than two different values, too few shells, or a polynomial that is not positive.
    """
    span, table = found
    parts = table.reshape(PARTS, -1, BINS)
    values, squares = middles(span), ((np.arange(parts.shape[1]) + 0.5) / parts.shape[1]) ** 2
    known = levels(table.sum(axis=0), values)
    if solid is None:
        fewer, grey, means = pooled(parts, values, squares)
        base = _air(fewer, grey, means, span, float(known[DARK])) if air is None else air
        coefficients = common_gain(fewer, grey - base, means, degree)
        seen = means[fewer.sum(axis=(0, 2)) > 0]
        return np.array([base, *coefficients, seen[0], seen[-1]])
    base, whole = float(known[DARK]) if air is None else air, parts.sum(axis=0)
    fitted: HostArray = np.ones(len(whole))
    for _ in range(_TURNS):
        corrected = base + (values - base) / fitted[:, None]
        chosen = np.where((corrected >= solid[0]) & (corrected <= solid[1]), whole, 0)
        counts = chosen.sum(axis=1)
        coefficients, ends = _polynomial(squares, (chosen @ values) / np.maximum(counts, 1) - base, counts, degree)
        fitted = np.polynomial.polynomial.polyval(np.clip(squares, *ends), coefficients)
    return np.array([base, *coefficients, *ends])


def _air(parts: HostArray, values: HostArray, squares: HostArray, span: Span, dark: float) -> float:
    """The grey of air where none was seen: one and a half deviations of the noise above the darkest voxels, as pores are few, but not above the dark class.

    The noise is the least deviation of a phase. The solid is flat in the end whatever the level is; what is as dark as pores is not, where it is wrong.
    """
    low = lower_limit(span)
    return min(low + 1.5 * least_spread(parts, values - low, squares), dark)


def _polynomial(squares: HostArray, means: HostArray, counts: HostArray, degree: int) -> tuple[HostArray, tuple[float, float]]:
    good, terms = np.flatnonzero(counts >= max(1.0, 1e-6 * counts.sum())), degree // 2 + 1
    if good.size <= terms:
        raise DataError(f"{good.size} shells about the axis hold solid, too few for a polynomial of degree {degree}: lower degree=, or widen solid= or where=")
    u, weights = squares[good], counts[good].astype(float)
    scaled = 2 * (u - u[0]) / (u[-1] - u[0]) - 1
    design, root = scaled[:, None] ** np.arange(terms), np.sqrt(weights)
    solution = np.linalg.lstsq(design * root[:, None], means[good] * root, rcond=None)[0]
    fitted = design @ solution
    if not (fitted > 0).all():
        raise DataError("the solid is not brighter than air all over: give air= and solid=")
    plain = np.polynomial.Polynomial(solution, domain=[u[0], u[-1]]).convert().coef
    coefficients = np.zeros(terms)
    coefficients[: len(plain)] = plain * (weights.sum() / (weights @ fitted))
    return coefficients, (float(u[0]), float(u[-1]))


@kernel(cost=2.0, workspace=2.0)
def without_cupping(block: Block, /, *, line: Line, fit: Any, nodata: float | None, dtype: str, start: Triple, **_: Any) -> Block:
    """Air, and what lies above it divided by the fitted polynomial, in a floating type; no-data voxels stay as they are. Memory: a block of floats."""
    xp, place = namespace(block), beside(block)
    kind, base = getattr(xp, dtype), float(fit[0])
    slices = []
    for i, square in enumerate(_squares(xp, line, start, block.shape, place)):
        if i == 0 or not line.upright:
            gain = xp.astype(1.0 / _profile(xp, square, fit[1:]), kind)
        slices.append(((xp.astype(block[i, ...], kind) - base) * gain + base)[None, ...])
    result = xp.concat(slices, axis=0) if slices else xp.astype(block, kind)
    if nodata is None or math.isnan(nodata):
        return result
    return xp.where(block == nodata, xp.astype(block, kind), result)
