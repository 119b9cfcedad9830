"""Circles and cylinders through points, most of which lie on them: what the edge of a plug looks like.

Legend: points are rows; in a plane (a, b), in space (t, a, b) with t along an image axis; lengths are in one unit, whichever. A circle is
(a, b, radius); a cylinder is (a, b, slope of a, slope of b, radius), its axis going through (a + slope_a t, b + slope_b t). Host only, float64,
no randomness: the triples of points that are tried follow from their number.

Sources: Fischler & Bolles 1981, "Random sample consensus", doi:10.1145/358669.358692; Beaton & Tukey 1974, "The fitting of power series",
doi:10.1080/00401706.1974.10489171 (the biweight).
"""

from __future__ import annotations

import numpy as np

from voxelrock.typing import HostArray

_SPANS = (3.0, 4.5, 7.0)
_TRIES = 400


def circles_through(first: HostArray, second: HostArray, third: HostArray) -> HostArray:
    """The circle (a, b, radius) through each triple of points; NaN where they lie on a line.

    Examples
    --------
    >>> circles_through(np.array([[1.0, 0]]), np.array([[0, 1.0]]), np.array([[-1.0, 0]])).tolist()
    [[0.0, 0.0, 1.0]]
    """
    p, q = second - first, third - first
    cross = 2.0 * (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])
    pp, qq = (p * p).sum(axis=1), (q * q).sum(axis=1)
    straight = np.abs(cross) <= 1e-9 * (pp + qq)
    cross = np.where(straight, np.nan, cross)
    a = (q[:, 1] * pp - p[:, 1] * qq) / cross
    b = (p[:, 0] * qq - q[:, 0] * pp) / cross
    return np.stack([first[:, 0] + a, first[:, 1] + b, np.hypot(a, b)], axis=1)


def off_circle(points: HostArray, circle: HostArray) -> HostArray:
    """How far outside a circle each point lies (negative inside)."""
    return np.asarray(np.hypot(points[:, 0] - circle[0], points[:, 1] - circle[1]) - circle[2])


def consensus_circle(points: HostArray, *, tolerance: float, largest: float) -> HostArray | None:
    """The circle with the most points within ``tolerance`` of it, among those through three of the points; None if there is none.

    Points are in the order of their angle; ``largest`` bounds the radius.
    """
    n = len(points)
    if n < 6:
        return None
    firsts = np.unique(np.linspace(0, n - 1, min(n, _TRIES // len(_SPANS))).astype(int))
    triples = [(firsts, (firsts + int(n / s)) % n, (firsts + int(2 * n / s)) % n) for s in _SPANS]
    i, j, k = (np.concatenate(part) for part in zip(*triples))
    tried = circles_through(points[i], points[j], points[k])
    tried = tried[np.isfinite(tried[:, 2]) & (tried[:, 2] < largest)]
    if not len(tried):
        return None
    off = np.abs(np.hypot(points[:, 0] - tried[:, :1], points[:, 1] - tried[:, 1:2]) - tried[:, 2:])
    best = tried[np.argmax(np.maximum(0.0, 1.0 - (off / tolerance) ** 2).sum(axis=1))]
    a, b, _, _, radius = fitted_cylinder(np.column_stack([np.zeros(n), points]), np.array([best[0], best[1], 0.0, 0.0, best[2]]), tolerance=tolerance)
    return np.array([a, b, radius])


def off_cylinder(points: HostArray, cylinder: HostArray) -> HostArray:
    """How far outside a cylinder each point (t, a, b) lies (negative inside)."""
    a, b, p, q, radius = cylinder
    da, db = points[:, 1] - a - p * points[:, 0], points[:, 2] - b - q * points[:, 0]
    along = (p * da + q * db) / (1.0 + p * p + q * q)
    return np.asarray(np.sqrt(np.maximum(0.0, (da - p * along) ** 2 + (db - q * along) ** 2 + along**2)) - radius)


def fitted_cylinder(points: HostArray, start: HostArray, *, tolerance: float, rounds: int = 30) -> HostArray:
    """The cylinder nearest to points (t, a, b) in the sense of Tukey's biweight, from a start.

    Gauss-Newton with weights that vanish at three ``tolerance``, at first, and later at three robust standard deviations, never less than
    half of ``tolerance``. Slopes stay 0 where all points have one t.
    """
    found = start.astype(float)
    tilts = bool(np.ptp(points[:, 0]) > 0)
    for n in range(rounds):
        off = off_cylinder(points, found)
        near = off[np.abs(off) < 3.0 * tolerance]
        if len(near) < 6:
            return found
        reach = 3.0 * tolerance if n < 5 else min(3.0 * tolerance, max(4.5 * float(np.median(np.abs(near))), 0.5 * tolerance))
        weight = np.where(np.abs(off) < reach, (1.0 - (off / reach) ** 2) ** 2, 0.0)
        slope = _derivatives(points, found, tilts)
        root = np.sqrt(weight)
        step = np.linalg.lstsq(slope * root[:, None], -off * root, rcond=None)[0]
        change = np.zeros(5)
        change[[0, 1, 2, 3, 4] if tilts else [0, 1, 4]] = step
        found = found + change
        if np.abs(change[[0, 1, 4]]).max() < 1e-4 * tolerance:
            break
    return np.asarray(found)


def _derivatives(points: HostArray, cylinder: HostArray, tilts: bool) -> HostArray:
    """Of the distances, for small tilts (exact to their square)."""
    a, b, p, q, _ = cylinder
    t = points[:, 0]
    da, db = points[:, 1] - a - p * t, points[:, 2] - b - q * t
    distance = np.maximum(np.hypot(da, db), 1e-9)
    ua, ub = -da / distance, -db / distance
    columns = [ua, ub, ua * t, ub * t, -np.ones_like(t)] if tilts else [ua, ub, -np.ones_like(t)]
    return np.stack(columns, axis=1)


def inscribed_circle(center: tuple[float, float], radii: HostArray) -> HostArray:
    """The largest circle (a, b, radius) inside an outline of ``radii`` at equal angles around a point, to about a thousandth.

    Angle 0 points along b; infinite radii are no part of the outline.
    """
    angles = 2.0 * np.pi * np.arange(len(radii)) / len(radii)
    rim = np.stack([center[0] + radii * np.sin(angles), center[1] + radii * np.cos(angles)], axis=1)[np.isfinite(radii)]
    best, reach = np.array([*center, 0.0]), float(radii[np.isfinite(radii)].max())
    for _ in range(8):
        offsets = np.linspace(-reach, reach, 25)
        a, b = (part.ravel() for part in np.meshgrid(best[0] + offsets, best[1] + offsets, indexing="ij"))
        place = np.mod(np.rint(np.arctan2(a - center[0], b - center[1]) / (2.0 * np.pi) * len(radii)).astype(int), len(radii))
        inside = np.hypot(a - center[0], b - center[1]) <= radii[place]
        room = np.where(inside, np.hypot(rim[:, :1] - a, rim[:, 1:] - b).min(axis=0), -1.0)
        at = int(np.argmax(room))
        if room[at] > best[2]:
            best = np.array([a[at], b[at], room[at]])
        reach /= 4.0
    return best
