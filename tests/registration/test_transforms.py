"""Transforms: formulas, files that ITK wrote, and files that are none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from voxelrock.errors import ExistsError, FormatError, MissingFileError, ParameterError, ParameterTypeError, UnitError
from voxelrock.registration import Transform

HEADER = "#Insight Transform File V1.0\n"
EULER = "#Transform 0\nTransform: Euler3DTransform_double_3_3\nParameters: 0.1 -0.2 0.3 1 2 3\nFixedParameters: 1.5 -2.5 3.25 0\n"
VERSOR = (
    "#Transform 0\nTransform: VersorRigid3DTransform_double_3_3\nParameters: 0.026681602917391797 0.05336320583478359 0.08004480875217539 3 2 1\n"
    "FixedParameters: 1.5 -2.5 3.25\n"
)
SIMILARITY = (
    "#Transform 0\nTransform: Similarity3DTransform_double_3_3\nParameters: 0.06522014797839112 0.03261007398919556 -0.13044029595678225 1 2 3 1.2\n"
    "FixedParameters: 1.5 -2.5 3.25\n"
)
AFFINE = "#Transform 0\nTransform: AffineTransform_double_3_3\nParameters: 1 0.1 0.2 0.3 1.1 0.4 -0.2 0.1 0.9 4 5 6\nFixedParameters: 1.5 -2.5 3.25\n"
numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
vectors = st.tuples(numbers, numbers, numbers)


def random_transform(seed, unit="um"):
    rng = np.random.default_rng(seed)
    return Transform.affine(matrix=np.eye(3) + 0.3 * rng.normal(size=(3, 3)), shift=rng.normal(size=3), center=rng.normal(size=3) * 100, unit=unit)


def test_a_turn_is_right_handed_in_xyz():
    assert Transform.rigid(angle=90, axis="z").apply(vr.ZYX(z=0, y=0, x=1)) == (0, 1, 0)
    assert Transform.rigid(angle=90, axis="x").apply(vr.ZYX(z=0, y=1, x=0)) == (1, 0, 0)
    assert Transform.rigid(angle=90, axis="y").apply(vr.ZYX(z=1, y=0, x=0)) == (0, 0, 1)
    tilted = Transform.rigid(angle=120, axis=(1, 1, 1)).apply(np.eye(3))  # turns the axes into one another
    np.testing.assert_allclose(tilted, [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-15)  # z to x, y to z, x to y


def test_composition_and_inverse():
    first, second, points = random_transform(1), random_transform(2, "mm"), np.random.default_rng(3).normal(size=(4, 5, 3))
    through = second.apply(first.apply(points) * 1e-3)
    np.testing.assert_allclose((second @ first).apply(points * 1e-3), through, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(first.inverse().apply(first.apply(points)), points, atol=1e-11)
    assert (second @ first).unit == "mm"
    assert first.to_unit("um") is first
    np.testing.assert_allclose(first.offset, first.apply(np.zeros(3)))


def test_kinds_and_angles():
    assert Transform.identity().kind == "translation"
    assert Transform.translation(z="2 um", x=3).shift == (2, 0, 3)
    turn = Transform.rigid(angle=-1.3, axis=(1, 2, 3), shift="1 mm", center="5 um", unit="um")
    assert (turn.kind, turn.center) == ("rigid", (5, 5, 5))
    assert turn.shift == pytest.approx((1000, 1000, 1000))
    assert turn.angle == pytest.approx(1.3, abs=1e-9)
    assert Transform.affine(matrix=np.diag([1, 1, -1])).kind == "affine"
    assert str(turn).startswith("rigid (z=1000, y=1000, x=1000) um, turned by 1.3°")


@given(st.tuples(vectors, vectors, vectors), vectors, vectors, st.sampled_from(["nm", "um", "mm", "cm", "m", "in", "voxel"]))
def test_files_give_the_same_numbers_again(tmp_path_factory, matrix, shift, center, unit):
    if not abs(np.linalg.det(matrix)) > 1e-6 * max(1e-300, np.abs(matrix).max()) ** 3:
        return
    made = Transform(matrix, shift, center, unit)
    path = made.save(tmp_path_factory.getbasetemp() / "round.tfm", overwrite=True)
    assert Transform.load(path) == made


def test_files_are_in_millimetres_and_xyz(tmp_path):
    path = Transform.rigid(angle=90, axis="z", shift=vr.ZYX(z=1, y=2, x=3.37), unit="um").save(tmp_path / "turn.tfm")
    text = path.read_text()
    assert "Parameters: 0.0 -1.0 0.0 1.0 0.0 0.0 0.0 0.0 1.0 0.00337 0.0020 0.0010\n" in text
    assert Transform.load(path, unit="mm").shift == (0.001, 0.002, 0.00337)
    with pytest.raises(ExistsError, match="overwrite=True"):
        Transform.identity().save(path)


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (EULER, (1.7112339079215655, 4.593347337229509, 0.5055974240723358)),
        (EULER.replace("3.25 0", "3.25 1"), (1.6192968478481564, 4.567546435595293, 0.4961460671237705)),
        (VERSOR, (2.6148606843942748, 4.133320282353133, -1.6271670830335134)),
        (SIMILARITY, (2.981551465822453, 5.85364240973151, -0.47081366465589713)),
        (AFFINE, (4.2, 4.8, 4.175)),
        ("#Transform 0\nTransform: CompositeTransform_double_3_3\n" + EULER + VERSOR + SIMILARITY, (2.324058456021409, 10.709961004259913, 5.580640022967479)),
        ("#Transform 0\nTransform: TranslationTransform_double_3_3\nParameters: 1 2 3\nFixedParameters: \n", (2, 4, 0)),
        ("#Transform 0\nTransform: IdentityTransform_double_3_3\nParameters: \nFixedParameters: \n", (1, 2, -3)),
    ],
    ids=["euler", "euler zyx", "versor", "similarity", "affine", "composite", "translation", "identity"],
)
def test_files_of_itk(tmp_path, text, there):
    """Where SimpleITK 2.5.7 takes the point (x=1, y=2, z=-3)."""
    path = tmp_path / "itk.tfm"
    path.write_text(HEADER + text)
    found = Transform.load(path)
    assert found.unit == "mm"
    np.testing.assert_allclose(found.apply(np.array([-3.0, 2.0, 1.0]))[::-1], there, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\n", "is no transform in ITK's text format"),
        (HEADER, "holds no transform"),
        (HEADER + "Transform: BSplineTransform_double_3_3\nParameters: 1\n", "holds a BSplineTransform_double_3_3; read are"),
        (HEADER + "Transform: AffineTransform_double_2_2\nParameters: 1 0 0 1 0 0\nFixedParameters: 0 0\n", "holds a AffineTransform_double_2_2"),
        (HEADER + AFFINE.replace("4 5 6", "4 5"), "has 12 parameters; got 11"),
        (HEADER + AFFINE.replace("4 5 6", "4 5 __import__('os')"), "not all numbers"),
        (HEADER + AFFINE.replace("4 5 6", "4 5 nan"), "not all finite"),
        (HEADER + "Parameters: 1 2 3\n", "is not 'Name: values'"),
        (HEADER + AFFINE + "Command: rm\n", "has an entry 'Command'"),
        (HEADER + AFFINE + " " * 2_000_000, "too large"),
    ],
)
def test_files_that_are_no_transforms(tmp_path, text, message):
    path = tmp_path / "bad.tfm"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        Transform.load(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match=r"there is no file .*none\.tfm"):
        Transform.load(tmp_path / "none.tfm")


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Transform.affine(matrix=np.ones((3, 3))), ParameterError, "determinant of this matrix is 0"),
        (lambda: Transform.affine(matrix=np.eye(4)), ParameterTypeError, r"three rows of three numbers.*shape \(4, 4\)"),
        (lambda: Transform.affine(matrix="turn"), ParameterTypeError, "three rows of three numbers"),
        (lambda: Transform(shift=(1, 2, np.nan)), ParameterError, "the shift of a transform is three numbers.*all finite"),
        (lambda: Transform.rigid(angle=3, axis="w"), ParameterError, "axis of a rotation is 'z', 'y', 'x'"),
        (lambda: Transform.rigid(angle=3, axis=(0, 0, 0)), ParameterError, "has no length"),
        (lambda: Transform.rigid(angle=np.inf), ParameterError, "finite, in degrees"),
        (lambda: Transform.identity().apply([1, 2]), ParameterTypeError, "last axis is"),
        (lambda: Transform.identity().to_unit("mm"), UnitError, "physical size of a voxel is unknown"),
        (lambda: Transform.identity() @ 3, TypeError, "unsupported operand"),
    ],
)
def test_what_is_no_transform(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
