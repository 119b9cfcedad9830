"""An analysis as a value: what was asked, written so that it can be repeated."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from voxelrock import __version__
from voxelrock.errors import ParameterError
from voxelrock.typing import Json

PACKAGES = ("numpy", "dask", "zarr", "xarray", "scipy", "numba")
METHODS = ("otsu", "threshold")
DENOISERS = ("median", "gaussian", "none")


@dataclass(frozen=True)
class Recipe:
    """The steps of an analysis.

    Parameters
    ----------
    pore
        Labels that are pore, for a segmented image; None for a grey one.
    roi
        The region of interest as text; see :func:`voxelrock.workflow.parse_region`.
    denoise
        ``"median"`` (the default: 3 × 3 × 3), ``"gaussian"`` or ``"none"``; grey images only.
    radius_vx
        Reach of the median in voxels, or sigma of the Gaussian.
    method
        ``"otsu"`` or ``"threshold"``; grey images only.
    threshold
        The grey value of ``method="threshold"``: pores are ``value <= threshold``.
    phase
        Which class is pore: ``"dark"`` or ``"bright"``.
    """

    pore: tuple[int, ...] | None = None
    roi: str = "none"
    denoise: str = "median"
    radius_vx: float = 1.0
    method: str = "otsu"
    threshold: float | None = None
    phase: str = "dark"

    def __post_init__(self) -> None:
        if self.denoise not in DENOISERS:
            raise ParameterError(f"denoise is one of {', '.join(DENOISERS)}; got {self.denoise!r}")
        if self.method not in METHODS:
            raise ParameterError(f"method is one of {', '.join(METHODS)}; got {self.method!r}")
        if (self.method == "threshold") != (self.threshold is not None):
            raise ParameterError("method='threshold' and threshold=VALUE go together")
        if self.phase not in ("dark", "bright"):
            raise ParameterError(f"phase is 'dark' or 'bright'; got {self.phase!r}")

    def to_json(self) -> Json:
        """The steps as plain values, without what does not apply."""
        steps = asdict(self)
        if self.pore is not None:
            return {"pore": list(self.pore), "roi": self.roi}
        return {k: v for k, v in steps.items() if v is not None}


def versions() -> Json:
    """Versions of voxelrock, Python and the packages that results rest on."""
    return {"voxelrock": __version__, "python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def identity(path: Path) -> Json:
    """Which input this was: path, size and time of change (of a folder: of all its files)."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    facts = [f.stat() for f in files]
    newest = max((f.st_mtime for f in facts), default=0.0)
    return {"path": str(path.resolve()), "files": len(files), "bytes": sum(f.st_size for f in facts), "changed": newest, "sha256": "skipped"}


def to_toml(tables: dict[str, Json]) -> str:
    """Tables of plain values as TOML."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]
        lines.append("")
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{text}"'
