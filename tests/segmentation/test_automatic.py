"""Thresholds from the exact histogram, against scikit-image on the same images, and against formulas."""

import itertools

import numpy as np
import pytest
import scipy.ndimage as ndi
from skimage import filters as peer

import voxelrock as vr
from tests.segmentation import thresholds_dense as dense
from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.segmentation.automatic import THRESHOLDS, threshold_by

G = vr.segmentation
NAMES = ("isodata", "li", "mean", "minimum", "triangle", "yen")


def scan(seed, dtype="u1", classes=2):
    """Two or three overlapping classes of different sizes."""
    rng = np.random.default_rng(seed)
    field = ndi.gaussian_filter(rng.normal(size=(24, 24, 24)), 2)
    cuts = np.quantile(field, [[0.3], [0.15, 0.6]][classes - 2])
    levels = np.array([[60, 150], [40, 120, 190]][classes - 2])
    grey = levels[np.digitize(field, cuts)] + rng.normal(0, rng.uniform(8, 25), field.shape)
    scale = {"u1": 1, "u2": 200, "i2": 100, "f4": 0.01, "f8": 3}[dtype]
    offset = -10000 if dtype == "i2" else 0
    return np.clip(grey * scale + offset, *([0, 255] if dtype == "u1" else [-32768, 65535])).astype(dtype)


def ours(name, a, **options):
    return float(threshold_by(vr.from_array(a), method=name, **options))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(6))
def test_equals_scikit_image(name, seed):
    for dtype in ("u1", "i2") if name == "minimum" else ("u1", "u2", "i2"):
        a = scan(seed, dtype, 2 + seed % 2) // (64 if name == "minimum" and dtype == "i2" else 1)
        try:
            expected = float(getattr(peer, f"threshold_{name}")(a))
        except RuntimeError:
            with pytest.raises(DataError, match="two peaks"):
                ours(name, a)
            continue
        alike = 1e-13 if name != "yen" or dtype == "u1" else 1e-3  # its float32 finds a neighbour of the optimum among so many values
        assert ours(name, a) == pytest.approx(expected, rel=alike), dtype


def test_yen_is_the_largest_correlation():
    a = scan(3, "u2", 3)
    values, counts = np.unique(a, return_counts=True)
    share = counts / a.size
    below, squares, total = np.cumsum(share), np.cumsum(share**2), (share**2).sum()
    criterion = 2 * np.log(below * (1 - below))[:-1] - np.log(squares * (total - squares))[:-1]
    assert ours("yen", a) == values[np.argmax(criterion)] != peer.threshold_yen(a)


@pytest.mark.parametrize("name", ["isodata", "minimum", "triangle", "yen"])
@pytest.mark.parametrize("bins", [64, 256])
def test_equals_scikit_image_on_floats_over_the_same_bins(name, bins):
    for seed, dtype in itertools.product(range(3), ("f4", "f8")):
        a = scan(seed, dtype).astype("f8").astype(dtype)
        assert ours(name, a, bins=bins) == pytest.approx(float(getattr(peer, f"threshold_{name}")(a.astype("f8"), bins)), rel=1e-12)


def test_li_of_floats_is_li_of_their_bins():
    a = scan(1, "f8")
    edges = np.linspace(a.min(), a.max(), 257)
    places = np.clip(np.digitize(a, edges) - 1, 0, 255)
    middle = (edges[0] + edges[1]) / 2
    assert ours("li", a) == pytest.approx(middle + peer.threshold_li(places) * (edges[1] - edges[0]), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_maximum_entropy_is_the_formula(seed):
    a = scan(seed, "u1", 2 + seed % 2)
    assert ours("maximum_entropy", a) == dense.kapur(a)


@pytest.mark.parametrize("name", [n for n in THRESHOLDS if n != "otsu"])
def test_what_counts(name):
    a = scan(3) // 4 + np.uint8(1)
    padded = np.pad(a, 3)
    mask = vr.from_array(np.pad(np.ones(a.shape, bool), 3))
    image = vr.from_array(padded)
    assert float(threshold_by(image, method=name, where=mask)) == ours(name, a) == float(threshold_by(image.assign(nodata=0), method=name))


@pytest.mark.parametrize("name", THRESHOLDS)
def test_refuses_what_has_no_two_classes(name):
    flat = vr.full(shape=6, value=7)
    with pytest.raises(DataError, match="the image is constant"):
        float(threshold_by(flat, method=name))
    with pytest.raises(DataError, match=r"NaN|are NaN"):
        float(threshold_by(vr.from_array(np.where(scan(1, "f4") > 1, np.float32("nan"), 0)), method=name))
    for ends in ([-np.inf, 3], [0, np.inf], [-1.7e308, 1.7e308]):
        with pytest.raises(DataError, match="leave infinite ones out"):
            float(G.otsu_threshold(vr.from_array(np.array([[[*ends, 1.0, 2.0]]]))))
    with pytest.raises(DataError, match="too close to each other for float64"):
        float(G.otsu_threshold(vr.from_array(np.array([[[1e-310, 2e-310, 3e-310]]]))))
    with pytest.raises(DataError, match="no voxel was counted"):
        float(threshold_by(vr.from_array(scan(1)), method=name, where=vr.full(shape=24, value=False)))
    with pytest.raises(ParameterTypeError, match="expected a VoxelImage"):
        threshold_by(scan(1), method=name)


def test_multi_otsu_is_k_means_at_its_optimum():
    a = (scan(2, "u1", 3) // 8).astype("u1")
    values, counts = np.unique(a, return_counts=True)

    def spread(cuts):
        parts = np.searchsorted(cuts, values)
        return sum(counts[parts == k] @ (values[parts == k] - np.average(values[parts == k], weights=counts[parts == k])) ** 2 for k in range(3))

    least = min(itertools.combinations(values[:-1], 2), key=spread)
    assert G.multi_otsu_thresholds(vr.from_array(a), classes=3).values.tolist() == list(least)


def test_gaussian_mixture_finds_the_classes_that_were_mixed():
    rng = np.random.default_rng(5)
    parts = [rng.normal(m, s, n) for m, s, n in ((9000, 700, 40000), (20000, 2000, 100000), (31000, 1100, 60000))]
    a = rng.permutation(np.concatenate(parts)).reshape(50, 40, 100).round().astype("u2")
    found = G.gaussian_mixture(vr.from_array(a), classes=3).compute()
    np.testing.assert_allclose(found["mean"], [9000, 20000, 31000], rtol=3e-3)
    np.testing.assert_allclose(found["standard_deviation"], [700, 2000, 1100], rtol=0.02)
    np.testing.assert_allclose(found["weight"], [0.2, 0.5, 0.3], rtol=0.02)
    for k in (0, 1):
        limit = np.full((1, 1, 1), found["threshold"][k])
        first, second = dense.densities(limit, *(found[n].values for n in ("mean", "standard_deviation", "weight")))[0, [k, k + 1]]
        assert first == pytest.approx(second, rel=1e-6)
        assert found["mean"][k] < found["threshold"][k] < found["mean"][k + 1]


def test_class_probabilities_add_to_one_and_follow_where():
    a = scan(4)
    image = vr.from_array(a, spacing="2 um")
    mixture = G.gaussian_mixture(image, classes=3)
    whole = [G.class_probability(image, mixture=mixture, number=k).compute() for k in range(3)]
    np.testing.assert_allclose(sum(whole), 1, rtol=1e-6)
    known = G.class_probability(image, mixture=mixture.compute(), number=1, where=image > 100)
    np.testing.assert_array_equal(known.compute(), np.where(a > 100, whole[1], np.float32("nan")))
    assert known.grid == image.grid


@pytest.mark.parametrize("bins", [1, 10**12])
def test_a_histogram_has_a_number_of_bins_that_tasks_can_hold(bins):
    with pytest.raises(ParameterError, match="at least two bins, and at most 1048576"):
        G.otsu_threshold(vr.ones(shape=4, dtype="f4"), bins=bins)


def test_mixtures_refuse():
    image = vr.from_array(scan(1))
    with pytest.raises(ParameterError, match="2 to 32 classes; got 1"):
        G.gaussian_mixture(image, classes=1)
    with pytest.raises(DataError, match="constant"):
        G.gaussian_mixture(vr.full(shape=4, value=3)).compute()
    with pytest.raises(ParameterError, match="classes 0 to 1; got 2"):
        G.class_probability(image, mixture=G.gaussian_mixture(image), number=2)
    with pytest.raises(ParameterTypeError, match="the Dataset that"):
        G.class_probability(image, mixture=3, number=0)


def test_recipes_know_every_method():
    for name in THRESHOLDS:
        assert vr.workflow.Recipe.of(method=name).last.method == name
