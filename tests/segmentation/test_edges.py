"""The threshold in the middle of the walls: against the whole array at once, and on rock that is known."""

import numpy as np
import pytest

import voxelrock as vr
from tests.segmentation.edges_dense import edge_threshold as dense
from voxelrock.errors import DataError, ParameterError
from voxelrock.testing import stored


def scan(kind, size=64, noise=3750, **options):
    rock = getattr(vr.generators, kind)(shape=size, seed=1)
    return rock, stored(vr.generators.ct_scan(rock, noise=noise, seed=2, **options).compute(), ((40, size - 40),) * 3)


@pytest.mark.parametrize("kind", ["sandstone", "carbonate", "tight"])
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_it_is_that_of_the_whole_array(kind, scale):
    _, image = scan(kind)
    found = float(vr.segmentation.edge_threshold(image, scale_vx=scale))
    assert found == pytest.approx(dense(image.compute(), scale), abs=0.004 * 15000 * 2)  # 256 bins of extremes, 1024 of greys and slopes


def test_only_what_is_wholly_inside_counts():
    _, image = scan("sandstone", 72)
    a = image.compute()
    _, y, x = np.ogrid[:72, :72, :72]
    inside = np.broadcast_to((y - 35.5) ** 2 + (x - 35.5) ** 2 < 34**2, a.shape)
    core = np.where(inside, a, 0).astype("u2")
    found = float(vr.segmentation.edge_threshold(stored(core), where=stored(np.ascontiguousarray(inside))))
    assert found == pytest.approx(dense(core, counted=inside), abs=120)
    assert found == pytest.approx(float(vr.segmentation.edge_threshold(image)), abs=500)
    empty = np.where(inside, a, np.nan).astype("f4")
    assert float(vr.segmentation.edge_threshold(stored(empty).assign(nodata=np.nan))) == pytest.approx(found, abs=120)


@pytest.mark.parametrize(("kind", "porosity_within"), [("sandstone", 0.01), ("carbonate", 0.01), ("tight", 0.01)])
def test_it_finds_the_pores_of_rock_of_many_minerals(kind, porosity_within):
    rock, image = scan(kind, 96)
    quiet = vr.filters.non_local_means(image, search_vx=2)
    pores = [label for label, phase in rock.phases.items() if phase.role == "pore"]
    found = vr.segmentation.threshold(quiet, high=vr.segmentation.edge_threshold(image))
    porosity, truth = (float(v) for v in vr.compute(vr.statistics.porosity(found), vr.statistics.porosity(rock.isin(pores))))
    assert abs(porosity - truth) < porosity_within
    if kind == "tight":  # where a criterion of the histogram cuts between minerals
        otsu = vr.segmentation.threshold(quiet, high=vr.segmentation.otsu_threshold(quiet))
        assert float(vr.statistics.porosity(otsu)) > 0.3


def test_what_has_no_walls_is_refused():
    with pytest.raises(DataError, match="no voxel lies on an edge"):
        float(vr.segmentation.edge_threshold(vr.full(shape=8, value=3, dtype="u1")))
    with pytest.raises(DataError, match="no voxel was counted"):
        float(vr.segmentation.edge_threshold(stored(np.arange(512.0).reshape(8, 8, 8)), where=stored(np.zeros((8, 8, 8), bool))))
    with pytest.raises(DataError, match="no voxel was counted"):
        float(vr.segmentation.edge_threshold(vr.zeros(shape=vr.ZYX(0, 5, 5))))
    with pytest.raises(DataError, match="NaN"):
        float(vr.segmentation.edge_threshold(stored(np.array([[[1, 2, np.nan, 4]]]))))
    for scale in (0, np.inf, np.nan):
        with pytest.raises(ParameterError, match="scale_vx is positive"):
            vr.segmentation.edge_threshold(vr.zeros(shape=8), scale_vx=scale)
