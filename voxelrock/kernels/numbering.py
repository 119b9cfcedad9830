"""How components get their names once all of them are known, without a table of all of them in one place.

Components are finished at different levels of a tree of blocks: inside a block, or where the last of its parts were joined. On the way up
each node tells how many it has finished (its ledger); on the way down it learns how many come before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from voxelrock.geometry import VoxelBox
from voxelrock.typing import HostArray, Triple

Ledger = tuple[HostArray, HostArray]
_NONE = np.empty(0, np.int64)


class Members(NamedTuple):
    """Components, one per entry of each array (int64).

    ``key`` is the C-order index in the image of the first voxel, ``size`` the number of voxels, ``flags`` the surfaces touched (a bit each),
    ``rank`` the number of finished components with a smaller key in the same row of the same box, ``value`` the voxels' value.
    """

    key: HostArray
    size: HostArray
    flags: HostArray
    rank: HostArray
    value: HostArray

    def only(self, chosen: HostArray) -> Members:
        """Some of them."""
        return Members(*(column[chosen] for column in self))


class Message(NamedTuple):
    """What a box learns from above: names of its open components, how many components come before each entry of its ledger, keys of
    components that begin in the box and were finished above, and the size and key of the largest component of all."""

    names: HostArray
    offsets: HostArray
    above: HostArray
    best: tuple[int, int]


class Part(NamedTuple):
    """A box and its ledger."""

    box: VoxelBox
    ledger: Ledger


def _at(ledger: Ledger, rows: HostArray) -> HostArray:
    """How many components a ledger counts in each of the rows."""
    if not ledger[0].size:
        return np.zeros(rows.size, np.int64)
    place = np.minimum(np.searchsorted(ledger[0], rows), ledger[0].size - 1)
    return np.where(ledger[0][place] == rows, ledger[1][place], 0)


def _before(keys: HostArray, start: HostArray, stop: HostArray) -> HostArray:
    """How many of the ascending keys lie in each range."""
    return np.searchsorted(keys, stop) - np.searchsorted(keys, start)


@dataclass(frozen=True)
class ScanOrder:
    """Numbers from 1 in the order of keys, as ``scipy.ndimage.label`` gives them.

    The ledger counts finished components per row of voxels (ascending C-order indices of the rows, counts): never more than one entry for
    each row of the box. ``extent`` is the image's shape.
    """

    extent: Triple

    def enter(self, members: Members) -> Ledger:
        """The ledger of components."""
        rows = members.key // max(self.extent[2], 1)
        if np.any(rows[1:] < rows[:-1]):
            rows = np.sort(rows)
        ends = np.flatnonzero(np.append(rows[1:] != rows[:-1], rows.size > 0)) + 1 if rows.size else _NONE
        return rows[ends - 1], np.diff(ends, prepend=np.int64(0))

    def join(self, parts: list[Part], members: Members) -> Ledger:
        """The ledger of the parts and of components finished now."""
        ledgers = [*(p.ledger for p in parts), self.enter(members)]
        rows, place = np.unique(np.concatenate([r for r, _ in ledgers]), return_inverse=True)
        counts = np.zeros(rows.size, np.int64)
        np.add.at(counts, place, np.concatenate([c for _, c in ledgers]))
        return rows, counts

    def ranks(self, parts: list[Part], members: Members, home: HostArray, done: HostArray) -> HostArray:
        """The ranks in the joined box of components whose ranks in their own part ``home`` are known; ``done`` are finished now."""
        width, rank = self.extent[2], members.rank.copy()
        rows = members.key // width
        for i, part in enumerate(parts):
            mine = home == i
            for j in _earlier(parts, part):
                rank[mine] += _at(parts[j].ledger, rows[mine])
        return rank + _before(np.sort(members.key[done]), rows * width, members.key)

    def names(self, ledger: Ledger, message: Message, members: Members) -> HostArray:
        """The numbers of components that the ledger counts."""
        rows = members.key // self.extent[2]
        begun = _before(message.above, rows * self.extent[2], members.key)
        return message.offsets[np.searchsorted(ledger[0], rows)] + members.rank + begun + 1

    def descend(self, parts: list[Part], ledger: Ledger, message: Message, members: Members) -> list[tuple[HostArray, HostArray]]:
        """For each part, what comes before its ledger's entries and the keys that were finished above it; ``members`` were finished here."""
        width = self.extent[2]
        keys = np.sort(np.concatenate([message.above, members.key]))
        inside = [keys[self._within(keys, part.box)] for part in parts]
        found = []
        for part, above in zip(parts, inside):
            rows = part.ledger[0]
            offsets = message.offsets[np.searchsorted(ledger[0], rows)]
            for j in _earlier(parts, part):
                offsets = offsets + _at(parts[j].ledger, rows) + _before(inside[j], rows * width, (rows + 1) * width)
            found.append((offsets, above))
        return found

    def _within(self, keys: HostArray, box: VoxelBox) -> HostArray:
        z, y, x = np.unravel_index(keys, self.extent) if keys.size else (_NONE, _NONE, _NONE)
        inside = [(c >= a) & (c < b) for c, a, b in zip((z, y, x), box.start, box.stop)]
        return inside[0] & inside[1] & inside[2]

    def begin(self, ledger: Ledger) -> HostArray:
        """How many components come before each entry of the whole image's ledger."""
        return np.cumsum(ledger[1]) - ledger[1]


def _earlier(parts: list[Part], part: Part) -> list[int]:
    """The parts that hold earlier stretches of the same rows."""
    same = [(p.box.start[:2], p.box.stop[:2]) == (part.box.start[:2], part.box.stop[:2]) for p in parts]
    return [j for j, p in enumerate(parts) if same[j] and p.box.start[2] < part.box.start[2]]


@dataclass(frozen=True)
class SizeOrder:
    """Numbers from 1 by size, the largest first, then by key. The ledger holds every finished component (size and key)."""

    def enter(self, members: Members) -> Ledger:
        """The ledger of components."""
        return self._sorted(members.size, members.key)[0]

    def _sorted(self, size: HostArray, key: HostArray) -> tuple[Ledger, HostArray]:
        order = np.lexsort((key, -size))
        places = np.empty(order.size, np.int64)
        places[order] = np.arange(order.size)
        return (size[order], key[order]), places

    def _joined(self, parts: list[Part], members: Members) -> tuple[Ledger, HostArray]:
        size = np.concatenate([*(p.ledger[0] for p in parts), members.size])
        return self._sorted(size, np.concatenate([*(p.ledger[1] for p in parts), members.key]))

    def join(self, parts: list[Part], members: Members) -> Ledger:
        """The ledger of the parts and of components finished now."""
        return self._joined(parts, members)[0]

    def ranks(self, parts: list[Part], members: Members, home: HostArray, done: HostArray) -> HostArray:
        """Not needed: every component has an entry of its own."""
        return members.rank

    def names(self, ledger: Ledger, message: Message, members: Members) -> HostArray:
        """The numbers of components that the ledger holds."""
        by_key = np.argsort(ledger[1])
        place = by_key[np.searchsorted(ledger[1], members.key, sorter=by_key)] if members.key.size else _NONE
        return message.offsets[place] + 1

    def descend(self, parts: list[Part], ledger: Ledger, message: Message, members: Members) -> list[tuple[HostArray, HostArray]]:
        """For each part, what comes before its ledger's entries."""
        places = self._joined(parts, members)[1]
        ends = np.cumsum([p.ledger[0].size for p in parts])
        return [(message.offsets[places[e - p.ledger[0].size : e]], _NONE) for p, e in zip(parts, ends)]

    def begin(self, ledger: Ledger) -> HostArray:
        """How many components come before each entry of the whole image's ledger."""
        return np.arange(ledger[0].size)


@dataclass(frozen=True)
class Choice:
    """Names are 1 for components that are chosen, else 0; there is no ledger.

    A component is chosen if it touches all surfaces of ``every`` and none of ``none`` (bits), has at least ``least`` voxels, and, with
    ``largest``, if it is the largest of all (of several, the first).
    """

    every: int = 0
    none: int = 0
    least: int = 0
    largest: bool = False

    def enter(self, members: Members) -> Ledger:
        """Nothing."""
        return _NONE, _NONE

    def join(self, parts: list[Part], members: Members) -> Ledger:
        """Nothing."""
        return _NONE, _NONE

    def ranks(self, parts: list[Part], members: Members, home: HostArray, done: HostArray) -> HostArray:
        """Not needed."""
        return members.rank

    def names(self, ledger: Ledger, message: Message, members: Members) -> HostArray:
        """1 for the chosen."""
        chosen = (members.flags & self.every == self.every) & (members.flags & self.none == 0) & (members.size >= self.least)
        if self.largest:
            chosen &= (members.size == message.best[0]) & (members.key == message.best[1])
        return chosen.astype(np.int64)

    def descend(self, parts: list[Part], ledger: Ledger, message: Message, members: Members) -> list[tuple[HostArray, HostArray]]:
        """Nothing."""
        return [(_NONE, _NONE)] * len(parts)

    def begin(self, ledger: Ledger) -> HostArray:
        """Nothing."""
        return _NONE


Naming = ScanOrder | SizeOrder | Choice
