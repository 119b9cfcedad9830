"""What stores that are not ours say of their voxels: OME-Zarr's multiscales, xarray's dimensions and coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr

from voxelrock.errors import FormatError, ParameterError, UnitError
from voxelrock.geometry import AXES, ZYX, VoxelGrid
from voxelrock.geometry.units import VOXEL
from voxelrock.image import Field
from voxelrock.image.bridge import NO_DATA, from_dataarray
from voxelrock.typing import Triple


def multiscales(node: zarr.Group) -> dict[str, Any] | None:
    """The first multiscale image of an OME-Zarr group, if it is one."""
    found = node.attrs.get("multiscales") or dict(node.attrs.get("ome") or {}).get("multiscales")
    return dict(found[0]) if found else None


def dimensions(array: zarr.Array[Any], group: zarr.Group | None) -> tuple[str, ...]:
    """The names of an array's axes, by whatever convention states them; none where nothing does."""
    scales = multiscales(group) if group is not None else None
    named = scales.get("axes") if scales else None
    if named:
        return tuple(str(a["name"] if isinstance(a, Mapping) else a).lower() for a in named)
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    return tuple(str(n) for n in names)


def order_of(names: tuple[str, ...]) -> Triple:
    """Where z, y and x are among an array's axes; as they stand where the names say nothing of it."""
    return (names.index("z"), names.index("y"), names.index("x")) if sorted(names) == sorted(AXES) else (0, 1, 2)


def describe(array: zarr.Array[Any], group: zarr.Group | None, shape: Triple, place: str) -> dict[str, Any]:
    """The fields of an image from a store that is not ours: spacing 1 voxel where nothing says otherwise.

    Raises
    ------
    FormatError
        The store says something that cannot be.
    """
    fields: dict[str, Any] = {"grid": VoxelGrid(ZYX(*shape)), "field": Field(description=str(array.attrs.get("description", "")))}
    if {"scale_factor", "add_offset"} & set(array.attrs):
        raise FormatError(f"{place} holds packed numbers (scale_factor, add_offset); open it with xarray, and give that to vr.from_xarray")
    names = dimensions(array, group)
    scales = multiscales(group) if group is not None else None
    try:
        if scales:
            return fields | _from_multiscales(scales, array.path.split("/")[-1], names, shape)
        if sorted(names) == sorted(AXES) and group is not None:
            return fields | _from_coordinates(array, group, names, shape)
    except (UnitError, ParameterError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{place} has metadata that cannot be used ({error}); open the array itself, or give spacing= and unit=") from None
    return fields


def _from_multiscales(scales: dict[str, Any], name: str, names: tuple[str, ...], shape: Triple) -> dict[str, Any]:
    dataset = next((d for d in scales["datasets"] if d["path"].split("/")[-1] == name), None)
    if dataset is None:
        return {}
    scale, translation = np.ones(3), np.zeros(3)
    for step in (*dataset.get("coordinateTransformations", ()), *scales.get("coordinateTransformations", ())):
        if step["type"] == "scale":
            scale, translation = scale * step["scale"], translation * step["scale"]
        elif step["type"] == "translation":
            translation = translation + step["translation"]
    units = {a.get("unit") for a in scales.get("axes", ()) if isinstance(a, Mapping) and a.get("type") == "space"} - {None}
    if len(units) > 1:
        raise ParameterError(f"its axes have different units: {', '.join(sorted(map(str, units)))}")
    order = list(order_of(names))
    unit = str(units.pop()) if units else VOXEL
    return {"grid": VoxelGrid(ZYX(*shape), ZYX(*scale[order].tolist()), ZYX(*translation[order].tolist()), unit), "field": Field(str(scales.get("name") or ""))}


def _from_coordinates(array: zarr.Array[Any], group: zarr.Group, names: tuple[str, ...], shape: Triple) -> dict[str, Any]:
    """As xarray writes it: coordinates are arrays beside the voxels."""
    coordinates = {}
    for axis, length in zip(AXES, shape):
        beside = group.get(axis)
        if isinstance(beside, zarr.Array) and beside.shape == (length,):
            coordinates[axis] = xr.Variable((axis,), np.asarray(beside[...]), dict(beside.attrs))
    lazy = da.empty(shape, dtype=array.dtype, chunks=-1)
    name = array.path.split("/")[-1]
    fields = from_dataarray(xr.DataArray(lazy, dims=AXES, coords=coordinates, name=name, attrs=dict(array.attrs)))
    del fields["data"]
    value = fields.pop("missing")
    if value is not None:
        fields["nodata"] = value
    return fields


def missing_beside(array: zarr.Array[Any], group: zarr.Group | None) -> zarr.Array[Any] | None:
    """The array of a mask's no-data voxels, as xarray writes the coordinate of :func:`voxelrock.image.bridge.to_dataarray`."""
    beside = group.get(NO_DATA) if group is not None and array.path.split("/")[-1] != NO_DATA else None
    return beside if isinstance(beside, zarr.Array) and beside.shape == array.shape and np.dtype(beside.dtype).kind == "b" else None


def parent_of(array: zarr.Array[Any]) -> zarr.Group | None:
    """The group that an array lies in."""
    if not array.path:
        return None
    parent = "/".join(array.path.split("/")[:-1])
    node = zarr.open(store=array.store, mode="r", path=parent or None, use_consolidated=False)
    return node if isinstance(node, zarr.Group) else None
