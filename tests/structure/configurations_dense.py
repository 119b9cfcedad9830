"""Minkowski functionals the long way: shifts of the whole array, direction by direction, plane by plane."""

import numpy as np

from voxelrock.geometry.crofton import DIRECTIONS, area_weights, curvature_weights


def pairs(a, b, offset, exists):
    """For every cell of 2×2×2 voxels that all exist, the changes along a direction between its voxels, pairs weighted by 1 / cells that hold them."""
    n = [s - 1 for s in a.shape]
    inside = cells(exists)
    first = [[0 if d >= 0 else 1] if d else [0, 1] for d in offset]
    count = np.prod([len(f) for f in first])
    total = 0.0
    for z in first[0]:
        for y in first[1]:
            for x in first[2]:
                one = a[z : z + n[0], y : y + n[1], x : x + n[2]]
                i, j, k = z + offset[0], y + offset[1], x + offset[2]
                two = b[i : i + n[0], j : j + n[1], k : k + n[2]]
                total += ((one != two) & inside).sum() / count
    return total


def cells(exists):
    found = np.ones([n - 1 for n in exists.shape], bool)
    for z in (0, 1):
        for y in (0, 1):
            for x in (0, 1):
                found &= exists[z : z + found.shape[0], y : y + found.shape[1], x : x + found.shape[2]]
    return found


def area(a, exists=None, spacing=(1, 1, 1), padded=False):
    exists = np.ones(a.shape, bool) if exists is None else exists
    a = a & exists
    if padded:
        a = np.pad(a, 1)
        exists = np.ones(a.shape, bool)
    return sum(w * pairs(a, a, d, exists) for w, d in zip(area_weights(spacing), DIRECTIONS))


def area_density(a, exists=None, spacing=(1, 1, 1)):
    return area(a, exists, spacing) / (cells(np.ones(a.shape, bool) if exists is None else exists).sum() * np.prod(spacing))


def share(a, exists=None):
    """The share of the phase in the cells inside, each voxel counted in each of its cells."""
    inside = cells(np.ones(a.shape, bool) if exists is None else exists)
    n = inside.shape
    hits = [(a[z : z + n[0], y : y + n[1], x : x + n[2]] & inside).sum() for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    return sum(hits) / (8 * inside.sum())


def plane(normal):
    """Two steps that span a lattice plane; where the plane is triangular, their difference is the third short step."""
    h, k, l = normal
    if h and k and l:
        return np.array([1, -k, 0]), np.array([1, 0, -l])
    if sum(map(abs, normal)) == 1:
        return (d for d in np.eye(3, dtype=int) if np.dot(d, normal) == 0)
    across = np.array([int(not n) for n in normal])
    return across, np.cross(across, normal)


def curvature(a, spacing=(1, 1, 1)):
    """Padded: Euler numbers of plane sections, as corners less edges plus triangles less squares of the lattice in each plane."""
    a = np.pad(a, 3)

    def all_set(*offsets):
        found = a
        for offset in offsets:
            found = found & np.roll(a, [-d for d in offset], (0, 1, 2))
        return int(found.sum())

    total = 0.0
    for weight, normal in zip(curvature_weights(spacing), DIRECTIONS):
        u, v = plane(normal)
        if all(normal):
            chi = all_set() - all_set(u) - all_set(v) - all_set(u - v) + all_set(u, v) + all_set(u, u - v)
        else:
            square = all_set(u, v, u + v)
            four = all_set() - all_set(u) - all_set(v) + square
            corners = all_set(u, v) + all_set(u, u + v) + all_set(v, u + v) + all_set(v, v - u)
            eight = all_set() - all_set(u) - all_set(v) - all_set(u + v) - all_set(u - v) + corners - square
            chi = (four + eight) / 2
        total += weight * chi
    return total


def loops(a):
    """One less the Euler number that corners, edges, faces and cubes of neighbours give, each by its share of cells inside, per volume."""
    inside = [n - 1 for n in a.shape]
    chi = 0.0
    for spanned in np.ndindex(2, 2, 2):
        part = a
        for axis in range(3):
            if spanned[axis]:
                part = np.take(part, range(part.shape[axis] - 1), axis) & np.take(part, range(1, part.shape[axis]), axis)
        part = part.astype(float)
        for axis in range(3):
            if not spanned[axis]:  # an element in the first or the last layer is half inside
                part[tuple(slice(None) if b != axis else [0, -1] for b in range(3))] /= 2
        chi += (-1) ** sum(spanned) * part.sum()
    return (1 - chi) / np.prod(inside)


def intercepts(a):
    """Twice the length of lines in the phase over the changes along them, direction by direction."""
    exists = np.ones(a.shape, bool)
    return np.array([2 * share(a) * cells(exists).sum() * np.linalg.norm(d) / pairs(a, a, d, exists) for d in DIRECTIONS])


def interfaces(labels, wanted, exists, step=(1.0, 1.0, 1.0)):
    """The area of voxel faces between each two labels."""
    table = np.zeros((len(wanted), len(wanted)))
    marked = np.pad(np.where(exists, labels.astype(int), -1), 1, constant_values=-1)
    for axis, face in enumerate(np.prod(step) / np.array(step)):
        next_ = np.roll(marked, -1, axis)
        for i, a in enumerate(wanted):
            for j, b in enumerate(wanted):
                table[i, j] += face * (((marked == a) & (next_ == b)) | ((marked == b) & (next_ == a))).sum() * (i != j)
    return table
