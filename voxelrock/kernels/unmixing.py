"""Phases that have the same grey level everywhere, but for a gain and an offset that vary from group to group of voxels.

Groups are shells about an axis, slices, or tiles. Their grey values are taken for a mixture of normal phases, of which each group has shares of its own: what
is merely spread unevenly is no gain and no offset then. Levels, deviations, shares, gains and offsets are found together by expectation maximisation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Protocol

import numpy as np

from voxelrock.kernels.backend import jit
from voxelrock.typing import HostArray

_BINS = 256
_TURNS = 150
_PHASES = 3
_ALIKE = 10
"""So many voxels say as much as one would if noise were not correlated."""
_LEAST_MOVED = 0.01
"""Of the least deviation: smaller changes count no less."""
_STILL = 1e-4
"""The fit ends when no level moves by more of its deviation in a turn."""
_REACH, _POLISHED = 1.5, 40
"""Deviations from its level within which voxels decide in the end, and the turns of that."""
_HELD = 0.01
"""What a group of the mean composition without any change weighs beside each group's voxels, where one group has both a gain and an offset."""


@dataclass(frozen=True)
class Mixture:
    """Levels and deviations of the phases, their shares (group, phase), the gains and the offsets of the groups; a polynomial's coefficients."""

    levels: HostArray
    spreads: HostArray
    shares: HostArray
    gains: HostArray
    offsets: HostArray
    coefficients: HostArray


class Law(Protocol):
    """How gains and offsets of groups depend on fewer coefficients.

    Three phases are told from two where no two of them are nearer than ``nearest``, a Bhattacharyya distance: 0.24 and 0.15 are those of equal deviations
    whose levels are 1.4 and 1.1 of them apart. Polynomials ask for more: what varies smoothly may be one phase's level as well as two phases' shares.
    """

    @property
    def nearest(self) -> float:
        """The least distance of phases."""
        ...

    def freedom(self, groups: int) -> int:
        """How many coefficients there are."""
        ...

    def changed(self, found: Mixture, sums: HostArray, voxels: HostArray) -> Mixture:
        """The mixture with the gains and offsets that fit it best; those, and levels, such that gains are about 1 and offsets about 0."""
        ...


@dataclass(frozen=True)
class Polynomial:
    """Gains, or offsets, are sums of terms (group, term), the first of which is 1 everywhere."""

    terms: HostArray
    gain: bool = True

    nearest: ClassVar[float] = 0.24

    def freedom(self, groups: int) -> int:
        """The number of terms."""
        return int(self.terms.shape[1])

    def changed(self, found: Mixture, sums: HostArray, voxels: HostArray) -> Mixture:
        """As the protocol says: the mean over voxels is 1, or 0."""
        number, first, _ = sums
        if self.gain:
            weight = (number * (found.levels / found.spreads) ** 2).sum(axis=1)
            right = (first * found.levels / found.spreads**2).sum(axis=1)
        else:
            weight = (number / found.spreads**2).sum(axis=1)
            right = ((first - number * found.levels) / found.spreads**2).sum(axis=1)
        coefficients = np.linalg.lstsq(self.terms.T @ (weight[:, None] * self.terms), self.terms.T @ right, rcond=None)[0]
        mean = float(voxels @ (self.terms @ coefficients)) / float(voxels.sum())
        if not self.gain:
            coefficients[0] -= mean
            return replace(found, levels=found.levels + mean, offsets=self.terms @ coefficients, coefficients=coefficients)
        if not mean > 0:
            return found
        return replace(found, levels=found.levels * mean, gains=self.terms @ coefficients / mean, coefficients=coefficients / mean)


@dataclass(frozen=True)
class Groupwise:
    """Each group has an offset, a gain, or both, of its own: ``"offset"``, ``"gain"``, ``"linear"``."""

    model: str

    nearest: ClassVar[float] = 0.15

    def freedom(self, groups: int) -> int:
        """One or two for each group."""
        return groups * (2 if self.model == "linear" else 1)

    def changed(self, found: Mixture, sums: HostArray, voxels: HostArray) -> Mixture:
        """As the protocol says: the median of the gains is 1, that of the offsets 0, over groups with voxels."""
        number, first, _ = sums
        weight, levels = 1 / found.spreads**2, found.levels
        n, s = (number * weight).sum(axis=1), (number * levels * weight).sum(axis=1)
        q, f, p = (number * levels**2 * weight).sum(axis=1), (first * weight).sum(axis=1), (first * levels * weight).sum(axis=1)
        some, gains, offsets = voxels > 0, np.ones(len(n)), np.zeros(len(n))
        if self.model == "offset":
            offsets[some] = (f - s)[some] / n[some]
        elif self.model == "gain":
            gains[some] = p[some] / np.maximum(q[some], 1e-300)
        else:
            n, f, p = n + _HELD * n.mean(), f + _HELD * s.mean(), p + _HELD * q.mean()
            s, q = s + _HELD * s.mean(), q + _HELD * q.mean()
            area = n * q - s * s
            offsets[some] = (f - s)[some] / n[some]
            if _steps(found, self.nearest):
                both = some & (area > 1e-9 * n * q)
                offsets[both], gains[both] = (f * q - p * s)[both] / area[both], (n * p - s * f)[both] / area[both]
        return _centred(replace(found, gains=gains, offsets=offsets), some)


def _centred(found: Mixture, some: HostArray) -> Mixture:
    gain, offset = float(np.median(found.gains[some])), float(np.median(found.offsets[some]))
    if not gain > 0:
        return found
    gains = found.gains / gain
    return replace(found, levels=gain * found.levels + offset, gains=gains, offsets=found.offsets - gains * offset)


def unmixed(counts: HostArray, values: HostArray, law: Law) -> Mixture:
    """The mixture of as many phases, up to three, as lie apart.

    Parameters
    ----------
    counts
        Histograms (group, bin), not all empty; 256 bins or a multiple, of which so many are joined until the phases are known.
    values
        The grey values of the bins, at equal distances, of the order of 1.
    law
        How gains and offsets depend on the group.
    """
    fine, counts, values = (counts, values), counts.reshape(len(counts), _BINS, -1).sum(axis=2), values.reshape(_BINS, -1).mean(axis=1)
    weigh = partial(_score, counts, values, law)
    alone = fitted(counts, values, begun(counts, values, 1), law)
    best, starts = alone, [None, alone]
    for phases in range(2, _PHASES + 1):
        likely = max((fitted(counts, values, begun(counts, values, phases, start), law) for start in starts), key=weigh)
        if weigh(likely) > weigh(best) and (phases == 2 or apart(likely, law.nearest)):
            best = likely
        starts.append(likely)
    return _polished(*fine, best, law)


def guessed_air(counts: HostArray, values: HostArray, law: Law, low: float, dark: float) -> float:
    """The grey of air where none was seen: one and a half deviations of the noise above the darkest voxels, as pores are few, but not above the dark class.

    The noise is the least deviation of a phase. The solid is flat in the end whatever the level is; what is as dark as pores is not, where it is wrong.

    Parameters
    ----------
    counts, values, law
        As for :func:`unmixed`; the grey values are those of the scan.
    low, dark
        The grey of the darkest voxels and of the dark class.
    """
    width = float(values[-1] - values[0])
    return min(low + 1.5 * width * float(unmixed(counts, (values - low) / width, law).spreads.min()), dark)


def _polished(counts: HostArray, values: HostArray, found: Mixture, law: Law) -> Mixture:
    """The same deviations and shares, with levels, gains and offsets by what lies near the levels: phases that are close to others count as one with them,
    and draw it away by less the nearer one looks."""
    voxels = counts.sum(axis=1).astype(float)
    for _ in range(_POLISHED):
        sums, _ = partial_sums(counts, values, found, _REACH)
        found = law.changed(replace(found, levels=_leveled(found, sums)), sums, voxels)
    return found


def _leveled(found: Mixture, sums: HostArray) -> HostArray:
    """The levels that fit best."""
    number, first, _ = sums
    gains = found.gains[:, None]
    return np.asarray((gains * (first - found.offsets[:, None] * number)).sum(axis=0) / np.maximum((number * gains**2).sum(axis=0), 1e-9))


def _score(counts: HostArray, values: HostArray, law: Law, found: Mixture) -> float:
    """The likelihood's logarithm, less what groups that are moved in vain make of it: phases that swap places in some groups fit almost as well.

    Changes are taken for normal about none, their deviation for what it is found to be; shares of phases cost as in Akaike's criterion.
    """
    moved = max(_moved(counts, values, found), _LEAST_MOVED * float(found.spreads.min()))
    shares = len(counts) * (len(found.levels) - 1)
    return partial_sums(counts, values, found)[1] / _ALIKE - shares - law.freedom(len(counts)) * math.log(moved)


def _moved(counts: HostArray, values: HostArray, found: Mixture) -> float:
    """The root of the mean square by which gains and offsets change the levels."""
    weight = partial_sums(counts, values, found)[0][0] / found.spreads**2
    shift = found.offsets[:, None] + (found.gains[:, None] - 1) * found.levels
    return math.sqrt(float((weight * shift**2).sum() / max(weight.sum(), 1e-9)))


def apart(found: Mixture, nearest: float) -> bool:
    """Whether no two phases are too close to be told from each other: near levels with much the same deviation."""
    distance = _level_distances(found) + np.log(_joint(found) / (2 * np.outer(found.spreads, found.spreads))) / 2
    return bool((distance[np.triu_indices(len(found.levels), 1)] >= nearest).all())


def _steps(found: Mixture, nearest: float) -> bool:
    """Whether two phases differ in level, not in deviation alone: else what changes in one group may be the composition of a broad phase, and no gain."""
    return bool((_level_distances(found) >= nearest).any())


def _joint(found: Mixture) -> HostArray:
    return np.add.outer(found.spreads**2, found.spreads**2)


def _level_distances(found: Mixture) -> HostArray:
    """What the levels add to the Bhattacharyya distances."""
    return np.asarray(np.subtract.outer(found.levels, found.levels) ** 2 / _joint(found) / 4)


def begun(counts: HostArray, values: HostArray, phases: int, like: Mixture | None = None) -> Mixture:
    """Levels at quantiles of the histogram, which the gains and offsets of another mixture correct, and equal shares."""
    groups = len(counts)
    gains, offsets = (like.gains, like.offsets) if like else (np.ones(groups), np.zeros(groups))
    corrected = ((values - offsets[:, None]) / gains[:, None]).ravel()
    order, weights = np.argsort(corrected, kind="stable"), counts.ravel()
    rising = np.cumsum(weights[order]) / weights.sum()
    levels = np.interp((np.arange(phases) + 0.5) / phases, rising, corrected[order])
    mean = weights @ corrected / weights.sum()
    spread = np.sqrt(weights @ (corrected - mean) ** 2 / weights.sum()) / phases
    least = abs(values[1] - values[0])
    coefficients = like.coefficients if like else np.zeros(0)
    return Mixture(levels, np.full(phases, max(spread, least)), np.full((groups, phases), 1 / phases), gains, offsets, coefficients)


def fitted(counts: HostArray, values: HostArray, found: Mixture, law: Law) -> Mixture:
    """Expectation maximisation until the levels stand still, at most 150 turns."""
    least, voxels = abs(values[1] - values[0]), counts.sum(axis=1).astype(float)
    for _ in range(_TURNS):
        sums, _ = partial_sums(counts, values, found)
        number, first, second = sums
        levels = _leveled(found, sums)
        middle = found.offsets[:, None] + found.gains[:, None] * levels
        square = (second - 2 * first * middle + number * middle**2).sum(axis=0) / np.maximum(number.sum(axis=0), 1e-9)
        spreads = np.sqrt(np.maximum(square, least**2))
        shares = number / np.maximum(voxels, 1e-9)[:, None]
        last, found = found, law.changed(replace(found, levels=levels, spreads=spreads, shares=shares), sums, voxels)
        if (np.abs(found.levels - last.levels) < _STILL * found.spreads).all():
            break
    return found


def partial_sums(counts: HostArray, values: HostArray, found: Mixture, reach: float = math.inf) -> tuple[HostArray, float]:
    """For each (group, phase): its voxels, and the sums of their values and squares, in the phase's part of each bin; the likelihood's logarithm.

    Bins weigh less with their distance from the level, and nothing beyond so many deviations (Tukey's biweight).
    """
    sums = np.zeros((3, *found.shares.shape))
    return sums, _add_parts(counts, values, found.gains, found.offsets, found.levels, found.spreads, found.shares, reach, sums)


@jit
def _add_parts(
    counts: HostArray,
    values: HostArray,
    gains: HostArray,
    offsets: HostArray,
    levels: HostArray,
    spreads: HostArray,
    shares: HostArray,
    reach: float,
    sums: HostArray,
) -> float:
    part, weight, middle, begin = np.empty(len(levels)), np.empty(len(levels)), np.empty(len(levels)), np.empty(len(levels))
    likelihood = 0.0
    for group in range(len(counts)):
        for k in range(len(levels)):
            middle[k] = offsets[group] + gains[group] * levels[k]
            begin[k] = math.log(max(shares[group, k], 1e-300) / spreads[k])
        for i in range(len(values)):
            if counts[group, i] == 0:
                continue
            most = -np.inf
            for k in range(len(levels)):
                away = (values[i] - middle[k]) / spreads[k]
                part[k] = begin[k] - 0.5 * away * away
                weight[k] = max(0.0, 1 - (away / reach) ** 2) ** 2
                most = max(most, part[k])
            total = 0.0
            for k in range(len(levels)):
                part[k] = math.exp(part[k] - most)
                total += part[k]
            likelihood += counts[group, i] * (most + math.log(total))
            for k in range(len(levels)):
                voxels = counts[group, i] * weight[k] * part[k] / total
                sums[0, group, k] += voxels
                sums[1, group, k] += voxels * values[i]
                sums[2, group, k] += voxels * values[i] * values[i]
    return likelihood
