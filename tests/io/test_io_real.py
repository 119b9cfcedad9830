"""Every real image opens with its stated shape, type and porosity."""

from __future__ import annotations

import numpy as np
import pytest
from io_dense import reopen, whole

from voxelrock.geometry import ZYX
from voxelrock.io.shapes import possible_shapes

FILES = [
    ("berea_400.tif", {}, (400, 400, 400), "u1", (0, 0.196453)),
    ("ketton_256.tif", {}, (256, 256, 256), "u1", (0, 0.126862)),
    ("leopard_100.npy", {}, (100, 100, 100), "i1", (1, 0.262235)),
    ("berea_110_u1.raw", {"shape": 110, "dtype": "u1"}, (110, 110, 110), "u1", (0, 0.177884)),
    ("plug_slices", {}, (50, 320, 400), "u2", None),
    ("grey_rock_100.npy", {}, (100, 100, 100), "u2", None),
    ("grey_sandstone_200x100x100_u2le.raw", {"shape": ZYX(200, 100, 100), "dtype": "<u2"}, (200, 100, 100), "u2", None),
    ("pair_grey_50_u2le.raw", {"shape": (50, 50, 50), "dtype": "<u2"}, (50, 50, 50), "u2", None),
    ("pair_labels_50_u2le.raw", {"shape": 50, "dtype": "<u2"}, (50, 50, 50), "u2", (5, 0.0796)),
    ("grey_cement_128.tif", {}, (128, 128, 128), "u1", None),
    ("grey_limestone_slice_1008x980.tiff", {}, (1, 1008, 980), "u2", None),
    ("two_fluid_250x300x300.tif", {}, (250, 300, 300), "u1", (2, 0.773333)),
    ("cast_iron_100_u1.raw", {"shape": 100, "dtype": "u1"}, (100, 100, 100), "u1", (87, 0.113944)),
    ("anisotropic_500.tif", {}, (500, 500, 500), "u1", (255, 0.30)),
]


@pytest.mark.parametrize(("name", "said", "shape", "dtype", "fraction"), FILES, ids=[f[0] for f in FILES])
def test_it_opens_as_stated(real, name, said, shape, dtype, fraction):
    scan = reopen(real(name), **said)
    assert scan.source.shape == shape
    assert scan.source.dtype == np.dtype(dtype)
    assert scan.spacing is None
    if fraction is not None:
        value, expected = fraction
        assert np.mean(whole(scan) == value) == pytest.approx(expected, abs=5.1e-7 if expected != 0.0796 else 5e-5)


def test_the_range_of_a_noisy_scan(real):
    values = whole(reopen(real("grey_rock_100.npy")))
    assert (values.min(), values.max()) == (11506, 30414)


@pytest.mark.parametrize("name", [f[0] for f in FILES if f[0].endswith(".raw")])
def test_the_shape_of_a_raw_file_is_found_by_its_name(real, name):
    shape, dtype = next((f, d) for n, _, f, d, _ in FILES if n == name)
    best = possible_shapes(real(name))[0]
    assert (tuple(best.shape), np.dtype(best.dtype)) == (shape, np.dtype(dtype))
    assert best.why == "named in the file name"


def test_the_spacing_that_a_bounding_box_implies_is_told(real):
    assert "implies a spacing of 3.58, 3.58, 3.58" in reopen(real("two_fluid_250x300x300.tif")).notes[0]
