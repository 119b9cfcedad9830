"""``voxelrock register``."""

import numpy as np
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from voxelrock.registration import Transform


@pytest.fixture
def scans(tmp_path):
    """A scan, and the same moved by two voxels along y and three along x."""
    field = ndi.gaussian_filter(np.random.default_rng(3).normal(size=(40, 44, 48)), 2)
    field = (1000 + 500 * field / field.std()).astype("f4")
    for name, part in (("fixed", field[:, 2:, 3:]), ("moving", field[:, :-2, :-3])):
        vr.save(vr.from_array(np.ascontiguousarray(part)).assign_grid(spacing="8 um"), tmp_path / f"{name}.zarr")
    return tmp_path


def test_register_two_scans(run, scans):
    out = run("register", scans / "moving.zarr", scans / "fixed.zarr", "--model", "translation", "--resampled", scans / "onto.zarr", "--workers", "2")
    assert "translation registration: translation (z=" in out
    assert "warning" not in out
    found = Transform.load(scans / "moving.tfm")
    np.testing.assert_allclose(found.shift, (0, 16, 24), atol=0.1)
    onto, fixed = vr.open(scans / "onto.zarr"), vr.open(scans / "fixed.zarr")
    assert onto.grid == fixed.grid
    inner = np.s_[2:-2, 2:-4, 2:-5]
    assert np.abs(onto.compute()[inner] - fixed.compute()[inner]).max() < 15
    assert "moving.tfm exists; pass --overwrite" in run("register", scans / "moving.zarr", scans / "fixed.zarr", ok=False)
    assert "onto.zarr exists" in run(
        "register", scans / "moving.zarr", scans / "fixed.zarr", "--out", scans / "b.tfm", "--resampled", scans / "onto.zarr", ok=False
    )


def test_register_with_what_is_known(run, scans):
    Transform.translation(y="15 um", x="25 um").save(scans / "near.tfm")
    out = run(
        *(
            "register",
            scans / "moving.zarr",
            scans / "fixed.zarr",
            "--metric",
            "mutual-information",
            "--roi",
            "box:z=40um..280um",
            "--initial",
            scans / "near.tfm",
        ),
        *("--out", scans / "found.tfm", "--resampled", scans / "onto.mhd", "--interpolation", "nearest", "--fill", "0"),
    )
    assert "mutual information" in out
    assert vr.open(scans / "onto.mhd").nodata is None
    np.testing.assert_allclose(Transform.load(scans / "found.tfm").shift, (0, 16, 24), atol=1.0)
    assert "there is no file" in run("register", scans / "moving.zarr", scans / "fixed.zarr", "--initial", scans / "none.tfm", ok=False)
