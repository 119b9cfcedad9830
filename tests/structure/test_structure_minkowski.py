"""Minkowski functionals against shifts of the whole array, scikit-image and what is known of simple bodies."""

import dask.array as da
import numpy as np
import pytest
from skimage.measure import euler_number

import voxelrock as vr
from tests.structure import configurations_dense as dense
from tests.structure.images import CHUNKS, CYLINDER, SPACING, STEP, disc, menger, noise
from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.testing import stored

X = vr.structure


def check(found, a, exists=None, step=(1.0, 1.0, 1.0)):
    phase = a if exists is None else a & exists
    assert float(found["volume"]) == pytest.approx(phase.sum() * np.prod(step), rel=1e-14)
    assert float(found["surface_area"]) == pytest.approx(dense.area(a, exists, step, padded=True), rel=1e-13)
    assert float(found["surface_density"]) == pytest.approx(dense.area_density(a, exists, step), rel=1e-13)
    assert float(found["volume_fraction"]) == pytest.approx(dense.share(a, exists), rel=1e-13)
    assert float(found["mean_curvature_integral"]) == pytest.approx(dense.curvature(phase, step), rel=1e-12)
    assert found["euler_number"].values.tolist() == [euler_number(np.pad(phase, 1), 1), euler_number(np.pad(phase, 1), 3)]


@pytest.mark.parametrize("seed", range(3))
def test_all_functionals_are_those_of_the_whole_array(seed):
    a = noise(seed, density=0.2 + 0.25 * seed)
    for image in (stored(a, CHUNKS, spacing=SPACING), vr.from_array(da.from_array(a, chunks=CHUNKS)).assign_grid(stored(a, spacing=SPACING).grid)):
        check(vr.compute(X.minkowski(image)), a, step=STEP)


def test_in_a_cylinder():
    a = noise(5)
    found = vr.compute(X.minkowski(stored(a, CHUNKS), where=CYLINDER))
    check(found, a, disc())
    inside = vr.compute(X.minkowski(stored(np.ascontiguousarray(a), CHUNKS), where=vr.from_array(np.ascontiguousarray(disc()))))
    assert inside.identical(found)


def test_no_data_does_not_exist():
    a = noise(6).astype("u1")
    a[3:6, 2:5] = 9
    image = stored(a, CHUNKS).assign(nodata=9, phases={0: vr.Phase("rock", "solid"), 1: vr.Phase("void", "pore")})
    check(vr.compute(X.minkowski(image)), a == 1, a != 9)


def test_labels_each_have_their_own():
    labels = np.kron(np.random.default_rng(2).integers(0, 3, (5, 4, 5)), np.ones((3, 3, 3), int)).astype("u1")[:14, :11, :13]
    phases = {1: vr.Phase("quartz", "solid"), 2: vr.Phase("pore", "pore")}
    by = stored(labels, CHUNKS).assign(phases=phases)
    found = vr.compute(X.minkowski(stored(labels > 0, CHUNKS), by=by, where=CYLINDER))
    assert found["phase"].values.tolist() == ["quartz", "pore"]
    for label in (1, 2):
        check(found.sel(label=label), labels > 0, (labels == label) & disc())
    pores = vr.compute(X.minkowski(by))
    check(pores, labels == 2)
    assert int(X.euler_number(stored(labels > 0, CHUNKS), by=by, connectivity=26).sel(label=2)) == euler_number(np.pad(labels == 2, 1), 3)


@pytest.mark.parametrize("dtype", ["u1", "i4"])
def test_a_table_of_labels_is_one_label_at_a_time(dtype):
    labels = np.kron(np.random.default_rng(7).integers(0, 60, (7, 6, 7)), np.ones((2, 2, 2), int)).astype(dtype)[:, :11, :13]
    labels[::3, ::2, ::4] = 61
    for where, exists in ((None, np.ones(labels.shape, bool)), (CYLINDER, disc())):
        whole = X.minkowski_table(stored(labels, spacing=SPACING) if where is None else stored(labels), where=where)
        assert whole["label"].values.tolist() == np.unique(labels[exists & (labels != 0)]).tolist()
        step = STEP if where is None else (1.0, 1.0, 1.0)
        for label in whole["label"].values[::7].tolist():
            row, phase = whole.sel(label=label), (labels == label) & exists
            assert float(row["volume"]) == pytest.approx(phase.sum() * np.prod(step), rel=1e-14)
            assert float(row["surface_area"]) == pytest.approx(dense.area(phase, None, step, padded=True), rel=1e-13)
            assert float(row["mean_curvature_integral"]) == pytest.approx(dense.curvature(phase, step), rel=1e-12)
            assert row["euler_number"].values.tolist() == [euler_number(np.pad(phase, 1), 1), euler_number(np.pad(phase, 1), 3)]
        grid = {"spacing": SPACING} if where is None else {}
        for chunks in (CHUNKS, ((1,) * 14, (11,), (6, 7))):
            assert X.minkowski_table(stored(labels, chunks, **grid), where=where).identical(whole)
    lazy = vr.from_array(da.from_array(labels, chunks=5))
    assert X.minkowski_table(lazy, where=CYLINDER).identical(whole)


def test_a_table_of_balls_and_of_nothing():
    z, y, x = np.ogrid[:40, :80, :40]
    balls = sum(n * ((z - 20) ** 2 + (y - c) ** 2 + (x - 20) ** 2 <= 225) for n, c in ((1, 20), (5, 60)))
    found = X.minkowski_table(stored(balls.astype("u1"), ((13, 27), (20, 60), (40,))))
    np.testing.assert_allclose(found["sphericity"], 1, atol=0.01)
    assert found["euler_number"].values.tolist() == [[1, 1], [1, 1]]
    assert X.minkowski_table(stored(np.zeros((3, 3, 3), "u1"))).sizes["label"] == 0
    one = X.minkowski_table(stored(np.ones((1, 1, 1), bool)), surface="faces")
    assert one["surface_area"].values.tolist() == [6]


def test_densities_of_a_phase_and_of_the_rest_mirror_each_other():
    a = noise(3)
    one, rest = vr.compute(X.minkowski(stored(a, CHUNKS)), X.minkowski(stored(~a, CHUNKS)))
    assert float(one["surface_density"]) == float(rest["surface_density"])
    assert float(one["mean_curvature_density"]) == -float(rest["mean_curvature_density"])
    assert one["euler_density"].values.tolist() == rest["euler_density"].values[::-1].tolist()


def ball(radius, step, rng):
    center = radius + 2 * np.array(step) + rng.random(3) * step
    z, y, x = np.ogrid[tuple(slice(int(2 * radius / s) + 6) for s in step)]
    return sum((i * s - c) ** 2 for i, s, c in zip((z, y, x), step, center)) <= radius**2


@pytest.mark.parametrize(("step", "radius", "singles"), [((1, 1, 1), 10.0, (0.01, 0.03)), ((2.0, 1.0, 1.5), 20.0, (0.012, 0.03))])
def test_balls_of_ten_voxels_anywhere(step, radius, singles):
    rng = np.random.default_rng(4)
    balls = [ball(radius, step, rng) for _ in range(50)]
    found = vr.compute([X.minkowski(stored(b, spacing=dict(zip("zyx", step)))) for b in balls])
    area = np.array([float(f["surface_area"]) for f in found]) / (4 * np.pi * radius**2) - 1
    curvature = np.array([float(f["mean_curvature_integral"]) for f in found]) / (4 * np.pi * radius) - 1
    assert abs(area.mean()) < 0.003
    assert abs(curvature.mean()) < 0.005
    assert np.abs(area).max() < singles[0]
    assert np.abs(curvature).max() < singles[1]
    assert all(f["euler_number"].values.tolist() == [1, 1] for f in found)
    assert all(float(f["volume"]) == pytest.approx(b.sum() * np.prod(step), rel=1e-15) for f, b in zip(found, balls))


@pytest.mark.parametrize(("level", "genus"), [(1, 5), (2, 81), (3, 1409)])
def test_a_menger_sponge(level, genus):
    found = vr.compute(X.minkowski(stored(menger(level), ((3**level // 2, 3**level - 3**level // 2),) * 3), surface="faces"))
    assert float(found["volume"]) == 20**level
    assert float(found["surface_area"]) == 2 * 20**level + 4 * 8**level
    assert found["euler_number"].values.tolist() == [1 - genus, 1 - genus]


def test_a_torus_has_no_euler_number_and_a_shell_has_two():
    z, y, x = np.ogrid[-8:9, -20:21, -20:21]
    ring = (np.hypot(y, x) - 13) ** 2 + z**2 <= 25
    found = vr.compute(X.minkowski(stored(ring)))
    assert found["euler_number"].values.tolist() == [0, 0]
    assert float(found["surface_area"]) == pytest.approx(4 * np.pi**2 * 13 * 5, rel=0.025)
    assert float(found["mean_curvature_integral"]) == pytest.approx(2 * np.pi**2 * 13, rel=0.05)
    shell = (abs(z) < 7) & (abs(y) < 7) & (abs(x) < 7) & ~((abs(z) < 4) & (abs(y) < 4) & (abs(x) < 4))
    assert int(X.euler_number(stored(shell))) == 2


def test_a_checkerboard():
    z, y, x = np.ogrid[:6, :6, :6]
    found = vr.compute(X.minkowski(stored((z + y + x) % 2 == 0, ((1, 5),) * 3), surface="faces"))
    assert float(found["volume"]) == 108
    assert float(found["surface_area"]) == 648
    assert int(found["euler_number"][0]) == 108  # no two voxels share a face


def test_overlapping_spheres(boolean_model):
    """Means of the void between overlapping spheres (Torquato 2002, doi:10.1007/978-1-4757-6355-3). The creases where spheres meet are sharper
    than voxels, so that area is short by a few per cent at a radius of 15 voxels."""
    spheres, radius, intensity = boolean_model
    eta = intensity * 4 / 3 * np.pi * radius**3
    found = vr.compute(X.minkowski(~spheres))
    assert float(found["volume_fraction"]) == pytest.approx(np.exp(-eta), rel=0.02)
    assert float(found["surface_density"]) == pytest.approx(3 * eta / radius * np.exp(-eta), rel=0.03)


def test_specific_surface_names_what_it_is_divided_by():
    a = noise(8)
    image = stored(a, CHUNKS, spacing=SPACING)
    found = vr.compute({per: X.specific_surface(image, per=per) for per in ("bulk", "pore", "solid")})
    bulk, share = dense.area_density(a, None, STEP), dense.share(a)
    np.testing.assert_allclose([float(found[k]) for k in found], [bulk, bulk / share, bulk / (1 - share)], rtol=1e-13)
    assert found["pore"].attrs["units"] == "voxel-1"
    assert "phase" in found["pore"].attrs["definition"]


def test_interfaces_between_phases():
    labels = np.random.default_rng(3).integers(0, 4, (9, 8, 10)).astype("i2")
    image = stored(labels, ((4, 5), (8,), (3, 7)), spacing=SPACING)
    found = X.interface_area(image, labels=[0, 1, 3], surface="faces")
    expected = dense.interfaces(labels, (0, 1, 3), np.ones(labels.shape, bool), STEP)
    np.testing.assert_allclose(found.values, expected, rtol=1e-14)
    total = X.interface_area(stored(labels > 0, ((4, 5), (8,), (3, 7)), spacing=SPACING))
    inner = dense.area(labels > 0, None, STEP, padded=True)
    assert float(total.sel(label=0, other=1)) < inner


def test_one_reading_gives_all():
    image = stored(noise(), CHUNKS)
    source = next(iter(image.data.dask.layers.values())).expression.source
    wanted = [X.minkowski(image), X.euler_number(image), X.specific_surface(image, per="pore"), vr.statistics.porosity(image), vr.statistics.profile(image)]
    vr.compute(wanted)
    assert source.voxels_read == (6 + 9) * (5 + 7) * (2 + 12)  # every block once, with one voxel after it


def test_what_cannot_be_measured_is_refused():
    a = stored(noise())
    with pytest.raises(ParameterTypeError, match=r"grey values.*vr\.segmentation\.otsu"):
        X.minkowski(stored(np.ones((3, 3, 3), "f4")))
    with pytest.raises(ParameterError, match="assign phases"):
        X.minkowski(stored(np.ones((3, 3, 3), "u1")))
    with pytest.raises(ParameterError, match="surface is 'crofton'"):
        X.minkowski(a, surface="cubes")
    with pytest.raises(ParameterError, match="per is 'bulk'"):
        X.specific_surface(a, per="grain")
    with pytest.raises(ParameterTypeError, match="grey values"):
        X.minkowski_table(stored(np.ones((3, 3, 3), "f4")))
    with pytest.raises(ParameterError, match="6 or 26"):
        X.euler_number(a, connectivity=18)
    with pytest.raises(ParameterError, match="labels with phases"):
        X.minkowski(a, by=stored(np.ones((14, 11, 13), "u1")))
    with pytest.raises(ParameterError, match="at least two"):
        X.interface_area(stored(np.ones((3, 3, 3), "u1")), labels=[1])
    with pytest.raises(DataError, match="phase is empty"):
        float(X.specific_surface(stored(np.zeros((3, 3, 3), bool)), per="pore"))
    one = vr.compute(X.minkowski(stored(np.ones((1, 1, 1), bool)), surface="faces"))
    assert float(one["surface_area"]) == 6
    assert np.isnan(float(one["surface_density"]))
    with pytest.raises(DataError, match="no cell"):
        float(X.connectivity_density(stored(np.ones((1, 1, 1), bool))))


def test_hard_spheres_are_as_many_times_one_sphere():
    random, radius, edge, centers = np.random.default_rng(4), 8.0, 96, []
    while len(centers) < 30:  # random sequential addition, a voxel and more apart, and from the border
        one = random.uniform(radius + 2, edge - radius - 2, 3)
        if all(np.linalg.norm(one - other) > 2 * radius + 2 for other in centers):
            centers.append(one)
    grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), -1)
    solid = np.zeros((edge,) * 3, bool)
    for one in centers:
        solid |= ((grid - one) ** 2).sum(-1) < radius**2
    found = X.minkowski(stored(solid, ((40, 56),) * 3)).compute()
    assert found["euler_number"].values.tolist() == [30, 30]
    assert float(found["volume"]) == pytest.approx(30 * 4 / 3 * np.pi * radius**3, rel=0.003)
    assert float(found["surface_area"]) == pytest.approx(30 * 4 * np.pi * radius**2, rel=0.01)
    assert float(found["mean_curvature_integral"]) == pytest.approx(30 * 4 * np.pi * radius, rel=0.02)
    chords = X.chord_lengths(stored(solid), axis="x").compute()
    assert float(chords["mean"]) == pytest.approx(4 / 3 * radius, rel=0.02)  # 4 V / S
    assert not chords["cut"].any()
