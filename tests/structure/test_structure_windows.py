"""Representative volumes, local porosity, lacunarity and box counts against one window at a time."""

import dask.array as da
import numpy as np
import pytest

import voxelrock as vr
from tests.structure import windows_dense as dense
from tests.structure.images import menger, noise
from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.testing import stored

X = vr.structure
SHAPE = (26, 24, 29)
CHUNKS = ((5, 9, 12), (4, 20), (1, 12, 16))
CYLINDER = vr.Cylinder(axis="z", radius=11.6, center={"y": 12.0, "x": 14.0})


def disc():
    y, x = np.ogrid[: SHAPE[1], : SHAPE[2]]
    return np.broadcast_to((y - 12) ** 2 + (x - 14) ** 2 <= 11.6**2, SHAPE)


def check(found, a, cell, exists=None, step=(1.0, 1.0, 1.0)):
    for i, k in enumerate(range(1, found.sizes["edge"] + 1)):
        values = dense.window_values(a, [k * e for e in cell], exists, step)
        for j, name in enumerate(("porosity", "specific_surface")):
            row = found.sel(property=name).isel(edge=i)
            assert int(row["windows"]) == len(values)
            if len(values):
                assert float(row["mean"]) == pytest.approx(values[:, j].mean(), rel=1e-12)
                np.testing.assert_allclose(row["quantiles"], np.quantile(values[:, j], [0.05, 0.25, 0.5, 0.75, 0.95]), rtol=1e-12)
            if len(values) > 1:
                assert float(row["cv"]) == pytest.approx(values[:, j].std(ddof=1) / values[:, j].mean(), rel=1e-10)


@pytest.mark.parametrize("kind", ["stored", "lazy"])
def test_windows_are_those_of_the_whole_image(kind):
    a = noise(1, SHAPE)
    image = stored(a, CHUNKS) if kind == "stored" else vr.from_array(da.from_array(a, chunks=CHUNKS))
    found = vr.compute(X.representative_volume(image, cell=3))
    assert found["edge"].values.tolist() == [3.0 * k for k in range(1, 9)]
    check(found, a, (3, 3, 3))
    assert float(found["whole"].sel(property="porosity")) == pytest.approx(a.mean(), rel=1e-14)


def test_cells_are_as_cubic_as_the_spacing_allows():
    a = noise(2, SHAPE)
    found = vr.compute(X.representative_volume(stored(a, CHUNKS, spacing={"z": 2.5, "y": 1, "x": 1.5}), cell=5))
    check(found, a, (2, 5, 3), step=(2.5, 1.0, 1.5))
    assert float(found["edge"][0]) == pytest.approx((5 * 5 * 4.5) ** (1 / 3))


def test_a_large_image_has_larger_cells():
    found = X.representative_volume(vr.zeros(shape=2048, dtype=bool))
    assert found["edge"].values[0] == 32
    assert X.representative_volume(vr.zeros(shape=1024, dtype=bool))["edge"].values[0] == 16


def test_only_windows_inside_a_cylinder_count():
    a = noise(3, SHAPE)
    found, spread, uneven = vr.compute(
        X.representative_volume(stored(a, CHUNKS), cell=3, where=CYLINDER),
        X.local_porosity(stored(a, CHUNKS), window=12, bins=40, where=CYLINDER),
        X.lacunarity(stored(a, CHUNKS), cell=3, where=CYLINDER),
    )
    check(found, a, (3, 3, 3), disc())
    assert 0 < int(found["windows"][0, 0]) < 8 * 8 * 9
    np.testing.assert_allclose(spread, dense.local_porosity(a, 3, 40, disc()), rtol=1e-12)
    np.testing.assert_allclose(uneven, dense.lacunarity(a, 3, disc()), rtol=1e-12)


def test_noise_is_representative_at_once_and_a_step_never():
    a = noise(4, (64, 64, 64), 0.5)
    half = a.copy()
    half[:32] &= noise(5, (32, 64, 64), 0.2)
    even, uneven = vr.compute(X.representative_volume(stored(a, ((20, 44),) * 3), cell=4), X.representative_volume(stored(half, ((20, 44),) * 3), cell=4))
    assert float(even["representative_edge"].sel(property="porosity")) == 8
    assert not even["has_trend"].any()
    assert np.isnan(uneven["representative_edge"].sel(property="porosity"))
    assert uneven["has_trend"].sel(property="porosity").values.tolist() == [True, False, False]
    assert even["cv"].attrs["cv"] == 0.1
    assert "NaN: not reached" in even["representative_edge"].attrs["definition"]


def test_the_rule_for_the_representative_edge():
    """The criterion, step by step, from the curves that are given."""
    rng = np.random.default_rng(1)
    a = np.kron(rng.random((16, 16, 16)) < 0.5, np.ones((4, 4, 4), bool))
    for cv in (0.05, 0.1, 0.3, 1.1):
        found = vr.compute(X.representative_volume(stored(a, ((30, 34),) * 3), cell=4, cv=cv)).sel(property="porosity")
        fits = (found["cv"] <= cv) & (abs(found["mean"] - found["whole"]) <= 0.05 * found["whole"])
        judged = (found["windows"] >= 8) & (found["edge"] <= 32)
        good = [bool(fits[i:][judged[i:].values].all()) for i in range(8)]
        expected = found["edge"].values[good.index(True)] if any(good) else np.nan
        np.testing.assert_equal(float(found["representative_edge"]), float(expected))


def test_local_porosity_and_lacunarity_are_those_of_every_window():
    a = noise(6, SHAPE, 0.1)
    spread, uneven, fine = vr.compute(
        X.local_porosity(stored(a, CHUNKS), window=8, bins=32), X.lacunarity(stored(a, CHUNKS), cell=5), X.lacunarity(stored(a, CHUNKS), cell=1)
    )
    np.testing.assert_allclose(spread, dense.local_porosity(a, 2, 32), rtol=1e-12)
    np.testing.assert_allclose(uneven, dense.lacunarity(a, 5), rtol=1e-12)
    assert float(fine[0]) == pytest.approx(1 / a.mean())  # boxes of one voxel
    assert float(spread.mean()) == pytest.approx(1)


def digits(kept, level):
    """A set of voxels whose binary digits along z, y and x are, together, among the given corners, at every level."""
    a = np.ones((1, 1, 1), bool)
    corner = np.zeros((2, 2, 2), bool)
    for place in kept:
        corner[place] = True
    for _ in range(level):
        a = np.kron(corner, a)
    return a.astype(bool)


@pytest.mark.parametrize(
    ("a", "dimension"),
    [
        (digits([(0, 0, 0), (0, 1, 1), (1, 0, 1)], 6), np.log2(3)),
        (digits([(0, 0, 0), (1, 1, 1)], 6), 1),
        (digits(list(np.ndindex(2, 2, 2)), 5), 3),
        (digits([(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)], 6), 2),
    ],
)
def test_dimensions_of_sets_whose_dimension_is_known(a, dimension):
    for chunks in (None, tuple(tuple(np.diff([0, 7, 29, n]).tolist()) for n in a.shape)):
        found = vr.compute(X.box_counting(stored(a, chunks)))
        assert float(found["dimension"]) == pytest.approx(dimension, rel=1e-12)
        np.testing.assert_allclose(found["residual"].dropna("edge_vx"), 0, atol=1e-12)


def test_boxes_are_those_of_the_whole_image():
    a = noise(7, (41, 24, 70), 0.01)
    for image in (stored(a, ((5, 36), (4, 20), (33, 17, 20))), vr.from_array(da.from_array(a, chunks=(7, 24, 30)))):
        found = vr.compute(X.box_counting(image, smallest_vx=2, largest_vx=8))
        np.testing.assert_array_equal(found["count"], dense.boxes(a, 8))
        assert np.isfinite(found["residual"]).sum() == 3
    y, x = np.ogrid[:24, :70]
    inside = np.broadcast_to((y - 12) ** 2 + (x - 20) ** 2 <= 100, a.shape)
    where = vr.Cylinder(axis="z", radius=10, center={"y": 12.0, "x": 20.0})
    np.testing.assert_array_equal(vr.compute(X.box_counting(stored(a, ((5, 36), (4, 20), (70,))), where=where))["count"], dense.boxes(a & inside, 8))


def test_a_menger_sponge_has_its_dimension():
    found = vr.compute(X.box_counting(stored(menger(4), ((40, 41), (81,), (10, 71))), base=3, largest_vx=81))
    assert found["count"].values.tolist() == [20**4, 20**3, 400, 20, 1]
    assert float(found["dimension"]) == pytest.approx(np.log(20) / np.log(3), rel=1e-12)


def test_what_cannot_be_measured_is_refused():
    a = stored(noise(1, SHAPE))
    with pytest.raises(ParameterTypeError, match=r"grey values.*vr\.segmentation\.otsu"):
        X.representative_volume(stored(np.ones((3, 3, 3), "f4")), cell=1)
    with pytest.raises(ParameterError, match="larger than the image"):
        X.representative_volume(stored(np.ones((3, 3, 3), bool)))
    with pytest.raises(ParameterError, match="larger than the image"):
        X.local_porosity(a, window=30)
    with pytest.raises(ParameterError, match="cv is a positive fraction"):
        X.representative_volume(a, cell=3, cv=0)
    with pytest.raises(ParameterError, match="positive"):
        X.lacunarity(a, cell=-1)
    with pytest.raises(ParameterError, match="at least one bin"):
        X.local_porosity(a, window=8, bins=0)
    with pytest.raises(ParameterError, match="smallest_vx <= largest_vx"):
        X.box_counting(a, smallest_vx=9, largest_vx=8)
    with pytest.raises(ParameterError, match="from 2 to 16"):
        X.box_counting(a, base=1)
    with pytest.raises(DataError, match="bulk volume is empty"):
        vr.compute(X.representative_volume(a, cell=3, where=a & ~a))
    with pytest.raises(DataError, match="no window"):
        vr.compute(X.local_porosity(a, window=8, where=a & ~a))
    nothing = vr.compute(X.box_counting(stored(np.zeros((4, 4, 4), bool))), X.lacunarity(stored(np.zeros((4, 4, 4), bool)), cell=2))
    assert np.isnan(nothing[0]["dimension"])
    assert np.isnan(nothing[1]).all()
    one = vr.compute(X.representative_volume(stored(np.ones((1, 1, 1), bool)), cell=1))
    assert float(one["whole"][0]) == 1
    assert np.isnan(one["representative_edge"]).all()


@pytest.mark.parametrize(
    "measure",
    [
        lambda image, **where: X.representative_volume(image > 90, cell=2, **where)["mean"],
        lambda image, **where: X.local_porosity(image > 90, window=4, bins=5, **where),
        lambda image, **where: X.lacunarity(image > 90, cell=2, **where),
        lambda image, **where: X.box_counting(image > 90, **where)["count"],
        lambda image, **where: X.over_thresholds(image, thresholds=[50, 120], **where)["surface_density"],
        lambda image, **where: X.interface_area(image // 100, labels=[0, 1, 2], **where),
    ],
    ids=["representative_volume", "local_porosity", "lacunarity", "box_counting", "over_thresholds", "interface_area"],
)
def test_by_labels_is_where_each_of_them_is(measure):
    array = np.random.default_rng(8).integers(0, 250, (16, 16, 16)).astype("u1")
    image, halves = stored(array, ((9, 7), (16,), (5, 11))), (np.indices(array.shape)[0] >= 8).astype("u1")
    by = stored(halves).assign(phases={0: vr.Phase("upper", "solid"), 1: vr.Phase("lower", "solid")})
    found = measure(image, by=by)
    along = "by" if "by" in found.dims else "label"
    assert found[along].values.tolist() == [0, 1]
    for label in (0, 1):
        np.testing.assert_array_equal(found.sel({along: label}), measure(image, where=by == label))
