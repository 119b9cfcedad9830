"""Forests of decision trees as plain arrays, and what they answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from voxelrock.errors import DataError, FormatError
from voxelrock.geometry import VoxelBox
from voxelrock.kernels.backend import jit, kernel, to_host
from voxelrock.kernels.features import FeatureReader, Named, count_features, features_halo, slabs
from voxelrock.kernels.padding import pad
from voxelrock.typing import Block, HostArray, Triple

_TILE = 2048
"""Voxels that all trees answer before the next: their features and one tree fit into a second-level cache."""


_HELD = 2**18
"""Samples after which those that are too many are dropped."""


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees in one table of nodes; the right child of a node follows the left one.

    Parameters
    ----------
    nodes
        (nodes, 3) int32: the feature that is asked, the left child, and the row of ``shares`` of a leaf. A leaf is its own left child, other rows are -1.
    limits
        (nodes,) float32: features at most as large go left; infinity in a leaf.
    roots
        (trees,) int32: the first nodes.
    shares
        (leaves, classes) float64: the fractions of the classes.
    """

    nodes: HostArray
    limits: HostArray
    roots: HostArray
    shares: HostArray

    @cached_property
    def identity(self) -> str:
        """Equal for equal arrays."""
        digest = hashlib.sha256()
        for part in (self.nodes, self.limits, self.roots, self.shares):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()[:40]

    @cached_property
    def packed(self) -> HostArray:
        """Nodes with their limits beside them (as bits), 16 bytes each; children as places in the flat table."""
        table = np.empty((len(self.nodes), 4), np.int32)
        table[:, :3], table[:, 3] = self.nodes, self.limits.view(np.int32)
        table[:, 1] *= 4
        return table

    def checked(self, features: int, classes: int) -> Forest:
        """The forest, if its arrays are of the right kind and lead from each root to leaves.

        Raises
        ------
        FormatError
            They do not.
        """
        kinds = ((self.nodes, "i4", 2), (self.limits, "f4", 1), (self.roots, "i4", 1), (self.shares, "f8", 2))
        good = all(a.dtype == np.dtype(kind) and a.ndim == axes for a, kind, axes in kinds)
        good = (
            good
            and self.nodes.shape[1:] == (3,)
            and len(self.nodes) < 2**29
            and len(self.limits) == len(self.nodes)
            and self.shares.shape[1:] == (classes,)
            and self.roots.size > 0
        )
        if good:
            asked, left, row = self.nodes.T
            here = np.arange(len(self.nodes))
            leaf = row >= 0
            inside = (left > here) & (left + 1 < len(here)) & (asked >= 0) & (asked < features)
            good = bool(np.all(np.where(leaf, (left == here) & (row < len(self.shares)) & (asked == 0) & (self.limits == np.inf), inside)))
            good = good and bool(np.all((self.roots >= 0) & (self.roots < len(here)))) and bool(np.all((self.shares >= 0) & (self.shares <= 1)))
        if not good:
            raise FormatError("the trees of the model are damaged: their nodes do not lead to leaves")
        return self

    @classmethod
    def of(cls, trees: list[Any]) -> Forest:
        """A forest of scikit-learn's trees (their ``tree_``)."""
        parts = [_laid_out(tree) for tree in trees]
        sizes, leaves = [len(p[0]) for p in parts], [len(p[2]) for p in parts]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        rows = np.concatenate([[0], np.cumsum(leaves)[:-1]])
        nodes = [p[0] + np.where(p[0][:, 2:] >= 0, [[0, a, b]], [[0, a, 0]]) for p, a, b in zip(parts, roots, rows)]
        return cls(np.concatenate(nodes).astype(np.int32), np.concatenate([p[1] for p in parts]), roots, np.concatenate([p[2] for p in parts]))


def _laid_out(tree: Any) -> tuple[HostArray, HostArray, HostArray]:
    """Nodes, limits and shares of a tree, level by level, so that siblings are neighbours."""
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    order, level = [np.zeros(1, np.int64)], np.zeros(1, np.int64)
    while level.size:
        inner = level[left[level] >= 0]
        level = np.stack([left[inner], right[inner]], axis=1).reshape(-1)
        order.append(level)
    old = np.concatenate(order)
    new = np.empty(old.size, np.int64)
    new[old] = np.arange(old.size)
    leaf = left[old] < 0
    nodes = np.full((old.size, 3), -1, np.int64)
    nodes[:, 0] = np.where(leaf, 0, np.asarray(tree.feature)[old])
    nodes[:, 1] = np.where(leaf, np.arange(old.size), new[left[old]])
    nodes[leaf, 2] = np.arange(int(leaf.sum()))
    exact = np.asarray(tree.threshold)[old]
    limits = exact.astype(np.float32)  # the largest float32 that is no larger: features are float32, so that no comparison changes
    limits = np.where(limits.astype(float) > exact, np.nextafter(limits, np.float32(-np.inf)), limits)
    limits[leaf] = np.inf
    return nodes, limits.astype(np.float32), np.ascontiguousarray(np.asarray(tree.value)[old[leaf], 0, :], dtype=np.float64)


def probabilities(rows: HostArray, forest: Forest) -> HostArray:
    """The mean of the trees' fractions (voxels, classes): scikit-learn's ``predict_proba``, bit for bit.

    Raises
    ------
    DataError
        NaN among the features.
    """
    if np.isnan(np.sum(rows)) and np.isnan(rows).any():
        raise DataError("NaN among the voxels to be classified: leave them out with where=, or give them a value")
    found = np.zeros((len(rows), forest.shares.shape[1]))
    _ask(rows, forest.packed, forest.roots, forest.shares, found)
    found /= forest.roots.size
    return found


@jit
def _ask(rows: HostArray, packed: HostArray, roots: HostArray, shares: HostArray, found: HostArray) -> None:
    nodes, limits, table = packed.reshape(-1), packed.reshape(-1).view(np.float32), rows.reshape(-1)
    width = np.uint64(rows.shape[1])
    for tile in range(0, rows.shape[0], _TILE):
        stop = min(rows.shape[0], tile + _TILE)
        for t in range(roots.size):
            root = np.uint64(4 * roots[t])
            for v in range(tile, stop - stop % 8, 8):
                _eight(table, nodes, limits, np.uint64(v) * width, width, root, shares, found[v : v + 8])
            for v in range(stop - stop % 8, stop):
                _leaf(table, nodes, limits, np.uint64(v) * width, root, shares, found[v])


@jit
def _eight(table: HostArray, nodes: HostArray, limits: HostArray, start: Any, width: Any, root: Any, shares: HostArray, found: HostArray) -> None:
    """Eight voxels at a time: while one waits for its node, the others go on. A leaf leads to itself."""
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    i = start
    j = i + width
    k = j + width
    l = k + width
    m = l + width
    n = m + width
    o = n + width
    p = o + width
    a = b = c = d = e = f = g = h = root
    while (nodes[a + two] | nodes[b + two] | nodes[c + two] | nodes[d + two] | nodes[e + two] | nodes[f + two] | nodes[g + two] | nodes[h + two]) < 0:
        for _ in range(2):
            a = np.uint64(nodes[a + one]) + (np.uint64(table[i + np.uint64(nodes[a])] > limits[a + three]) << two)
            b = np.uint64(nodes[b + one]) + (np.uint64(table[j + np.uint64(nodes[b])] > limits[b + three]) << two)
            c = np.uint64(nodes[c + one]) + (np.uint64(table[k + np.uint64(nodes[c])] > limits[c + three]) << two)
            d = np.uint64(nodes[d + one]) + (np.uint64(table[l + np.uint64(nodes[d])] > limits[d + three]) << two)
            e = np.uint64(nodes[e + one]) + (np.uint64(table[m + np.uint64(nodes[e])] > limits[e + three]) << two)
            f = np.uint64(nodes[f + one]) + (np.uint64(table[n + np.uint64(nodes[f])] > limits[f + three]) << two)
            g = np.uint64(nodes[g + one]) + (np.uint64(table[o + np.uint64(nodes[g])] > limits[g + three]) << two)
            h = np.uint64(nodes[h + one]) + (np.uint64(table[p + np.uint64(nodes[h])] > limits[h + three]) << two)
    for q in range(found.shape[1]):
        found[0, q] += shares[nodes[a + two], q]
        found[1, q] += shares[nodes[b + two], q]
        found[2, q] += shares[nodes[c + two], q]
        found[3, q] += shares[nodes[d + two], q]
        found[4, q] += shares[nodes[e + two], q]
        found[5, q] += shares[nodes[f + two], q]
        found[6, q] += shares[nodes[g + two], q]
        found[7, q] += shares[nodes[h + two], q]


@jit
def _leaf(table: HostArray, nodes: HostArray, limits: HostArray, start: Any, root: Any, shares: HostArray, found: HostArray) -> None:
    """One voxel."""
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    a = root
    while nodes[a + two] < 0:
        a = np.uint64(nodes[a + one]) + (np.uint64(table[start + np.uint64(nodes[a])] > limits[a + three]) << two)
    for q in range(found.size):
        found[q] += shares[nodes[a + two], q]


@kernel(cost=1000.0, workspace=4.0, host_only="it walks the trees of a forest")
def forest_answer(block: Block, /, *mask: Block, features: tuple[Named, ...], forest: Forest, classes: tuple[int, ...], wanted: int | str) -> Block:
    """What a forest says of each voxel; it runs on the host: a device's block is copied.

    Parameters
    ----------
    block
        (z, y, x) with the halo of the features.
    mask
        As large as the block, True where an answer is wanted.
    features, forest, classes
        The filters that the forest was trained on, its trees, the labels of its classes.
    wanted
        ``"label"`` (u1; 255 outside the mask), ``"uncertainty"`` (float32: 1 minus the largest probability), or the place of a class, whose
        probability is given (float32); both NaN outside.

    Notes
    -----
    Memory: the features and probabilities of a slab of 2¹⁸ voxels, or of one slice.
    """
    halo = features_halo(features=features)
    values = to_host(block)
    inner = tuple(slice(h, n - h) for h, n in zip(halo, values.shape))
    keep = to_host(mask[0])[inner] if mask else None
    shape = values[inner].shape
    out = np.full(shape, 255, np.uint8) if wanted == "label" else np.full(shape, np.nan, np.float32)
    seen = FeatureReader(values, features)
    for first, last in slabs(shape[0], shape[1] * shape[2]):
        chosen: Any = slice(None) if keep is None else keep[first:last].reshape(-1)
        if keep is not None and not chosen.any():
            continue
        found = probabilities(seen.rows(first, last)[chosen], forest)
        flat = out[first:last].reshape(-1)
        if wanted == "label":
            flat[chosen] = np.array(classes, np.uint8)[np.argmax(found, axis=1)]
        else:
            flat[chosen] = 1.0 - found.max(axis=1) if isinstance(wanted, str) else found[:, wanted]
    return out


@dataclass(frozen=True)
class Sampling:
    """What is taken of labelled voxels: which features, of which labels, how many of each, in an image of which shape."""

    features: tuple[Named, ...]
    classes: tuple[int, ...]
    most: int
    shape: Triple


def samples_margin(*, sampling: Sampling, **_: Any) -> tuple[Triple, Triple]:
    """What the features of a block's voxels need beside them."""
    halo = features_halo(features=sampling.features)
    return halo, halo


@kernel(cost=100.0, workspace=8.0, host_only="the data name the voxels that it gives")
def samples(block: Block, labels: Block, /, *mask: Block, sampling: Sampling, start: Triple, shape: Triple, core: VoxelBox) -> list[HostArray]:
    """Numbers in C order, labels and features of the labelled voxels: of each class as many as wanted that a hash of their number puts first.

    It runs on the host: a device's block is copied. Nothing is filtered where nothing is labelled.
    """
    numbers, known, rows = (
        [np.empty(0, np.int64)],
        [np.empty(0, np.int64)],
        [np.empty((0, count_features([name for name, _, _ in sampling.features])), np.float32)],
    )
    marks = to_host(labels)[core.slices].astype(np.int64)
    wanted = np.isin(marks, sampling.classes)
    if mask:
        wanted &= to_host(mask[0])[core.slices]
    planes = np.flatnonzero(wanted.any(axis=(1, 2)))
    if planes.size:
        halo = features_halo(features=sampling.features)
        before = tuple(h - a for h, a in zip(halo, core.start))
        after = tuple(h - (n - b) for h, n, b in zip(halo, block.shape, core.stop))
        values = pad(to_host(block), before=before, after=after)
        seen = FeatureReader(values, sampling.features)
        for z in planes.tolist():
            flat = np.flatnonzero(wanted[z])
            numbers.append(((start[0] + z) * sampling.shape[1] + start[1] + flat // shape[2]) * sampling.shape[2] + start[2] + flat % shape[2])
            known.append(marks[z].reshape(-1)[flat])
            rows.append(seen.rows(z, z + 1)[flat])
            if sum(map(len, numbers)) > _HELD:
                numbers, known, rows = ([part] for part in fewest([np.concatenate(part) for part in (numbers, known, rows)], sampling.most))
    return fewest([np.concatenate(part) for part in (numbers, known, rows)], sampling.most)


def fewest(found: list[HostArray], most: int) -> list[HostArray]:
    """Of each label the ``most`` samples that a hash of their number puts first."""
    numbers, known, _ = found
    order = np.lexsort((numbers, _hash(numbers), known))
    ordered = known[order]
    place = np.arange(order.size) - np.searchsorted(ordered, ordered, side="left")
    kept = order[place < most]
    return [part[kept] for part in found]


def _hash(numbers: HostArray) -> HostArray:
    """Steele, Lea & Flood 2014, doi:10.1145/2714064.2660195 (the finalizer of splitmix64)."""
    mixed = numbers.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
