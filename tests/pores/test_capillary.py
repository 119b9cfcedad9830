"""Capillary curves: a bundle of tubes whose curve is known, units, angles, refusals."""

import math

import numpy as np
import pytest

import voxelrock as vr
from tests.pores.sizes_dense import cut
from voxelrock.errors import ParameterError, ParameterTypeError, UnitError
from voxelrock.pores import capillary_curve, leverett_j, porosimetry

WIDTHS = (2, 4, 8, 14)  # slits: radii 1, 2, 4, 7


def slits(spacing="1 um"):
    mask = np.zeros((12, 10, 40), bool)
    at = 1
    for width in WIDTHS:
        mask[..., at : at + width] = True
        at += width + 2
    mask[4:7, 3:6, at : at + 2] = True  # isolated
    return cut(mask, 7).assign_grid(spacing=spacing)


def test_a_bundle_of_slits():
    found = capillary_curve(porosimetry(slits(), inlet="z low"))
    whole = sum(WIDTHS) * 120 + 18
    assert found["radius"].values.tolist() == [7, 4, 2, 1]
    np.testing.assert_allclose(found["saturation"], np.cumsum([14, 8, 4, 2]) * 120 / whole)
    np.testing.assert_allclose(found["wetting_saturation"], 1 - found["saturation"])
    tension = 2 * 0.485 * abs(math.cos(math.radians(140)))
    np.testing.assert_allclose(found["pressure"], tension / (np.array([7, 4, 2, 1]) * 1e-6))
    np.testing.assert_allclose(found["pressure_psi"], found["pressure"] / 6894.757293)
    assert float(found["entry_radius"]) == 7
    assert float(found["entry_pressure"]) == pytest.approx(tension / 7e-6)
    assert float(found["r35"]) == 7
    assert float(found["irreducible"]) == pytest.approx(18 / whole)
    assert float(found["resolution_pressure"]) == pytest.approx(tension / 1e-6)
    assert found["resolved"].values.tolist() == [True, True, True, False]
    widths = np.log10(found["right"].values / found["left"].values)
    assert float((found["distribution"] * widths).sum()) == pytest.approx(float(found["saturation"][-1]))
    assert float(found["left"][found["distribution"].argmax("throat_radius")]) < 7 < float(found["right"][found["distribution"].argmax("throat_radius")])
    assert found["pressure"].attrs["units"] == "Pa"
    assert found["radius"].attrs["units"] == "um"


def test_pressures_scale_with_spacing_and_angle():
    small, large = (capillary_curve(porosimetry(slits(s), inlet="z low")) for s in ("1 um", "0.002 mm"))
    np.testing.assert_allclose(small["pressure"], 2 * large["pressure"], rtol=1e-6)
    radii = porosimetry(slits(), inlet="z low")
    water = capillary_curve(radii, interfacial_tension=0.072, contact_angle=0)
    np.testing.assert_allclose(water["pressure"], 2 * 0.072 / (water["radius"] * 1e-6))
    other = capillary_curve(radii, interfacial_tension=0.072, contact_angle=180)
    np.testing.assert_allclose(other["pressure"], water["pressure"])


def test_mercury_comes_from_all_sides():
    found = capillary_curve(porosimetry(slits()), where=vr.Box(low={"z": 1}, high={"z": 9}))
    assert float(found["saturation"][-1]) < 1
    assert found["radius"].values.tolist() == [7, 4, 2, 1]


def test_leverett():
    found = capillary_curve(porosimetry(slits(), inlet="z low"))
    j = leverett_j(found, permeability="100 mD", porosity=0.25)
    np.testing.assert_allclose(j, 2 / (found["radius"] * 1e-6) * math.sqrt(9.869233e-14 / 0.25))
    np.testing.assert_allclose(j, leverett_j(found, permeability=9.869233e-14, porosity=0.25))
    np.testing.assert_allclose(j["wetting_saturation"], found["wetting_saturation"])
    np.testing.assert_allclose(leverett_j(found, permeability="100 md", porosity=vr.statistics.porosity(slits()) * 0 + 0.25), j)  # still lazy
    for wrong in ({"permeability": -1, "porosity": 0.2}, {"permeability": 1e-13, "porosity": 20}, {"permeability": "3 miles", "porosity": 0.2}):
        with pytest.raises(ParameterError):
            leverett_j(found, **wrong)
    with pytest.raises(ParameterError, match="'100 mD'"):
        leverett_j(found, permeability=100, porosity=0.2)
    with pytest.raises(ParameterTypeError, match="capillary curve"):
        leverett_j(found["pressure"], permeability=1e-13, porosity=0.2)


def test_no_pore_is_reached():
    mask = np.zeros((7, 7, 7), bool)
    mask[3, 3, 3] = True
    found = capillary_curve(porosimetry(vr.from_array(mask, spacing="1 um")))
    assert found.sizes["radius"] == 0
    assert float(found["irreducible"]) == 1
    assert math.isnan(float(found["r35"]))
    assert math.isnan(float(found["entry_pressure"]))
    with pytest.raises(vr.errors.DataError, match="nothing was invaded"):
        vr.viz.plot_capillary_curve(found)


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"contact_angle": 90}, "cos"),
        ({"contact_angle": 88}, "cos"),
        ({"contact_angle": -3}, "degrees"),
        ({"contact_angle": math.nan}, "degrees"),
        ({"interfacial_tension": 0}, "N/m"),
        ({"interfacial_tension": 485}, "N/m"),
        ({"classes_per_decade": 0}, "at least 1"),
    ],
)
def test_refusals(keywords, text):
    with pytest.raises(ParameterError, match=text):
        capillary_curve(porosimetry(slits()), **keywords)


def test_no_pressure_without_a_scale():
    with pytest.raises(UnitError, match="spacing"):
        capillary_curve(porosimetry(vr.from_array(slits().compute())))


def test_diameters_are_no_radii():
    with pytest.raises(ParameterTypeError, match=r"porosimetry makes.*local_thickness"):
        capillary_curve(vr.pores.local_thickness(slits()))
    for call in (vr.pores.pore_size_distribution, vr.pores.granulometry):
        with pytest.raises(ParameterTypeError, match="got invasion_radius"):
            call(porosimetry(slits()))
        with pytest.raises(ParameterTypeError, match="got distance"):
            call(vr.morphology.distance(slits()))


def test_figures_refuse_each_other():
    found = capillary_curve(porosimetry(slits(), inlet="z low"))
    with pytest.raises(ParameterTypeError, match="pore_size_distribution"):
        vr.viz.plot_size_distribution(found)
    with pytest.raises(ParameterTypeError, match="capillary_curve"):
        vr.viz.plot_capillary_curve(vr.pores.pore_size_distribution(slits()))


def test_the_longest_side_of_a_voxel_says_what_is_resolved():
    found = capillary_curve(porosimetry(slits(vr.ZYX("8 um", "2 um", "2 um"))))
    assert found.attrs["resolution"] == 12
    np.testing.assert_array_equal(found["resolved"], found["radius"] >= 12)
    shade = vr.viz.plot_capillary_curve(found).axes[1].patches[-1]
    assert shade.get_x() + shade.get_width() == pytest.approx(12)
