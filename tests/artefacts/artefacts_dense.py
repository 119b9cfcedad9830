"""The obvious answer to each correction, on the whole array."""

import numpy as np
import scipy.ndimage as ndi
from skimage.filters import threshold_otsu


def lower_median(values):
    return np.sort(values, axis=None)[(np.size(values) + 1) // 2 - 1]


def classes(a, exists=None):
    """Otsu's threshold, the bright class's median and its robust deviation."""
    values = a if exists is None else a[exists]
    cut = threshold_otsu(values)
    bright = values[values > cut].astype("f8")
    level = lower_median(bright)
    return cut, level, 1.4826 * lower_median(np.abs(bright - level))


def solid(a, exists=None):
    cut, level, spread = classes(a, exists)
    return max(cut + 1e-6, level - 3 * spread), level + 3 * spread


def ring_offsets(a, chosen, center, half, reach):
    """Of each slice (axis 0) and ring, one pixel wide: how much brighter it is than its neighbours, as far as sectors agree."""
    y, x = np.ogrid[: a.shape[1], : a.shape[2]]
    y, x = y - center[0], x - center[1]
    ring = np.floor(np.hypot(y, x)).astype(int)
    sector = np.minimum(((np.arctan2(y, x) + np.pi) % (2 * np.pi) / (2 * np.pi) * 8).astype(int), 7)
    rings = ring.max() + 2
    found = np.zeros((a.shape[0], rings))
    for z in range(a.shape[0]):
        slab = slice(max(0, z - half), z + half + 1)
        off = np.full((8, rings), np.nan)
        for s in range(8):
            mean = np.full(rings, np.nan)
            for r in range(rings):
                values = a[slab][:, (ring == r) & (sector == s)][chosen[slab][:, (ring == r) & (sector == s)]]
                mean[r] = values.mean() if values.size >= 4 else np.nan
            known = np.isfinite(mean)
            if known.any():
                filled = np.interp(np.arange(rings), np.flatnonzero(known), mean[known])
                off[s] = np.where(known, mean - ndi.median_filter(filled, 2 * reach + 1, mode="nearest"), np.nan)
        for r in range(rings):
            values = off[:, r][np.isfinite(off[:, r])]
            if values.size >= 4 and values.mean() ** 2 > 2 * values.var(ddof=1) / values.size:
                found[z, r] = values.mean() * (1 - 2 * values.var(ddof=1) / values.size / values.mean() ** 2)
    return found[:, ring]


def without_rings(a, center, half=4, reach=10, limits=None, exists=None):
    exists = np.ones(a.shape, bool) if exists is None else exists
    low, high = solid(a, exists) if limits is None else limits
    values = a.astype("f8")
    first = ring_offsets(values, exists & (values >= low) & (values <= high), center, half, reach)
    rest = values - first
    again = ring_offsets(rest, exists & (rest >= low) & (rest <= high), center, half, reach)
    return (values - first - again).astype("f4")


def binned(values, exists):
    """Each value as the middle of its bin, of 1024 about the usual range; NaN outside it."""
    low, high = np.quantile(values[exists], [0.001, 0.999])
    low, high = low - (high - low) / 5, high + (high - low) / 5
    number = np.minimum(np.floor((values - low) * (1024 / (high - low))), 1023)
    return np.where((values >= low) & (values <= high), low + (high - low) * (number + 0.5) / 1024, np.nan)


def without_cupping(a, distance, limits, air, degree=4, exists=None):
    """``distance`` is that of each voxel from the axis, in the shells' thickness; ``limits`` are those of the solid."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    values = a.astype("f8")
    shell = np.floor(distance).astype(int)
    middle, fit = binned(values, exists), np.ones(a.shape)
    for _ in range(6):
        corrected = air + (middle - air) / fit
        chosen = exists & (corrected >= limits[0]) & (corrected <= limits[1])
        numbers, counts = np.unique(shell[chosen], return_counts=True)
        means = np.array([(middle[chosen & (shell == n)] - air).mean() for n in numbers])
        u = (numbers + 0.5) ** 2
        line = np.polynomial.Polynomial.fit(u, means, degree // 2, w=np.sqrt(counts))
        at = lambda square: line(np.clip(square, u[0], u[-1])) / np.average(line(u), weights=counts)  # noqa: B023, E731
        fit = at((shell + 0.5) ** 2)
    return (air + (values - air) / at(distance**2)).astype("f4")


def middle_of(values, width, low):
    """The median of binned values, linear within the bin that half of them reach."""
    numbers, counts = np.unique(np.round((values - low) / width - 0.5), return_counts=True)
    total = np.cumsum(counts)
    place = np.searchsorted(total, counts.sum() / 2)
    return low + width * (numbers[place] + (counts.sum() / 2 - total[place] + counts[place]) / counts[place])


def without_drift(a, limits, axis=0, exists=None):
    """With offsets, for slices that all have solid."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    low, high = np.quantile(a[exists], [0.001, 0.999]).astype("f8")
    low, high = low - (high - low) / 5, high + (high - low) / 5
    values, exists = np.moveaxis(binned(a.astype("f8"), exists), axis, 0), np.moveaxis(exists, axis, 0)
    shift = np.zeros(len(values))
    for _ in range(4):
        chosen = [e & (v + s >= limits[0]) & (v + s <= limits[1]) for v, e, s in zip(values, exists, shift)]
        number = np.array([c.sum() for c in chosen])
        good = np.flatnonzero(number >= max(1, 0.02 * np.median(number[number > 0])))
        found = [middle_of(values[n][chosen[n]], (high - low) / 1024, low) for n in good]
        level = np.interp(np.arange(len(values)), good, found)
        shift = np.median(level) - level
    return (a + shift.reshape([-1 if n == axis else 1 for n in range(3)])).astype("f4")


def without_outliers(a, threshold):
    middle = ndi.median_filter(a, 3)
    off = np.abs(a.astype("f8") - middle)
    return np.where(off > ndi.median_filter(off, 3) * (1.4826 * threshold), middle, a)


def means_of_groups(a, group, limits, exists=None):
    """The mean of the solid in each group of voxels, of values at the middles of their bins; NaN where there is none."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    values = binned(a.astype("f8"), exists)
    chosen = exists & (values >= limits[0]) & (values <= limits[1])
    return np.array([values[chosen & (group == n)].mean() if (chosen & (group == n)).any() else np.nan for n in range(group.max() + 1)])


def without_shading(a, limits, air=None, degree=2, exists=None):
    """Divided by the polynomial where air is given, else less it."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    values, middle = a.astype("f8"), binned(a.astype("f8"), exists)
    places = np.meshgrid(*(np.linspace(-1, 1, n) for n in a.shape), indexing="ij")
    tile = sum((np.indices(a.shape)[n] // -(-a.shape[n] // 8)) * 10**n for n in range(3))
    powers = [p for p in np.ndindex((degree + 1,) * 3) if sum(p) <= degree]
    terms = np.stack([np.prod([c**n for c, n in zip(places, p)], axis=0) for p in powers], axis=-1)
    names = np.unique(tile)
    design = np.array([terms[tile == n].mean(axis=0) for n in names])
    base, change = air or 0.0, dict.fromkeys(names, 1.0 if air is not None else 0.0)
    for _ in range(6):
        shade = np.vectorize(change.get)(tile)
        corrected = base + (middle - base) / shade if air is not None else middle - shade
        chosen = exists & (corrected >= limits[0]) & (corrected <= limits[1])
        counts = np.array([(chosen & (tile == n)).sum() for n in names])
        good = counts > 0
        means = np.array([(middle[chosen & (tile == n)] - base).mean() for n in names[good]])
        root = np.sqrt(counts[good])
        solution = np.linalg.lstsq(design[good] * root[:, None], means * root, rcond=None)[0]
        level = np.average(design[good] @ solution, weights=counts[good])
        solution = solution / level if air is not None else solution - level * np.eye(len(powers))[0]
        change = dict(zip(names, design @ solution))
    seen = (design @ solution)[good]
    shade = np.clip(terms @ solution, seen.min() - np.ptp(seen) / 4, seen.max() + np.ptp(seen) / 4)
    return (base + (values - base) / shade if air is not None else values - shade).astype("f4")
