"""Zarr: the only place that opens a store."""

from voxelrock.storage.opening import inspect_store, open_zarr
from voxelrock.storage.saving import save_zarr

__all__ = ["inspect_store", "open_zarr", "save_zarr"]
