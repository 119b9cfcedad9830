"""Distances between voxel centres as whole numbers: the squares of the spacings in a common unit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from voxelrock.typing import Triple

_LARGEST = 1000
_CLOSE = 1e-9


@dataclass(frozen=True)
class Metric:
    """How far voxels lie apart: the square of a distance of (k, l, m) voxels is ``unit`` times the sum of ``weights`` times k², l², m².

    ``weights`` are integers where the spacings, or their squares, are in the ratio of whole numbers up to 1000 (to 1e-9); then squares
    are exact and ties are ties. Elsewhere they are the squares of the spacings as floats.

    Examples
    --------
    >>> Metric.of((2.5, 1.0, 1.0))
    Metric(weights=(25, 4, 4), unit=0.25)
    """

    weights: tuple[float, float, float]
    unit: float

    @classmethod
    def of(cls, spacing: Iterable[float]) -> Metric:
        """The metric of a grid's spacing."""
        lengths = tuple(float(s) for s in spacing)
        smallest = min(lengths)
        for power, again in ((1, 2), (2, 1)):
            ratios = [Fraction((s / smallest) ** power).limit_denominator(_LARGEST) for s in lengths]
            common = math.lcm(*(r.denominator for r in ratios))
            whole = [int(r * common) ** again for r in ratios]
            off = max(abs(float(r) - (s / smallest) ** power) / float(r) for r, s in zip(ratios, lengths))
            if off <= _CLOSE and max(whole) <= _LARGEST**2:
                divisor = math.gcd(*whole)
                z, y, x = (w // divisor for w in whole)
                return cls((z, y, x), smallest**2 * divisor / common**again)
        z, y, x = (s * s for s in lengths)
        return cls((z, y, x), 1.0)

    @property
    def exact(self) -> bool:
        """Whether squares are integers."""
        return all(isinstance(w, int) for w in self.weights)

    def farthest(self, shape: Triple) -> float:
        """A square that no two voxels of an image of this shape reach."""
        return sum(w * n * n for w, n in zip(self.weights, shape))

    def square(self, length: float) -> float:
        """The smallest square that is not below that of a length, in units of the metric; whole for integer weights."""
        value = length * length / self.unit
        if not self.exact:
            return value
        return round(value) if abs(value - round(value)) <= _CLOSE * max(1.0, value) else math.ceil(value)

    def reach(self, square: float) -> Triple:
        """The most voxels along each axis whose distance has a smaller square."""
        z, y, x = (_steps(square, w) for w in self.weights)
        return z, y, x


def _steps(square: float, weight: float) -> int:
    steps = math.isqrt(int(square / weight)) + 1
    while steps > 0 and weight * (steps * steps) >= square:
        steps -= 1
    return steps
