from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from voxelrock.errors import ExistsError, FormatError, MissingFileError, ParameterTypeError
from voxelrock.io.tables import save_table


def test_a_curve_has_its_units_in_the_first_line(tmp_path):
    curve = xr.DataArray(
        np.array([0.1, 1 / 3]),
        dims="radius",
        coords={"radius": ("radius", [1.5, 2.5], {"units": "um"})},
        name="saturation",
        attrs={"units": "1", "definition": "intruded volume over\nall resolved pore volume"},
    )
    path = save_table(curve, tmp_path / "curve.csv")
    first, second, *rows = path.read_text().splitlines()
    assert first == "# radius [um], saturation [1]; saturation: intruded volume over all resolved pore volume"
    assert second == "radius,saturation"
    assert len(rows) == 2
    back = pd.read_csv(path, comment="#")
    assert back["saturation"].tolist() == [0.1, 1 / 3]
    assert back["radius"].tolist() == [1.5, 2.5]


def test_tables_and_several_axes(tmp_path):
    table = xr.Dataset({"volume": ("label", [5, 6]), "sphericity": ("label", [0.5, 0.25])}, coords={"label": [1, 2]}, attrs={"description": "grains"})
    back = pd.read_csv(save_table(table, tmp_path / "a.csv"), comment="#")
    assert back.to_dict("list") == {"label": [1, 2], "volume": [5, 6], "sphericity": [0.5, 0.25]}
    assert (tmp_path / "a.csv").read_text().startswith("# label, volume, sphericity; grains\n")
    plane = xr.DataArray(np.arange(6).reshape(2, 3), dims=("z", "x"))
    back = pd.read_csv(save_table(plane, tmp_path / "b.csv"), comment="#")
    assert back["value"].tolist() == list(range(6))
    assert list(back) == ["z", "x", "value"]


def test_numbers_by_name(tmp_path):
    numbers = {"porosity": xr.DataArray(0.2, attrs={"units": "1", "definition": "pore over bulk"}), "phases": 3, "name": "plug"}
    path = save_table(numbers, tmp_path / "a.csv")
    assert path.read_text() == "name,value,unit,definition\nporosity,0.2,1,pore over bulk\nphases,3,,\nname,plug,,\n"
    assert save_table(xr.Dataset(numbers), tmp_path / "b.csv").read_text() == path.read_text()
    assert "porosity,0.2,1" in save_table(numbers["porosity"].rename("porosity"), tmp_path / "c.csv").read_text()


def test_refusals(tmp_path):
    save_table({"a": 1}, tmp_path / "a.csv")
    with pytest.raises(ExistsError, match="overwrite=True"):
        save_table({"a": 2}, tmp_path / "a.csv")
    assert "a,2" in save_table({"a": 2}, tmp_path / "a.csv", overwrite=True).read_text()
    with pytest.raises(FormatError, match=r"tables are written as .csv; got a.xlsx"):
        save_table({"a": 2}, tmp_path / "a.xlsx")
    with pytest.raises(MissingFileError, match="does not exist; create it first"):
        save_table({"a": 2}, tmp_path / "no" / "a.csv")
    with pytest.raises(ParameterTypeError, match="got ndarray"):
        save_table(np.zeros(3), tmp_path / "b.csv")
    with pytest.raises(ParameterTypeError, match="'a' is an array of 1 axes"):
        save_table({"a": np.zeros(3)}, tmp_path / "b.csv")
