"""The results of an analysis as plain JSON, and back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import FormatError
from voxelrock.typing import Json

FORMAT = 1


def to_json(results: xr.Dataset) -> Json:
    """Numbers, curves and attributes as plain values; NaN is null."""
    numbers = {str(k): {"value": v.item(), **_facts(v)} for k, v in results.data_vars.items() if v.ndim == 0}
    curves = {str(k): _curve(v) for k, v in results.data_vars.items() if v.ndim}
    plain: Json = _plain({"format": FORMAT, **results.attrs, "results": numbers, "curves": curves})
    return plain


def _facts(value: xr.DataArray) -> Json:
    kept = {k: value.attrs[k] for k in ("definition", "bulk", "long_name") if k in value.attrs}
    return {"units": value.attrs.get("units", "1"), **kept}


def _curve(value: xr.DataArray) -> Json:
    axes = {str(k): {"dims": list(map(str, c.dims)), "values": c.values.tolist(), **_axis_facts(c)} for k, c in value.coords.items()}
    return {"dims": list(map(str, value.dims)), "values": value.values.tolist(), **_facts(value), "coordinates": axes}


def _axis_facts(axis: xr.DataArray) -> Json:
    return {k: axis.attrs[k] for k in ("units", "long_name") if k in axis.attrs}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_json(said: Json) -> xr.Dataset:
    """The results of plain values; null is NaN.

    Raises
    ------
    FormatError
        They are of a newer format, or no results at all.
    """
    if not isinstance(said.get("format"), int) or said["format"] > FORMAT or "results" not in said:
        raise FormatError(f"these results have format {said.get('format')!r}; this version reads formats up to {FORMAT}")
    variables: dict[str, xr.DataArray] = {}
    for name, row in said["results"].items():
        facts = {k: v for k, v in row.items() if k != "value"}
        variables[name] = xr.DataArray(math.nan if row["value"] is None else row["value"], name=name, attrs=facts)
    for name, row in said["curves"].items():
        facts = {k: v for k, v in row.items() if k not in ("dims", "values", "coordinates")}
        axes = {k: (c["dims"], _array(c["values"]), {f: c[f] for f in ("units", "long_name") if f in c}) for k, c in row["coordinates"].items()}
        variables[name] = xr.DataArray(_array(row["values"]), dims=row["dims"], coords=axes, name=name, attrs=facts)
    rest = {k: v for k, v in said.items() if k not in ("format", "results", "curves")}
    return xr.Dataset(variables, attrs=rest)


def _array(values: Any) -> np.ndarray[Any, Any]:
    array = np.array(values)
    return array.astype(float) if array.dtype == object else array


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_results(path: Path, results: xr.Dataset) -> None:
    """Results as a JSON file."""
    write_text(path, _lines(to_json(results)))


def _lines(value: Any, pad: str = "\n") -> str:
    """JSON with a line for each item of a mapping, and lists of numbers on one: curves are long."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    inner = pad + " "
    return "{" + ",".join(f"{inner}{json.dumps(k, ensure_ascii=False)}: {_lines(v, inner)}" for k, v in value.items()) + pad + "}"


def read_results(path: Path) -> xr.Dataset:
    """Results from a JSON file.

    Raises
    ------
    FormatError
        The file is damaged, or of a newer format.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is damaged ({error}); delete it to have it made again") from None
    return from_json(said)
