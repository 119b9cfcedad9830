"""Registration: known transforms found again in noisy scans, and what it says where there is nothing to find."""

import math

import dask.array as da
import numpy as np
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from tests.registration.scans import DRY, EDGE, INVERTED, MIDDLE, NOISE, WET, scan
from voxelrock.errors import DataError, GridMismatchError, ParameterError, ParameterTypeError, UnitError
from voxelrock.kernels import alignment
from voxelrock.registration import Transform, register
from voxelrock.registration.pyramids import pyramid
from voxelrock.registration.searching import Comparison, displacement
from voxelrock.testing import stored

MOVED = {
    "translation": Transform.translation(x=3.37, y=-0.6),
    "rigid": Transform.rigid(angle=1.3, axis=(1, 2, 3), center=MIDDLE, shift=(3.37, -1.2, 0.8)),
    "affine": Transform.affine(matrix=np.eye(3) + [[0.01, 0.005, -0.003], [0, -0.012, 0.004], [0.006, 0, 0.008]], center=MIDDLE, shift=(3.37, -1.2, 0.8)),
}


def missed(found, truth, fixed):
    """Root of the mean square distance at the corners between the transform that was found and the true one, in micrometres."""
    inverse = truth.inverse()
    return displacement(Transform(inverse.matrix, inverse.shift, inverse.center, "um"), found.transform, fixed.grid)


@pytest.mark.parametrize(
    ("model", "metric", "levels", "spacing"),
    [
        ("rigid", "correlation", DRY, 1.0),
        ("rigid", "mutual information", INVERTED, 1.0),
        pytest.param("rigid", "mutual information", WET, 1.0, marks=pytest.mark.slow),
        pytest.param("rigid", "correlation", DRY, (2.0, 1.0, 1.5), marks=pytest.mark.slow),
        pytest.param("translation", "correlation", WET, 1.0, marks=pytest.mark.slow),
        pytest.param("affine", "mutual information", DRY, 1.0, marks=pytest.mark.slow),
    ],
)
def test_a_known_transform_is_found_again(model, metric, levels, spacing):
    """Contrast over noise 4, to 0.2 of the smallest voxel at the corners, 128 of them apart."""
    assert (EDGE, (DRY[1] - DRY[0]) / NOISE) == (128, 4)
    fixed, moving = scan(DRY, seed=1, spacing=spacing), scan(levels, MOVED[model], seed=2, spacing=spacing)
    found = register(moving, fixed, model=model, metric=metric)
    assert missed(found, MOVED[model], fixed) < 0.2
    assert found.converged
    assert not found.warnings
    assert found.factor == (1, 1, 1)
    assert found.after > found.before
    assert found.transform.kind == model
    assert found.transform.unit == "um"


SMALL = {"edge": 64}


def test_large_shifts_and_turns():
    truth = Transform.rigid(angle=8, axis="z", center=31.5, shift=(14, 0, -6))
    fixed, moving = scan(seed=1, **SMALL), scan(DRY, truth, seed=2, **SMALL)
    assert missed(register(moving, fixed), truth, fixed) < 0.3


def test_scans_of_different_resolution_and_place():
    """The moving scan has larger voxels, covers less, and counts in millimetres from elsewhere."""
    fixed, coarse = scan(seed=1), scan(DRY, MOVED["rigid"], seed=2, spacing=1.6)
    part = coarse[8:72, 4:70, 10:].to_unit("mm").assign_grid(origin="0.015 mm")
    away = np.array(part.to_unit("um").grid.origin) - np.array(coarse[8:72, 4:70, 10:].grid.origin)
    found = register(part, fixed)
    back = Transform.affine(matrix=np.eye(3), shift=tuple(-away), unit="um") @ found.transform
    inverse = MOVED["rigid"].inverse()
    assert displacement(Transform(inverse.matrix, inverse.shift, inverse.center, "um"), back, fixed.grid) < 0.3
    assert not found.warnings


def test_the_same_at_any_chunking():
    a, b = scan(seed=1, edge=40).compute(), scan(DRY, Transform.translation(x=2.2, z=-1), seed=2, edge=40).compute()
    ball = vr.Ball(center={"z": 20, "y": 20, "x": 20}, radius=17)
    whole = register(vr.from_array(b), vr.from_array(a), where=ball)
    for chunks in (((40,), (13, 27), (1, 38, 1)), ((7, 33), (40,), (20, 20))):
        assert register(stored(b, chunks), stored(a, chunks[::-1]), where=ball) == whole
        assert register(vr.from_array(da.from_array(b, chunks=chunks)), vr.from_array(da.from_array(a, chunks=chunks)), where=ball) == whole


def test_where_keeps_the_holder_out():
    """A holder that stays where it is, brighter than the rock, decides what is found unless it is left out."""
    truth = Transform.translation(y=4.0)
    fixed, moving = scan(seed=1, **SMALL), scan(DRY, truth, seed=2, **SMALL)
    frame = np.ones((64, 64, 64), bool)
    frame[:, 6:-6, 6:-6] = False
    texture = vr.from_array(np.where(frame, 60000 + 20000 * (np.indices(frame.shape).sum(axis=0) // 4 % 2), 0).astype("f4")).assign_grid(fixed.grid)
    inside = vr.from_array(~frame).assign_grid(fixed.grid)
    held = [image.where(inside, texture) for image in (moving, fixed)]
    deep = vr.Box(low={"y": 14, "x": 14}, high={"y": 49, "x": 49})
    assert missed(register(*held, model="translation"), truth, fixed) > 3
    assert missed(register(*held, model="translation", where=deep), truth, fixed) < 0.1


def test_voxels_without_data_are_left_out():
    truth = Transform.translation(y=2.5)
    fixed, moving = scan(seed=1, **SMALL), scan(DRY, truth, seed=2, **SMALL)
    plug = vr.Cylinder.inscribed(fixed.grid, axis="z")
    outside = [image.where(plug, other=math.nan).assign(nodata=math.nan) for image in (moving, fixed)]
    assert missed(register(*outside, model="translation"), truth, fixed) < 0.1
    zeros = [image.where(plug, other=0).assign(nodata=0) for image in (moving, fixed)]
    assert missed(register(*zeros, model="translation"), truth, fixed) < 0.1


def test_the_finest_level_is_what_fits_in_memory():
    fixed, moving = scan(seed=1), scan(DRY, MOVED["rigid"], seed=2)
    with vr.options.set(memory=2**22):
        found = register(moving, fixed)
    assert found.factor == (4, 4, 4) or found.factor == (2, 2, 2)
    assert found.spacing == vr.ZYX(*map(float, found.factor))
    assert missed(found, MOVED["rigid"], fixed) < 0.1 * found.factor.x
    assert f"voxels of {found.factor.x} × {found.factor.x} × {found.factor.x} um" in str(found)


def test_an_initial_transform_is_taken_as_it_is():
    truth = Transform.rigid(angle=40, axis="x", center=31.5)
    fixed, moving = scan(seed=1, **SMALL), scan(DRY, truth, seed=2, **SMALL)
    near = Transform.rigid(angle=-38, axis="x", center="31.5 um")
    assert missed(register(moving, fixed, initial=near), truth, fixed) < 0.2
    apart = moving.assign_grid(origin="10 mm")
    with pytest.raises(ParameterError, match=r"the images do not overlap: the fixed one goes from .* give initial=Transform\.translation"):
        register(apart, fixed)
    beside = Transform.translation(z="10 mm", y="10 mm", x="10 mm") @ near
    assert register(apart, fixed, initial=beside).after > 0.9


def test_warnings_where_nothing_fits():
    fixed, other = scan(seed=1, **SMALL), scan(seed=2, rock_seed=7, **SMALL)
    found = register(other, fixed)
    assert any("is it the same rock?" in text for text in found.warnings)
    assert "warning: " in str(found)
    inverted = register(scan(INVERTED, seed=2, **SMALL), fixed, model="translation")
    assert any("metric='mutual information'" in text for text in inverted.warnings)


def noisy(seed):
    return ndi.gaussian_filter(np.random.default_rng(seed).normal(size=(24, 26, 22)), 2).astype("f4")


@pytest.mark.parametrize("metric", ["correlation", "mutual_information"])
@pytest.mark.parametrize("model", ["translation", "rigid", "affine"])
def test_derivatives_are_those_of_the_metric(metric, model):
    """By central differences, through a transform, with anisotropic spacing, on samples none of which leave the overlap."""
    a = vr.from_array(noisy(1)).assign_grid(spacing=(2.0, 1.0, 1.5))
    b = vr.from_array(noisy(1) + 0.3 * noisy(2)).assign_grid(spacing=(2.0, 1.1, 1.4), origin=(0.5, 0.2, 1))
    inner = vr.Box(low={"z": 10, "y": 6, "x": 8}, high={"z": 38, "y": 20, "x": 25})
    comparison = Comparison(pyramid(a, b, inner)[-1], metric, np.array([20.0, 12, 15]), 8.0)
    transform = Transform.rigid(angle=3, axis=(1, 2, 3), shift=(0.2, 0.3, -0.1), center=(20, 12, 15))
    vector = 0.3 * np.random.default_rng(4).normal(size={"translation": 3, "rigid": 6, "affine": 12}[model])
    _, slopes, overlap = comparison(transform, vector)
    assert overlap == 1
    for k in range(vector.size):
        step = np.eye(vector.size)[k] * 1e-5
        change = (comparison(transform, vector + step)[0] - comparison(transform, vector - step)[0]) / 2e-5
        assert slopes[k] == pytest.approx(change, rel=2e-3, abs=2e-5)


def test_mutual_information_of_known_classes():
    """Of two equal images of two classes ln 2, of independent ones 0: to the width of the spline."""
    fixed = np.repeat([0, 31], 5000)
    values = np.where(fixed > 0, 1.0, 0.0)
    good = np.ones(10000, bool)
    assert alignment.mutual_information(fixed, values, good, 0.0, 1.0)[0] == pytest.approx(math.log(2), rel=1e-12)
    assert alignment.mutual_information(fixed, np.tile([0.0, 1.0], 5000), good, 0.0, 1.0)[0] == pytest.approx(0, abs=1e-12)


def plain(seed=1):
    return vr.from_array(noisy(seed))


BAD = [
    (lambda: register(plain(), plain(), model="elastic"), ParameterError, "model is one of translation, rigid, affine; got 'elastic'"),
    (lambda: register(plain(), plain(), metric="squares"), ParameterError, "metric is 'correlation' or 'mutual information'; got 'squares'"),
    (lambda: register(plain(), plain().assign_grid(spacing="2 um")), ParameterError, "the moving image has no physical unit"),
    (lambda: register(noisy(1), plain()), ParameterTypeError, "expected a VoxelImage; got ndarray"),
    (lambda: register(plain(), plain(), initial="near"), ParameterTypeError, "initial= is a Transform.*got str"),
    (lambda: register(plain(), plain(), initial=Transform.translation(x="1 mm")), UnitError, "cannot convert mm to voxel"),
    (lambda: register(plain()[:7], plain()), ParameterError, r"at least 8 voxels along each axis; the moving image has \(7, 26, 22\)"),
    (lambda: register(plain(), vr.zeros(shape=20)), DataError, r"the fixed image is constant \(0\)"),
    (lambda: register(vr.full(shape=20, value=3.5), plain()), DataError, r"the moving image is constant \(3.5\)"),
    (lambda: register(plain(), plain(), where=vr.ones(shape=9, dtype=bool)), GridMismatchError, "the images lie on different grids"),
    (
        lambda: register(plain(), plain(), where=vr.zeros(shape=vr.ZYX(24, 26, 22), dtype=bool)),
        DataError,
        "the fixed image holds data in 0 voxels.*widen where=",
    ),
    (lambda: register(plain() * math.nan, plain()), DataError, r"the moving image holds NaN.*assign\(nodata=…\)"),
]


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
