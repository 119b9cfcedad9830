"""Curves, tables and numbers as CSV files that spreadsheets and pandas read."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from voxelrock.errors import ExistsError, FormatError, MissingFileError, ParameterTypeError, StorageError


def save_table(table: xr.DataArray | xr.Dataset | Mapping[str, Any], path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a curve, a table or named numbers to a CSV file.

    Curves and tables have a row per coordinate (per combination of coordinates where there are several axes); their first line is a comment,
    ``# radius [um], saturation [1]``, with units and definitions, the second names the columns: ``pandas.read_csv(path, comment="#")`` reads them back.
    A mapping or a dataset of plain numbers has a row per number: name, value, unit, definition. Lazy values are computed.

    Parameters
    ----------
    table
        A ``DataArray``, a ``Dataset``, or numbers by name.
    path
        A path that ends in ``.csv``.
    overwrite
        Replace an existing file.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ExistsError, MissingFileError, StorageError
        The file exists, its folder does not, or it cannot be written.
    FormatError, ParameterTypeError
        Another suffix; something that is no table.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise FormatError(f"tables are written as .csv; got {path.name}")
    if not path.parent.is_dir():
        raise MissingFileError(f"the folder {path.parent} does not exist; create it first")
    if path.exists() and not overwrite:
        raise ExistsError(f"{path} exists already; choose another name, or pass overwrite=True")
    text = _text(table)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{path} cannot be written: {error.strerror}; choose another place") from None
    return path


def _text(table: Any) -> str:
    if isinstance(table, xr.DataArray):
        if table.ndim:
            name = str(table.name or "value")
            # The array's own attributes describe its column; a Dataset keeps them there.
            return _columns(table.to_dataset(name=name))
        table = {str(table.name or "value"): table}
    if isinstance(table, xr.Dataset):
        if table.sizes:
            return _columns(table)
        table = dict(table.data_vars)
    if not isinstance(table, Mapping):
        raise ParameterTypeError(f"a table is a DataArray, a Dataset or numbers by name; got {type(table).__name__}")
    return _numbers(table)


def _columns(table: xr.Dataset) -> str:
    frame = table.to_dataframe().reset_index()
    named = [(str(name), table[name].attrs if name in table.variables else {}) for name in frame.columns]
    comment = ", ".join(name + _unit(attributes) for name, attributes in named)
    told = [f"{name}: {words}" for name, attributes in named if (words := _definition(attributes))]
    own = _definition(table.attrs)
    return _comment([comment, *([own] if own else []), *told]) + _csv(frame)


def _numbers(numbers: Mapping[str, Any]) -> str:
    rows = {str(name): (xr.DataArray(value) if not isinstance(value, xr.DataArray) else value) for name, value in numbers.items()}
    for name, value in rows.items():
        if value.ndim:
            raise ParameterTypeError(f"{name!r} is an array of {value.ndim} axes; put arrays into a Dataset, or save them one by one")
    frame = xr.Dataset(
        {
            "value": ("name", [value.values.item() for value in rows.values()]),
            "unit": ("name", [str(value.attrs.get("units", "")) for value in rows.values()]),
            "definition": ("name", [_definition(value.attrs) for value in rows.values()]),
        },
        coords={"name": list(rows)},
    ).to_dataframe()
    return _csv(frame.reset_index())


def _csv(frame: Any) -> str:
    """Rows as text; where a text holds a #, which readers of comments would cut the line at, all texts are in quotes."""
    marked = any("#" in str(cell) for name in frame.columns if frame[name].dtype.kind not in "biufc" for cell in frame[name])
    text: str = frame.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if marked else csv.QUOTE_MINIMAL)
    return text


def _unit(attributes: Mapping[Any, Any]) -> str:
    return f" [{attributes['units']}]" if attributes.get("units") else ""


def _definition(attributes: Mapping[Any, Any]) -> str:
    """What an attribute says about the meaning of a column, or of the table."""
    said = [str(attributes[key]) for key in ("long_name", "definition", "description") if attributes.get(key)]
    return " - ".join(" ".join(words.split()) for words in said)


def _comment(parts: list[str]) -> str:
    return "# " + "; ".join(parts) + "\n"
