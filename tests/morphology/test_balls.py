"""Erosion and its kin against explicit neighbourhoods, and what is known of them without any."""

import math

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from tests.morphology.test_distance import cut, rock
from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.morphology import closing, dilation, erosion, opening


def element(radius, spacing=(1, 1, 1)):
    """All voxels x with |x|² < radius²."""
    reach = [int(radius / s) + 1 for s in spacing]
    z, y, x = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    return (z * spacing[0]) ** 2 + (y * spacing[1]) ** 2 + (x * spacing[2]) ** 2 < radius**2 - 1e-9


@given(st.floats(1.01, 6), st.sampled_from([5, 12, 40]), st.sampled_from(["open", "solid"]))
def test_equals_explicit_balls(radius, block, border):
    mask, footprint = rock((20, 23, 21), level=0.8), element(radius)
    image = cut(mask, block)
    core = ndi.binary_erosion(mask, footprint, border_value=border == "open")
    grown = ndi.binary_dilation(mask, footprint)
    np.testing.assert_array_equal(erosion(image, radius=radius, border=border).compute(), core)
    np.testing.assert_array_equal(dilation(image, radius=radius).compute(), grown)
    np.testing.assert_array_equal(opening(image, radius=radius, border=border).compute(), ndi.binary_dilation(core, footprint))
    np.testing.assert_array_equal(closing(image, radius=radius).compute(), ndi.binary_erosion(grown, footprint, border_value=True))


@pytest.mark.parametrize("spacing", [(2.5, 1.0, 1.0), (math.pi, 1.1, 1.0)])
@pytest.mark.parametrize("block", [6, 40])
def test_balls_are_physical(spacing, block):
    mask = rock(level=0.8)
    image = cut(mask, block, spacing=spacing, unit="um")
    np.testing.assert_array_equal(erosion(image, radius="4 um").compute(), ndi.binary_erosion(mask, element(4, spacing), border_value=True))
    np.testing.assert_array_equal(erosion(image, radius_vx=4).compute(), ndi.binary_erosion(mask, element(4), border_value=True))


@pytest.mark.parametrize("spacing", [0.1, 0.7, 3e-3, 1.1])
def test_a_radius_of_whole_voxels_does_not_depend_on_the_unit(spacing):
    mask = rock()
    image = cut(mask, 16, spacing=(spacing,) * 3, unit="mm")
    for voxels in (2, 3, 6):
        np.testing.assert_array_equal(erosion(image, radius=voxels * spacing).compute(), erosion(cut(mask, 16), radius=voxels).compute())


@pytest.mark.parametrize("width", range(1, 12))
@pytest.mark.parametrize("radius", [1.5, 2, 2.5, 4])
def test_slits(width, radius):
    mask = np.zeros((20, 9, 9), bool)
    mask[4 : 4 + width] = True
    image, most = cut(mask, 10), math.ceil(radius) - 1
    kept = erosion(image, radius=radius).compute()
    assert kept[:, 4, 4].sum() == max(0, width - 2 * most)
    opened = opening(image, radius=radius).compute()
    assert opened.sum() == (mask.sum() if width >= 2 * most + 1 else 0)


@pytest.mark.parametrize("footprint", ["cube", "cross"])
@pytest.mark.parametrize("radius", [1, 3, (0, 2, 1)])
@pytest.mark.parametrize("border", ["open", "solid"])
def test_cubes_and_crosses(footprint, radius, border):
    mask = rock((19, 17, 22), level=0.8)
    z, y, x = radius if isinstance(radius, tuple) else (radius,) * 3
    window = np.ones((2 * z + 1, 2 * y + 1, 2 * x + 1), bool)
    if footprint == "cross":
        i, j, k = np.ogrid[-z : z + 1, -y : y + 1, -x : x + 1]
        window = (i != 0).astype(int) + (j != 0) + (k != 0) <= 1
    for block in (4, 17):
        image = cut(mask, block)
        found = erosion(image, radius_vx=radius, footprint=footprint, border=border).compute()
        np.testing.assert_array_equal(found, ndi.binary_erosion(mask, window, border_value=border == "open"))
        np.testing.assert_array_equal(dilation(image, radius_vx=radius, footprint=footprint).compute(), ndi.binary_dilation(mask, window))


@given(st.floats(1.1, 5), st.booleans())
def test_what_openings_and_closings_do(radius, plug):
    mask = rock((27, 24, 26), level=0.6)
    image = cut(mask, 15)
    where = vr.Cylinder.inscribed(image.grid) if plug else None
    inside = image.restriction(where).compute()
    opened = opening(image, radius=radius, where=where)
    closed = closing(image, radius=radius, where=where)
    assert not (opened.compute() & ~(mask & inside)).any()
    assert not (mask & inside & ~closed.compute()).any()
    np.testing.assert_array_equal(opening(opened, radius=radius, where=where).compute(), opened.compute())
    np.testing.assert_array_equal(closing(closed, radius=radius, where=where).compute(), closed.compute())
    np.testing.assert_array_equal(closed.compute(), ~opening(~image, radius=radius, where=where).compute() & inside)


@pytest.mark.parametrize("border", ["open", "solid"])
@pytest.mark.parametrize("block", [6, 20])
def test_in_a_cylinder(border, block):
    mask = rock((18, 22, 20), level=0.8)
    image = cut(mask, block)
    plug = vr.Cylinder.inscribed(image.grid, margin=2)
    inside, footprint = image.restriction(plug).compute(), element(3.2)
    seen = mask & inside if border == "solid" else mask | ~inside
    core = ndi.binary_erosion(seen, footprint, border_value=border == "open") & mask & inside
    found = erosion(image, radius=3.2, border=border, where=plug)
    np.testing.assert_array_equal(found.compute(), core)
    np.testing.assert_array_equal(found.valid.compute(), inside)
    np.testing.assert_array_equal(dilation(image, radius=3.2, where=plug).compute(), ndi.binary_dilation(mask & inside, footprint) & inside)
    opened = opening(image, radius=3.2, border=border, where=plug)
    np.testing.assert_array_equal(opened.compute(), ndi.binary_dilation(core, footprint) & inside)
    assert float(vr.statistics.porosity(opened)) == opened.compute()[inside].mean()


def test_masks_of_one_value():
    for value in (False, True):
        image = cut(np.full((9, 9, 9), value), 4)
        for operation in (erosion, dilation, opening, closing):
            assert (operation(image, radius=3).compute() == value).all()
            assert (operation(image, radius=30).compute() == value).all()


def test_refusals():
    image = cut(rock(), 16, spacing="2 um")
    for bad, message in (
        ({}, "either radius="),
        ({"radius": 3, "radius_vx": 3}, "either radius="),
        ({"radius": 2}, "would change nothing"),
        ({"radius_vx": 0, "footprint": "cube"}, "would change nothing"),
        ({"radius": 3, "footprint": "cube"}, "radius_vx=1"),
        ({"radius": -3}, "not negative"),
        ({"radius_vx": 1.5, "footprint": "cross"}, "whole number"),
        ({"radius_vx": 1, "footprint": "star"}, "'ball', 'cube' or 'cross'"),
        ({"radius": 4, "border": "wrap"}, "'open' or 'solid'"),
    ):
        with pytest.raises(ParameterError, match=message):
            erosion(image, **bad)
    with pytest.raises(ParameterTypeError, match="boolean"):
        closing(image.astype("u1"), radius=4)
    with pytest.raises(ParameterTypeError, match="is a number"):
        erosion(image, radius_vx=(1, 2, 3))
