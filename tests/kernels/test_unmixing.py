import numpy as np
import pytest

from voxelrock.kernels.hardening import even_fit
from voxelrock.kernels.unmixing import Groupwise, Polynomial, apart, begun, fitted, guessed_air, unmixed

VALUES = np.linspace(-0.3, 1.2, 256)
NOISE = 0.08


def table(gains, offsets, levels, shares, spread=NOISE, voxels=4000, values=VALUES):
    """Histograms (group, bin) without noise of their own, of phases with shares (group, phase)."""
    centers = offsets[:, None] + gains[:, None] * np.array(levels)
    density = np.exp(-0.5 * ((values[None, None, :] - centers[:, :, None]) / np.broadcast_to(spread, len(levels))[None, :, None]) ** 2)
    density /= density.sum(axis=2, keepdims=True)
    return np.rint(voxels * np.einsum("gk,gkb->gb", shares, density)).astype(np.int64)


def uneven(groups, phases):
    wave = 1 + 0.8 * np.sin(np.linspace(0, 6, groups)[:, None] + np.random.default_rng(3).uniform(0, 6, (1, phases)))
    return wave / wave.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("levels", [(0.0, 0.6), (0.0, 0.4, 0.72)])
def test_a_polynomial_is_found_though_shares_differ(levels):
    u = np.linspace(0, 1, 50)
    terms, shares = u[:, None] ** np.arange(3), uneven(50, len(levels))
    gains, offsets = 0.7 + 0.3 * u, 0.1 * u - 0.2 * u**2
    found = unmixed(table(gains, 0 * u, levels, shares), VALUES, Polynomial(terms))
    np.testing.assert_allclose(found.gains / found.gains.mean(), gains / gains.mean(), rtol=0.004)
    np.testing.assert_allclose(found.gains, terms @ found.coefficients)
    found = unmixed(table(1 + 0 * u, offsets, levels, shares), VALUES, Polynomial(terms, gain=False))
    np.testing.assert_allclose(found.offsets - found.offsets.mean(), offsets - offsets.mean(), atol=0.002)
    means = shares @ np.array(levels)
    assert np.ptp(means) > 0.1  # the mean of all values would be led astray


@pytest.mark.parametrize("levels", [(0.0, 0.6), (0.0, 0.4, 0.72)])
@pytest.mark.parametrize("model", ["offset", "gain", "linear"])
def test_groups_have_changes_of_their_own(model, levels):
    rng = np.random.default_rng(8)
    gains = 1 + (0.05 * rng.normal(size=60) if model != "offset" else np.zeros(60))
    offsets = 0.05 * rng.normal(size=60) if model != "gain" else np.zeros(60)
    found = unmixed(table(gains, offsets, levels, uneven(60, len(levels))), VALUES, Groupwise(model))
    assert len(found.levels) == len(levels)
    loose = 0.025 if model == "linear" else 0.006  # a group with hardly any voxels of a phase keeps to the others' gain
    np.testing.assert_allclose(found.gains, gains / np.median(gains), atol=loose)
    rest = found.offsets - found.gains * found.offsets[0] / found.gains[0] - (offsets - gains * offsets[0] / gains[0])
    np.testing.assert_allclose(rest, 0, atol=loose)
    assert np.median(found.gains) == pytest.approx(1)


def test_a_group_that_jumps_by_all_the_contrast_is_found():
    offsets = np.where(np.arange(40) == 17, 0.5, 0.0)
    found = unmixed(table(np.ones(40), offsets, (0.0, 0.5), np.tile([0.2, 0.8], (40, 1))), VALUES, Groupwise("offset"))
    np.testing.assert_allclose(found.offsets, offsets, atol=0.01)


def test_one_phase_alone_is_no_mixture():
    offsets = 0.05 * np.random.default_rng(1).normal(size=40)
    found = unmixed(table(np.ones(40), offsets, (0.4,), np.ones((40, 1))), VALUES, Groupwise("offset"))
    assert len(found.levels) == 1
    np.testing.assert_allclose(found.offsets, offsets - np.median(offsets), atol=0.002)


def test_no_gain_is_read_from_the_composition_of_a_broad_phase():
    shares = np.random.default_rng(2).uniform(0.02, 0.06, 40)
    bright = table(np.ones(40), np.zeros(40), (0.4, 0.9), np.stack([1 - shares, shares], axis=1), (NOISE, 0.25))
    dark = table(np.ones(40), np.zeros(40), (0.4, 0.1), np.stack([1 - shares[::-1], shares[::-1]], axis=1), (NOISE, 0.15))
    found = unmixed(bright + dark, VALUES, Groupwise("linear"))
    assert np.abs(found.offsets + found.gains * 0.4 - 0.4).max() < 0.02
    assert np.abs(found.gains - 1).max() < 0.1


def test_phases_too_close_to_each_other_are_one():
    near, far = (table(np.ones(30), np.zeros(30), (0.0, 0.5, 0.5 + step * NOISE), uneven(30, 3)) for step in (1.0, 2.5))
    law = Groupwise("offset")
    assert [len(unmixed(counts, VALUES, law).levels) for counts in (near, far)] == [2, 3]
    assert not apart(fitted(near, VALUES, begun(near, VALUES, 3), law), law.nearest)


def test_empty_groups_do_no_harm():
    counts = table(np.ones(30), np.linspace(-0.1, 0.1, 30), (0.0, 0.5), uneven(30, 2))
    counts[[0, 11, 12]] = 0
    for model in ("offset", "gain", "linear"):
        found = unmixed(counts, VALUES, Groupwise(model))
        assert np.isfinite(found.offsets).all()
        assert found.gains[11] == pytest.approx(1, abs=0.01)


def test_air_lies_above_the_darkest_voxels_by_the_noise():
    counts = table(np.ones(30), np.zeros(30), (0.0, 0.6), np.tile([0.1, 0.9], (30, 1)))
    assert guessed_air(counts, VALUES, Groupwise("offset"), -1.5 * NOISE, 0.3) == pytest.approx(0, abs=0.01)
    assert guessed_air(counts, VALUES, Groupwise("offset"), -1.5 * NOISE, -0.1) == -0.1


def test_the_mean_above_air_stays():
    squares = ((np.arange(60) + 0.5) / 60) ** 2
    fine = -0.3 + 1.5 * (np.arange(1024) + 0.5) / 1024
    shells = table(0.8 + 0.2 * squares, 0 * squares, (0.0, 0.6), np.full((60, 2), 0.5), values=fine)
    fit = even_fit(((-0.3, 1.2), shells), degree=4, air=0.0, solid=None)
    mass = (shells * np.maximum(fine, 0)).sum(axis=1)
    assert mass @ np.polynomial.polynomial.polyval(squares, fit[1:-2]) == pytest.approx(mass.sum(), rel=1e-3)  # shells are pooled
