"""Operations on phases, labels and basins: what they refuse, and how; what they answer where there is nothing."""

import math

import numpy as np
import pytest

import voxelrock as vr
from voxelrock.errors import DataError, ParameterError, ParameterTypeError, StorageError, UnitError
from voxelrock.testing import stored

L, M, G = vr.labels, vr.morphology, vr.segmentation
GREY, MASK = vr.zeros(shape=6, dtype="f4", spacing="2 um"), vr.zeros(shape=6, dtype="bool", spacing="2 um")
POINT = {"z": 0, "y": 0, "x": 0}

CONNECTED = {
    "label": lambda k: L.label(MASK, connectivity=k),
    "count": lambda k: L.count(MASK, connectivity=k),
    "percolating": lambda k: L.percolating(MASK, connectivity=k),
    "largest": lambda k: L.largest(MASK, connectivity=k),
    "remove_small": lambda k: L.remove_small(MASK, min_voxels=2, connectivity=k),
    "clear_border": lambda k: L.clear_border(MASK, connectivity=k),
    "floating_solid": lambda k: L.floating_solid(MASK, connectivity=k),
    "effective_porosity": lambda k: L.effective_porosity(MASK, connectivity=k),
    "fill_holes": lambda k: M.fill_holes(MASK, connectivity=k),
    "reconstruction": lambda k: M.reconstruction(GREY, GREY, connectivity=k),
    "h_maxima": lambda k: M.h_maxima(GREY, height=1, connectivity=k),
    "h_minima": lambda k: M.h_minima(GREY, depth=1, connectivity=k),
    "persistence": lambda k: M.persistence(GREY, connectivity=k),
    "watershed": lambda k: G.watershed(GREY, connectivity=k),
    "split_touching": lambda k: G.split_touching(MASK, connectivity=k),
    "hysteresis": lambda k: G.hysteresis(GREY, low=1, high=2, connectivity=k),
    "region_growing": lambda k: G.region_growing(GREY, seeds=POINT, low=1, high=2, connectivity=k),
}
SEGMENTED = {
    "label": L.label,
    "count": L.count,
    "percolating": L.percolating,
    "largest": L.largest,
    "remove_small": lambda image: L.remove_small(image, min_voxels=2),
    "clear_border": L.clear_border,
    "floating_solid": L.floating_solid,
    "connectivity": L.connectivity,
    "table": L.table,
    "keep": lambda image: L.keep(image, labels=1),
    "distance": M.distance,
    "erosion": lambda image: M.erosion(image, radius=5),
    "dilation": lambda image: M.dilation(image, radius=5),
    "opening": lambda image: M.opening(image, radius=5),
    "closing": lambda image: M.closing(image, radius=5),
    "fill_holes": M.fill_holes,
    "split_touching": G.split_touching,
}


@pytest.mark.parametrize("name", CONNECTED)
@pytest.mark.parametrize("wrong", [8, "6", None])
def test_neighbourhoods_are_those_there_are(name, wrong):
    with pytest.raises(ParameterError, match=r"number of neighbours: 6 .faces., 18 .and edges. or 26 .and corners.; got") as found:
        CONNECTED[name](wrong)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("name", SEGMENTED)
def test_grey_values_are_to_be_segmented_first(name):
    with pytest.raises(ParameterTypeError, match=r"vr\.segmentation\.otsu") as found:
        SEGMENTED[name](GREY)
    assert "float32" in str(found.value)
    with pytest.raises(ParameterTypeError, match=r"expected a VoxelImage; got ndarray \(vr\.from_array"):
        SEGMENTED[name](np.zeros((3, 3, 3), bool))


@pytest.mark.parametrize("operation", [M.erosion, M.dilation, M.opening, M.closing])
def test_radii_are_lengths(operation):
    for bad in ({"radius": -3}, {"radius_vx": -3}, {"radius": "-8 um"}, {"radius": math.nan}, {"radius": math.inf}):
        with pytest.raises(ParameterError, match="a radius is finite and not negative; got"):
            operation(MASK, **bad)
    with pytest.raises(UnitError, match="cannot read 'big' as a length"):
        operation(MASK, radius="big")


@pytest.mark.parametrize("border", ["open", "solid"])
def test_radii_beyond_the_image_have_an_answer(border):
    mask = np.ones((6, 7, 8), bool)
    mask[2, 3, 4] = False
    image = stored(mask, ((4, 2), (7,), (3, 5)))
    assert not M.erosion(image, radius=100, border=border).compute().any()
    assert not M.opening(image, radius=100, border=border).compute().any()
    assert M.dilation(~image, radius=100).compute().all()
    assert M.closing(image, radius=100).compute().all()


def test_an_empty_phase_has_an_answer():
    empty = stored(np.zeros((6, 7, 8), bool), ((4, 2), (7,), (3, 5)))
    for operation in (L.label, L.largest, L.clear_border, L.percolating, L.floating_solid, M.fill_holes, M.distance, G.split_touching):
        image = ~empty if operation is L.floating_solid else empty  # of pores everywhere: no solid
        assert not operation(image).compute().any(), operation
    assert not L.remove_small(empty, min_voxels=1).compute().any()
    assert int(L.count(empty)) == L.table(empty).sizes["label"] == 0
    for operation in (M.erosion, M.dilation, M.opening, M.closing):
        assert not operation(empty, radius=2).compute().any()
        assert operation(~empty, radius=2).compute().all()  # and a full one
    assert np.isinf(M.distance(~empty).compute()).all()
    assert (G.split_touching(~empty).compute() == 1).all()
    with pytest.raises(DataError, match="bulk volume is empty"):
        float(L.effective_porosity(~empty, where=empty))


def test_what_lies_outside_where_starts_nothing():
    image = vr.from_function(lambda z, y, x: x + 0 * (y + z), shape=8, dtype="u1")
    inside, outside = vr.Box(low={}, high={"x": 3}), vr.Box(low={"x": 5}, high={})
    spot = vr.zeros_like(image).where(~outside, 200)
    assert G.watershed(image, markers=spot, where=inside).compute().max() == 0
    assert not G.region_growing(image, seeds=spot > 0, low=0, high=9, where=inside).compute().any()
    assert M.reconstruction(spot, image.where(~inside, 100), where=inside).compute()[:, :, :4].max() == 0
    nowhere = spot > 250
    assert M.persistence(image, where=nowhere).sizes["label"] == 0
    for made in (G.watershed(image, where=nowhere), G.split_touching(image > 3, where=nowhere), L.label(image, where=nowhere)):
        assert not made.compute().any()


def test_a_scratch_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "notes").write_text("…")
    with vr.options.set(memory=2**20, scratch=str(tmp_path / "notes")), pytest.raises(StorageError, match=r"notes.*cannot be used.*options\.scratch"):
        M.distance(vr.from_array(np.ones((220, 220, 180), bool)))
