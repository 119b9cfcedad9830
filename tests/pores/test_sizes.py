"""Thickness and invasion: known shapes, hard inputs, what is left on the way."""

import gc
import math

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from tests.graph.test_budget import hollow, tasks
from tests.pores import sizes_dense as sizes
from tests.pores.sizes_dense import cut
from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.generators import sphere_pack
from voxelrock.geometry import VoxelGrid
from voxelrock.kernels.inscribed import needed_balls, paint
from voxelrock.morphology.distances import squared_distance
from voxelrock.pores import critical_radius, granulometry, local_thickness, pore_size_distribution, porosimetry


def blobs(shape=(26, 24, 28), seed=0, sigma=1.7):
    return ndi.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma) < -0.02


def squares(mask):
    return np.rint(ndi.distance_transform_edt(mask) ** 2).astype("i4")


def ball(shape, center, radius):
    return sizes.apart(shape, center) < radius**2


@pytest.mark.parametrize("weights", [(1, 1, 1), (25, 4, 4), (math.pi, math.e, 1.0)])
@pytest.mark.parametrize("top", [None, 12])
def test_the_balls_that_are_left_cover_as_all_do(weights, top):
    mask = blobs((15, 14, 16))
    field = squared_distance(vr.from_array(mask, spacing=np.sqrt(weights)))[0].compute()
    field = field if top is None else np.minimum(field, top * min(weights)).astype(field.dtype)  # plateaus
    balls = needed_balls(field, weights=weights, start=(5, 6, 7), extent=(30, 20, 23))
    assert isinstance(weights[0], float) or balls.size < (0.8 if top is None else 0.95) * mask.sum()
    out = field.copy()
    paint(out, balls, weights=weights, start=(5, 6, 7))
    np.testing.assert_array_equal(out, sizes.covered(field, mask, weights))


@pytest.mark.parametrize("weights", [(1, 1, 1), (4, 1, 1), (9, 4, 25)])
@given(st.integers(0, 999), st.sampled_from([1, 3, 30, 500]))
def test_balls_that_are_left_out_do_nothing(weights, seed, top):
    random = np.random.default_rng(seed)
    field = np.rint(top * ndi.gaussian_filter(random.random((13, 15, 17)), random.uniform(0, 2))).astype("i4")  # any field, not of distances alone
    field[random.random(field.shape) < 0.2] = 0
    out = field.copy()
    paint(out, needed_balls(field, weights=weights, start=(0, 0, 0), extent=field.shape), weights=weights, start=(0, 0, 0))
    np.testing.assert_array_equal(out, sizes.covered(field, field > 0, weights))


def test_in_a_cavern_few_balls_are_painted():
    z, y, x = np.ogrid[-40:41, -40:41, -40:41]
    rough = z**2 + y**2 + x**2 < (30 + 40 * ndi.gaussian_filter(np.random.default_rng(0).random((81, 81, 81)), 2)) ** 2
    field = np.rint(ndi.distance_transform_edt(rough) ** 2).astype("i4")
    assert needed_balls(field, weights=(1, 1, 1), start=(0, 0, 0), extent=field.shape).size < 0.05 * rough.sum()


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 10])
def test_a_slit(width):
    mask = np.zeros((14, 9, 8), bool)
    mask[2 : 2 + width] = True
    assert np.unique(local_thickness(cut(mask, (5, 4, 8))).compute()[mask]).tolist() == [2 * math.ceil(width / 2)]
    assert float(critical_radius(cut(mask, (5, 9, 3)), axis="y")) == math.ceil(width / 2)


@pytest.mark.parametrize("radius", [3, 5.5, 9])
def test_a_sphere_and_a_tube(radius):
    inside = ball((21, 21, 21), (10, 10, 10), radius)
    widest = local_thickness(vr.from_array(inside, spacing="2 um")).compute()
    assert abs(np.nanmax(widest) - 4 * radius) <= 2  # a diameter, in um, to a voxel
    assert (widest[inside] > 3.2 * radius).mean() > 0.8
    tube = np.broadcast_to(inside.any(axis=0), (21, 21, 21))
    radii = porosimetry(vr.from_array(tube), inlet="z low").compute()
    assert abs(np.nanmax(radii) - radius) <= 1
    assert np.nanmax(radii) == float(critical_radius(vr.from_array(tube)))


def test_a_cone_is_invaded_to_where_it_is_too_narrow():
    z, y, x = np.ogrid[:40, :25, :25]
    cone = (y - 12) ** 2 + (x - 12) ** 2 < (11 - 0.25 * z) ** 2
    image = cut(cone, (16, 25, 25))
    radii = porosimetry(image, inlet="z low", border="open").compute()[:, 12, 12]
    assert (np.diff(radii) <= 0).all()
    assert abs(radii[0] - 11) < 1.5
    assert abs(radii[-1] - 11 + 0.25 * 39) < 1
    back = porosimetry(image, inlet="z high").compute()[:, 12, 12]
    assert np.ptp(back) == 0
    assert back[0] ** 2 == pytest.approx(2)  # from the tip all of it waits for the last slice, a cross of five voxels


def test_two_chambers_and_a_throat():
    mask = ball((24, 24, 48), (12, 12, 11), 9) | ball((24, 24, 48), (12, 12, 36), 9)
    throat = np.zeros_like(mask)
    throat[11:14, 11:14, 10:38] = True
    lead = np.zeros_like(mask)
    lead[10:15, 10:15, :12] = True
    image = cut(mask | throat | lead, (24, 24, 17))
    radii = porosimetry(image, inlet="x low").compute()
    assert radii[12, 12, 11] == 3
    assert radii[12, 12, 36] == 2
    assert local_thickness(image).compute()[12, 12, 36] > 16
    one = porosimetry(image, inlet="x low", outlet="x high").compute()
    assert np.nanmax(one) == 0  # nothing leads out: what is there stays


def test_finney(real):
    centers = dict(zip("xyz", np.loadtxt(real("finney_pack_4021.txt")).T[1:]))
    solid = sphere_pack(centers, 1.0, shape=VoxelGrid.of(shape=60, spacing=0.2, origin=-6))
    found = pore_size_distribution(~solid)
    # the widest throat of packed spheres, the hole of three that touch, has a radius of 2 / √3 − 1 = 0.155; their pores are wider: up to 0.225 (four) and 0.414 (six) and more
    assert 2 * 0.225 < float(found["d50"]) < 2 * 0.6
    assert float(critical_radius(~solid)) + 0.1 >= 0.155
    assert float(critical_radius(~solid)) < 0.45


def test_all_the_same_for_chunks_threads_and_files(tmp_path):
    mask = blobs((60, 50, 64), sigma=3)
    whole = [local_thickness(vr.from_array(mask)).compute(), porosimetry(vr.from_array(mask), inlet="z low", outlet="z high").compute()]
    with vr.options.set(memory=2**20, scratch=str(tmp_path)):
        for chunks in ((17, 50, 31), (60, 19, 20)):
            image = cut(mask, chunks)
            for one, other in zip(whole, (local_thickness(image), porosimetry(image, inlet="z low", outlet="z high"))):
                np.testing.assert_array_equal(other.compute(scheduler="threads"), one)
        (folder,) = tmp_path.iterdir()
        del image, other
        gc.collect()
        assert not list(folder.iterdir())


@pytest.mark.parametrize("blocks", [2, 4, 8])
def test_tasks_per_chunk(blocks):
    count = blocks**3
    mask = hollow(blocks) > 0
    assert tasks(local_thickness(mask).data) <= count * (4 + 2 / 7) + 4
    # distance, its borders and the way down, basins twice, what they reach, balls twice; the second pass of the basins makes all it needs anew
    assert tasks(porosimetry(mask).data) <= count * 25
    assert tasks(porosimetry(mask).data) / tasks(local_thickness(mask).data) < 6


def test_nothing_and_everything():
    full, none = vr.ones(shape=6, dtype="bool"), vr.zeros(shape=6, dtype="bool")
    assert np.isinf(local_thickness(full).compute()).all()
    assert np.isnan(local_thickness(none).compute()).all()
    assert np.isinf(porosimetry(full).compute()).all()
    assert np.isnan(porosimetry(none).compute()).all()
    assert np.isinf(porosimetry(full, inlet="z low", outlet="z high").compute()).all()
    assert float(critical_radius(full)) == math.inf
    assert float(critical_radius(none)) == 0
    assert local_thickness(vr.from_array(np.zeros((0, 4, 4), bool))).compute().shape == (0, 4, 4)
    one = np.zeros((5, 5, 5), bool)
    one[2, 2, 2] = True
    assert local_thickness(vr.from_array(one)).compute()[2, 2, 2] == 2
    assert porosimetry(vr.from_array(one)).compute()[2, 2, 2] == 0  # isolated


def test_levels_are_the_balls_of_those_diameters():
    mask = blobs((24, 24, 24), sigma=3)
    found = local_thickness(cut(mask, 11), levels=[3, 6.5, "9 voxel"]).compute()
    d2 = squares(mask)
    field = np.select([d2 >= 4.5**2, d2 >= 3.25**2, d2 >= 1.5**2], [math.ceil(4.5**2), math.ceil(3.25**2), math.ceil(1.5**2)], 0)
    np.testing.assert_array_equal(found, sizes.thickness(field, mask))
    assert (found[mask] == 0).any()


def test_irrational_spacing_is_found_to_rounding():
    mask, spacing = blobs((14, 15, 13)), (math.pi, math.e, 1.0)
    image = cut(mask, 6).assign_grid(spacing=spacing)
    field = squared_distance(image)[0].compute()
    np.testing.assert_array_equal(local_thickness(image).compute(), sizes.thickness(field, mask, np.square(spacing)))


def test_distributions():
    mask = np.zeros((30, 8, 8), bool)
    mask[1:2] = mask[4:8] = mask[12:22] = True  # slits of 1, 4 and 10 voxels: 2, 4 and 10 wide
    image = cut(mask, 7).assign_grid(spacing="2 um")
    found = pore_size_distribution(image, bins=[1, 5, 10, 15, 30], scale="linear")
    np.testing.assert_allclose(found["fraction"], [1 / 15, 4 / 15, 0, 10 / 15], atol=1e-12)
    np.testing.assert_allclose(found["density"], np.array([1 / 15, 4 / 15, 0, 10 / 15]) / [4, 5, 5, 15], atol=1e-12)
    np.testing.assert_allclose(found["cumulative"], [1 / 15, 5 / 15, 5 / 15, 1], atol=1e-12)
    assert [float(found[n]) for n in ("d10", "d50", "d90")] == [8, 20, 20]
    assert float(found["mean"]) == pytest.approx((4 + 4 * 8 + 10 * 20) / 15)
    assert float(found["unresolved"]) == pytest.approx(1 / 15)
    assert found["size"].attrs["units"] == "um"
    assert found["d50"].attrs["units"] == "um"
    assert int(found["volume"]) == 15 * 64
    logarithmic = pore_size_distribution(local_thickness(image))
    widths = np.log10(logarithmic["right"].values / logarithmic["left"].values)
    assert float((logarithmic["density"] * widths).sum()) == pytest.approx(1)
    assert float(logarithmic["cumulative"][-1]) == pytest.approx(1)
    curve = granulometry(image)
    assert curve["radius"].values.tolist() == [2, 4, 10]
    assert curve.values.tolist() == pytest.approx([1, 14 / 15, 10 / 15])
    half = pore_size_distribution(local_thickness(image), where=vr.Box(low={"z": 0}, high={"z": 20}))
    assert int(half["volume"]) == 5 * 64


def test_a_phase_wide_as_a_cavern_beside_fine_pores():
    mask = blobs((60, 60, 60), sigma=1.2) | ball((60, 60, 60), (30, 30, 30), 25)
    found = local_thickness(cut(mask, 20)).compute()
    d2 = squares(mask)
    np.testing.assert_array_equal(found[mask] >= 40, sizes.covered(np.where(d2 >= 400, d2, 0), mask)[mask] >= 400)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda im: local_thickness(im + 1), ParameterTypeError, "otsu"),
        (lambda im: local_thickness(im, border="shut"), ParameterError, "border"),
        (lambda im: local_thickness(im, levels=[3, 2]), ParameterError, "ascend"),
        (lambda im: local_thickness(im, levels=[0, 2]), ParameterError, "ascend"),
        (lambda im: local_thickness(im, levels=4), ParameterTypeError, "levels"),
        (lambda im: porosimetry(im + 1), ParameterTypeError, "otsu"),
        (lambda im: porosimetry(im, inlet="top"), ParameterError, "z low"),
        (lambda im: porosimetry(im, inlet=3), ParameterTypeError, "inlet"),
        (lambda im: porosimetry(im, inlet="z low", outlet="z low"), ParameterError, "not both"),
        (lambda im: porosimetry(im, connectivity=8), ParameterError, "18"),
        (lambda im: critical_radius(im, axis="w"), ParameterError, "axis"),
        (lambda im: critical_radius(im.compute()), ParameterTypeError, "from_array"),
        (lambda im: pore_size_distribution(im.astype("u1")), ParameterTypeError, "local_thickness"),
        (lambda im: pore_size_distribution(im, bins=[3, 2]), ParameterError, "ascend"),
        (lambda im: pore_size_distribution(im, bins=0), ParameterError, "bins"),
        (lambda im: pore_size_distribution(im, scale="root"), ParameterError, "scale"),
        (lambda im: pore_size_distribution(im & False), vr.errors.DataError, "empty"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call(cut(blobs((6, 6, 6)), 3))
