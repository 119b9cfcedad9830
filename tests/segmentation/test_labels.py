"""Votes of labels, and segmentations against a known truth."""

import numpy as np
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from tests.segmentation import labels_dense as dense
from voxelrock.errors import DataError, GridMismatchError, ParameterError, ParameterTypeError
from voxelrock.kernels.majority import majority
from voxelrock.testing import stored

G = vr.segmentation
PHASES = {0: vr.Phase("pore", "pore"), 1: vr.Phase("clay", "micro", porosity=0.4), 2: vr.Phase("quartz", "solid"), 3: vr.Phase("air", "outside")}


def labels(seed=0, shape=(13, 14, 15), number=4, dtype="u1"):
    rng = np.random.default_rng(seed)
    return (ndi.uniform_filter(rng.random(shape), 2) * 1.2 * number - 0.1 * number).clip(0, number - 1).astype(dtype)


@pytest.mark.parametrize(("dtype", "number"), [("u1", 4), ("i2", 9), ("i4", 500), ("i8", 90), ("u2", 3)])
@pytest.mark.parametrize(("radius", "footprint"), [((1, 1, 1), "ball"), ((2, 0, 1), "cube"), ((2, 2, 2), "ball")])
def test_majority_is_the_definition(dtype, number, radius, footprint):
    a = labels(1, number=number, dtype=dtype)
    found = G.majority_vote(stored(a, ((6, 7), (14,), (1, 9, 5))), radius_vx=radius, footprint=footprint)
    assert found.dtype == a.dtype
    np.testing.assert_array_equal(found.compute(), dense.majority(a, radius, footprint))


@pytest.mark.parametrize("span", [5, 2**20])
def test_bodies_agree(span):
    a = labels(2, number=6, dtype="i4") * (span // 5)
    votes = np.random.default_rng(1).random(a.shape) < 0.6
    for mask in ((), (votes,)):
        facts = {"radius": (1, 1, 2), "footprint": "cube"}
        np.testing.assert_array_equal(majority(a, *mask, **facts), majority.reference(a, *mask, **facts))


def test_a_vote_of_booleans_is_the_median():
    mask = vr.from_array(labels(3) > 1, spacing="2 um")
    np.testing.assert_array_equal(G.majority_vote(mask, radius="4 um").compute(), vr.filters.median(mask, radius_vx=2, footprint="ball").compute())


def test_those_without_data_have_no_vote_and_keep_theirs():
    a = labels(4)
    image = vr.from_array(a).assign(phases={k: PHASES[k] for k in (1, 2, 3)}, nodata=0)
    found = G.majority_vote(image, radius_vx=1)
    np.testing.assert_array_equal(found.compute(), dense.majority(a, (1, 1, 1), votes=a != 0))
    assert found.nodata == 0
    assert found.phases == image.phases
    mask = vr.segmentation.threshold(image, low=2)
    voted = G.majority_vote(mask, radius_vx=1)
    np.testing.assert_array_equal(voted.valid.compute(), a != 0)
    np.testing.assert_array_equal(voted.compute(), dense.majority((a >= 2), (1, 1, 1), votes=a != 0) & (a != 0))


def test_votes_refuse():
    image = vr.from_array(labels())
    with pytest.raises(ParameterTypeError, match="grey values"):
        G.majority_vote(vr.full(shape=4, value=1.5), radius_vx=1)
    with pytest.raises(ParameterError, match="less than one voxel"):
        G.majority_vote(image, radius_vx=0)
    with pytest.raises(ParameterError, match="the footprint is"):
        G.majority_vote(image, radius_vx=1, footprint="star")


def test_comparison_is_the_definition():
    truth, found = labels(5), np.where(np.random.default_rng(2).random((13, 14, 15)) < 0.9, labels(5), labels(6))
    images = [stored(a, ((6, 7), (14,), (1, 9, 5))).assign(phases=PHASES) for a in (found, truth)]
    result = G.compare(*images).compute()
    np.testing.assert_array_equal(result["confusion"], dense.confusion(truth, found, 4))
    for k in range(4):
        both, either = ((truth == k) & (found == k)).sum(), ((truth == k) | (found == k)).sum()
        assert float(result["jaccard"].sel(label=k)) == pytest.approx(both / either, rel=1e-15)
        assert float(result["dice"].sel(label=k)) == pytest.approx(2 * both / ((truth == k).sum() + (found == k).sum()), rel=1e-15)
        assert float(result["true_fraction"].sel(label=k)) == (truth == k).mean()
        assert float(result["found_fraction"].sel(label=k)) == (found == k).mean()
    assert float(result["accuracy"]) == (truth == found).mean()
    assert result["phase"].values.tolist() == ["pore", "clay", "quartz", "air"]
    porosities = [float(vr.statistics.porosity(image)) for image in images]
    assert float(result["porosity_error"]) == pytest.approx(porosities[0] - porosities[1], rel=1e-12)


def test_comparison_of_masks_with_labels_and_without_data():
    truth, found = labels(7, number=3), labels(7, number=3) == 0
    known = vr.from_array(truth).assign(nodata=2)
    result = G.compare(vr.from_array(found), known, labels=[0, 1], where=vr.from_array(truth >= 0)).compute()
    np.testing.assert_array_equal(result["confusion"], dense.confusion(truth, found.astype(int), 2, truth != 2))
    assert "porosity_error" not in result
    assert float(G.compare(vr.from_array(found), known, labels=[0, 1], pore=0)["porosity_error"]) == pytest.approx(
        (found[truth != 2] * 1 - (truth[truth != 2] == 0)).mean()
    )
    empty = G.compare(vr.full(shape=4, value=True), vr.full(shape=4, value=True)).compute()
    assert np.isnan(empty["dice"][0])
    assert float(empty["dice"][1]) == 1
    wide = vr.from_array(truth.astype("i8") * 10**9)
    np.testing.assert_array_equal(G.compare(wide, wide, labels=[2 * 10**9, 0, 10**9])["confusion"], np.diag(np.bincount(truth.ravel())))


def test_comparisons_refuse():
    image = vr.from_array(labels())
    with pytest.raises(DataError, match="another label than 0, 1"):
        G.compare(image, image, labels=[0, 1]).compute()
    with pytest.raises(DataError, match="no voxel was counted"):
        G.compare(image, image, labels=range(4), where=vr.full(shape=image.shape, value=False)).compute()
    with pytest.raises(ParameterError, match="name the labels"):
        G.compare(image, image)
    with pytest.raises(ParameterTypeError, match="grey values"):
        G.compare(image, image.astype("f4"))
    with pytest.raises(GridMismatchError):
        G.compare(image, vr.from_array(labels(), spacing=3.0))


def test_a_watershed_of_edges_finds_blurred_phases_better_than_a_threshold():
    rock = vr.generators.sandstone(shape=48, seed=1)
    noisy, pores = vr.generators.ct_scan(rock, seed=1), rock == 0
    dark, bright = G.gaussian_mixture(noisy)["mean"].values
    edges = vr.filters.gradient_magnitude(noisy, sigma_vx=1)
    sure = (noisy <= 0.7 * dark + 0.3 * bright).astype("u1") + 2 * (noisy >= 0.3 * dark + 0.7 * bright).astype("u1")
    found = G.compare(G.watershed(edges, markers=sure.astype("u1")) == 1, pores)
    plain = G.compare(G.otsu(noisy, phase="dark"), pores)
    assert float(found["accuracy"]) > float(plain["accuracy"]) + 0.005
