"""Reading bytes: which file it is, whether it is still the same, and reads that are complete or fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voxelrock.errors import FormatError, MissingFileError, StorageError


@dataclass(frozen=True)
class FileStamp:
    """A file as it was when it was opened: path, size in bytes, time of the last change. Its content is never hashed."""

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> FileStamp:
        """The stamp of a file that exists and is not empty.

        Raises
        ------
        MissingFileError, FormatError, StorageError
            The file does not exist, is no file, is empty, or may not be read.
        """
        absolute = os.path.abspath(path)
        try:
            status = os.stat(absolute)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingFileError(f"{path} does not exist; check the path") from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from None
        if os.path.isdir(absolute):
            raise FormatError(f"{path} is a folder; a file was expected")
        if status.st_size == 0:
            raise FormatError(f"{path} is empty (0 bytes); copy it again")
        return cls(absolute, status.st_size, status.st_mtime_ns)

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.path).name

    @property
    def identity(self) -> str:
        """Equal for as long as the file is the same."""
        return f"{self.path}, {self.size}, {self.mtime_ns}"

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A file descriptor for reading, closed at the end.

        Raises
        ------
        StorageError
            The file cannot be opened, or has changed since the stamp was taken.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read any more: {error.strerror}") from None
        try:
            status = os.fstat(descriptor)
            if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
                raise StorageError(f"{self.path} has changed since it was opened; open it again")
            yield descriptor
        finally:
            os.close(descriptor)


def read_into(descriptor: int, buffer: memoryview, offset: int, name: str) -> None:
    """Fill a buffer of bytes from a place in a file.

    Raises
    ------
    StorageError
        The file ends before, or the disk reports an error.
    """
    done = 0
    while done < len(buffer):
        try:
            count = os.preadv(descriptor, [buffer[done:]], offset + done)
        except OSError as error:
            raise StorageError(f"{name} cannot be read at byte {offset + done}: {error.strerror}") from None
        if count == 0:
            raise StorageError(f"{name} ends at byte {offset + done}, but {offset + len(buffer)} bytes were expected; it is truncated")
        done += count


def read_bytes(descriptor: int, count: int, offset: int, name: str) -> bytes:
    """Bytes from a place in a file.

    Raises
    ------
    StorageError
        As :func:`read_into`.
    """
    data = bytearray(count)
    read_into(descriptor, memoryview(data), offset, name)
    return bytes(data)


def human(size: int) -> str:
    """A number of bytes for people."""
    value, units = float(size), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "bytes" else f"{value:.1f} {units[0]}"
