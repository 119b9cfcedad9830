"""Directions of lines and planes through a grid of voxels, and what share of all directions each stands for.

A voxel has thirteen pairs of neighbours. Lines along them, and the thirteen families of lattice planes that are flattest, sample all directions;
each stands for the part of the sphere that lies nearest to it (spherical Voronoi cells), whatever the spacing. With them Crofton's
formulae turn counts on a grid into areas and curvatures. Ohser & Mücklich 2000, "Statistical Analysis of Microstructures in Materials Science",
ISBN 978-0-471-97486-2; Legland, Kiêu & Devaux 2007, doi:10.5566/ias.v26.p83-92.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.spatial import SphericalVoronoi

from voxelrock.typing import HostArray, Triple

DIRECTIONS: tuple[Triple, ...] = (
    *((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    *((0, 1, 1), (0, 1, -1), (1, 0, 1), (1, 0, -1), (1, 1, 0), (1, -1, 0)),
    *((1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)),
)
"""The thirteen directions to a voxel's neighbours, (z, y, x): three along axes, six along diagonals of faces, four along diagonals of the cube. As
normals (h, k, l) they name the thirteen families of lattice planes."""


def steps(spacing: Iterable[float]) -> HostArray:
    """The length of one step along each direction (13)."""
    return np.linalg.norm(np.array(DIRECTIONS) * np.array(tuple(spacing)), axis=1)


def normals(spacing: Iterable[float]) -> HostArray:
    """The normals (13, 3) of the lattice planes; each is as long as the number of planes per unit length."""
    return np.array(DIRECTIONS) / np.array(tuple(spacing))


def shares(vectors: HostArray) -> HostArray:
    """What share of all directions lies nearest to each vector or its opposite; they sum to 1."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    areas = SphericalVoronoi(np.concatenate([units, -units])).calculate_areas()
    both = areas[: len(units)] + areas[len(units) :]
    return np.asarray(both / both.sum())


def area_weights(spacing: Iterable[float]) -> HostArray:
    """The surface area that one change of phase along each direction stands for, (13,).

    Examples
    --------
    >>> weights = area_weights((1.0, 1.0, 1.0))
    >>> [round(float(w) / 2, 9) for w in weights[[0, 3, 9]] * [1, 2**0.5, 3**0.5]]
    [0.091555782, 0.073961256, 0.07039128]
    """
    lengths = tuple(spacing)
    step = steps(lengths)
    return 2 * shares(np.array(DIRECTIONS) * np.array(lengths)) * math.prod(lengths) / step


def face_weights(spacing: Iterable[float]) -> HostArray:
    """The area of the voxel face that one change of phase along each direction crosses: 0 for diagonals (13,)."""
    lengths = np.array(tuple(spacing))
    return np.concatenate([np.prod(lengths) / lengths, np.zeros(len(DIRECTIONS) - 3)])


def curvature_weights(spacing: Iterable[float]) -> HostArray:
    """The integral of mean curvature that a section of Euler number 1 with a plane of each family stands for, (13,)."""
    vectors = normals(spacing)
    return 2 * math.pi * shares(vectors) / np.linalg.norm(vectors, axis=1)
