"""Stores that others wrote, and stores for others."""

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.storage import MemoryStore

import voxelrock as vr
from voxelrock.errors import FormatError, MissingFileError, ParameterError
from voxelrock.storage import inspect_store
from voxelrock.storage.attributes import ROCKVERSE

SHAPE = (12, 10, 14)


@pytest.fixture
def array(voxels):
    return voxels(SHAPE)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("memory", [False, True])
def test_a_plain_array(tmp_path, array, version, memory):
    place = MemoryStore() if memory else tmp_path / "plain"
    made = zarr.create_array(place, shape=SHAPE, chunks=(5, 4, 6), dtype="u2", zarr_format=version)
    made[...] = array
    for image in (vr.open(place), vr.open(made)):
        np.testing.assert_array_equal(image.compute(), array)
        assert (image.grid.unit, tuple(image.grid.spacing)) == ("voxel", (1.0, 1.0, 1.0))
    assert vr.open(place, spacing="3 um").grid.spacing.x == 3.0


def test_a_missing_chunk_of_a_plain_array_is_its_fill_value(tmp_path, array):
    """As Zarr says; ``info`` says that nothing is promised."""
    made = zarr.create_array(tmp_path / "a.zarr", shape=SHAPE, chunks=(5, 4, 6), dtype="u2", fill_value=9)
    made[:5] = array[:5]
    image = vr.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(image[:5].compute(), array[:5])
    assert (image[5:].compute() == 9).all()
    facts = inspect_store(tmp_path / "a.zarr")
    assert (facts["kind"], facts["checksums"]) == ("Zarr", False)
    assert "may go unnoticed: save a copy with voxelrock convert" in facts["promise"]


@pytest.mark.parametrize("version", [2, 3])
def test_a_big_endian_array(tmp_path, array, version):
    made = zarr.create_array(tmp_path / "a.zarr", shape=SHAPE, chunks=(5, 4, 6), dtype=">u2", zarr_format=version)
    made[...] = array
    image = vr.open(tmp_path / "a.zarr")
    assert image.dtype == np.dtype("u2")
    np.testing.assert_array_equal(image.compute(), array)


def test_a_group_of_several_arrays(tmp_path, array):
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    for name in ("wet", "dry"):
        group.create_array(name, shape=SHAPE, dtype="u2")[...] = array
    with pytest.raises(FormatError, match=r"g\.zarr is a group; name one of its arrays with path=: dry, wet"):
        vr.open(tmp_path / "g.zarr")
    np.testing.assert_array_equal(vr.open(tmp_path / "g.zarr", path="wet").compute(), array)
    with pytest.raises(MissingFileError, match=r"g\.zarr holds no array or group 'damp'"):
        vr.open(tmp_path / "g.zarr", path="damp")
    zarr.open_group(tmp_path / "none.zarr", mode="w")
    with pytest.raises(FormatError, match=r"none\.zarr is a group; name one of its arrays with path=: none"):
        vr.open(tmp_path / "none.zarr")


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((4, 5), "u1", r"holds a 2-D array; open it with vr\.from_array\(zarr\.open_array\(…\)\) as one slice"),
        ((1, 1, 4, 5, 6), "u1", "holds an array of 5 axes; a voxel image has three"),
        ((4, 5, 6), "c8", "holds complex64; voxels are booleans, integers or real numbers"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, shape, dtype, message):
    zarr.create_array(tmp_path / "a.zarr", shape=shape, dtype=dtype)
    with pytest.raises(FormatError, match=message):
        vr.open(tmp_path / "a.zarr")


def test_what_is_no_store(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(MissingFileError, match=r"a\.zarr is no Zarr store; check the path"):
        vr.open(tmp_path / "a.zarr")
    with pytest.raises(MissingFileError, match=r"b\.zarr does not exist; check the path"):
        vr.open(tmp_path / "b.zarr")
    with pytest.raises(ParameterError, match="is no Zarr store"):
        inspect_store(tmp_path / "a.zarr")
    with pytest.raises(ParameterError, match=r"save to a path, or to a zarr\.storage\.MemoryStore; got ZipStore"):
        vr.save(vr.ones(shape=3), zarr.storage.ZipStore(tmp_path / "a.zip", mode="w"))


def multiscale(folder, array, *, version=3, axes="zyx", unit="micrometer", transformations=None):
    group = zarr.open_group(folder, mode="w", zarr_format=version)
    datasets = []
    for level in range(2):
        small = array[:: 2**level, :: 2**level, :: 2**level]
        group.create_array(str(level), shape=small.shape, dtype=array.dtype, chunks=(4, 4, 4))[...] = small
        steps = [{"type": "scale", "scale": [s * 2**level for s in (3.0, 2.0, 2.5)]}, {"type": "translation", "translation": [10.0, 20.0, 30.0 + level]}]
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    named = [{"name": name, "type": "space", **({"unit": unit} if unit else {})} for name in axes]
    scales = [{"name": "rock", "axes": named, "datasets": datasets, **({"coordinateTransformations": transformations} if transformations else {})}]
    group.attrs.update({"multiscales": scales} if version == 2 else {"ome": {"version": "0.5", "multiscales": scales}})


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr(tmp_path, array, version):
    multiscale(tmp_path / "a.zarr", array, version=version)
    image = vr.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(image.compute(), array)
    assert (tuple(image.grid.spacing), tuple(image.grid.origin), image.grid.unit) == ((3.0, 2.0, 2.5), (10.0, 20.0, 30.0), "um")
    coarse = vr.open(tmp_path / "a.zarr", path="1")
    np.testing.assert_array_equal(coarse.compute(), array[::2, ::2, ::2])
    assert (tuple(coarse.grid.spacing), tuple(coarse.grid.origin)) == ((6.0, 4.0, 5.0), (10.0, 20.0, 31.0))


def test_ome_zarr_with_other_axes_and_a_common_scale(tmp_path, array):
    multiscale(tmp_path / "a.zarr", array, axes="xyz", unit="millimeter", transformations=[{"type": "scale", "scale": [2.0, 1.0, 1.0]}])
    image = vr.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(image.compute(), array.transpose(2, 1, 0))
    assert (tuple(image.grid.spacing), tuple(image.grid.origin), image.grid.unit) == ((2.5, 2.0, 6.0), (30.0, 20.0, 20.0), "mm")


def test_ome_zarr_that_cannot_be_used(tmp_path, array):
    multiscale(tmp_path / "a.zarr", array, unit=None)
    assert vr.open(tmp_path / "a.zarr").grid.unit == "voxel"
    multiscale(tmp_path / "a.zarr", array, unit="furlong")
    with pytest.raises(FormatError, match=r"a\.zarr has metadata that cannot be used \(unknown unit 'furlong'.*\)"):
        vr.open(tmp_path / "a.zarr")
    multiscale(tmp_path / "a.zarr", array, transformations=[{"type": "scale", "scale": [2.0]}, {"type": "scale", "scale": [1.0, 2.0]}])
    with pytest.raises(FormatError, match=r"a\.zarr has metadata that cannot be used"):
        vr.open(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_what_xarray_writes(tmp_path, array, version):
    image = vr.from_array(array, spacing="3 um", origin=vr.ZYX(5.0, 6.0, 7.0), nodata=3)
    image.to_xarray().rename("grey").to_dataset().chunk(z=6, y=10, x=7).to_zarr(tmp_path / "x.zarr", zarr_format=version)
    found = vr.open(tmp_path / "x.zarr")
    np.testing.assert_array_equal(found.compute(), array)
    assert not found.grid.differences(image.grid)
    assert (found.nodata, found.field.name) == (3, "grey")


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_other_orders_and_packed_numbers_from_xarray(tmp_path, array):
    data = xr.DataArray(array.transpose(2, 0, 1), dims=("x", "z", "y"), name="grey", coords={"x": ("x", np.arange(14) * 2.0, {"units": "mm"})})
    data.to_dataset().to_zarr(tmp_path / "x.zarr")
    found = vr.open(tmp_path / "x.zarr")
    np.testing.assert_array_equal(found.compute(), array)
    assert (tuple(found.grid.spacing), found.grid.unit) == ((1.0, 1.0, 2.0), "mm")
    data.astype("f4").to_dataset().to_zarr(tmp_path / "packed.zarr", encoding={"grey": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1}})
    with pytest.raises(FormatError, match=r"packed\.zarr holds packed numbers .*; open it with xarray, and give that to vr\.from_xarray"):
        vr.open(tmp_path / "packed.zarr")


ROCKVERSE_ATTRIBUTES = {
    ROCKVERSE: "VoxelImage",
    "description": "a plug",
    "field_name": "attenuation",
    "field_unit": "HU",
    "voxel_unit": "um",
    "voxel_origin": [1.0, 2.0, 3.0],
    "voxel_length": [4.0, 5.0, 6.0],
}


def test_opens_what_rockverse_writes(tmp_path, array):
    made = zarr.create_array(tmp_path / "rv", shape=SHAPE[::-1], chunks=(7, 5, 12), dtype="u2", attributes=dict(ROCKVERSE_ATTRIBUTES))
    made[...] = array.transpose()
    image = vr.open(tmp_path / "rv")
    np.testing.assert_array_equal(image.compute(), array)
    np.testing.assert_array_equal(image[2:7, 3:, ::3].compute(), array[2:7, 3:, ::3])
    assert (tuple(image.grid.spacing), tuple(image.grid.origin), image.grid.unit) == ((6.0, 5.0, 4.0), (3.0, 2.0, 1.0), "um")
    assert (image.field.name, image.field.unit, image.field.description) == ("attenuation", "HU", "a plug")
    made.attrs["voxel_unit"] = "furlong"
    with pytest.raises(FormatError, match=r"rv: the store's voxel_unit 'furlong' is no unit of length"):
        vr.open(tmp_path / "rv")
    made.attrs[ROCKVERSE] = "DECTGroup"
    with pytest.raises(FormatError, match=r"rv is a RockVerse DECTGroup; open one of its arrays with path="):
        vr.open(tmp_path / "rv")


def test_writes_what_rockverse_opens(tmp_path, array):
    field = vr.image.Field("attenuation", "HU", "a plug")
    grid = vr.VoxelGrid.of(shape=vr.ZYX(*SHAPE), spacing=vr.ZYX("6 um", "5 um", "4 um"), origin=vr.ZYX(3.0, 2.0, 1.0))
    image = vr.from_array(array, field=field).assign_grid(grid)
    found = vr.save(image, tmp_path / "rv.zarr", layout="rockverse", chunks=(12, 5, 7))
    made = zarr.open_array(tmp_path / "rv.zarr", mode="r")
    assert dict(made.attrs) == ROCKVERSE_ATTRIBUTES
    assert (made.metadata.zarr_format, made.shape, made.chunks, made.shards) == (3, SHAPE[::-1], (7, 5, 12), None)
    np.testing.assert_array_equal(made[...], array.transpose())
    assert not found.grid.differences(image.grid)
    assert found.field == field
    plain = vr.save(vr.from_array(array), tmp_path / "plain.zarr", layout="rockverse")
    assert zarr.open_array(tmp_path / "plain.zarr", mode="r").attrs["voxel_unit"] == ""
    assert plain.grid.unit == "voxel"


@pytest.mark.parametrize("layout", ["voxelrock", "zarr2"])
def test_our_stores_keep_everything(tmp_path, array, layout):
    phases = {1: vr.Phase("pore", role="pore"), 2: vr.Phase("clay", role="micro", porosity=0.3)}
    image = vr.from_array(array % 5, spacing="2 mm", phases=phases, nodata=4, field=vr.image.Field("labels", "", "made by hand")).recorded(
        "made", {"by": "hand"}
    )
    found = vr.save(image, tmp_path / "a.zarr", layout=layout)
    for name in ("phases", "nodata", "field", "history"):
        assert getattr(found, name) == getattr(image, name)
    assert not found.grid.differences(image.grid)
    facts = inspect_store(tmp_path / "a.zarr")
    assert facts["kind"] == "voxelrock"
    assert ("every chunk is checked" in facts["promise"]) == (layout == "voxelrock")
    nan = vr.save(vr.from_array(array.astype("f4"), nodata=np.nan), tmp_path / "nan.zarr", layout=layout)
    assert np.isnan(nan.nodata)
