"""Compression by name.

The default was measured (``python -m benchmarks codecs``): lz4 with byte shuffle reads grey images several times faster than zstd at a
little less compression; masks and labels compress several times better with zstd.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs import Blosc
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from voxelrock.errors import ParameterError

CODECS = ("auto", "lz4", "zstd", "best", "none")
"""``auto`` (lz4 for grey values, zstd for masks and labels), ``lz4``, ``zstd``, ``best`` (small and slow), ``none``."""


def resolve(codec: str, dtype: np.dtype[Any], *, labels: bool) -> str:
    """The codec that a name stands for.

    Raises
    ------
    ParameterError
        An unknown name.
    """
    if codec not in CODECS:
        raise ParameterError(f"the codec is one of {', '.join(CODECS)}; got {codec!r}")
    if codec != "auto":
        return codec
    return "zstd" if dtype.kind == "b" or labels else "lz4"


def v3_codecs(codec: str, dtype: np.dtype[Any]) -> list[Any]:
    """Bytes-to-bytes codecs of Zarr 3; each inner chunk ends in a checksum."""
    shuffle: Any = "shuffle" if dtype.itemsize > 1 else "noshuffle"
    chain: dict[str, list[Any]] = {
        "none": [],
        "lz4": [BloscCodec(typesize=dtype.itemsize, cname="lz4", clevel=5, shuffle=shuffle)],
        "zstd": [ZstdCodec(level=1)] if dtype.itemsize == 1 else [BloscCodec(typesize=dtype.itemsize, cname="zstd", clevel=1, shuffle=shuffle)],
        "best": [BloscCodec(typesize=dtype.itemsize, cname="zstd", clevel=9, shuffle="bitshuffle")],
    }
    return [*chain[codec], Crc32cCodec()]


def v2_codec(codec: str, dtype: np.dtype[Any]) -> Any:
    """The compressor of Zarr 2 (which has no checksum), or None."""
    names = {"lz4": ("lz4", 5), "zstd": ("zstd", 1), "best": ("zstd", 9)}
    if codec == "none":
        return None
    name, level = names[codec]
    return Blosc(cname=name, clevel=level, shuffle=Blosc.SHUFFLE if dtype.itemsize > 1 else Blosc.NOSHUFFLE)
