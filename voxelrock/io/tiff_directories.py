"""The chain of directories in a TIFF file, walked without decoding anything: how many pages there are, and whether the chain is whole."""

from __future__ import annotations

import struct

from voxelrock.errors import FormatError, StorageError
from voxelrock.io.files import FileStamp, read_bytes

_MOST_PAGES = 10_000_000


def count_pages(stamp: FileStamp) -> int:
    """The number of pages in a TIFF or BigTIFF file.

    Raises
    ------
    FormatError
        It is no TIFF file, or its chain of pages leads beyond the end of the file: it is truncated.
    """
    with stamp.opened() as descriptor:
        start = read_bytes(descriptor, min(16, stamp.size), 0, stamp.name)
        order = {b"II": "<", b"MM": ">"}.get(start[:2])
        version = struct.unpack(f"{order}H", start[2:4])[0] if order and len(start) >= 8 else 0
        if version not in (42, 43) or (version == 43 and len(start) < 16):
            raise FormatError(f"{stamp.path} is no TIFF file: it starts with {start[:4]!r}")
        # BigTIFF counts entries in 8 bytes, each entry has 20 and offsets 8; classic files have 2, 12 and 4.
        count_format, entry, offset_format = (f"{order}Q", 20, f"{order}Q") if version == 43 else (f"{order}H", 12, f"{order}I")
        counts, offsets = struct.Struct(count_format), struct.Struct(offset_format)
        (place,) = offsets.unpack(start[8:16] if version == 43 else start[4:8])
        pages, seen = 0, set[int]()
        while place:
            if place in seen or pages > _MOST_PAGES:
                raise FormatError(f"{stamp.path} is damaged: its chain of pages runs in a circle after page {pages}")
            seen.add(place)
            try:
                (entries,) = counts.unpack(read_bytes(descriptor, counts.size, place, stamp.name))
                (place,) = offsets.unpack(read_bytes(descriptor, offsets.size, place + counts.size + entries * entry, stamp.name))
            except (StorageError, OverflowError, MemoryError):
                raise FormatError(
                    f"{stamp.path} is truncated: page {pages} starts at byte {place}, but the file has {stamp.size} bytes; copy it again"
                ) from None
            pages += 1
    if not pages:
        raise FormatError(f"{stamp.path} is a TIFF file without pages")
    return pages
