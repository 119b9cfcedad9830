"""voxelrock: exact, chunk-free analysis of three-dimensional images of rock, of any size.

``import voxelrock as vr`` loads nothing heavy: subjects and functions are imported when they are first used.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

__version__ = "0.1.0"

_SUBJECTS = (
    *("artefacts", "cluster", "errors", "filters", "generators", "geometry", "io", "labels", "morphology", "options", "pores", "registration", "report"),
    *("segmentation", "statistics", "storage", "structure", "viz", "workflow"),
)
_NAMES = {
    "voxelrock.geometry": ("ZYX", "Ball", "Box", "Cylinder", "Polygon", "Region", "Tiling", "VoxelGrid"),
    "voxelrock.image": ("Field", "Phase", "VoxelImage"),
    "voxelrock.image.creation": (
        *("empty", "empty_like", "from_array", "from_function", "from_xarray", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like"),
    ),
    "voxelrock.graph.execution": ("compute",),
    "voxelrock.io.opening": ("open",),
    "voxelrock.io.saving": ("save",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> _Any:
    if name in _HOME:
        _import_module("voxelrock.accessor")  # registers DataArray.voxel
        return getattr(_import_module(_HOME[name]), name)
    if name in _SUBJECTS:
        return _import_module(f"voxelrock.{name}")
    raise AttributeError(f"module 'voxelrock' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_HOME, *_SUBJECTS, "__version__"])
