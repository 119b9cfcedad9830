"""The certificate of a run: who has its two files may speak to the scheduler and the workers, nobody else.

A scheduler of Dask runs any code that it is sent. So the files are readable by their owner alone, and go when the run ends.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from distributed import Security

from voxelrock import extras
from voxelrock.errors import MissingFileError, StorageError

_CERTIFICATE, _KEY = "certificate.pem", "key.pem"


def make_certificate(folder: Path) -> Path:
    """Write a new certificate and its key into a new folder inside ``folder``; gives that folder.

    Raises
    ------
    MissingPackageError
        The package cryptography is not installed.
    StorageError
        The folder cannot be written.
    """
    extras.require("cryptography", extra="slurm")
    made = Security.temporary()
    place = folder / f"run-{uuid.uuid4().hex[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place.mkdir(mode=0o700)
        for name, text in ((_CERTIFICATE, made.tls_ca_file), (_KEY, made.tls_client_key)):
            handle = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(str(text))
    except OSError as error:
        raise StorageError(f"the folder {folder} of certificates cannot be written ({error.strerror}); set voxelrock.slurm.folder in ~/.config/dask") from error
    return place


def read_certificate(place: Path) -> Security:
    """What Dask needs to use a run's certificate.

    Raises
    ------
    MissingFileError
        The folder holds none.
    """
    files = [place / name for name in (_CERTIFICATE, _KEY)]
    if not all(f.is_file() for f in files):
        raise MissingFileError(f"{place} holds no certificate of a run ({_CERTIFICATE} and {_KEY})")
    certificate, key = map(str, files)
    roles = {f"tls_{role}_{part}": file for role in ("client", "scheduler", "worker") for part, file in (("cert", certificate), ("key", key))}
    return Security(require_encryption=True, tls_ca_file=certificate, **roles)


def remove_certificate(place: Path) -> None:
    """Remove a run's certificate."""
    shutil.rmtree(place, ignore_errors=True)
