"""Components, percolation and connected porosity on the whole image, against SciPy, on shapes that cross many blocks."""

import csv

import dask.array as da
import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from tests.labels import components_dense as dense
from voxelrock.errors import DataError, GridMismatchError, ParameterError, ParameterTypeError
from voxelrock.testing import stored

L = vr.labels
each = pytest.mark.parametrize("connectivity", [6, 18, 26])
CHUNKS = {"one": None, "ragged": ((7, 1, 16), (24,), (5, 19)), "cubes": ((8,) * 3,) * 3, "columns": ((24,), (1,) * 24, (12, 12))}


def spiral(n=24):
    """A channel one voxel wide that winds through every plane: one component that leaves and enters blocks hundreds of times."""
    plane = np.zeros((n, n), bool)
    plane[0::2] = True
    plane[1::4, -1] = plane[3::4, 0] = True
    plane[-1] = False
    volume = np.zeros((n, n, n), bool)
    volume[0::2] = plane
    volume[1::4, n - 2, 0 if n % 4 == 0 else -1] = True
    volume[3::4, 0, 0] = True
    return volume


IMAGES = {
    "nothing": np.zeros((24, 24, 24), bool),
    "all": np.ones((24, 24, 24), bool),
    "checkerboard": np.indices((24, 24, 24)).sum(0) % 2 == 0,
    "spiral": spiral(),
    "not the spiral": ~spiral(),
    "noise at percolation": np.random.default_rng(0).random((24, 24, 24)) < 0.3116,
    "dust": np.random.default_rng(1).random((24, 24, 24)) < 0.05,
}


@each
@pytest.mark.parametrize("cut", CHUNKS)
@pytest.mark.parametrize("name", IMAGES)
def test_labels_are_scipys(name, cut, connectivity):
    image = stored(IMAGES[name], CHUNKS[cut])
    expected = dense.label(IMAGES[name], connectivity)
    labels, count = vr.compute(L.label(image, connectivity=connectivity), L.count(image, connectivity=connectivity))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected)
    assert int(count) == expected.max()
    np.testing.assert_array_equal(L.label(image, connectivity=connectivity, order="size").compute(), dense.by_size(expected))


def test_the_spiral_is_one_component_through_many_blocks():
    assert dense.label(spiral()).max() == 1
    assert spiral().sum() > 3000


def cuts(length):
    return st.sets(st.integers(1, length - 1), max_size=6).map(lambda s: tuple(np.diff([0, *sorted(s), length]).tolist()))


@each
@given(st.tuples(cuts(11), cuts(9), cuts(12)), st.sampled_from([0.1, 0.25, 0.3116, 0.5, 0.8]), st.integers(0, 99), st.sampled_from(["", "z", "yx", "zyx"]))
def test_any_chunks_any_density_any_periodicity(connectivity, chunks, density, seed, axes):
    array = np.random.default_rng(seed).random((11, 9, 12)) < density
    expected = dense.label_periodic(array, connectivity, axes)
    labels = L.label(stored(array, chunks), connectivity=connectivity, periodic=axes)
    np.testing.assert_array_equal(labels.compute(scheduler="sync"), expected)


@given(st.tuples(cuts(11), cuts(9), cuts(12)), st.integers(0, 99))
def test_phases_have_components_of_their_own(chunks, seed):
    array = np.random.default_rng(seed).integers(0, 3, (11, 9, 12)).astype("u1")
    found = L.label(stored(array, chunks), connectivity=18)
    np.testing.assert_array_equal(found.compute(scheduler="sync"), dense.label(array, 18))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_voxel_chunks_and_tiny_images(n):
    array = np.random.default_rng(n).random((n, n + 1, 2)) < 0.5
    chunks = tuple((1,) * k for k in array.shape)
    for axes in ("", "zyx"):
        found = L.label(stored(array, chunks), connectivity=26, periodic=axes).compute()
        np.testing.assert_array_equal(found, dense.label_periodic(array, 26, axes))


def test_an_image_without_voxels():
    image = vr.from_array(np.zeros((3, 0, 4), bool))
    assert L.label(image).compute().shape == (3, 0, 4)
    assert int(L.count(image)) == 0
    with pytest.raises(DataError, match="bulk volume is empty"):
        float(L.effective_porosity(image))


def test_no_data_belongs_to_no_component():
    array = np.random.default_rng(5).integers(0, 4, (9, 9, 9)).astype("u1")
    image = stored(array, ((4, 5),) * 3).assign(nodata=2)
    np.testing.assert_array_equal(L.label(image).compute(), dense.label(np.where(array == 2, 0, array)))


def test_masks_that_do_not_know_some_voxels():
    array = np.random.default_rng(6).random((16, 16, 16)) < 0.5
    known = np.random.default_rng(7).random(array.shape) < 0.9
    image = stored(array, ((7, 9),) * 3).assign(nodata=stored(~known, ((5, 11),) * 3))
    np.testing.assert_array_equal(L.label(image).compute(), dense.label(array & known))
    spanning = L.percolating(image, axis="z")
    np.testing.assert_array_equal(spanning.compute(), dense.percolating(array, 0, inside=known))
    np.testing.assert_array_equal(spanning.valid.compute(), known)
    assert float(vr.statistics.porosity(spanning)) == float(L.percolating_porosity(image, axis="z"))
    floating = L.floating_solid(image)
    np.testing.assert_array_equal(floating.compute(), ~array & known & ~dense.outer(~array, 26, known))
    inside = L.largest(image, where=PLUG)
    np.testing.assert_array_equal(inside.valid.compute(), known & plug(array.shape))


PLUG = vr.Cylinder(axis="z", center={"y": 11.5, "x": 11.5}, radius=9.3)


def plug(shape):
    y, x = np.ogrid[: shape[1], : shape[2]]
    return np.broadcast_to((y - 11.5) ** 2 + (x - 11.5) ** 2 <= 9.3**2, shape)


@each
@pytest.mark.parametrize("name", ["all", "noise at percolation", "not the spiral", "dust"])
def test_in_a_cylinder(name, connectivity):
    array = IMAGES[name]
    inside = plug(array.shape)
    options = {"connectivity": connectivity, "where": PLUG}
    for cut in ("ragged", "cubes"):
        image = stored(array, CHUNKS[cut])
        np.testing.assert_array_equal(L.label(image, **options).compute(), dense.label(array & inside, connectivity))
        np.testing.assert_array_equal(L.clear_border(image, **options).compute(), array & inside & ~dense.outer(array, connectivity, inside))
        for axis in range(3):
            np.testing.assert_array_equal(L.percolating(image, axis="zyx"[axis], **options).compute(), dense.percolating(array, axis, connectivity, inside))
        mask = vr.from_array(da.from_array(np.ascontiguousarray(inside), chunks=7))
        dual = 26 if connectivity == 6 else 6
        np.testing.assert_array_equal(
            L.floating_solid(image, connectivity=connectivity, where=mask).compute(), ~array & inside & ~dense.outer(~array, dual, inside)
        )


def test_the_ends_of_a_cylinder_are_its_discs_and_its_wall():
    array = np.ones((24, 24, 24), bool)
    image = stored(array, CHUNKS["cubes"])
    short = vr.Cylinder(axis="z", center={"z": 11.5, "y": 11.5, "x": 11.5}, radius=9.3, length=10)
    channel = image.with_data((image & vr.from_array(np.broadcast_to(np.indices((24, 24))[0] == 11, array.shape))).data)
    found = {axis: float(L.percolating_porosity(channel, axis=axis, where=short, of="pore")) for axis in "zyx"}
    assert found == {"z": 1.0, "y": 0.0, "x": 1.0}


def test_the_table_agrees_with_the_numbers_and_shares_one_reading():
    array = IMAGES["noise at percolation"]
    image = stored(array, CHUNKS["cubes"])
    source = next(iter(image.data.dask.layers.values())).expression.source
    found = vr.compute({"table": L.connectivity(image), "porosity": vr.statistics.porosity(image)})
    assert source.voxels_read == array.size
    table = found["table"]
    assert float(table["total"].sel(connectivity=6, of="bulk")) == float(found["porosity"])
    for kind in (6, 26):
        for of in ("bulk", "pore"):
            row = table.sel(connectivity=kind, of=of)
            assert float(L.effective_porosity(image, connectivity=kind, of=of)) == float(row["effective"])
            assert float(L.isolated_porosity(image, connectivity=kind, of=of)) == float(row["isolated"])
            assert float(L.percolating_porosity(image, connectivity=kind, of=of, axis="y")) == float(row["percolating_y"])
            assert int(table["components"].sel(connectivity=kind)) == dense.label(array, kind).max()
    assert table["effective"].attrs["bulk"] == "all voxels"
    assert "joined to any outer surface" in table["effective"].attrs["definition"]


def test_an_empty_phase_has_an_answer():
    image = stored(np.zeros((6, 6, 6), bool))
    table = vr.compute(L.connectivity(image))
    assert float(table["percolating_z"].sel(connectivity=6, of="bulk")) == 0
    assert np.isnan(table["total"].sel(connectivity=6, of="pore"))
    assert table["components"].values.tolist() == [0, 0]
    assert not L.largest(image).compute().any()
    assert not L.percolating(image).compute().any()
    assert L.label(image).compute().max() == 0
    with pytest.raises(DataError, match="bulk volume is empty"):
        vr.compute(L.effective_porosity(image, where=image))


def test_roles_say_what_is_pore_and_what_is_rock():
    array = np.random.default_rng(8).integers(0, 4, (12, 12, 12)).astype("u1")
    phases = {0: vr.Phase("pore", "pore"), 1: vr.Phase("clay", "micro", porosity=0.4), 2: vr.Phase("quartz", "solid"), 3: vr.Phase("air", "outside")}
    image = stored(array, ((5, 7),) * 3).assign(phases=phases)
    inside = array != 3
    for through, a in ((None, array == 0), (["pore", "micro"], array < 2)):
        table = vr.compute(L.connectivity(image, through=through))
        measures = ["total", "effective", "percolating_z", "percolating_y", "percolating_x", "isolated"]
        np.testing.assert_allclose(table[measures].to_dataarray().values, dense.fractions(a, inside), rtol=1e-15)
    assert "not of role outside" in table["total"].attrs["bulk"]
    np.testing.assert_array_equal(L.percolating(image, through=["pore", "micro"]).compute(), dense.percolating(array < 2, 0, inside=inside))


def test_small_components_go_by_volume_or_by_voxels():
    array = IMAGES["noise at percolation"]
    image = stored(array, CHUNKS["ragged"], spacing="5 um")
    labels = dense.label(array)
    for n in (1, 2, 3, 7):
        expected = array & (np.append(0, dense.sizes(labels))[labels] >= n)
        np.testing.assert_array_equal(L.remove_small(image, min_voxels=n).compute(), expected)
        np.testing.assert_array_equal(L.remove_small(image, min_volume=n * 125.0).compute(), expected)


def test_labels_keep_their_values_and_phases():
    array = np.random.default_rng(2).integers(0, 3, (10, 10, 10)).astype("u1")
    image = stored(array, ((5, 5),) * 3).assign(phases={1: vr.Phase("clay", "solid")})
    kept = L.largest(image, connectivity=26)
    assert kept.dtype == np.uint8
    assert kept.phases[1].name == "clay"
    np.testing.assert_array_equal(kept.compute(), np.where(dense.by_size(dense.label(array, 26)) == 1, array, 0))


def test_stored_labels_come_back(tmp_path):
    array = IMAGES["noise at percolation"]
    labels = L.label(stored(array, CHUNKS["cubes"]))
    again = vr.save(labels, tmp_path / "labels.zarr", chunks=8, shards=24)
    np.testing.assert_array_equal(again.compute(), dense.label(array))


GREY = stored(np.linspace(0, 1, 64, dtype="f4").reshape(4, 4, 4))
MASK = stored(np.ones((4, 4, 4), bool))


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: L.label(GREY), ParameterTypeError, r"booleans or labels.*float32 grey values.*vr\.segmentation\.otsu"),
        (lambda: L.percolating(GREY), ParameterTypeError, r"vr\.segmentation\.otsu"),
        (lambda: L.effective_porosity(MASK * 2), ParameterError, r"roles.*vr\.Phase.*image\.isin.*vr\.segmentation\.otsu"),
        (lambda: L.label(MASK, connectivity=8), ParameterError, r"6 .faces., 18 .and edges. or 26 .and corners.; got 8"),
        (lambda: L.label(MASK, order="volume"), ParameterError, r"'scan'.*'size'.*got 'volume'"),
        (lambda: L.label(MASK, periodic="xq"), ParameterError, r"axes whose ends join.*got 'xq'"),
        (lambda: L.percolating(MASK, axis="w"), ParameterError, r"'z', 'y', 'x'; got 'w'"),
        (lambda: L.percolating_porosity(MASK, axis=0), ParameterError, r"'z', 'y', 'x'; got 0"),
        (lambda: L.effective_porosity(MASK, of="solid"), ParameterError, r"'bulk' or 'pore'.*got 'solid'"),
        (lambda: L.effective_porosity(MASK, through="pore"), ParameterError, r"a boolean image is True in its pores"),
        (lambda: L.remove_small(MASK), ParameterError, r"either min_volume=.*or min_voxels="),
        (lambda: L.remove_small(MASK, min_voxels=2, min_volume=2.0), ParameterError, r"either"),
        (lambda: L.remove_small(MASK, min_voxels=-1), ParameterError, r"not negative; got -1"),
        (lambda: L.label(MASK, where=stored(np.ones((5, 4, 4), bool))), GridMismatchError, r"different grids"),
        (lambda: L.label(MASK, where=GREY), ParameterTypeError, r"where= is a boolean image"),
        (lambda: L.keep(GREY, labels=1), ParameterTypeError, r"grey values"),
    ],
)  # fmt: skip
def test_errors_in_arguments_are_raised_by_the_call(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def _blocks(real, data):
    rows = csv.DictReader(real("block_references.csv").read_text().splitlines())
    return [row for row in rows if row["rock"] == data]


@pytest.mark.parametrize(("rock", "file", "edge"), [("berea", "berea_400.tif", 400), ("ketton", "ketton_256.tif", 256)])
def test_percolating_porosity_of_real_rocks(real, rock, file, edge):
    whole = vr.open(real(file))
    rows = _blocks(real, rock)
    assert rows
    for row in rows:
        index = [int(row[k]) for k in ("iz", "iy", "ix")]
        block = whole[tuple(slice(128 * i, 128 * i + 128) for i in index)]
        solid = vr.filters.median(block, radius_vx=1) if rock == "ketton" else block
        table = vr.compute(L.connectivity((solid == 0).rechunk(50)))
        for axis in "zyx":
            found = float(table[f"percolating_{axis}"].sel(connectivity=6, of="bulk"))
            assert f"{found:.6g}" == f"{float(row[f'phi_eff_{axis}']):.6g}", (row["block"], axis)


def test_a_real_rock_equals_scipy(real):
    image = vr.open(real("berea_110_u1.raw"), shape=110, dtype="u1") == 0
    np.testing.assert_array_equal(L.label(image.rechunk(37)).compute(), ndi.label(image.compute())[0])


def test_percolating_porosity_of_a_measured_bead_pack(real):
    spheres = dict(zip("xyz", np.loadtxt(real("finney_pack_4021.txt")).T[1:4]))
    rows = _blocks(real, "beadpack")
    assert rows
    for row in rows:
        corner = vr.ZYX(*(-10 + 0.04 * 128 * int(row[k]) for k in ("iz", "iy", "ix")))
        grid = vr.VoxelGrid.of(shape=128, spacing=0.04, origin=corner)
        table = vr.compute(L.connectivity(vr.generators.sphere_pack(spheres, 1.0, shape=grid, phase="pore", block=60)))
        for axis in "zyx":
            assert f"{float(table[f'percolating_{axis}'].sel(connectivity=6, of='bulk')):.6g}" == f"{float(row[f'phi_eff_{axis}']):.6g}"
