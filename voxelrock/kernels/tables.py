"""One row per label: counts, moments, boxes, faces, grey values; in one look at a block, by runs. Tables of blocks are joined by label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from voxelrock.errors import DataError
from voxelrock.kernels import accumulators
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.runs import Runs, find_runs
from voxelrock.typing import Block, HostArray, Triple

PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""The axes of the second moments, in the order of their columns."""


@dataclass(frozen=True)
class GreyTable:
    """Grey values per label: how many, the smallest and largest, and the words of exact sums and sums of squares."""

    count: HostArray
    low: HostArray
    high: HostArray
    sums: HostArray
    squares: HostArray

    @classmethod
    def empty(cls, rows: int, dtype: np.dtype[Any]) -> GreyTable:
        """A table that nothing was added to."""
        limits = (-np.inf, np.inf) if dtype.kind == "f" else (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        words = accumulators.format_of(dtype)
        return cls(
            np.zeros(rows, np.int64), np.full(rows, limits[1], dtype), np.full(rows, limits[0], dtype),
            np.zeros((rows, words.words), np.int64), np.zeros((rows, words.square_words), np.int64),
        )  # fmt: skip


@dataclass(frozen=True)
class LabelTable:
    """Rows of labels, ascending.

    ``sums`` (int64): voxels, then sums of z, y and x (indices in the image). ``moments``: sums of the products of :data:`PAIRS`, each in two
    words of 32 bits. ``low`` and ``high``: first and last index along each axis. ``faces``: voxel faces across each axis. ``touched``: surfaces
    of a region touched, a bit each.
    """

    label: HostArray
    sums: HostArray
    moments: HostArray
    low: HostArray
    high: HostArray
    faces: HostArray
    touched: HostArray
    grey: GreyTable | None


def distinct(values: HostArray) -> tuple[HostArray, HostArray]:
    """The distinct values, ascending, and the place of each value among them."""
    if values.size:
        low, span = int(values.min()), int(values.max()) - int(values.min()) + 1
        if span <= 4 * values.size + 1024:  # a table of marks is faster than sorting
            marks = np.zeros(span, bool)
            marks[values - low] = True
            return np.flatnonzero(marks) + low, (np.cumsum(marks) - 1)[values - low]
    found, slots = np.unique(values, return_inverse=True)
    return found, slots


@jit
def _measure(
    rows: HostArray, start: HostArray, stop: HostArray, slot: HostArray, height: int, origin: Triple, sums: HostArray, moments: HostArray, box: HostArray
) -> None:
    for r in range(rows.size - 1):
        z, y = np.int64(r // height + origin[0]), np.int64(r % height + origin[1])
        for i in range(rows[r], rows[r + 1]):
            s, a, b = slot[i], np.int64(start[i] + origin[2]), np.int64(stop[i] + origin[2])
            n = b - a
            x = (a + b - 1) * n // 2
            sums[s, 0] += n
            sums[s, 1] += z * n
            sums[s, 2] += y * n
            sums[s, 3] += x
            moments[s, 0] += z * z * n
            moments[s, 1] += y * y * n
            moments[s, 2] += ((b - 1) * b * (2 * b - 1) - (a - 1) * a * (2 * a - 1)) // 6
            moments[s, 3] += z * y * n
            moments[s, 4] += z * x
            moments[s, 5] += y * x
            for axis, first, last in ((0, z, z), (1, y, y), (2, a, b - 1)):
                box[s, axis] = min(box[s, axis], first)
                box[s, 3 + axis] = max(box[s, 3 + axis], last)


@jit
def _look(
    rows: HostArray, start: HostArray, stop: HostArray, slot: HostArray, code: HostArray, region: HostArray, bounded: bool, faces: HostArray, touched: HostArray
) -> None:
    for r in range(rows.size - 1):
        for i in range(rows[r], rows[r + 1]):
            s, bits = slot[i], np.uint8(0)
            for x in range(start[i], stop[i]):
                c = code[r, x]
                if c != 0:
                    faces[s, 0] += (c & 1) + (c >> 1 & 1)
                    faces[s, 1] += (c >> 2 & 1) + (c >> 3 & 1)
                    faces[s, 2] += (c >> 4 & 1) + (c >> 5 & 1)
                if bounded:
                    bits |= region[r, x]
            touched[s] |= bits & np.uint8(63)


@jit
def _extremes(values: HostArray, valid: HostArray, masked: bool, runs: tuple[HostArray, HostArray, HostArray], slot: HostArray, count: HostArray,
              low: HostArray, high: HostArray) -> None:  # fmt: skip
    rows, start, stop = runs
    for r in range(rows.size - 1):
        for i in range(rows[r], rows[r + 1]):
            s = slot[i]
            for x in range(start[i], stop[i]):
                if not masked or valid[r, x]:
                    count[s] += 1
                    low[s] = min(low[s], values[r, x])
                    high[s] = max(high[s], values[r, x])


@jit
def _add_grey(values: HostArray, valid: HostArray, masked: bool, runs: tuple[HostArray, HostArray, HostArray], slot: HostArray, kind: int,
              sums: HostArray, squares: HostArray) -> bool:  # fmt: skip
    """Add the grey values to the sums of their labels; ``kind`` is 0 for small integers, 1 for integers, else the bits of a mantissa."""
    rows, start, stop = runs
    for r in range(rows.size - 1):
        for i in range(rows[r], rows[r + 1]):
            s, x = slot[i], start[i]
            while x < stop[i]:
                end = stop[i]
                if masked:  # the next stretch of valid voxels
                    while x < stop[i] and not valid[r, x]:
                        x += 1
                    end = x
                    while end < stop[i] and valid[r, end]:
                        end += 1
                if kind == 0:
                    accumulators.add_small(values[r], x, end, sums[s], squares[s])
                elif kind == 1:
                    accumulators.add_integers(values[r], x, end, sums[s], squares[s])
                elif not accumulators.add_floats(values[r], x, end, kind, sums[s], squares[s]):
                    return False
                x = end
    return True


def _rows(block: Block, runs: Runs) -> HostArray:
    return np.ascontiguousarray(to_host(block)).reshape(runs.shape[0] * runs.shape[1], runs.shape[2])


def _grey(block: Block, valid: Block | None, runs: Runs, slot: HostArray, labels: int) -> GreyTable:
    values = _rows(block, runs)
    table = GreyTable.empty(labels, values.dtype)
    mask = np.ones((1, 1), bool) if valid is None else _rows(valid, runs)
    parts = runs.rows, runs.start, runs.stop
    plain = values.view(np.uint8) if values.dtype == bool else values
    low, high = (a.view(np.uint8) if a.dtype == bool else a for a in (table.low, table.high))
    _extremes(plain, mask, valid is not None, parts, slot, table.count, low, high)
    kind = (23 if plain.itemsize == 4 else 52) if plain.dtype.kind == "f" else 0 if plain.itemsize <= 2 else 1
    bits = plain.view(f"i{plain.itemsize}") if kind > 1 else plain
    if not _add_grey(bits, mask, valid is not None, parts, slot, kind, table.sums, table.squares):
        raise DataError("NaN or infinity among the grey values of labels: declare NaN with image.assign(nodata=float('nan')), or leave it out with where=")
    return GreyTable(table.count, table.low, table.high, accumulators.carried(table.sums), accumulators.carried(table.squares))


@kernel(cost=12.0, workspace=2.0, host_only="it adds to a table whose rows the data name")
def label_table(block: Block, faces: Block, /, *others: Block, bounded: bool, start: Any, shape: Any) -> LabelTable:
    """The table of a block of labels, 0 left out.

    ``faces`` is the labels' :func:`face_code`; then comes, if ``bounded``, the :func:`region_code` of what they lie in, and a block of grey values
    and, optionally, a mask of those that are valid. It runs on the host: a device's block is copied. Memory: 20 bytes a run, 200 a label (500 with
    float32 grey values, 1800 with float64).

    Raises
    ------
    DataError
        NaN or infinity among the grey values.
    """
    runs = find_runs(to_host(block))
    values = runs.value if runs.value.size else np.ones(len(runs), np.int64)
    label, slot = distinct(values)
    n = label.size
    sums, moments, box = np.zeros((n, 4), np.int64), np.zeros((n, 6), np.int64), np.full((n, 6), -1, np.int64)
    box[:, :3] = np.iinfo(np.int64).max
    _measure(runs.rows, runs.start, runs.stop, slot, max(runs.shape[1], 1), tuple(start), sums, moments, box)
    area, touched = np.zeros((n, 3), np.int64), np.zeros(n, np.uint8)
    grey, region = others[1:] if bounded else others, _rows(others[0], runs) if bounded else np.zeros((1, 1), np.uint8)
    _look(runs.rows, runs.start, runs.stop, slot, _rows(faces, runs), region, bounded, area, touched)
    table = _grey(grey[0], grey[1] if len(grey) > 1 else None, runs, slot, n) if grey else None
    words = np.stack([moments & 0xFFFFFFFF, moments >> 32], axis=-1)
    return LabelTable(label, sums, words, box[:, :3], box[:, 3:], area, touched, table)


def join_tables(tables: list[LabelTable]) -> LabelTable:
    """One table of several, rows of one label joined. Memory: theirs, twice."""
    joined = np.concatenate([t.label for t in tables])
    order = np.argsort(joined, kind="stable")
    ordered = joined[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if ordered.size else np.empty(0, np.int64)

    def fold(how: np.ufunc, columns: list[HostArray]) -> HostArray:
        values = np.concatenate(columns)[order]
        return how.reduceat(values, first, axis=0) if first.size else values

    greys = [t.grey for t in tables if t.grey is not None]
    add = partial(fold, np.add)
    grey = None
    if greys:
        words = (accumulators.carried(add([g.sums for g in greys])), accumulators.carried(add([g.squares for g in greys])))
        grey = GreyTable(add([g.count for g in greys]), fold(np.minimum, [g.low for g in greys]), fold(np.maximum, [g.high for g in greys]), *words)
    return LabelTable(
        ordered[first],
        add([t.sums for t in tables]),
        add([t.moments for t in tables]),
        fold(np.minimum, [t.low for t in tables]),
        fold(np.maximum, [t.high for t in tables]),
        add([t.faces for t in tables]),
        fold(np.bitwise_or, [t.touched for t in tables]),
        grey,
    )


def covariances(table: LabelTable) -> HostArray:
    """The covariances of the voxels' indices for :data:`PAIRS`, from exact sums, as float64 (labels, 6)."""
    n = table.sums[:, 0]
    found = np.empty((n.size, 6))
    span = (table.high - table.low).max(axis=1, initial=0) + 1
    wide = n.astype(float) * span.astype(float) ** 2 >= 2.0**62
    for k, (i, j) in enumerate(PAIRS):
        a, b, p, q = table.sums[:, 1 + i], table.sums[:, 1 + j], table.low[:, i], table.low[:, j]
        u, v = a - n * p, b - n * q
        with np.errstate(over="ignore"):  # counted from the label's own box the sum fits in 64 bits, whatever wraps on the way
            product = (table.moments[:, k, 1] << 32) + table.moments[:, k, 0] - p * b - q * a + n * p * q
        found[:, k] = (product - u.astype(float) * v.astype(float) / n) / n
        for row in np.flatnonzero(wide).tolist():
            low, high = table.moments[row, k].tolist()
            exact = int(n[row]) * ((high << 32) + low) - int(a[row]) * int(b[row])
            found[row, k] = exact / int(n[row]) ** 2
    return found
