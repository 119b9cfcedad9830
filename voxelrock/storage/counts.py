"""How often each value occurs in a shard, told at the end of its file: statistics of whole shards need none of its voxels.

The counts lie between the last chunk and the index, where no reader of the format looks: it finds chunks by their offsets. They name the
index's checksum, so that those of a file that was written anew, or was put together from others, are never believed.
"""

from __future__ import annotations

import struct

import google_crc32c
import numpy as np
from numcodecs import blosc

from voxelrock.graph.sources import Counts
from voxelrock.typing import HostArray

_FOOT = struct.Struct(
    "<II4sI8s"
)  # place of the first count among the type's values, length of the counts, the index's checksum, that of place and counts, what this is
FOOT = _FOOT.size
"""Bytes right before the index."""

_NAME = b"vxcounts"


def pack(table: HostArray, index: bytes) -> bytes:
    """The counts of a shard as they lie before its index, which ends in its checksum; ``table`` has one for each value of the type."""
    found = np.flatnonzero(table)
    first, last = (int(found[0]), int(found[-1]) + 1) if found.size else (0, 1)
    narrow = table[first:last].astype("<u4" if table.max(initial=0) < 2**32 else "<u8")
    packed = blosc.compress(narrow, b"zstd", 1, blosc.SHUFFLE, typesize=narrow.itemsize)
    return packed + _FOOT.pack(first, len(packed), index[-4:], _checksum(packed, first), _NAME)


def _checksum(packed: bytes, first: int) -> int:
    return int(google_crc32c.extend(google_crc32c.value(packed), struct.pack("<I", first)))


def packed_size(foot: bytes, index: bytes) -> int:
    """How many bytes before the foot are counts; none where there are none, or none of the file with this index."""
    _, length, bound, _, name = _FOOT.unpack(foot)
    return int(length) if name == _NAME and bound == index[-4:] else 0


def unpack(packed: bytes, foot: bytes) -> Counts | None:
    """The counts (int64), with the place of the first among the type's values; None where the bytes are damaged."""
    first, _, _, checksum, _ = _FOOT.unpack(foot)
    if _checksum(packed, first) != checksum:
        return None
    width = struct.unpack_from("<B", packed, 3)[0]  # as blosc's header says it
    return first, np.frombuffer(blosc.decompress(packed), f"<u{width}").astype(np.int64)


def joined(parts: list[Counts]) -> Counts:
    """The counts of several boxes."""
    first = min(start for start, _ in parts)
    total = np.zeros(max(start + table.size for start, table in parts) - first, np.int64)
    for start, table in parts:
        total[start - first : start - first + table.size] += table
    return first, total
