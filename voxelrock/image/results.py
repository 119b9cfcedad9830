"""Results as xarray objects that say what they are: name, units, definition."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from voxelrock import __version__


def number(data: da.Array, name: str, *, definition: str, units: str = "1", **attributes: Any) -> xr.DataArray:
    """A lazy number; ``float(…)`` computes it."""
    return curve(data, (), {}, name, definition=definition, units=units, **attributes)


def curve(
    data: da.Array | np.ndarray[Any, Any], dims: tuple[str, ...], coords: dict[str, Any], name: str, *, definition: str, units: str = "1", **attributes: Any
) -> xr.DataArray:
    """A lazy array over coordinates, each ``name: values`` or ``name: (values, attributes)``."""
    axes = {k: xr.Variable((k,), v[0], v[1]) if isinstance(v, tuple) else xr.Variable((k,), v) for k, v in coords.items() if k in dims}
    extra = {k: v for k, v in coords.items() if k not in dims}
    facts = {"long_name": name.replace("_", " "), "units": units, "definition": definition, "voxelrock": __version__, **attributes}
    return xr.DataArray(data, dims=dims, coords=axes | extra, name=name, attrs=facts)
