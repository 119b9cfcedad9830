"""Geometries that are hard on chunks: channels that wind through all of them, planes along their borders, voxels at their corners."""

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.ndimage as ndi
from skimage.morphology import reconstruction

import voxelrock as vr
from tests.contract.cases import ball, lengths
from tests.labels import components_dense
from tests.labels.test_labels_components import spiral
from tests.morphology import basins_dense
from voxelrock.testing import stored

L, M, G = vr.labels, vr.morphology, vr.segmentation
N = 16
CUBES = ((8, 8),) * 3


def planes():
    """One voxel thick, each on one side of a border between chunks."""
    mask = np.zeros((N, N, N), bool)
    mask[7] = mask[:, 8] = mask[:, :, 8] = True
    return mask


def single():
    mask = np.zeros((N, N, N), bool)
    mask[8, 8, 8] = mask[7, 7, 7] = mask[0, 0, 15] = True  # corner to corner across eight chunks, and the corner of the image
    return mask


GEOMETRIES = {
    "spiral": spiral(N),
    "around the spiral": ~spiral(N),
    "checkerboard": np.indices((N, N, N)).sum(0) % 2 == 0,
    "nothing": np.zeros((N, N, N), bool),
    "everything": np.ones((N, N, N), bool),
    "single voxels": single(),
    "all but single voxels": ~single(),
    "planes": planes(),
    "between planes": ~planes(),
}


def levels(mask):
    """Grey values on and off the mask, with plateaus that wind as it does."""
    return np.where(mask, np.uint8(90), np.uint8(20)) + (np.indices(mask.shape).sum(0) % 3).astype("u1")


def seed(mask):
    first = np.zeros(mask.shape, "u1")
    first[tuple(np.argwhere(mask)[-1]) if mask.any() else (0, 0, 0)] = 255
    return np.minimum(first, levels(mask))


def made(image, levels_of, seeds):
    """Each operation on one geometry, lazy."""
    return {
        "label": L.label(image),
        "distance": M.distance(image, border="solid"),
        "fill_holes": M.fill_holes(image),
        "watershed": G.watershed(levels_of),
        "split": G.split_touching(image, depth=0),
        "reconstruction": M.reconstruction(seeds, levels_of, connectivity=6),
    }


def truths(mask):
    distance = -lengths(mask)
    return {
        "label": components_dense.label(mask),
        "distance": lengths(mask, solid=True),
        "fill_holes": ndi.binary_fill_holes(mask, components_dense.structure(26)),
        "watershed": basins_dense.regions(levels(mask)),
        "split": basins_dense.regions(distance, 6, mask) if np.isfinite(distance).all() else mask,
        "reconstruction": reconstruction(seed(mask), levels(mask), footprint=components_dense.structure(6)),
    }


def images(mask, chunks):
    """The mask, grey values and seeds: stored in chunks, or lazy in one block that is larger than the image."""
    arrays = mask, levels(mask), seed(mask)
    return [vr.from_array(a, block=50) if chunks is None else stored(a, chunks) for a in arrays]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_operation_on_every_geometry(name):
    mask = GEOMETRIES[name]
    expected = truths(mask)
    for chunks in (CUBES, ((7, 1, 8), (16,), (3, 13)), None):
        image, grey, seeds = images(mask, chunks)
        found = made(image, grey, seeds)
        for operation, result in zip(found, dask.compute(*found.values(), scheduler="sync")):
            np.testing.assert_array_equal(result, expected[operation], err_msg=f"{operation} {chunks}")


@pytest.mark.filterwarnings("default")
def test_schedulers_and_repetitions_do_not_matter():
    mask = GEOMETRIES["spiral"]
    image, grey, seeds = images(mask, CUBES)
    region = vr.Ball(center={"z": 8, "y": 7, "x": 9}, radius=6)
    lazy = vr.from_array(da.from_array(mask, chunks=9))
    found = made(image, grey, seeds) | {"lazy label": L.label(lazy, connectivity=18), "lazy distance": M.distance(lazy, where=region)}
    expected = truths(mask) | {"lazy label": components_dense.label(mask, 18), "lazy distance": lengths(mask, ball(mask, 6, (8, 7, 9)))}
    runs = [dask.compute(*found.values(), scheduler=s, num_workers=2) for s in ("threads", "threads", "processes")]
    for number, operation in enumerate(found):
        np.testing.assert_array_equal(runs[0][number], expected[operation])
        assert len({run[number].tobytes() for run in runs}) == 1, operation
