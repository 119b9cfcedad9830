"""Dense random packings of spheres in a periodic cell, computed at once on one core of the host.

Radii are drawn from a seed, centres start at random and are moved until no two spheres overlap. Random numbers, roots and sums are the
same on every platform, and so is the packing, bit for bit. Lengths are in any one physical unit.

Sources: Mościński, Bargieł, Rycerz, Jacobs 1989, "The force-biased algorithm for the irregular close packing of equal hard spheres",
doi:10.1080/08927028908031373 (repulsion by overlap); Bitzek, Koskinen, Gähler, Moseler, Gumbsch 2006, "Structural relaxation made simple",
doi:10.1103/PhysRevLett.97.170201 (inertia, stopped where it does no work).
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.kernels.backend import jit
from voxelrock.kernels.random import Operation, Stream, normal_field, word_field
from voxelrock.kernels.spheres import Lengths, SpherePack, volume
from voxelrock.typing import HostArray


def sphere_radii(*, seed: int, period: Lengths, radius: float, spread: float = 0.2, fraction: float = 0.6) -> HostArray:
    """Log-normal radii that fill a fraction of a periodic cell.

    Parameters
    ----------
    seed
        0 ≤ seed < 2³².
    period
        Edges of the cell, (z, y, x).
    radius
        Median radius, in the unit of the period (all radii are scaled by a common factor near 1 to meet the fraction exactly).
    spread
        Standard deviation of ln(radius), 0 to 1; draws beyond two standard deviations are drawn again.
    fraction
        Volume of all spheres over that of the cell.

    Returns
    -------
    HostArray
        (n,) float64. Equal bits on every platform.

    Raises
    ------
    ParameterError
        If a number lies out of range.
    """
    cell = period[0] * period[1] * period[2]
    usable = all(math.isfinite(v) and v > 0 for v in (*period, radius)) and 0.0 <= spread <= 1.0 and 0.0 < fraction < 1.0
    if not usable:
        raise ParameterError("a pack needs period > 0, radius > 0, 0 <= spread <= 1 and 0 < fraction < 1")
    stream, radii, drawn = Stream(seed, Operation.RADII), np.empty(0), 0
    while volume(radii) < fraction * cell:
        count = max(64, radii.size)
        draws = normal_field(start=(0, 0, drawn), shape=(1, 1, count), stream=stream)[0, 0]
        drawn += count
        with localcontext(prec=28):
            new = [radius * float((Decimal(spread) * Decimal(float(v))).exp()) for v in draws if abs(v) <= 2.0]
        radii = np.concatenate([radii, new])
    count = int(np.searchsorted(np.cumsum(radii * radii * radii), fraction * cell / (4.0 / 3.0 * math.pi))) + 1
    radii = radii[:count]
    with localcontext(prec=28):
        scale = float(Decimal(fraction * cell / volume(radii)) ** (Decimal(1) / 3))
    return radii * scale


def pack_spheres(*, seed: int, period: Lengths, radius: float, spread: float = 0.2, fraction: float = 0.6, steps: int = 20_000) -> SpherePack:
    """A dense random packing of spheres in a periodic cell, computed at once on one core: 11 000 spheres in about a second.

    Radii as :func:`sphere_radii`, arranged by :func:`relaxed_centers`: no two spheres overlap.

    Parameters
    ----------
    seed, period, radius, spread, fraction
        As in :func:`sphere_radii`. Fractions up to 0.62 came free of overlap in all of 180 trials (spread 0 to 0.5); equal spheres end near 0.64.
    steps
        Steps of the relaxation before giving up.

    Returns
    -------
    SpherePack
        With the period; ``fraction`` is met to rounding. Equal bits on every platform.

    Raises
    ------
    ParameterError
        If a number lies out of range, the cell is too small for its spheres, or the spheres cannot be packed so densely.
    """
    radii = sphere_radii(seed=seed, period=period, radius=radius, spread=spread, fraction=fraction)
    return SpherePack(relaxed_centers(radii, period=period, seed=seed, steps=steps), radii, period)


def relaxed_centers(radii: HostArray, *, period: Lengths, seed: int, steps: int = 20_000, margin: float = 5e-4) -> HostArray:
    """Random centres, moved until no two spheres of a periodic cell overlap.

    Spheres that overlap push each other apart, with inertia, until no overlap of spheres larger by ``margin`` exceeds half that margin
    of the distance at which they touch: the spheres themselves are then free of overlap, exactly. One thread and IEEE arithmetic: equal bits on every platform.

    Parameters
    ----------
    radii
        (n,) float64.
    period
        Edges of the cell, (z, y, x); each at least four times the greatest radius, and then some.
    seed
        Of the random start.
    steps
        Steps before giving up: a few hundred are used at a fraction of 0.60.
    margin
        Relative inflation while relaxing.

    Returns
    -------
    HostArray
        (n, 3) float64, within the cell.

    Raises
    ------
    ParameterError
        If the cell is too small for its spheres, or the spheres cannot be packed so densely within the steps.
    """
    size = np.asarray(period, dtype=np.float64)
    skin = 0.3 * float(np.min(radii, initial=math.inf))
    cutoff = 2.0 * (1.0 + margin) * float(np.max(radii, initial=0.0)) + skin
    if radii.size and float(np.min(size)) < 2.0 * cutoff:
        raise ParameterError(f"the cell {tuple(period)} is too small for its spheres: every edge must be at least {2 * cutoff:.4g}")
    words = word_field(start=(0, 0, 0), shape=(1, 3, radii.size), stream=Stream(seed, Operation.CENTERS))[0]
    centers = np.ascontiguousarray(words.T).astype(np.float64) * 2.0**-32 * size
    inflated = radii * (1.0 + margin)
    velocity, left = np.zeros_like(centers), steps
    pairs = np.empty((max(16, 16 * radii.size), 2), dtype=np.int32)
    while left > 0:
        found = _find_pairs(centers, inflated, size, skin, cutoff, pairs)
        if found > pairs.shape[0]:
            pairs = np.empty((2 * found, 2), dtype=np.int32)
            continue
        left, done = _relax(centers, velocity, inflated, size, pairs[:found], (skin, margin), left)
        if done:
            return centers
    raise ParameterError(f"the spheres did not come free of overlap in {steps} steps; ask for a smaller fraction")


@jit
def _apart(a: HostArray, b: HostArray, size: HostArray, axis: int) -> float:
    """The component of b - a along one axis, to the nearest image."""
    d = b[axis] - a[axis]
    if d > 0.5 * size[axis]:
        return d - size[axis]
    if d < -0.5 * size[axis]:
        return d + size[axis]
    return d


@jit
def _find_pairs(centers: HostArray, radii: HostArray, size: HostArray, skin: float, cutoff: float, pairs: HostArray) -> int:
    """All pairs closer than the skin, in a fixed order, by a list of cells; how many there are, even if ``pairs`` is too short."""
    n, found = radii.shape[0], 0
    cells = np.empty(3, np.int64)
    for axis in range(3):
        cells[axis] = max(1, min(int(size[axis] / cutoff), 256))
        if cells[axis] < 3:
            cells[axis] = 1
    head, following, at = np.full(cells[0] * cells[1] * cells[2], -1, np.int64), np.empty(n, np.int64), np.empty((n, 3), np.int64)
    for i in range(n - 1, -1, -1):
        for axis in range(3):
            at[i, axis] = min(int(centers[i, axis] / size[axis] * cells[axis]), cells[axis] - 1)
        cell = (at[i, 0] * cells[1] + at[i, 1]) * cells[2] + at[i, 2]
        following[i], head[cell] = head[cell], i
    span = np.minimum(cells // 2, 1)
    for i in range(n):
        for cz in range(at[i, 0] - span[0], at[i, 0] + span[0] + 1):
            for cy in range(at[i, 1] - span[1], at[i, 1] + span[1] + 1):
                for cx in range(at[i, 2] - span[2], at[i, 2] + span[2] + 1):
                    j = head[((cz % cells[0]) * cells[1] + cy % cells[1]) * cells[2] + cx % cells[2]]
                    while j >= 0:
                        if j > i and _gap_squared(centers[i], centers[j], size) < (radii[i] + radii[j] + skin) ** 2:
                            if found < pairs.shape[0]:
                                pairs[found, 0], pairs[found, 1] = i, j
                            found += 1
                        j = following[j]
    return found


@jit
def _gap_squared(a: HostArray, b: HostArray, size: HostArray) -> float:
    dz, dy, dx = _apart(a, b, size, 0), _apart(a, b, size, 1), _apart(a, b, size, 2)
    return dz * dz + dy * dy + dx * dx


@jit
def _push(centers: HostArray, radii: HostArray, size: HostArray, pairs: HostArray, force: HostArray) -> float:
    """Fill ``force`` with the sum of overlaps along their directions; the greatest overlap relative to the sum of radii."""
    worst = 0.0
    force[:] = 0.0
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        dz = _apart(centers[i], centers[j], size, 0)
        dy = _apart(centers[i], centers[j], size, 1)
        dx = _apart(centers[i], centers[j], size, 2)
        square, touching = dz * dz + dy * dy + dx * dx, radii[i] + radii[j]
        if square >= touching * touching:
            continue
        distance = np.sqrt(square)
        worst = max(worst, 1.0 - distance / touching)
        if distance == 0.0:  # two centres in one place part along z
            dz, distance = 1.0, 1.0
            scale = touching
        else:
            scale = (touching - distance) / distance
        force[i, 0] -= scale * dz
        force[i, 1] -= scale * dy
        force[i, 2] -= scale * dx
        force[j, 0] += scale * dz
        force[j, 1] += scale * dy
        force[j, 2] += scale * dx
    return worst


@jit
def _relax(
    centers: HostArray, velocity: HostArray, radii: HostArray, size: HostArray, pairs: HostArray, limits: tuple[float, float], left: int
) -> tuple[int, bool]:
    """Steps until the list of pairs is stale, the steps are spent or the overlaps gone."""
    n, (skin, margin) = radii.shape[0], limits
    force, moved = np.empty((n, 3)), np.zeros((n, 3))
    while left > 0:
        worst = _push(centers, radii, size, pairs, force)
        if worst < 0.5 * margin:
            return left, True
        left -= 1
        furthest = _advance(centers, velocity, size, force, moved)
        if 4.0 * furthest > skin * skin:
            return left, False
    return left, False


@jit
def _advance(centers: HostArray, velocity: HostArray, size: HostArray, force: HostArray, moved: HostArray) -> float:
    """One step with inertia; the square of the furthest way gone since the list was made."""
    power = 0.0
    for i in range(centers.shape[0]):
        for axis in range(3):
            power += velocity[i, axis] * force[i, axis]
    keep = 0.9 if power > 0.0 else 0.0
    furthest = 0.0
    for i in range(centers.shape[0]):
        way = 0.0
        for axis in range(3):
            velocity[i, axis] = keep * velocity[i, axis] + 0.3 * force[i, axis]
            moved[i, axis] += velocity[i, axis]
            way += moved[i, axis] * moved[i, axis]
            place = centers[i, axis] + velocity[i, axis]
            centers[i, axis] = place - size[axis] * np.floor(place / size[axis])
        furthest = max(furthest, way)
    return furthest
