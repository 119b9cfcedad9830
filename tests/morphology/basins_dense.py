"""The dense truth of basins: Kruskal's algorithm on all pairs of voxels, in the strict order by value, then by index."""

import itertools

import numpy as np
import scipy.ndimage as ndi

from tests.labels.components_dense import RANKS, structure


def pairs(f, connectivity, inside):
    """All neighbouring voxels as (higher, lower), ascending by the higher, then by the lower."""
    index, values, found = np.arange(f.size).reshape(f.shape), f.ravel(), []
    for step in itertools.product((-1, 0, 1), repeat=3):
        if step > (0, 0, 0) and sum(map(abs, step)) <= RANKS[connectivity]:
            here = tuple(slice(max(0, -d), min(n, n - d)) for d, n in zip(step, f.shape))
            there = tuple(slice(max(0, d), min(n, n + d)) for d, n in zip(step, f.shape))
            both = inside[here] & inside[there]
            found.append(np.stack([index[here][both], index[there][both]], -1))
    first, second = np.concatenate(found).T
    up = values[second] >= values[first]
    high, low = np.where(up, second, first), np.where(up, first, second)
    order = np.lexsort((low, values[low], high, values[high]))
    return high[order].tolist(), low[order].tolist()


def find(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def grown(f, markers, connectivity=6, inside=None):
    """The minimum spanning forest of the voxels, rooted in the markers."""
    inside = np.ones(f.shape, bool) if inside is None else inside
    parent, mark = list(range(f.size)), np.where(inside, markers, 0).ravel().tolist()
    for i, j in zip(*pairs(f, connectivity, inside)):
        a, b = find(parent, i), find(parent, j)
        if a != b and not (mark[a] and mark[b]):
            parent[a] = b
            mark[b] = max(mark[a], mark[b])
    return np.array([mark[find(parent, i)] for i in range(f.size)]).reshape(f.shape)


def minima(f, connectivity=6, inside=None):
    """Regional minima: plateaus without a lower neighbour, numbered by their first voxels."""
    inside = np.ones(f.shape, bool) if inside is None else inside
    found = np.zeros(f.shape, bool)
    for value in np.unique(f[inside]):
        plateaus, count = ndi.label((f == value) & inside, structure(connectivity))
        lower = ndi.binary_dilation((f < value) & inside, structure(connectivity))
        found |= np.isin(plateaus, sorted(set(range(1, count + 1)) - set(plateaus[lower].tolist())))
    return ndi.label(found, structure(connectivity))[0]


def regions(f, connectivity=6, inside=None, depth=0):
    labels = minima(f, connectivity, inside)
    if depth:  # number those that are left from 1
        kept = np.unique(labels[deep(f, depth, connectivity, inside, first=True)])
        labels = np.searchsorted(kept, labels) * np.isin(labels, kept) + np.isin(labels, kept)
    return grown(f, labels, connectivity, inside)


def shrunk(seed, f, connectivity=26, inside=None):
    """Reconstruction by erosion, by the definition: take the lowest neighbour, never less than f, until nothing changes."""
    inside = np.ones(f.shape, bool) if inside is None else inside
    top = np.inf
    found = np.where(inside, np.maximum(seed, f), top)
    while True:
        least = ndi.minimum_filter(found, footprint=structure(connectivity), mode="constant", cval=top)
        new = np.where(inside, np.maximum(least, f), top)
        if (new == found).all():
            return np.where(inside, found, f).astype(f.dtype)
        found = new


def deep(f, depth, connectivity=26, inside=None, *, first=False):
    """Regional minima of a depth: flood from each in turn, and see how high it is to any lower one (with ``first``, or an equal one before it)."""
    inside = np.ones(f.shape, bool) if inside is None else inside
    labels, values, chosen = minima(f, connectivity, inside), f.astype("f8"), np.zeros(f.shape, bool)
    bottom = {k: values[labels == k][0] for k in range(1, labels.max(initial=0) + 1)}
    for k, height in bottom.items():
        rivals = [other for other, low in bottom.items() if low < height or (first and low == height and other < k)]
        level = shrunk(np.where(labels == k, values, np.inf), values, connectivity, inside)[np.isin(labels, rivals)]
        chosen[labels == k] = not level.size or level.min() - height >= depth
    return chosen
