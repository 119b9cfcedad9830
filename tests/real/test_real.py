"""The real images: each opens with the shape, type and porosity of the table that comes with them."""

import numpy as np
import pytest

import voxelrock as vr

SEGMENTED = [
    ("berea_400.tif", {}, (400, 400, 400), "u1", 0, 0.196453),
    ("ketton_256.tif", {}, (256, 256, 256), "u1", 0, 0.126862),
    ("leopard_100.npy", {}, (100, 100, 100), "i1", 1, 0.262235),
    ("berea_110_u1.raw", {"shape": 110, "dtype": "u1"}, (110, 110, 110), "u1", 0, 0.177884),
    ("pair_labels_50_u2le.raw", {"shape": 50, "dtype": "<u2"}, (50, 50, 50), "u2", 5, 0.0796),
    ("two_fluid_250x300x300.tif", {}, (250, 300, 300), "u1", (0, 1), 0.226667),
    ("cast_iron_100_u1.raw", {"shape": 100, "dtype": "u1"}, (100, 100, 100), "u1", 87, 0.113944),
    ("anisotropic_500.tif", {}, (500, 500, 500), "u1", 255, 0.30),
]
GREY = [
    ("plug_slices", {}, (50, 320, 400), "u2"),
    ("grey_rock_100.npy", {}, (100, 100, 100), "u2"),
    ("grey_sandstone_200x100x100_u2le.raw", {"shape": vr.ZYX(200, 100, 100), "dtype": "<u2"}, (200, 100, 100), "u2"),
    ("pair_grey_50_u2le.raw", {"shape": 50, "dtype": "<u2"}, (50, 50, 50), "u2"),
    ("grey_cement_128.tif", {}, (128, 128, 128), "u1"),
    ("grey_limestone_slice_1008x980.tiff", {}, None, "u2"),
]


@pytest.mark.parametrize(("name", "options", "shape", "dtype", "pore", "porosity"), SEGMENTED, ids=lambda v: v if isinstance(v, str) else "")
def test_segmented_images_have_their_porosity(real, name, options, shape, dtype, pore, porosity):
    image = vr.open(real(name), **options)
    assert tuple(image.shape) == shape
    assert image.dtype == np.dtype(dtype)
    assert float(vr.statistics.porosity(image, pore=pore)) == pytest.approx(porosity, abs=6e-7 if name != "pair_labels_50_u2le.raw" else 5e-5)


@pytest.mark.parametrize(("name", "options", "shape", "dtype"), GREY, ids=lambda v: v if isinstance(v, str) else "")
def test_grey_images_open(real, name, options, shape, dtype):
    image = vr.open(real(name), **options)
    assert image.dtype == np.dtype(dtype)
    if shape is None:
        assert image.shape.z == 1
        assert sorted(image.shape[1:]) == [980, 1008]
    else:
        assert tuple(image.shape) == shape
    found = vr.compute(vr.statistics.summary(image))
    assert float(found["std"]) > 0


def test_slices_of_a_medical_scanner(real):
    image = vr.open(real("core_dicom"))
    assert tuple(image.shape) == (11, 512, 512)
    assert image.dtype == np.int16
    assert image.grid.unit == "mm"
    np.testing.assert_allclose(image.grid.spacing, (0.5, 0.43, 0.43))
    assert float(vr.compute(vr.statistics.summary(image))["max"]) > 500  # rock, in Hounsfield units


def test_the_grey_range_of_a_noisy_rock(real):
    found = vr.compute(vr.statistics.summary(vr.open(real("grey_rock_100.npy"))))
    assert (float(found["min"]), float(found["max"])) == (11506, 30414)


def test_saturations_of_two_fluids(real):
    image = vr.open(real("two_fluid_250x300x300.tif"))
    fractions = vr.compute(vr.statistics.phase_fractions(image, labels=[0, 1, 2]))
    np.testing.assert_allclose(fractions, [0.015704, 0.210963, 0.773333], atol=6e-7)
    assert float(fractions.sel(label=1) / fractions.sel(label=[0, 1]).sum()) == pytest.approx(0.930718, abs=1e-6)


def test_the_finney_pack_has_its_solid_fraction(real):
    x, y, z = np.loadtxt(real("finney_pack_4021.txt")).T[1:4]  # the first column counts
    grid = vr.VoxelGrid.of(shape=50, spacing=20 / 49, origin=-10)
    pack = vr.generators.sphere_pack({"z": z, "y": y, "x": x}, 1.0, shape=grid)
    found = float(vr.statistics.porosity(pack))
    assert found == pytest.approx(0.6364, abs=1e-4) or 1 - found == pytest.approx(0.6364, abs=1e-4)


def test_stores_of_real_images_are_equal(real, tmp_path):
    image = vr.open(real("ketton_256.tif"), spacing="15.2 um")
    stored = vr.save(image, tmp_path / "ketton.zarr")
    np.testing.assert_array_equal(stored.compute(), image.compute())
    assert stored.grid == image.grid


def test_a_plug_of_slices_from_end_to_end(real, tmp_path):
    scan = vr.save(vr.open(real("plug_slices"), spacing="8 um"), tmp_path / "plug.zarr")
    plug = vr.Cylinder.inscribed(scan.grid, axis="z", margin="100 um")
    pores = vr.segmentation.otsu(vr.filters.median(scan, radius_vx=1), where=plug, phase="dark")
    found = vr.statistics.porosity(pores, where=plug)
    assert "where" in found.attrs["bulk"]
    assert 0.2 < float(found) < 0.3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("grey_rock_100.npy", {}),
        ("grey_sandstone_200x100x100_u2le.raw", {"shape": vr.ZYX(200, 100, 100), "dtype": "<u2"}),
        ("grey_cement_128.tif", {}),
        ("pair_grey_50_u2le.raw", {"shape": 50, "dtype": "<u2"}),
        ("berea_400.tif", {}),
        ("ketton_256.tif", {}),
        ("leopard_100.npy", {}),
        ("two_fluid_250x300x300.tif", {}),
    ],
)
@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_rocks_that_fill_their_images_have_no_outline(real, name, options, axis):
    found = vr.artefacts.nature(vr.open(real(name), **options), axis=axis)
    assert found.outline.describe() == "the rock fills the image: no air and no padding around it"
    assert found.kind == ("grey" if "grey" in name else "segmented")


def test_a_cut_from_the_side_of_a_scan_is_not_taken_for_a_plug(real):
    found = vr.artefacts.outline(vr.open(real("plug_slices")))  # a sleeve, rings, a narrow gap: no air that is sure to be air
    assert found.region is None


def test_the_core_of_a_medical_scan_is_found_in_its_tube(real):
    image = vr.open(real("core_dicom"))
    found = vr.artefacts.outline(image)
    assert (found.padding, found.air, found.cut) == (-2048, True, True)  # the core is slabbed: its upper third is gone
    assert found.radius == pytest.approx(49.5, abs=0.5)  # mm
    assert float(found.region.radius) == pytest.approx(34.4, abs=1)
    smooth = vr.filters.uniform(image, size_vx=(1, 9, 9)).compute()  # the noise of a voxel is over 1000 Hounsfield units
    assert smooth[image.restriction(found.region).compute()].min() > 1500  # rock, neither air nor the tube


def test_a_round_field_of_view_filled_with_rock(real):
    image = vr.open(real("grey_limestone_slice_1008x980.tiff"))
    found = vr.artefacts.outline(image)
    assert (found.padding, found.air, found.tilt) == (1, False, 0)
    assert found.radius == pytest.approx(484, abs=2)
    assert not (image.compute()[image.restriction(found.region).compute()] == 1).any()
