"""Which voxels of a mask hold data: NumPy's masked arrays are the truth."""

import gc
import pickle
import threading
import weakref

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore

import voxelrock as vr
from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.storage import attributes
from voxelrock.testing import raise_if_computed, stored

SHAPE = (9, 11, 8)
BALL = vr.Ball(center={"z": 4.0, "y": 5.0, "x": 3.0}, radius=3.7)
S, G = vr.statistics, vr.segmentation
RNG = np.random.default_rng(3)
FIRST = np.ma.masked_equal(RNG.integers(0, 12, SHAPE).astype("u1"), 3)
SECOND = np.ma.masked_invalid(np.where(RNG.random(SHAPE) < 0.2, np.nan, RNG.normal(5, 3, SHAPE)).astype("f4"))
FULL = np.ma.masked_array(RNG.integers(0, 12, SHAPE).astype("u2"))


def cuts(length):
    return st.sets(st.integers(1, length - 1), max_size=4).map(lambda s: tuple(np.diff([0, *sorted(s), length]).tolist()))


chunkings = st.tuples(*(cuts(n) for n in SHAPE))


def ball():
    z, y, x = np.ogrid[tuple(slice(n) for n in SHAPE)]
    return (z - 4.0) ** 2 + (y - 5.0) ** 2 + (x - 3.0) ** 2 <= 3.7**2


def images(chunks=((4, 5), (3, 1, 7), (8,))):
    """u1 with the no-data value 3, f4 with NaN, u2 without."""
    first = stored(FIRST.data, chunks).assign(nodata=3)
    second = vr.from_array(da.from_array(SECOND.data, chunks=(2, 11, 5))).assign(nodata=np.nan)
    return first, second, stored(FULL.data, chunks)


def same(mask, expected):
    """A mask is as the masked array, False where it holds no data."""
    assert mask.dtype == bool
    known = ~np.ma.getmaskarray(expected)
    np.testing.assert_array_equal(mask.valid.compute(scheduler="sync"), known)
    np.testing.assert_array_equal(mask.compute(scheduler="sync"), expected.filled(False))


def numbers(image, expected, tolerance=0.0):
    """An image of numbers is as the masked array, its no-data value where that is masked."""
    found, known = image.compute(scheduler="sync"), ~np.ma.getmaskarray(expected)
    np.testing.assert_array_equal(image.valid.compute(scheduler="sync"), known)
    np.testing.assert_allclose(found[known].astype("f8"), expected.compressed().astype("f8"), rtol=tolerance)


def otsu_of(a):
    return float(G.otsu_threshold(vr.from_array(a.compressed().reshape(1, 1, -1))))


def dark(a):
    return a <= otsu_of(a)


MASKS = {
    "comparison": (lambda a, b, c: a < 7, lambda a, b, c: a < 7),
    "comparison with NaN": (lambda a, b, c: b >= 4.5, lambda a, b, c: b >= 4.5),
    "of two images": (lambda a, b, c: a > b, lambda a, b, c: a > b),
    "with an image without": (lambda a, b, c: c != a, lambda a, b, c: c != a),
    "not": (lambda a, b, c: ~(a < 7), lambda a, b, c: ~(a < 7)),
    "not not": (lambda a, b, c: ~~(a < 7), lambda a, b, c: a < 7),
    "and": (lambda a, b, c: (a < 7) & (b > 4), lambda a, b, c: (a < 7) & (b > 4)),
    "or is no data where one is": (lambda a, b, c: (a < 7) | (b > 4), lambda a, b, c: (a < 7) | (b > 4)),
    "xor with a full mask": (lambda a, b, c: (c > 6) ^ (a < 7), lambda a, b, c: (c > 6) ^ (a < 7)),
    "logical_or": (lambda a, b, c: np.logical_or(a, b), lambda a, b, c: np.ma.logical_or(a, b)),
    "logical_not": (lambda a, b, c: np.logical_not(a), lambda a, b, c: np.ma.logical_not(a)),
    "compared masks": (lambda a, b, c: (a < 7) == (b > 4), lambda a, b, c: (a < 7) == (b > 4)),
    "isin": (lambda a, b, c: a.isin([2, 3, 9]), lambda a, b, c: np.ma.masked_array(np.isin(a.data, [2, 9]), a.mask)),
    "isin of a mask": (lambda a, b, c: (a < 7).isin([False]), lambda a, b, c: ~(a < 7)),
    "threshold": (lambda a, b, c: G.threshold(a, low=2, high=8), lambda a, b, c: (a >= 2) & (a <= 8)),
    "threshold of a mask": (lambda a, b, c: G.threshold(a < 7, low=0.5), lambda a, b, c: a < 7),
    "threshold in a region": (lambda a, b, c: G.threshold(a, low=2, where=BALL), lambda a, b, c: np.ma.masked_array(a >= 2, a.mask | ~ball())),
    "threshold in a mask": (lambda a, b, c: G.threshold(c, low=2, where=b > 4), lambda a, b, c: np.ma.masked_array((c >= 2).data, ~(b > 4).filled(False))),
    "otsu": (lambda a, b, c: G.otsu(a, phase="dark"), lambda a, b, c: a <= otsu_of(a)),
    "otsu bright": (lambda a, b, c: G.otsu(b, phase="bright"), lambda a, b, c: b > otsu_of(b)),
    "lazy number": (lambda a, b, c: b > S.summary(a)["mean"], lambda a, b, c: b > a.mean(dtype="f8")),
    "its own mean": (lambda a, b, c: b <= S.quantile(b, q=0.3), lambda a, b, c: b <= np.quantile(b.compressed().astype("f8"), 0.3)),
    "astype bool": (lambda a, b, c: a.astype(bool), lambda a, b, c: a != 0),
    "crop": (lambda a, b, c: (a < 7).crop(BALL), lambda a, b, c: (a < 7)[1:8, 2:9, 0:7]),
    "steps": (lambda a, b, c: ((a < 7) | (b > 4))[1:, 3:10:3, ::2], lambda a, b, c: ((a < 7) | (b > 4))[1:, 3:10:3, ::2]),
    "rechunk": (lambda a, b, c: ~(a < 7).rechunk(3), lambda a, b, c: ~(a < 7)),
    "other grids": (lambda a, b, c: (a < 7).assign_grid(spacing="2 um").to_unit("mm"), lambda a, b, c: a < 7),
    "with other voxels": (lambda a, b, c: (a < 7).with_data((c > 6).data), lambda a, b, c: np.ma.masked_array(c.data > 6, a.mask)),
    "voxels of a mask for numbers": (lambda a, b, c: a.with_data((c > 6).data), lambda a, b, c: np.ma.masked_array(c.data > 6, a.mask)),
    "said to hold none": (lambda a, b, c: (c > 6).assign(nodata=c == 4), lambda a, b, c: np.ma.masked_array(c.data > 6, c.data == 4)),
    "said of a region": (lambda a, b, c: (c > 6).assign(nodata=BALL), lambda a, b, c: np.ma.masked_array(c.data > 6, ball())),
    "said of a value": (lambda a, b, c: (c > 6).assign(nodata=1), lambda a, b, c: np.ma.masked_array(np.zeros(SHAPE, bool), c.data > 6)),
    "said anew": (lambda a, b, c: (a < 7).assign(nodata=c == 4), lambda a, b, c: np.ma.masked_array((a < 7).filled(False), c.data == 4)),
    "forgotten": (lambda a, b, c: (a < 7).assign(nodata=None), lambda a, b, c: np.ma.masked_array((a < 7).filled(False))),
    "where a number": (lambda a, b, c: (a < 7).where(c > 6, True), lambda a, b, c: np.ma.where(c > 6, a < 7, True)),
    "where an image": (lambda a, b, c: (a < 7).where(c > 6, b > 4), lambda a, b, c: np.ma.where(c > 6, a < 7, b > 4)),
    "where with a full one": (lambda a, b, c: (c < 7).where(c > 6, b > 4), lambda a, b, c: np.ma.where(c > 6, c < 7, b > 4)),
    "where the other is full": (lambda a, b, c: (b > 4).where(c > 6, c < 7), lambda a, b, c: np.ma.where(c > 6, b > 4, c < 7)),
    "where of no data": (lambda a, b, c: (b > 4).where(a < 7, False), lambda a, b, c: np.ma.where((a < 7).filled(False), b > 4, False)),
    "numpy.where": (lambda a, b, c: np.where(c > 6, a < 7, b > 4), lambda a, b, c: np.ma.where(c > 6, a < 7, b > 4)),
    "persisted": (lambda a, b, c: (a < b).persist() | (c > 6), lambda a, b, c: (a < b) | (c > 6)),
    "persisted by Dask": (lambda a, b, c: dask.persist(a < b, scheduler="sync")[0], lambda a, b, c: a < b),
    "pickled": (lambda a, b, c: pickle.loads(pickle.dumps(G.otsu(a, phase="dark") ^ (b > 4))), lambda a, b, c: (a <= otsu_of(a)) ^ (b > 4)),
    "by way of xarray": (lambda a, b, c: vr.from_xarray((a < b).to_xarray()), lambda a, b, c: a < b),
    "by way of the accessor": (lambda a, b, c: b.to_xarray().voxel.segmentation.threshold(low=4).voxel.image, lambda a, b, c: b >= 4),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_masks_know_where_they_hold_data(name):
    make, truth = MASKS[name]
    expected = np.ma.masked_array(truth(FIRST, SECOND, FULL))
    same(make(*images()), expected)

    @settings(max_examples=3)
    @given(chunkings)
    def run(chunks):
        same(make(*images(chunks)), expected)

    run()


@pytest.mark.parametrize("name", [n for n in MASKS if "persisted" not in n])
def test_masks_are_lazy_and_count_what_holds_data(name):
    make, truth = MASKS[name]
    with raise_if_computed():
        mask = make(*images())
        lazy = S.porosity(mask), S.phase_fractions(mask), S.profile(mask, axis="y"), S.histogram(mask), S.summary(mask), S.quantile(mask, q=0.5)
    a = np.ma.masked_array(truth(FIRST, SECOND, FULL))
    share, fractions, profile, histogram, summary, median = dask.compute(*lazy, scheduler="sync")
    known = a.compressed()
    assert float(share) == pytest.approx(known.mean(), rel=1e-14)
    np.testing.assert_allclose(fractions, [1 - known.mean(), known.mean()], rtol=1e-14)
    np.testing.assert_allclose(profile, a.mean(axis=(0, 2), dtype="f8").filled(np.nan), rtol=1e-14)
    np.testing.assert_array_equal(histogram, np.bincount(known, minlength=2))
    assert int(summary["count"]) == known.size
    assert float(summary["std"]) == pytest.approx(known.std(), rel=1e-12, abs=1e-15)
    assert float(median) == np.quantile(known.astype("f8"), 0.5)
    inside = ball() if a.shape == SHAPE else None
    if inside is not None and "grids" not in name:
        assert float(S.porosity(mask, where=BALL)) == pytest.approx(a[inside].mean(), rel=1e-14) if a[inside].count() else True


NUMBERS = {
    "times a number": (lambda a, b, c: (a < 7) * 3, lambda a, b, c: (a < 7) * 3),
    "plus an image": (lambda a, b, c: (a < 7) + c, lambda a, b, c: (a < 7) + c.astype("f8")),
    "minus the mean": (lambda a, b, c: b - S.summary(b)["mean"], lambda a, b, c: b - np.float32(b.mean(dtype="f8"))),
    "as bytes": (lambda a, b, c: (a < 7).astype("u1"), lambda a, b, c: (a < 7).astype("u1")),
    "as small integers": (lambda a, b, c: (a < 7).astype("i1"), lambda a, b, c: (a < 7).astype("i1")),
    "as floats": (lambda a, b, c: (a < 7).astype("f8"), lambda a, b, c: (a < 7).astype("f8")),
    "bits of labels": (lambda a, b, c: a & 6, lambda a, b, c: a & 6),
    "labels in a mask": (lambda a, b, c: a & (c > 6), lambda a, b, c: a & (c > 6)),
    "where becomes labels": (lambda a, b, c: (a < 7).where(c > 6, 2), lambda a, b, c: np.ma.where(c > 6, (a < 7).astype("u1"), 2)),
    "where in a mask": (lambda a, b, c: a.where(b > 4, 9), lambda a, b, c: np.ma.where((b > 4).filled(False), a, 9)),
    "multi_otsu": (lambda a, b, c: G.multi_otsu(a, classes=2), lambda a, b, c: (a > otsu_of(a)).astype("u1")),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_masks_become_numbers_with_a_value_for_no_data(name):
    make, truth = NUMBERS[name]
    numbers(make(*images()), np.ma.masked_array(truth(FIRST, SECOND, FULL)), 1e-7)


def blocks(a, f):
    n = [s // k for s, k in zip(a.shape, f)]
    cut = a[: n[0] * f[0], : n[1] * f[1], : n[2] * f[2]]
    return cut.reshape(n[0], f[0], n[1], f[1], n[2], f[2]).transpose(0, 2, 4, 1, 3, 5).reshape(*n, -1)


def vote(values):
    known = values.compressed()
    return min(known.tolist(), key=lambda u: (-np.sum(known == u), u)) if known.size else 0


HOLES = np.ma.masked_array(FIRST.data, FIRST.mask | (np.arange(9)[:, None, None] < 2) & (np.arange(11)[:, None] < 6))
"""With coarse voxels in which no voxel holds data."""


@given(chunkings, st.sampled_from([(2, 3, 1), (2, 2, 2), (1, 1, 1), (9, 11, 8), (4, 5, 3)]), st.sampled_from(["mask", "labels", "floats"]))
def test_voxels_without_data_have_no_vote(chunks, factor, kind):
    array, truth = {
        "mask": (stored(HOLES.data, chunks).assign(nodata=None) < 7, HOLES < 7),
        "labels": (stored(HOLES.filled(255), chunks).assign(nodata=255), HOLES),
        "floats": (stored(HOLES.astype("f4").filled(np.nan), chunks).assign(nodata=np.nan), HOLES.astype("f4")),
    }[kind]
    if kind == "mask":
        array = array.assign(nodata=array.with_data(stored(HOLES.mask, chunks).data))
    fine = blocks(truth, factor)
    numbers(array.coarsen(factor), fine.mean(-1, dtype="f8"), 1e-6)
    of = True if kind == "mask" else [2, 5]
    fraction = array.coarsen(factor, how="fraction", of=of)
    assert fraction.dtype == np.float32
    numbers(fraction, np.ma.masked_array(np.isin(fine.data, of), fine.mask).mean(-1), 1e-6)
    majority = array.coarsen(factor, how="majority")
    assert majority.dtype == array.dtype
    votes = np.array([vote(v) for v in fine.reshape(-1, fine.shape[-1])], dtype=truth.dtype).reshape(fine.shape[:-1])
    expected = np.ma.masked_array(votes, fine.mask.all(-1))
    (same if kind == "mask" else numbers)(majority, expected)
    if kind == "labels":
        assert majority.nodata == 255


def test_a_mask_restricts_only_where_it_holds_data():
    a, b, c = images()
    keep = (SECOND > 4).filled(False)
    assert int(S.summary(c, where=b > 4)["count"]) == keep.sum()
    assert int(S.summary(c, where=~(b > 4))["count"]) == (~(SECOND > 4)).filled(False).sum()
    raw = vr.VoxelImage(da.ones(SHAPE, dtype=bool), c.grid, nodata=da.from_array(FIRST.mask))  # its voxels ought to be False there
    assert int(S.summary(c, where=raw)["count"]) == (~FIRST.mask).sum()
    assert int(S.histogram(c, by=a < 7).sum()) == (~FIRST.mask).sum()


def test_porosity_by_default_is_that_of_the_voxels_with_data():
    a, _, _ = images()
    mask = G.otsu(a, phase="dark")
    expected = dark(FIRST).mean()
    assert float(S.porosity(mask)) == float(S.porosity(mask, where=a.valid)) == pytest.approx(expected, rel=1e-15)
    assert S.porosity(mask).attrs["bulk"] == "all voxels that hold data"
    with pytest.raises(DataError, match="bulk volume is empty"):
        float(S.porosity((a < 7).assign(nodata=vr.ones(shape=a.grid, dtype=bool))))


def test_labels_outside_stay_out_of_profiles():
    phases = {0: vr.Phase("pore", "pore"), 1: vr.Phase("solid", "solid"), 2: vr.Phase("air", "outside")}
    labels = np.ma.masked_equal(RNG.integers(0, 4, SHAPE).astype("u1"), 3)
    image = stored(labels.data).assign(nodata=3, phases=phases)
    for where, inside in ((None, True), (BALL, ball())):
        rock = np.ma.masked_array(labels.data == 0, labels.mask | (labels.data == 2) | ~np.broadcast_to(inside, SHAPE))
        np.testing.assert_allclose(S.profile(image, axis="z", where=where), rock.mean(axis=(1, 2), dtype="f8").filled(np.nan), rtol=1e-14)


@pytest.mark.parametrize("layout", ["voxelrock", "zarr2", "memory"])
def test_stores_keep_masks(layout, tmp_path):
    a, b, _ = images()
    mask = G.otsu(a, phase="dark") ^ (b > 4)
    expected = dark(FIRST) ^ (SECOND > 4)
    place, options = (MemoryStore(), {}) if layout == "memory" else (tmp_path / "mask.zarr", {"layout": layout})
    for found in (vr.save(mask, place, **options), vr.open(place)):
        same(found, expected)
        same(found[1:8, 2:, ::3], expected[1:8, 2:, ::3])
        assert float(S.porosity(found)) == pytest.approx(expected.mean(), rel=1e-15)
        assert len(dict(found.data.dask)) == found.data.npartitions + 1  # the blocks, and what they share
        assert found.grid == mask.grid
        assert found.history == mask.history
    same(vr.save(~found, tmp_path / "again.zarr"), ~expected)


def test_old_stores_with_a_value_in_a_mask_are_read(tmp_path, monkeypatch):
    array = FULL.data > 6
    said = attributes.encode
    monkeypatch.setattr(attributes, "encode", lambda image: said(image) | {"nodata": 0})
    found = vr.save(vr.from_array(array), tmp_path / "old.zarr")
    same(found, np.ma.masked_array(array, ~array))


def test_places_that_cannot_keep_a_mask_refuse_it(tmp_path):
    mask = images()[0] < 7
    for name, options in (("m.tif", {}), ("m.raw", {}), ("m.npy", {}), ("m.mha", {}), ("m.zarr", {"layout": "rockverse"})):
        with pytest.raises(ParameterError, match=r"cannot say which voxels of a mask hold no data: save mask.astype\('u1'\)"):
            vr.save(mask, tmp_path / name, **options)
        assert not list(tmp_path.iterdir())
    vr.save(mask.astype("u1"), tmp_path / "m.npy")
    same(vr.open(tmp_path / "m.npy", nodata=255).astype(bool), FIRST < 7)
    same(vr.save(mask.assign(nodata=None), tmp_path / "m.tif").astype(bool), np.ma.masked_array((FIRST < 7).filled(False)))


def test_a_save_of_a_mask_goes_on(tmp_path):
    broken = [True]

    def field(z, y, x):
        if broken[0] and z.min() >= 4:
            raise OSError("the disk is gone")
        return (z * 7 + y * 3 + x) % 12

    def mask():
        return vr.from_function(field, shape=8, dtype="u1", block=4, name="a field").assign(nodata=3) < 7

    with pytest.raises(OSError, match="the disk is gone"):
        vr.save(mask(), tmp_path / "mask.zarr", chunks=4, shards=4)
    broken[0] = False
    z, y, x = np.ogrid[:8, :8, :8]
    same(vr.save(mask(), tmp_path / "mask.zarr", chunks=4, shards=4, resume=True), np.ma.masked_equal((z * 7 + y * 3 + x) % 12, 3) < 7)


def test_a_saved_image_keeps_its_value(tmp_path):
    image = images()[0]
    for name, options in (("a.tif", {}), ("a.raw", {}), ("a.zarr", {"layout": "rockverse"}), ("b.zarr", {})):
        numbers(vr.save(image, tmp_path / name, **options), FIRST)


def test_xarray_carries_where_a_mask_holds_no_data(tmp_path):
    mask = images()[0].assign_grid(spacing="2 um") < 7
    with raise_if_computed():
        array = mask.to_xarray()
        found = vr.from_xarray(array.isel(z=slice(1, None, 3), x=[2, 3, 4]))
        flat = vr.from_xarray(array.isel(y=4))
    assert array["no_data"].dtype == bool
    same(found, (FIRST < 7)[1::3, :, 2:5])
    same(flat, (FIRST < 7)[:, 4:5])
    same(vr.from_xarray(array.transpose("x", "z", "y")), FIRST < 7)
    assert float(array.voxel.statistics.porosity()) == pytest.approx((FIRST < 7).mean(), rel=1e-15)
    array.to_dataset(name="mask").drop_attrs().to_netcdf(tmp_path / "mask.nc")
    with xr.open_dataset(tmp_path / "mask.nc", chunks={}) as dataset:
        same(vr.from_xarray(dataset["mask"]), FIRST < 7)
    array.compute().to_dataset(name="mask").drop_attrs().to_zarr(tmp_path / "mask.zarr", consolidated=False)
    for path in ("", "mask"):
        same(vr.open(tmp_path / "mask.zarr", path=path), FIRST < 7)
    vr.save(mask, tmp_path / "own.zarr")
    same(vr.from_xarray(xr.open_dataset(tmp_path / "own.zarr", engine="voxelrock")["value"]), FIRST < 7)


def test_masks_say_that_some_voxels_hold_no_data():
    mask = images()[0] < 7
    assert "no data          in some voxels" in repr(mask)
    assert "in some voxels" in mask._repr_html_()
    assert "no data" not in repr(mask.assign(nodata=None))
    assert tokenize(mask) == tokenize(images()[0] < 7) != tokenize(mask.assign(nodata=None))
    assert mask.fingerprint == (images()[0] < 7).fingerprint != mask.assign(nodata=None).fingerprint
    with pytest.raises(ParameterError, match="would mix no-data voxels into their neighbours"):
        vr.filters.median(mask, radius_vx=1)
    with pytest.raises(ParameterError, match="would mix no-data voxels"):
        vr.generators.ct_scan(mask, levels={0: 100, 1: 200})


def test_a_persisted_mask_holds_its_blocks_and_theirs():
    mask = (images()[1] > 4).persist()
    assert len(mask.data.dask) == len(mask.nodata.dask) == mask.data.npartitions
    again = dask.persist(images()[1] > 4)[0]
    assert len(again.data.dask) == again.data.npartitions


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda m, im: m.assign(nodata="zero"), ParameterTypeError, "nodata is a number, NaN or None; got 'zero'"),
        (lambda m, im: m.assign(nodata=np.zeros(SHAPE, bool)), ParameterTypeError, "nodata is a number, NaN or None; got 'ndarray'"),
        (lambda m, im: m.assign(nodata=im), ParameterTypeError, "where= is a boolean image"),
        (lambda m, im: im.assign(nodata=m), ParameterTypeError, r"an image of uint8 has a value for no data: image.where\(~mask"),
        (lambda m, im: im.assign(nodata=2.5), ParameterError, "is a whole number; got 2.5"),
        (lambda m, im: im.assign(nodata=np.nan), ParameterError, "is a whole number; got nan"),
        (lambda m, im: vr.full(shape=3, value=True, nodata=0), ParameterTypeError, "a boolean image has no value for no data"),
        (lambda m, im: vr.VoxelImage(im.data, im.grid, nodata=m.data), ParameterTypeError, "only a boolean image has a mask as nodata"),
        (lambda m, im: vr.VoxelImage(m.data, m.grid, nodata=m[1:].data), ParameterTypeError, "only a boolean image has a mask as nodata"),
        (lambda m, im: m.with_data(im.data), ParameterTypeError, r"say which of the new voxels \(uint8"),
        (lambda m, im: m.where(m, 255), ParameterError, "255 stands for the mask's no-data voxels in uint8"),
        (lambda m, im: m.where(m, im), ParameterError, "a mask with no-data voxels and numbers do not mix"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(call, kind, message):
    image = images()[0]
    with pytest.raises(kind, match=message) as found:
        call(image < 7, image.assign(nodata=None))
    assert "\n" not in str(found.value)


def tasks(array):
    return len(dict(array.__dask_graph__()))


@pytest.mark.parametrize(
    "make", [lambda im: G.otsu(im, phase="dark"), lambda im: im < 7, lambda im: ~G.threshold(im, low=2)], ids=["otsu", "comparison", "not"]
)
@pytest.mark.parametrize("kind", ["stored", "lazy"])
def test_heeding_no_data_costs_no_task(make, kind):
    array = RNG.integers(0, 12, (32, 32, 32)).astype("u1")
    image = (
        stored(array, ((8,) * 4,) * 3)
        if kind == "stored"
        else vr.from_array(da.from_array(array, chunks=8).map_blocks(np.copy, meta=np.empty((0, 0, 0), "u1")))
    )
    with_data = image.assign(nodata=3)
    mask = make(with_data)
    assert tasks(S.porosity(mask)) == tasks(S.porosity(mask, where=with_data.valid)) == tasks(S.porosity(make(image)))


def test_a_second_pass_over_an_image_with_nodata_keeps_no_block_alive():
    now, most, lock = [0], [0], threading.Lock()

    def gone():
        with lock:
            now[0] -= 1

    def make(block):
        block = block.copy()
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        weakref.finalize(block, gone)
        return block

    base = da.from_array(RNG.integers(0, 99, (200, 8, 8)).astype("u1"), chunks=(1, 8, 8))
    image = vr.from_array(base.map_blocks(make, dtype="u1", meta=np.empty((0, 0, 0), "u1"))).assign(nodata=7)
    for mask in (G.otsu(image, phase="dark"), image > S.quantile(image, q=0.5)):
        most[0] = 0
        S.porosity(mask).compute(scheduler="sync")
        gc.collect()
        assert most[0] <= 3  # of 200
