"""Putting bytes on a disk so that they are either there, whole, or not there at all."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voxelrock.errors import StorageError, UnfinishedError, VoxelrockError


def fsync_path(path: Path) -> None:
    """Have the system put a file (or the entries of a folder) on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_store(root: Path) -> None:
    """Have the system put a store's metadata, and the entries of all its folders, on the disk; its chunks are there already."""
    for entry in root.iterdir():
        if entry.is_file():
            fsync_path(entry)
    for folder, _, _ in os.walk(root):
        fsync_path(Path(folder))


def place_file(target: Path, staging: Path, parts: Iterable[Any], *, flush: bool = True) -> int:
    """Write a file under another name in ``staging``, flush it, and give it its name in one step; gives its size.

    ``staging`` belongs to one run. A run that was replaced finds its staging folder gone, so nothing of it can land late.

    Raises
    ------
    UnfinishedError
        The staging folder is gone.
    """
    temporary = staging / uuid.uuid4().hex
    try:
        with open(temporary, "xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            if flush:
                os.fsync(file.fileno())
            size = file.tell()
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, target)
    except FileNotFoundError:
        raise UnfinishedError(f"{staging.parent.parent} was taken over by another run, or removed; this run ends here") from None
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return size


@contextmanager
def explained(place: Path | str) -> Iterator[None]:
    """Errors of the system while writing to ``place`` become ours: what happened, and what to do."""
    try:
        yield
    except VoxelrockError:
        raise
    except OSError as error:
        raise StorageError(_explain(error, place)) from error


def _explain(error: OSError, place: Path | str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk of {place}; free some and save again with resume=True"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{place} cannot be written ({error.strerror}); choose another path"
    return f"cannot write to {place}: {error.strerror or error}; what is stored stays, save again with resume=True"


def check_target(path: Path) -> None:
    """Raise ``StorageError`` unless the folder of a new store exists (it is made) and can be written."""
    folder = path.parent
    file = next((p for p in (folder, *folder.parents) if p.exists() and not p.is_dir()), None)
    if file is not None:
        raise StorageError(f"{file} is a file, so {path} cannot be made in it; choose another path")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder} ({error.strerror}); choose another path") from error
    if not os.access(folder, os.W_OK):
        raise StorageError(f"the folder {folder} is read-only; choose another path")
