"""Features of whole arrays by SciPy, and forests asked tree by tree and voxel by voxel."""

from types import SimpleNamespace

import numpy as np
import scipy.ndimage as ndi

import voxelrock as vr
from voxelrock.kernels.trees import Forest

BANK = vr.segmentation.FeatureBank(
    ["value", {"name": "gaussian", "scale_vx": 0.7}, ("difference_of_gaussians", 0.6), {"name": "median", "scale_vx": 1}, {"name": "uniform", "scale_vx": 1}]
)


def gaussian(a, sigma):
    return ndi.gaussian_filter(a, sigma, output="f8" if a.dtype == "f8" else "f4")


def rows(a):
    """The features of :data:`BANK`, where voxels are 1 apart."""
    found = [a, gaussian(a, 0.7), gaussian(a, 0.6) - gaussian(a, 1.6 * 0.6), ndi.median_filter(a, 3)]
    window = np.lib.stride_tricks.sliding_window_view(np.pad(a.astype("f8"), 1, mode="symmetric"), (3, 3, 3))
    total = window
    for axis in (3, 3, 3):  # z, then y, then x
        parts = np.moveaxis(total, axis, 0)
        total = (parts[0] + parts[1]) + parts[2]
    return np.stack([f.astype("f4") for f in (*found, total / 27)], axis=-1)


def tree(seed, features=5, levels=5, classes=3):
    """A random tree as scikit-learn keeps it, with limits in the range of grey values and of their differences."""
    rng = np.random.default_rng(seed)
    nodes = []

    def grow(level):
        at = len(nodes)
        nodes.append(None)
        share = rng.dirichlet(np.ones(classes))
        if level == levels or (level and rng.random() < 0.2):
            nodes[at] = (-1, -1, -2, -2.0, share)
        else:
            asked = int(rng.integers(features))
            limit = rng.normal(0, 1000) if asked == 2 else rng.choice([rng.uniform(0, 40000), rng.uniform(0, 255), rng.uniform(-10, 40)])
            left = grow(level + 1)
            nodes[at] = (left, grow(level + 1), asked, limit, share)
        return at

    grow(0)
    left, right, feature, threshold, value = zip(*nodes)
    return SimpleNamespace(
        children_left=np.array(left), children_right=np.array(right), feature=np.array(feature), threshold=np.array(threshold), value=np.array(value)[:, None]
    )


TREES = [tree(seed) for seed in range(7)]
CLASSES = (1, 4, 7)


def classifier(image):
    grid = image.grid
    return vr.segmentation.PixelClassifier(BANK, Forest.of(TREES), CLASSES, (tuple(grid.spacing), grid.unit), image.dtype.name)


EDGES = vr.segmentation.FeatureBank.multiscale(scale_vx=[0.6, 1.1], of=("gradient_magnitude", "laplacian_of_gaussian"))


def edges(image):
    """A classifier by features of derivatives."""
    grid = image.grid
    return vr.segmentation.PixelClassifier(EDGES, Forest.of(TREES), CLASSES, (tuple(grid.spacing), grid.unit), image.dtype.name)


def edge_rows(a):
    """The features of :data:`EDGES`, where voxels are 1 apart."""
    kinds = (ndi.gaussian_gradient_magnitude, ndi.gaussian_laplace)
    return np.stack([a.astype("f4"), *(kind(a, s, output="f4") for kind in kinds for s in (0.6, 1.1))], axis=-1)


def shares(a, features=rows):
    """The mean fractions of the classes, tree by tree."""
    table = features(a).reshape(-1, 5)
    total = np.zeros((len(table), 3))
    for one in TREES:
        node = np.zeros(len(table), int)
        for _ in range(6):
            inner = one.children_left[node] >= 0
            below = table[np.arange(len(table)), np.maximum(one.feature[node], 0)] <= one.threshold[node]
            node = np.where(inner, np.where(below, one.children_left[node], one.children_right[node]), node)
        total += one.value[node, 0]
    return (total / len(TREES)).reshape(*a.shape, 3)


def labels(a):
    return np.array(CLASSES, "u1")[np.argmax(shares(a), axis=-1)]
