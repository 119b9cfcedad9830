"""Every error that voxelrock raises on purpose.

Each class is a :class:`VoxelrockError` and also the builtin that a caller would expect, so ``except ValueError`` keeps working.
Errors survive pickling unchanged (they cross from workers to the client) and may name the box of voxels that they saw.
"""

from __future__ import annotations

from typing import Any


class VoxelrockError(Exception):
    """The base of all errors raised on purpose; ``box`` names the voxels concerned, where there are any."""

    box: str | None = None

    def at(self, box: object) -> VoxelrockError:
        """The same error, naming the box of voxels where it was seen (the first name given stays)."""
        if self.box is None:
            self.box = str(box)
        return self

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.box is None else f"{text} (seen in voxels {self.box})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {"box": self.box}


class ParameterError(VoxelrockError, ValueError):
    """An argument has a value that cannot be used."""


class ParameterTypeError(VoxelrockError, TypeError):
    """An argument has the wrong type."""


class UnitError(ParameterError):
    """A length or a unit cannot be understood or converted."""


class GridMismatchError(ParameterError):
    """Images on different grids were combined."""


class DataError(VoxelrockError, ValueError):
    """The values of an image do not allow the operation (NaN, a constant image, an empty phase)."""


class TooLargeError(VoxelrockError, MemoryError):
    """Something that was asked for in memory exceeds the limit."""


class FormatError(VoxelrockError, ValueError):
    """A file or store is not what it claims to be."""


class MissingFileError(VoxelrockError, FileNotFoundError):
    """A file or store does not exist."""


class ExistsError(VoxelrockError, FileExistsError):
    """A path exists already and was not to be overwritten."""


class StorageError(VoxelrockError, OSError):
    """A store cannot be read or written."""


class CorruptChunkError(StorageError):
    """A stored chunk is missing or fails its checksum."""


class UnfinishedError(StorageError):
    """A store was never completed, or another writer is at work on it."""


class MissingPackageError(VoxelrockError, ImportError):
    """An optional package is needed and is not installed."""


class ClusterError(VoxelrockError, RuntimeError):
    """A cluster cannot be started or reached, or its workers cannot do what is asked of them."""
