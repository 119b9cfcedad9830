import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from voxelrock.errors import ParameterError, ParameterTypeError, UnitError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.geometry.units import conversion, length_in

GRID = vr.VoxelGrid.of(shape=vr.ZYX(20, 30, 40), spacing=vr.ZYX("2 um", "1 um", "1 um"), origin=vr.ZYX(5, 0, 0), unit="um")


@pytest.mark.parametrize(
    ("text", "metres"),
    [("8 um", 8e-6), ("8um", 8e-6), ("8 µm", 8e-6), ("8 μm", 8e-6), ("8 micron", 8e-6), ("5.345e0 um", 5.345e-6), ("3 nm", 3e-9), ("1 in", 0.0254), (".5 mm", 5e-4), ("2 cm", 0.02)],
)  # fmt: skip
def test_lengths_are_read(text, metres):
    assert length_in(text, "m") == pytest.approx(metres, rel=1e-12)


@pytest.mark.parametrize("text", ["", "um", "eight um", "8 parsec", "8 um um"])
def test_nonsense_is_no_length(text):
    with pytest.raises(UnitError):
        length_in(text, "um")


def test_several_numbers_are_no_length():
    with pytest.raises(ParameterTypeError, match="a length is a number or text"):
        length_in(np.array([1.0, 2.0]), "um")


def test_the_scale_must_be_known_to_convert():
    with pytest.raises(UnitError, match="the physical size of a voxel is unknown"):
        conversion("voxel", "um")


def test_a_grid_knows_where_its_voxels_are():
    assert GRID.extent == (40, 30, 40)
    assert GRID.bounds[0] == (4, -0.5, -0.5)
    assert GRID.point(vr.ZYX(1, 2, 3)) == (7, 2, 3)
    assert GRID.voxel({"z": "7.9 um", "y": 2.4, "x": 3}) == (1, 2, 3)
    with pytest.raises(ParameterError, match="lies outside the image"):
        GRID.voxel({"z": 0, "y": 0, "x": 0})
    with pytest.raises(ParameterError, match="lies outside the image"):
        GRID.voxel({"z": math.nan, "y": 0, "x": 0})


@pytest.mark.parametrize("index", [(20, 0, 0), (0, 30, 0), (0, 0, 40)])
def test_one_past_the_end_is_outside(index):
    with pytest.raises(ParameterError):
        GRID.voxel(GRID.point(vr.ZYX(*index)))


@given(st.tuples(*(st.tuples(st.integers(0, n), st.integers(0, n)) for n in (20, 30, 40))))
def test_cropping_keeps_positions(cuts):
    box = VoxelBox(tuple(min(c) for c in cuts), tuple(max(c) for c in cuts))
    grid = GRID.crop(box)
    assert grid.shape == box.shape
    assert grid.point(vr.ZYX(0, 0, 0)) == GRID.point(vr.ZYX(*box.start))


def test_grids_are_compared_after_conversion():
    assert not GRID.differences(GRID.to_unit("mm"))
    other = vr.VoxelGrid.of(shape=GRID.shape, spacing=vr.ZYX(2, 1, 1.00001), origin=GRID.origin, unit="um")
    assert "spacing along x" in GRID.differences(other)[0]
    assert "shape" in GRID.differences(GRID.crop(VoxelBox((0, 0, 0), (1, 1, 1))))[0]


@pytest.mark.parametrize("bad", [{"spacing": -1}, {"spacing": 0}, {"spacing": "nan um"}, {"spacing": "1 furlong"}, {"origin": math.inf}])
def test_bad_grids_are_refused(bad):
    with pytest.raises(ParameterError):
        vr.VoxelGrid.of(shape=3, **bad)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(0, 20), st.integers(0, 20))
def test_touched_blocks_are_those_that_share_voxels(lengths, a, b):
    tiling = Tiling((tuple(lengths), (3,), (2, 2)))
    low, high = sorted((min(a, tiling.shape[0]), min(b, tiling.shape[0])))
    box = VoxelBox((low, 0, 1), (high, 3, 2))
    expected = [i for i in tiling if (tiling.box(i) & box).size]
    assert list(tiling.touched(box)) == expected


def inside(region):
    image = vr.from_array(np.zeros(GRID.shape, "u1")).assign_grid(GRID)
    return image.restriction(region).compute()


def coordinates():
    return [np.asarray(c) for c in np.ogrid[5:45:2, 0:30, 0:40]]


def test_regions_test_voxel_centres():
    z, y, x = coordinates()
    ball = vr.Ball(center={"z": "25 um", "y": 15, "x": 20}, radius="9 um")
    np.testing.assert_array_equal(inside(ball), (z - 25) ** 2 + (y - 15) ** 2 + (x - 20) ** 2 <= 81)
    tube = vr.Cylinder(axis="z", radius=10, center={"y": 14, "x": 18})
    np.testing.assert_array_equal(inside(tube), np.broadcast_to((y - 14) ** 2 + (x - 18) ** 2 <= 100, GRID.shape))
    short = vr.Cylinder(axis="x", radius=10, center={"z": 20, "y": 14, "x": 18}, length=7)
    np.testing.assert_array_equal(inside(short), ((z - 20) ** 2 + (y - 14) ** 2 <= 100) & (abs(x - 18) <= 3.5))
    box = vr.Box(low={"z": "0.01 mm", "x": 3}, high={"z": 30})
    np.testing.assert_array_equal(inside(box), np.broadcast_to((z >= 10) & (z <= 30) & (x >= 3), GRID.shape))
    triangle = vr.Polygon(axis="z", corners=[{"y": 0.5, "x": 0.5}, {"y": 20.5, "x": 0.5}, {"y": 0.5, "x": 20.5}])
    np.testing.assert_array_equal(inside(triangle), np.broadcast_to((y > 0.5) & (x > 0.5) & (x + y < 21), GRID.shape))
    both = (ball & ~tube) | box
    np.testing.assert_array_equal(inside(both), (inside(ball) & ~inside(tube)) | inside(box))


def test_a_tilted_cylinder_is_the_cylinder_turned():
    z, y, x = coordinates()
    direction = np.array([1.0, 0.2, -0.1]) / np.linalg.norm([1.0, 0.2, -0.1])
    along = (z - 25) * direction[0] + (y - 15) * direction[1] + (x - 20) * direction[2]
    distance = (z - 25) ** 2 + (y - 15) ** 2 + (x - 20) ** 2 - along**2
    tube = vr.Cylinder(axis={"z": 1.0, "y": 0.2, "x": -0.1}, radius=8, center={"z": 25, "y": 15, "x": 20})
    assert (inside(tube) != (distance <= 64)).mean() < 1e-3


@pytest.mark.parametrize("region", [
    vr.Ball(center={"z": 25, "y": 15, "x": 20}, radius=7.3), vr.Cylinder(axis="y", radius=5.1, center={"z": 20, "x": 9}),
    vr.Box(low={"y": 3.2}, high={"y": 9.9, "x": 12}), vr.Cylinder(axis={"z": 1, "y": 1, "x": 0}, radius=4, center={"z": 25, "y": 15, "x": 20}, length=20),
], ids=lambda r: type(r).__name__)  # fmt: skip
def test_the_box_of_a_region_holds_it_and_no_more(region):
    mask = inside(region)
    where = np.argwhere(mask)
    box = region.box(GRID)
    assert all(b <= w for b, w in zip(box.start, where.min(0)))
    assert all(b > w for b, w in zip(box.stop, where.max(0)))
    if not isinstance(region.resolve(GRID), vr.Cylinder) or isinstance(region.axis, str):
        assert box == VoxelBox(tuple(where.min(0)), tuple(where.max(0) + 1))


def test_the_inscribed_cylinder_fits():
    tube = vr.Cylinder.inscribed(GRID, axis="z", margin="2 um")
    assert tube.radius == 13
    assert inside(tube).any()
    with pytest.raises(ParameterError, match="leaves no cylinder"):
        vr.Cylinder.inscribed(GRID, margin="1 mm")


def test_a_bare_shape_is_unclear():
    with pytest.raises(ParameterError, match=r"ZYX\(z=1, y=2, x=3\) or ZYX\(z=3, y=2, x=1\)"):
        vr.zeros(shape=(1, 2, 3))
