"""Chords, lineal path and intercepts against one line at a time, and what is known of spheres, layers and noise."""

import dask.array as da
import numpy as np
import pytest

import voxelrock as vr
from tests.structure import lines_dense as dense
from tests.structure.images import CHUNKS, CYLINDER, SPACING, disc, noise
from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.testing import stored

X = vr.structure


@pytest.mark.parametrize("axis", ["z", "y", "x"])
@pytest.mark.parametrize("density", [0.2, 0.6, 0.97])
def test_chords_are_those_of_the_whole_lines(axis, density):
    n = "zyx".index(axis)
    a = noise(3, density=density)
    for image in (stored(a, CHUNKS, spacing=SPACING), vr.from_array(da.from_array(a, chunks=CHUNKS)).assign_grid(stored(a, spacing=SPACING).grid)):
        chords, path = vr.compute(X.chord_lengths(image, axis=axis), X.lineal_path(image, axis=axis))
        expected = dense.runs(a, axis=n)
        np.testing.assert_array_equal(np.stack([chords["complete"], chords["cut"]]), expected[:, 1:])
        np.testing.assert_allclose(path, dense.path(a, axis=n), rtol=1e-15)
        complete = expected[0]
        assert float(chords["mean"]) == pytest.approx((complete @ np.arange(complete.size)) / complete.sum() * SPACING[axis])
        assert float(chords["density"].sum() * SPACING[axis]) == pytest.approx(1)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_chords_that_touch_the_surface_of_a_cylinder_are_cut(axis):
    n = "zyx".index(axis)
    a = noise(4, density=0.7)
    image = stored(a, CHUNKS)
    chords, path = vr.compute(X.chord_lengths(image, axis=axis, where=CYLINDER), X.lineal_path(image, axis=axis, where=CYLINDER))
    np.testing.assert_array_equal(np.stack([chords["complete"], chords["cut"]]), dense.runs(a, disc(), n)[:, 1:])
    np.testing.assert_allclose(path, dense.path(a, disc(), n), rtol=1e-15)


def test_each_label_has_its_own():
    labels = np.kron(np.random.default_rng(2).integers(0, 2, (5, 4, 5)), np.ones((3, 3, 3), int)).astype(bool)[:14, :11, :13]
    a = noise(5, density=0.6)
    image, by = stored(a, CHUNKS), stored(labels, CHUNKS)
    chords, path = vr.compute(X.chord_lengths(image, by=by, axis="x"), X.lineal_path(image, by=by, axis="x"))
    for label in (0, 1):
        np.testing.assert_array_equal(chords["cut"].sel(label=label), dense.runs(a, labels == label, 2)[1, 1:])
        np.testing.assert_allclose(path.sel(label=label), dense.path(a, labels == label, 2), rtol=1e-15)


def test_void_between_overlapping_spheres(boolean_model):
    """Lu & Torquato 1992, doi:10.1103/PhysRevA.45.922: the lineal path of the void is exponential, and so are its chords."""
    spheres, radius, intensity = boolean_model
    void = ~spheres
    path, chords = vr.compute(X.lineal_path(void, axis="y"), X.chord_lengths(void, axis="y"))
    r = path["lag"].values[:40]
    np.testing.assert_allclose(path[:40], np.exp(-intensity * (4 / 3 * np.pi * radius**3 + np.pi * radius**2 * r)), atol=0.015)
    decay = intensity * np.pi * radius**2
    places = chords["complete"].values[:40] / (190 - np.arange(40))  # a long chord has fewer places where it is complete
    assert places[20:].sum() / places[:20].sum() == pytest.approx(np.exp(-20 * decay), rel=0.1)


def test_chords_of_noise_are_geometric():
    a = noise(1, (40, 40, 200), 0.5)
    chords = vr.compute(X.chord_lengths(stored(a, ((20, 20), (40,), (77, 123))), axis="x"))["complete"].values
    share = chords[:6] / chords.sum()
    np.testing.assert_allclose(share, 0.5 ** np.arange(1, 7), atol=0.01)


def test_intercepts_of_layers_and_of_an_isotropic_rock(boolean_model):
    spheres, radius, intensity = boolean_model
    found = vr.compute(X.mean_intercept_length(~spheres))
    np.testing.assert_allclose(found["mean_intercept_length"], 1 / (intensity * np.pi * radius**2), rtol=0.12)
    assert float(found["degree_of_anisotropy"]) == pytest.approx(1, abs=0.12)
    z, y, x = np.ogrid[:40, :40, :40]
    lamellae = np.broadcast_to((z % 8 < 4) ^ ((y % 20 < 10) & (x % 20 < 10)), (40, 40, 40)).copy()
    tensor = vr.compute(X.mean_intercept_length(stored(lamellae, ((13, 27), (40,), (11, 29)), spacing={"z": 1, "y": 2, "x": 2})))
    values = tensor["principal_intercepts"].values
    assert (np.diff(values) < 0).all()
    np.testing.assert_allclose(np.linalg.eigvalsh(tensor["fabric_tensor"])[::-1], values, rtol=1e-12)
    assert np.abs(np.linalg.eigh(tensor["fabric_tensor"])[1][0, 0]) > 0.99  # the shortest intercepts lie along z
    lengths = tensor["mean_intercept_length"]
    assert float(lengths.sel(direction="1 0 0")) < 5 < float(lengths.sel(direction="0 0 1"))


def test_intercepts_are_twice_the_phase_over_the_changes():
    a = noise(2, density=0.5)
    exists = disc()
    found = X.mean_intercept_length(stored(a, CHUNKS), where=CYLINDER)["mean_intercept_length"].values
    core = exists[:-1] & exists[1:]
    core = core[:, :-1] & core[:, 1:]
    core = core[:, :, :-1] & core[:, :, 1:]
    changes = length = 0
    for y in (0, 1):
        for x in (0, 1):
            low, high = (a[z : z + 13, y : y + 10, x : x + 12] for z in (0, 1))
            changes += ((low != high) & core).sum()
            length += (low[core].sum() + high[core].sum()) / 2
    assert found[0] == pytest.approx(2 * length / changes, rel=1e-14)


def test_what_meets_no_surface_has_no_intercepts():
    found = vr.compute(X.mean_intercept_length(stored(np.ones((4, 4, 4), bool))))
    assert np.isnan(found["mean_intercept_length"]).all()
    assert np.isnan(found["degree_of_anisotropy"])
    one = vr.compute(X.chord_lengths(stored(np.ones((1, 1, 1), bool))))
    assert one["cut"].values.tolist() == [1]
    assert np.isnan(one["mean"])
    empty = vr.compute(X.lineal_path(stored(np.zeros((3, 3, 3), bool))))
    assert empty.values.tolist() == [0, 0, 0]


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ParameterTypeError, match=r"grey values.*vr\.segmentation\.otsu"):
        X.chord_lengths(stored(np.ones((3, 3, 3), "f4")))
    with pytest.raises(ParameterError, match="axis is one of"):
        X.lineal_path(stored(noise()), axis="w")
    with pytest.raises(ParameterError, match="assign phases"):
        X.mean_intercept_length(stored(np.ones((3, 3, 3), "u1")))
