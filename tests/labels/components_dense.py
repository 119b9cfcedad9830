"""The dense truth of labelling: SciPy on the whole array, and what follows from its labels."""

import numpy as np
import scipy.ndimage as ndi
import scipy.sparse as sparse

RANKS = {6: 1, 18: 2, 26: 3}


def structure(connectivity):
    return ndi.generate_binary_structure(3, RANKS[connectivity])


def label(a, connectivity=6):
    """Components of equal non-zero values, numbered by their first voxels."""
    if a.dtype == bool:
        return ndi.label(a, structure(connectivity))[0]
    found = np.zeros(a.shape, np.int64)
    for value in np.unique(a[a != 0]):
        own, _ = ndi.label(a == value, structure(connectivity))
        found[own > 0] = own[own > 0] + found.max()
    return in_scan_order(found)


def in_scan_order(labels):
    values, first = np.unique(labels[labels > 0], return_index=True)
    table = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    table[values[np.argsort(first)]] = np.arange(1, values.size + 1)
    return table[labels]


def label_periodic(a, connectivity, axes):
    """Label the array with its first planes repeated at the end, then join what holds the same voxel."""
    pad = [(int(axis in axes),) * 2 for axis in "zyx"]
    wide, count = ndi.label(np.pad(a, pad, mode="wrap"), structure(connectivity))
    index = np.pad(np.arange(a.size).reshape(a.shape), pad, mode="wrap")
    voxels = index[wide > 0]
    graph = sparse.coo_matrix((np.ones(voxels.size), (voxels, a.size + wide[wide > 0])), shape=(a.size + count + 1,) * 2)
    joined = sparse.csgraph.connected_components(graph, directed=False)[1][: a.size].reshape(a.shape) + 1
    return in_scan_order(np.where(a, joined, 0))


def sizes(labels):
    return np.bincount(labels.ravel(), minlength=labels.max(initial=0) + 1)[1:]


def by_size(labels):
    order = np.argsort(-sizes(labels), kind="stable")
    table = np.zeros(order.size + 1, np.int64)
    table[order + 1] = np.arange(1, order.size + 1)
    return table[labels]


def end(inside, axis, low):
    """The voxels of a region whose neighbour on one side is not in it."""
    beyond = np.zeros_like(inside)
    here, there = [slice(None)] * 3, [slice(None)] * 3
    here[axis], there[axis] = (slice(1, None), slice(None, -1)) if low else (slice(None, -1), slice(1, None))
    beyond[tuple(here)] = inside[tuple(there)]
    return inside & ~beyond


def touching(labels, inside, axis, low):
    found = np.unique(labels[end(inside, axis, low)])
    return set(found[found > 0].tolist())


def percolating(a, axis, connectivity=6, inside=None):
    inside = np.ones(a.shape, bool) if inside is None else inside
    labels = label(a & inside, connectivity)
    return np.isin(labels, list(touching(labels, inside, axis, True) & touching(labels, inside, axis, False)))


def outer(a, connectivity=6, inside=None):
    """The components that touch any outer surface."""
    inside = np.ones(a.shape, bool) if inside is None else inside
    labels = label(np.where(inside, a, np.zeros((), a.dtype)), connectivity)
    return np.isin(labels, list(set().union(*(touching(labels, inside, axis, low) for axis in range(3) for low in (True, False)))))


def fractions(a, inside=None):
    """The table of connectivity: measure, connectivity, of."""
    inside = np.ones(a.shape, bool) if inside is None else inside
    rows = []
    for connectivity in (6, 26):
        spanning = [percolating(a, axis, connectivity, inside).sum() for axis in range(3)]
        pore, effective = (a & inside).sum(), outer(a, connectivity, inside).sum()
        rows.append([pore, effective, *spanning, pore - effective])
    table = np.array(rows, float).T
    return np.stack([table / inside.sum(), table / table[0, 0]], axis=-1)


def holding(a, sure, connectivity=6):
    """The components that hold a voxel of another mask."""
    labels = label(a, connectivity)
    found = np.unique(labels[sure & a])
    return np.isin(labels, found) & a
