"""The structure tensor against differences of the whole image, and what is known of layers and fibres."""

import numpy as np
import pytest

import voxelrock as vr
from tests.structure import gradients_dense as dense
from tests.structure.images import CHUNKS, CYLINDER, SPACING, disc, noise
from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.testing import raise_if_computed, stored

X = vr.structure


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "u2"])
def test_the_tensor_is_that_of_the_whole_image(dtype):
    a = noise(3)
    a = a if dtype == "bool" else (np.random.default_rng(1).integers(0, 60000, a.shape) >> (0 if dtype == "u2" else 8)).astype(dtype)
    for image in (stored(a, CHUNKS, spacing=SPACING), stored(a, spacing=SPACING)):
        found = X.orientation(image).compute()
        truth = dense.tensor(a, spacing=tuple(SPACING.values()))
        np.testing.assert_allclose(found["structure_tensor"], truth, rtol=1e-13)
        np.testing.assert_allclose(found["eigenvalue"], np.linalg.eigvalsh(truth)[::-1], rtol=1e-12)
        assert float(found["planarity"] + found["linearity"] + found["isotropy"]) == pytest.approx(1)
        ways = found["direction"].values
        np.testing.assert_allclose(ways @ ways.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(truth @ ways[0], found["eigenvalue"].values[0] * ways[0], rtol=1e-10)


def test_inside_a_cylinder_and_without_voxels_that_hold_no_data():
    a = np.random.default_rng(2).integers(0, 200, noise(0).shape).astype("u1")
    image = stored(a, CHUNKS)
    np.testing.assert_allclose(X.orientation(image, where=CYLINDER)["structure_tensor"], dense.tensor(a, disc()), rtol=1e-13)
    known = a != 7
    found = X.orientation(image.assign(nodata=7), where=CYLINDER)
    np.testing.assert_allclose(found["structure_tensor"], dense.tensor(a, disc() & known), rtol=1e-13)


def test_cells_are_those_of_the_whole_image():
    a = np.random.default_rng(5).integers(0, 200, (13, 17, 12)).astype("u1")
    products, known = dense.products(a)
    maps = [X.orientation(stored(a, chunks), cell=4).compute() for chunks in (None, ((5, 8), (7, 10), (1, 11)))]
    assert maps[0].identical(maps[1])
    found = maps[0]["structure_tensor"]
    assert found.shape == (3, 4, 3, 3, 3)
    cell = (slice(4, 8), slice(8, 12), slice(0, 4))
    np.testing.assert_allclose(found[1, 2, 0], products[cell][known[cell]].sum(0) / known[cell].sum() / 4, rtol=1e-13)
    np.testing.assert_array_equal(maps[0]["z"], [1.5, 5.5, 9.5])


def test_layers_and_fibres():
    z, y, x = np.indices((40, 40, 40))
    layers = X.orientation(stored(((z + y) % 20 * 10).astype("u1") // 100 * 100)).compute()
    np.testing.assert_allclose(layers["direction"].values[0], [0.5**0.5, 0.5**0.5, 0], atol=1e-12)
    assert float(layers["planarity"]) > 0.99
    fibres = X.orientation(stored((y - 20) ** 2 + (z - 20) ** 2 < 100)).compute()
    np.testing.assert_allclose(fibres["direction"].values[2], [0, 0, 1], atol=1e-12)
    assert float(fibres["linearity"]) == pytest.approx(1, abs=1e-6)
    ball = X.orientation(stored((z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 < 200)).compute()
    assert float(ball["isotropy"]) == pytest.approx(1, abs=1e-9)


def test_what_has_no_gradient_has_no_direction():
    flat = X.orientation(vr.full(shape=6, value=3, dtype="u1")).compute()
    assert not flat["eigenvalue"].any()
    assert np.isnan(flat["direction"]).all()
    assert np.isnan(flat["planarity"])
    assert np.isnan(X.orientation(vr.zeros(shape=1, dtype="u1"))["eigenvalue"]).all()


def test_each_phase_by_labels():
    a = np.random.default_rng(6).integers(0, 200, (9, 9, 9)).astype("u1")
    labels = vr.from_array((a > 90).astype("u1")).assign(phases={0: vr.Phase("a", "solid"), 1: vr.Phase("b", "pore")})
    smooth = np.add.outer(np.add.outer(np.arange(9) ** 2, np.arange(9)), np.arange(9) * 3).astype("u1")
    split = np.indices(a.shape)[0] > 4
    by = labels.with_data(vr.from_array(split.astype("u1")).data)
    found = X.orientation(vr.from_array(smooth), by=by).compute()
    np.testing.assert_allclose(found["structure_tensor"].sel(label=1), dense.tensor(smooth, split), rtol=1e-13)


def test_bad_input():
    image = vr.from_array(np.zeros((4, 4, 4), "u1"))
    with pytest.raises(ParameterTypeError, match="integers of up to 16 bits; got float32"):
        X.orientation(image.astype("f4"))
    with pytest.raises(ParameterError, match="larger than the image"):
        X.orientation(image, cell=9)
    with pytest.raises(ParameterTypeError, match="leave out cell="):
        X.orientation(image, by=image > 0, cell=2)
    with raise_if_computed():
        X.orientation(image, cell=2)
