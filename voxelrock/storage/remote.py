"""Object stores: what a URL may be, how each process reaches its store, and errors that tell no secret.

A URL is all that a graph, a history or a report ever gets. Who reads opens the store from its own environment (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_NAME``, …) or, for S3, from its AWS profile. What a server answers
may quote keys and signatures, so of its words no more is passed on than the number of the status.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zarr.abc.store import RangeByteRequest, Store, SuffixByteRequest
from zarr.storage import FsspecStore, ObjectStore, WrapperStore

from voxelrock.errors import ParameterError, StorageError, VoxelrockError
from voxelrock.extras import require

_AMAZON, _AZURE = ("s3", "s3a"), ("az", "azure", "adl", "abfs", "abfss")
SCHEMES = (*_AMAZON, "gs", *_AZURE, "https", "http")
"""The URLs that are read, as obstore's ``from_url`` takes them."""

_RETRIES: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
_STATUS = re.compile(r"status code: (\d{3})")
_CONTAINER = re.compile(r"(?<=://)[a-z0-9-]+@")  # abfss://container@account.dfs.core.windows.net/…
_VARIABLES = ("AWS_", "GOOGLE_", "AZURE_")
_HERE = ("LocalStore", "MemoryStore")
_ADVICE = (
    "set credentials in the environment of every process that reads (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
    "or AWS_SKIP_SIGNATURE=true for public data; the like for other stores)"
)


def is_url(place: Any) -> bool:
    """Whether something is text with a scheme, not a path."""
    return isinstance(place, str) and "://" in place


def bare(url: str) -> str:
    """A URL without what may be secret in it: user, password, query. Secrets have slashes, so whatever is before an @ goes."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[?#]', rest.rpartition('@')[2])[0]}"


def checked_url(url: str) -> str:
    """A URL that names a place and nothing else, without a slash at its end.

    Raises
    ------
    ParameterError
        It has credentials or a query, or a scheme that is not read.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        advice = "give the path itself" if parts.scheme == "file" else f"URLs start with one of {', '.join(s + '://' for s in SCHEMES)}"
        raise ParameterError(f"{bare(url)} cannot be opened: {advice}")
    named = _CONTAINER.sub("", url) if parts.scheme in ("abfs", "abfss") else url
    if "@" in named:
        advice = f"leave them out (an @ in a name is written %40), and {_ADVICE}"
        raise ParameterError(f"the URL of {bare(url)} carries credentials, which would travel in graphs and logs; {advice}")
    if parts.query or parts.fragment:
        raise ParameterError(f"the URL of {bare(url)} carries a query, perhaps a signature, which would travel in graphs and logs; leave it out, and {_ADVICE}")
    if not parts.netloc:
        raise ParameterError(f"{url} names no bucket; a URL looks like s3://bucket/scan.zarr")
    return url.rstrip("/")


def refuse_url(place: Any) -> None:
    """Raise ``ParameterError`` where something is to be written to a URL."""
    text = str(place) if isinstance(place, str | Path) else ""
    if is_url(text) or text.partition(":/")[0] in SCHEMES:
        name = bare(text) if is_url(text) else text
        raise ParameterError(f"voxelrock reads object stores and does not write them yet ({name}); save to a folder, and copy it (aws s3 sync, rclone)")


def refuse_remote(store: Store) -> None:
    """Raise ``ParameterError`` for a store object that holds credentials, and would take them into every task."""
    inner = store
    while isinstance(inner, WrapperStore):
        inner = inner._store
    away = isinstance(inner, ObjectStore) and type(inner.store).__name__ not in _HERE
    if isinstance(inner, FsspecStore):
        protocol = getattr(inner.fs, "protocol", ())
        away = not {"file", "local", "memory"} & set([protocol] if isinstance(protocol, str) else protocol)
    if away:
        raise ParameterError(
            f"a store of the kind {type(inner).__name__} would take its credentials into the graph, to every worker and into logs; "
            f"open it by its URL, vr.open('s3://bucket/scan.zarr'), and {_ADVICE}"
        )


def connect(url: str) -> Any:
    """This process's own obstore store for a URL.

    Raises
    ------
    MissingPackageError
        obstore is not installed.
    StorageError
        The environment does not say how to reach it.
    """
    return _connect(url, os.getpid(), hash(frozenset((k, v) for k, v in os.environ.items() if k.startswith(_VARIABLES))))


@lru_cache(maxsize=64)
def _connect(url: str, process: int, environment: int) -> Any:
    stores = require("obstore.store", extra="s3")
    endpoint = url if url.startswith("http") else os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", ""))
    plain = {"allow_http": True} if endpoint.startswith("http://") else {}
    with reached(url):
        return stores.from_url(url, client_options=plain, retry_config=_RETRIES, **_profile(url))


def _profile(url: str) -> dict[str, Any]:
    """The credentials of an AWS profile, where there is one and no key in the environment."""
    shared = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if urlsplit(url).scheme not in _AMAZON or {"AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE"} & os.environ.keys():
        return {}
    if "AWS_PROFILE" not in os.environ and not shared.exists():
        return {}
    require("boto3", extra="s3")
    return {"credential_provider": require("obstore.auth.boto3", extra="s3").Boto3CredentialProvider()}


@contextmanager
def reached(url: str) -> Iterator[None]:
    """Errors of a store become ours: what happened, and what to do; of the server's words nothing is told but the status.

    ``FileNotFoundError`` stays: it is an answer, not a failure.
    """
    try:
        yield
    except (VoxelrockError, FileNotFoundError, MemoryError):
        raise
    except Exception as error:  # obstore's have no base among the builtins, and botocore's come through it
        raise StorageError(_explain(url, error)) from None


def _explain(url: str, error: Exception) -> str:
    kind, text = type(error).__name__, str(error)
    status = _STATUS.search(text)
    said = f" (status {status[1]})" if status else ""
    if kind in ("PermissionDeniedError", "UnauthenticatedError"):
        return f"{url} may not be read with the credentials of this process{said}; {_ADVICE}"
    if kind == "NotSupportedError":
        return f"{url} cannot be read: its server gives no parts of files, which sharded stores need; copy the store to a folder"
    if "NoSuchBucket" in text:
        return f"{url}: there is no such bucket; check the URL, AWS_ENDPOINT_URL and AWS_REGION"
    lacking = any(word in text for word in ("169.254.169.254", "169.254.170", "Missing", "metadata.google", "get_credentials"))
    if lacking or "CredentialProvider" in text or "ProfileNotFound" in kind:
        return f"{url}: this process has no credentials for it; {_ADVICE}"
    if status:
        return f"{url} cannot be read{said}; check the URL, AWS_ENDPOINT_URL and AWS_REGION, or try again later"
    return f"{url} cannot be reached; check the network, the URL and AWS_ENDPOINT_URL, or try again later"


class Reached(WrapperStore[Any]):
    """An object store to read, for zarr-python, with errors that are ours."""

    def __init__(self, store: Any, url: str = "") -> None:
        super().__init__(store)
        self.url = url

    @classmethod
    def of(cls, url: str) -> Reached:
        """The store of a URL."""
        return cls(ObjectStore(connect(url), read_only=True), url)

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """As the store's."""
        try:
            with reached(self.url):
                return prototype.buffer.from_bytes(await self._fetched(key, byte_range))
        except FileNotFoundError:
            return None

    async def _fetched(self, key: str, part: Any) -> Any:
        client, store = require("obstore", extra="s3"), self._store.store
        if isinstance(part, RangeByteRequest):
            return await _quietly(client.get_range_async(store, key, start=part.start, end=part.end))
        if isinstance(part, SuffixByteRequest):  # Azure has no such requests
            size = (await _quietly(client.head_async(store, key)))["size"]
            return await _quietly(client.get_range_async(store, key, start=max(0, size - part.suffix), end=size))
        options = {} if part is None else {"range": {"offset": part.offset}}
        answer = await _quietly(client.get_async(store, key, options=options))
        return await _quietly(answer.bytes_async())

    async def exists(self, key: str) -> bool:
        """As the store's."""
        try:
            with reached(self.url):
                return bool(await _quietly(require("obstore", extra="s3").head_async(self._store.store, key)))
        except FileNotFoundError:
            return False

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """As the store's."""
        with reached(self.url):
            async for key in self._store.list_dir(prefix):
                yield key


async def _quietly(answer: Any) -> Any:
    """An answer, whose failure asyncio never prints in the server's words, even where nobody waits for it any more."""
    future = asyncio.ensure_future(answer)
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await future


def stamp(url: str, key: str) -> str:
    """Which object has a name: its size, and its tag or else its date; nothing where there is none.

    Raises
    ------
    StorageError
        The store cannot be reached.
    """
    try:
        with reached(url):
            facts = require("obstore", extra="s3").head(connect(url), key)
    except FileNotFoundError:
        return ""
    return f"{facts['size']} {facts['e_tag'] or facts['last_modified'].isoformat()}"


def why_empty(url: str) -> str:
    """What is wrong with a URL where nothing is found."""
    try:
        with reached(url):
            found = next(iter(require("obstore", extra="s3").list(connect(url), chunk_size=1)), None)
    except StorageError as error:
        if "no such bucket" in str(error):
            return str(error)
        found = None  # not everybody may list
    known = "other objects than a Zarr array or group (files of other formats: download them first)" if found else "no Zarr array or group"
    return f"{url} holds {known}; check the URL"
