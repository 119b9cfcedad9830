import numpy as np
import pytest

import voxelrock as vr
from tests.artefacts import artefacts_dense as dense
from voxelrock.artefacts import correct_beam_hardening, outline

SHAPE, RADIUS = 96, 46
MIDDLE = (SHAPE - 1) / 2
ROCK = vr.Cylinder(axis="z", radius=RADIUS, center={"y": MIDDLE, "x": MIDDLE})


@pytest.fixture(scope="module")
def rock():
    return vr.generators.sandstone(shape=SHAPE, seed=1)


@pytest.fixture(scope="module", params=["sandstone", "carbonate", "tight"])
def any_rock(request):
    """Rock whose solid is one phase, rock of two that overlap in grey and lie unevenly, rock with hardly a pore."""
    return getattr(vr.generators, request.param)(shape=SHAPE, seed=1)


@pytest.fixture(scope="module")
def shells():
    y, x = np.ogrid[:SHAPE, :SHAPE]
    return np.broadcast_to(np.floor(np.hypot(y - MIDDLE, x - MIDDLE)).astype(int), (SHAPE,) * 3)


def scan(rock, cupping, cylinder=ROCK):
    return vr.generators.ct_scan(rock, scanner=vr.generators.Scanner(cupping=cupping, axis=cylinder), seed=3)


def bend(a, chosen, shells):
    """The RMS of the solid's azimuthal means about their mean."""
    counts = np.bincount(shells[chosen])
    means = np.bincount(shells[chosen], a[chosen].astype("f8")) / np.maximum(counts, 1)
    return np.std(means[counts > 50])


def main_solid(rock):
    """Where its most frequent solid is."""
    labels = rock.compute()
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def porosity_error(image, rock):
    """Of the walls' threshold after a median."""
    quiet = vr.filters.median(image, radius_vx=1).persist()
    mask = vr.segmentation.threshold(quiet, high=float(vr.segmentation.edge_threshold(quiet, where=ROCK)))
    return abs(float(vr.statistics.porosity(mask, where=ROCK)) - float(vr.statistics.porosity(rock, where=ROCK)))


@pytest.mark.parametrize("cupping", [0.1, 0.2, 0.3])
def test_cupping_falls_to_a_fifth_and_porosity_comes_no_worse(any_rock, shells, cupping):
    chosen = main_solid(any_rock) & (shells < RADIUS - 1)
    own = scan(any_rock, 0).compute().astype("f8")
    before = scan(any_rock, cupping).persist()
    corrected = correct_beam_hardening(before, cylinder=ROCK).persist()
    after = corrected.compute()
    scale = after[chosen].mean() / own[chosen].mean()
    assert bend(after - scale * own, chosen, shells) < bend(before.compute() - own, chosen, shells) / 5
    assert porosity_error(corrected, any_rock) < porosity_error(before, any_rock) + 0.001


def test_a_clean_scan_stays_as_it_is_within_its_noise(any_rock, shells):
    clean = scan(any_rock, 0).persist()
    corrected = correct_beam_hardening(clean, cylinder=ROCK).persist()
    change = (corrected.compute() - clean.compute().astype("f8"))[shells < RADIUS]
    assert np.sqrt(np.mean(change**2)) < 0.05 * 2500  # a twentieth of a voxel's noise
    assert porosity_error(corrected, any_rock) < porosity_error(clean, any_rock) + 0.001


@pytest.mark.parametrize("cupping", [0.0, 0.1, 0.2, 0.3])
def test_the_error_of_porosity_does_not_grow_by_otsu_either(rock, cupping):
    truth = float(vr.statistics.porosity(rock, where=ROCK))
    before = scan(rock, cupping)
    errors = [
        abs(float(vr.statistics.porosity(vr.segmentation.otsu(im, phase="dark", where=ROCK), where=ROCK)) - truth)
        for im in (before, correct_beam_hardening(before, cylinder=ROCK))
    ]
    assert errors[1] <= errors[0] + 0.0005  # of a clean scan, by its noise
    assert cupping == 0 or errors[1] < errors[0]


def test_the_fit_does_not_depend_on_chunks(rock):
    array = scan(rock, 0.2)[:40].compute()
    line = vr.Cylinder(axis={"z": 1.0, "y": 0.1, "x": -0.06}, radius=40, center={"z": 20, "y": MIDDLE, "x": MIDDLE})
    whole, pieces = (correct_beam_hardening(vr.from_array(array, block=block), cylinder=line).compute() for block in (96, 17))
    assert whole.tobytes() == pieces.tobytes()


@pytest.mark.parametrize("axis", ["z", {"z": 1.0, "y": 0.1, "x": -0.06}])
def test_finds_the_plug_and_its_air(rock, axis):
    cylinder = vr.Cylinder(axis=axis, radius=34, center={"z": MIDDLE, "y": MIDDLE + 3, "x": MIDDLE - 2})
    inside = vr.ones(shape=SHAPE, dtype=bool).restriction(cylinder)
    z, y, x = np.ogrid[:SHAPE, :SHAPE, :SHAPE]
    way = np.array([1.0, 0, 0] if axis == "z" else [1.0, 0.1, -0.06])
    away = np.stack(np.broadcast_arrays(z - MIDDLE, y - MIDDLE - 3, x - MIDDLE + 2), -1)
    distance = np.sqrt((np.cross(away, way / np.linalg.norm(way)) ** 2).sum(-1))
    noise = np.random.default_rng(1).normal(0, 200, (SHAPE,) * 3)
    cup = 0.8 + 0.2 * (distance / 34) ** 2
    pores = rock.compute() == 0
    a = (np.where(inside.compute() & ~pores, 14000 * cup, 0) + 10000 + noise).astype("u2")
    image = vr.from_array(a)
    assert outline(image).air
    found = correct_beam_hardening(image).compute()
    chosen = inside.compute() & ~pores & (distance < 30)
    shells = np.floor(distance).astype(int)
    assert bend(found, chosen, shells) < bend(a, chosen, shells) / 15
    np.testing.assert_allclose(found[distance > 36].mean(), 10000, rtol=0.002)


def test_a_tilted_axis_spacing_and_origin():
    a = np.random.default_rng(4).integers(100, 300, (7, 9, 8)).astype("u2")
    spacing, origin, point = np.array([3.0, 2.0, 2.5]), np.array([10.0, 20.0, 30.0]), np.array([20.0, 27.0, 41.0])
    way = np.array([2.0, 0.5, -1.0]) / np.sqrt(5.25)
    places = np.stack(np.meshgrid(*(np.arange(n) * h + o for n, h, o in zip(a.shape, spacing, origin)), indexing="ij"), -1)
    distance = np.sqrt((np.cross(places - point, way) ** 2).sum(-1)) / 2.0
    named = [dict(zip("zyx", map(float, v))) for v in (spacing, origin, point, way)]
    image = vr.from_array(a, spacing=named[0], origin=named[1], unit="um")
    cylinder = vr.Cylinder(axis=named[3], radius=9, center=named[2])
    found = correct_beam_hardening(image, cylinder=cylinder, air=20, solid=(120, 280), degree=2).compute()
    expected = dense.without_cupping(a, distance, (120, 280), 20, degree=2, exists=distance * 2 <= 9)
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_one_slice():
    _, y, x = np.ogrid[:1, :24, :24]
    grey = np.broadcast_to((100 + ((y - 12) ** 2 + (x - 12) ** 2) / 20) * ((x + y) % 5 > 0), (1, 24, 24))
    flat = correct_beam_hardening(vr.from_array(grey), cylinder=vr.Cylinder(axis="z", radius=12, center={"y": 12, "x": 12}), air=0).compute()
    solid = grey > 0
    assert flat[solid].std() < 0.5 * grey[solid].std()


def test_no_data_keeps_its_value_and_does_not_count(rock):
    a = scan(rock, 0.2)[:24].compute()
    a[:, :, :5] = 0
    found = correct_beam_hardening(vr.from_array(a).assign(nodata=0), cylinder=ROCK)
    assert found.nodata == 0
    assert (found.compute()[:, :, :5] == 0).all()
    inner = correct_beam_hardening(vr.from_array(a), cylinder=ROCK, where=vr.Box(low={"x": 5}, high={"x": 95}))
    np.testing.assert_array_equal(found.compute()[:, :, 5:], inner.compute()[:, :, 5:])


def test_what_is_refused(rock):
    image = scan(rock, 0.2)
    with pytest.raises(vr.errors.ParameterError, match="polynomial is even"):
        correct_beam_hardening(image, cylinder=ROCK, degree=3)
    with pytest.raises(vr.errors.ParameterError, match="below the solid"):
        correct_beam_hardening(image, cylinder=ROCK, air=20000, solid=(15000, 30000))
    with pytest.raises(TypeError, match="outline"):
        correct_beam_hardening(image, cylinder=vr.Ball(center={"z": 1, "y": 1, "x": 1}, radius=3))
    with pytest.raises(ValueError, match="farther outside"):
        correct_beam_hardening(image, cylinder=vr.Cylinder(axis="z", radius=4, center={"y": 5000, "x": 3}))
    with pytest.raises(TypeError, match="segmentation"):
        correct_beam_hardening(rock, cylinder=ROCK)
    with pytest.raises(vr.errors.DataError, match="shells"):
        correct_beam_hardening(image, cylinder=ROCK, air=0, solid=(60000, 65000)).compute()
    with pytest.raises(vr.errors.DataError, match="constant"):
        correct_beam_hardening(vr.full(shape=SHAPE, value=7, dtype="u1"), cylinder=ROCK).compute()
    with pytest.raises(vr.errors.DataError, match="NaN"):
        correct_beam_hardening(vr.full(shape=SHAPE, value=np.nan, dtype="f4"), cylinder=ROCK).compute()
    with pytest.raises(ValueError, match="grid"):
        correct_beam_hardening(image, cylinder=ROCK, where=vr.ones(shape=5, dtype=bool))
