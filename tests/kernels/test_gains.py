import numpy as np
import pytest

from voxelrock.errors import DataError
from voxelrock.kernels.gains import PARTS, common_gain, pooled

SQUARES = ((np.arange(60) + 0.5) / 60) ** 2
VALUES = np.linspace(-4000, 26000, 1024)


def table(gain, levels, shares, spread=1500, voxels=4000):
    """Histograms (part, shell, bin) without noise of their own: phases of these levels, their shares (part, shell, phase)."""
    centers = gain[:, None] * np.array(levels)
    density = np.exp(-0.5 * ((VALUES[None, None, :] - centers[:, :, None]) / spread) ** 2)
    density /= density.sum(axis=2, keepdims=True)
    return np.rint(voxels * np.einsum("psk,skb->psb", shares, density)).astype(np.int64)


def relative(found, gain, squares):
    ratio = np.polynomial.polynomial.polyval(squares, found) / gain
    return ratio / ratio.mean()


@pytest.mark.parametrize("levels", [(0, 15000), (0, 10000, 18000)])
def test_a_gain_is_found_though_shares_differ_along_the_radius(levels):
    rng = np.random.default_rng(3)
    gain = 0.7 + 0.3 * SQUARES
    smooth = 1 + 0.8 * np.sin(6 * SQUARES[None, :, None] + rng.uniform(0, 6, (PARTS, 1, len(levels))))
    shares = smooth / smooth.sum(axis=2, keepdims=True)
    fewer, values, squares = pooled(table(gain, levels, shares), VALUES, SQUARES)
    ratio = relative(common_gain(fewer, values, squares, 4), 0.7 + 0.3 * squares, squares)
    np.testing.assert_allclose(ratio, 1, atol=0.004)
    means = (fewer.sum(axis=0) @ values) / fewer.sum(axis=(0, 2))
    assert np.ptp(means / (0.7 + 0.3 * squares)) > 0.1 * means.mean()  # the mean of all values would be led astray


def test_the_mean_above_air_stays():
    gain = 0.8 + 0.2 * SQUARES
    fewer, values, squares = pooled(table(gain, (0, 15000), np.full((PARTS, 60, 2), 0.5)), VALUES, SQUARES)
    fitted = np.polynomial.polynomial.polyval(squares, common_gain(fewer, values, squares, 2))
    mass = fewer.sum(axis=0) @ np.maximum(values, 0)
    assert mass @ fitted == pytest.approx(mass.sum())


def test_a_part_without_some_shells():
    gain = 0.8 + 0.2 * SQUARES
    full = table(gain, (0, 15000), np.full((PARTS, 60, 2), 0.5))
    full[0, 20:], full[1, :40] = 0, 0
    fewer, values, squares = pooled(full, VALUES, SQUARES)
    np.testing.assert_allclose(relative(common_gain(fewer, values, squares, 4), 0.8 + 0.2 * squares, squares), 1, atol=0.004)


def test_too_few_shells_and_nothing_above_air():
    full = table(np.ones(60), (0, 15000), np.full((PARTS, 60, 2), 0.5))
    few = full * (np.arange(60) < 3)[:, None]
    with pytest.raises(DataError, match="too few for a polynomial of degree 4"):
        common_gain(few, VALUES, SQUARES, 4)
    with pytest.raises(DataError, match="brighter than air"):
        common_gain(full, VALUES - 30000, SQUARES, 4)
