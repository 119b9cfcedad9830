"""xarray's doors: ``DataArray.voxel.<subject>.<operation>``, and ``xr.open_dataset(path, engine="voxelrock")``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from voxelrock.image import VoxelImage
from voxelrock.image.creation import from_xarray
from voxelrock.io.opening import open as open_image
from voxelrock.io.registry import suffixes

SUBJECTS = ("filters", "labels", "morphology", "pores", "registration", "segmentation", "statistics", "structure")


def operations(subject: ModuleType) -> list[str]:
    """What a subject does to an image: its functions, whose first argument is positional; no classes, and nothing that takes no image."""
    return [name for name in subject.__all__ if inspect.isfunction(thing := getattr(subject, name)) and _takes_an_image(thing)]


def _takes_an_image(function: Callable[..., Any]) -> bool:
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and first.kind is first.POSITIONAL_ONLY and "VoxelImage" in str(first.annotation)


class _Subject:
    """The operations of a subject, bound to a DataArray."""

    def __init__(self, array: xr.DataArray, subject: ModuleType) -> None:
        self._array, self._subject = array, subject
        self.__doc__ = subject.__doc__

    def __dir__(self) -> Iterable[str]:
        return operations(self._subject)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in operations(self._subject):
            where = f"; {name} does not work on an image: it is {self._subject.__name__}.{name}" if name in self._subject.__all__ else ""
            raise AttributeError(f"{self._subject.__name__} has no operation {name!r} on an image{where}; it has {', '.join(operations(self._subject))}")
        function = getattr(self._subject, name)

        @wraps(function)
        def bound(*others: Any, **parameters: Any) -> Any:
            images = {k: _image(v) for k, v in parameters.items()}
            result = function(from_xarray(self._array), *map(_image, others), **images)
            return result.to_xarray() if isinstance(result, VoxelImage) else result

        return bound


def _image(value: Any) -> Any:
    """A three-dimensional DataArray among the parameters is an image (a mask, labels)."""
    return from_xarray(value) if isinstance(value, xr.DataArray) and value.ndim == 3 else value


@xr.register_dataarray_accessor("voxel")
class VoxelAccessor:
    """voxelrock on a DataArray with dimensions z, y, x: ``array.voxel.filters.median(radius_vx=1)``."""

    def __init__(self, array: xr.DataArray) -> None:
        self._array = array

    @property
    def image(self) -> VoxelImage:
        """The DataArray as an image."""
        return from_xarray(self._array)

    def __dir__(self) -> Iterable[str]:
        return ["image", *SUBJECTS]

    def __getattr__(self, name: str) -> _Subject:
        if name not in SUBJECTS:
            raise AttributeError(f"the voxel accessor has image and {', '.join(SUBJECTS)}; got {name!r}")
        return _Subject(self._array, import_module(f"voxelrock.{name}"))


class VoxelrockBackend(BackendEntrypoint):
    """``xr.open_dataset(path, engine="voxelrock")``: a dataset with one lazy variable."""

    description = "Images of rock: Zarr stores, TIFF, raw, MetaImage and .npy files, through voxelrock"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "spacing", "origin", "unit", "shape", "dtype")

    def open_dataset(self, filename_or_obj: Any, *, drop_variables: Any = None, **options: Any) -> xr.Dataset:
        """The image of a path as a dataset; options as in ``vr.open``."""
        array = open_image(filename_or_obj, **{k: v for k, v in options.items() if v is not None}).to_xarray()
        dataset = array.to_dataset(name=array.name)
        return dataset if drop_variables is None else dataset.drop_vars(drop_variables)

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether the suffix is one of ours (never for Zarr: xarray's own engine stays the default there)."""
        return isinstance(filename_or_obj, str | Path) and Path(filename_or_obj).suffix.lower() in suffixes()
