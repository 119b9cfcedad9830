"""Images and xarray: lazy both ways, coordinates computed from the grid and never stored."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from xarray.core.indexing import IndexSelResult

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import AXES, VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.geometry.units import VOXEL, canonical_unit
from voxelrock.image.metadata import Field, phases_from_json, phases_to_json
from voxelrock.image.validity import is_mask

NO_DATA = "no_data"
"""The coordinate of a mask that says where it holds no data."""


class GridIndex(xr.indexes.RangeIndex):
    """Coordinates of a regular grid: positions follow from arithmetic, so nothing is stored however long the axis.

    Selects single positions (exact, or ``method="nearest"``) and slices of positions (both ends included, as pandas does).
    """

    def isel(self, indexers: Any) -> Any:
        """A slice keeps the arithmetic; anything else becomes what xarray makes of it."""
        found = super().isel(indexers)
        return GridIndex(found.transform) if type(found) is xr.indexes.RangeIndex else found

    def sel(self, labels: dict[Any, Any], method: str | None = None, tolerance: Any = None) -> IndexSelResult:
        """Positions to indices."""
        ((name, label),) = labels.items()
        if isinstance(label, slice):
            if label.step is not None:
                raise ValueError("slices of positions take no step; use isel for every n-th voxel")
            return IndexSelResult({self.dim: slice(self._first(label.start, 0), self._last(label.stop))})
        found = super().sel({name: label}, method="nearest", tolerance=tolerance)
        if method is None:
            near = np.asarray(self.transform.forward({self.dim: np.asarray(found.dim_indexers[self.dim])})[self.coord_name], dtype=float)
            if np.any(np.abs(near - np.asarray(getattr(label, "values", label), dtype=float)) > 1e-9 * max(1.0, abs(self.step))):
                raise KeyError(f"{name}={label} is not the centre of a voxel; use method='nearest'")
        return found

    def _position(self, value: float) -> float:
        return (float(value) - float(self.start)) / float(self.step)

    def _first(self, value: Any, default: int) -> int:
        return default if value is None else min(self.size, max(0, math.ceil(self._position(value) - 1e-9)))

    def _last(self, value: Any) -> int:
        return self.size if value is None else min(self.size, max(0, math.floor(self._position(value) + 1e-9) + 1))


def coordinates(grid: VoxelGrid) -> xr.Coordinates:
    """Lazy coordinates of the voxel centres, with their unit."""
    found = xr.Coordinates()
    for axis, n, origin, spacing in zip(AXES, grid.shape, grid.origin, grid.spacing):
        index = GridIndex.arange(start=origin, stop=origin + (n - 0.5) * spacing, step=spacing, dim=axis)
        found = found | xr.Coordinates.from_xindex(index)
    return found


def to_dataarray(image: Any) -> xr.DataArray:
    """A lazy DataArray with an image's voxels, coordinates and metadata; where a mask holds no data is a coordinate of three dimensions."""
    attributes = {
        "long_name": image.field.name or "value",
        "units": image.field.unit or "1",
        "description": image.field.description,
        "grid_unit": image.grid.unit,
        "grid_spacing": list(image.grid.spacing),
        "grid_origin": list(image.grid.origin),
        "phases": json.dumps(phases_to_json(image.phases)),
        "history": json.dumps(list(image.history)),
    }
    places = coordinates(image.grid)
    if is_mask(image.nodata):
        places = places | xr.Coordinates({NO_DATA: (AXES, image.nodata, {"long_name": "no data here"})}, indexes={})
    elif image.nodata is not None:
        attributes["nodata"] = image.nodata
    array = xr.DataArray(image.data, dims=AXES, coords=places, name=image.field.name or "value", attrs=attributes)
    for axis in AXES:
        array[axis].attrs.update(units=image.grid.unit, axis=axis.upper(), long_name=axis)
    return array


def from_dataarray(array: xr.DataArray, axes: Mapping[Hashable, str] | None = None) -> dict[str, Any]:
    """The fields of the image that a DataArray is.

    Raises
    ------
    ParameterError, ParameterTypeError
        It is no DataArray, its dimensions are not z, y and x, or its coordinates are not evenly spaced.
    """
    if not isinstance(array, xr.DataArray):
        raise ParameterTypeError(f"expected an xarray.DataArray; got {type(array).__name__}")
    array = array.rename(dict(axes)) if axes else array
    unknown = [str(d) for d in array.dims if d not in AXES]
    if unknown:
        raise ParameterError(f"the dimensions {', '.join(map(str, array.dims))} are not z, y and x; name them with axes={{'{unknown[0]}': 'z', …}}")
    missing = [axis for axis in AXES if axis not in array.dims]
    array = array.expand_dims({axis: 1 for axis in missing if axis not in array.coords})
    array = array.expand_dims([axis for axis in missing if axis not in array.dims]).transpose(*AXES)
    grid = _grid(array)
    attributes = array.attrs
    unit = str(attributes.get("units", ""))
    name = str(array.name or attributes.get("long_name", ""))
    return {
        "data": _voxels(array),
        "missing": _missing(array),
        "grid": grid,
        "field": Field(name, "" if unit == "1" else unit, str(attributes.get("description", ""))),
        "phases": phases_from_json(json.loads(attributes.get("phases", "[]"))),
        "nodata": None if array.dtype.kind == "b" else attributes.get("nodata"),
        "history": tuple(json.loads(attributes.get("history", "[]"))),
    }


def _voxels(array: xr.DataArray) -> Any:
    return array.data if isinstance(array.data, da.Array) else np.asarray(array.data)


def _missing(array: xr.DataArray) -> Any:
    """Where a mask holds no data: its coordinate, or the value that its attributes name."""
    if array.dtype.kind != "b":
        return None
    if NO_DATA not in array.coords:
        return array.attrs.get("nodata")
    return _voxels(array[NO_DATA].variable.set_dims(dict(zip(array.dims, array.shape))).transpose(*AXES).astype(bool))


def _grid(array: xr.DataArray) -> VoxelGrid:
    spacing, origin = [], []
    units = {str(array[a].attrs["units"]) for a in AXES if a in array.coords and "units" in array[a].attrs} or {str(array.attrs.get("grid_unit", VOXEL))}
    if len(units) > 1:
        raise ParameterError(f"the coordinates have different units: {', '.join(sorted(units))}; convert them to one")
    default = array.attrs.get("grid_spacing", [1.0, 1.0, 1.0])
    for number, axis in enumerate(AXES):
        step, start = _steps(array, axis)
        spacing.append(default[number] if step is None else step)
        origin.append(start)
    return VoxelGrid(ZYX(*map(int, array.shape)), ZYX(*spacing), ZYX(*origin), canonical_unit(units.pop()))


def _steps(array: xr.DataArray, axis: str) -> tuple[float | None, float]:
    if axis not in array.coords:
        return 1.0 if array.sizes[axis] > 1 else None, 0.0
    index = array.xindexes.get(axis)
    if isinstance(index, GridIndex) and float(index.step) > 0:
        return float(index.step), float(index.start)
    values = np.asarray(array[axis].values, dtype=float)
    if len(values) < 2:
        return None, float(values[0]) if len(values) else 0.0
    steps = np.diff(values)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    if step <= 0 or np.any(np.abs(steps - step) > 1e-4 * abs(step)):
        raise ParameterError(f"the coordinates along {axis} are not evenly spaced and ascending; resample them first")
    return step, float(values[0])
