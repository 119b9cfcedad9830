import numpy as np
import pytest

import voxelrock as vr
from voxelrock.artefacts import correct_beam_hardening, correct_drift, solid_profiles


def bent(shape=64, cup=0.2, drift=0.1):
    """Solid that is brighter outside and along z, with pores."""
    z, y, x = np.indices((shape,) * 3) - (shape - 1) / 2
    solid = 20000 * (1 + cup * (y**2 + x**2) / (shape / 2) ** 2 + drift * z / shape)
    return np.where((np.indices((shape,) * 3) // 4).sum(0) % 4 == 0, 2000, solid).astype("u2")


def test_levels_are_those_of_the_solid():
    found = solid_profiles(vr.from_array(bent(), spacing="2 um"), solid=(10000, 60000)).compute()
    distance = found["distance"].values / 2
    inner = distance < 30
    expected = 20000 * (1 + 0.2 * distance**2 / 32**2)
    assert np.abs(found["radial"].values / expected - 1)[inner].max() < 0.004
    assert found["distance"].attrs["units"] == found["z"].attrs["units"] == "um"
    assert np.ptp(np.diff(found["axial"].values)) < 60  # a straight line, within bins of 13 grey levels
    assert found["radial_voxels"].sum() == found["axial_voxels"].sum() == (bent() > 10000).sum()


def test_corrections_flatten_them():
    rock = vr.Cylinder(axis="z", radius=31, center={"y": 31.5, "x": 31.5})

    def spreads(image):
        found = solid_profiles(image, cylinder=rock).compute()
        return float(found["radial"][:30].std()), float(found["axial"].std())

    cupped, drifting = vr.from_array(bent(drift=0)), vr.from_array(bent(cup=0))
    assert spreads(correct_beam_hardening(cupped, cylinder=rock))[0] < spreads(cupped)[0] / 8
    assert spreads(correct_drift(drifting, where=rock))[1] < spreads(drifting)[1] / 8


def test_shells_without_solid_are_nan():
    scan = np.full((8, 32, 32), 5, "u1")
    scan[:, 16:, 16:] = 200
    found = solid_profiles(vr.from_array(scan), cylinder=vr.Cylinder(axis="z", radius=40, center={"y": -4, "x": -4}), solid=(100, 250)).compute()
    assert np.isnan(found["radial"][10])
    assert float(found["radial_voxels"][10]) == 0
    assert abs(float(found["radial"][40]) - 200) < 0.2


def test_bad_input():
    scan = vr.from_array(bent(16))
    with pytest.raises(vr.errors.ParameterTypeError, match="segmentation"):
        solid_profiles(scan > 9)
    with pytest.raises(vr.errors.ParameterTypeError, match=r"vr\.Cylinder"):
        solid_profiles(scan, cylinder=4)
    with pytest.raises(vr.errors.ParameterError, match="ascending"):
        solid_profiles(scan, solid=(5, 1))
    with pytest.raises(vr.errors.DataError, match="NaN"):
        solid_profiles(scan.astype("f4").with_data(scan.astype("f4").data * np.nan)).compute()
