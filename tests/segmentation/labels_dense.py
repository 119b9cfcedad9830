"""Votes and comparisons of labels by plain loops over whole arrays."""

import numpy as np


def majority(a, radius, footprint="ball", votes=None):
    """The most frequent label; of equally frequent ones the voxel's own, else the smallest."""
    votes = np.ones(a.shape, bool) if votes is None else votes
    size = [2 * r + 1 for r in radius]
    grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1) / max(r, 1) for r in radius), indexing="ij"))
    members = ((grid**2).sum(axis=0) <= 1 + 1e-12 if footprint == "ball" else np.ones(size, bool)).ravel()
    pad = [(r, r) for r in radius]
    views = [np.lib.stride_tricks.sliding_window_view(np.pad(b, pad, mode="symmetric"), size).reshape(*a.shape, -1)[..., members] for b in (a, votes)]
    out = a.copy()
    for at in np.ndindex(a.shape):
        if votes[at]:
            labels, counts = np.unique(views[0][at][views[1][at]], return_counts=True)
            best = labels[counts == counts.max()]
            out[at] = a[at] if a[at] in best else best[0]
    return out


def confusion(truth, found, labels, exists=None):
    exists = np.ones(truth.shape, bool) if exists is None else exists
    table = np.zeros((labels, labels), "i8")
    np.add.at(table, (truth[exists], found[exists]), 1)
    return table
