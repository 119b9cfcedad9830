"""Errors read well: one line, what was expected, what came, what to do; and survive the way from a worker to the user."""

import pickle

import numpy as np
import pytest

import voxelrock as vr
from voxelrock import errors
from voxelrock.errors import DataError, ParameterError, ParameterTypeError
from voxelrock.testing import stored

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.VoxelrockError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_pickle_unchanged_and_are_builtins_too(kind):
    error = kind("the file is odd").at("z 0:3, y 0:3, x 0:3")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == "the file is odd (seen in voxels z 0:3, y 0:3, x 0:3)"
    if kind is not errors.VoxelrockError:
        assert any(issubclass(kind, b) for b in (ValueError, TypeError, OSError, ImportError, MemoryError, RuntimeError))


def nan_image():
    array = np.zeros((8, 8, 8), "f4")
    array[5, 1, 6] = np.nan
    return stored(array, ((4, 4),) * 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda im: vr.segmentation.otsu_threshold(im),
        lambda im: vr.statistics.quantile(im, q=0.5),
        lambda im: vr.statistics.histogram(im, bins=[0.0, 1.0]),
        lambda im: vr.statistics.summary(im)["mean"],
        lambda im: vr.statistics.profile(im),
    ],
    ids=["otsu", "quantile", "histogram", "summary", "profile"],
)
def test_nan_is_an_error_that_says_what_to_do(make):
    with pytest.raises(DataError, match=r"NaN.*(assign\(nodata|where=)") as found:
        make(nan_image()).compute()
    assert "\n" not in str(found.value)


def test_errors_in_values_name_the_voxels():
    with pytest.raises(DataError, match=r"seen in voxels z 4:8, y 0:4, x 4:8"):
        vr.statistics.summary(nan_image())["mean"].compute()
    with pytest.raises(DataError, match=r"NaN cannot be converted to uint8 \(seen in voxels z 4:8, y 0:4, x 4:8\)"):
        nan_image().astype("u1").compute()


def test_nan_outside_where_or_declared_is_no_error():
    where = vr.Box(low={"z": 0}, high={"z": 3})
    assert float(vr.statistics.summary(nan_image(), where=where)["mean"]) == 0
    assert float(vr.statistics.summary(nan_image().assign(nodata=np.nan))["count"]) == 511


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda im: vr.filters.gaussian(im), ParameterError, r"give either sigma= \(a length in um, or text such as '8 um'\) or sigma_vx="),
        (lambda im: vr.filters.gaussian(im, sigma=1, sigma_vx=1), ParameterError, "give either sigma="),
        (lambda im: vr.filters.gaussian(im, sigma=-1), ParameterError, "sigma is finite and not negative; got -1"),
        (lambda im: vr.filters.uniform(im, size_vx=4), ParameterError, "odd number of voxels"),
        (lambda im: vr.filters.median(im, radius_vx=1, footprint="star"), ParameterError, "the footprint is 'cube' or 'ball'; got 'star'"),
        (lambda im: vr.segmentation.otsu(im, phase="grey"), ParameterError, "phase is 'dark' or 'bright'; got 'grey'"),
        (lambda im: vr.segmentation.threshold(im), ParameterError, "give low=, high= or both"),
        (lambda im: vr.segmentation.threshold(im, low=3, high=2), ParameterError, "low is not above high; got 3 and 2"),
        (lambda im: vr.segmentation.multi_otsu(im, classes=1), ParameterError, "2 to 255 classes"),
        (lambda im: vr.statistics.porosity(im), ParameterError, "these labels have no roles: name the pores with pore="),
        (lambda im: vr.statistics.porosity(im / 2), ParameterError, "porosity needs a segmentation"),
        (lambda im: vr.statistics.porosity(im > 3, pore=1), ParameterError, "pore= names labels"),
        (lambda im: vr.statistics.quantile(im, q=1.5), ParameterError, "fractions from 0 to 1; got 1.5"),
        (lambda im: vr.statistics.histogram(im, bins=[3, 2]), ParameterError, "ascending"),
        (lambda im: vr.statistics.profile(im, axis="w"), ParameterError, "axis is one of 'z', 'y', 'x'; got 'w'"),
        (lambda im: vr.statistics.summary(im, where=im), ParameterTypeError, r"where= is a boolean image \(True = used\) or a region; got an image of uint8"),
        (lambda im: im.coarsen(3, how="magic"), ParameterError, "coarsen by how='mean', 'majority' or 'fraction'; got 'magic'"),
        (lambda im: im.coarsen("a"), ParameterTypeError, "the factor of coarsen is a whole number; got 'a'"),
        (lambda im: im.coarsen(2, how="fraction", of="a"), ParameterTypeError, "each item of of is a number; got 'a'"),
        (lambda im: im.rechunk("a"), ParameterTypeError, "the length of a block is a whole number; got 'a'"),
        (lambda im: vr.zeros(shape=4, block=1.5), ParameterError, "the length of a block is a whole number; got 1.5"),
        (lambda im: im.isin(5), ParameterTypeError, r"expected a list of numbers for isin, such as \[1, 2\]; got 5"),
        (lambda im: im.isin("ab"), ParameterTypeError, "expected a list of numbers for isin"),
        (lambda im: im.isin([[1, 2]]), ParameterTypeError, "each item of isin is a number"),
        (lambda im: im.where(im > 3, other="a"), ParameterTypeError, "other is a number; got 'a'"),
        (lambda im: im.astype("zz"), ParameterTypeError, "such as 'u1', '<u2' or 'f4'; got 'zz'"),
        (lambda im: im.assign(phases=3), ParameterTypeError, "phases are a mapping of labels"),
        (lambda im: im.crop({"z": 3}), ParameterTypeError, "a box names two sides along z"),
        (lambda im: im.to_unit(3), ParameterTypeError, "a unit is text, such as 'um'; got 3"),
        (lambda im: vr.statistics.quantile(im, q="a"), ParameterTypeError, "q is a number; got 'a'"),
        (lambda im: vr.statistics.quantile(im, q=[0.1, None]), ParameterTypeError, "each item of q is a number; got None"),
        (lambda im: vr.statistics.histogram(im, bins="x"), ParameterTypeError, "expected a list of numbers for bins"),
        (lambda im: vr.statistics.histogram(im, bins=4, limits=(1, 2, 3)), ParameterError, "the limits of a histogram are two numbers; got 3"),
        (lambda im: vr.statistics.histogram(im, by=3), ParameterTypeError, "expected a VoxelImage; got int"),
        (lambda im: vr.statistics.porosity(im, pore="a"), ParameterTypeError, "a label is a whole number; got 'a'"),
        (lambda im: vr.statistics.porosity(im, pore=1.5), ParameterError, "a label is a whole number; got 1.5"),
        (lambda im: vr.statistics.porosity(im.compute()), ParameterTypeError, r"expected a VoxelImage; got ndarray \(vr.from_array"),
        (lambda im: vr.filters.median(im.compute(), radius_vx=1), ParameterTypeError, "expected a VoxelImage; got ndarray"),
        (lambda im: vr.filters.gaussian(im, sigma_vx="2"), ParameterTypeError, "sigma_vx is a number; got '2'"),
        (lambda im: vr.filters.gaussian(im, sigma_vx=(1, 2)), ParameterTypeError, r"three along \(z, y, x\); got 2"),
        (lambda im: vr.filters.gaussian(im, sigma_vx=1, truncate="a"), ParameterTypeError, "truncate is a number; got 'a'"),
        (lambda im: vr.segmentation.otsu(im, phase="dark", bins="x"), ParameterTypeError, "bins is a whole number; got 'x'"),
        (lambda im: vr.segmentation.multi_otsu(im, classes="a"), ParameterTypeError, "classes is a whole number; got 'a'"),
        (lambda im: vr.full(shape=3, value="a"), ParameterTypeError, "value is a number; got 'a'"),
        (lambda im: vr.full(shape=3, value=300, dtype="u1"), ParameterError, "the value 300 does not fit in uint8"),
        (lambda im: im > np.zeros(3), ParameterTypeError, "images combine with images on the same grid and with real numbers; got ndarray"),
        (lambda im: im & vr.statistics.summary(im)["mean"], ParameterTypeError, "takes masks and integers"),
        (lambda im: im.coarsen(9), ParameterError, "whole numbers from 1 to the length"),
        (lambda im: im.crop(vr.Ball(center={"z": 1e6, "y": 0, "x": 0}, radius=1)), ParameterError, "lies outside the image"),
        (lambda im: im + "a", ParameterTypeError, "images combine with images on the same grid and with real numbers; got str"),
        (lambda im: im & 1.5, ParameterTypeError, "real numbers|masks and integers"),
        (lambda im: vr.options.set(device="quantum"), ParameterError, "options.device is one of auto, cpu, gpu; got 'quantum'"),
        (lambda im: vr.options.set(speed=11), ParameterError, "unknown option 'speed'"),
        (lambda im: vr.save(im, "x.zarr", order="F"), ParameterError, "saving to a store has no option 'order'"),
        (lambda im: vr.save(im, "x.docx"), errors.FormatError, r"'\.docx' files are not written; choose one of \.zarr"),
        (lambda im: vr.open("x.zarr", color="red"), ParameterError, "vr.open has no option 'color'"),
        (lambda im: im.assign(phases={0: "pore"}), ParameterTypeError, r"a phase is such as vr.Phase\('pore', 'pore'\).*label 0 has 'pore'"),
        (lambda im: im.assign(phases={"a": vr.Phase("pore", "pore")}), ParameterError, "the label of a phase is an integer; got 'a'"),
        (lambda im: vr.options.set(workers="two"), ParameterTypeError, "options.workers is a whole number; got 'two'"),
        (lambda im: vr.options.set(memory="2 GB"), ParameterTypeError, "options.memory is a whole number; got '2 GB'"),
        (lambda im: vr.open("x.zarr", voxel_size="8 um"), ParameterError, r"no option 'voxel_size'; it takes spacing= \(the size of a voxel, such as '8 um'\)"),
        (lambda im: vr.statistics.porosity(im), ParameterError, "if it is a grey scan, threshold it first"),
        (lambda im: vr.statistics.porosity(im > 3, where=im), ParameterTypeError, r"got an image of uint8 \(compare it first, such as image != 0\)"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_by_the_call(call, kind, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = vr.zeros(shape=8, spacing="8 um")
    with pytest.raises(kind, match=message) as found:
        call(image)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("make", [lambda im: vr.segmentation.otsu_threshold(im), lambda im: vr.segmentation.multi_otsu_thresholds(im, classes=2)])
def test_constant_images_have_no_threshold(make):
    with pytest.raises(DataError, match="needs at least 2 different values: the image is constant"):
        make(vr.zeros(shape=4)).compute()


def test_an_empty_where_leaves_nothing():
    image = vr.zeros(shape=4)
    for make in (vr.statistics.summary, vr.statistics.porosity):
        with pytest.raises(DataError, match="where="):
            make(image.astype(bool), where=image > 1).compute()


def test_a_long_history_says_that_it_began_earlier():
    image = vr.zeros(shape=4)
    for _ in range(6):
        image = vr.filters.uniform(image, size_vx=3)
    row = next(line for line in repr(image).splitlines() if "history" in line)
    assert row.split("history")[1].split() == ["…", *["→", "filters.uniform"] * 4]


def test_a_bank_of_features_is_shown_by_their_names():
    assert repr(vr.segmentation.FeatureBank(["value", ("gaussian", "8 um")])) == "<FeatureBank: value, gaussian 8 um>"
