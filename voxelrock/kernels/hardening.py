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
from voxelrock.kernels.unmixing import Polynomial, guessed_air, unmixed
from voxelrock.typing import Block, HostArray, Triple

_TURNS = 6
"""So often the fit to a solid that is given is made, each time with the voxels that the last one shows."""
_SHELLS = 48
"""Of about equal thickness, whose histograms are fitted."""
_LEAST_GAIN = 0.05


@dataclass(frozen=True)
class Line:
    """An axis in space, with ``rings`` shells of ``pitch`` about it: a point relative to the first voxel and a unit vector, in the grid's unit."""

    point: tuple[float, float, float]
    direction: tuple[float, float, float]
    spacing: tuple[float, float, float]
    pitch: float
    rings: int

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
    """The span of 1024 bins about the limits, and the histograms (shell, bin). It runs on the host: a device's block is copied.

    Memory: 8 kB a shell, and a few planes of floats.

    Raises
    ------
    DataError
        NaN among the counted values.
    """
    values, chosen = to_host(block), to_host(mask[0]) if mask else np.ones((1, 1, 1), bool)
    refuse_nan(values, *(to_host(m) for m in mask))
    found, span = np.zeros((line.rings, BINS), np.int64), span_of(limits)
    for i, square in enumerate(_squares(np, line, start, shape, {})):
        if i == 0 or not line.upright:
            shell = np.minimum((np.sqrt(square) * line.rings).astype(np.int64), line.rings - 1)
        count_binned(values[i], chosen[i if mask else 0], bool(mask), shell, span, found)
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
    values, squares = middles(span), ((np.arange(len(table)) + 0.5) / len(table)) ** 2
    known = levels(table.sum(axis=0), values)
    if solid is None:
        return _common_gain(*_pooled(table, squares), degree, air, span, float(known[DARK]))
    base = float(known[DARK]) if air is None else air
    fitted: HostArray = np.ones(len(table))
    for _ in range(_TURNS):
        corrected = base + (values - base) / fitted[:, None]
        chosen = np.where((corrected >= solid[0]) & (corrected <= solid[1]), table, 0)
        counts = chosen.sum(axis=1)
        coefficients, ends = _polynomial(squares, (chosen @ values) / np.maximum(counts, 1) - base, counts, degree)
        fitted = np.polynomial.polynomial.polyval(np.clip(squares, *ends), coefficients)
    return np.array([base, *coefficients, *ends])


def _pooled(table: HostArray, squares: HostArray) -> tuple[HostArray, HostArray]:
    """Fewer shells, without those that hold hardly a voxel, and their mean squares."""
    rings, weights = len(table), table.sum(axis=1)
    starts = np.flatnonzero(np.diff(np.arange(rings) * min(rings, _SHELLS) // rings, prepend=-1))
    fewer = np.add.reduceat(table, starts, axis=0)
    means = np.add.reduceat(weights * squares, starts) / np.maximum(np.add.reduceat(weights, starts), 1)
    kept = fewer.sum(axis=1) >= max(1.0, 1e-6 * float(weights.sum()))
    return fewer[kept], means[kept]


def _common_gain(counts: HostArray, squares: HostArray, degree: int, air: float | None, span: Span, dark: float) -> HostArray:
    """What :func:`even_fit` gives: the gain that all phases have in common, by which the mean grey above air does not change."""
    terms, width, values = squares[:, None] ** np.arange(degree // 2 + 1), span[1] - span[0], middles(span)
    if len(counts) <= terms.shape[1]:
        raise DataError(f"{len(counts)} shells about the axis hold voxels, too few for a polynomial of degree {degree}: lower degree=, or widen where=")
    base = guessed_air(counts, values, Polynomial(terms[:, :2]), lower_limit(span), dark) if air is None else air
    above = values - base
    found = unmixed(counts, above / width, Polynomial(terms))
    mass = counts @ np.maximum(above, 0)
    if not (found.coefficients.size and (found.gains > _LEAST_GAIN).all() and mass.sum() > 0):
        raise DataError("the solid is not brighter than air all over: give air= and solid=")
    return np.array([base, *(found.coefficients / (mass @ found.gains / mass.sum())), squares[0], squares[-1]])


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
