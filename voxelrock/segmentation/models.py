"""Trained classifiers as files: a NumPy archive of plain arrays with a header of JSON. Reading one runs no code: nothing in it is pickled."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from voxelrock.errors import ExistsError, FormatError, MissingFileError
from voxelrock.kernels.trees import Forest
from voxelrock.typing import Json

FORMAT = 1
_KIND = "voxelrock pixel classifier"
_ARRAYS = ("nodes", "limits", "roots", "shares")


def write_model(path: str | Path, header: Json, forest: Forest, *, overwrite: bool) -> None:
    """Write a header and the arrays of a forest; the file appears when it is complete.

    Raises
    ------
    ExistsError
        There is such a file, and it is not to be overwritten.
    MissingFileError
        There is no such folder.
    """
    target = Path(path)
    if target.exists() and not overwrite:
        raise ExistsError(f"{target} exists; give overwrite=True to replace it")
    if not target.parent.is_dir():
        raise MissingFileError(f"there is no folder {target.parent} for the model; make it first")
    text = json.dumps({"kind": _KIND, "format": FORMAT, **header}, sort_keys=True)
    partial = target.with_name(f".{target.name}.partial")
    with partial.open("wb") as file:
        arrays: dict[str, Any] = {name: getattr(forest, name) for name in _ARRAYS}
        np.savez_compressed(file, header=np.frombuffer(text.encode(), np.uint8), **arrays)
    os.replace(partial, target)


def read_model(path: str | Path) -> tuple[Json, Forest]:
    """The header of a model, and its forest, whose nodes are still to be checked.

    Raises
    ------
    MissingFileError, FormatError
        There is no such file; it is no model, a damaged one, or one of a newer format.
    """
    source = Path(path)
    if not source.is_file():
        raise MissingFileError(f"there is no model {source}")
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            header = json.loads(bytes(archive["header"].tobytes()).decode())
            parts = [archive[name] for name in _ARRAYS]
    except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(f"{source} is no model of voxelrock, or a damaged one: {error}") from None
    if not isinstance(header, dict) or header.get("kind") != _KIND:
        raise FormatError(f"{source} is no model of voxelrock")
    form = header.get("format")
    if not isinstance(form, int) or form < 1:
        raise FormatError(f"{source} is a damaged model: format {form!r}")
    if form > FORMAT:
        raise FormatError(f"{source} has format {form}, which a newer voxelrock wrote; this one reads formats up to {FORMAT}: upgrade voxelrock")
    return header, Forest(*parts)
