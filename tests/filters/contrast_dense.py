"""Local contrast on a whole array, voxel by voxel."""

import numpy as np


def local(a, tiles, clip=0.01, bins=256, limits=None, where=None):
    where = np.ones(a.shape, bool) if where is None else where
    v = a.astype("f8")
    low, high = (v[where].min(), v[where].max()) if limits is None else limits
    level = np.clip((v - low) * (bins / (high - low)), 0, bins)
    place = [np.arange(n) * t // n for n, t in zip(a.shape, tiles)]
    curves = {}
    for tile in np.ndindex(*tiles):
        inside = np.ix_(*(p == t for p, t in zip(place, tile)))
        found = np.minimum(level[inside][where[inside]].astype(int), bins - 1)
        if found.size:
            share = np.bincount(found, minlength=bins) / found.size
            least = np.minimum(share, max(clip, 1 / bins))
            curves[tile] = np.append(0, np.cumsum(least + (1 - least.sum()) / bins))
    out = np.full(a.shape, np.nan)
    for at in zip(*np.nonzero(where)):
        total = weights = 0
        for tile, curve in curves.items():
            weight = 1
            for k, t, n, count in zip(at, tile, a.shape, tiles):
                spot = np.clip((k + 0.5) * count / n - 0.5, 0, count - 1)
                weight *= max(0, 1 - abs(spot - t))
            if weight:
                total += weight * np.interp(level[at], np.arange(bins + 1), curve)
                weights += weight
        out[at] = total / weights
    return out.astype("f8" if a.dtype == np.float64 else "f4")
