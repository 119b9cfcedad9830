"""Runs and components of one block against SciPy and ten lines of NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.labels import components_dense as dense
from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.kernels.components import CONNECTIVITIES, components, dual
from voxelrock.kernels.planes import Plane, assembled
from voxelrock.kernels.runs import find_runs, paint, paint_face
from voxelrock.kernels.surfaces import INSIDE, SIDES, face_code, region_code

shapes = st.tuples(st.integers(1, 6), st.integers(1, 7), st.sampled_from([1, 2, 5, 63, 64, 65, 130]))
masks = shapes.flatmap(lambda s: arrays.arrays(bool, s))
dtypes = st.sampled_from(["u1", "i2", "u4", "i8"])
labels = st.tuples(shapes, dtypes).flatmap(lambda p: arrays.arrays(p[1], p[0], elements=st.integers(0, 3)))
each = pytest.mark.parametrize("connectivity", CONNECTIVITIES)


@each
@given(masks)
def test_components_of_a_mask_are_scipys(connectivity, a):
    np.testing.assert_array_equal(components(a, connectivity=connectivity), dense.label(a, connectivity))


@each
@given(labels)
def test_components_of_labels_have_one_value(connectivity, a):
    np.testing.assert_array_equal(components(a, connectivity=connectivity), dense.label(a, connectivity))


def noise(density, shape=(40, 50, 70), seed=0):
    return np.random.default_rng(seed).random(shape) < density


CHESS = np.indices((9, 12, 70)).sum(0) % 2 == 0
CASES = {
    "nothing": np.zeros((4, 5, 6), bool),
    "all": np.ones((4, 5, 100), bool),
    "checkerboard": CHESS,
    "noise at 6's percolation": noise(0.3116),
    "noise at 26's percolation": noise(0.0976),
    "dense noise": noise(0.7),
    "no voxels": np.zeros((3, 0, 4), bool),
    "comb": np.broadcast_to(np.arange(130) % 2 == 0, (3, 7, 130)) | (np.indices((3, 7, 130))[1] == 6),
}


@each
@pytest.mark.parametrize("name", CASES)
def test_known_patterns(name, connectivity):
    np.testing.assert_array_equal(components(CASES[name], connectivity=connectivity), dense.label(CASES[name], connectivity))


@each
def test_any_memory_layout_and_read_only_blocks(connectivity):
    base = np.random.default_rng(4).integers(0, 3, (12, 11, 20)).astype("u2")
    base.flags.writeable = False
    for view in (base[::-1, ::2, ::-1], base.transpose(2, 0, 1), base[3:9, 2:, 5:], np.asfortranarray(base), base.astype(">u2")):
        np.testing.assert_array_equal(components(view, connectivity=connectivity), dense.label(view, connectivity))


def test_extreme_values_are_values():
    a = np.array([0, 2**63, 2**63 - 1, 2**64 - 1, 2**64 - 1, 1], "u8").reshape(1, 1, 6)
    assert components(a).tolist() == [[[0, 1, 2, 3, 3, 4]]]
    assert components(np.array([-(2**63), -1, -1, 0], "i8").reshape(1, 1, 4)).tolist() == [[[1, 2, 2, 0]]]


@given(labels)
def test_runs_give_back_the_block_and_its_faces(a):
    runs = find_runs(a)
    np.testing.assert_array_equal(paint(runs, runs.value, a.dtype), a)
    for axis, low in SIDES:
        face = np.take(a, 0 if low else -1, axis=axis)
        np.testing.assert_array_equal(paint_face(runs, runs.value, axis, low), face)
        plane = Plane.of(face.astype("i4"))
        np.testing.assert_array_equal(plane.dense(), face)
        assert len(plane.labels) == len(plane.ends)


def test_planes_fit_together():
    parts = [(Plane.of(np.full((2, 3), 1, "i4")), 0, 0), (Plane.of(np.full((2, 1), 2, "i4")), 0, 3), (Plane.of(np.zeros((1, 4), "i4")), 2, 0)]
    assert assembled(parts).tolist() == [[1, 1, 1, 2], [1, 1, 1, 2], [0, 0, 0, 0]]


@given(masks)
def test_codes_of_surfaces(a):
    extent = a.shape
    code = region_code(np.pad(a, 1, mode="edge"), extent=extent, start=(0, 0, 0), shape=extent, xp=np)
    np.testing.assert_array_equal(code & INSIDE > 0, a)
    for i, (axis, low) in enumerate(SIDES):
        np.testing.assert_array_equal(code >> i & 1 == 1, dense.end(a, axis, low))
    faces = face_code(np.pad(a, 1, mode="edge"))
    assert faces.dtype == np.uint8
    inner = sum(int((np.diff(a.astype("i1"), axis=axis) != 0).sum()) for axis in range(3))
    assert np.unpackbits(faces).sum() == inner


def test_connectivity_is_checked_and_has_a_dual():
    assert [dual(c) for c in CONNECTIVITIES] == [26, 6, 6]
    for wrong in (4, 8, "6", None, True, 6.5):
        with pytest.raises(ParameterError, match=r"6 .faces., 18 .and edges. or 26 .and corners.; got"):
            components(np.ones((2, 2, 2), bool), connectivity=wrong)
    with pytest.raises(ParameterTypeError, match="booleans or integers; got float32"):
        components(np.ones((2, 2, 2), "f4"))
