"""Trained classification: features by SciPy, forests by scikit-learn, files that run nothing, and what is refused."""

import json
import math
import sys
import zipfile

import numpy as np
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from tests.segmentation import forests_dense as dense
from tests.segmentation.test_automatic import scan
from voxelrock.errors import (
    DataError,
    ExistsError,
    FormatError,
    GridMismatchError,
    MissingFileError,
    MissingPackageError,
    ParameterError,
    ParameterTypeError,
)
from voxelrock.kernels import features as kernels
from voxelrock.kernels import trees
from voxelrock.kernels.trees import Forest
from voxelrock.segmentation import FeatureBank, PixelClassifier
from voxelrock.testing import stored

SMALL = {"n_estimators": 12, "max_depth": 6}


def phased(a, cuts=(90, 170)):
    """Sparse labels 1, 2, 3 of a smooth version of grey values, 0 elsewhere."""
    truth = np.digitize(ndi.gaussian_filter(a.astype("f8"), 1), cuts).astype("u1") + 1
    keep = np.zeros(a.shape, bool)
    keep[[3, 17]] = True
    keep[:, 5, ::3] = True
    return np.where(keep, truth, 0).astype("u1")


def padded(a, bound):
    return np.pad(a, [(h, h) for h in kernels.features_halo(features=bound)], mode="symmetric")


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
def test_features_are_scipys(dtype):
    a = scan(1, dtype)
    bound = dense.BANK.bound(vr.from_array(a))
    found = kernels.FeatureReader(padded(a, bound), bound).rows(0, 24)
    np.testing.assert_array_equal(found, dense.rows(a).reshape(-1, 5))


def test_scales_are_lengths_and_heed_anisotropy():
    a = scan(2)
    image = vr.from_array(a, spacing=vr.ZYX(z="4 um", y="2 um", x="2 um"))
    bank = FeatureBank.multiscale(scale=["4 um", 6], of=("gaussian", "local_deviation"))
    assert bank.names == ["value", "gaussian 4 um", "gaussian 6.0", "local_deviation 4 um", "local_deviation 6.0"]
    bound = bank.bound(image)
    found = kernels.FeatureReader(padded(a, bound), bound).rows(0, 24).reshape(*a.shape, 5)
    np.testing.assert_array_equal(found[..., 1], ndi.gaussian_filter(a, (1, 2, 2), output="f4"))
    np.testing.assert_array_equal(found[..., 2], ndi.gaussian_filter(a, (1.5, 3, 3), output="f4"))
    window = np.lib.stride_tricks.sliding_window_view(np.pad(a.astype("f8"), [(1, 1), (2, 2), (2, 2)], mode="symmetric"), (3, 5, 5))
    np.testing.assert_allclose(found[..., 3], window.std(axis=(3, 4, 5)), rtol=1e-6, atol=1e-6)


DERIVED = ("gradient_magnitude", "laplacian_of_gaussian", "hessian_eigenvalues", "structure_tensor_eigenvalues")


def filtered(image, name, scale):
    """A feature of derivatives by the filter of its name, on the whole image."""
    options = {"integration": f"{float(scale.split()[0]) / 2} um"} if name == "structure_tensor_eigenvalues" else {}
    found = getattr(vr.filters, name)
    ranks = [{"rank": k} for k in (1, 2, 3)] if name.endswith("eigenvalues") else [{}]
    return [found(image, sigma=scale, **rank, **options).compute() for rank in ranks]


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8", "bool"])
@pytest.mark.parametrize("slab", [100, 2000, 2**18])
def test_features_of_derivatives_are_those_of_the_filters_in_physical_units(monkeypatch, dtype, slab):
    monkeypatch.setattr(kernels, "_SLAB", slab)
    a = scan(4) > 100 if dtype == "bool" else scan(4, dtype)
    image = vr.from_array(a, spacing=vr.ZYX(z="4 um", y="2 um", x="2.5 um"))
    scales = ("3 um", "6 um")
    bank = FeatureBank.multiscale(scale=scales, of=("gaussian", *DERIVED))
    bound = bank.bound(image)
    expected = [a, *(vr.filters.gaussian(image, sigma=s).compute() for s in scales)]
    for name in DERIVED:
        for scale in scales:
            expected += filtered(image, name, scale)
    assert bank.size == len(expected) == 19
    reader = kernels.FeatureReader(padded(a, bound), bound)
    found = np.concatenate([reader.rows(first, last) for first, last in kernels.slabs(24, 24 * 24)])
    for k, one in enumerate(expected):
        np.testing.assert_array_equal(found[:, k], one.astype("f4").reshape(-1), err_msg=str(k))


def test_slices_anywhere_in_a_block_have_the_same_features():
    a = scan(4)
    bound = FeatureBank([{"name": "structure_tensor_eigenvalues", "scale_vx": 1.5}]).bound(vr.from_array(a))
    whole = kernels.FeatureReader(padded(a, bound), bound).rows(0, 24).reshape(24, -1, 3)
    reader = kernels.FeatureReader(padded(a, bound), bound)
    for first, last in ((2, 3), (3, 9), (10, 11), (20, 21), (20, 24), (5, 6), (4, 7), (4, 5)):
        np.testing.assert_array_equal(reader.rows(first, last).reshape(last - first, -1, 3), whole[first:last])


def test_the_default_bank_is_intensity_edges_blobs_and_bending_at_four_scales():
    bank = FeatureBank.multiscale()
    assert bank.size == 1 + 4 * (1 + 1 + 1 + 3)
    assert bank.names[:5] == ["value", "gaussian 1 vx", "gaussian 2 vx", "gaussian 4 vx", "gaussian 8 vx"]
    assert bank.names[-1] == "hessian_eigenvalues 8 vx"


@pytest.mark.parametrize("masked", [False, True])
def test_is_scikit_learns_forest(masked):
    ensemble = pytest.importorskip("sklearn.ensemble", reason="scikit-learn is not installed")
    a = scan(3, "u1", 3)
    marks = phased(a)
    inside = np.zeros(a.shape, bool)
    inside[:, 4:20, 3:] = True
    image = stored(a, ((9, 15), (24,), (7, 7, 10)))
    model = PixelClassifier.train(image, vr.from_array(marks), features=dense.BANK, forest=SMALL, where=vr.from_array(inside) if masked else None)
    known = (marks > 0) & (inside | (not masked))
    table = dense.rows(a)
    peer = ensemble.RandomForestClassifier(random_state=0, **SMALL).fit(table[known], marks[known])
    expected = peer.predict_proba(table.reshape(-1, 5)).reshape(*a.shape, 3)
    np.testing.assert_array_equal(model.classify(image).compute(), peer.classes_[np.argmax(expected, axis=-1)])
    np.testing.assert_array_equal(model.uncertainty(image).compute(), (1 - expected.max(axis=-1)).astype("f4"))
    for k, label in enumerate((1, 2, 3)):
        np.testing.assert_array_equal(model.probability(image, label=label).compute(), expected[..., k].astype("f4"))
    part = model.classify(image, where=vr.from_array(inside))
    assert part.nodata == 255
    np.testing.assert_array_equal(part.compute(), np.where(inside, model.classify(image).compute(), 255))


def test_training_is_the_same_at_any_chunking_and_takes_few_of_many():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    a = scan(4, "u2", 3)
    marks = phased(a, (18000, 34000))
    options = {"features": FeatureBank.multiscale(scale_vx=[1, 3]), "forest": SMALL, "most": 100}
    found = {
        PixelClassifier.train(stored(a, chunks), stored(marks, other), **options).forest.identity
        for chunks, other in ((((24,),) * 3, ((24,),) * 3), (((9, 15), (24,), (7, 7, 10)), ((1, 23), (12, 12), (24,))), (((4,) * 6,) * 3, ((24,),) * 3))
    }
    assert len(found) == 1
    assert found != {PixelClassifier.train(vr.from_array(a), vr.from_array(marks), **options | {"most": 101}).forest.identity}


def test_samples_that_are_too_many_are_dropped_on_the_way(monkeypatch):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    a = scan(4, "u2", 3)
    marks = phased(a, (18000, 34000))
    options = {"features": FeatureBank("value"), "forest": SMALL, "most": 50}
    whole = PixelClassifier.train(vr.from_array(a), vr.from_array(marks), **options).forest.identity
    monkeypatch.setattr(trees, "_HELD", 60)
    assert PixelClassifier.train(vr.from_array(a), vr.from_array(marks), **options).forest.identity == whole


def test_finds_a_rock_better_than_a_threshold():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    rock = vr.generators.sandstone(shape=48, seed=1)
    noisy = vr.generators.ct_scan(rock, seed=1)
    rock = rock == 0  # pores
    slices = vr.from_function(lambda z, y, x: (z % 16 == 8) & (y >= 0) & (x >= 0), shape=48, dtype=bool)
    model = PixelClassifier.train(noisy, rock, features=FeatureBank.multiscale(scale_vx=[1, 2]), unlabelled=None, where=slices, forest=SMALL)
    unseen = ~slices
    learnt = vr.segmentation.compare(model.classify(noisy) == 1, rock, where=unseen)
    plain = vr.segmentation.compare(vr.segmentation.otsu(noisy, phase="dark"), rock, where=unseen)
    assert float(learnt["accuracy"]) > float(plain["accuracy"])


def test_slabs_do_not_matter(monkeypatch):
    image = vr.from_array(scan(5))
    whole = dense.classifier(image).classify(image).compute()
    monkeypatch.setattr(kernels, "_SLAB", 1000)
    np.testing.assert_array_equal(dense.classifier(image).classify(image).compute(), whole)
    np.testing.assert_array_equal(whole, dense.labels(scan(5)))


def test_a_model_comes_back_from_its_file(tmp_path):
    image = vr.from_array(scan(6), spacing="2 um")
    model = PixelClassifier(dense.BANK, Forest.of(dense.TREES), dense.CLASSES, ((2.0, 2.0, 2.0), "um"), "uint8", {4: vr.Phase("clay", "micro", porosity=0.3)})
    model.save(tmp_path / "model.npz")
    again = PixelClassifier.load(tmp_path / "model.npz")
    assert again.forest.identity == model.forest.identity
    assert (again.features, again.classes, again.voxel, again.dtype, again.phases) == (model.features, model.classes, model.voxel, model.dtype, model.phases)
    found = again.classify(image)
    assert found.phases == model.phases
    np.testing.assert_array_equal(found.compute(), model.classify(image).compute())
    assert found.fingerprint == model.classify(image).fingerprint
    with pytest.raises(ExistsError, match="overwrite=True"):
        model.save(tmp_path / "model.npz")
    with pytest.raises(MissingFileError, match=r"there is no folder .*nowhere for the model"):
        model.save(tmp_path / "nowhere" / "model.npz")
    model.save(tmp_path / "model.npz", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    micrometres = image.assign_grid(spacing="0.002 mm")
    np.testing.assert_array_equal(again.classify(micrometres).compute(), found.compute())
    curved = FeatureBank([("hessian_eigenvalues", 3), {"name": "structure_tensor_eigenvalues", "scale_vx": 1}, "value"])
    forest = Forest.of([dense.tree(seed, features=curved.size) for seed in range(3)])
    PixelClassifier(curved, forest, dense.CLASSES, ((2.0, 2.0, 2.0), "um"), "uint8").save(tmp_path / "curved.npz")
    bent = PixelClassifier.load(tmp_path / "curved.npz")
    assert bent.classify(micrometres).data.name == bent.classify(image).data.name  # the same bits: lengths are counted in the unit of training


def written(path, model, header=None, **arrays):
    model.save(path, overwrite=True)
    with np.load(path) as archive:
        parts = {name: archive[name] for name in archive.files} | arrays
    facts = json.loads(parts["header"].tobytes()) | (header or {})
    with path.open("wb") as file:
        np.savez(file, **parts | {"header": np.frombuffer(json.dumps(facts).encode(), "u1")})
    return path


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of a model file was run')",)


def test_damaged_models_are_refused(tmp_path):
    model = dense.classifier(vr.from_array(scan(1)))
    path, good = tmp_path / "model.npz", model.forest
    circle, far, root = good.nodes.copy(), good.nodes.copy(), good.roots.copy()
    circle[0, 1] = 0
    far[np.flatnonzero(far[:, 2] < 0)[0], 0] = 5
    root[1] = len(good.nodes)
    cases = [
        ({}, {"nodes": circle}, "do not lead to leaves"),
        ({}, {"nodes": far}, "do not lead to leaves"),
        ({}, {"roots": root}, "do not lead to leaves"),
        ({}, {"shares": good.shares[:, :2]}, "do not lead to leaves"),
        ({}, {"limits": np.array([Bomb()], object)}, "no model of voxelrock, or a damaged one"),
        ({"format": 2}, {}, "a newer voxelrock wrote"),
        ({"kind": "cat"}, {}, "is no model"),
        ({"features": [{"name": "texture of felt", "scale_vx": 1}]}, {}, "there is no feature 'texture of felt'"),
        ({"features": ["value"]}, {}, "do not lead to leaves"),
        ({"classes": [7, 4, 1]}, {}, "damaged model"),
        ({"spacing": None}, {}, "damaged model"),
        ({"spacing": [math.inf] * 3}, {}, "damaged model"),
        ({"unit": "parsec"}, {}, "unknown unit 'parsec'"),
        ({"format": 0}, {}, "damaged model: format 0"),
        ({}, {"shares": -good.shares}, "do not lead to leaves"),
    ]
    for header, arrays, words in cases:
        with pytest.raises(FormatError, match=words):
            PixelClassifier.load(written(path, model, header, **arrays))
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(FormatError, match="no model"):
        PixelClassifier.load(path)
    with pytest.raises(MissingFileError, match="there is no model"):
        PixelClassifier.load(tmp_path / "other.npz")


def test_flipped_bits_of_a_model_are_refused(tmp_path):
    path = tmp_path / "model.npz"
    dense.classifier(vr.from_array(scan(1))).save(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        nodes = archive.getinfo("nodes.npy")
    start = nodes.header_offset + 100
    for place in range(start, nodes.header_offset + nodes.compress_size, max(1, nodes.compress_size // 40)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
        with pytest.raises(FormatError, match="a damaged one"):
            PixelClassifier.load(path)


def test_images_of_another_kind_are_refused():
    image = vr.from_array(scan(1), spacing="2 um")
    model = dense.classifier(image)
    with pytest.raises(GridMismatchError, match=r"voxels of 2 × 2 × 2 um, and these are of 2\.5 × 2\.5 × 2\.5 um"):
        model.classify(vr.from_array(scan(1), spacing="2.5 um"))
    with pytest.raises(GridMismatchError, match="1 × 1 × 1 voxel"):
        model.classify(vr.from_array(scan(1)))
    with pytest.raises(ParameterError, match="learnt from grey values of uint8, and these are uint16"):
        model.classify(image.astype("u2"))
    with pytest.raises(ParameterError, match=r"leave them out with where=image\.valid"):
        model.classify(image.assign(nodata=0))
    with pytest.raises(GridMismatchError):
        model.classify(image, where=vr.full(shape=3, value=True))
    with pytest.raises(ParameterError, match="knows the labels 1, 4, 7; got 2"):
        model.probability(image, label=2)
    lost = vr.from_array(np.where(scan(1) == 60, np.nan, scan(1)).astype("f4"), spacing="2 um")
    with pytest.raises(DataError, match="NaN among the voxels to be classified"):
        dense.classifier(lost).classify(lost).compute()


def test_training_refuses(monkeypatch):
    image, marks = vr.from_array(scan(1)), vr.from_array(phased(scan(1)))
    bank = FeatureBank("value")
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'voxelrock\[learn\]'"):
        PixelClassifier.train(image, marks, features=bank)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", object())
    named = marks.assign(phases={1: vr.Phase("pore", "pore"), 2: vr.Phase("clay", "micro", porosity=0.5), 9: vr.Phase("pyrite", "solid")})
    cases = [
        (named, {}, DataError, r"no voxel is labelled 9 \(pyrite\)"),
        (marks, {"unlabelled": None, "where": marks == 0}, DataError, "two classes are needed"),
        (marks, {"most": 0}, ParameterError, "at least 1; got 0"),
        (vr.full(shape=3, value=1, dtype="u1"), {}, GridMismatchError, "grid"),
        (marks.astype("f4"), {}, ParameterTypeError, "grey values"),
        (marks.astype("i4"), {}, ParameterError, "booleans or integers of 8 or 16 bits"),
        (vr.from_array(phased(scan(1)).astype("u2") + np.uint16(300)), {}, ParameterError, "labels are 0 to 254; got 30"),
    ]
    for labels, options, error, words in cases:
        with pytest.raises(error, match=words):
            PixelClassifier.train(image, labels, features=bank, **options)
    with pytest.raises(ParameterTypeError, match="features= is a FeatureBank"):
        PixelClassifier.train(image, marks, features="value")


@pytest.mark.parametrize(
    ("factor", "forest", "error", "words"),
    [
        (1, {"trees": 5}, ParameterError, "parameters of scikit-learn's RandomForestClassifier.*trees"),
        (1, {"n_estimators": -5}, ParameterError, "parameters of scikit-learn's RandomForestClassifier.*n_estimators"),
        (np.inf, {}, DataError, "features beyond float32"),
    ],
)
def test_training_refuses_what_scikit_learn_does(factor, forest, error, words):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    image, marks = vr.from_array((scan(1) + 1.0) * factor), vr.from_array(phased(scan(1)))
    with pytest.raises(error, match=words):
        PixelClassifier.train(image, marks, features=FeatureBank("value"), forest=forest)


def test_banks_refuse():
    for wanted, words in (
        (["blur"], "there is no feature 'blur'; there are value, gaussian"),
        ([], "at least one feature"),
        (["value", "value"], "each feature once"),
        (["gaussian"], "either scale= "),
        ([3], "a feature is a name"),
        ([{"name": "value", "scale_vx": 1}], "it has no scale"),
    ):
        with pytest.raises(ParameterError, match=words):
            FeatureBank(wanted)
    with pytest.raises(ParameterTypeError, match="a bank is a list of features"):
        FeatureBank(None)
    with pytest.raises(ParameterError, match="less than 1000 voxels; got 0"):
        FeatureBank([{"name": "gaussian", "scale_vx": 0}]).bound(vr.full(shape=3, value=1, dtype="u1"))
    with pytest.raises(ParameterError, match="give either scale="):
        FeatureBank.multiscale(scale="2 um", scale_vx=2)
    flat = vr.full(shape=3, value=1, dtype="u1", spacing=vr.ZYX(z="9 um", y="1 um", x="1 um"))
    with pytest.raises(ParameterError, match="'laplacian_of_gaussian' need a scale that reaches a voxel along every axis; 1 um is"):
        FeatureBank([("laplacian_of_gaussian", "1 um")]).bound(flat)
