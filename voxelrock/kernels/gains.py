"""One gain for all phases of a rock, as a polynomial of the distance from an axis, though their shares differ from shell to shell.

Grey above air is taken for a mixture of normal phases whose levels are the same everywhere but for the gain, while each shell has shares of its own: what lies
unevenly about the axis is no gain then. Levels, deviations, shares and gain are found together by expectation maximisation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels.backend import jit
from voxelrock.typing import HostArray

PARTS = 4
"""Along the axis; the number of phases is the one whose gains in the parts agree best."""
_PHASES = (2, 3)
_TURNS, _PART_TURNS = 150, 60
_SHELLS, _BINS = 48, 256
_HOLD = 1e-3
"""How much a part is held to the gain of the whole, of what the whole says; so that a part without some of the shells has a gain too."""


@dataclass(frozen=True)
class Tally:
    """Histograms (shell, bin), the grey values above air of the bins, and the powers (shell, power) of the squared distances."""

    counts: HostArray
    values: HostArray
    powers: HostArray

    def of(self, counts: HostArray) -> Tally:
        """The same of other counts."""
        return Tally(counts, self.values, self.powers)


@dataclass(frozen=True)
class Mixture:
    """Levels and deviations of the phases, their shares (shell, phase), and the coefficients of the gain."""

    levels: HostArray
    spreads: HostArray
    shares: HostArray
    gain: HostArray


def pooled(table: HostArray, values: HostArray, squares: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Histograms (part, shell, bin) with fewer shells and bins, the middles of these bins, and the mean squares of these shells."""
    parts, rings, bins = table.shape
    groups = np.arange(rings) * min(rings, _SHELLS) // rings
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    width = bins // _BINS
    fewer = np.add.reduceat(table.reshape(parts, rings, _BINS, width).sum(axis=3), starts, axis=1).astype(float)
    weights = table.sum(axis=(0, 2))
    means = np.add.reduceat(weights * squares, starts) / np.maximum(np.add.reduceat(weights, starts), 1)
    return fewer, values.reshape(_BINS, width).mean(axis=1), means


def common_gain(parts: HostArray, values: HostArray, squares: HostArray, degree: int) -> HostArray:
    """The coefficients of the gain over powers of the squares, by which the mean grey above air does not change.

    Parameters
    ----------
    parts
        Histograms (part, shell, bin).
    values
        The grey values above air of the bins.
    squares
        Of the shells' distances, between 0 and 1.
    degree
        The highest power of the distance, even.

    Raises
    ------
    DataError
        Shells are too few, or the gain is not positive.
    """
    tally, kept = _tally(parts, values, squares, degree)
    flat = np.eye(1, degree // 2 + 1)[0]
    best: tuple[float, HostArray, Mixture] | None = None
    for phases in _PHASES:
        found = expected(tally, _begun(tally, phases, flat), _TURNS)
        gain = tally.powers @ found.gain
        if not (gain > 0.05).all():
            continue
        alone = [tally.powers @ expected(tally.of(part[kept]), found, _PART_TURNS, hold=(tally, found)).gain for part in parts]
        apart = _disagreement(tally.counts.sum(axis=1), gain, alone)
        if best is None or apart < best[0]:
            best = apart, gain, found
        if phases == _PHASES[0]:
            flat = found.gain
    mass = tally.counts @ np.maximum(values, 0)
    if best is None or not mass.sum() > 0:
        raise DataError("the solid is not brighter than air all over: give air= and solid=")
    _, gain, found = best
    return np.asarray(found.gain / (mass @ gain / mass.sum()))


def least_spread(parts: HostArray, values: HostArray, squares: HostArray) -> float:
    """The least deviation of the phases, about that of the noise."""
    tally, _ = _tally(parts, values, squares, 2)
    return float(expected(tally, _begun(tally, max(_PHASES), np.eye(1, 2)[0]), _PART_TURNS).spreads.min())


def _tally(parts: HostArray, values: HostArray, squares: HostArray, degree: int) -> tuple[Tally, HostArray]:
    """All parts together, and which shells are kept."""
    whole = parts.sum(axis=0)
    kept = whole.sum(axis=1) >= max(1.0, 1e-6 * whole.sum())
    if kept.sum() <= degree // 2 + 1:
        raise DataError(f"{kept.sum()} shells about the axis hold voxels, too few for a polynomial of degree {degree}: lower degree=, or widen where=")
    return Tally(whole[kept], values, squares[kept, None] ** np.arange(degree // 2 + 1)), kept


def _disagreement(weights: HostArray, gain: HostArray, alone: list[HostArray]) -> float:
    """The root of the mean square by which the gains of the parts differ from the whole's, each relative to its own mean."""
    ratios = np.array([a / gain for a in alone])
    ratios /= (ratios @ weights)[:, None] / weights.sum()
    return float(np.sqrt((((ratios - 1) ** 2) @ weights).mean() / weights.sum()))


def _begun(tally: Tally, phases: int, gain: HostArray) -> Mixture:
    """Levels at quantiles of the histogram that a gain corrects, and equal shares."""
    corrected = (tally.values / (tally.powers @ gain)[:, None]).ravel()
    order, counts = np.argsort(corrected, kind="stable"), tally.counts.ravel()
    rising = np.cumsum(counts[order]) / counts.sum()
    levels = np.interp((np.arange(phases) + 0.5) / phases, rising, corrected[order])
    mean = counts @ corrected / counts.sum()
    spread = np.sqrt(counts @ (corrected - mean) ** 2 / counts.sum()) / phases
    return Mixture(levels, np.full(phases, spread), np.full((len(tally.counts), phases), 1 / phases), gain)


def expected(tally: Tally, found: Mixture, turns: int, hold: tuple[Tally, Mixture] | None = None) -> Mixture:
    """So many turns of expectation maximisation."""
    values, counts = tally.values, tally.counts
    least = abs(values[1] - values[0])
    voxels = np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    held = _equations(hold[0].powers, _sums(hold[0], hold[1]), hold[1]) if hold else None
    for _ in range(turns):
        gain = (tally.powers @ found.gain)[:, None]
        sums = _sums(tally, found)
        number, first, second = sums
        levels = (first * gain).sum(axis=0) / np.maximum((number * gain**2).sum(axis=0), 1e-9)
        square = (second - 2 * first * gain * levels + number * (gain * levels) ** 2).sum(axis=0) / np.maximum(number.sum(axis=0), 1e-9)
        spreads = np.sqrt(np.maximum(square, least**2))
        found = Mixture(levels, spreads, number / voxels, found.gain)
        matrix, right = _equations(tally.powers, sums, found)
        if held is not None and hold is not None:
            matrix, right = matrix + _HOLD * held[0], right + _HOLD * (held[0] @ hold[1].gain)
        coefficients = np.linalg.lstsq(matrix, right, rcond=None)[0]
        scale = float(counts.sum(axis=1) @ (tally.powers @ coefficients)) / max(float(counts.sum()), 1e-9)
        if not (np.isfinite(scale) and scale > 0):
            break
        found = Mixture(levels * scale, spreads, found.shares, coefficients / scale)
    return found


def _sums(tally: Tally, found: Mixture) -> HostArray:
    """For each (shell, phase): its voxels, and the sums of their values and squares, in the phase's part of each bin."""
    sums = np.zeros((3, *found.shares.shape))
    _add_parts(tally.counts, tally.values, tally.powers @ found.gain, found.levels, found.spreads, found.shares, sums)
    return sums


@jit
def _add_parts(counts: HostArray, values: HostArray, gains: HostArray, levels: HostArray, spreads: HostArray, shares: HostArray, sums: HostArray) -> None:
    part = np.empty(len(levels))
    for shell in range(len(counts)):
        for i in range(len(values)):
            if counts[shell, i] == 0:
                continue
            most = -np.inf
            for k in range(len(levels)):
                away = (values[i] - gains[shell] * levels[k]) / spreads[k]
                part[k] = math.log(max(shares[shell, k], 1e-300) / spreads[k]) - 0.5 * away * away
                most = max(most, part[k])
            total = 0.0
            for k in range(len(levels)):
                part[k] = math.exp(part[k] - most)
                total += part[k]
            for k in range(len(levels)):
                voxels = counts[shell, i] * part[k] / total
                sums[0, shell, k] += voxels
                sums[1, shell, k] += voxels * values[i]
                sums[2, shell, k] += voxels * values[i] * values[i]


def _equations(powers: HostArray, sums: HostArray, found: Mixture) -> tuple[HostArray, HostArray]:
    """What the coefficients of the gain solve."""
    number, first, _ = sums
    weight = (number * (found.levels / found.spreads) ** 2).sum(axis=1)
    right = (first * found.levels / found.spreads**2).sum(axis=1)
    return powers.T @ (weight[:, None] * powers), powers.T @ right
