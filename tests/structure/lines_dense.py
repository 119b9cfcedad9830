"""Runs along lines, one line at a time."""

from itertools import groupby

import numpy as np


def runs(a, exists=None, axis=0):
    """Complete and cut runs of True by length."""
    codes = np.where(np.ones(a.shape, bool) if exists is None else exists, a, 2).astype(int)
    n = a.shape[axis]
    table = np.zeros((2, n + 1), int)
    for line in np.moveaxis(codes, axis, -1).reshape(-1, n):
        pieces = [(2, 1), *((code, len(list(group))) for code, group in groupby(line.tolist())), (2, 1)]
        for before, (code, length), after in zip(pieces, pieces[1:], pieces[2:]):
            if code == 1:
                table[int(2 in (before[0], after[0])), length] += 1
    return table


def path(a, exists=None, axis=0):
    """Segments in the phase over segments that exist, each placed one by one."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    found = []
    for lag in range(a.shape[axis]):
        windows = [np.lib.stride_tricks.sliding_window_view(m, lag + 1, axis).all(-1).sum() for m in (a & exists, exists)]
        found.append(windows[0] / windows[1] if windows[1] else np.nan)
    return np.array(found)
