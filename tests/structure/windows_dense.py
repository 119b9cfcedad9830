"""Windows and boxes, one at a time."""

import numpy as np

from tests.structure import configurations_dense as cubes


def tiles(shape, edge):
    return [tuple(slice(e * i, e * i + e) for e, i in zip(edge, index)) for index in np.ndindex(*(n // e for n, e in zip(shape, edge)))]


def window_values(a, edge, exists=None, step=(1.0, 1.0, 1.0)):
    """Porosity and specific surface of windows of voxels side by side that exist wholly."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    found = []
    for window in tiles(a.shape, edge):
        if exists[window].all():
            beyond = tuple(slice(s.start, s.stop + 1) for s in window)  # configurations that begin in the window
            found.append((a[window].mean(), cubes.area_density(a[beyond], exists[beyond], step)))
    return np.array(found).reshape(-1, 2)


def means(a, cell):
    sizes = range(1, min(a.shape) // cell + 1)
    return np.array([window_values(a, (k * cell,) * 3).mean(axis=0) for k in sizes]).T


def gliding(a, edge, step, exists=None):
    """Voxels of the phase in windows at every step."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    views = [np.lib.stride_tricks.sliding_window_view(m, edge)[::step, ::step, ::step] for m in (a & exists, exists)]
    return views[0].sum((-1, -2, -3))[views[1].all((-1, -2, -3))]


def lacunarity(a, cell, exists=None):
    cut = tuple(slice(n // cell * cell) for n in a.shape)
    a, exists = a[cut], None if exists is None else exists[cut]
    found = []
    for k in range(1, min(a.shape) // cell + 1):
        inside = gliding(a, (k * cell,) * 3, cell, exists).astype(float)
        found.append((inside**2).mean() / inside.mean() ** 2 if inside.any() else np.nan)
    return np.array(found)


def local_porosity(a, cell, bins, exists=None):
    cut = tuple(slice(n // cell * cell) for n in a.shape)
    inside = gliding(a[cut], (4 * cell,) * 3, cell, None if exists is None else exists[cut]) / (4 * cell) ** 3
    return np.histogram(inside, np.linspace(0, 1, bins + 1), density=True)[0]


def boxes(a, levels):
    found = []
    for level in range(levels):
        size = 2**level
        padded = np.pad(a, [(0, -n % size) for n in a.shape])
        shape = [m for n in padded.shape for m in (n // size, size)]
        found.append(padded.reshape(shape).any(axis=(1, 3, 5)).sum())
    return np.array(found)
