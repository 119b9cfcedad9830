"""The files of a local Zarr 3 array, read and written directly.

What zarr-python does, without its steps in between: a box is gathered from (or a file is laid out of) chunks that are compressed and
checked one by one, in the calling thread, outside the interpreter's lock. Arrays with anything unusual have no :class:`Files`, and
zarr-python serves them; what one writes the other reads.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, Protocol, Self

import google_crc32c
import numpy as np
import zarr
from numcodecs import blosc, zstd

from voxelrock.errors import CorruptChunkError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.sources import Counts
from voxelrock.kernels.histograms import count_into, empty_table, value_range
from voxelrock.storage import counts as beside
from voxelrock.typing import HostArray, Triple

_SHUFFLE = {"noshuffle": blosc.NOSHUFFLE, "shuffle": blosc.SHUFFLE, "bitshuffle": blosc.BITSHUFFLE}
_LITTLE, _CRC = {"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}
_NOWHERE = 2**64 - 1
_LARGEST = 2**31 - 2**20  # bytes of a chunk that blosc compresses and one system call reads


@dataclass(frozen=True)
class Compression:
    """How chunks become bytes: no compressor, blosc's or zstd; then perhaps a checksum."""

    name: str
    level: int
    shuffle: int
    itemsize: int
    checked: bool

    def encode(self, chunk: HostArray) -> list[Any]:
        """The bytes of a contiguous chunk, in parts."""
        if self.name == "":
            data: Any = chunk.reshape(-1).view(np.uint8).data
        elif self.name == "zstd only":
            data = zstd.compress(chunk, self.level)
        else:
            data = blosc.compress(chunk, self.name.encode(), self.level, self.shuffle, typesize=self.itemsize)
        return [data, _checksum(data)] if self.checked else [data]

    def decode(self, data: memoryview, out: HostArray) -> None:
        """Fill a contiguous chunk from its bytes.

        Raises
        ------
        ValueError, RuntimeError
            The bytes are damaged.
        """
        if self.checked:
            data = _verified(data)
        if self.name == "":
            _expect(len(data), out.nbytes)
            out.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)
        elif self.name == "zstd only":
            zstd.decompress(data, out)
        else:
            _expect(len(data[:16]), 16)
            plain, _, packed = struct.unpack_from("<III", data, 4)  # blosc trusts its header
            _expect(plain, out.nbytes)
            _expect(len(data), packed)
            blosc.decompress(data, out)


def _checksum(data: Any) -> bytes:
    return struct.pack("<I", google_crc32c.value(np.frombuffer(data, np.uint8)))  # it takes no memoryview


def _verified(data: memoryview) -> memoryview:
    body = data[:-4]
    if len(data) <= 4 or _checksum(body) != bytes(data[-4:]):
        raise ValueError("its checksum does not match its data")
    return body


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(f"it has {found} bytes where {wanted} were expected")


def _plain(value: Any) -> Any:
    """Mappings and sequences as dictionaries and lists, to compare."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _compression(codecs: list[Any], dtype: np.dtype[Any]) -> Compression | None:
    """What a chain of codecs does, if it is one of the usual."""
    rest = list(codecs)
    first = rest.pop(0) if rest else {}
    if first != _LITTLE and not (first.get("name") == "bytes" and dtype.itemsize == 1):
        return None
    checked = bool(rest) and rest[-1].get("name") == "crc32c"
    rest = rest[:-1] if checked else rest
    if not rest:
        return Compression("", 0, 0, dtype.itemsize, checked)
    name, facts = rest[0].get("name"), rest[0].get("configuration", {})
    if len(rest) == 1 and name == "zstd" and not facts.get("checksum"):
        return Compression("zstd only", facts["level"], 0, dtype.itemsize, checked)
    if len(rest) == 1 and name == "blosc" and facts.get("blocksize") == 0 and facts.get("shuffle") in _SHUFFLE and facts.get("typesize") == dtype.itemsize:
        return Compression(facts["cname"], facts["clevel"], _SHUFFLE[facts["shuffle"]], dtype.itemsize, checked)
    return None


class Opened(Protocol):
    """A file that is open for reading."""

    size: int

    def read(self, ranges: list[tuple[int, int]]) -> Iterable[Any]:
        """The bytes of each range, given as offset and length."""
        ...


class _LocalFile:
    def __init__(self, handle: int) -> None:
        self.handle, self.size = handle, os.fstat(handle).st_size

    def read(self, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
        for offset, length in ranges:
            yield os.pread(self.handle, length, offset)


@dataclass(frozen=True)
class Files:
    """The files of one array: its shape, the chunks, and the file's shape where a file holds several."""

    folder: str
    shape: Triple
    dtype: np.dtype[Any]
    fill: Any
    chunk: Triple
    file: Triple
    sharded: bool
    compression: Compression

    @classmethod
    def of(cls, array: zarr.Array[Any], location: str) -> Self | None:
        """The files of an array on a local path, or None where anything about it is unusual."""
        facts: dict[str, Any] = _plain(array.metadata.to_dict())
        dtype = np.dtype(array.dtype)
        usual = {"name": "default", "configuration": {"separator": "/"}}
        if facts["zarr_format"] != 3 or facts["chunk_key_encoding"] != usual or facts["storage_transformers"] or array.ndim != 3:
            return None
        if facts["chunk_grid"]["name"] != "regular" or dtype.kind not in "biuf" or not dtype.isnative or 0 in array.shape:
            return None
        codecs, sharded = facts["codecs"], False
        file: Any = tuple(facts["chunk_grid"]["configuration"]["chunk_shape"])
        chunk = file
        if codecs[0]["name"] == "sharding_indexed":
            inner = codecs[0]["configuration"]
            if len(codecs) > 1 or inner["index_codecs"] != [_LITTLE, _CRC] or inner["index_location"] != "end":
                return None
            codecs, chunk, sharded = inner["codecs"], tuple(inner["chunk_shape"]), True
        compression = _compression(codecs, dtype)
        if compression is None:
            return None
        shape: Any = tuple(array.shape)
        if prod(chunk) * dtype.itemsize >= _LARGEST:
            return None
        return cls(os.path.join(location, array.path) if location else array.path, shape, dtype, array.fill_value, chunk, file, sharded, compression)

    @cached_property
    def tiling(self) -> Tiling:
        """The files over the array."""
        return Tiling.regular(self.shape, self.file)

    @cached_property
    def _inside(self) -> Triple:
        a, b, c = (n // m for n, m in zip(self.file, self.chunk))
        return a, b, c

    def key(self, index: Triple) -> str:
        """The name of a file in the array's folder."""
        return "c/" + "/".join(map(str, index))

    def _chunks(self, index: Triple, box: VoxelBox) -> Iterator[tuple[int, VoxelBox]]:
        """The chunks of a file that share voxels with a box: their number in the file, and their own (full) boxes."""
        start = [i * n for i, n in zip(index, self.file)]
        low = [max(0, a - s) // n for a, s, n in zip(box.start, start, self.chunk)]
        high = [-(-(min(b, s + f) - s) // n) for b, s, f, n in zip(box.stop, start, self.file, self.chunk)]
        _, b, c = self._inside
        for i, j, k in product(*map(range, low, high)):
            corner: Any = tuple(s + n * m for s, n, m in zip(start, (i, j, k), self.chunk))
            end: Any = tuple(a + n for a, n in zip(corner, self.chunk))
            yield (i * b + j) * c + k, VoxelBox(corner, end)

    def encode(self, index: Triple, part: HostArray) -> Iterator[Any]:
        """The bytes of one file, in parts, from its voxels (those inside the array)."""
        box, values = self.tiling.box(index), value_range(self.dtype)
        table = np.full((prod(self._inside), 2), _NOWHERE, "<u8")
        counted = empty_table(values[1], box.size) if self.sharded and values is not None else None
        offset = 0
        for number, whole in self._chunks(index, box):
            chunk = self._chunk(part, whole & box, box, whole)
            if counted is not None and values is not None:
                count_into(counted, chunk[(whole & box).within(whole).slices], low=values[0])
            parts = self.compression.encode(chunk)
            length = sum(len(p) for p in parts)
            table[number] = offset, length
            offset += length
            yield from parts
        if self.sharded:
            ending = table.tobytes() + _checksum(table.tobytes())
            if counted is not None:
                yield beside.pack(counted.sum(axis=0, dtype=np.int64), ending)
            yield ending

    def _chunk(self, part: HostArray, inside: VoxelBox, box: VoxelBox, whole: VoxelBox) -> HostArray:
        voxels = part[inside.within(box).slices]
        if inside == whole:
            return np.ascontiguousarray(voxels, self.dtype)  # of foreign byte order, perhaps
        chunk = np.full(self.chunk, self.fill, self.dtype)
        chunk[inside.within(whole).slices] = voxels
        return chunk

    def read(self, box: VoxelBox, *, strict: bool) -> HostArray:
        """The voxels of a box; where nothing is stored the fill value, or an error if ``strict``.

        Raises
        ------
        CorruptChunkError
            A chunk is damaged or missing; names it.
        """
        out = np.empty(box.shape, self.dtype)
        buffer = np.empty(self.chunk, self.dtype)
        for index in self.tiling.touched(box):
            try:
                with self.opened(self.key(index)) as file:
                    self._read_file(file, index, box, out, buffer, strict)
            except FileNotFoundError:
                if strict:
                    raise CorruptChunkError(f"chunk {self.key(index)} is missing from the store") from None
                out[(self.tiling.box(index) & box).within(box).slices] = self.fill
        return out

    def counts(self, box: VoxelBox) -> Counts | None:
        """How often each value of the type occurs in a box of whole shards, if their files tell it; none of their chunks is read."""
        if not self.sharded or value_range(self.dtype) is None or not box.size:
            return None
        found: list[Counts] = []
        for index in self.tiling.touched(box):
            part = self._file_counts(index) if self.tiling.box(index) in box else None
            if part is None:
                return None
            found.append(part)
        return beside.joined(found) if len(found) > 1 else found[0]

    def _file_counts(self, index: Triple) -> Counts | None:
        end = 16 * prod(self._inside) + 4
        try:
            with self.opened(self.key(index)) as file:
                start = file.size - end - beside.FOOT
                if start < 0:
                    return None
                (last,) = file.read([(start, beside.FOOT + end)])
                foot, ending = bytes(last[: beside.FOOT]), bytes(last[beside.FOOT :])
                length = beside.packed_size(foot, ending)
                if not 0 < length <= start or _checksum(ending[:-4]) != ending[-4:]:
                    return None
                (packed,) = file.read([(start - length, length)])
                return beside.unpack(bytes(packed), foot)
        except OSError:  # whoever reads the voxels instead will say what is wrong
            return None

    @contextmanager
    def opened(self, key: str) -> Iterator[Opened]:
        """One of the files; ``FileNotFoundError`` where there is none."""
        handle = os.open(os.path.join(self.folder, key), os.O_RDONLY)
        try:
            yield _LocalFile(handle)
        finally:
            os.close(handle)

    def _read_file(self, file: Opened, index: Triple, box: VoxelBox, out: HostArray, buffer: HostArray, strict: bool) -> None:
        table = self._table(file, index)
        stored: list[tuple[VoxelBox, tuple[int, int]]] = []
        for number, whole in self._chunks(index, box):
            offset, length = int(table[number, 0]), int(table[number, 1])
            if offset == _NOWHERE and length == _NOWHERE:
                if strict:
                    raise CorruptChunkError(f"{self._name(whole)} is missing from the store")
                out[(whole & box).within(box).slices] = self.fill
                continue
            if offset + length > file.size:
                raise CorruptChunkError(f"{self._name(whole)} is corrupt: {self.key(index)} is cut short")
            stored.append((whole, (offset, length)))
        for (whole, _), data in zip(stored, file.read([place for _, place in stored])):
            part, target = whole & box, out if whole == box else buffer
            try:
                self.compression.decode(memoryview(data), target)
            except (ValueError, RuntimeError) as error:
                raise CorruptChunkError(f"{self._name(whole)} is corrupt: {error}") from None
            if target is buffer:
                out[part.within(box).slices] = buffer[part.within(whole).slices]

    def _table(self, file: Opened, index: Triple) -> HostArray:
        """Offset and length of each chunk in a file."""
        size = file.size
        if not self.sharded:
            return np.array([[0, size]], "<u8")
        length = 16 * prod(self._inside) + 4
        try:
            _expect(min(size, length), length)
            (data,) = file.read([(size - length, length)])
            return np.frombuffer(_verified(memoryview(data)), "<u8").reshape(-1, 2)
        except ValueError as error:
            reason = "it is cut short" if size < length else str(error)
            raise CorruptChunkError(f"chunk {self.key(index)} (voxels {self.tiling.box(index)}) is corrupt: the index of this shard: {reason}") from None

    def _name(self, whole: VoxelBox) -> str:
        number = ".".join(str(a // n) for a, n in zip(whole.start, self.chunk))
        return f"chunk {number} (voxels {whole & VoxelBox.whole(self.shape)})"
