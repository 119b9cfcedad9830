"""The cylinder whose outside is air or padding, in sampled slices; or why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxelrock.artefacts.sampling import Sample
from voxelrock.kernels import circles
from voxelrock.kernels import outlines as kernels
from voxelrock.typing import HostArray

PURE = 0.98
"""Share of the samples outside that must be air for the lower demands below."""

ON_CIRCLE, ON_CIRCLE_IN_PURE = 0.5, 0.3
"""Share of the edges that must lie on the cylinder; large pores at the surface take many away."""

SEEN, SEEN_IN_PURE = 0.2, 0.08
"""Share of the rays that must end on the cylinder, inside the image."""

STEEPEST, LEAST_SAMPLES, LEAST_SHARE, LEAST_ROCK = 15.0, 6.0, 0.12, 0.45
"""A plug is tilted by fewer degrees than this, and its radius is at least so many samples and so much of the slices' shorter side;
so much of its inside is rock."""

OUTSIDE = 0.01
"""Share of a slice's valid samples that must lie outside the cylinder for it to be worth a word."""

PURE_AIR, PURE_PADDING = 0.75, 0.995
"""Share of the samples outside that must be air, or padding (walls of a holder, a table and noise may stand in air)."""


@dataclass(frozen=True)
class Fit:
    """A cylinder in a sample's coordinates, and how well it fits.

    Parameters
    ----------
    cylinder
        As in ``kernels.circles``; lengths from the image's first voxel.
    residuals
        (slice, ray): how far outside the cylinder the rock's edge lies; NaN where none is seen.
    presence
        For each slice, the share of the cylinder's inside that is rock.
    good
        The slices that were fitted.
    tolerance
        Residuals up to here count as on the cylinder.
    purity, outside
        Share of the valid samples outside that are no rock, and their share of all valid samples.
    small
        Whether the radius is too small for a plug.
    """

    cylinder: HostArray
    residuals: HostArray
    presence: HostArray
    good: HostArray
    tolerance: float
    purity: float
    outside: float
    small: bool = False

    @property
    def radius(self) -> float:
        """Of the cylinder."""
        return float(self.cylinder[4])

    @property
    def on_circle(self) -> float:
        """Share of the edges that lie on the cylinder."""
        off = self.residuals[self.good]
        off = off[np.isfinite(off)]
        return float((np.abs(off) <= self.tolerance).mean()) if off.size else 0.0

    @property
    def seen(self) -> float:
        """Share of the rays that end on the cylinder."""
        off = self.residuals[self.good]
        return float((np.abs(np.nan_to_num(off, nan=math.inf)) <= self.tolerance).mean()) if off.size else 0.0

    @property
    def whole(self) -> HostArray:
        """The slices that have nearly all of their rock: not those that a slanted end cuts."""
        if not self.good.any():
            return self.good
        return np.asarray(self.good & (self.presence > 0.85 * np.median(self.presence[self.good])))

    def centers(self, along: HostArray) -> HostArray:
        """Where the axis goes through each slice, (slice, 2)."""
        a, b, p, q, _ = self.cylinder
        return np.stack([a + p * along, b + q * along], axis=1)

    def objection(self, purity: float) -> str:
        """Why this is no outline; empty if it is one."""
        if self.outside < OUTSIDE:
            return "nothing lies outside it"
        if self.purity < purity:
            return f"{1 - self.purity:.0%} of what lies outside it is like rock"
        if self.small or np.median(self.presence[self.good]) < LEAST_ROCK or math.degrees(math.atan(math.hypot(*self.cylinder[2:4]))) > STEEPEST:
            return "what is bright is a grain, not a plug"
        if self.on_circle < (ON_CIRCLE if self.purity < PURE else ON_CIRCLE_IN_PURE):
            return f"only {self.on_circle:.0%} of the edge lies on a circle"
        if self.seen < (SEEN if self.purity < PURE else SEEN_IN_PURE):
            return f"only {self.seen:.0%} of its edge is in the image"
        return ""


def fitted(rock: HostArray, valid: HostArray, sample: Sample, *, outermost: bool) -> Fit | None:
    """The cylinder around the rock of slices (see ``kernels.outlines``); None where no circle is in them."""
    pitch, along = sample.pitch, sample.along
    origins = _start(rock, pitch, len(along))
    if origins is None:
        return None
    found: tuple[HostArray, HostArray] | None = None
    for _ in range(2):
        edges = [_rim(plane, origin, pitch, outermost) for plane, origin in zip(rock, origins)]
        found = _cylinder(edges, sample, found)
        if found is None:
            return None
        a, b, p, q, _ = found[0]
        origins = _within(np.stack([a + p * along, b + q * along], axis=1), rock, pitch)
    assert found is not None
    fit = _judged((rock, valid), sample, found[0], (origins, outermost))
    again = _cylinder(edges, sample, (fit.cylinder, fit.whole)) if fit.whole.sum() > 2 else None
    return fit if again is None else _judged((rock, valid), sample, again[0], (origins, outermost))


def _start(rock: HostArray, pitch: tuple[float, float], count: int) -> HostArray | None:
    """The middle of what is rock over several samples, in all slices together."""
    size = max(2, min(rock.shape[1:]) // 24)
    solid = np.nan_to_num(kernels.block_means(rock, size)) > kernels.MIDDLE
    if not solid.any():
        return None
    _, i, j = np.nonzero(solid)
    middle = [(float(np.mean(part)) + 0.5) * size * h for part, h in zip((i, j), pitch)]
    return np.tile(np.array(middle), (count, 1))


def _within(centers: HostArray, rock: HostArray, pitch: tuple[float, float]) -> HostArray:
    """Centres, moved into the slices where they lie outside."""
    high = np.array([(n - 1) * h for n, h in zip(rock.shape[1:], pitch)])
    return np.clip(centers, 0.1 * high, 0.9 * high)


def _rim(plane: HostArray, origin: HostArray, pitch: tuple[float, float], outermost: bool) -> HostArray:
    """For each ray, where the rock ends (NaN if nowhere) and where the ray leaves the slice: (ray, 4)."""
    center = (float(origin[0]), float(origin[1]))
    profiles, step = kernels.ray_profiles(plane, center, pitch)
    height, width = plane.shape
    exits = kernels.ray_points(kernels.ray_ends((height, width), center, pitch), center)
    return np.concatenate([kernels.ray_points(kernels.ray_edges(profiles, step, outermost=outermost), center), exits], axis=1)


def _edges(rim: HostArray, exits_off: HostArray) -> HostArray:
    """Which rays have an edge that says something: not those that leave the slice inside the circle, where pores at the image's side end them."""
    return np.asarray(np.isfinite(rim[:, 0]) & (exits_off > 0))


def _tolerance(sample: Sample, radius: float) -> float:
    return max(1.5 * max(sample.pitch), 0.01 * radius)


Lying = tuple[HostArray, HostArray]
"""A cylinder, and the slices that it follows."""


def _cylinder(rims: list[HostArray], sample: Sample, before: Lying | None) -> Lying | None:
    """The cylinder through the edges of all slices, from one before it, or from circles, slice by slice."""
    start = before or _stacked(rims, sample)
    if start is None:
        return None
    points = [np.column_stack([np.full(len(rim), t), rim[:, :2]])[np.isfinite(rim[:, 0])] for rim, t, use in zip(rims, sample.along, start[1]) if use]
    if sum(map(len, points)) < 6:
        return None
    return circles.fitted_cylinder(np.concatenate(points), start[0], tolerance=_tolerance(sample, start[0][4])), start[1]


def _stacked(rims: list[HostArray], sample: Sample) -> Lying | None:
    """A first cylinder: the circles of slices that have one and agree on its radius, and the line through their centres."""
    along, pixel = sample.along, max(sample.pitch)
    largest = 2.0 * max(n * h for n, h in zip(sample.slices.shape[1:], sample.pitch))
    rounds = [circles.consensus_circle(rim[np.isfinite(rim[:, 0]), :2], tolerance=2.0 * pixel, largest=largest) for rim in rims]
    good = np.array([0.0 if c is None else _share(rim, c, sample) for rim, c in zip(rims, rounds)]) >= 0.8 * ON_CIRCLE_IN_PURE
    if not good.any():
        return None
    found = np.array([c if c is not None else (0.0, 0.0, 0.0) for c in rounds])
    usual = np.sort(found[good, 2])[(int(good.sum()) - 1) // 2]
    good &= np.abs(found[:, 2] / usual - 1.0) < 0.1
    a, b, radius = np.median(found[good], axis=0)
    slopes = [_slope(along[good], found[good, n]) for n in range(2)]
    middle = float(np.median(along[good]))
    return np.array([a - slopes[0] * middle, b - slopes[1] * middle, *slopes, radius]), good


def _share(rim: HostArray, circle: HostArray, sample: Sample) -> float:
    edges = _edges(rim, circles.off_circle(rim[:, 2:], circle))
    near = np.abs(circles.off_circle(rim[edges, :2], circle)) <= _tolerance(sample, circle[2])
    return float(near.sum() / max(int(edges.sum()), kernels.RAYS // 8))


def _slope(along: HostArray, values: HostArray) -> float:
    """The median of the slopes between all pairs (Theil 1950; Sen 1968, doi:10.1080/01621459.1968.10480934)."""
    if len(along) < 2:
        return 0.0
    i, j = np.triu_indices(len(along), 1)
    return float(np.median((values[j] - values[i]) / (along[j] - along[i])))


def _judged(slices: tuple[HostArray, HostArray], sample: Sample, cylinder: HostArray, how: tuple[HostArray, bool]) -> Fit:
    rock, valid = slices
    pitch, radius, tolerance = sample.pitch, float(cylinder[4]), _tolerance(sample, cylinder[4])
    origins, outermost = how
    residuals, presence, counts = np.full((len(rock), kernels.RAYS), np.nan), np.zeros(len(rock)), []
    for n, (plane, allowed, origin, t) in enumerate(zip(rock, valid, origins, sample.along)):
        rim = _rim(plane, origin, pitch, outermost)
        edge, leaves = (circles.off_cylinder(np.column_stack([np.full(len(rim), t), part]), cylinder) for part in (rim[:, :2], rim[:, 2:]))
        residuals[n] = np.where(_edges(rim, leaves), edge, np.nan)
        off = _off_samples(plane.shape, t, pitch, cylinder)
        inside, beyond = off < -0.2 * radius, allowed & (off > tolerance + max(pitch))
        presence[n] = np.mean(plane[inside] > kernels.MIDDLE) if inside.any() else 0.0
        counts.append((np.sum(beyond), np.sum(plane[beyond] <= kernels.MIDDLE), np.sum(allowed)))
    good = presence > 0.5 * np.median(presence[presence > 0.15]) if (presence > 0.15).any() else presence > 1
    beyond, pure, allowed = np.array(counts)[good].sum(axis=0) if good.any() else (0, 0, 1)
    least = max(LEAST_SAMPLES * max(pitch), LEAST_SHARE * min(n * h for n, h in zip(rock.shape[1:], pitch)))
    return Fit(cylinder, residuals, presence, good, tolerance, float(pure / max(beyond, 1)), float(beyond / max(allowed, 1)), radius < least)


def _off_samples(shape: tuple[int, ...], t: float, pitch: tuple[float, float], cylinder: HostArray) -> HostArray:
    """How far outside the cylinder each sample of a slice lies."""
    a, b = (part.ravel() for part in np.meshgrid(*(np.arange(n) * h for n, h in zip(shape, pitch)), indexing="ij"))
    return circles.off_cylinder(np.stack([np.full(a.size, t), a, b], axis=1), cylinder).reshape(shape)
