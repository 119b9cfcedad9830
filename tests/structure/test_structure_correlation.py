"""Two-point functions against one shift at a time, and closed forms of noise, layers and overlapping spheres."""

import dask.array as da
import numpy as np
import pytest
from dask.highlevelgraph import HighLevelGraph

import voxelrock as vr
from tests.labels.components_dense import label
from tests.structure import pairs_dense as dense
from tests.structure.images import CHUNKS, CYLINDER, SPACING, disc, noise
from voxelrock.errors import DataError, GridMismatchError, ParameterError, ParameterTypeError
from voxelrock.graph.execution import merge_readings
from voxelrock.graph.reductions import ReductionLayer
from voxelrock.testing import stored

X = vr.structure
NAMES = ["z", "y", "x", "0 1 1", "0 1 -1", "1 0 1", "1 0 -1", "1 1 0", "1 -1 0", "1 1 1", "1 1 -1", "1 -1 1", "1 -1 -1"]


def check(found, a, reach, **options):
    for name in found["direction"].values.tolist():
        n = min(reach, int(np.isfinite(found["lag"].sel(direction=name)).sum()) - 1)
        np.testing.assert_allclose(found.sel(direction=name)[: n + 1], dense.curve(a, name, n, **options), rtol=1e-15, err_msg=name)


@pytest.mark.parametrize("kind", ["stored", "lazy"])
@pytest.mark.parametrize("periodic", [False, True])
def test_pairs_are_those_of_the_whole_image(kind, periodic):
    a = noise(4)
    image = stored(a, CHUNKS) if kind == "stored" else vr.from_array(da.from_array(a, chunks=CHUNKS))
    found = X.two_point(image, lag=7, directions="all", periodic=periodic)
    assert found["direction"].values.tolist() == NAMES
    check(vr.compute(found), a, 7, periodic=periodic)


def test_at_any_spacing_lags_are_lengths():
    a = noise(4)
    found = vr.compute(X.two_point(stored(a, CHUNKS, spacing=SPACING), lag=7.5, directions=["z", "0 1 -1"]))
    np.testing.assert_allclose(found["lag"][0, :4], [0, 2.5, 5, 7.5])
    np.testing.assert_allclose(found["lag"][1], np.arange(5) * np.hypot(1, 1.5))
    check(found, a, 4)
    assert np.isnan(found[0, 4])


def test_in_a_cylinder_both_voxels_lie_inside():
    a, b = noise(4), noise(5)
    image, other = stored(a, CHUNKS), stored(b, ((14,), (11,), (13,)))
    auto, cross, box, radial = vr.compute(
        X.two_point(image, lag=6, directions="all", where=CYLINDER),
        X.two_point(image, lag=6, directions="all", where=CYLINDER, other=other),
        X.two_point_map(image, lag=3, where=CYLINDER),
        X.two_point_radial(image, lag=3, where=CYLINDER),
    )
    check(auto, a, 6, exists=disc())
    check(cross, a, 6, exists=disc(), other=b)
    np.testing.assert_allclose(box, dense.box(a, (3, 3, 3), exists=disc()), rtol=1e-15)
    np.testing.assert_allclose(radial, dense.radial(a, 3, exists=disc()), rtol=1e-14)


@pytest.mark.parametrize("periodic", [False, True])
def test_every_step_in_three_dimensions(periodic):
    a, b = noise(6, (9, 8, 10)), noise(7, (9, 8, 10))
    image, other = stored(a, ((4, 5), (3, 5), (1, 9)), spacing=SPACING), stored(b, spacing=SPACING)
    auto, cross, radial = vr.compute(
        X.two_point_map(image, lag=5, periodic=periodic), X.two_point_map(image, lag=5, other=other, periodic=periodic), X.two_point_radial(image, lag=5)
    )
    np.testing.assert_allclose(auto, dense.box(a, (2, 5, 3), periodic=periodic), rtol=1e-15)
    np.testing.assert_allclose(cross, dense.box(a, (2, 5, 3), other=b, periodic=periodic), rtol=1e-15)
    np.testing.assert_allclose(radial, dense.radial(a, 5, tuple(SPACING.values())), rtol=1e-14)
    assert radial["steps"].values[:2].tolist() == [1, 2]
    assert auto["dz"].values.tolist() == [-5, -2.5, 0, 2.5, 5]


def test_the_map_holds_the_directions():
    image = stored(noise(8), CHUNKS)
    line, box = vr.compute(X.two_point(image, lag=4, directions=["x", "1 -1 1"]), X.two_point_map(image, lag=4))
    np.testing.assert_array_equal(line[0, :5], box.sel(dz=0, dy=0).values[4:])
    np.testing.assert_array_equal(line[1, :3], [box.sel(dz=n, dy=-n, dx=n).item() for n in range(3)])


def test_clusters():
    a = noise(9, density=0.25)
    labels = label(a).astype("i4")
    found = X.cluster_function(vr.labels.label(stored(a, CHUNKS)), lag=6, directions="all")
    check(vr.compute(found), labels, 6, both=dense.same)
    inside = X.cluster_function(stored(labels, CHUNKS), lag=6, where=CYLINDER)
    check(vr.compute(inside), np.where(disc(), labels, 0), 6, both=dense.same, exists=disc())


def test_each_label_has_its_own():
    by = np.kron(np.random.default_rng(2).integers(0, 2, (3, 3, 3)), np.ones((5, 4, 5), int)).astype(bool)[:14, :11, :13]
    a = noise(5)
    image, labels = stored(a, CHUNKS), stored(by, CHUNKS)
    curves, box = vr.compute(X.two_point(image, lag=4, by=labels), X.two_point_map(image, lag=2, by=labels))
    for value in (0, 1):
        check(curves.sel(label=value), a, 4, exists=by == value)
        np.testing.assert_allclose(box.sel(label=value), dense.box(a, (2, 2, 2), exists=by == value), rtol=1e-15)


@pytest.mark.parametrize("lag", [0, 2.6, 3.4])
def test_shells_end_with_the_longest_step(lag):
    a = noise(5, (12, 11, 13), 0.4)
    radial, crossed = vr.compute(X.two_point_radial(stored(a), lag=lag), X.two_point_radial(stored(a), lag=lag, other=stored(~a)))
    expected = dense.radial(a, lag)
    np.testing.assert_allclose(radial, expected, rtol=1e-14)
    np.testing.assert_allclose(crossed, dense.radial(a, lag, other=~a), rtol=1e-14)
    assert radial["steps"].values[-1] > 0


def test_white_noise_forgets_at_once():
    a = noise(1, (96, 96, 96), 0.3)
    phi = a.mean()
    curves, radial, scale = vr.compute(*(f(stored(a, ((40, 56),) * 3), lag=8) for f in (X.two_point, X.two_point_radial, X.integral_scale)))
    assert float(curves[0, 0]) == pytest.approx(phi, rel=1e-15)
    np.testing.assert_allclose(curves[:, 1:], phi**2, atol=0.002)
    np.testing.assert_allclose(radial[1:], phi**2, atol=0.001)
    np.testing.assert_allclose(scale, 0.5, atol=0.05)


def test_a_checkerboard_and_layers_alternate():
    z, y, x = np.ogrid[:8, :8, :8]
    board = vr.compute(X.two_point(stored((z + y + x) % 2 == 0), lag=4, directions=["z", "0 1 1", "1 1 1"]))
    np.testing.assert_allclose(board[0, :5], [0.5, 0, 0.5, 0, 0.5])
    np.testing.assert_allclose(board[1, :3], 0.5)
    np.testing.assert_allclose(board[2, :3], [0.5, 0, 0.5])


def test_void_between_overlapping_spheres(boolean_model):
    """S₂ = exp(-ρ v₂(r)), v₂ the union of two spheres (Torquato 2002); the slope at the origin is a quarter of the surface."""
    spheres, radius, intensity = boolean_model
    void = ~spheres
    radial, surface, direct = vr.compute(X.two_point_radial(void, lag=24), X.surface_from_correlation(void), X.specific_surface(void, per="bulk"))
    r = radial["lag"].values
    union = 4 / 3 * np.pi * radius**3 * (1 + 3 * r / (4 * radius) - r**3 / (16 * radius**3))
    np.testing.assert_allclose(radial, np.exp(-intensity * union), atol=0.012)
    assert float(surface) == pytest.approx(float(direct), rel=0.01)


def test_autocovariance_and_variogram_of_grey_values():
    rng = np.random.default_rng(3)
    for dtype in ("u1", "i2", "u2"):
        info = np.iinfo(dtype)
        a = rng.integers(info.min, info.max, (14, 11, 13), endpoint=True).astype(dtype)
        image = stored(a, CHUNKS)
        for where, exists in ((None, None), (CYLINDER, disc())):
            found = vr.compute(X.autocovariance(image, lag=4, where=where), X.variogram(image, lag=4, directions="1 -1 0", where=where))
            scale = a.var(dtype=float)
            np.testing.assert_allclose(found[0][1], dense.covariance(a, "y", 4, exists), rtol=1e-12, atol=1e-12 * scale)
            np.testing.assert_allclose(found[1][0], dense.semivariance(a, "1 -1 0", 2, exists), rtol=1e-13)
    gap = stored(a, CHUNKS).assign(nodata=int(a[0, 0, 0]))
    assert float(X.autocovariance(gap, lag=0)[0, 0]) == pytest.approx(a[a != a[0, 0, 0]].var(dtype=float), rel=1e-13)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_floats_and_wide_integers_are_scaled_by_their_range(dtype):
    a = (np.random.default_rng(4).normal(size=(14, 11, 13)) * 1e6 + 3e6).astype(dtype)
    gap = a.copy()
    gap[disc() == 0] = np.nan if dtype != "i4" else -(2**31)
    images = stored(a, CHUNKS), stored(gap, CHUNKS).assign(nodata=gap[0, 0, 0])
    for image, exists in zip(images, (None, disc())):
        found = vr.compute(X.autocovariance(image, lag=4), X.variogram(image, lag=4, directions="1 -1 0"))
        scale = a.var(dtype=float)
        np.testing.assert_allclose(found[0][1], dense.covariance(a.astype("f8"), "y", 4, exists), rtol=1e-11, atol=1e-12 * scale)
        np.testing.assert_allclose(found[1][0], dense.semivariance(a.astype("f8"), "1 -1 0", 2, exists), rtol=1e-11)
        again = vr.compute(X.autocovariance(image.rechunk((3, 14, 5)), lag=4))
        np.testing.assert_array_equal(again, found[0])


def test_values_that_cannot_be_scaled():
    assert vr.compute(X.variogram(stored(np.full((3, 3, 3), 0.1)), lag=1)).values.tolist() == [[0, 0]] * 3
    with pytest.raises(DataError, match="lie too far apart"):
        vr.compute(X.variogram(stored(np.array([[[-1.7e308, 0, 1.7e308]]])), lag=0))
    with pytest.raises(DataError, match="1 voxels are NaN"):
        vr.compute(X.variogram(stored(np.array([[[np.nan, 1, 2]]])), lag=0))


def test_what_one_of_two_phases_lacks_does_not_exist():
    a, b = noise(7, (14, 11, 13), 0.5), noise(8, (14, 11, 13), 0.5)
    outside = noise(9, (14, 11, 13), 0.2)
    phases = {0: vr.Phase("solid", "solid"), 1: vr.Phase("pore", "pore"), 2: vr.Phase("air", "outside")}
    plain, cut = stored(a), stored(np.where(outside, 2, b).astype("u1")).assign(phases=phases)
    expected = {"one": dense.box(a, (2, 2, 2), exists=~outside, other=b), "two": dense.box(b, (2, 2, 2), exists=~outside, other=a)}
    found = vr.compute({"one": X.two_point_map(plain, lag=2, other=cut), "two": X.two_point_map(cut, lag=2, other=plain)})
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-14)
    line = vr.compute(X.two_point(plain, lag=2, other=cut, where=CYLINDER))
    np.testing.assert_allclose(line[0], dense.curve(a, "z", 2, exists=disc() & ~outside, other=b), rtol=1e-14)


def test_one_reading_gives_all():
    image = stored(noise(), CHUNKS)
    source = next(iter(image.data.dask.layers.values())).expression.source
    alone = 0
    for make in (lambda: X.two_point(image, lag=3), lambda: X.minkowski(image), lambda: X.chord_lengths(image), lambda: X.lineal_path(image)):
        vr.compute(make())
        alone += source.voxels_read
        source.voxels_read = 0
    vr.compute(X.two_point(image, lag=3), X.minkowski(image), X.chord_lengths(image), X.lineal_path(image))
    assert source.voxels_read < 0.6 * alone


def test_results_of_one_count_share_it():
    """What differs in how it is finished alone is counted once."""
    image = stored(noise(), CHUNKS)
    several = [X.minkowski(image), X.specific_surface(image, per="pore"), X.connectivity_density(image), X.euler_number(image)]
    graph = merge_readings(HighLevelGraph.merge(*(a.__dask_graph__() for a in several)))
    (layer,) = [found for found in graph.layers.values() if isinstance(found, ReductionLayer)]
    assert (len(layer.members), len(layer.works)) == (4, 1)
    together, alone = vr.compute(several), [vr.compute(one) for one in several]
    for a, b in zip(together, alone):
        assert a.identical(b)


def test_what_cannot_be_measured_is_refused():
    image = stored(noise())
    with pytest.raises(ParameterTypeError, match=r"grey values.*vr\.segmentation\.otsu"):
        X.two_point(stored(np.ones((3, 3, 3), "f4")), lag=1)
    with pytest.raises(ParameterError, match=r"lag of 20 \(20 steps along z\) leaves no pair"):
        X.two_point(image, lag=20)
    with pytest.raises(ParameterError, match=r"lag of 11 reaches beyond.*at most 10 voxel"):
        X.two_point_map(image, lag=11)
    with pytest.raises(ParameterError, match="not negative"):
        X.two_point_radial(image, lag=-1)
    with pytest.raises(ParameterError, match="directions are 'axes'"):
        X.two_point(image, lag=1, directions="up")
    with pytest.raises(GridMismatchError):
        X.two_point(image, lag=1, other=stored(np.ones((3, 3, 3), bool)))
    one = stored(np.ones((1, 1, 1), bool))
    assert X.two_point(one, lag=0).values.tolist() == [[1], [1], [1]]
    assert np.isnan(float(X.surface_from_correlation(one)))
    assert X.two_point(stored(np.zeros((3, 3, 3), bool)), lag=1).values.tolist() == [[0, 0]] * 3
    nowhere = X.two_point(stored(np.ones((3, 3, 3), bool)), lag=1, where=stored(np.zeros((3, 3, 3), bool)))
    assert np.isnan(vr.compute(nowhere)).all()
