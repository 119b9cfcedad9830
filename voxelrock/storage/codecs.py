"""Compression by name.

The defaults were measured on real scans (``python -m benchmarks codecs``). Grey values of 16 bits and more, and real numbers: lz4 with byte
shuffle, which reads several times faster than zstd and packs a little less. Grey values of 8 bits: zstd, as lz4 finds nothing in their
noise. Masks: zstd of bit planes, which packs them half as small again as zstd of bytes. Labels: zstd.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs import Blosc
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from voxelrock.errors import ParameterError

CODECS = ("auto", "lz4", "zstd", "best", "none")
"""``auto`` (lz4 for grey values of 16 bits and more, zstd for all else), ``lz4``, ``zstd``, ``best`` (small and slow), ``none``."""


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
    return "zstd" if dtype.itemsize == 1 or labels else "lz4"


_SHUFFLES = {Blosc.NOSHUFFLE: "noshuffle", Blosc.SHUFFLE: "shuffle", Blosc.BITSHUFFLE: "bitshuffle"}


def _shuffle(dtype: np.dtype[Any]) -> int:
    """Masks by bits, numbers of several bytes by bytes."""
    return int(Blosc.BITSHUFFLE if dtype.kind == "b" else Blosc.SHUFFLE if dtype.itemsize > 1 else Blosc.NOSHUFFLE)


def v3_codecs(codec: str, dtype: np.dtype[Any]) -> list[Any]:
    """Bytes-to-bytes codecs of Zarr 3; each inner chunk ends in a checksum."""
    shuffle: Any = _SHUFFLES[_shuffle(dtype)]
    plain = dtype.itemsize == 1 and dtype.kind != "b"
    chain: dict[str, list[Any]] = {
        "none": [],
        "lz4": [BloscCodec(typesize=dtype.itemsize, cname="lz4", clevel=5, shuffle=shuffle)],
        "zstd": [ZstdCodec(level=1) if plain else BloscCodec(typesize=dtype.itemsize, cname="zstd", clevel=1, shuffle=shuffle)],
        "best": [BloscCodec(typesize=dtype.itemsize, cname="zstd", clevel=9, shuffle="bitshuffle")],
    }
    return [*chain[codec], Crc32cCodec()]


def v2_codec(codec: str, dtype: np.dtype[Any]) -> Any:
    """The compressor of Zarr 2 (which has no checksum), or None."""
    names = {"lz4": ("lz4", 5), "zstd": ("zstd", 1), "best": ("zstd", 9)}
    if codec == "none":
        return None
    name, level = names[codec]
    return Blosc(cname=name, clevel=level, shuffle=_shuffle(dtype))
