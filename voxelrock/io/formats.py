"""What a file format is: how it is read, how it is written, and what both hand over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxelrock.errors import ParameterError
from voxelrock.geometry import ZYX
from voxelrock.graph.sources import Source
from voxelrock.typing import DTypeLike

if TYPE_CHECKING:
    from voxelrock.io.targets import Export
from voxelrock.io.writing import Header, WriteOptions


@dataclass(frozen=True)
class Scan:
    """What a file holds: its voxels, and what it says about where they are.

    Parameters
    ----------
    source
        The voxels, read box by box.
    spacing, origin
        Distance between voxel centres and centre of the first voxel along (z, y, x), in ``unit``; None where the file does not say.
    unit
        The unit of both; None where the file does not say.
    paged
        Whether any read decodes whole (y, x) pages, so that reading blocks one by one decodes each page many times.
    description
        What the file says about itself, in its own words.
    notes
        What a user should be told: what was assumed, and what was ignored.
    """

    source: Source
    spacing: ZYX[float] | None = None
    origin: ZYX[float] | None = None
    unit: str | None = None
    paged: bool = False
    description: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadOptions:
    """What a user may say about a file; None means "as the file says".

    Parameters
    ----------
    shape
        ``ZYX``, a mapping with keys z, y and x (or y and x: one slice), or one number for a cube. Headerless files only.
    dtype
        The type of the voxels, with its byte order (``"<u2"``, ``">f4"``). Headerless files only.
    offset
        Bytes before the first voxel. Headerless files only.
    order
        ``"C"``: x changes fastest in the file; ``"F"``: z changes fastest. Headerless files only.
    series
        Which of several image series of a TIFF file, counted from 0.
    """

    shape: Any = None
    dtype: DTypeLike | None = None
    offset: int | None = None
    order: str | None = None
    series: int | None = None

    @property
    def headerless(self) -> bool:
        """Whether a shape or a type was given, as only a headerless file needs."""
        return self.shape is not None or self.dtype is not None

    def only(self, path: Path, *allowed: str) -> None:
        """Refuse options that this format has no use for.

        Raises
        ------
        ParameterError
            Another option than those allowed was given.
        """
        for item in fields(self):
            if item.name not in allowed and getattr(self, item.name) is not None:
                uses = "describes files without a header" if item.name != "series" else "chooses between the series of a TIFF file"
                raise ParameterError(f"{item.name}= {uses}, but {path.name} is read by what it says itself; leave {item.name}= out")


@dataclass(frozen=True)
class Format:
    """A file format: its suffixes, and how it is read and written; ``write`` is None where it is only read."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, ReadOptions], Scan]
    write: Callable[[Path, Header, WriteOptions], Export] | None = None
