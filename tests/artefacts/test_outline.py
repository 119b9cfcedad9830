"""Plugs of known place, radius and tilt in air and padding; and rocks that fill their image, which must stay whole."""

import math

import dask.array as da
import numpy as np
import pytest

import voxelrock as vr
from voxelrock.errors import DataError, ParameterError
from voxelrock.generators.minerals import AIR
from voxelrock.testing import stored

N = 160
GREY = {"scanner": vr.generators.Scanner(), "seed": 1}


def cylinder(radius=0.4 * N, tilt=2.0, shift=(3.0, -4.0), length=None):
    t, a = math.radians(tilt), 0.7
    middle = N / 2 - 0.5
    direction = vr.ZYX(math.cos(t), math.sin(t) * math.sin(a), math.sin(t) * math.cos(a))
    return vr.Cylinder(axis=direction, radius=radius, center=vr.ZYX(middle, middle + shift[0], middle + shift[1]), length=length)


def inside(region, shape=(N, N, N)):
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    return np.asarray(region.contains(z * 1.0, y * 1.0, x * 1.0))


@pytest.fixture(scope="module")
def rocks():
    made = {
        "sandstone": vr.generators.sandstone(shape=N, radius=5, seed=3),
        "carbonate": vr.generators.carbonate(shape=N, radius=5, seed=3),
        "tight": vr.generators.tight(shape=N, radius=5, seed=3),
    }
    return {name: vr.from_array(rock.compute(), phases=rock.phases) for name, rock in made.items()}


def held(image):
    return vr.from_array(image.compute(), nodata=image.nodata)


def remembered(make):
    """Many tests look at one scan: it is made once."""
    kept = {}

    def find(rock, *arguments, **options):
        key = id(rock), repr(arguments), repr(options)
        if key not in kept:
            kept[key] = make(rock, *arguments, **options), rock  # held, so that its id stays its own
        return kept[key][0]

    return find


@remembered
def in_air(rock, region, **options):
    outside = max(rock.phases) + 1
    phases = {**rock.phases, outside: AIR}
    return held(vr.generators.ct_scan(rock.where(region, outside).assign(phases=phases), **{**GREY, **options}))


@remembered
def scanned(rock, **options):
    return held(vr.generators.ct_scan(rock, **{**GREY, **options}))


def surrounded(rock, surroundings, region, **options):
    if surroundings == "air":
        return in_air(rock, region, **options)
    if surroundings == "air in a circle of zeros":
        scan = in_air(rock, region, **options)
        return held(scan.where(vr.Cylinder.inscribed(scan.grid), 0))
    if surroundings == "zeros":
        return held(scanned(rock, **options).where(region, 0))
    return held(scanned(rock, dtype="f4", **options).where(region, math.nan))


def errors_of(found, region):
    """Tilt (degrees), radius, and distance of the centre from the true axis."""
    true = np.array(region.axis)
    axis = np.array(vr.ZYX(1.0, 0.0, 0.0) if isinstance(found.region.axis, str) else found.region.axis)
    angle = math.degrees(math.asin(min(1.0, np.linalg.norm(np.cross(true, axis)) / np.linalg.norm(axis))))
    away = np.array(found.center) - np.array(region.center)
    return angle, abs(found.radius - region.radius), np.linalg.norm(away - away @ true * true)


@pytest.mark.parametrize("surroundings", ["air", "zeros", "nan", "air in a circle of zeros"])
@pytest.mark.parametrize("name", ["sandstone", "carbonate", "tight"])
def test_a_tilted_plug_off_the_middle_is_found(rocks, name, surroundings):
    region = cylinder()
    found = vr.artefacts.outline(surrounded(rocks[name], surroundings, region))
    angle, radius, center = errors_of(found, region)
    assert angle < 0.3
    assert radius < 1
    assert center < 1
    assert not (inside(found.region) & ~inside(region)).any()
    assert found.fraction == pytest.approx(inside(found.region).mean(), abs=0.01)
    assert found.air == ("air" in surroundings)
    expected = {"air": None, "zeros": 0.0, "nan": math.nan, "air in a circle of zeros": 0.0}[surroundings]
    assert found.padding == expected or (math.isnan(expected) and math.isnan(found.padding))
    assert found.length is None


def pores(image, region, pipeline=True):
    quiet = vr.filters.median(image, radius_vx=1) if pipeline else image
    return float(vr.statistics.porosity(vr.segmentation.otsu(quiet, phase="dark", where=region), where=region))


@pytest.mark.parametrize("surroundings", ["air", "zeros"])
@pytest.mark.parametrize("name", ["sandstone", "carbonate"])
def test_the_porosity_of_a_plug_is_that_of_the_rock(rocks, name, surroundings):
    rock, region = rocks[name], cylinder()
    scan, whole = surrounded(rock, surroundings, region), scanned(rock)
    found = vr.artefacts.outline(scan).region
    if surroundings == "zeros":
        scan = scan.where(region, int(np.median(scan.compute()[inside(found)])))
    measured = pores(scan, found)
    assert measured == pytest.approx(pores(whole, found), abs=3e-4)  # the same rock without surroundings: no edge is left
    true = (rock.compute() == 0)[inside(found)].mean() - (rock.compute() == 0).mean()
    assert measured - true == pytest.approx(pores(whole, None), abs=0.005)
    assert pores(surrounded(rock, surroundings, region), None) > measured + 0.2 or surroundings == "zeros"  # the plug problem


@pytest.mark.parametrize("margin", [0.0, 1.0, 5.0])
def test_the_margin_is_the_distance_to_the_rock(rocks, margin):
    found = vr.artefacts.outline(in_air(rocks["tight"], cylinder()), margin=margin)
    assert float(found.region.radius) == pytest.approx(found.radius - margin, abs=1e-4)


FULL = {
    "scan": lambda rock: scanned(rock),
    "scan of bytes": lambda rock: scanned(rock, dtype="u1"),
    "scan with cupping and rings": lambda rock: scanned(rock, scanner=vr.generators.Scanner(cupping=0.4, rings=1500)),
    "phases": lambda rock: rock,
    "booleans": lambda rock: vr.from_array(rock.compute() == 0),
}


@pytest.mark.parametrize("make", FULL)
@pytest.mark.parametrize("name", ["sandstone", "carbonate", "tight"])
def test_a_rock_that_fills_its_image_has_no_outline(rocks, name, make):
    found = vr.artefacts.outline(FULL[make](rocks[name]))
    assert (found.region, found.padding, found.air) == (None, None, False)
    assert "fills the image" in found.describe()
    assert found.to_text() == "none"


def test_a_carbonate_with_large_vugs_has_no_outline():
    assert vr.artefacts.outline(scanned(vr.generators.carbonate(shape=N, radius=20, porosity=0.3, vugs=0.9, seed=5))).region is None


def dark(level=14000, noise=2500):
    return np.random.default_rng(2).normal(level, noise, (N, N, N)).astype("u2")


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("a fracture across a corner", lambda z, y, x: y + x + 0.2 * z < 90),
        ("a round hole at an edge", lambda z, y, x: y**2 + x**2 + 0 * z < 70**2),
        ("a borehole", lambda z, y, x: (y - 80) ** 2 + (x - 80) ** 2 + 0 * z < 30**2),
        ("a layer between open fractures", lambda z, y, x: (abs(x - 80) > 40) | (y + z < 0)),
        ("a cube", lambda z, y, x: (abs(x - 80) > 50) | (abs(y - 80) > 50) | (z < 0)),
    ],
)
@pytest.mark.parametrize("fill", ["air", "zeros"])
def test_what_is_no_cylinder_is_refused(rocks, name, where, fill):
    values = scanned(rocks["sandstone"]).compute().copy()
    z, y, x = np.ogrid[:N, :N, :N]
    hole = np.broadcast_to(where(z, y, x), values.shape)
    values[hole] = dark()[hole] if fill == "air" else 0
    found = vr.artefacts.outline(vr.from_array(values))
    assert found.region is None
    if name == "a cube":
        assert "surrounds the rock" in found.describe()


def test_dark_layers_are_rock(rocks):
    values = scanned(rocks["sandstone"]).compute().astype(float)
    values[:, :, :40] = 14000 + 0.4 * (values[:, :, :40] - 14000)
    values[:, :, 120:] = 14000 + 0.4 * (values[:, :, 120:] - 14000)
    for axis in "zyx":
        assert vr.artefacts.outline(vr.from_array(values.astype("u2")), axis=axis).region is None


@pytest.mark.parametrize(
    ("radius", "shift", "tolerance"),
    [(0.6 * N, (0, 30), 0.5), (0.62 * N, (0, 0), 0.5), (0.8 * N, (80, 80), 1.0), (0.2 * N, (-20, 25), 0.5)],
    ids=["cut by a side", "only corners are air", "a quarter", "small"],
)
def test_a_plug_cut_by_the_image_is_found(rocks, radius, shift, tolerance):
    region = cylinder(radius, 0.0, shift)
    found = vr.artefacts.outline(in_air(rocks["sandstone"], region))
    angle, off, center = errors_of(found, region)
    assert (angle < 0.3, off < tolerance, center < tolerance) == (True, True, True)
    assert not (inside(found.region) & ~inside(region)).any()


@pytest.mark.parametrize("surroundings", ["air", "zeros"])
@pytest.mark.parametrize(("length", "shift"), [(100.0, 5.0), (150.0, -40.0), (40.0, 0.0)])
def test_a_plug_that_ends_inside_the_image_has_a_length(rocks, surroundings, length, shift):
    t = cylinder(length=length)
    region = vr.Cylinder(axis=t.axis, radius=t.radius, center=vr.ZYX(t.center.z + shift, t.center.y, t.center.x), length=length)
    found = vr.artefacts.outline(surrounded(rocks["carbonate"], surroundings, region))
    kept = inside(found.region)
    assert not (kept & ~inside(region)).any()
    assert kept.sum() > 0.6 * inside(region).sum()
    assert found.length is not None
    assert "long" in found.describe()


def test_a_slabbed_core_gives_the_largest_cylinder_in_it(rocks):
    region = cylinder(tilt=0.0, shift=(0.0, 0.0))
    slab = region & vr.Box(low={}, high={"y": N / 2 + 25})
    found = vr.artefacts.outline(in_air(rocks["tight"], slab))
    assert found.cut
    assert errors_of(found, region)[1] < 1
    assert not (inside(found.region) & ~inside(slab)).any()
    assert float(found.region.radius) == pytest.approx((64 + 25) / 2 - 3, abs=1.5)


@pytest.mark.parametrize("axis", ["y", "x"])
def test_other_axes_and_physical_grids(rocks, axis):
    values = np.moveaxis(in_air(rocks["tight"], cylinder()).compute(), 0, "zyx".index(axis))
    found = vr.artefacts.outline(vr.from_array(values, spacing="5 um", origin="1 mm"), axis=axis)
    assert found.tilt == pytest.approx(2.0, abs=0.3)
    assert found.radius == pytest.approx(64 * 5, abs=5)
    assert found.unit == "um"
    assert found.center["zyx".index(axis)] == pytest.approx(1000 + 79.5 * 5)


def test_unequal_spacings(rocks):
    values = in_air(rocks["tight"], cylinder()).compute()[:, ::2]
    found = vr.artefacts.outline(vr.from_array(values, spacing=vr.ZYX(z="5 um", y="10 um", x="5 um")))
    assert found.radius == pytest.approx(64 * 5, abs=7)
    assert found.tilt == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("kind", ["u1", "i2", "f4"])
def test_types_of_voxels(rocks, kind):
    scan = in_air(rocks["sandstone"], cylinder(), dtype="u1" if kind == "u1" else "u2")
    image = {"u1": scan, "i2": vr.from_array((scan.compute().astype(int) // 4 - 5000).astype("i2")), "f4": scan.astype("f4")}[kind]
    assert vr.artefacts.outline(image).radius == pytest.approx(64, abs=1)


@pytest.mark.parametrize("value", [7, -1000])
def test_declared_padding_of_any_value(rocks, value):
    scan = scanned(rocks["sandstone"]).astype("i4")
    for nodata in (None, value):
        found = vr.artefacts.outline(held(scan.where(cylinder(), value)).assign(nodata=nodata))
        assert (found.padding, found.air) == (value, False)
        assert found.radius == pytest.approx(64, abs=1)


@pytest.mark.parametrize("outside", [False, True, 9])
def test_segmented_images_padded_by_a_label(rocks, outside):
    rock = rocks["sandstone"].compute()
    values = rock if outside == 9 else (rock == 0) == outside  # True outside: as pores; False outside: the solid is True
    image = vr.from_array(np.where(inside(cylinder()), values, outside).astype(bool if outside != 9 else "u1"))
    found = vr.artefacts.nature(image)
    assert found.kind == "segmented"
    assert (found.padded, found.in_air) == (True, False)
    assert found.outline.padding == outside
    assert found.outline.radius == pytest.approx(64, abs=1)


def test_chunks_do_not_exist(rocks):
    values = in_air(rocks["sandstone"], cylinder(length=110.0)).compute()
    before = values.copy()
    whole = vr.artefacts.nature(vr.from_array(values))
    for image in (stored(values, ((70, 90), (45, 100, 15), (160,))), vr.from_array(da.from_array(values, chunks=((1, 59, 100), (160,), (33, 127))))):
        assert vr.artefacts.nature(image) == whole
    np.testing.assert_array_equal(values, before)


def test_the_text_is_the_region(rocks):
    for region in (cylinder(), cylinder(tilt=0.0), cylinder(length=100.0)):
        image = in_air(rocks["tight"], region).assign_grid(spacing="3.7 um")
        found = vr.artefacts.outline(image)
        kind, _, rest = found.to_text().partition(":")
        said = dict(part.split("=") for part in rest.split(","))
        axis = said.pop("axis", None) or vr.ZYX(*map(float, said.pop("direction").split("/")))
        radius, length = said.pop("radius"), said.pop("length", None)
        assert kind == "cylinder"
        assert vr.Cylinder(axis=axis, radius=radius, length=length, center={"z": found.region.center.z, **said}).resolve(image.grid) == found.region


def test_sentences(rocks):
    air = vr.artefacts.outline(surrounded(rocks["sandstone"], "air in a circle of zeros", cylinder()).assign_grid(spacing="8 um").to_unit("mm"))
    assert air.describe().startswith("padding of 0 outside a circle; a plug of radius 0.51")
    assert "mm, tilted by 2.0°, in air (grey " in air.describe()
    zeros = vr.artefacts.nature(surrounded(rocks["sandstone"], "zeros", cylinder()))
    assert "padding of 0 outside a circle of radius 64" in zeros.describe()
    assert zeros.describe().startswith("a grey image")


def test_a_large_image_is_read_in_few_slices(rocks, monkeypatch):
    monkeypatch.setattr("voxelrock.artefacts.sampling.SMALL", 1)
    monkeypatch.setattr("voxelrock.artefacts.sampling.ACROSS", 64)
    region = cylinder()
    found = vr.artefacts.outline(in_air(rocks["sandstone"], region))
    angle, radius, center = errors_of(found, region)
    assert (angle < 0.5, radius < 2, center < 2) == (True, True, True)
    assert not (inside(found.region) & ~inside(region)).any()


def test_natures():
    noise = np.random.default_rng(0).normal(1000, 100, (40, 40, 40))
    assert vr.artefacts.nature(vr.from_array(noise.astype("u2"))).kind == "grey"
    assert vr.artefacts.nature(vr.from_array((noise // 50).astype("u1") % 12)).kind == "grey"  # few values, but noise
    assert vr.artefacts.nature(vr.from_array(noise > 1000)).kind == "segmented"
    assert vr.artefacts.nature(vr.zeros(shape=20)).describe() == "an empty image: every voxel looked at has one value"
    assert vr.artefacts.nature(vr.full(shape=20, value=math.nan, dtype="f4")).describe() == "an empty image: no voxel looked at holds data"
    assert vr.artefacts.nature(vr.from_array(noise[:, :4, :4].astype("u2"))).outline is None


def test_errors_say_what_to_do():
    noise = vr.from_array(np.random.default_rng(0).normal(size=(20, 20, 20)).astype("f4"))
    with pytest.raises(ParameterError, match="axis is one of 'z', 'y', 'x'; got 'w'"):
        vr.artefacts.outline(noise, axis="w")
    with pytest.raises(ParameterError, match="at least 16 voxels along y and x, across the axis z; the image has 5 and 20"):
        vr.artefacts.outline(noise[:, :5])
    with pytest.raises(DataError, match="every voxel looked at is NaN"):
        vr.artefacts.outline(vr.full(shape=20, value=math.nan, dtype="f4"))
    with pytest.raises(DataError, match="no data"):
        vr.artefacts.outline(vr.zeros(shape=20).assign(nodata=0))
    with pytest.raises(ParameterError, match="no voxels"):
        vr.artefacts.outline(vr.zeros(shape=0))
    plug = vr.from_function(lambda z, y, x: 90 * ((y - 32) ** 2 + (x - 30) ** 2 <= 25**2) + 0 * z, shape=64, dtype="u1")
    with pytest.raises(ParameterError, match="leaves nothing"):
        vr.artefacts.outline(plug, margin=30)
    with pytest.raises(ParameterError, match="at least 0"):
        vr.artefacts.outline(plug, margin=-1)
