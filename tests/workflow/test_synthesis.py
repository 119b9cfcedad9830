"""The usual recipe on scans of rock that is known: what error remains."""

import numpy as np
import pytest

import voxelrock as vr
from voxelrock.workflow import Recipe, analyze
from voxelrock.workflow.sizes import Spaces

SPACING = "2 um"


def truth_and_scan(kind, contrast_to_noise, size=104, seed=1):
    """Pores as they are (stored), and a noisy, blurred scan of them, its noise correlated."""
    rock = getattr(vr.generators, kind)(shape=size, seed=seed, spacing=SPACING)
    pores = rock.isin([label for label, phase in rock.phases.items() if phase.role == "pore"])
    scan = vr.generators.ct_scan(rock, noise=15000 / contrast_to_noise, seed=2)
    labels = vr.from_array(pores.compute().astype("u1"), spacing=SPACING, phases={0: vr.Phase("solid", "solid"), 1: vr.Phase("pore", "pore")})
    return labels, vr.from_array(scan.compute(), spacing=SPACING)


def numbers(labels):
    """Porosity, surface over pore volume, and the median radius of invasion, which throats decide."""
    porosity, surface = vr.compute(vr.statistics.porosity(labels), vr.structure.specific_surface(labels, per="pore"))
    radii = vr.compute(Spaces.of(labels).radii)
    return float(porosity), float(surface), float(np.median(radii[radii > 0]))


@pytest.mark.parametrize("kind", ["sandstone", "carbonate", "tight"])
def test_the_usual_recipe_recovers_the_rock_at_a_contrast_of_four_times_the_noise(kind, tmp_path):
    truth, scan = truth_and_scan(kind, 4)
    found = analyze(scan, recipe=Recipe.of(roi="none").with_sizes(False).with_statistics([]), out=tmp_path)
    porosity, surface, radius = numbers(truth)
    assert float(found["porosity"]) == pytest.approx(porosity, abs=max(0.01, 0.05 * porosity))
    got = numbers(vr.open(tmp_path / "segmented.zarr"))
    assert got[1] == pytest.approx(surface, rel=0.1)
    assert abs(got[2] - radius) < 2  # um: one voxel


@pytest.mark.parametrize("kind", ["sandstone", "tight"])
def test_a_contrast_of_twice_the_noise_is_warned_about(kind):
    _, scan = truth_and_scan(kind, 2, size=64)
    recipe = Recipe.of(roi="none").with_sizes(False).with_statistics([])
    assert any("times the noise" in text for text in analyze(scan, recipe=recipe).attrs["warnings"])
    _, clear = truth_and_scan(kind, 8, size=64)
    assert not any("times the noise" in text for text in analyze(clear, recipe=recipe).attrs["warnings"])
