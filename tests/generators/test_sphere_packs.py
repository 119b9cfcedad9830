"""Given spheres: real packings, coordinates, periods."""

import pickle

import numpy as np
import pytest

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.generators import sphere_pack
from voxelrock.geometry import VoxelGrid
from voxelrock.geometry.axes import ZYX

ONE = {"z": [0.0], "y": [0.0], "x": [0.0]}


def test_finney_pack(real):
    centers = dict(zip("xyz", np.loadtxt(real("finney_pack_4021.txt")).T[1:]))  # the first column counts
    grid = VoxelGrid.of(shape=50, spacing=20 / 49, origin=-10)
    solid = sphere_pack(centers, 1.0, shape=grid).compute()
    assert solid.mean() == pytest.approx(0.6364, abs=5e-5)
    z, y, x = np.meshgrid(*[np.linspace(-10, 10, 50)] * 3, indexing="ij", sparse=True)
    expected = np.zeros((50, 50, 50), bool)
    for a, b, c in zip(centers["x"], centers["y"], centers["z"]):
        if max(abs(a), abs(b), abs(c)) < 11.1:
            expected |= (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 <= 1
    assert (solid != expected).sum() <= 2  # positions are rounded differently


def test_periodic_pack(real):
    x, y, z, _ = np.loadtxt(real("sphere_pack_periodic_621.txt")).T
    period = ZYX(x=55.185506, y=55.404375, z=55.540488)
    shape = ZYX(z=200, y=200, x=200)
    grid = VoxelGrid.of(shape=shape, spacing=ZYX(*(p / 200 for p in period)))
    pores = sphere_pack({"z": z, "y": y, "x": x}, 3.5, shape=grid, period=period, phase="pore")
    # 200³ points against the exact volume: the sphere's surface of 621 · 4π(12.7 voxels)² gives about 1e-4.
    assert pores.compute().mean() == pytest.approx(0.343242, abs=3e-4)
    assert pores.phases[1].role == "pore"
    twice = VoxelGrid.of(shape=ZYX(z=400, y=200, x=200), spacing=grid.spacing)
    again = sphere_pack({"z": z, "y": y, "x": x}, 3.5, shape=twice, period=period, phase="pore")[200:].compute()
    assert (again != pores.compute()).mean() < 1e-6


def test_origin_spacing_and_phase():
    grid = VoxelGrid.of(shape=ZYX(z=7, y=9, x=11), spacing=ZYX(z="2 um", y="1 um", x="1 um"), origin=ZYX(z="-6 um", y="-4 um", x="-5 um"))
    solid = sphere_pack(ONE, 4.0, shape=grid)
    z, y, x = np.meshgrid(np.arange(7) * 2 - 6, np.arange(9) - 4, np.arange(11) - 5, indexing="ij")
    assert (solid.compute() == (z**2 + y**2 + x**2 <= 16)).all()
    assert (sphere_pack(ONE, [4.0], shape=grid, phase="pore").compute() == ~solid.compute()).all()
    assert (sphere_pack(ONE, 4.0, shape=grid, block=(3, 4, 5)).compute() == solid.compute()).all()
    assert solid.phases[1].role == "solid"


def test_period_with_a_unit():
    solid = sphere_pack(ONE, 3.1, shape=20, spacing="1 um", period="0.01 mm").compute()
    assert (solid[10:, 10:, 10:] == solid[:10, :10, :10]).all()
    assert solid.mean() == pytest.approx(123 / 1000)


def test_a_pack_travels_once():
    random = np.random.default_rng(0)
    centers = dict(zip("zyx", random.uniform(0, 1_000, (3, 20_000))))
    image = sphere_pack(centers, 5.0, shape=1_000, block=100)
    graph = dict(image.data.__dask_graph__())
    assert len(graph) == 1_002
    one = pickle.dumps(graph[(image.data.name, 3, 4, 5)])
    assert len(one) < 4_000
    assert image[400:440, 400:440, 400:440].compute().any()


def test_bad_spheres_are_refused():
    with pytest.raises(ParameterTypeError, match="name the axes"):
        sphere_pack(np.zeros((5, 3)), 1.0, shape=4)
    with pytest.raises(ParameterError, match="as many numbers"):
        sphere_pack({"z": [1, 2], "y": [1, 2], "x": [1]}, 1.0, shape=4)
    with pytest.raises(ParameterError, match="radii"):
        sphere_pack(ONE, 0.0, shape=4)
    with pytest.raises(ParameterError, match="phase is"):
        sphere_pack(ONE, 1.0, shape=4, phase="rock")
    with pytest.raises(ParameterError, match="period"):
        sphere_pack(ONE, 1.0, shape=4, period=-3)
