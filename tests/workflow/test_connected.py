import numpy as np
import pytest
import scipy.ndimage as ndi

import voxelrock as vr
from voxelrock.workflow import Recipe, analyze

PORES = {1: vr.Phase("pore", "pore")}


def shares(pores, structure):
    """Effective, percolating (z, y, x) and isolated pores over all voxels, from SciPy's labels."""
    labels, count = ndi.label(pores, structure)
    faces = [labels.take(i, axis) for axis in range(3) for i in (0, -1)]
    joined = set(np.unique(np.concatenate([f.ravel() for f in faces]))) - {0}
    through = [(set(np.unique(faces[2 * a])) & set(np.unique(faces[2 * a + 1]))) - {0} for a in range(3)]
    effective = np.isin(labels, list(joined)).mean()
    return [effective, *(np.isin(labels, list(t)).mean() for t in through), pores.mean() - effective], count


@pytest.mark.parametrize("level", [0.2, 0.35, 0.7])
def test_connected_porosity_is_that_of_the_labels(tmp_path, level):
    pores = np.random.default_rng(5).random((30, 28, 26)) < level
    found = analyze(vr.from_array(pores.astype("u1"), block=13), out=tmp_path, recipe=Recipe.of(phases=PORES))
    for kind, structure in ((6, None), (26, np.ones((3, 3, 3)))):
        expected, count = shares(pores, structure)
        row = found["connected_porosity"].sel(connectivity=kind, of="bulk")
        np.testing.assert_allclose(row.sel(kind=["effective", "percolating_z", "percolating_y", "percolating_x", "isolated"]), expected, atol=1e-14)
        if kind == 6:
            assert int(found["components"]) == count
            assert float(found["effective_porosity"]) == pytest.approx(expected[0], abs=1e-14)
    apart = any("neighbours" in text for text in found.attrs["warnings"])
    assert apart == (level < 0.5)
    page = (tmp_path / "report.html").read_text()
    assert "Connected porosity" in page
    assert "26 neighbours, of pore" in page


def test_a_rock_without_pores_has_no_connected_ones():
    found = analyze(vr.zeros(shape=20, dtype=bool))
    assert float(found["porosity"]) == float(found["effective_porosity"]) == float(found["percolating_z_porosity"]) == 0
    assert not any("neighbours" in text for text in found.attrs["warnings"])


def test_the_surface_of_a_region_is_where_pores_open():
    pores = np.zeros((30, 30, 30), "u1")
    pores[15, 15, 2:28] = 1  # ends inside the image, and leaves the region
    region = "cylinder:axis=z,radius=8voxel,y=15voxel,x=15voxel"
    found = analyze(vr.from_array(pores), recipe=Recipe.of(roi=region, phases=PORES))
    assert float(found["effective_porosity"]) == float(found["porosity"]) > 0
    assert float(analyze(vr.from_array(pores), recipe=Recipe.of(roi="none", phases=PORES))["effective_porosity"]) == 0
