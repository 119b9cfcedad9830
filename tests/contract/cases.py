"""One line for each public operation buys every promise: see test_contract.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage as ndi
from skimage.filters import (
    threshold_isodata,
    threshold_li,
    threshold_minimum,
    threshold_multiotsu,
    threshold_niblack,
    threshold_otsu,
    threshold_sauvola,
    threshold_triangle,
    threshold_yen,
)
from skimage.measure import euler_number
from skimage.morphology import h_maxima, reconstruction
from skimage.restoration import denoise_tv_chambolle

import voxelrock as vr
from tests.artefacts import artefacts_dense as flaws
from tests.filters import contrast_dense as contrast
from tests.filters import denoising_dense as denoised
from tests.filters import features_dense as features
from tests.filters import noise_dense
from tests.labels import components_dense as dense
from tests.morphology import basins_dense as basins
from tests.pores import sizes_dense as sizes
from tests.registration import resampled_dense as elsewhere
from tests.segmentation import edges_dense as edges
from tests.segmentation import forests_dense as forests
from tests.segmentation import labels_dense as votes
from tests.segmentation import thresholds_dense as limits
from tests.structure import configurations_dense as cubes
from tests.structure import gradients_dense as gradients
from tests.structure import lines_dense as runs
from tests.structure import pairs_dense as pairs
from tests.structure import windows_dense as windows

BALL = vr.Ball(center={"z": 4.0, "y": 5.0, "x": 3.0}, radius=3.7)
BALL_UM = vr.Ball(center={"z": 8.0, "y": 10.0, "x": 6.0}, radius=7.4)
"""The same voxels where they are 2 um apart."""


def grey(shape=(9, 11, 8), dtype="u2", seed=7):
    """Noise with structure: smooth enough for thresholds, with repeated values."""
    rng = np.random.default_rng(seed)
    field = ndi.uniform_filter(rng.normal(size=shape), 2) + 0.1 * rng.normal(size=shape)
    field = (field - field.min()) / np.ptp(field)
    if dtype == "bool":
        return field > 0.6
    if np.dtype(dtype).kind == "f":
        return (field * 50 - 10).astype(dtype)
    info = np.iinfo(dtype)
    span = min(info.max, 40000) if info.min == 0 else 100
    return (field * span + (0 if info.min == 0 else -span / 2)).astype(dtype)


def ball(a, radius=3.7, center=(4.0, 5.0, 3.0)):
    z, y, x = np.ogrid[tuple(slice(n) for n in a.shape)]
    return (z - center[0]) ** 2 + (y - center[1]) ** 2 + (x - center[2]) ** 2 <= radius**2


def tube(a):
    y, x = np.ogrid[: a.shape[1], : a.shape[2]]
    return np.broadcast_to((y - (a.shape[1] - 1) / 2) ** 2 + (x - (a.shape[2] - 1) / 2) ** 2 <= 16, a.shape)


@dataclass(frozen=True)
class Case:
    """An operation, the obvious answer on the whole array, and what is declared of it."""

    name: str
    make: Callable[[Any], Any]
    truth: Callable[[np.ndarray], Any]
    dtype: str = "u2"
    covers: str = ""
    tolerance: float = 0.0
    device: str = "bitwise"  # or "tolerance", or "host": it runs there alone

    @property
    def public(self):
        return self.covers or self.name


def binned(a, edges):
    return np.histogram(a, edges)[0]


def coarse(a, f, function):
    n = [s // k for s, k in zip(a.shape, f)]
    cut = a[: n[0] * f[0], : n[1] * f[1], : n[2] * f[2]]
    return function(cut.reshape(n[0], f[0], n[1], f[1], n[2], f[2]).transpose(0, 2, 4, 1, 3, 5).reshape(*n, -1))


def majority(v, nodata=None):
    flat = v.reshape(-1, v.shape[-1])
    known = [r[r != nodata] if nodata is not None else r for r in flat]
    return np.array([min(np.unique(r), key=lambda u: (-np.sum(r == u), u)) if r.size else nodata for r in known], v.dtype).reshape(v.shape[:-1])


def kittler(a):
    """The lowest local minimum of Kittler and Illingworth's criterion, straight from their paper."""
    values, counts = np.unique(a, return_counts=True)
    grey = np.arange(int(values[0]), int(values[-1]) + 1)
    weight = np.zeros(grey.size)
    weight[values.astype(int) - int(values[0])] = counts / counts.sum()
    found = np.full(grey.size, np.nan)
    for t in range(grey.size - 1):
        parts = [(weight[: t + 1], grey[: t + 1]), (weight[t + 1 :], grey[t + 1 :])]
        shares = [w.sum() for w, _ in parts]
        spreads = [max(0.0, (w @ g**2.0) / w.sum() - ((w @ g) / w.sum()) ** 2) for w, g in parts]
        if min(spreads) > 0.1:
            found[t] = 1 + sum(p * np.log(s) - 2 * p * np.log(p) for p, s in zip(shares, spreads))
    inner = [t for t in range(1, grey.size - 2) if found[t] <= found[t - 1] and found[t] <= found[t + 1]]
    return grey[min(inner, key=lambda t: found[t])]


PARTS = ["total", "effective", "percolating_z", "percolating_y", "percolating_x", "isolated"]


def edt(a, exists=None, solid=False, spacing=(1, 1, 1)):
    """Distances of the True voxels that exist to False ones, by SciPy; with ``solid`` what does not exist is False, and so is the frame."""
    exists = np.ones(a.shape, bool) if exists is None else exists
    free = np.pad(a & exists, 1, constant_values=False) if solid else np.pad(a | ~exists, 1, constant_values=True)
    found = ndi.distance_transform_edt(free, sampling=spacing)[1:-1, 1:-1, 1:-1]
    return np.where(a & exists, found, 0) if not free.all() else np.where(a & exists, np.inf, 0)


def saturated(a):
    dry, room = a // 2 * 1.0, a // 2 * 2.0
    return np.where(room > 60, (a - dry) / np.where(room == 0, 1, room), np.nan).astype("f4")


def slices(a, labels, axis, exists):
    a, exists = np.moveaxis(a, axis, 0), np.moveaxis(exists, axis, 0)
    if labels is None:
        return np.array([v[e].mean(dtype="f8") if e.any() else np.nan for v, e in zip(a, exists)])
    return np.array([[np.mean(v[e] == label) if e.any() else np.nan for v, e in zip(a, exists)] for label in labels])


def lengths(a, exists=None, **keywords):
    return np.where(True if exists is None else exists, edt(a, exists, **keywords), np.nan).astype("f4")


def eroded(a, radius, exists=None, **keywords):
    return edt(a, exists, **keywords) >= radius


def dilated(a, radius, exists=None, **keywords):
    exists = np.ones(a.shape, bool) if exists is None else exists
    return (edt(~a, exists, **keywords) < radius) & exists


def thickness(a, exists=None, spacing=(1, 1, 1), **keywords):
    d = edt(a, exists, spacing=spacing, **keywords)
    return sizes.thickness(sizes.squares(d, 0.25), d > 0, np.square(spacing))


def throats(a, inlet, outlet=None, exists=None, connectivity=6, **keywords):
    d = edt(a, exists, **keywords)
    ends = [None if side is None else sizes.sides(np.ones(a.shape, bool) if exists is None else exists, side) for side in (inlet, outlet)]
    return sizes.invaded(sizes.squares(d), d > 0, *ends, connectivity)


def at(a, *voxels):
    found = np.zeros(a.shape, bool)
    found[tuple(zip(*voxels))] = True
    return found


TILT = vr.registration.Transform.rigid(angle=17, axis=(1, 2, 3), shift=(0.4, -0.3, 0.7), center=(4, 5, 3))
TILTED = vr.VoxelGrid(vr.ZYX(8, 10, 9), vr.ZYX(1.1, 0.9, 1.2), vr.ZYX(0.3, 0.6, -0.4))
"""A grid that lies askew to that of the images, through a transform."""


def askew(a, how, *fill, transform=TILT, grid=TILTED):
    matrix = np.array(transform.matrix)
    at = elsewhere.places(grid.shape, matrix * np.array(grid.spacing), transform.apply(np.array(grid.origin)))
    return how(a, at, *fill)


TALL = {"z": 2.5, "y": 1.0, "x": 1.0}
CROSS = ndi.generate_binary_structure(3, 1)

F, S, G, N, L, M, P, X = vr.filters, vr.statistics, vr.segmentation, vr.generators, vr.labels, vr.morphology, vr.pores, vr.structure
R = vr.registration
A, F, S, G, N, L, M, P, X = vr.artefacts, vr.filters, vr.statistics, vr.segmentation, vr.generators, vr.labels, vr.morphology, vr.pores, vr.structure
MISSING = 131  # a grey value of the u1 images, declared to be no data
SMALL = vr.ZYX(z=9, y=11, x=8)
AXIS = {"y": 5.0, "x": 3.5}
PLUG = vr.Cylinder(axis="z", radius=4.5, center=AXIS)


def off_axis(a):
    y, x = np.ogrid[: a.shape[1], : a.shape[2]]
    return np.broadcast_to(np.hypot(y - 5, x - 3.5), a.shape)


CASES = [
    Case("filters.gaussian", lambda im: F.gaussian(im, sigma=1.3), lambda a: ndi.gaussian_filter(a, 1.3, output="f4")),
    Case("filters.gaussian f8 anisotropic", lambda im: F.gaussian(im, sigma_vx=(0.7, 0, 1.1)), lambda a: ndi.gaussian_filter(a, (0.7, 0, 1.1)), "f8", "filters.gaussian"),
    Case("filters.median", lambda im: F.median(im, radius_vx=1), lambda a: ndi.median_filter(a, 3)),
    Case("filters.median u1", lambda im: F.median(im, radius_vx=1), lambda a: ndi.median_filter(a, 3), "u1", "filters.median"),
    Case("filters.median f4 flat", lambda im: F.median(im, radius_vx=(0, 1, 2)), lambda a: ndi.median_filter(a, (1, 3, 5)), "f4", "filters.median"),
    Case("filters.median ball", lambda im: F.median(im, radius=2, footprint="ball"), lambda a: ndi.median_filter(a, footprint=ball(np.ones((5, 5, 5)), 2, (2, 2, 2))), "u1", "filters.median"),
    Case("filters.uniform", lambda im: F.uniform(im, size_vx=3), lambda a: ndi.uniform_filter(a.astype("f8"), 3), covers="filters.uniform", tolerance=3e-7),
    Case("chain of filters", lambda im: F.median(F.gaussian(F.median(im, radius_vx=1), sigma=0.8), radius_vx=1),
         lambda a: ndi.median_filter(ndi.gaussian_filter(ndi.median_filter(a, 3), 0.8, output="f4"), 3), covers="filters.median"),
    Case("two readings of one image", lambda im: F.gaussian(im, sigma=0.5) - F.gaussian(im, sigma=1.0),
         lambda a: ndi.gaussian_filter(a, 0.5, output="f4") - ndi.gaussian_filter(a, 1.0, output="f4"), covers="image"),
    Case("segmentation.threshold", lambda im: G.threshold(im, low=9000.5, high=20000), lambda a: (a >= 9000.5) & (a <= 20000)),
    Case("segmentation.threshold where", lambda im: G.threshold(im, high=20000, where=BALL), lambda a: (a <= 20000) & ball(a), covers="segmentation.threshold"),
    Case("segmentation.otsu", lambda im: G.otsu(im, phase="dark"), lambda a: a <= threshold_otsu(a)),
    Case("segmentation.otsu where", lambda im: G.otsu(F.median(im, radius_vx=1), phase="bright", where=BALL),
         lambda a: (ndi.median_filter(a, 3) > threshold_otsu(ndi.median_filter(a, 3)[ball(a)])) & ball(a), covers="segmentation.otsu"),
    Case("segmentation.otsu f4", lambda im: G.otsu(im, phase="dark"), lambda a: a <= threshold_otsu(a.astype("f8")), "f4", "segmentation.otsu"),
    Case("segmentation.otsu without data", lambda im: S.porosity(G.otsu(im.assign(nodata=MISSING), phase="dark")),
         lambda a: (a[a != MISSING] <= threshold_otsu(a[a != MISSING])).mean(), "u1", "segmentation.otsu", tolerance=1e-15),
    Case("segmentation.threshold without data", lambda im: S.porosity(~G.threshold(im.assign(nodata=MISSING), high=90) ^ (im > 200)),
         lambda a: ((a > 90) ^ (a > 200))[a != MISSING].mean(), "u1", "segmentation.threshold", tolerance=1e-15),
    Case("segmentation.otsu where feeds porosity", lambda im: S.porosity(G.otsu(im, phase="bright", where=BALL)),
         lambda a: (a > threshold_otsu(a[ball(a)]))[ball(a)].mean(), covers="segmentation.otsu", tolerance=1e-15),
    Case("segmentation.otsu_threshold", lambda im: G.otsu_threshold(im), threshold_otsu),
    Case("segmentation.otsu_threshold where", lambda im: G.otsu_threshold(im, where=BALL), lambda a: threshold_otsu(a[ball(a)]), "i2", "segmentation.otsu_threshold"),
    Case("segmentation.minimum_error_threshold", lambda im: G.minimum_error_threshold(im), kittler, "u1"),
    Case("segmentation.isodata_threshold", G.isodata_threshold, threshold_isodata, "u1"),
    Case("segmentation.edge_threshold", lambda im: G.edge_threshold(im, scale_vx=0.5), lambda a: edges.edge_threshold(a, 0.5), "u1", tolerance=0.05),
    Case("segmentation.li_threshold", lambda im: G.li_threshold(im, where=BALL), lambda a: threshold_li(a[ball(a)]), tolerance=1e-13),
    Case("segmentation.maximum_entropy_threshold", G.maximum_entropy_threshold, limits.kapur, "u1"),
    Case("segmentation.mean_threshold", G.mean_threshold, np.mean),
    Case("segmentation.mean_threshold f4", lambda im: G.threshold(im, high=G.mean_threshold(im)), lambda a: a <= a.mean(dtype="f8"), "f4", "segmentation.mean_threshold"),
    Case("segmentation.minimum_threshold", lambda im: G.minimum_threshold(im // 8), lambda a: threshold_minimum(a // 8), "u1"),
    Case("segmentation.triangle_threshold", lambda im: G.triangle_threshold(im, where=BALL), lambda a: threshold_triangle(a[ball(a)]), "i1"),
    Case("segmentation.triangle_threshold f4", G.triangle_threshold, threshold_triangle, "f4", "segmentation.triangle_threshold", tolerance=1e-6),
    Case("segmentation.yen_threshold", G.yen_threshold, threshold_yen, "u1"),
    Case("segmentation.gaussian_mixture", lambda im: G.gaussian_mixture(im, classes=2)["mean"], lambda a: limits.mixture(a, 2)[0], "u1", tolerance=1e-9),
    Case("segmentation.class_probability", lambda im: G.class_probability(im, mixture=G.gaussian_mixture(im), number=1),
         lambda a: limits.probability(a, 2, 1).astype("f4"), "u1", tolerance=1e-5, device="tolerance"),
    Case("segmentation.niblack_threshold", lambda im: G.niblack_threshold(im, size_vx=5, k=0.3), lambda a: threshold_niblack(a, 5, 0.3).astype("f4"), tolerance=1e-6),
    Case("segmentation.niblack_threshold where", lambda im: G.niblack_threshold(im, size_vx=(3, 1, 5), where=BALL), lambda a: limits.niblack(a, (3, 1, 5), 0.2, ball(a)),
         "u1", "segmentation.niblack_threshold", tolerance=1e-6),
    Case("segmentation.sauvola_threshold", lambda im: im > G.sauvola_threshold(im, size=3.0), lambda a: a > threshold_sauvola(a, 3), "u1"),
    Case("segmentation.sauvola_threshold f4", lambda im: G.sauvola_threshold(im, size_vx=(3, 3, 5), k=0.4, r=20), lambda a: threshold_sauvola(a.astype("f8"), (3, 3, 5), 0.4, 20),
         "f4", "segmentation.sauvola_threshold", tolerance=1e-6),
    Case("segmentation.majority_vote", lambda im: G.majority_vote(im // 60, radius_vx=1), lambda a: votes.majority(a // 60, (1, 1, 1)), "u1"),
    Case("segmentation.majority_vote cube where", lambda im: G.majority_vote(im, radius=1.5, footprint="cube", where=BALL),
         lambda a: votes.majority(a, (1, 1, 1), "cube", ball(a)), "i2", "segmentation.majority_vote"),
    Case("segmentation.compare", lambda im: G.compare(im // 64, F.median(im, radius_vx=1) // 64, labels=[0, 1, 2, 3], where=BALL)["confusion"],
         lambda a: votes.confusion(ndi.median_filter(a, 3) // 64, a // 64, 4, ball(a)), "u1", device="host"),
    Case("segmentation.PixelClassifier", lambda im: forests.classifier(im).classify(im), lambda a: forests.labels(a), device="host"),
    Case("segmentation.PixelClassifier where", lambda im: forests.classifier(im).probability(im, label=7, where=BALL),
         lambda a: np.where(ball(a), forests.shares(a)[..., 2].astype("f4"), np.float32("nan")), "f4", "segmentation.PixelClassifier", device="host"),
    Case("segmentation.PixelClassifier of derivatives", lambda im: forests.edges(im).probability(im, label=4),
         lambda a: forests.shares(a, forests.edge_rows)[..., 1].astype("f4"), "u1", "segmentation.PixelClassifier", device="host"),
    Case("segmentation.PixelClassifier of a chain", lambda im: forests.classifier(im).uncertainty(F.median(im, radius_vx=1)),
         lambda a: (1 - forests.shares(ndi.median_filter(a, 3)).max(axis=-1)).astype("f4"), "u1", "segmentation.PixelClassifier", device="host"),
    Case("statistics.saturation", lambda im: S.saturation((im // 64).assign(phases={0: vr.Phase("oil", "fluid"), 2: vr.Phase("brine", "fluid")})),
         lambda a: [(a // 64 == k).sum() / np.isin(a // 64, [0, 2]).sum() for k in (0, 2)], "u1", tolerance=1e-15),
    Case("segmentation.multi_otsu_thresholds", lambda im: G.multi_otsu_thresholds(im, classes=3), lambda a: threshold_multiotsu(a, 3), "u1"),
    Case("segmentation.multi_otsu", lambda im: G.multi_otsu(im, classes=3), lambda a: np.digitize(a, threshold_multiotsu(a, 3), right=True).astype("u1"), "u1"),
    Case("statistics.histogram", lambda im: S.histogram(im), lambda a: np.bincount(a.ravel(), minlength=65536)),
    Case("statistics.histogram bool", lambda im: S.histogram(im), lambda a: np.bincount(a.ravel(), minlength=2), "bool", "statistics.histogram"),
    Case("statistics.histogram where", lambda im: S.histogram(im, where=BALL), lambda a: np.bincount(a[ball(a)].astype("i4") + 128, minlength=256), "i1", "statistics.histogram"),
    Case("statistics.histogram bins", lambda im: S.histogram(im, bins=[-5.0, 0.0, 2.5, 30.0]), lambda a: binned(a, [-5.0, 0.0, 2.5, 30.0]), "f4", "statistics.histogram"),
    Case("statistics.histogram integer bins", lambda im: S.histogram(im, bins=7, limits=(0, 30000)), lambda a: binned(a, np.linspace(0, 30000, 8)), covers="statistics.histogram"),
    Case("statistics.quantile", lambda im: S.quantile(im, q=[0, 0.1, 0.5, 0.77, 1]), lambda a: np.quantile(a, [0, 0.1, 0.5, 0.77, 1]), tolerance=1e-14),
    Case("statistics.quantile f4", lambda im: S.quantile(im, q=[0, 0.1, 0.5, 0.77, 1], where=BALL),
         lambda a: np.quantile(a[ball(a)].astype("f8"), [0, 0.1, 0.5, 0.77, 1]), "f4", "statistics.quantile", tolerance=1e-14),
    Case("statistics.quantile i8", lambda im: S.quantile(im, q=0.3), lambda a: np.quantile(a, 0.3), "i8", "statistics.quantile", tolerance=1e-14),
    Case("statistics.summary", lambda im: S.summary(im).to_dataarray(), lambda a: [a.size, a.min(), a.max(), a.mean(), a.std()], tolerance=1e-14),
    Case("statistics.summary f4", lambda im: S.summary(im, where=BALL).to_dataarray(),
         lambda a: [ball(a).sum(), a[ball(a)].min(), a[ball(a)].max(), a[ball(a)].mean(dtype="f8"), a[ball(a)].std(dtype="f8")], "f4", "statistics.summary", tolerance=1e-13),
    Case("statistics.porosity", lambda im: S.porosity(im), np.mean, "bool", tolerance=1e-15),
    Case("statistics.porosity where", lambda im: S.porosity(im, where=BALL), lambda a: a[ball(a)].mean(), "bool", "statistics.porosity", tolerance=1e-15),
    Case("statistics.porosity of labels", lambda im: S.porosity(im, pore=[3, 7, 40], where=BALL), lambda a: np.isin(a[ball(a)], [3, 7, 40]).mean(), "u1", "statistics.porosity", tolerance=1e-15),
    Case("statistics.phase_fractions", lambda im: S.phase_fractions(im, labels=range(40)), lambda a: [(a == k).mean() for k in range(40)], "u1", tolerance=1e-15),
    Case("statistics.profile", lambda im: S.profile(im, axis="y"), lambda a: a.mean(axis=(0, 2), dtype="f8"), tolerance=1e-14),
    Case("statistics.profile f4", lambda im: S.profile(im, axis="x"), lambda a: a.mean(axis=(0, 1), dtype="f8"), "f4", "statistics.profile", tolerance=1e-12),
    Case("statistics.profile where", lambda im: S.profile(im, axis="z", where=BALL),
         lambda a: [a[k][ball(a)[k]].mean() if ball(a)[k].any() else np.nan for k in range(a.shape[0])], "bool", "statistics.profile", tolerance=1e-14),
    Case("image arithmetic", lambda im: (im * 3 - 7) // 2 + im % 5, lambda a: (a.astype("i8") * 3 - 7) // 2 + a % 5, covers="image"),
    Case("image division", lambda im: im / 4, lambda a: (a / np.float32(4)).astype("f4"), covers="image"),
    Case("image comparisons", lambda im: (im > 8000) & ~(im >= 20000) | (im == 0), lambda a: (a > 8000) & ~(a >= 20000) | (a == 0), covers="image"),
    Case("image functions", lambda im: np.sqrt(np.abs(im)), lambda a: np.sqrt(np.abs(a)), "f4", "image"),
    Case("image.astype", lambda im: im.astype("u1", clip=True), lambda a: np.clip(np.rint(a), 0, 255).astype("u1"), "f4", "image"),
    Case("image.where", lambda im: im.where(BALL, other=5), lambda a: np.where(ball(a), a, 5).astype(a.dtype), covers="image"),
    Case("image.isin", lambda im: im.isin([3, 4, 40]), lambda a: np.isin(a, [3, 4, 40]), "u1", "image"),
    Case("image slices", lambda im: im[1:, 3:10, ::2], lambda a: a[1:, 3:10, ::2], covers="image"),
    Case("slices of a filter", lambda im: F.gaussian(im, sigma=1)[2:7, 1:, ::3], lambda a: ndi.gaussian_filter(a, 1, output="f4")[2:7, 1:, ::3], covers="image"),
    Case("filter of slices", lambda im: F.median(im[1:, 2:9, ::2], radius_vx=1), lambda a: ndi.median_filter(a[1:, 2:9, ::2], 3), covers="image"),
    Case("image.crop", lambda im: im.crop(BALL), lambda a: a[1:8, 2:9, 0:7], covers="image"),
    Case("image.coarsen mean", lambda im: im.coarsen((2, 3, 1)), lambda a: coarse(a, (2, 3, 1), lambda v: v.mean(-1).astype("f4")), covers="image", tolerance=1e-7),
    Case("image.coarsen majority", lambda im: (im // 16).coarsen(2, how="majority"), lambda a: coarse(a // 16, (2, 2, 2), majority), "u1", "image"),
    Case("image.coarsen fraction", lambda im: im.coarsen(2, how="fraction"), lambda a: coarse(a, (2, 2, 2), lambda v: v.mean(-1).astype("f4")), "bool", "image"),
    Case("image.coarsen majority without data", lambda im: (im // 16).assign(nodata=7).coarsen(2, how="majority"),
         lambda a: coarse(a // 16, (2, 2, 2), lambda v: majority(v, 7)), "u1", "image"),
    Case("image.coarsen fraction without data", lambda im: (im.assign(nodata=MISSING) > 90).coarsen(2, how="fraction"),
         lambda a: coarse(np.where(a == MISSING, np.nan, a > 90), (2, 2, 2), lambda v: np.nanmean(v, -1).astype("f4")), "u1", "image"),
    Case("image and a lazy number", lambda im: (im - S.summary(im)["mean"]) * (im > G.otsu_threshold(im)),
         lambda a: (a - np.float32(a.mean())) * (a > threshold_otsu(a)), covers="image"),
    Case("mask as bytes", lambda im: ~(im.assign(nodata=MISSING) > 90).astype("u1"), lambda a: np.where(a == MISSING, np.nan, ~(a > 90).astype("u1")).astype("f4"), "u1", "image"),
    Case("filter of coarse", lambda im: F.median(im.coarsen(2), radius_vx=1), lambda a: ndi.median_filter(coarse(a, (2, 2, 2), lambda v: v.mean(-1).astype("f4")), 3), covers="image"),
    Case("image.rechunk", lambda im: F.median(im.rechunk(3), radius_vx=1), lambda a: ndi.median_filter(a, 3), covers="image"),
    Case("labels.label", lambda im: L.label(im), lambda a: dense.label(a), "bool"),
    Case("labels.label 26", lambda im: L.label(im, connectivity=26, where=BALL), lambda a: dense.label(a & ball(a), 26), "bool", "labels.label"),
    Case("labels.label 18 of labels", lambda im: L.label(im // 64, connectivity=18), lambda a: dense.label(a // 64, 18), "u1", "labels.label"),
    Case("labels.label by size", lambda im: L.label(im, order="size"), lambda a: dense.by_size(dense.label(a)), "bool", "labels.label"),
    Case("labels.label periodic", lambda im: L.label(im, periodic="zx", connectivity=26), lambda a: dense.label_periodic(a, 26, "zx"), "bool", "labels.label"),
    Case("labels.label of a filter", lambda im: L.label(G.otsu(F.median(im, radius_vx=1), phase="dark")),
         lambda a: dense.label(ndi.median_filter(a, 3) <= threshold_otsu(ndi.median_filter(a, 3))), covers="labels.label"),
    Case("filter of labels.label", lambda im: F.median(L.label(im), radius_vx=1), lambda a: ndi.median_filter(dense.label(a).astype("i4"), 3), "bool", "labels.label"),
    Case("grey where labelled", lambda im: im.where(L.label(im > 20000) == 1, other=0), lambda a: np.where(dense.label(a > 20000) == 1, a, 0), covers="labels.label"),
    Case("labels.count", lambda im: L.count(im), lambda a: dense.label(a).max(), "bool"),
    Case("labels.percolating", lambda im: L.percolating(~im, axis="y"), lambda a: dense.percolating(~a, 1), "bool"),
    Case("labels.percolating where", lambda im: L.percolating(~im, axis="x", connectivity=18, where=BALL), lambda a: dense.percolating(~a, 2, 18, ball(a)), "bool", "labels.percolating"),
    Case("labels.largest", lambda im: L.largest(im), lambda a: dense.by_size(dense.label(a)) == 1, "bool"),
    Case("labels.remove_small", lambda im: L.remove_small(im // 64, min_voxels=5, where=BALL),
         lambda a: np.where(np.append(0, dense.sizes(dense.label(a // 64 * ball(a))))[dense.label(a // 64 * ball(a))] >= 5, a // 64, 0), "u1"),
    Case("labels.clear_border", lambda im: L.clear_border(im), lambda a: a & ~dense.outer(a), "bool"),
    Case("labels.clear_border where", lambda im: L.clear_border(im // 64, where=BALL),
         lambda a: np.where(ball(a) & ~dense.outer(a // 64, inside=ball(a)), a // 64, 0), "u1", "labels.clear_border"),
    Case("labels.floating_solid", lambda im: L.floating_solid(im, where=BALL), lambda a: ~a & ball(a) & ~dense.outer(~a, 26, ball(a)), "bool"),
    Case("labels.keep", lambda im: L.keep(im, labels=range(90, 120)), lambda a: np.where(np.isin(a, range(90, 120)), a, 0), "u1"),
    Case("labels.connectivity", lambda im: L.connectivity(im)[PARTS].to_dataarray(), dense.fractions, "bool", tolerance=1e-15),
    Case("labels.connectivity where", lambda im: L.connectivity(~im, where=BALL)[PARTS].to_dataarray(), lambda a: dense.fractions(~a, ball(a)), "bool", "labels.connectivity", tolerance=1e-15),
    Case("labels.effective_porosity", lambda im: L.effective_porosity(im, connectivity=26), lambda a: dense.fractions(a)[1, 1, 0], "bool", tolerance=1e-15),
    Case("labels.isolated_porosity", lambda im: L.isolated_porosity(im, of="pore", where=BALL), lambda a: dense.fractions(a, ball(a))[5, 0, 1], "bool", tolerance=1e-15),
    Case("labels.percolating_porosity", lambda im: L.percolating_porosity(~im, axis="y"), lambda a: dense.fractions(~a)[3, 0, 0], "bool", tolerance=1e-15),
    Case("morphology.distance", M.distance, lengths, "bool", device="host"),
    Case("morphology.distance solid", lambda im: M.distance(im, border="solid"), lambda a: lengths(a, solid=True), "bool", "morphology.distance", device="host"),
    Case("morphology.distance signed", lambda im: M.distance(im, signed=True), lambda a: lengths(a) - lengths(~a), "bool", "morphology.distance", device="host"),
    Case("morphology.distance where", lambda im: M.distance(im, where=BALL), lambda a: lengths(a, ball(a)), "bool", "morphology.distance", device="host"),
    Case("morphology.distance where solid", lambda im: M.distance(im, where=BALL, border="solid"), lambda a: lengths(a, ball(a), solid=True), "bool",
         "morphology.distance", device="host"),
    Case("morphology.distance anisotropic", lambda im: M.distance(im.assign_grid(spacing=TALL)), lambda a: lengths(a, spacing=(2.5, 1, 1)), "bool",
         "morphology.distance", device="host"),
    Case("morphology.distance irrational", lambda im: M.distance(im.assign_grid(spacing=(np.pi, np.e, 1.0))), lambda a: lengths(a, spacing=(np.pi, np.e, 1.0)), "bool",
         "morphology.distance", tolerance=1e-7, device="host"),
    Case("morphology.distance of a chain", lambda im: M.distance(G.otsu(F.median(im, radius_vx=1), phase="dark")),
         lambda a: lengths(ndi.median_filter(a, 3) <= threshold_otsu(ndi.median_filter(a, 3))), covers="morphology.distance", device="host"),
    Case("threshold of a distance", lambda im: G.otsu(M.distance(im), phase="bright"), lambda a: lengths(a) > threshold_otsu(lengths(a).astype("f8")), "bool",
         "morphology.distance", device="host"),
    Case("morphology.erosion", lambda im: M.erosion(im, radius=1.5), lambda a: eroded(a, 1.5), "bool"),
    Case("morphology.erosion solid where", lambda im: M.erosion(im, radius=1.2, border="solid", where=BALL), lambda a: eroded(a, 1.2, ball(a), solid=True), "bool", "morphology.erosion"),
    Case("morphology.erosion anisotropic", lambda im: M.erosion(im.assign_grid(spacing=TALL), radius=2.6), lambda a: eroded(a, 2.6, spacing=(2.5, 1, 1)), "bool", "morphology.erosion"),
    Case("morphology.erosion cube", lambda im: M.erosion(im, radius_vx=(0, 1, 1), footprint="cube", border="solid"),
         lambda a: ndi.binary_erosion(a, np.ones((1, 3, 3))), "bool", "morphology.erosion"),
    Case("morphology.erosion cross", lambda im: M.erosion(im, radius_vx=1, footprint="cross"), lambda a: ndi.binary_erosion(a, CROSS, border_value=1), "bool", "morphology.erosion"),
    Case("morphology.dilation", lambda im: M.dilation(~im, radius=2.1), lambda a: dilated(~a, 2.1), "bool"),
    Case("morphology.dilation where", lambda im: M.dilation(im, radius=2, where=BALL), lambda a: dilated(a, 2, ball(a)), "bool", "morphology.dilation"),
    Case("morphology.dilation cross", lambda im: M.dilation(im, radius_vx=1, footprint="cross"), lambda a: ndi.binary_dilation(a, CROSS), "bool", "morphology.dilation"),
    Case("morphology.opening", lambda im: M.opening(im, radius=1.5), lambda a: dilated(eroded(a, 1.5), 1.5), "bool"),
    Case("morphology.opening solid where", lambda im: M.opening(im, radius_vx=1.3, border="solid", where=BALL),
         lambda a: dilated(eroded(a, 1.3, ball(a), solid=True), 1.3, ball(a)), "bool", "morphology.opening"),
    Case("morphology.closing", lambda im: M.closing(im, radius=1.5), lambda a: eroded(dilated(a, 1.5), 1.5), "bool"),
    Case("morphology.closing where", lambda im: M.closing(im, radius=2, where=BALL), lambda a: eroded(dilated(a, 2, ball(a)), 2, ball(a)), "bool", "morphology.closing"),
    Case("morphology.fill_holes", lambda im: M.fill_holes(im), lambda a: ndi.binary_fill_holes(a, dense.structure(26)), "bool"),
    Case("morphology.fill_holes where", lambda im: M.fill_holes(~im, connectivity=26, where=BALL), lambda a: ball(a) & (~a | ~dense.outer(a, 6, ball(a))), "bool", "morphology.fill_holes"),
    Case("segmentation.hysteresis", lambda im: G.hysteresis(im, low=110, high=150), lambda a: dense.holding(a >= 110, a >= 150), "u1"),
    Case("segmentation.hysteresis dark", lambda im: G.hysteresis(im, low=90.5, high=140, phase="dark", connectivity=26, where=BALL),
         lambda a: dense.holding((a <= 140) & ball(a), a <= 90.5, 26), "u1", "segmentation.hysteresis"),
    Case("segmentation.region_growing", lambda im: G.region_growing(im, seeds={"z": [1, 3], "y": [5, 2], "x": [3, 1]}, low=60, high=140),
         lambda a: dense.holding((a >= 60) & (a <= 140), at(a, (1, 5, 3), (3, 2, 1))), "u1"),
    Case("segmentation.region_growing where", lambda im: G.region_growing(im, seeds=im < 50, low=40.5, high=110, connectivity=26, where=BALL),
         lambda a: dense.holding((a > 40) & (a <= 110) & ball(a), a < 50, 26), "u1", "segmentation.region_growing"),
    Case("segmentation.watershed", lambda im: G.watershed(im), basins.regions, "u1"),
    Case("segmentation.watershed f4 where", lambda im: G.watershed(im, connectivity=26, where=BALL), lambda a: basins.regions(a, 26, ball(a)), "f4", "segmentation.watershed"),
    Case("segmentation.watershed markers", lambda im: G.watershed(im, markers=im // 200, connectivity=18),
         lambda a: basins.grown(a, a // 200, 18), "u1", "segmentation.watershed"),
    Case("segmentation.watershed of a filter", lambda im: G.watershed(F.median(im, radius_vx=1)), lambda a: basins.regions(ndi.median_filter(a, 3)), "u1", "segmentation.watershed"),
    Case("segmentation.split_touching", lambda im: G.split_touching(im), lambda a: basins.regions(-lengths(a), 6, a, 0.7), "bool", device="host"),
    Case("segmentation.split_touching where", lambda im: G.split_touching(im.assign_grid(spacing="2 um"), depth="0.2 um", connectivity=26, border="solid", where=BALL_UM),
         lambda a: basins.regions(-lengths(a, ball(a), solid=True, spacing=(2, 2, 2)), 26, a & ball(a), 0.2), "bool", "segmentation.split_touching", device="host"),
    Case("morphology.reconstruction", lambda im: M.reconstruction(im // 2, im), lambda a: reconstruction(a // 2, a)),
    Case("morphology.reconstruction erosion where", lambda im: M.reconstruction(im + np.float32(3), im, method="erosion", connectivity=6, where=BALL),
         lambda a: basins.shrunk(a + np.float32(3), a, 6, ball(a)), "f4", "morphology.reconstruction"),
    Case("morphology.h_maxima", lambda im: M.h_maxima(im, height=40), lambda a: h_maxima(a, 40) > 0, "u1"),
    Case("morphology.h_minima", lambda im: M.h_minima(im, depth=9, connectivity=6, where=BALL), lambda a: basins.deep(a, 9, 6, ball(a)), "i1"),
    Case("pores.local_thickness", P.local_thickness, thickness, "bool", device="host"),
    Case("pores.local_thickness where solid", lambda im: P.local_thickness(im, where=BALL, border="solid"), lambda a: thickness(a, ball(a), solid=True), "bool",
         "pores.local_thickness", device="host"),
    Case("pores.local_thickness anisotropic", lambda im: P.local_thickness(im.assign_grid(spacing=TALL)), lambda a: thickness(a, spacing=(2.5, 1, 1)), "bool",
         "pores.local_thickness", device="host"),
    Case("pores.porosimetry", P.porosimetry, lambda a: throats(a, sizes.ALL), "bool", device="host"),
    Case("pores.porosimetry where", lambda im: P.porosimetry(im, where=BALL, connectivity=26), lambda a: throats(a, sizes.ALL, exists=ball(a), connectivity=26), "bool",
         "pores.porosimetry", device="host"),
    Case("pores.porosimetry trapping", lambda im: P.porosimetry(im, inlet="x low", outlet="x high", border="solid"),
         lambda a: throats(a, ["x low"], ["x high"], solid=True), "bool", "pores.porosimetry", device="host"),
    Case("pores.porosimetry where trapping", lambda im: P.porosimetry(im, inlet="z low", outlet="z high", where=BALL),
         lambda a: throats(a, ["z low"], ["z high"], exists=ball(a)), "bool", "pores.porosimetry", device="host"),
    Case("pores.critical_radius", lambda im: P.critical_radius(~im, axis="y"), lambda a: sizes.critical(sizes.squares(edt(~a)), 1), "bool", tolerance=1e-15, device="host"),
    Case("structure.minkowski", lambda im: X.minkowski(im)["surface_density"], cubes.area_density, "bool", tolerance=1e-13),
    Case("structure.minkowski where", lambda im: X.minkowski(im, where=BALL)["surface_density"],
         lambda a: cubes.area_density(a, ball(a)), "bool", "structure.minkowski", tolerance=1e-13),
    Case("structure.euler_number", lambda im: X.euler_number(im, connectivity=26), lambda a: euler_number(np.pad(a, 1), 3), "bool"),
    Case("structure.specific_surface", lambda im: X.specific_surface(im, per="pore"), lambda a: cubes.area_density(a) / cubes.share(a), "bool", tolerance=1e-13),
    Case("structure.connectivity_density", lambda im: X.connectivity_density(im > 90), lambda a: cubes.loops(a > 90), "u1", tolerance=1e-13),
    Case("structure.interface_area", lambda im: X.interface_area(im // 64, labels=[0, 1, 2], surface="faces", where=BALL),
         lambda a: cubes.interfaces(a // 64, (0, 1, 2), ball(a)), "u1"),
    Case("structure.chord_lengths", lambda im: X.chord_lengths(im, axis="x")["cut"], lambda a: runs.runs(a, axis=2)[1, 1:], "bool"),
    Case("structure.lineal_path where", lambda im: X.lineal_path(im, where=BALL), lambda a: runs.path(a, ball(a)), "bool", "structure.lineal_path", tolerance=1e-15),
    Case("structure.mean_intercept_length", lambda im: X.mean_intercept_length(im)["mean_intercept_length"], cubes.intercepts, "bool", tolerance=1e-13),
    Case("structure.orientation", lambda im: X.orientation(im)["structure_tensor"], gradients.tensor, "u1", tolerance=1e-13, device="host"),
    Case("structure.orientation where", lambda im: X.orientation(im, where=BALL)["structure_tensor"], lambda a: gradients.tensor(a, ball(a)), "u1",
         "structure.orientation", tolerance=1e-13, device="host"),
    Case("structure.two_point", lambda im: X.two_point(F.median(im, radius_vx=1), lag=3, directions=["z", "1 -1 1"])[:, :2],
         lambda a: np.stack([pairs.curve(ndi.median_filter(a, 3), d, 1) for d in ("z", "1 -1 1")]), "bool", tolerance=1e-15),
    Case("structure.two_point where", lambda im: X.two_point(im, lag=3, directions="x", where=BALL), lambda a: pairs.curve(a, "x", 3, exists=ball(a))[None], "bool", "structure.two_point", tolerance=1e-15),
    Case("structure.two_point_map", lambda im: X.two_point_map(im, lag=2), lambda a: pairs.box(a, (2, 2, 2)), "bool", tolerance=1e-15),
    Case("structure.two_point_radial where", lambda im: X.two_point_radial(im, lag=2, where=BALL), lambda a: pairs.radial(a, 2, exists=ball(a)), "bool", "structure.two_point_radial", tolerance=1e-14),
    Case("structure.cluster_function", lambda im: X.cluster_function(L.label(im), lag=3, directions="z"), lambda a: pairs.curve(dense.label(a), "z", 3, both=pairs.same)[None], "bool", tolerance=1e-15),
    Case("structure.integral_scale", lambda im: X.integral_scale(im, lag=3, directions="y"), lambda a: pairs.scale(a, "y", 3), "bool", tolerance=1e-13),
    Case("structure.surface_from_correlation", lambda im: X.surface_from_correlation(im), pairs.slope, "bool", tolerance=1e-9),
    Case("structure.autocovariance", lambda im: X.autocovariance(im, lag=3, directions="z", where=BALL), lambda a: pairs.covariance(a, "z", 3, ball(a))[None], "u2", tolerance=1e-12),
    Case("structure.variogram of floats", lambda im: X.variogram(im, lag=3, directions="z", where=BALL), lambda a: pairs.semivariance(a.astype("f8"), "z", 3, ball(a))[None], "f4", "structure.variogram", tolerance=1e-9),
    Case("structure.variogram", lambda im: X.variogram(im, lag=2, directions="0 1 1")[:, :2], lambda a: pairs.semivariance(a, "0 1 1", 1)[None], "u1", tolerance=1e-13),
    Case("structure.representative_volume", lambda im: X.representative_volume(im, cell=2)["mean"][:2], lambda a: windows.means(a, 2), "bool", tolerance=1e-12),
    Case("structure.local_porosity", lambda im: X.local_porosity(im, window=4, bins=7), lambda a: windows.local_porosity(a, 1, 7), "bool", tolerance=1e-12),
    Case("structure.lacunarity", lambda im: X.lacunarity(im, cell=2), lambda a: windows.lacunarity(a, 2), "bool", tolerance=1e-12),
    Case("structure.box_counting", lambda im: X.box_counting(im)["count"], lambda a: windows.boxes(a, 5), "bool"),
    Case("structure.local_map", lambda im: X.local_map(im, cell=2), lambda a: coarse(a, (2, 2, 2), lambda v: v.mean(-1)), "bool", tolerance=1e-15, device="host"),
    Case("structure.grey_porosity", lambda im: X.grey_porosity(im, pore=10, solid=210), lambda a: ((210 - a.astype("f4")) / 200).astype("f4"), "u1"),
    Case("structure.porosity_map", lambda im: X.porosity_map(im, im // 2, fluid=50, air=10), lambda a: ((a // 2).astype("f4") - a) / np.float32(40), "u1"),
    Case("structure.saturation_map", lambda im: X.saturation_map(im, dry=im // 2, saturated=im // 2 * 3, least=60), saturated, "u1", tolerance=1e-6),
    Case("structure.phase_profile", lambda im: X.phase_profile(im // 100, axis="y", labels=[0, 1], where=BALL), lambda a: slices(a // 100, (0, 1), 1, ball(a)), "u1", tolerance=1e-15),
    Case("structure.joint_histogram", lambda im: X.joint_histogram(im, im // 2, bins=[0, 50, 90, 200], other_bins=[10, 40, 80], where=BALL),
         lambda a: np.histogram2d(a[ball(a)], a[ball(a)] // 2, [[0, 50, 90, 200], [10, 40, 80]])[0].astype("i8"), "u1"),
    Case("structure.over_thresholds", lambda im: X.over_thresholds(im, thresholds=[80, 90, 120])["surface_density_slope"],
         lambda a: np.gradient([cubes.area_density(a <= v) for v in (80, 90, 120)], [80, 90, 120]), "u1", tolerance=1e-12),
    Case("registration.resample", lambda im: R.resample(im, like=TILTED, transform=TILT), lambda a: askew(a, elsewhere.linear), tolerance=1e-7),
    Case("registration.resample cubic f8", lambda im: R.resample(im, like=TILTED, transform=TILT, order="cubic", fill=-3),
         lambda a: askew(a, elsewhere.cubic, -3), "f8", "registration.resample", tolerance=1e-9),
    Case("registration.resample cubic u1", lambda im: R.resample(im, like=TILTED, transform=TILT.inverse(), order="cubic"),
         lambda a: askew(a, elsewhere.cubic, transform=TILT.inverse()), "u1", "registration.resample", tolerance=1e-6),
    Case("registration.resample nearest", lambda im: R.resample(im, like=TILTED, transform=TILT, order="nearest", fill=7), lambda a: askew(a, elsewhere.picked, 7), covers="registration.resample"),
    Case("registration.resample mask", lambda im: R.resample(im, like=TILTED, transform=TILT), lambda a: askew(a, elsewhere.picked, False), "bool", "registration.resample"),
    Case("registration.resample mask without data", lambda im: R.resample(im.assign(nodata=MISSING) > 90, like=TILTED, transform=TILT).astype("u1"),
         lambda a: askew(np.where(a == MISSING, 255, a > 90).astype("u1"), elsewhere.picked, 255), "u1", "registration.resample"),
    Case("registration.resample without data", lambda im: R.resample(im.assign(nodata=MISSING), like=TILTED, transform=TILT),
         lambda a: askew(np.where(a == MISSING, np.nan, a), elsewhere.linear), "u1", "registration.resample", tolerance=1e-7),
    Case("registration.resample of a filter", lambda im: F.median(R.resample(F.median(im, radius_vx=1), transform=TILT, order="nearest", fill=0), radius_vx=1),
         lambda a: ndi.median_filter(askew(ndi.median_filter(a, 3), elsewhere.picked, 0, grid=vr.VoxelGrid(a.shape)), 3), covers="registration.resample"),
    Case("registration.rotate", lambda im: R.rotate(im, angle=30, axis="x", center=(4, 5, 3), order="cubic", fill=0),
         lambda a: askew(a, elsewhere.cubic, 0, grid=vr.VoxelGrid(a.shape), transform=R.Transform.rigid(angle=-30, axis="x", center=(4, 5, 3))), tolerance=1e-6),
    Case("registration.rotate enlarge", lambda im: R.rotate(im, angle=90, axis="y", order="nearest", enlarge=True), lambda a: np.rot90(a, 1, (0, 2)), covers="registration.rotate"),
    Case("registration.rescale", lambda im: R.rescale(im, spacing=(1.3, 2, 0.7)), lambda a: elsewhere.mean(a, (1.3, 2, 0.7)), tolerance=1e-7),
    Case("registration.rescale without data", lambda im: R.rescale(im.assign(nodata=MISSING), spacing=1.7), lambda a: elsewhere.mean(a, (1.7,) * 3, a != MISSING), "u1",
         "registration.rescale", tolerance=1e-7),
    Case("registration.rescale fraction", lambda im: R.rescale(im, spacing=2.5, how="fraction"), lambda a: elsewhere.mean(a, (2.5,) * 3), "bool", "registration.rescale", tolerance=1e-7),
    Case("registration.rescale majority", lambda im: R.rescale(im // 32, spacing=(1.5, 2.2, 1), how="majority"), lambda a: elsewhere.majority(a // 32, (1.5, 2.2, 1)), "u1", "registration.rescale"),
    Case("registration.rescale majority without data", lambda im: R.rescale((im // 32).assign(nodata=3), spacing=1.5, how="majority"),
         lambda a: elsewhere.majority(a // 32, (1.5,) * 3, 3), "u1", "registration.rescale"),
    Case("registration.rescale mask without data", lambda im: R.rescale(im.assign(nodata=MISSING) > 90, spacing=1.25).astype("u1"),
         lambda a: elsewhere.majority(np.where(a == MISSING, 255, a > 90).astype("u1"), (1.25,) * 3, 255), "u1", "registration.rescale"),
    Case("registration.rescale finer", lambda im: R.rescale(im, spacing=0.5), lambda a: elsewhere.linear(a, elsewhere.places((18, 22, 16), np.eye(3) / 2, (-0.25,) * 3)), covers="registration.rescale", tolerance=1e-7),
    Case("artefacts.remove_rings", lambda im: A.remove_rings(im, center=AXIS, depth=3), lambda a: flaws.without_rings(a, (5, 3.5), half=1), tolerance=1e-6, device="host"),
    Case("artefacts.remove_rings where", lambda im: A.remove_rings(im, center=AXIS, solid=(-5, 35), width=3, depth=9, where=BALL),
         lambda a: flaws.without_rings(a, (5, 3.5), reach=3, limits=(-5, 35), exists=ball(a)), "f4", "artefacts.remove_rings", tolerance=1e-6, device="host"),
    Case("artefacts.correct_beam_hardening", lambda im: A.correct_beam_hardening(im, cylinder=PLUG, air=-20, solid=(-8, 35), degree=2),
         lambda a: flaws.without_cupping(a, off_axis(a), (-8, 35), -20, degree=2, exists=off_axis(a) <= 4.5), "f4", tolerance=1e-6, device="host"),
    Case("artefacts.correct_beam_hardening where", lambda im: A.correct_beam_hardening(im, cylinder=PLUG, air=10, solid=(9000, 38000), where=BALL),
         lambda a: flaws.without_cupping(a, off_axis(a), (9000, 38000), 10, exists=ball(a)), "u2", "artefacts.correct_beam_hardening", tolerance=1e-6, device="host"),
    Case("artefacts.correct_drift", lambda im: A.correct_drift(im, solid=(9000, 38000)), lambda a: flaws.without_drift(a, (9000, 38000)), tolerance=1e-6, device="host"),
    Case("artefacts.correct_drift where", lambda im: A.correct_drift(im, axis="y", solid=(-5, 35), where=BALL),
         lambda a: flaws.without_drift(a, (-5, 35), 1, ball(a)), "f4", "artefacts.correct_drift", tolerance=1e-6, device="host"),
    Case("artefacts.correct_shading", lambda im: A.correct_shading(im, air=-60000, solid=(9000, 38000), degree=1), lambda a: flaws.without_shading(a, (9000, 38000), -60000, degree=1),
         tolerance=1e-6, device="host"),
    Case("artefacts.correct_shading where", lambda im: A.correct_shading(im, model="offset", solid=(-5, 35), where=BALL),
         lambda a: flaws.without_shading(a, (-5, 35), exists=ball(a)), "f4", "artefacts.correct_shading", tolerance=1e-5, device="host"),
    Case("artefacts.solid_profiles", lambda im: A.solid_profiles(im, cylinder=PLUG, solid=(9000, 38000))["radial"][:6],
         lambda a: flaws.means_of_groups(a, np.floor(off_axis(a)).astype(int), (9000, 38000), off_axis(a) <= 4.5)[:6], tolerance=1e-12, device="host"),
    Case("artefacts.solid_profiles axial", lambda im: A.solid_profiles(im, cylinder=PLUG, axis="x", solid=(-8, 35), where=BALL)["axial"],
         lambda a: flaws.means_of_groups(a, np.broadcast_to(np.arange(a.shape[2]), a.shape), (-8, 35), ball(a) & (off_axis(a) <= 4.5)), "f4", "artefacts.solid_profiles", tolerance=1e-6, device="host"),
    Case("artefacts.bad_slices", lambda im: A.bad_slices(im, axis="y", where=BALL)["mean"], lambda a: slices(a, None, 1, ball(a)), "u2", tolerance=1e-14, device="host"),
    Case("artefacts.bad_slices difference", lambda im: A.bad_slices(im)["difference"],
         lambda a: (lambda d: np.fmin(np.append(np.nan, d), np.append(d, np.nan)))(np.abs(np.diff(a.astype("f8"), axis=0)).mean((1, 2))), "f4", "artefacts.bad_slices", tolerance=1e-5, device="host"),
    Case("artefacts.interpolate_slices", lambda im: A.interpolate_slices(im, slices=[1, 2], axis="x"),
         lambda a: np.stack([*(np.rint(a[..., 0] + (a[..., 3].astype("f8") - a[..., 0]) * (n / 3)).astype(a.dtype) for n in range(3)), *(a[..., n] for n in range(3, a.shape[2]))], -1)),
    Case("artefacts.interpolate_slices f4", lambda im: A.interpolate_slices(F.median(im, radius_vx=1), slices=[0, 2]),
         lambda a: (lambda m: np.stack([m[1], m[1], ((m[1].astype("f8") + m[3]) / 2).astype("f4"), *m[3:]]))(ndi.median_filter(a, 3)), "f4", "artefacts.interpolate_slices"),
    Case("artefacts.remove_outliers", lambda im: A.remove_outliers(im, threshold=1.5), lambda a: flaws.without_outliers(a, 1.5)),
    Case("generators.plug", lambda im: N.plug(im, radius=4, outside=255), lambda a: np.where(tube(a), a, 255), "u1"),
    Case("generators.ct_scan", lambda im: N.ct_scan(im, levels={0: 100, 1: 200}, noise=0, dtype="u1", scanner=N.Scanner(blur_vx=0)), lambda a: np.where(a, 200, 100), "bool"),
    Case("filters.non_local_means", lambda im: F.non_local_means(im, search_vx=2, noise=9, strength=0.7), lambda a: denoised.non_local_means(a, (2, 2, 2), (1, 1, 1), 9, 0.7), "u1", tolerance=3e-5),
    Case("filters.non_local_means of its own noise", lambda im: F.non_local_means(F.gaussian(im, sigma=0.4), search_vx=(1, 2, 0), patch_vx=(1, 0, 2)),
         lambda a: denoised.non_local_means(ndi.gaussian_filter(a, 0.4, output="f4"), (1, 2, 0), (1, 0, 2), noise_dense.level(ndi.gaussian_filter(a, 0.4, output="f4")), 1.0),
         covers="filters.non_local_means", tolerance=3e-5),
    Case("statistics.noise_level", lambda im: S.noise_level(im), noise_dense.level, tolerance=1e-7),
    Case("statistics.noise_level where", lambda im: S.noise_level(im, where=BALL), lambda a: noise_dense.level(a, where=ball(a)), "f4", "statistics.noise_level", tolerance=1e-7),
    Case("filters.bilateral", lambda im: F.bilateral(im, sigma_vx=(0.5, 1, 0.7), contrast=40, truncate=2), lambda a: denoised.bilateral(a, (0.5, 1, 0.7), 40, 2), "u1", tolerance=3e-5),
    Case("filters.anisotropic_diffusion", lambda im: F.anisotropic_diffusion(im, contrast=9, iterations=6), lambda a: denoised.diffused(a, 9, 6), "f4", tolerance=3e-5),
    Case("filters.anisotropic_diffusion rational anisotropic", lambda im: F.anisotropic_diffusion(im.assign_grid(spacing=TALL), contrast=30, iterations=3, method="rational", step=0.1),
         lambda a: denoised.diffused(a, 30, 3, "rational", 0.1, (2.5, 1, 1)), "u1", "filters.anisotropic_diffusion", tolerance=3e-5),
    Case("filters.anisotropic_diffusion edge-enhancing", lambda im: F.anisotropic_diffusion(im, contrast=20, iterations=2, method="edge-enhancing", sigma_vx=0.6),
         lambda a: denoised.enhanced(a, 20, 2, 0.6), "u1", "filters.anisotropic_diffusion", tolerance=3e-5),
    Case("filters.total_variation", lambda im: F.total_variation(im, weight=30, iterations=5), lambda a: denoise_tv_chambolle(a.astype("f8"), weight=30, eps=0, max_num_iter=6), "u1", tolerance=3e-6),
    Case("filters.total_variation of its noise", lambda im: F.total_variation(F.median(im, radius_vx=1), weight=S.noise_level(im), iterations=2),
         lambda a: denoise_tv_chambolle(ndi.median_filter(a, 3), weight=noise_dense.level(a), eps=0, max_num_iter=3), "f8", "filters.total_variation", tolerance=1e-12),
    Case("filters.gaussian_derivative", lambda im: F.gaussian_derivative(im, order=(0, 1, 2), sigma_vx=(0.5, 0.8, 0.7)),
         lambda a: ndi.gaussian_filter(a, (0.5, 0.8, 0.7), order=(0, 1, 2), output="f4")),
    Case("filters.gradient_magnitude", lambda im: F.gradient_magnitude(im, sigma=0.8), lambda a: ndi.gaussian_gradient_magnitude(a, 0.8, output="f4")),
    Case("filters.laplacian_of_gaussian", lambda im: F.laplacian_of_gaussian(im, sigma=0.8), lambda a: ndi.gaussian_laplace(a, 0.8, output="f4"), "f4"),
    Case("filters.hessian_eigenvalues", lambda im: F.hessian_eigenvalues(im, rank=1, sigma=0.7), lambda a: features.hessian(a, 0.7, 1), "u1", tolerance=1e-6),
    Case("filters.hessian_eigenvalues anisotropic", lambda im: F.hessian_eigenvalues(im.assign_grid(spacing=TALL), rank=3, sigma=1.1),
         lambda a: features.hessian(a, (1.1 / 2.5, 1.1, 1.1), 3, (2.5, 1, 1)), "f8", "filters.hessian_eigenvalues", tolerance=1e-7),
    Case("filters.structure_tensor_eigenvalues", lambda im: F.structure_tensor_eigenvalues(im, rank=2, sigma=0.6, integration=0.5),
         lambda a: features.structure_tensor(a, 0.6, 0.5, 2), "u1", tolerance=1e-6),
    Case("filters.unsharp_mask", lambda im: F.unsharp_mask(im, sigma=0.9, amount=1.5), lambda a: features.unsharp(a.astype("f8"), 0.9, 1.5), tolerance=1e-6),
    Case("filters.percentile", lambda im: F.percentile(im, percentile=20, radius_vx=(1, 0, 2)), lambda a: ndi.percentile_filter(a, 20, (3, 1, 5))),
    Case("filters.percentile f4 ball", lambda im: F.percentile(im, percentile=90, radius=2, footprint="ball"),
         lambda a: ndi.percentile_filter(a, 90, footprint=ball(np.ones((5, 5, 5)), 2, (2, 2, 2))), "f4", "filters.percentile"),
    Case("filters.minimum", lambda im: F.minimum(im, radius_vx=(1, 2, 1)), lambda a: ndi.minimum_filter(a, (3, 5, 3)), "i2"),
    Case("filters.maximum", lambda im: F.maximum(im, radius=2, footprint="ball"), lambda a: ndi.maximum_filter(a, footprint=ball(np.ones((5, 5, 5)), 2, (2, 2, 2))), "f4"),
    Case("filters.local_contrast", lambda im: F.local_contrast(im, tile_vx=(4, 4, 3), bins=50), lambda a: contrast.local(a, tuple(round(n / e) for n, e in zip(a.shape, (4, 4, 3))), bins=50),
         tolerance=1e-6, device="host"),
    Case("filters.local_contrast where", lambda im: F.local_contrast(im, tile_vx=4, bins=20, clip=0.2, limits=(0, 30), where=BALL),
         lambda a: contrast.local(a, (2, 3, 2), 0.2, 20, (0, 30), ball(a)), "f4", "filters.local_contrast", tolerance=1e-6, device="host"),
    Case("filters.rescale", lambda im: F.rescale(F.gaussian(im, sigma=0.5), percentiles=(5, 90)),
         lambda a: np.clip((ndi.gaussian_filter(a, 0.5, output="f4") - np.quantile(ndi.gaussian_filter(a, 0.5, output="f4").astype("f8"), 0.05))
                           / np.diff(np.quantile(ndi.gaussian_filter(a, 0.5, output="f4").astype("f8"), [0.05, 0.9])), 0, 1), tolerance=1e-6),
    Case("filters.normalise", lambda im: F.normalise(im, where=BALL), lambda a: (a - a[ball(a)].mean()) / a[ball(a)].std(), "i2", tolerance=1e-6),
]  # fmt: skip

GENERATORS = {
    "blobs": lambda **o: N.blobs(porosity=0.3, length=3, seed=1, **o),
    "sphere_pack": lambda **o: N.sphere_pack({"z": [4.0], "y": [5.0], "x": [6.0]}, 3.0, period=12, **o),
    "random_sphere_pack": lambda **o: N.random_sphere_pack(radius=3, seed=4, **o),
    "sandstone": lambda **o: N.sandstone(radius=4, seed=4, **o),
    "carbonate": lambda **o: N.carbonate(radius=4, seed=4, **o),
    "tight": lambda **o: N.tight(radius=4, porosity=0.08, seed=4, **o),
    "ct_scan": lambda **o: N.ct_scan(N.sandstone(radius=4, seed=4, **o), scanner=N.Scanner(cupping=0.1, rings=3), seed=2),
}

COMPUTING = (
    *("segmentation.random_walker", "labels.table", "morphology.persistence", "structure.minkowski_table"),
    *("pores.pore_size_distribution", "pores.granulometry", "pores.capillary_curve", "pores.leverett_j"),
)
"""Operations that compute at once, and say so: their own tests hold them to the same promises."""


def tube_scan(shape=(24, 40, 44)):
    """A noisy plug off the middle, in noisy air."""
    _, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    inside = np.broadcast_to((y - 19) ** 2 + (x - 25) ** 2 <= 15**2, shape)
    return (np.where(inside, 200, 50) + np.random.default_rng(3).normal(0, 12, shape)).astype("u1")


# These look at the data at the call and give a description, not an array, so that laziness, blocks and devices do not apply to them: what
# does is tested with all their chunkings, and against plugs whose place is known in tests/artefacts. None: the class of a description.
DESCRIBING = {
    "segmentation.assess": lambda im: G.assess(S.histogram(im), threshold=120.0).to_dict(),
    "segmentation.porosity_curve": lambda im: G.porosity_curve(S.histogram(im)).to_dict(),
    "segmentation.FeatureBank": None,
    "artefacts.outline": vr.artefacts.outline,
    "artefacts.nature": vr.artefacts.nature,
    "artefacts.Outline": None,
    "artefacts.Nature": None,
    "registration.register": lambda im: R.register(im, F.gaussian(im, sigma=1)[1:, :-2, :], model="translation"),
    "registration.Registration": None,
    "registration.Transform": None,
}
