"""Resampling: SciPy's answers on grids of all kinds, what lies outside, what a block reads and holds."""

import math

import numpy as np
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from tests.registration import resampled_dense as dense
from voxelrock.errors import DataError, ParameterError, ParameterTypeError, UnitError
from voxelrock.geometry import Tiling
from voxelrock.graph.arrays import from_source, lift
from voxelrock.graph.budget import predict
from voxelrock.registration import Transform, resample, rescale, rotate
from voxelrock.testing import MemorySource, stored

RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 60000, (20, 24, 22)).astype("u2")
GRID = vr.VoxelGrid(vr.ZYX(20, 24, 22), vr.ZYX(2.0, 1.0, 1.5), vr.ZYX(3.0, -2.0, 8.0), "um")


def image(array=NOISE, chunks=((7, 13), (24,), (5, 17)), grid=GRID):
    return stored(array, chunks, spacing=grid.spacing, origin=grid.origin, unit=grid.unit)


@pytest.mark.parametrize("order", ["nearest", "linear", "cubic"])
def test_spacings_origins_and_units(order):
    like = vr.VoxelGrid(vr.ZYX(18, 30, 20), vr.ZYX(1.7e-3, 1.1e-3, 1.6e-3), vr.ZYX(2e-3, -4e-3, 9e-3), "mm")
    turn = Transform.rigid(angle=13, axis=(1, 2, 3), center=(20, 10, 20), shift=(1.3, 0.2, -0.4), unit="um")
    index = np.stack(np.meshgrid(*map(np.arange, like.shape), indexing="ij"), -1)
    points = turn.apply((index * like.spacing + like.origin) * 1e3)
    at = np.moveaxis((points - GRID.origin) / GRID.spacing, -1, 0)
    how = {"nearest": dense.picked, "linear": dense.linear, "cubic": dense.cubic}[order]
    found = resample(image(), like=like, transform=turn, order=order, fill=0)
    assert found.grid == like
    assert found.dtype == ("u2" if order == "nearest" else "f4")
    assert 0.5 < dense.inside(NOISE, at).mean() < 0.9
    np.testing.assert_allclose(found.compute(), how(NOISE, at, 0), rtol=1e-6, atol=0.02)


def test_equals_affine_transform_of_scipy():
    matrix, offset = np.eye(3) + 0.1 * RNG.normal(size=(3, 3)), np.array([1.5, -2.0, 0.7])
    plain = vr.from_array(NOISE)
    transform = Transform.affine(matrix=matrix, shift=offset)
    for name, order in (("nearest", 0), ("linear", 1)):
        found = resample(plain, transform=transform, order=name, fill=0).compute()
        expected = ndi.affine_transform(NOISE.astype("f8"), matrix, offset, order=order, mode="nearest")
        known = dense.inside(NOISE, dense.places(NOISE.shape, matrix, offset))
        np.testing.assert_allclose(found[known], expected[known], rtol=1e-6, atol=0.02)
        assert not found[~known].any()


def test_whole_steps_copy_and_half_steps_average():
    spaced = image(grid=vr.VoxelGrid(GRID.shape, 0.1, 1e4, "um"))  # where rounding would make 2.9999999 of 3
    for order in ("nearest", "linear", "cubic"):
        moved = resample(spaced, transform=Transform.translation(y=0.3, x=-0.2, unit="um"), order=order, fill=0).compute()
        np.testing.assert_array_equal(moved[:, :-3, 2:], NOISE[:, 3:, :-2])
        assert not moved[:, -3:].any()
    half = resample(spaced, transform=Transform.translation(x=0.05, unit="um"), fill=0).compute()
    np.testing.assert_array_equal(half[..., :-1], (NOISE[..., :-1].astype("f4") + NOISE[..., 1:]) / 2)
    np.testing.assert_array_equal(half[..., -1], NOISE[..., -1])  # on the face of the last voxels, still inside
    nearest = resample(spaced, transform=Transform.translation(x=0.05, unit="um"), order="nearest").compute()
    np.testing.assert_array_equal(nearest[..., :-1], NOISE[..., 1:])


def test_linear_reproduces_planes_and_cubic_parabolas():
    z, y, x = np.ogrid[:16, :16, :16]
    plane, bowl = 2.0 * z - 3.0 * y + x, 0.5 * z * z - y * x + 0.25 * x * x + 3 * y
    turn = Transform.rigid(angle=20, axis=(3, -1, 2), center=7.5)
    q = np.moveaxis(turn.apply(np.stack(np.meshgrid(*[np.arange(16.0)] * 3, indexing="ij"), -1)), -1, 0)
    inner = np.all((q >= 1) & (q <= 14), axis=0)
    for order, field, truth in (("linear", plane, 2 * q[0] - 3 * q[1] + q[2]), ("cubic", bowl, 0.5 * q[0] ** 2 - q[1] * q[2] + 0.25 * q[2] ** 2 + 3 * q[1])):
        found = resample(vr.from_array(field), transform=turn, order=order).compute()
        np.testing.assert_allclose(found[inner], truth[inner], rtol=1e-12, atol=1e-11)


def test_what_lies_outside_holds_no_data():
    away = Transform.translation(z=1)
    floats = resample(vr.from_array(NOISE), transform=away)
    assert math.isnan(floats.nodata)
    assert not floats.valid.compute()[-1].any()
    labels = vr.from_array((NOISE // 20000).astype("u1")).assign(phases={0: vr.Phase("air", "pore"), 1: vr.Phase("quartz", "solid")})
    moved = resample(labels, transform=away)
    assert (moved.dtype, moved.nodata, moved.phases) == (np.uint8, 255, labels.phases)
    np.testing.assert_array_equal(moved.compute(), np.concatenate([labels.compute()[1:], np.full((1, 24, 22), 255, "u1")]))
    assert resample(labels, transform=away, fill=1).nodata is None
    mask = resample(vr.from_array(NOISE > 30000), transform=away)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask.valid.compute(), np.arange(20)[:, None, None] < np.full((1, 24, 22), 19))
    assert float(vr.statistics.porosity(mask)) == (NOISE[1:] > 30000).mean()
    counts = resample(vr.from_array(NOISE.astype("i4")).assign(nodata=-5), transform=away)
    assert (counts.dtype, counts.nodata) == (np.int32, -5)
    assert (counts.compute()[-1] == -5).all()


def test_nothing_lies_outside():
    """Then all voxels hold data, and filters take the image as it is."""
    small = resample(vr.from_array(NOISE), like=vr.VoxelGrid(vr.ZYX(9, 10, 11), 1.7, 1.0))
    assert small.nodata is None
    assert vr.filters.gaussian(small, sigma=1).shape == (9, 10, 11)
    assert resample(vr.from_array(NOISE > 9), transform=Transform.translation(x=0.5)).nodata is None


def test_wholly_outside():
    far = resample(image(), transform=Transform.translation(x="1 m", unit="um"), fill=3, order="nearest")
    assert (far.compute() == 3).all()
    assert np.isnan(resample(vr.filters.median(image(), radius_vx=1), transform=Transform.translation(x="-1 m", unit="um")).compute()).all()
    assert lift(far.data).inputs[0].source.voxels_read == 0


def test_a_voxel_without_data_spoils_what_it_weighs_in():
    field = np.ones((6, 6, 6), "f4")
    field[3, 3, 3] = np.nan
    holed = vr.from_array(field).assign(nodata=np.nan)
    np.testing.assert_array_equal(resample(holed, order="linear").compute(), field)
    np.testing.assert_array_equal(resample(holed, order="cubic").compute(), field)
    half = resample(holed, transform=Transform.translation(x=0.5)).compute()
    assert np.argwhere(np.isnan(half)).tolist() == [[3, 3, 2], [3, 3, 3]]
    codes = vr.from_array(np.where(np.isnan(field), 9, 1).astype("u1")).assign(nodata=9)
    np.testing.assert_array_equal(resample(codes, transform=Transform.translation(x=0.5)).compute(), half)


@pytest.mark.parametrize("order", ["nearest", "linear", "cubic"])
def test_a_fill_that_floats_do_not_hold_is_refused(order):
    image = vr.ones(shape=4, dtype="f4")
    with pytest.raises(ParameterError, match=r"fill=1e\+300 does not fit in float32"):
        resample(image, transform=Transform.translation(x=1), order=order, fill=1e300)
    away = resample(image, transform=Transform.translation(x=1), order=order, fill=float(np.finfo("f4").max)).compute()
    assert away[0, 0, 3] == np.finfo("f4").max


def test_one_value_cannot_mean_two_things():
    full = vr.from_array(np.full((4, 4, 4), 255, "u1"))
    with pytest.raises(DataError, match=r"255 was to stand for no data outside the image.*give fill=.*seen in voxels"):
        resample(full, transform=Transform.translation(x=1), order="nearest").compute()
    with pytest.raises(ParameterError, match="255 is a label of the image"):
        resample(full.assign(phases={255: vr.Phase("outside", "outside")}), transform=Transform.translation(x=1))
    np.testing.assert_array_equal(resample(full, order="nearest").compute(), 255)  # nothing outside: no value is needed


class Far(MemorySource):
    """A large image that takes no memory, and remembers the largest box that was read."""

    def __init__(self, shape):
        super().__init__(np.zeros((1, 1, 1), "u1"))
        self.array = np.broadcast_to(self.array, shape)
        self.identity, self.largest = f"far {shape}", 0

    def read(self, box):
        self.largest = max(self.largest, box.size)
        return np.zeros(box.shape, "u1")


def test_a_block_reads_its_own_box_and_no_more():
    source = Far((512, 512, 512))
    large = vr.VoxelImage(from_source(source, Tiling.regular((512,) * 3, (64,) * 3)), vr.VoxelGrid(vr.ZYX(512, 512, 512)))
    turned = resample(large, transform=Transform.rigid(angle=3, axis="z", center=256), fill=0)
    assert predict(turned.data).tasks_per_block == 1
    assert len(dict(turned.data.__dask_graph__())) - 1 == turned.data.npartitions == 512
    block = turned.data.blocks[3, 4, 5].compute(scheduler="sync")
    assert block.shape == (64, 64, 64)
    assert source.largest <= 66 * 69 * 70


def test_blocks_are_cut_where_their_boxes_would_not_fit():
    large = vr.VoxelImage(from_source(Far((512, 512, 512)), Tiling.regular((512,) * 3, (128,) * 3)), vr.VoxelGrid(vr.ZYX(512, 512, 512)))
    turn = Transform.rigid(angle=45, axis=(1, 1, 1), center=256)
    whole = resample(large, transform=turn, fill=0)
    assert whole.tiling == large.tiling
    with vr.options.set(memory=2**20):
        cut = resample(large, transform=turn, fill=0)
    assert cut.tiling.typical() < whole.tiling.typical()
    assert predict(cut.data).bytes_per_task <= 2**20 < predict(whole.data).bytes_per_task
    assert cut.fingerprint == whole.fingerprint


def test_a_store_does_not_make_a_task_read_more_than_fits(tmp_path):
    """A block of a store, 64 voxels across, would be made of 640 voxels across: the image makes smaller ones before."""
    source = Far((640, 640, 640))
    large = vr.VoxelImage(from_source(source, Tiling.regular((640,) * 3, (64,) * 3)), vr.VoxelGrid(vr.ZYX(640, 640, 640)))
    with vr.options.set(memory=2**24):
        coarse = rescale(large, spacing=10)
        assert predict(coarse.data).tasks_per_block == 1
        saved = vr.save(coarse, tmp_path / "coarse.zarr", chunks=64)
    assert saved.shape == (64, 64, 64)
    assert source.largest < 2**24
    assert coarse.fingerprint == rescale(large, spacing=10).fingerprint


def test_a_filter_is_not_computed_twice_where_boxes_overlap_much():
    scan = vr.VoxelImage(from_source(MemorySource(NOISE), Tiling.regular(NOISE.shape, (8,) * 3)), vr.VoxelGrid(vr.ZYX(*NOISE.shape)))
    smooth = vr.filters.median(scan, radius_vx=1)
    turn = Transform.rigid(angle=40, axis=(1, 1, 1), center=10)
    turned = resample(smooth, transform=turn, order="nearest", fill=0)
    assert len(turned.data.__dask_graph__().layers) > 1  # blocks of its own
    expected = resample(vr.from_array(ndi.median_filter(NOISE, 3)), transform=turn, order="nearest", fill=0).compute()
    np.testing.assert_array_equal(turned.compute(), expected)


def test_turning_there_and_back():
    z, y, x = np.ogrid[:32, :32, :32]
    smooth = vr.from_array((np.cos(z / 4) + np.sin(y / 5) * np.cos(x / 6)).astype("f4"))
    back = rotate(rotate(smooth, angle=11, axis=(1, 2, 0), order="cubic"), angle=-11, axis=(1, 2, 0), order="cubic").compute()
    inner = np.s_[8:-8, 8:-8, 8:-8]
    assert np.abs(back[inner] - smooth.compute()[inner]).max() < 2e-3


def test_a_turned_box_is_as_large_as_it_must_be():
    turned = rotate(vr.ones(shape=vr.ZYX(4, 30, 40), spacing="2 um"), angle=30, enlarge=True)
    width, height = (40 * math.cos(math.pi / 6) + 30 / 2, 30 * math.cos(math.pi / 6) + 40 / 2)
    assert turned.shape == (4, math.ceil(height), math.ceil(width))
    assert turned.grid.unit == "um"
    assert int(vr.statistics.summary(turned)["count"]) == pytest.approx(4 * 30 * 40, rel=0.01)


def test_the_history_says_how():
    entry = resample(vr.ones(shape=4), transform=Transform.rigid(angle=90), fill=0).history[-1]
    assert entry["operation"] == "registration.resample"
    assert entry["parameters"]["transform"]["matrix"] == [[1, 0, 0], [0, 0, 1], [0, -1, 0]]


def test_rescaling_keeps_porosity():
    rock = vr.from_array(NOISE > 40000)
    fractions = rescale(rock.assign_grid(spacing="2 um"), spacing={"z": "3.2 um", "y": "5 um", "x": "4.4 um"}, how="fraction")  # 12.5, 9.6 and 10 voxels
    assert fractions.shape == (12, 9, 10)
    low, high = fractions.grid.bounds
    assert low == (-1, -1, -1)
    assert high == pytest.approx((-1 + 12 * 3.2, -1 + 9 * 5, -1 + 10 * 4.4))
    filled = rescale(rock, spacing=(2.5, 1.6, 2.2), how="fraction")
    assert filled.compute().mean(dtype="f8") == pytest.approx((NOISE > 40000).mean(), rel=1e-7)


@pytest.mark.parametrize("how", ["mean", "majority", "fraction"])
def test_whole_ratios_coarsen(how):
    labels = image(NOISE // 20000)
    options = {"of": [1, 2]} if how == "fraction" else {}
    found = rescale(labels, spacing=vr.ZYX(4.0, 3.0, 3.0), how=how, **options)
    expected = labels.coarsen((2, 3, 2), how=how, **options)
    assert found.grid == expected.grid
    assert found.compute().tobytes() == expected.compute().tobytes()


def test_rescaled_labels_stay_labels():
    labels = vr.from_array((NOISE // 20000).astype("u1")).assign(phases={0: vr.Phase("air", "pore"), 1: vr.Phase("quartz", "solid")})
    for spacing in (0.6, 1.4):
        found = rescale(labels, spacing=spacing)
        assert (found.dtype, found.phases, found.nodata) == (np.uint8, labels.phases, None)
        assert set(np.unique(found.compute())) <= {0, 1, 2}


BAD = [
    (lambda im: rescale(im, spacing=0), ParameterError, "the spacing is positive and finite; got 0"),
    (lambda im: rescale(im, spacing="30 um"), ParameterError, "larger than the image"),
    (lambda im: rescale(im, spacing="3 furlongs"), UnitError, "unknown unit 'furlongs'"),
    (lambda im: rescale(im, spacing=3, how="median"), ParameterError, "rescale by how='mean', 'fraction'.*got 'median'"),
    (lambda im: rescale(im > 3, spacing=3, how="linear"), ParameterError, "between the voxels of a mask"),
    (lambda im: rescale(im, spacing=3, how="fraction", of=[]), ParameterError, "the share of no value"),
    (lambda im: resample(im, order="quintic"), ParameterError, "order is one of nearest, linear, cubic; got 'quintic'"),
    (lambda im: resample(im > 3, order="linear"), ParameterError, "between the voxels of a mask mean nothing"),
    (lambda im: resample(im.assign(phases={0: vr.Phase("air", "pore")}), order="cubic"), ParameterError, "between the voxels of labels mean nothing"),
    (lambda im: resample(im, like=(3, 3, 3)), ParameterTypeError, "like= is an image or a VoxelGrid.*got tuple"),
    (lambda im: resample(im, transform=np.eye(4)), ParameterTypeError, "transform= is a Transform.*got ndarray"),
    (lambda im: resample(im, transform=Transform.translation(x=3)), UnitError, "cannot convert voxel to um"),
    (lambda im: resample(im, like=vr.VoxelGrid(vr.ZYX(3, 3, 3)), transform=Transform.identity()), UnitError, "cannot convert um to voxel"),
    (lambda im: resample(im, order="nearest", fill=-1), ParameterError, "fill=-1 does not fit in uint16"),
    (lambda im: resample(im > 3, fill=2), ParameterError, "fill=2 does not fit in bool"),
    (lambda im: resample(im, fill="black"), ParameterTypeError, "fill is a number"),
    (lambda im: rotate(im, angle="much"), ParameterTypeError, "angle is a number"),
    (lambda im: rotate(im, angle=3, axis="t"), ParameterError, "the axis of a rotation"),
    (lambda im: resample(NOISE), ParameterTypeError, "expected a VoxelImage; got ndarray"),
]


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call(image())
