"""The plug problem: a cylinder of known porosity in air, in zeros and in NaN comes out as the same rock without surroundings."""

import math

import numpy as np
import pytest

import voxelrock as vr
from voxelrock.workflow import Recipe, analyze

ROCKS = {"sandstone": vr.generators.sandstone, "carbonate": vr.generators.carbonate, "tight": vr.generators.tight}
USUAL = Recipe.of().with_sizes(False).with_statistics([])
TILT = math.tan(math.radians(2))


def plug_in(surroundings, rock, tube, folder):
    """A scan of a plug, stored."""
    labels = rock.where(tube, max(rock.phases) + 1).assign(phases={**rock.phases, max(rock.phases) + 1: vr.Phase("air", "outside")})
    if surroundings == "air":
        scan = vr.generators.ct_scan(labels, seed=2)
    elif surroundings == "zeros":
        scan = vr.generators.ct_scan(rock, seed=2).where(tube, 0)
    else:
        scan = vr.generators.ct_scan(rock, seed=2).astype("f4").where(tube, math.nan)
    return vr.save(scan, folder / f"{surroundings}.zarr")


def porosities(name, size, folder, recipe, surroundings):
    """The analysis of the full box, and of the plug in each of its surroundings; the truth in the box, and in the region of each."""
    rock = vr.save(ROCKS[name](shape=size, spacing="4 um", radius="20 um", seed=3), folder / "rock.zarr")
    middle = {"z": 2.0 * size, "y": 2.0 * size + 12, "x": 2.0 * size - 16}
    tube = vr.Cylinder(axis={"z": 1.0, "y": TILT, "x": 0.0}, radius=0.42 * 4 * size, center=middle)
    box = analyze(vr.save(vr.generators.ct_scan(rock, seed=2), folder / "box.zarr"), recipe=recipe)
    found = {}
    for kind in surroundings:
        scan = plug_in(kind, rock, tube, folder)
        found[kind] = analyze(scan, recipe=recipe), float(vr.statistics.porosity(rock, where=vr.artefacts.outline(scan).region))
    return box, float(vr.statistics.porosity(rock)), found


def check(name, size, folder, recipe, surroundings=("air", "zeros", "nan")):
    box, truth, found = porosities(name, size, folder, recipe, surroundings)
    for kind, (result, inside) in found.items():
        assert "plug" in result.attrs["roi"] or "padding" in result.attrs["roi"], (kind, result.attrs["roi"])
        assert abs(inside - truth) < 0.005, "the region is no fair sample of the box"
        assert abs(float(result["porosity"]) - float(box["porosity"])) < 0.005, (kind, float(result["porosity"]), float(box["porosity"]))
        assert int(result["bulk_voxels"]) < 0.6 * size**3
    return box, truth


@pytest.mark.parametrize(("name", "surroundings"), [("sandstone", ("air", "zeros", "nan")), ("carbonate", ("air",))])
def test_a_plug_comes_out_as_its_rock(tmp_path, name, surroundings):
    check(name, 176, tmp_path, USUAL, surroundings)


def test_tight_rock_at_a_threshold_that_is_known(tmp_path):
    box, truth = check("tight", 176, tmp_path, USUAL.changed(threshold=21500), ("zeros",))
    assert 0.2 * truth < float(box["porosity"]) < truth  # many of its pores are thinner than a voxel


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ROCKS))
def test_larger_plugs(tmp_path, name):
    box, truth = check(name, 320, tmp_path, USUAL)
    assert float(box["porosity"]) == pytest.approx(truth, abs=0.02)  # many pores of tight rock are thinner than a voxel
    assert bool(box.attrs["warnings"]) == (name != "sandstone")


def test_without_the_region_the_answer_is_plainly_wrong(tmp_path):
    rock = vr.generators.sandstone(shape=96, spacing="4 um", radius="20 um", seed=3)
    scan = vr.save(vr.generators.ct_scan(vr.generators.plug(rock), seed=2), tmp_path / "scan.zarr")
    whole, plug = analyze(scan, recipe=USUAL.changed(roi="none")), analyze(scan, recipe=USUAL)
    assert float(whole["porosity"]) > float(plug["porosity"]) + 0.15
    assert any("surroundings" in text for text in whole.attrs["warnings"])
    assert np.isfinite(float(plug["porosity_low"]))
