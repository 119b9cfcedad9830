import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import voxelrock as vr
from voxelrock.errors import DataError, ParameterError
from voxelrock.kernels import modes, thresholds
from voxelrock.segmentation import assess, minimum_error_threshold, porosity_curve


def mixture(*parts, total=10**7, values=None):
    """The histogram of Gaussians: (weight, mean, standard deviation)."""
    values = np.arange(0, 65536.0) if values is None else values
    counts = sum(w * norm.pdf(values, m, s) for w, m, s in parts) * total * (values[1] - values[0])
    return np.rint(counts).astype("i8"), values


def as_histogram(counts, values):
    return xr.DataArray(counts, dims="value", coords={"value": values})


TWO = ((0.2, 15000, 1500), (0.8, 30000, 1500))


def test_the_widths_and_modes_of_gaussians():
    counts, values = mixture(*TWO)
    found = modes.modes(counts, values)
    assert [m.value for m in found] == pytest.approx([15000, 30000], abs=150)
    assert modes.width(counts, values, 30000, rising=True) == pytest.approx(1500, rel=0.03)
    assert modes.width(counts, values, 15000, rising=False) == pytest.approx(1500, rel=0.03)


def test_a_tail_of_minerals_does_not_widen_the_mode():
    counts, values = mixture((0.2, 15000, 1500), (0.75, 30000, 1500), (0.05, 45000, 3000))
    assert modes.width(counts, values, 30000, rising=True) == pytest.approx(1500, rel=0.03)


def test_a_comb_of_grey_values_has_the_modes_of_its_envelope():
    counts, values = mixture(*TWO)
    comb = np.zeros_like(counts)
    comb[::257] = np.add.reduceat(counts, np.arange(0, counts.size, 257))[: comb[::257].size]
    assert len(modes.modes(comb, values)) == 2


@pytest.mark.parametrize("values", [np.arange(0, 256.0), np.arange(-100.0, 100.0), np.linspace(0, 1, 500)])
def test_modes_of_any_values(values):
    span = values[-1] - values[0]
    counts, values = mixture((0.3, values[0] + 0.3 * span, 0.05 * span), (0.7, values[0] + 0.7 * span, 0.06 * span), values=values)
    assert [m.value for m in modes.modes(counts, values)] == pytest.approx([values[0] + 0.3 * span, values[0] + 0.7 * span], abs=0.015 * span)


def test_one_value_has_one_mode():
    assert [m.value for m in modes.modes(np.array([7]), np.array([3.0]))] == pytest.approx([3], abs=0.01)


def test_separability_is_otsus_criterion():
    rng = np.random.default_rng(0)
    sample = np.concatenate([rng.normal(10, 2, 300), rng.normal(20, 2, 700)]).round()
    values, counts = np.unique(sample, return_counts=True)
    dark, bright = sample[sample <= 15], sample[sample > 15]
    between = (dark.size * (dark.mean() - sample.mean()) ** 2 + bright.size * (bright.mean() - sample.mean()) ** 2) / sample.size
    assert modes.separability(counts, values, 15) == pytest.approx(between / sample.var())
    assert modes.separability(counts, values, 99) == 0


def test_porosity_and_its_interval():
    counts, values = mixture(*TWO)
    found = assess(as_histogram(counts, values), threshold=22500)
    expected = {name: 0.2 * norm.cdf(t, 15000, 1500) + 0.8 * norm.cdf(t, 30000, 1500) for name, t in (("low", 21000), ("pore", 22500), ("high", 24000))}
    assert float(found["pore_fraction"]) == pytest.approx(expected["pore"], abs=1e-4)
    assert float(found["porosity_low"]) == pytest.approx(expected["low"], abs=1e-4)
    assert float(found["porosity_high"]) == pytest.approx(expected["high"], abs=1e-3)
    assert found.attrs["warnings"] == []
    bright = assess(as_histogram(counts, values), threshold=22500, phase="bright")
    assert float(bright["pore_fraction"]) == pytest.approx(1 - expected["pore"], abs=1e-4)
    assert float(bright["solid_mode"]) == pytest.approx(15000, abs=150)


def test_the_curve_is_the_cumulative_histogram():
    counts, values = mixture(*TWO)
    curve = porosity_curve(as_histogram(counts, values))
    assert float(curve.sel(value=22500)) == counts[values <= 22500].sum() / counts.sum()
    density = counts / counts.sum()
    assert float(curve["slope"].sel(value=15000)) == pytest.approx(float(density[15000]), rel=0.01)
    assert float(porosity_curve(as_histogram(counts, values), phase="bright").sel(value=22500)) == pytest.approx(counts[values > 22500].sum() / counts.sum())


@pytest.mark.parametrize(
    ("parts", "threshold", "words"),
    [
        (((1.0, 30000, 3000),), 29000, "not bimodal"),
        (((0.03, 22000, 3000), (0.97, 30000, 3000)), 29000, "not bimodal"),
        (((0.02, 10000, 1500), (0.98, 30000, 1500)), 20000, "the pore class holds 0.02"),
        (((0.98, 10000, 1500), (0.02, 30000, 1500)), 20000, "the solid class holds 0.02"),
        (((0.8, 28000, 1000), (0.2, 33000, 1000)), 31000, "between two minerals"),
        (((0.2, 10000, 1000), (0.5, 20000, 1000), (0.3, 30000, 1000)), 15000, "has 3 peaks"),
    ],
)
def test_warnings(parts, threshold, words):
    found = assess(as_histogram(*mixture(*parts)), threshold=threshold)
    assert any(words in text for text in found.attrs["warnings"]), found.attrs["warnings"]


@pytest.mark.parametrize("share", [0.5, 0.2, 0.05, 0.02])
def test_minimum_error_finds_the_best_threshold_of_two_gaussians(share):
    counts, values = mixture((share, 15000, 1500), (1 - share, 25000, 2500))
    wrong = share * (1 - norm.cdf(values, 15000, 1500)) + (1 - share) * norm.cdf(values, 25000, 2500)
    assert thresholds.minimum_error(counts, values) == pytest.approx(
        values[np.argmin(wrong)], abs=200
    )  # the tails that each class loses to the other bias it a little


def test_minimum_error_refuses_one_class():
    counts, values = mixture((1.0, 30000, 3000))
    with pytest.raises(DataError, match="does not part into two classes"):
        thresholds.minimum_error(counts, values)


def test_otsu_is_drawn_to_equal_classes_and_minimum_error_is_not():
    counts, values = mixture((0.03, 12000, 2000), (0.97, 30000, 4000))
    otsu, other = thresholds.otsu(counts, values), thresholds.minimum_error(counts, values)
    assert counts[values <= other].sum() / counts.sum() == pytest.approx(0.03, abs=0.003)
    assert counts[values <= otsu].sum() / counts.sum() > 0.04


def test_tight_rock_is_warned_about():
    rock = vr.generators.tight(shape=96, seed=1)
    scan = vr.filters.median(vr.generators.ct_scan(rock, seed=1), radius_vx=1)
    limit = float(vr.segmentation.otsu_threshold(scan))
    found = assess(vr.statistics.histogram(scan), threshold=limit)
    assert abs(float(found["pore_fraction"]) - float(vr.statistics.porosity(rock))) > 0.2  # Otsu is plainly wrong here
    assert found.attrs["warnings"]


@pytest.mark.parametrize(
    "call", [lambda h: assess(h, threshold=3, phase="grey"), lambda h: porosity_curve(h, phase="x"), lambda h: porosity_curve(h.rename(value="label"))]
)
def test_bad_arguments(call):
    with pytest.raises(ParameterError):
        call(as_histogram(*mixture(*TWO)))


def test_an_empty_histogram():
    with pytest.raises(DataError, match="counts no voxel"):
        assess(as_histogram(np.zeros(5, int), np.arange(5.0)), threshold=3)


def test_minimum_error_of_an_image_where():
    image = vr.from_function(lambda z, y, x: 10 + 90 * (x > 5) + (z * 7 + y * 3 + x) % 5, shape=12, dtype="u1")
    region = vr.Box(low={"z": 0}, high={"z": 5})
    assert 14 <= float(minimum_error_threshold(image, where=region)) < 100
