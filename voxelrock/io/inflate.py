"""Voxels in one zlib stream, read box by box: the decompressor's state is kept every few megabytes, so that a read does not start over."""

from __future__ import annotations

import bisect
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from voxelrock.errors import CorruptChunkError
from voxelrock.geometry import VoxelBox
from voxelrock.io.files import FileStamp, read_bytes
from voxelrock.io.flat import as_bytes
from voxelrock.typing import HostArray, Triple

_STEP = 16 * 2**20
_FEED = 256 * 1024
_MOST_STREAMS = 4


@dataclass
class _Marks:
    """Places in one stream where decompression can go on: bytes out, bytes in, state (about 50 kB each)."""

    out: list[int] = field(default_factory=lambda: [0])
    states: list[tuple[int, Any]] = field(default_factory=lambda: [(0, zlib.decompressobj())])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self, position: int) -> tuple[int, int, Any]:
        with self.lock:
            at = bisect.bisect_right(self.out, position) - 1
            consumed, state = self.states[at]
            return self.out[at], consumed, state.copy()

    def add(self, position: int, consumed: int, state: Any) -> None:
        with self.lock:
            if position >= self.out[-1] + _STEP:
                self.out.append(position)
                self.states.append((consumed, state.copy()))


_streams: OrderedDict[tuple[FileStamp, int], _Marks] = OrderedDict()
_streams_lock = threading.Lock()


def _marks(stamp: FileStamp, offset: int) -> _Marks:
    with _streams_lock:
        marks = _streams.setdefault((stamp, offset), _Marks())
        _streams.move_to_end((stamp, offset))
        while len(_streams) > _MOST_STREAMS:
            _streams.popitem(last=False)
        return marks


@dataclass(frozen=True)
class InflateSource:
    """Voxels in C order inside one zlib stream.

    Memory: the planes of the box, and 50 kB per 16 MiB of the image that was passed. The first read that far decompresses all before it.

    Parameters
    ----------
    stamp
        The file.
    shape
        Number of voxels along (z, y, x).
    stored
        NumPy's name of the type in the stream, with its byte order.
    offset
        Where the stream starts in the file.
    """

    stamp: FileStamp
    shape: Triple
    stored: str
    offset: int = 0

    @property
    def paged(self) -> bool:
        """Whether a part costs as much as the whole: what comes before it is inflated too."""
        return True

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels, in native byte order."""
        return np.dtype(self.stored).newbyteorder("=")

    @property
    def tile(self) -> Triple:
        """One plane."""
        return 1, self.shape[1], self.shape[2]

    @property
    def identity(self) -> str:
        """File, size, time of change and layout; never the content."""
        return f"inflate({self.stamp.identity}, {self.shape}, {self.stored}, {self.offset})"

    def read(self, box: VoxelBox) -> HostArray:
        """The voxels of a box, in native byte order.

        Raises
        ------
        StorageError
            The file has changed, or cannot be read.
        CorruptChunkError
            The stream is damaged or too short.
        """
        out = np.empty(box.shape, self.dtype)
        plane = prod(self.shape[1:]) * self.dtype.itemsize
        if out.size:
            page = np.empty(self.shape[1:], self.stored)
            reader = _Reader(self.stamp, self.offset, box.start[0] * plane)
            with self.stamp.opened() as descriptor:
                for z in range(box.shape[0]):
                    reader.fill(descriptor, as_bytes(page))
                    out[z] = page[box.slices[1:]]
        return out


class _Reader:
    """Goes through a stream from a position on."""

    def __init__(self, stamp: FileStamp, offset: int, position: int) -> None:
        self.stamp, self.offset, self.marks = stamp, offset, _marks(stamp, offset)
        self.position, self.consumed, self.state = self.marks.before(position)
        self.skip = position - self.position

    def fill(self, descriptor: int, buffer: memoryview) -> None:
        while self.skip:
            self.skip -= len(self._some(descriptor, self.skip))
        done = 0
        while done < len(buffer):
            data = self._some(descriptor, len(buffer) - done)
            buffer[done : done + len(data)] = data
            done += len(data)

    def _some(self, descriptor: int, most: int) -> bytes:
        """The next bytes, at least one."""
        while True:
            left = self.stamp.size - self.offset - self.consumed
            feed = read_bytes(descriptor, min(_FEED, left), self.offset + self.consumed, self.stamp.name)
            try:
                data: bytes = self.state.decompress(feed, min(most, _STEP))
            except zlib.error as error:
                raise CorruptChunkError(f"{self.stamp.path} is damaged about byte {self.offset + self.consumed}: {error}; copy it again") from None
            self.consumed += len(feed) - len(self.state.unconsumed_tail) - len(self.state.unused_data)
            self.position += len(data)
            if data:
                self.marks.add(self.position, self.consumed, self.state)
                return data
            if not feed or self.state.eof:
                raise CorruptChunkError(f"{self.stamp.path} is truncated: its compressed voxels end after {self.position} bytes; copy it again")
