"""Random walks: against scikit-image's direct solution, at any chunking, and where nothing can be reached."""

import numpy as np
import pytest
from skimage.segmentation import random_walker as peer

import voxelrock as vr
from tests.segmentation.test_automatic import scan
from voxelrock.errors import DataError, GridMismatchError, ParameterError, ParameterTypeError, TooLargeError
from voxelrock.kernels.walks import walked
from voxelrock.testing import stored

G = vr.segmentation


def marked(shape=(12, 13, 14), labels=3):
    a = scan(3, "f8", 3)[: shape[0], : shape[1], : shape[2]] / 255
    marks = np.zeros(shape, "i4")
    places = np.random.default_rng(1).permutation(a.size)[:40]
    marks.reshape(-1)[places] = 1 + np.digitize(a.reshape(-1)[places], [0.8, 1.7][: labels - 1])
    return a, marks


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 1.0, 1.0)])
def test_is_the_direct_solution(labels, spacing):
    a, marks = marked(labels=labels)
    beta = 60.0
    ours = G.random_walker(
        vr.from_array(a, spacing=vr.ZYX(*spacing)), markers=vr.from_array(marks, spacing=vr.ZYX(*spacing)), beta=beta * a.std() / 10, tolerance=1e-10
    )
    assert set(np.unique(marks)) == set(range(labels + 1))
    np.testing.assert_array_equal(ours.compute(), peer(a, marks, beta=beta, mode="bf", spacing=spacing))


def test_chunks_do_not_matter_and_phases_stay():
    a, marks = marked()
    phases = {1: vr.Phase("pore", "pore"), 2: vr.Phase("clay", "micro", porosity=0.5), 3: vr.Phase("quartz", "solid")}
    whole = G.random_walker(vr.from_array(a), markers=vr.from_array(marks).assign(phases=phases))
    cut = G.random_walker(stored(a, ((5, 7), (1, 12), (14,))), markers=stored(marks, ((12,), (6, 7), (3, 11))))
    assert whole.phases == phases
    assert whole.dtype == marks.dtype
    assert whole.compute().tobytes() == cut.compute().tobytes()


def test_outside_nothing_exists():
    a, marks = marked()
    wall = np.ones(a.shape, bool)
    wall[:, 6] = False
    marks[:, 7:] = 0
    found = G.random_walker(vr.from_array(a), markers=vr.from_array(marks), where=vr.from_array(wall)).compute()
    assert not found[:, 6:].any()
    assert found[:, :6].all()
    part = a[:, :6].copy()
    beta = 2.0 * part.var() / a[wall].var()  # the same weights
    alone = G.random_walker(vr.from_array(part), markers=vr.from_array(marks[:, :6].copy()), beta=beta).compute()
    assert (found[:, :6] != alone).sum() <= 1
    lost = vr.from_array(np.where(wall, a, np.nan)).assign(nodata=float("nan"))
    np.testing.assert_array_equal(G.random_walker(lost, markers=vr.from_array(marks)).compute(), found)


def test_a_constant_image_is_parted_by_distance():
    marks = np.zeros((3, 3, 9), "u1")
    marks[:, :, 0], marks[:, :, 8] = 1, 2
    found = G.random_walker(vr.full(shape=vr.ZYX(3, 3, 9), value=5), markers=vr.from_array(marks)).compute()
    assert found[1, 1].tolist() == [1, 1, 1, 1, found[1, 1, 4], 2, 2, 2, 2]


def test_refusals(monkeypatch):
    a, marks = marked()
    image, known = vr.from_array(a), vr.from_array(marks)
    with pytest.raises(DataError, match="no voxel is marked"):
        G.random_walker(image, markers=known * 0)
    with pytest.raises(DataError, match="NaN or infinity"):
        G.random_walker(vr.from_array(np.where(a > 0.5, np.nan, a)), markers=known)
    with pytest.raises(ParameterTypeError, match="markers are labels"):
        G.random_walker(image, markers=known > 0)
    with pytest.raises(ParameterError, match="beta is finite"):
        G.random_walker(image, markers=known, beta=-1)
    with pytest.raises(GridMismatchError):
        G.random_walker(image, markers=vr.full(shape=3, value=1, dtype="u1"))
    with vr.options.set(array_limit=100_000), pytest.raises(TooLargeError, match="crop the image"):
        G.random_walker(image, markers=known)
    monkeypatch.setattr("voxelrock.kernels.walks._MOST", 3)
    with pytest.raises(DataError, match="did not converge in 3 iterations"):
        walked(a, marks, np.ones(a.shape, bool), 2.0, (1, 1, 1), 1e-9)
